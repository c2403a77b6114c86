//! aarch64: x0, x1, … are the arguments, x29 and x30 the frame and the return address; the stack is aligned to 16 bytes
//! always (AAPCS64).

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
    // SAFETY: the child starts on a stack of its own, so that it can't destroy a frame of the parent; it takes what it needs from registers and never returns here. The parent
    // gets every register but x0 back as it was.
    unsafe {
        core::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") super::super::raw::nr::CLONE,
            inlateout("x0") flags => result,
            in("x1") stack_top,
            in("x2") 0,
            in("x3") 0,
            in("x4") 0,
            in("x20") argument,
            in("x21") run,
        );
    }
    result
}

/// What a handler of a signal returns to, with the frame of the kernel on the stack: ends it (sigreturn(2)).
#[unsafe(naked)]
pub(crate) extern "C" fn end_of_handler() {
    core::arch::naked_asm!("mov x8, #139", "svc #0");
}

#[cfg(freestanding)]
core::arch::global_asm!(".globl _start", "_start:", "mov x29, xzr", "mov x30, xzr", "bl {run}", "brk #1", run = sym super::freestanding::run);

/// What memcpy does.
///
/// # Safety
/// As in C.
#[inline]
pub(crate) unsafe fn copy(to: *mut u8, from: *const u8, count: usize) {
    // SAFETY: both are valid for `count` bytes and don't overlap, by the contract of memcpy. First as many pairs of words
    // as fit, then what is left, byte by byte; ordinary memory may be unaligned.
    unsafe {
        core::arch::asm!(
            "2:", "subs {rest}, {rest}, #16", "b.lo 3f", "ldp {low}, {high}, [{from}], #16", "stp {low}, {high}, [{to}], #16", "b 2b",
            "3:", "adds {rest}, {rest}, #16", "b.eq 5f",
            "4:", "ldrb {low:w}, [{from}], #1", "strb {low:w}, [{to}], #1", "subs {rest}, {rest}, #1", "b.ne 4b",
            "5:",
            rest = inout(reg) count => _, from = inout(reg) from => _, to = inout(reg) to => _,
            low = out(reg) _, high = out(reg) _, options(nostack));
    }
}

/// What memset does.
///
/// # Safety
/// As in C.
#[inline]
pub(crate) unsafe fn fill(to: *mut u8, byte: u8, count: usize) {
    let word = u64::from(byte).wrapping_mul(0x0101_0101_0101_0101);
    // SAFETY: `to` is valid for `count` bytes, by the contract of memset; otherwise as in `memcpy`.
    unsafe {
        core::arch::asm!(
            "2:", "subs {rest}, {rest}, #16", "b.lo 3f", "stp {word}, {word}, [{to}], #16", "b 2b",
            "3:", "adds {rest}, {rest}, #16", "b.eq 5f",
            "4:", "strb {word:w}, [{to}], #1", "subs {rest}, {rest}, #1", "b.ne 4b",
            "5:",
            rest = inout(reg) count => _, to = inout(reg) to => _, word = in(reg) word, options(nostack));
    }
}
