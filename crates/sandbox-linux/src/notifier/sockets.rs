//! Sockets: whom they are connected to, and which name they get.
//!
//! To connect needs `write` on the path, or that the socket is the sandbox's own. Where the path leads is looked up once, in the command's
//! root, and the very socket that was found is what is connected to. An address that is no path needs no decision: others than
//! Unix sockets stay in the sandbox's network, or are where the policy leaves the command, and names without a path never leave it. So the
//! reader hands it to init at once; only what waits for nobody and takes no right is done here.

use std::ffi::CString;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::stat::fstat;

use super::address::Named;
use super::calls::Call;
use super::decide::{Answer, is_read_only};
use super::denied::{Asked, permits};
use super::errand::{Errand, Errands};
use super::perform::{Done, Performer, at_end};
use super::pin::Pinned;
use super::resolve::{Found, Place, Stop};
use crate::sys::socket;

impl<'a> Performer<'a> {
    pub(super) fn connect(&self, named: &'a Named, errands: &Errands) -> Result<Done, Stop> {
        let Some(path) = &named.path else {
            return self.without_path(named, errands, || {
                socket::connect(named.socket.as_fd(), &named.address)
            });
        };
        let found = self.found(path)?;
        errands.give(self.job, named, Errand::ConnectTo(found.as_fd()))?;
        Ok(Done::Passed)
    }

    /// Does what waits for nobody and takes no right. What else comes here had no room at init before.
    fn without_path(
        &self,
        named: &Named,
        errands: &Errands,
        act: impl FnOnce() -> nix::Result<()>,
    ) -> Result<Done, Stop> {
        if let Some(errand) = named.errand(&self.job.call) {
            errands.give(self.job, named, errand)?;
            return Ok(Done::Passed);
        }
        act()?;
        Ok(Done::Nothing)
    }

    /// The socket that a path leads to, if it may be connected to.
    fn found(&self, path: &'a Pinned) -> Result<Place<'a>, Stop> {
        let (found, path) = match self.linked(path, true)? {
            Found::Name(name) => {
                let seen = at_end(&name)?;
                (Place::Opened(seen.file.into()), name.path(&self.job.root)?)
            }
            Found::Directory(place) | Found::File(place) => {
                let path = self.job.root.path_of(&place)?;
                (place, path)
            }
        };
        // Nobody is kept from what nobody can have.
        if fstat(&found)?.st_mode & libc::S_IFMT != libc::S_IFSOCK {
            if permits(found.as_fd(), false) {
                return Err(Errno::ECONNREFUSED.into());
            }
            return Err(Errno::EACCES.into());
        }
        self.names.connect(&path, found.as_fd())?;
        Ok(found)
    }

    pub(super) fn bind(&self, named: &'a Named, errands: &Errands) -> Result<Done, Stop> {
        let Some(path) = &named.path else {
            return self.without_path(named, errands, || {
                socket::bind(named.socket.as_fd(), &named.address)
            });
        };
        let name = self.name(path, Errno::EADDRINUSE)?;
        let decided = self.decide_new(&name, Asked::write_file);
        let answer = decided.map_err(|stop| match stop {
            Stop::Answer(Errno::EEXIST) => Errno::EADDRINUSE.into(),
            other => other,
        })?;
        if name.slash {
            return Err(Errno::ENOENT.into());
        }
        let directory = name.directory.as_fd();
        // Init would hear the same, and nobody be told.
        if answer == Answer::TheKernels && is_read_only(directory) {
            return match name.look()? {
                Some(_) => Err(Errno::EADDRINUSE.into()),
                None => Err(Errno::EROFS.into()),
            };
        }
        let errand = if can_be_made(path.path.as_bytes()) {
            Errand::BindAt(directory)
        } else {
            Errand::BindIn(directory)
        };
        errands.give(self.job, named, errand)?;
        Ok(Done::Passed)
    }
}

/// Whether directories can be made on whose way this path is the one to its last name, and to no other.
fn can_be_made(path: &[u8]) -> bool {
    let relative = path.strip_prefix(b"/").unwrap_or(path);
    let mut names = relative.split(|byte| *byte == b'/');
    // The last one is the socket's.
    names.next_back();
    let mut names = names.peekable();
    names.peek().is_some() && names.all(|name| !matches!(name, b"" | b"." | b".."))
}

impl Named {
    /// What init is to do at once: the address is no path. What waits for nobody and needs no right, the performer does itself.
    pub(super) fn errand(&self, call: &Call<Pinned, CString, Self>) -> Option<Errand<'static>> {
        match call {
            _ if self.path.is_some() => None,
            Call::Connect(_) if self.is_inet() && self.kind != libc::SOCK_STREAM => None,
            Call::Connect(_) => Some(Errand::Connect),
            Call::Bind(_) if self.needs_no_right() => None,
            // A socket of netlink may get the number of the process that binds it, which is not to be the caller's (netlink(7)).
            Call::Bind(_) => Some(Errand::Bind),
            _ => None,
        }
    }

    /// Whether anybody may bind it so. Who owns a user namespace has every capability in it from outside (`capabilities(7)`), and with
    /// that the performer would get low ports.
    fn needs_no_right(&self) -> bool {
        /// Where the port is, of both families (ip(7), ipv6(7)).
        const PORT: std::ops::Range<usize> = 2..4;
        self.family == libc::AF_UNIX || self.is_inet() && self.address.get(PORT) == Some(&[0; 2])
    }

    const fn is_inet(&self) -> bool {
        matches!(self.family, libc::AF_INET | libc::AF_INET6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_plain_names_can_be_made() {
        for (path, expected) in [
            (&b"/tmp/x"[..], true),
            (b"a/b/x", true),
            (b"/x", false),
            (b"./x", false),
            (b"../x", false),
            (b"a//x", false),
            (b"/a/../x", false),
        ] {
            assert_eq!(can_be_made(path), expected, "{}", path.escape_ascii());
        }
    }
}
