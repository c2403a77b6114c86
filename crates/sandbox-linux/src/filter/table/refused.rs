//! Calls that pass with no arguments: `number errno opened-by "reason";`.
//!
//! Most of them would fail without a capability anyway. The filter is the lock that does not trust the first.

use super::super::Feature;
use super::super::case::{Case, ENOSYS, EOPNOTSUPP, EPERM, Entry, Unless, refuse};
use super::Call;

const NEVER: Unless = Unless::Never;
const NESTED: Unless = Unless::Feature(Feature::Nested);
const KEYRING: Unless = Unless::Feature(Feature::Keyring);
const IO_URING: Unless = Unless::Feature(Feature::IoUring);
const PERF: Unless = Unless::Feature(Feature::Perf);
const USERFAULTFD: Unless = Unless::Feature(Feature::Userfaultfd);

#[rustfmt::skip]
pub(super) const REFUSED: &[Entry] = refused! {
    // Around the mounts.
    SYS_mount              EPERM NESTED "changes what is visible";
    SYS_umount2            EPERM NESTED "uncovers what a mount hides";
    SYS_pivot_root         EPERM NESTED "changes what is visible";
    SYS_chroot             EPERM NESTED "the classic way out of a root directory";
    SYS_open_tree          EPERM NESTED "clones a tree without the mounts that cover it";
    SYS_open_tree_attr     EPERM NESTED "like open_tree";
    SYS_move_mount         EPERM NESTED "changes what is visible";
    SYS_mount_setattr      EPERM NESTED "makes a read-only mount writable";
    SYS_fsopen             EPERM NESTED "new file systems parse what the command gives them";
    SYS_fsconfig           EPERM NESTED "like fsopen";
    SYS_fsmount            EPERM NESTED "like fsopen";
    SYS_fspick             EPERM NESTED "reconfigures a mounted file system";
    SYS_setns              EPERM NESTED "enters namespaces that others made";
    // The handle of a hidden file tells that it exists; programs take this errno for a file system without handles.
    SYS_name_to_handle_at  EOPNOTSUPP NEVER "names a file past its path";
    SYS_open_by_handle_at  EPERM NEVER "opens a file past its path: the escape from early containers";
    SYS_fanotify_init      EPERM NEVER "watches whole mounts, and may hold up others' accesses";
    SYS_fanotify_mark      EPERM NEVER "like fanotify_init";
    SYS_file_setattr       EOPNOTSUPP NEVER "FS_IOC_FSSETXATTR by another door; programs take this errno for a file system without";
    SYS_quotactl           EPERM NEVER "administers the host's file systems";
    SYS_quotactl_fd        EPERM NEVER "like quotactl";

    // What a register does not say. Programs do without them since older kernels must be served.
    SYS_clone3             ENOSYS NEVER "its flags lie behind a pointer, where a namespace can't be told from a thread; libraries fall back to clone";
    SYS_openat2            ENOSYS NESTED "the mode of a file that it creates lies behind a pointer; programs fall back to openat";

    // Parts of the kernel with a history and no place in builds, tests and agents.
    SYS_bpf                EPERM NEVER "runs programs in the kernel; verifier bugs are privilege escalations";
    SYS_io_uring_setup     EPERM IO_URING "operations that no filter sees; the answer of kernel.io_uring_disabled=2";
    SYS_io_uring_enter     EPERM IO_URING "like io_uring_setup";
    SYS_io_uring_register  EPERM IO_URING "like io_uring_setup";
    SYS_userfaultfd        EPERM USERFAULTFD "holds the kernel at a page fault, the tool that makes its races exploitable";
    SYS_perf_event_open    EPERM PERF "a long history of bugs; observes other work on the processor";
    SYS_keyctl             EPERM KEYRING "keyrings are not of a namespace: keys of the account are reachable by number";
    SYS_add_key            EPERM KEYRING "like keyctl";
    SYS_request_key        EPERM KEYRING "starts a helper program on the host";
    SYS_memfd_secret       ENOSYS NEVER "takes pages out of the kernel's own map; nothing in builds asks for it";
    SYS_migrate_pages      EPERM NEVER "moves the memory of other processes";
    SYS_lsm_set_self_attr  EPERM NEVER "changes the label by which the host's security module confines";
    SYS_listns             ENOSYS NEVER "lists namespaces, those of the host among them";

    // The machine.
    SYS_kexec_load         EPERM NEVER "replaces the kernel";
    SYS_kexec_file_load    EPERM NEVER "replaces the kernel";
    SYS_init_module        EPERM NEVER "loads code into the kernel";
    SYS_finit_module       EPERM NEVER "loads code into the kernel";
    SYS_delete_module      EPERM NEVER "takes code out of the kernel";
    SYS_reboot             EPERM NEVER "stops the machine";
    SYS_syslog             EPERM NEVER "the kernel's log: addresses, other users' doings";
    SYS_acct               EPERM NEVER "writes the host's accounting file";
    SYS_swapon             EPERM NEVER "changes the host's swap";
    SYS_swapoff            EPERM NEVER "changes the host's swap";
    SYS_sethostname        EPERM NESTED "renames the machine";
    SYS_setdomainname      EPERM NESTED "renames the machine";
    SYS_settimeofday       EPERM NEVER "sets the host's clock";
    SYS_clock_settime      EPERM NEVER "sets the host's clock";
    SYS_adjtimex           EPERM NEVER "sets the host's clock, by a structure that also reads it";
    SYS_clock_adjtime      EPERM NEVER "like adjtimex";
    SYS_vhangup            EPERM NEVER "hangs up the caller's terminal";

    // Calls that kernels no longer have.
    SYS_nfsservctl         ENOSYS NEVER "gone since Linux 3.1";
    SYS_lookup_dcookie     ENOSYS NEVER "gone since Linux 6.7; the profiler's way from numbers to paths";
};
