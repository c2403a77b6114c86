//! System calls as the kernel takes them.

#![expect(unsafe_code, reason = "raw system calls are what this program is for")]

use std::{
    ffi::{c_int, c_long},
    fs::File,
    io,
    os::fd::FromRawFd,
};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    pub(crate) safe fn fork() -> c_int;
    pub(crate) safe fn setsid() -> c_int;
    pub(crate) safe fn setpgid(pid: c_int, group: c_int) -> c_int;
    pub(crate) safe fn pause() -> c_int;
    pub(crate) safe fn raise(signal: c_int) -> c_int;
    pub(crate) safe fn getpid() -> c_int;
    pub(crate) safe fn close(fd: c_int) -> c_int;
    pub(crate) safe fn isatty(fd: c_int) -> c_int;
    pub(crate) safe fn _exit(code: c_int) -> !;
    fn signal(number: c_int, handler: usize) -> usize;
    fn ptrace(request: c_int, ...) -> c_long;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn ioctl(fd: c_int, request: u64, ...) -> c_int;
    fn signalfd(fd: c_int, mask: *const u64, flags: c_int) -> c_int;
    fn sigprocmask(how: c_int, mask: *const u64, old: *mut u64) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut [u64; 2]) -> c_int;
    fn setrlimit(resource: c_int, limit: *const [u64; 2]) -> c_int;
}

/// Makes one system call with whatever arguments the test asked for.
pub(crate) fn call(number: c_long, args: [c_long; 6]) -> Result<c_long, c_int> {
    let [first, second, third, fourth, fifth, sixth] = args;
    // SAFETY: the arguments are numbers or point into buffers that `calls::run` keeps until the program ends.
    match unsafe { syscall(number, first, second, third, fourth, fifth, sixth) } {
        -1 => Err(errno()),
        result => Ok(result),
    }
}

