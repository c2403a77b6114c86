//! A terminal with the test at the other end.

use crate::until;
use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    pty::{OpenptyResult, Winsize, openpty},
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
};

/// A pseudo-terminal; what is printed on it is collected.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    slave: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Terminal {
    /// Opens a terminal of 24 rows and 80 columns.
    pub fn new() -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
        let master = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut source, sink) = (master.try_clone().unwrap(), Arc::clone(&screen));
        // Ends with the terminal: the last slave closed is an error for the reader.
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut buffer) {
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(buffer.get(..count).unwrap_or_default());
            }
        });
        Self {
            master,
            slave,
            screen,
        }
    }

    /// A descriptor of the command's end.
    pub fn slave(&self) -> OwnedFd {
        self.slave.try_clone().unwrap()
    }

    /// Types: `\x03` is Ctrl-C.
    pub fn types(&self, text: &str) {
        (&self.master).write_all(text.as_bytes()).unwrap();
    }

    /// Everything printed so far, echoed input included.
    pub fn screen(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&screen).into_owned()
    }

    /// Waits until this is printed.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        self.shows_times(text, 1);
    }

    /// Waits until this is printed that many times.
    #[track_caller]
    pub fn shows_times(&self, text: &str, times: usize) {
        until_shown(self, text, times);
    }

    /// Changes the size of the window, as a terminal emulator does.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = rustix::termios::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&self.master, size).unwrap();
    }

    /// Whether a line waits for whoever reads the command's end: typed, or pushed by a process.
    pub fn has_input(&self) -> bool {
        let mut fds = [PollFd::new(self.slave.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() > 0
    }

    /// The process group that has the terminal.
    pub fn foreground(&self) -> i32 {
        rustix::termios::tcgetpgrp(&self.master).map_or(0, |group| group.as_raw_nonzero().get())
    }
}

#[track_caller]
fn until_shown(terminal: &Terminal, text: &str, times: usize) {
    let start = std::time::Instant::now();
    let patience = std::time::Duration::from_secs(30);
    until(&format!("`{text}` on the terminal"), || {
        let screen = terminal.screen();
        assert!(
            start.elapsed() < patience,
            "`{text}` never came; the terminal shows:\n{screen}"
        );
        screen.matches(text).count() >= times
    });
}
