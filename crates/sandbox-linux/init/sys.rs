//! The system calls of the init program: one thin function each, in kernel words. Structures and numbers are those of the
//! kernel's user interface (include/uapi/linux).

/// A system call: its number, up to six arguments, and why the pointers among them are valid for what the call does.
macro_rules! call {
    ($number:expr $(, $arg:expr)* ; $why:literal) => {{
        let given = [$($arg as usize),*];
        let mut args = [0_usize; 6];
        for (slot, arg) in args.iter_mut().zip(given) {
            *slot = arg;
        }
        // SAFETY: the reason that the caller of the macro states for the pointers among the arguments.
        check(unsafe { syscall($number, args) })
    }};
}

mod confinement;
mod mounts;
mod processes;
mod sockets;
mod terminals;

use core::ffi::CStr;
use core::mem::size_of;

use super::raw::{Errno, Result, check, nr, syscall};

pub(crate) use self::{confinement::*, mounts::*, processes::*, sockets::*, terminals::*};

/// A descriptor of this process. Nothing closes it by itself: init's are few, and end with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Fd(pub(crate) i32);

impl Fd {
    pub(crate) const NONE: Self = Self(-1);

    fn arg(self) -> usize {
        self.0 as usize
    }
}

const O_CLOEXEC: usize = 0o2_000_000;
const O_PATH: usize = 0o10_000_000;
const AT_FDCWD: isize = -100;
const AT_EMPTY_PATH: usize = 0x1000;
const AT_RECURSIVE: usize = 0x8000;

fn to_fd(number: usize) -> Fd {
    Fd(number as i32)
}

pub(crate) fn close(fd: Fd) -> Result<()> {
    call!(nr::CLOSE, fd.arg(); "no pointer").map(drop)
}

/// The copy stays open on exec.
pub(crate) fn dup3(from: Fd, to: i32) -> Result<()> {
    call!(nr::DUP3, from.arg(), to, 0; "no pointer").map(drop)
}

/// The copy is closed on exec.
pub(crate) fn dup3_on_exec(from: Fd, to: i32) -> Result<()> {
    call!(nr::DUP3, from.arg(), to, O_CLOEXEC; "no pointer").map(drop)
}

/// Sets close-on-exec on every descriptor from `first` on.
pub(crate) fn close_range_on_exec(first: u32) -> Result<()> {
    const CLOSE_RANGE_CLOEXEC: usize = 4;
    call!(nr::CLOSE_RANGE, first, u32::MAX, CLOSE_RANGE_CLOEXEC; "no pointer").map(drop)
}

pub(crate) fn set_close_on_exec(fd: Fd) -> Result<()> {
    const F_SETFD: usize = 2;
    call!(nr::FCNTL, fd.arg(), F_SETFD, 1; "no pointer").map(drop)
}

/// From here on `SIGIO` comes when a name in the directory is made, removed or renamed, or a mode in it, or its own, changes; until
/// `directory`, which is open for reading, is closed.
pub(crate) fn tell_of_changes(directory: Fd) -> Result<()> {
    const F_NOTIFY: usize = 1026;
    const CREATE_DELETE_RENAME_ATTRIB_MULTISHOT: usize = 0x4 | 0x8 | 0x10 | 0x20 | 0x8000_0000;
    call!(nr::FCNTL, directory.arg(), F_NOTIFY, CREATE_DELETE_RENAME_ATTRIB_MULTISHOT; "no pointer")
        .map(drop)
}

pub(crate) fn keep_on_exec(fd: Fd) -> Result<()> {
    const F_SETFD: usize = 2;
    call!(nr::FCNTL, fd.arg(), F_SETFD, 0; "no pointer").map(drop)
}

/// Another descriptor of the same opened file, closed on exec.
pub(crate) fn dup(fd: Fd) -> Result<Fd> {
    const F_DUPFD_CLOEXEC: usize = 1030;
    call!(nr::FCNTL, fd.arg(), F_DUPFD_CLOEXEC, 0; "no pointer").map(to_fd)
}

pub(crate) fn write_file(path: &CStr, data: &[u8]) -> Result<()> {
    write_file_at(Fd(AT_FDCWD as i32), path, data)
}

/// The same for a path below `directory`.
pub(crate) fn write_file_at(directory: Fd, path: &CStr, data: &[u8]) -> Result<()> {
    const O_WRONLY: usize = 1;
    let fd = to_fd(
        call!(nr::OPENAT, directory.arg(), path.as_ptr(), O_WRONLY | O_CLOEXEC; "`path` ends in NUL")?,
    );
    let written =
        call!(nr::WRITE, fd.arg(), data.as_ptr(), data.len(); "`data` is as long as said");
    close(fd)?;
    // procfs and cgroupfs take a write whole or not at all.
    written.map(drop)
}

