//! The system call instruction and the numbers that are used after a clone, where libc must not run: its wrappers touch
//! thread-local state that belongs to the caller. Shared by the init program and the caller's side of the clone.

/// A kernel error number, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const NOENT: Self = Self(2);
    pub(crate) const INTR: Self = Self(4);
    pub(crate) const IO: Self = Self(5);
    pub(crate) const BADF: Self = Self(9);
    pub(crate) const CHILD: Self = Self(10);
    pub(crate) const AGAIN: Self = Self(11);
    pub(crate) const NOMEM: Self = Self(12);
    pub(crate) const ACCES: Self = Self(13);
    pub(crate) const FAULT: Self = Self(14);
    pub(crate) const EXIST: Self = Self(17);
    pub(crate) const XDEV: Self = Self(18);
    pub(crate) const NODEV: Self = Self(19);
    pub(crate) const NOTDIR: Self = Self(20);
    pub(crate) const INVAL: Self = Self(22);
    pub(crate) const NFILE: Self = Self(23);
    pub(crate) const MFILE: Self = Self(24);
    pub(crate) const NOSPC: Self = Self(28);
    pub(crate) const LOOP: Self = Self(40);
    pub(crate) const TIMEDOUT: Self = Self(110);
    pub(crate) const STALE: Self = Self(116);
    /// Of a call that is made again once a signal is handled, or returns `EINTR`, as its process has it (linux/errno.h).
    pub(crate) const RESTART: Self = Self(512);
}

pub(crate) type Result<T> = core::result::Result<T, Errno>;

/// Constants of system call numbers, and a list of them for the test that holds them against libc's.
macro_rules! numbers {
    ($list:ident: $($name:ident = $number:literal;)*) => {
        $(pub(crate) const $name: usize = $number;)*
        #[cfg(test)]
        pub(crate) const $list: &[(&str, usize)] = &[$((stringify!($name), $number)),*];
    };
}

#[cfg_attr(target_arch = "x86_64", path = "raw/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "raw/aarch64.rs")]
mod architecture;

pub(crate) use self::architecture::syscall;

/// The result of a system call: an error where it is in -4095..0.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "at least -4095")]
pub(crate) fn check(result: isize) -> Result<usize> {
    if result < 0 {
        Err(Errno(result.wrapping_neg() as i32))
    } else {
        Ok(result.cast_unsigned())
    }
}

/// System call numbers. Since 424 a call has the same one on every architecture (`include/uapi/asm-generic/unistd.h` of
/// Linux); what is older is in the architecture's file.
pub(crate) mod nr {
    pub(crate) use super::architecture::nr::*;

    numbers! { SINCE_424:
        OPEN_TREE = 428;
        MOVE_MOUNT = 429;
        FSOPEN = 430;
        FSCONFIG = 431;
        FSMOUNT = 432;
        CLOSE_RANGE = 436;
        OPENAT2 = 437;
        MOUNT_SETATTR = 442;
        LANDLOCK_CREATE_RULESET = 444;
        LANDLOCK_ADD_RULE = 445;
        LANDLOCK_RESTRICT_SELF = 446;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_numbered_as_in_libc() {
        for (ours, libcs) in [
            (Errno::NOENT, libc::ENOENT),
            (Errno::INTR, libc::EINTR),
            (Errno::IO, libc::EIO),
            (Errno::BADF, libc::EBADF),
            (Errno::NOMEM, libc::ENOMEM),
            (Errno::NFILE, libc::ENFILE),
            (Errno::MFILE, libc::EMFILE),
            (Errno::CHILD, libc::ECHILD),
            (Errno::AGAIN, libc::EAGAIN),
            (Errno::ACCES, libc::EACCES),
            (Errno::EXIST, libc::EEXIST),
            (Errno::XDEV, libc::EXDEV),
            (Errno::NODEV, libc::ENODEV),
            (Errno::NOTDIR, libc::ENOTDIR),
            (Errno::INVAL, libc::EINVAL),
            (Errno::LOOP, libc::ELOOP),
            (Errno::TIMEDOUT, libc::ETIMEDOUT),
            (Errno::STALE, libc::ESTALE),
        ] {
            assert_eq!(ours.0, libcs);
        }
    }

    #[test]
    fn all_six_arguments_of_a_call_arrive() {
        // A multiple of every kernel's page size.
        const OFFSET: usize = 64 << 10;
        let text = b"behind the offset";
        let file = tempfile::tempfile().unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, text, OFFSET as u64).unwrap();
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file).cast_unsigned() as usize;
        let (read, private) = (libc::PROT_READ as usize, libc::MAP_PRIVATE as usize);
        // SAFETY: the kernel chooses the address.
        let mapped = unsafe { syscall(nr::MMAP, [0, text.len(), read, private, fd, OFFSET]) };
        let address = std::ptr::with_exposed_provenance::<u8>(check(mapped).unwrap());
        // SAFETY: mapped above, for as long as this process lives; nobody writes to the file any more.
        let found = unsafe { std::slice::from_raw_parts(address, text.len()) };
        assert_eq!(found, text);
        // SAFETY: no pointer is passed.
        let refused = check(unsafe { syscall(nr::CLOSE, [usize::MAX, 0, 0, 0, 0, 0]) });
        assert_eq!(refused, Err(Errno(libc::EBADF)));
    }
}
