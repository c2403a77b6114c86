//! x86-64: rdi, rsi, rdx, … are the arguments, the stack is aligned to 16 bytes before a call (System V ABI).

/// Starts `run(argument)` as a child that has this process's memory, on `stack`: the child's id, or a negative error number.
/// `flags` are those of clone(2); with `CLONE_VFORK` it returns in the parent when the child has executed a program or ended.
///
/// # Safety
/// `stack_top` is the 16-byte aligned end of memory that nobody else uses until then; `argument` is what `run` expects, and
/// nobody else uses it until then. `flags` contain `CLONE_VM`.
pub(crate) unsafe fn clone_on(
    flags: usize,
    stack_top: *mut u8,
    run: extern "C" fn(*mut ()) -> !,
    argument: *mut (),
) -> isize {
    let result: isize;
    // SAFETY: the child starts on a stack of its own, so that it can't destroy a frame of the parent; it takes what it needs from registers and never returns here.
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
            inlateout("rax") super::super::raw::nr::CLONE => result,
            in("rdi") flags,
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

/// What a handler of a signal returns to, with the frame of the kernel on the stack: ends it (sigreturn(2)).
#[unsafe(naked)]
pub(crate) extern "C" fn end_of_handler() {
    core::arch::naked_asm!("mov eax, 15", "syscall");
}

#[cfg(freestanding)]
core::arch::global_asm!(".globl _start", "_start:", "xor ebp, ebp", "and rsp, -16", "call {run}", "ud2", run = sym super::freestanding::run);

/// What memcpy does.
///
/// # Safety
/// As in C.
#[inline]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: both are valid for `count` bytes and don't overlap, by the contract of memcpy; the direction flag is clear
    // by the calling convention.
    unsafe {
        core::arch::asm!("rep movsb", inout("rcx") count => _, inout("rdi") to => _, inout("rsi") from => _, options(nostack, preserves_flags));
    }
}

/// What memset does.
///
/// # Safety
/// As in C.
#[inline]
pub(crate) unsafe fn fill(to: *mut u8, byte: u8, count: usize) {
    // SAFETY: `to` is valid for `count` bytes, by the contract of memset.
    unsafe {
        core::arch::asm!("rep stosb", inout("rcx") count => _, inout("rdi") to => _, in("al") byte, options(nostack, preserves_flags));
    }
}
