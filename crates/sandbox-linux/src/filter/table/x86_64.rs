//! What only x86-64 has: the calls from before the `*at` family, and those that are about its processors.

use super::super::case::{
    Case, ENOSYS, EPERM, Entry, Unless, allow, bits, none_of, notify, refuse,
};
use super::inspected::{BY_NAME, CREATES, PATH, SET_ID, SET_ID_BITS, WRITES, device, not_notified};
use super::{Call, Group};
use libc::{S_IFBLK, S_IFCHR, S_IFMT};

/// `AUDIT_ARCH_X86_64` of linux/audit.h: machine 62, 64 bits, little-endian.
pub(in super::super) const AUDIT_ARCH: u32 = 0xc000_003e;

const NEVER: Unless = Unless::Never;

#[rustfmt::skip]
pub(super) const ALLOWED: &[Group] = &[
    Group { why: "older forms of calls that pass too", calls: calls![
        SYS_stat SYS_lstat SYS_access SYS_readlink SYS_getdents SYS_rmdir SYS_unlink
        SYS_chown SYS_lchown SYS_utime SYS_utimes SYS_futimesat SYS_pipe SYS_dup2 SYS_poll SYS_select SYS_epoll_create
        SYS_epoll_wait SYS_eventfd SYS_signalfd SYS_inotify_init SYS_pause SYS_alarm SYS_time SYS_getpgrp SYS_fork SYS_vfork] },
    Group { why: "the process's own registers and shadow stack", calls: calls![SYS_arch_prctl] },
    // The kernel lets them pass its own trampolines only; anybody else gets SIGILL or an error.
    Group { why: "probes that somebody outside has set on a program", calls: calls![SYS_uretprobe SYS_uprobe] },
];

#[rustfmt::skip]
pub(super) const REFUSED: &[Entry] = refused! {
    SYS_iopl               EPERM NEVER "gives access to the hardware's ports";
    SYS_ioperm             EPERM NEVER "gives access to the hardware's ports";
    SYS_modify_ldt         EPERM NEVER "segments for 16-bit programs, with a history of bugs";
    SYS_set_thread_area    EPERM NEVER "segments for 32-bit programs";
    SYS_get_thread_area    EPERM NEVER "segments for 32-bit programs";
    SYS_uselib             ENOSYS NEVER "libraries of the a.out format";
    SYS_ustat              ENOSYS NEVER "obsolete since statfs";
    SYS_sysfs              ENOSYS NEVER "obsolete since /proc/filesystems";
    SYS__sysctl            ENOSYS NEVER "gone since Linux 5.5";
    SYS_getpmsg            ENOSYS NEVER "never implemented";
    SYS_putpmsg            ENOSYS NEVER "never implemented";
    SYS_afs_syscall        ENOSYS NEVER "never implemented";
    SYS_tuxcall            ENOSYS NEVER "never implemented";
    SYS_security           ENOSYS NEVER "never implemented";
    SYS_vserver            ENOSYS NEVER "never implemented";
    SYS_epoll_ctl_old      ENOSYS NEVER "never implemented";
    SYS_epoll_wait_old     ENOSYS NEVER "never implemented";
};

const READS_1: Case = not_notified(&[none_of(1, WRITES)]);
const PATH_1: Case = not_notified(&[bits(1, PATH, PATH)]);

#[rustfmt::skip]
pub(super) const INSPECTED: &[Entry] = inspected! {
    SYS_chmod => &[allow(&[none_of(1, SET_ID)]), SET_ID_BITS];
    SYS_creat => &[notify(&[none_of(1, SET_ID)]), allow(&[none_of(1, SET_ID)]).unless_notified(), SET_ID_BITS, notify(&[])];
    SYS_open  => &[
        READS_1, PATH_1, notify(&[none_of(2, SET_ID)]), notify(&[none_of(1, CREATES)]),
        allow(&[none_of(2, SET_ID)]).unless_notified(), allow(&[none_of(1, CREATES)]).unless_notified(), SET_ID_BITS, notify(&[]),
    ];
    SYS_mknod => &[
        device(&[bits(1, S_IFMT, S_IFCHR)]), device(&[bits(1, S_IFMT, S_IFBLK)]),
        notify(&[none_of(1, SET_ID)]), allow(&[none_of(1, SET_ID)]).unless_notified(), SET_ID_BITS, notify(&[]),
    ];
    SYS_mkdir    => BY_NAME;
    SYS_rename   => BY_NAME;
    SYS_link     => BY_NAME;
    SYS_symlink  => BY_NAME;
};
