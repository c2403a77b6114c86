//! The questions that no file answers.

use crate::sys::notify;

/// The newest Landlock ABI, 0 if there is none (landlock(7); `ENOSYS` not built, `EOPNOTSUPP` not in the boot's list of security modules).
#[expect(
    unsafe_code,
    reason = "neither libc nor nix has a safe function for it, and the landlock crate tells only after restricting"
)]
pub(super) fn landlock_abi() -> u32 {
    // SAFETY: with LANDLOCK_CREATE_RULESET_VERSION the kernel demands a null attribute of size 0, reads no memory and makes no descriptor.
    let abi = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            VERSION,
        )
    };
    u32::try_from(abi).unwrap_or(0)
}

/// Whether a filter can be installed at all: asks for the action that every filter of ours needs (seccomp(2), Linux 4.14).
#[expect(
    unsafe_code,
    reason = "neither libc nor nix has a safe function for it"
)]
pub(super) fn has_filters() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: SECCOMP_GET_ACTION_AVAIL reads the four bytes of `action`, which outlives the call, and changes nothing.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0_u32,
            &raw const action,
        )
    };
    answer == 0
}

/// Whether a filter may have a listener. Where there are filters already, one of them may have it, and a thread that ends at once is
/// there to try.
pub(super) fn has_notifier() -> bool {
    notify::knows_listeners()
        && (!notify::is_filtered()
            || std::thread::spawn(notify::can_listen)
                .join()
                .unwrap_or(false))
}

/// `LANDLOCK_CREATE_RULESET_VERSION` of linux/landlock.h.
const VERSION: u32 = 1;
