//! aarch64: the instruction (syscall(2), "Architecture calling conventions") and the numbers
//! (`include/uapi/asm-generic/unistd.h` of Linux: `open`, `poll` and other old forms have none).

/// Issues system call `number`.
///
/// # Safety
/// What the call does to memory must be covered by the arguments: every pointer among them is valid for what the call
/// (see its man page) reads or writes there.
#[inline]
pub(crate) unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    let [first, second, third, fourth, fifth, sixth] = args;
    let result: isize;
    // SAFETY: the kernel gives every register but x0 back as it was; memory is the caller's contract.
    unsafe {
        core::arch::asm!("svc #0", in("x8") number, inlateout("x0") first => result, in("x1") second, in("x2") third,
            in("x3") fourth, in("x4") fifth, in("x5") sixth, options(nostack));
    }
    result
}

pub(crate) mod nr {
    numbers! { BELOW_424:
        DUP3 = 24;
        FCNTL = 25;
        IOCTL = 29;
        MKDIRAT = 34;
        UNLINKAT = 35;
        SYMLINKAT = 36;
        UMOUNT2 = 39;
        PIVOT_ROOT = 41;
        FSTATFS = 44;
        CHDIR = 49;
        FCHDIR = 50;
        OPENAT = 56;
        CLOSE = 57;
        GETDENTS64 = 61;
        LSEEK = 62;
        READ = 63;
        WRITE = 64;
        PWRITE64 = 68;
        PPOLL = 73;
        SIGNALFD4 = 74;
        READLINKAT = 78;
        FSTAT = 80;
        CAPGET = 90;
        CAPSET = 91;
        EXIT = 93;
        EXIT_GROUP = 94;
        UNSHARE = 97;
        CLOCK_GETTIME = 113;
        KILL = 129;
        RT_SIGACTION = 134;
        RT_SIGPROCMASK = 135;
        SETPGID = 154;
        GETPGID = 155;
        SETSID = 157;
        UMASK = 166;
        PRCTL = 167;
        SOCKET = 198;
        SOCKETPAIR = 199;
        BIND = 200;
        LISTEN = 201;
        CONNECT = 203;
        SENDTO = 206;
        RECVFROM = 207;
        SETSOCKOPT = 208;
        GETSOCKOPT = 209;
        SENDMSG = 211;
        RECVMSG = 212;
        MUNMAP = 215;
        KEYCTL = 219;
        CLONE = 220;
        EXECVE = 221;
        MMAP = 222;
        WAIT4 = 260;
        PRLIMIT64 = 261;
        SETNS = 268;
        SECCOMP = 277;
        EXECVEAT = 281;
        STATX = 291;
    }
}
