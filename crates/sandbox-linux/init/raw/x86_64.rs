//! x86-64: the instruction (syscall(2), "Architecture calling conventions") and the numbers
//! (`arch/x86/entry/syscalls/syscall_64.tbl` of Linux).

/// Issues system call `number`.
///
/// # Safety
/// What the call does to memory must be covered by the arguments: every pointer among them is valid for what the call
/// (see its man page) reads or writes there.
#[inline]
pub(crate) unsafe fn syscall(number: usize, args: [usize; 6]) -> isize {
    let [first, second, third, fourth, fifth, sixth] = args;
    let result: isize;
    // SAFETY: the instruction itself clobbers rax, rcx and r11 only (syscall(2)); memory is the caller's contract.
    unsafe {
        core::arch::asm!("syscall", inlateout("rax") number => result, in("rdi") first, in("rsi") second,
            in("rdx") third, in("r10") fourth, in("r8") fifth, in("r9") sixth, lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    result
}

pub(crate) mod nr {
    numbers! { BELOW_424:
        READ = 0;
        WRITE = 1;
        CLOSE = 3;
        FSTAT = 5;
        LSEEK = 8;
        MMAP = 9;
        MUNMAP = 11;
        RT_SIGACTION = 13;
        RT_SIGPROCMASK = 14;
        IOCTL = 16;
        PWRITE64 = 18;
        SOCKET = 41;
        CONNECT = 42;
        SENDTO = 44;
        RECVFROM = 45;
        SENDMSG = 46;
        RECVMSG = 47;
        BIND = 49;
        LISTEN = 50;
        SOCKETPAIR = 53;
        SETSOCKOPT = 54;
        GETSOCKOPT = 55;
        CLONE = 56;
        EXECVE = 59;
        EXIT = 60;
        WAIT4 = 61;
        KILL = 62;
        FCNTL = 72;
        CHDIR = 80;
        FCHDIR = 81;
        UMASK = 95;
        SETPGID = 109;
        SETSID = 112;
        GETPGID = 121;
        CAPGET = 125;
        CAPSET = 126;
        FSTATFS = 138;
        PIVOT_ROOT = 155;
        PRCTL = 157;
        UMOUNT2 = 166;
        GETDENTS64 = 217;
        CLOCK_GETTIME = 228;
        EXIT_GROUP = 231;
        KEYCTL = 250;
        OPENAT = 257;
        MKDIRAT = 258;
        UNLINKAT = 263;
        SYMLINKAT = 266;
        READLINKAT = 267;
        PPOLL = 271;
        UNSHARE = 272;
        SIGNALFD4 = 289;
        DUP3 = 292;
        PRLIMIT64 = 302;
        SETNS = 308;
        SECCOMP = 317;
        EXECVEAT = 322;
        STATX = 332;
    }
}