#[repr(C)]
struct OpenHow {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens `path` below `base` as a place (`O_PATH`), through no symbolic link at all: since the policy was resolved, a
/// confined process may have put one there (openat2(2), `RESOLVE_NO_SYMLINKS`).
pub(crate) fn open_place(base: Fd, path: &CStr) -> Result<Fd> {
    const NO_MAGICLINKS_NO_SYMLINKS: u64 = 0x02 | 0x04;
    let how = OpenHow {
        flags: (O_PATH | O_CLOEXEC) as u64,
        mode: 0,
        resolve: NO_MAGICLINKS_NO_SYMLINKS,
    };
    let path = if path.is_empty() { c"." } else { path };
    call!(nr::OPENAT2, base.arg(), path.as_ptr(), &raw const how, size_of::<OpenHow>(); "`path` ends in NUL, `how` is as large as said")
        .map(to_fd)
}

/// Opens a file below no link for reading; a FIFO does not block.
pub(crate) fn open_for_reading(path: &CStr) -> Result<Fd> {
    const NO_MAGICLINKS_NO_SYMLINKS: u64 = 0x02 | 0x04;
    const O_NONBLOCK: usize = 0o4000;
    let how = OpenHow {
        flags: (O_CLOEXEC | O_NONBLOCK) as u64,
        mode: 0,
        resolve: NO_MAGICLINKS_NO_SYMLINKS,
    };
    call!(nr::OPENAT2, AT_FDCWD, path.as_ptr(), &raw const how, size_of::<OpenHow>(); "`path` ends in NUL, `how` is as large as said")
        .map(to_fd)
}

/// Opens a file of `/proc` for reading, of which `base` is the root or a directory, or the directory `base` itself.
pub(crate) fn open_list(base: Fd, path: &CStr) -> Result<Fd> {
    call!(nr::OPENAT, base.arg(), path.as_ptr(), O_CLOEXEC, 0; "`path` ends in NUL").map(to_fd)
}

/// What there is at a name, without following a link there.
pub(crate) struct Found {
    pub(crate) is_directory: bool,
    /// The root of a mount (`STATX_ATTR_MOUNT_ROOT`).
    pub(crate) is_mount: bool,
    /// Its names need a key (`STATX_ATTR_ENCRYPTED`).
    pub(crate) is_encrypted: bool,
    /// Device, inode, and when something about it changed last: the time in seconds and nanoseconds. A directory changes with
    /// every name in it, and nobody can set this time (inode(7), ctime).
    pub(crate) state: [u64; 4],
    /// How many names it has.
    links: u64,
    /// Type and mode (inode(7)).
    mode: u64,
    /// When it was made, as far as the file system tells: another file may get the same inode later.
    born: [u64; 2],
}

impl Found {
    const TYPE: u64 = 0o170_000;

    pub(crate) fn is_link(&self) -> bool {
        const LINK: u64 = 0o120_000;
        self.mode & Self::TYPE == LINK
    }

    /// Whether its mode grants nothing to anybody.
    pub(crate) fn is_closed(&self) -> bool {
        const ALL: u64 = 0o777;
        self.mode & ALL == 0
    }

    /// Whether it has no name any more, as far as the file system knows.
    pub(crate) fn is_removed(&self) -> bool {
        self.links == 0
    }

    pub(crate) fn device(&self) -> u64 {
        let [device, ..] = self.state;
        device
    }

    /// Whether both are the same file.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let ([device, inode, ..], [its_device, its_inode, ..]) = (self.state, other.state);
        [device, inode] == [its_device, its_inode]
    }

    /// What no other file has or had; the device as the other calls have it (makedev(3)).
    pub(crate) fn identity(&self) -> [u64; 4] {
        let ([device, inode, ..], [seconds, nanoseconds]) = (self.state, self.born);
        let (major, minor) = (device & 0xffff_ffff, device >> 32);
        let device = (major & 0xffff_f000) << 32
            | (major & 0xfff) << 8
            | (minor & 0xffff_ff00) << 12
            | minor & 0xff;
        [device, inode, seconds, nanoseconds]
    }
}