/// The error of the last call.
pub(crate) fn errno() -> c_int {
    io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// Gives a signal its default action: the standard library has handlers of its own for crashes.
pub(crate) fn default_action(number: c_int) {
    // SAFETY: 0 is `SIG_DFL`: no handler of ours can run.
    unsafe { signal(number, 0) };
}

/// Ignores a signal.
pub(crate) fn ignore(number: c_int) {
    // SAFETY: 1 is `SIG_IGN`: no handler of ours can run.
    unsafe { signal(number, 1) };
}

/// Lets the parent trace this process.
pub(crate) fn trace_me() -> bool {
    // SAFETY: `PTRACE_TRACEME` takes no pointer.
    unsafe { ptrace(0, 0, 0, 0) == 0 }
}

/// Reads a word of a traced child's memory.
pub(crate) fn peek(pid: c_int, address: usize) -> c_long {
    // SAFETY: `PTRACE_PEEKDATA` reads the child's memory, not ours; the library returns the word.
    unsafe { ptrace(2, pid, address, 0) }
}

/// Lets a traced child run on.
pub(crate) fn resume(pid: c_int) -> bool {
    // SAFETY: `PTRACE_CONT` takes no pointer.
    unsafe { ptrace(7, pid, 0, 0) == 0 }
}

/// Lets a traced child run on to its next call.
pub(crate) fn resume_to_call(pid: c_int) -> bool {
    // SAFETY: `PTRACE_SYSCALL` takes no pointer.
    unsafe { ptrace(24, pid, 0, 0) == 0 }
}

/// Stops a traced child where its filter says so.
pub(crate) fn trace_filters(pid: c_int) -> bool {
    // SAFETY: `PTRACE_SETOPTIONS` takes a number: `PTRACE_O_TRACESECCOMP`.
    unsafe { ptrace(0x4200, pid, 0, 0x80) == 0 }
}

/// Writes a word of a traced child's memory.
pub(crate) fn poke(pid: c_int, address: usize, word: c_long) -> bool {
    // SAFETY: `PTRACE_POKEDATA` writes to the child's memory, not ours.
    unsafe { ptrace(5, pid, address, word) == 0 }
}

/// Changes the third argument of the call that a traced child is about to make.
pub(crate) fn set_third_argument(pid: c_int, value: c_long) -> bool {
    /// Of `rdx` in `struct user_regs_struct`.
    const THIRD: usize = 12 * 8;
    // SAFETY: `PTRACE_POKEUSER` changes a register of the child.
    cfg!(target_arch = "x86_64") && unsafe { ptrace(6, pid, THIRD, value) == 0 }
}

/// A descriptor that a call has returned.
pub(crate) fn file(fd: c_int) -> File {
    // SAFETY: made by the caller's call, and known to nobody else.
    unsafe { File::from_raw_fd(fd) }
}

/// Waits for a child's next change of state.
pub(crate) fn wait(pid: c_int) -> c_int {
    let mut status = 0;
    // SAFETY: `status` outlives the call. 2 is `WUNTRACED`.
    unsafe { waitpid(pid, &raw mut status, 2) };
    status
}

/// An ioctl whose argument is a small buffer.
pub(crate) fn control(fd: c_int, request: u64, buffer: &mut [u8; 64]) -> Result<c_int, c_int> {
    // SAFETY: each request used here reads or writes fewer than 64 bytes.
    match unsafe { ioctl(fd, request, buffer.as_mut_ptr()) } {
        -1 => Err(errno()),
        result => Ok(result),
    }
}

/// Takes the terminal on `fd` as the controlling one.
pub(crate) fn take_terminal(fd: c_int) -> bool {
    // SAFETY: `TIOCSCTTY` takes a number.
    unsafe { ioctl(fd, 0x540E, 0) == 0 }
}

/// A descriptor that delivers the given signals instead of their handlers.
pub(crate) fn signal_file(signals: &[c_int]) -> File {
    // The C library reads 128 bytes of mask.
    let mut mask = [0_u64; 16];
    if let Some(word) = mask.first_mut() {
        for signal in signals {
            *word |= 1 << (signal - 1);
        }
    }
    // SAFETY: `mask` has the size of a `sigset_t` and outlives the call; 0 is `SIG_BLOCK`.
    unsafe { sigprocmask(0, mask.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: as above.
    let fd = unsafe { signalfd(-1, mask.as_ptr(), 0) };
    // SAFETY: made by the line above, and known to nobody else.
    unsafe { File::from_raw_fd(fd) }
}

/// Raises the limit of core files as far as it goes.
pub(crate) fn allow_core_files() {
    let mut limit = [0; 2];
    // SAFETY: as below.
    unsafe { getrlimit(4, &raw mut limit) };
    let [soft, hard] = &mut limit;
    *soft = *hard;
    // SAFETY: `limit` has the layout of `struct rlimit`; 4 is `RLIMIT_CORE`.
    unsafe { setrlimit(4, &raw const limit) };
}

/// Asks for the process id by the 32-bit interface, which has its own call numbers.
pub(crate) fn print_i386_getpid() {
    #[cfg(target_arch = "x86_64")]
    {
        let result: i64;
        // SAFETY: 20 is `getpid` there: no argument, no memory. It may clobber r8 to r11.
        unsafe {
            std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => result,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        };
        println!(
            "{}",
            if result == i64::from(getpid()) {
                "pid"
            } else {
                "refused"
            }
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    println!("absent");
}

/// Makes `.envrc` by the 32-bit interface.
pub(crate) fn open_as_i386() -> Result<c_long, c_int> {
    #[cfg(target_arch = "x86_64")]
    {
        const MMAP: c_long = 9;
        // The name has to lie where 32 bits reach: `MAP_32BIT`.
        let place = call(MMAP, [0, 4096, 3, 0x62, -1, 0])?;
        let address = usize::try_from(place).map_err(|_| errno())?;
        let name = std::ptr::with_exposed_provenance_mut::<[u8; 7]>(address);
        // SAFETY: mapped by the line above, writable, and large enough.
        unsafe { name.write(*b".envrc\0") };
        let result: i64;
        // SAFETY: 5 is `open` there: a path, flags and a mode. It may clobber r8 to r11. The compiler keeps rbx for itself.
        unsafe {
            std::arch::asm!("xchg rbx, {path}", "int 0x80", "xchg rbx, {path}", path = inout(reg) place => _,
                inlateout("rax") 5_i64 => result, in("rcx") 0o101_i64, in("rdx") 0o600_i64,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _);
        };
        // The upper half is whatever the kernel left there.
        let low = result.cast_unsigned() & u64::from(u32::MAX);
        let result = u32::try_from(low).map_or(-1, u32::cast_signed);
        if (-4095..0).contains(&result) {
            Err(-result)
        } else {
            Ok(c_long::from(result))
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    Err(38)
}
