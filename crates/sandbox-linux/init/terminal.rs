//! A terminal for one command, of the sandbox's own `/dev/pts`: inside it has its name, and the caller's terminal is out of
//! reach.

use super::descriptors::Handed;
use super::raw::Result;
use super::sys::{self, Fd};

pub(crate) struct Terminal {
    /// The caller's end.
    pub(crate) master: Fd,
    /// The command's.
    pub(crate) slave: Fd,
}

impl Terminal {
    /// Opens one of `rows` and `columns`, which the chosen standard streams then are: bit n stands for stream n.
    pub(crate) fn open(rows: u16, columns: u16, streams: u32, handed: &Handed<'_>) -> Result<Self> {
        let master = sys::open_master(c"/dev/pts/ptmx")?;
        let terminal = sys::set_window_size(master, [rows, columns, 0, 0])
            .and_then(|()| sys::open_peer(master))
            .map(|slave| Self { master, slave });
        let Ok(terminal) = terminal else {
            let _ = sys::close(master);
            return terminal;
        };
        if let Err(errno) = handed.use_for(streams, terminal.slave) {
            terminal.close();
            return Err(errno);
        }
        Ok(terminal)
    }

    /// Closes both: the caller and the command have theirs by now, or there is no command.
    pub(crate) fn close(self) {
        let _ = sys::close(self.slave);
        let _ = sys::close(self.master);
    }
}
