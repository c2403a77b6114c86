//! The calls from before the `*at` family.

use super::{Call, Row, here, int, word};

const CREAT: i32 = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;

#[rustfmt::skip]
pub(super) const CALLS: &[Row] = &[
    Row { number: libc::SYS_open,     read: |[path, flags, mode, ..]| Call::Open { at: here(path), flags: int(flags), mode: word(mode) } },
    Row { number: libc::SYS_creat,    read: |[path, mode, ..]| Call::Open { at: here(path), flags: CREAT, mode: word(mode) } },
    Row { number: libc::SYS_mkdir,    read: |[path, mode, ..]| Call::MakeDirectory { at: here(path), mode: word(mode) } },
    Row { number: libc::SYS_mknod,    read: |[path, mode, dev, ..]| Call::MakeNode { at: here(path), mode: word(mode), device: u64::from(word(dev)) } },
    Row { number: libc::SYS_symlink,  read: |[target, path, ..]| Call::MakeLink { target, at: here(path) } },
    Row { number: libc::SYS_link,     read: |[old, new, ..]| Call::Link { from: here(old), to: here(new), flags: 0 } },
    Row { number: libc::SYS_rename,   read: |[old, new, ..]| Call::Rename { from: here(old), to: here(new), flags: 0 } },
    Row { number: libc::SYS_renameat, read: |[from, old, to, new, ..]| Call::Rename { from: super::at(from, old), to: super::at(to, new), flags: 0 } },
];