/// What there is at `path` below `base` (statx(2)).
pub(crate) fn find(base: Fd, path: &CStr) -> Result<Found> {
    const AT_SYMLINK_NOFOLLOW_NO_AUTOMOUNT_EMPTY_PATH: usize = 0x100 | 0x800 | AT_EMPTY_PATH;
    const TYPE_MODE_NLINK_INO_CTIME_BTIME: usize = 0x1 | 0x2 | 0x4 | 0x100 | 0x80 | 0x800;
    const MOUNT_ROOT: u64 = 0x2000;
    const ENCRYPTED: u64 = 0x800;
    const DIRECTORY: u64 = 0o040_000;
    // struct statx: 256 bytes. Word 1: attributes; 2: links, owner; 3: group, mode; 4: inode; 10 and 11: btime; 12 and 13: ctime; 17: major and minor device.
    let mut statx = [0_u64; 32];
    call!(nr::STATX, base.arg(), path.as_ptr(), AT_SYMLINK_NOFOLLOW_NO_AUTOMOUNT_EMPTY_PATH, TYPE_MODE_NLINK_INO_CTIME_BTIME, statx.as_mut_ptr(); "`path` ends in NUL, `statx` has the size of the kernel's structure")?;
    let [
        _,
        attributes,
        links,
        mode,
        inode,
        _,
        _,
        _,
        _,
        _,
        born,
        born_nanoseconds,
        seconds,
        nanoseconds,
        _,
        _,
        _,
        device,
        ..,
    ] = statx;
    Ok(Found {
        links: links & 0xffff_ffff,
        is_directory: mode >> 32 & Found::TYPE == DIRECTORY,
        is_mount: attributes & MOUNT_ROOT != 0,
        is_encrypted: attributes & ENCRYPTED != 0,
        state: [device, inode, seconds, nanoseconds & 0xffff_ffff],
        mode: mode >> 32 & 0xffff,
        born: [born, born_nanoseconds & 0xffff_ffff],
    })
}

/// Whether nothing can be changed in the mount at `place` (fstatfs(2), `ST_RDONLY`).
pub(crate) fn is_read_only(place: Fd) -> Result<bool> {
    const RDONLY: u64 = 1;
    let [_, _, _, _, _, _, _, _, _, _, flags, ..] = statfs(place)?;
    Ok(flags & RDONLY != 0)
}

/// The type of the file system in which `place` is (`linux/magic.h`).
pub(crate) fn file_system(place: Fd) -> Result<u64> {
    let [kind, ..] = statfs(place)?;
    Ok(kind)
}

/// struct statfs: 120 bytes, the type in word 0, the flags in word 10.
fn statfs(place: Fd) -> Result<[u64; 15]> {
    let mut statfs = [0_u64; 15];
    call!(nr::FSTATFS, place.arg(), statfs.as_mut_ptr(); "`statfs` has the size of the kernel's structure")?;
    Ok(statfs)
}

/// Device and inode: two descriptors with the same ones are of one file.
pub(crate) fn identity(fd: Fd) -> Result<[u64; 2]> {
    // struct stat: device, inode, …; 144 bytes on x86-64 (asm/stat.h), 128 on aarch64 (asm-generic/stat.h).
    let mut stat = [0_u64; 18];
    call!(nr::FSTAT, fd.arg(), stat.as_mut_ptr(); "`stat` is no smaller than the kernel's structure")?;
    let [device, inode, ..] = stat;
    Ok([device, inode])
}

/// The position of `fd`; set to `position` first, if there is one.
pub(crate) fn seek(fd: Fd, position: Option<usize>) -> Result<usize> {
    const SEEK_SET: usize = 0;
    const SEEK_CUR: usize = 1;
    let whence = if position.is_some() {
        SEEK_SET
    } else {
        SEEK_CUR
    };
    call!(nr::LSEEK, fd.arg(), position.unwrap_or(0), whence; "no pointer")
}

pub(crate) fn open_root() -> Result<Fd> {
    call!(nr::OPENAT, AT_FDCWD, c"/".as_ptr(), O_PATH | O_CLOEXEC; "the path ends in NUL")
        .map(to_fd)
}

pub(crate) fn mkdir(base: Fd, path: &CStr, mode: u32) -> Result<()> {
    call!(nr::MKDIRAT, base.arg(), path.as_ptr(), mode; "`path` ends in NUL").map(drop)
}

/// Makes a file.
pub(crate) fn create(base: Fd, path: &CStr, mode: u32, content: &[u8]) -> Result<()> {
    // They don't follow a link (open(2), O_EXCL).
    const O_WRONLY_CREAT_EXCL: usize = 1 | 0o100 | 0o200;
    let fd = to_fd(
        call!(nr::OPENAT, base.arg(), path.as_ptr(), O_WRONLY_CREAT_EXCL | O_CLOEXEC, mode; "`path` ends in NUL")?,
    );
    let written = if content.is_empty() {
        Ok(0)
    } else {
        call!(nr::WRITE, fd.arg(), content.as_ptr(), content.len(); "`content` is as long as said")
    };
    close(fd)?;
    // A file system in memory takes less only where it is full.
    if written? == content.len() {
        Ok(())
    } else {
        Err(Errno::NOSPC)
    }
}

