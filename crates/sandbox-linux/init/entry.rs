//! Where the kernel enters the program, and the clone of a child that shares its memory: all the assembly there is.

/// Starts `run(argument)` as a child that has this process's memory, on `stack`; returns in the parent when the child has
/// executed a program or ended: the child's id, or a negative error number.
///
/// # Safety
/// `stack_top` is the 16-byte aligned end of memory that nobody else uses until then; `argument` is what `run` expects, and
/// nobody else uses it until then.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn vfork_on(
    stack_top: *mut u8,
    run: extern "C" fn(*mut ()) -> !,
    argument: *mut (),
) -> isize {
    const SIGCHLD: usize = 17;
    const CLONE_VM_VFORK: usize = 0x4100;
    let result: isize;
    // SAFETY: the parent is suspended until the child is gone from its memory. The child starts on a stack of its own, so
    // that it can't destroy a frame of the parent; it takes what it needs from registers and never returns here.
    unsafe {
        core::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") super::raw::nr::CLONE => result,
            in("rdi") CLONE_VM_VFORK | SIGCHLD,
            in("rsi") stack_top,
            in("rdx") 0,
            in("r10") 0,
            in("r8") 0,
            in("r12") argument,
            in("r13") run,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

#[cfg(freestanding)]
mod freestanding {
    #[cfg(target_arch = "x86_64")]
    core::arch::global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {run}", "ud2", run = sym run);

    extern "C" fn run() -> ! {
        super::super::run()
    }

    unsafe extern "C" {
        /// Defined nowhere: code that can panic does not link.
        fn this_program_must_not_contain_a_panic() -> !;
    }

    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        // SAFETY: never called: the program does not link while anything refers to this function.
        unsafe { this_program_must_not_contain_a_panic() }
    }

    /// # Safety
    /// As in C; the compiler calls it.
    #[cfg(target_arch = "x86_64")]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: both are valid for `count` bytes and don't overlap, by the contract of memcpy; the direction flag is clear
        // by the calling convention.
        unsafe {
            core::arch::asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
        }
        to
    }

    /// # Safety
    /// As in C; the compiler calls it.
    #[cfg(target_arch = "x86_64")]
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
        // SAFETY: `to` is valid for `count` bytes, by the contract of memset.
        unsafe {
            core::arch::asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte as u8, options(nostack, preserves_flags));
        }
        to
    }

    /// # Safety
    /// As in C; the compiler calls it.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn strlen(string: *const u8) -> usize {
        let mut length = 0;
        // SAFETY: the string ends in NUL, by the contract of strlen.
        while unsafe { *string.wrapping_add(length) } != 0 {
            length += 1;
        }
        length
    }
}
