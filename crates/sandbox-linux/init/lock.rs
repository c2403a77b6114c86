//! The view that commands get: a copy of init's, in which nothing that lies over something else can be taken away from it.
//!
//! A mount namespace ends with its last process, and its mounts come apart: what was mounted over a name is gone for whoever
//! still has a descriptor of the directory, as a command of another sandbox to which it was passed. Not so where the mounts
//! are locked, as they are in a copy that belongs to another user namespace (`mount_namespaces(7)`, "Restrictions on mount
//! namespaces"): they stay together. What init mounts later reaches the copy, and is locked there, too.

use super::entry::{VFORK, clone_on};
use super::raw::{Errno, Result, check};
use super::serve::Stack;
use super::sys::{self, Fd};

const MS_SHARED: u64 = 1 << 20;

/// What the child that makes the copy needs, and leaves.
struct Copy {
    processes: Fd,
    /// The namespace of the mounts.
    made: Result<Fd>,
}

/// Makes the copy of `view`; `processes` is a `/proc` of this pid namespace. Nothing may be restricted or entered any more.
pub(crate) fn locked_copy(view: Fd, processes: Fd, stack: &Stack) -> Result<Fd> {
    const CLONE_FILES: usize = 0x400;
    const CLONE_NEWNS: usize = 0x2_0000;
    const CLONE_NEWUSER: usize = 0x1000_0000;
    sys::mount_setattr(view, 0, MS_SHARED, true)?;
    let mut copy = Copy {
        processes,
        made: Err(Errno::INVAL),
    };
    let flags = VFORK | CLONE_FILES | CLONE_NEWNS | CLONE_NEWUSER;
    // SAFETY: `stack` is used by nobody else and `child` expects the `Copy`, which is not touched until the child is gone.
    let pid = check(unsafe { clone_on(flags, stack.0, child, (&raw mut copy).cast()) })?;
    sys::wait_for(pid as i32);
    copy.made
}

/// Lives in the copy. Its descriptors are init's, and the copy lasts as long as that of it.
extern "C" fn child(copy: *mut ()) -> ! {
    // SAFETY: `clone_on` got a pointer to a `Copy` from `locked_copy`, which sleeps until this child is gone.
    let copy = unsafe { &mut *copy.cast::<Copy>() };
    copy.made = sys::open_list(copy.processes, c"self/ns/mnt");
    sys::exit_task(0)
}
