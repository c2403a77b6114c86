//! Mounts: `mount_setattr(2)`, `open_tree(2)`, `move_mount(2)`, `fsopen(2)`.

use core::ffi::CStr;
use core::mem::size_of;

use super::super::raw::{Result, check, nr, syscall};
use super::{AT_EMPTY_PATH, AT_RECURSIVE, Fd, O_CLOEXEC, close, to_fd};

#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// Sets attributes of the mount at `place`, and of all below it if `recursive`.
pub(crate) fn mount_setattr(place: Fd, set: u64, propagation: u64, recursive: bool) -> Result<()> {
    let attr = MountAttr {
        set,
        clear: 0,
        propagation,
        user_namespace: 0,
    };
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    set_attributes(place, &attr, flags)
}

fn set_attributes(place: Fd, attr: &MountAttr, flags: usize) -> Result<()> {
    call!(nr::MOUNT_SETATTR, place.arg(), c"".as_ptr(), flags, &raw const *attr, size_of::<MountAttr>(); "`attr` is as large as said")
        .map(drop)
}

/// What cannot be done in a mount (`mount_setattr(2)`).
pub(crate) const RDONLY_NOSUID_NODEV_NOEXEC: u64 = 1 | 2 | 4 | 8;

/// Gives the mount at `place` these attributes and no other.
pub(crate) fn replace_attributes(place: Fd, attributes: u64) -> Result<()> {
    change_attributes(place, attributes, RDONLY_NOSUID_NODEV_NOEXEC & !attributes)
}

/// Lets the mount at `place` be written, and not what is mounted in it.
pub(crate) fn clear_read_only(place: Fd) -> Result<()> {
    const RDONLY: u64 = 1;
    change_attributes(place, 0, RDONLY)
}

fn change_attributes(place: Fd, set: u64, clear: u64) -> Result<()> {
    let attr = MountAttr {
        set,
        clear,
        propagation: 0,
        user_namespace: 0,
    };
    set_attributes(place, &attr, AT_EMPTY_PATH)
}

/// A detached copy of the mount tree at `place`.
pub(crate) fn clone_tree(place: Fd) -> Result<Fd> {
    clone(place, AT_RECURSIVE)
}

/// A detached copy of the mount at `place`, without what is mounted in it.
pub(crate) fn clone_mount(place: Fd) -> Result<Fd> {
    clone(place, 0)
}

fn clone(place: Fd, recursive: usize) -> Result<Fd> {
    const OPEN_TREE_CLONE: usize = 1;
    call!(nr::OPEN_TREE, place.arg(), c"".as_ptr(), OPEN_TREE_CLONE | O_CLOEXEC | AT_EMPTY_PATH | recursive; "the path ends in NUL")
        .map(to_fd)
}

/// Detaches what is mounted over `name` of the directory of this process.
pub(crate) fn detach_here(name: &CStr) -> Result<()> {
    const MNT_DETACH_NOFOLLOW: usize = 2 | 8;
    call!(nr::UMOUNT2, name.as_ptr(), MNT_DETACH_NOFOLLOW; "`name` ends in NUL").map(drop)
}

/// Attaches `mount`, which is detached or attached elsewhere, at `place`.
pub(crate) fn attach(mount: Fd, place: Fd) -> Result<()> {
    const FROM_AND_TO_EMPTY_PATH: usize = 0x04 | 0x40;
    call!(nr::MOVE_MOUNT, mount.arg(), c"".as_ptr(), place.arg(), c"".as_ptr(), FROM_AND_TO_EMPTY_PATH; "the paths end in NUL").map(drop)
}

/// A detached mount of a fresh file system.
pub(crate) fn new_mount(kind: &CStr, options: &[(&CStr, &CStr)], attributes: u64) -> Result<Fd> {
    const CLOEXEC: usize = 1;
    const SET_STRING: usize = 1;
    const CREATE: usize = 6;
    let context = to_fd(call!(nr::FSOPEN, kind.as_ptr(), CLOEXEC; "`kind` ends in NUL")?);
    for (key, value) in options {
        call!(nr::FSCONFIG, context.arg(), SET_STRING, key.as_ptr(), value.as_ptr(), 0; "both end in NUL")?;
    }
    call!(nr::FSCONFIG, context.arg(), CREATE, 0, 0, 0; "no pointer")?;
    let mount = call!(nr::FSMOUNT, context.arg(), CLOEXEC, attributes; "no pointer").map(to_fd);
    close(context)?;
    mount
}

/// The directory of the process becomes `/`, and the old root is detached.
pub(crate) fn pivot_root_here() -> Result<()> {
    const MNT_DETACH: usize = 2;
    call!(nr::PIVOT_ROOT, c".".as_ptr(), c".".as_ptr(); "the paths end in NUL")?;
    // The old root lies over the new one at "." (pivot_root(2), NOTES).
    call!(nr::UMOUNT2, c".".as_ptr(), MNT_DETACH; "the path ends in NUL").map(drop)
}

/// Moves this process into a network namespace of its own.
pub(crate) fn unshare_network() -> Result<()> {
    const CLONE_NEWNET: usize = 0x4000_0000;
    call!(nr::UNSHARE, CLONE_NEWNET; "no pointer").map(drop)
}

/// Moves this process into a copy of its mount namespace.
pub(crate) fn unshare_mounts() -> Result<()> {
    const CLONE_NEWNS: usize = 0x2_0000;
    call!(nr::UNSHARE, CLONE_NEWNS; "no pointer").map(drop)
}

/// Enters a mount namespace, at its root.
pub(crate) fn enter_mounts(namespace: Fd) -> Result<()> {
    const CLONE_NEWNS: usize = 0x2_0000;
    call!(nr::SETNS, namespace.arg(), CLONE_NEWNS; "no pointer").map(drop)
}
