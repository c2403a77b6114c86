//! Looks for descriptors in `/proc`. Every process there is a directory that is opened once: what is read below is of that process or,
//! when it has ended, of none, never of another one that has got its number since.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::sys::stat::Mode;

use super::{Holder, LONGEST};

/// Processes, threads and descriptors that are looked at, of all together: some tens of milliseconds.
const MOST: usize = 16 * 1024;

/// There is more than that, or not all of it can be looked at for a reason that is no process's own: whoever else has a socket is not
/// known.
struct Unclear;

/// What is left to be looked at.
struct Left(usize);

impl Left {
    fn one_less(&mut self) -> Result<(), Unclear> {
        self.0 = self.0.checked_sub(1).ok_or(Unclear)?;
        Ok(())
    }
}

/// Who is known to have a socket.
#[derive(Clone, Debug)]
enum Known {
    Nobody,
    One(Holder),
    Several,
}

/// The holders of these inodes among the descendants of these processes.
pub(super) fn holders(roots: &[u32], inodes: &[u64]) -> Vec<Option<Holder>> {
    holders_within(MOST, roots, inodes)
}

/// The same, looking at no more than so many.
pub(super) fn holders_within(most: usize, roots: &[u32], inodes: &[u64]) -> Vec<Option<Holder>> {
    let wanted = inodes.iter().map(|inode| (*inode, Known::Nobody)).collect();
    let known = search(most, roots, wanted).unwrap_or_default();
    let holder = |inode| match known.get(inode) {
        Some(Known::One(holder)) => Some(holder.clone()),
        _ => None,
    };
    inodes.iter().map(holder).collect()
}

fn search(
    most: usize,
    roots: &[u32],
    mut wanted: HashMap<u64, Known>,
) -> Result<HashMap<u64, Known>, Unclear> {
    let mut left = Left(most);
    let mut pids = Vec::new();
    let mut own = Vec::new();
    for root in roots {
        if let Some(process) = process(*root)? {
            children(&process, &mut pids, &mut left)?;
            own.extend(program(&process));
        }
    }
    while let Some(pid) = pids.pop() {
        left.one_less()?;
        if let Some(process) = process(pid)? {
            children(&process, &mut pids, &mut left)?;
            // Init's own children connect sockets for others.
            if program(&process).is_none_or(|program| !own.contains(&program)) {
                descriptors(pid, &process, &mut wanted, &mut left)?;
            }
        }
    }
    Ok(wanted)
}

/// None where there is no such process, or no `/proc`.
fn process(pid: u32) -> Result<Option<OwnedFd>, Unclear> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    there(open(format!("/proc/{pid}").as_str(), flags, Mode::empty()))
}

/// What is opened of a process; none where that has ended, or does not allow it.
fn there<T>(opened: nix::Result<T>) -> Result<Option<T>, Unclear> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::ENOENT | Errno::ESRCH | Errno::EACCES | Errno::EPERM) => Ok(None),
        Err(_) => Err(Unclear),
    }
}

/// Adds the children of all threads of a process.
fn children(process: &OwnedFd, pids: &mut Vec<u32>, left: &mut Left) -> Result<(), Unclear> {
    let Some(mut threads) = directory(process, c"task")? else {
        return Ok(());
    };
    for thread in numbers(&mut threads, left)? {
        let text = read(&threads, &format!("{thread}/children"), left)?;
        let children = text.split_ascii_whitespace();
        pids.extend(children.filter_map(|pid| pid.parse::<u32>().ok()));
    }
    Ok(())
}

/// Takes note of those descriptors of a process that are wanted.
fn descriptors(
    pid: u32,
    process: &OwnedFd,
    wanted: &mut HashMap<u64, Known>,
    left: &mut Left,
) -> Result<(), Unclear> {
    let Some(mut descriptors) = directory(process, c"fd")? else {
        return Ok(());
    };
    for number in numbers(&mut descriptors, left)? {
        let target = readlinkat(&descriptors, number.to_string().as_str()).ok();
        let inode = target.as_deref().and_then(socket);
        let known = inode.and_then(|inode| wanted.get_mut(&inode));
        match known {
            None => {}
            Some(known @ Known::Nobody) => {
                let program = program(process);
                *known = Known::One(Holder { pid, program });
            }
            Some(Known::One(holder)) if holder.pid == pid => {}
            Some(known) => *known = Known::Several,
        }
    }
    Ok(())
}

/// The inode of a socket. The text is the kernel's: that of a file, whatever its name, is a path (`proc_pid_fd(5)`).
fn socket(target: &OsStr) -> Option<u64> {
    let inode = target.to_str()?.strip_prefix("socket:[")?;
    inode.strip_suffix(']')?.parse().ok()
}

/// Not by the name that the process gives itself (`PR_SET_NAME`, `argv`).
fn program(process: &OwnedFd) -> Option<PathBuf> {
    let path = readlinkat(process, c"exe").ok()?;
    (path.as_bytes().len() <= LONGEST).then(|| path.into())
}

fn directory(process: &OwnedFd, name: &CStr) -> Result<Option<Dir>, Unclear> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    there(Dir::openat(process, name, flags, Mode::empty()))
}

/// The names in it, which are numbers.
fn numbers(directory: &mut Dir, left: &mut Left) -> Result<Vec<u32>, Unclear> {
    let mut numbers = Vec::new();
    for entry in directory.iter().flatten() {
        let name = entry.file_name().to_str().ok();
        if let Some(number) = name.and_then(|name| name.parse().ok()) {
            left.one_less()?;
            numbers.push(number);
        }
    }
    Ok(numbers)
}

/// The text of a file of numbers, if they are not too many.
fn read(directory: &Dir, path: &str, left: &Left) -> Result<String, Unclear> {
    /// Of a process id, with the space behind it.
    const LONGEST: usize = 11;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
    let mut text = String::new();
    if let Some(file) = there(openat(directory, path, flags, Mode::empty()))? {
        let most = left.0.saturating_mul(LONGEST);
        let read = File::from(file).take(most as u64).read_to_string(&mut text);
        // An error is that the thread has ended.
        if read.is_ok_and(|length| length == most) {
            return Err(Unclear);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn of_a_process_that_has_ended_nothing_is_read_whoever_gets_its_number() {
        let mut command = Command::new("cat");
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let opened = process(child.id()).ok().flatten().unwrap();
        let descriptors = || directory(&opened, c"fd").ok().flatten();
        assert!(descriptors().is_some() && program(&opened).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(descriptors().is_none() && program(&opened).is_none());
    }

    #[test]
    fn no_files_name_is_a_socket() {
        for (target, inode) in [
            ("socket:[12]", Some(12)),
            ("/tmp/socket:[12]", None),
            ("socket:[12] (deleted)", None),
            ("pipe:[12]", None),
            ("socket:[-1]", None),
            ("socket:[12", None),
        ] {
            assert_eq!(socket(target.as_ref()), inode, "{target}");
        }
    }
}