pub(crate) fn symlink(target: &CStr, base: Fd, path: &CStr) -> Result<()> {
    call!(nr::SYMLINKAT, target.as_ptr(), base.arg(), path.as_ptr(); "both end in NUL").map(drop)
}

/// Where the link at `path` points to, in `buffer`; `None` where that is too short.
pub(crate) fn read_link<'a>(
    base: Fd,
    path: &CStr,
    buffer: &'a mut [u8],
) -> Result<Option<&'a CStr>> {
    buffer.fill(0);
    call!(nr::READLINKAT, base.arg(), path.as_ptr(), buffer.as_mut_ptr(), buffer.len(); "`path` ends in NUL, `buffer` is as long as said")?;
    Ok(CStr::from_bytes_until_nul(buffer).ok())
}

/// Removes a name: a directory's if it `is_directory`.
pub(crate) fn unlink(base: Fd, path: &CStr, is_directory: bool) -> Result<()> {
    const AT_REMOVEDIR: usize = 0x200;
    let flags = if is_directory { AT_REMOVEDIR } else { 0 };
    call!(nr::UNLINKAT, base.arg(), path.as_ptr(), flags; "`path` ends in NUL").map(drop)
}

/// The next entries of a directory that was opened for reading, as many as fit (getdents64(2)); none at the end.
pub(crate) fn entries(directory: Fd, buffer: &mut [u8]) -> Result<&[u8]> {
    let length = call!(nr::GETDENTS64, directory.arg(), buffer.as_mut_ptr(), buffer.len(); "`buffer` is as long as said")?;
    Ok(buffer.get(..length).unwrap_or(&[]))
}

pub(crate) fn chdir(path: &CStr) -> Result<()> {
    call!(nr::CHDIR, path.as_ptr(); "`path` ends in NUL").map(drop)
}

pub(crate) fn fchdir(fd: Fd) -> Result<()> {
    call!(nr::FCHDIR, fd.arg(); "no pointer").map(drop)
}

pub(crate) fn umask(mask: u32) -> u32 {
    // It always succeeds (umask(2)).
    call!(nr::UMASK, mask; "no pointer").unwrap_or(0) as u32
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::mem::offset_of;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn flags_and_signals_are_those_of_libc() {
        for (ours, libcs) in [
            (O_CLOEXEC as i64, libc::O_CLOEXEC),
            (O_PATH as i64, libc::O_PATH),
            (AT_FDCWD as i64, libc::AT_FDCWD),
            (AT_EMPTY_PATH as i64, libc::AT_EMPTY_PATH),
            (AT_RECURSIVE as i64, libc::AT_RECURSIVE),
            (i64::from(SIGKILL), libc::SIGKILL),
            (i64::from(SIGCHLD), libc::SIGCHLD),
            (i64::from(SIGCONT), libc::SIGCONT),
        ] {
            assert_eq!(ours, i64::from(libcs));
        }
        let stops = [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].map(signal_bit);
        assert_eq!(STOPS, stops.into_iter().sum());
    }

    #[test]
    fn structures_lie_in_memory_as_in_libc() {
        assert_eq!(
            (
                offset_of!(libc::stat, st_dev),
                offset_of!(libc::stat, st_ino)
            ),
            (0, 8)
        );
        assert!(size_of::<libc::stat>() <= size_of::<[u64; 18]>());
        assert_eq!(size_of::<OpenHow>(), size_of::<libc::open_how>());
        assert_eq!(size_of::<Poll>(), size_of::<libc::pollfd>());
        assert_eq!(size_of::<[u64; 2]>(), size_of::<libc::timespec>());
        assert_eq!(size_of::<[u64; 2]>(), size_of::<libc::rlimit64>());
        assert_eq!(size_of::<[i64; 18]>(), size_of::<libc::rusage>());
        assert_eq!(size_of::<[i32; 32]>(), size_of::<libc::signalfd_siginfo>());
    }

    #[test]
    fn a_file_is_known_by_its_device_and_inode() {
        for file in ["/", "/dev/null", "/proc/self/exe"].map(|path| File::open(path).unwrap()) {
            let metadata = file.metadata().unwrap();
            let found = identity(Fd(file.as_raw_fd()));
            assert_eq!(found, Ok([metadata.dev(), metadata.ino()]));
            let [device, inode, ..] = find(Fd(file.as_raw_fd()), c"").unwrap().identity();
            assert_eq!([device, inode], [metadata.dev(), metadata.ino()]);
        }
    }
}
