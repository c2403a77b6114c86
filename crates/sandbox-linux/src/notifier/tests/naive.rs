//! A notifier as one writes it first: it reads the path, decides, and lets the call go on, which reads the path once more.

use std::path::Path;

use super::super::calls;
use super::super::procfs::Threads;
use super::super::read::text;
use super::super::{Call, Names, Thread};
use crate::sys::notify;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Answers all that waits at a listener, until its command has ended.
pub(in super::super) fn answer(names: &Names, listener: &OwnedFd) {
    loop {
        let Ok(call) = notify::receive(listener.as_fd()) else {
            return;
        };
        let known = calls::of(call.data.nr, call.data.args).unwrap();
        let read = known.try_map(
            |at| text(call.pid, at.path),
            |target| text(call.pid, target),
            |given| Thread(call.pid).named(given, &Threads::default()),
        );
        let decided = read.map(|call| match call {
            Call::Open { at, .. }
            | Call::MakeDirectory { at, .. }
            | Call::MakeNode { at, .. }
            | Call::MakeLink { at, .. }
            | Call::Truncate { at, .. } => at,
            Call::Link { to, .. } | Call::Rename { to, .. } => to,
            Call::Connect(named) | Call::Bind(named) => {
                named.path.map(|place| place.path).unwrap_or_default()
            }
        });
        let directory = fs::read_link(format!("/proc/{}/cwd", call.pid));
        let is_denied = decided
            .ok()
            .zip(directory.ok())
            .is_none_or(|(path, directory)| {
                let path = directory.join(Path::new(OsStr::from_bytes(path.as_bytes())));
                names.write(&path, listener.as_fd()).is_err()
            });
        if is_denied {
            let _ = notify::answer(listener.as_fd(), call.id, Err(nix::errno::Errno::EACCES));
        } else {
            notify::go_on(listener.as_fd(), call.id);
        }
    }
}
