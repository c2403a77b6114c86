//! Where the kernel enters the program, the clone of a child that shares its memory, and what the compiler calls: all the
//! assembly there is, in the architecture's file.

#[cfg_attr(target_arch = "x86_64", path = "entry/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "entry/aarch64.rs")]
mod architecture;

pub(crate) use self::architecture::{clone_on, end_of_handler};

/// Flags of a child that has this process's memory, which sleeps until the child has executed a program or ended:
/// `CLONE_VM`, `CLONE_VFORK`, `SIGCHLD`.
pub(crate) const VFORK: usize = 0x100 | 0x4000 | 0x11;

#[cfg(freestanding)]
mod freestanding {
    /// What `_start` calls, on a stack without a caller.
    pub(super) extern "C" fn run() -> ! {
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
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
        // SAFETY: passed on from the caller.
        unsafe { super::architecture::copy(to, from, count) };
        to
    }

    /// # Safety
    /// As in C; the compiler calls it.
    #[unsafe(no_mangle)]
    unsafe extern "C" fn memset(to: *mut u8, byte: i32, count: usize) -> *mut u8 {
        // SAFETY: passed on from the caller.
        unsafe { super::architecture::fill(to, byte as u8, count) };
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

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::super::sys;
    use super::architecture::{clone_on, copy, fill};

    #[repr(align(16))]
    struct Stack([u8; 16 << 10]);

    extern "C" fn end(code: *mut ()) -> ! {
        sys::exit_task(code.addr() as i32)
    }

    #[test]
    fn a_child_on_a_stack_of_its_own_gets_its_argument_and_its_parent_goes_on() {
        let mut stack = Stack([0; 16 << 10]);
        for code in [0, 7, 200] {
            let top = stack.0.as_mut_ptr_range().end;
            // SAFETY: the stack is this function's, and `end` takes any pointer for a number.
            let pid =
                unsafe { clone_on(super::VFORK, top, end, ptr::without_provenance_mut(code)) };
            let pid = nix::unistd::Pid::from_raw(pid as i32);
            let status = nix::sys::wait::waitpid(pid, None).unwrap();
            let expected = nix::sys::wait::WaitStatus::Exited(pid, code as i32);
            assert_eq!(status, expected);
        }
    }

    #[test]
    fn any_number_of_bytes_is_copied_and_filled_and_none_beside_them() {
        let source: Vec<u8> = (1..=80).collect();
        for (start, count) in (0..9).flat_map(|start| (0..70).map(move |count| (start, count))) {
            let (mut copied, mut filled) = ([0; 80], [0; 80]);
            let mut expected = [0; 80];
            // SAFETY: both ranges lie in arrays of 80 bytes.
            unsafe { copy(copied[start..].as_mut_ptr(), source.as_ptr(), count) };
            expected[start..start + count].copy_from_slice(&source[..count]);
            assert_eq!(copied, expected, "{count} bytes to {start}");
            // SAFETY: as above.
            unsafe { fill(filled[start..].as_mut_ptr(), 0xa5, count) };
            expected[start..start + count].fill(0xa5);
            assert_eq!(filled, expected, "{count} bytes at {start}");
        }
    }
}
