//! What each rule of the table is there for: attacks, and beside each its control.

use libc::*;

use super::{ALLOW, args, ask, entry, errno, filter};
use crate::filter::{Feature, Filter, FilterOptions};

/// Call, arguments, expected answer. An attack's control stands beside it.
pub(super) type Row = (&'static str, &'static [i64], i32);

/// Checks each row; the expected errno 0 is "allowed".
pub(super) fn check(filter: &Filter, rows: &[Row]) {
    for (name, given, expected) in rows {
        let expected = if *expected == 0 {
            ALLOW
        } else {
            errno(*expected)
        };
        let answer = ask(filter, entry(name).call.number(), args(given));
        assert_eq!(
            answer, expected,
            "{name}({given:x?}): {answer:#x} instead of {expected:#x}"
        );
    }
}

const GARBAGE: i64 = 0x7fff_0001 << 32;

#[test]
fn calls_with_a_history_are_refused_and_their_neighbours_are_not() {
    check(
        &filter(&[]),
        &[
            ("read", &[], 0),
            ("execve", &[], 0),
            ("ptrace", &[16, 2], 0),
            ("bpf", &[], EPERM),
            ("io_uring_setup", &[4], EPERM),
            ("io_uring_enter", &[], EPERM),
            ("io_uring_register", &[], EPERM),
            ("userfaultfd", &[], EPERM),
            ("perf_event_open", &[], EPERM),
            ("keyctl", &[], EPERM),
            ("add_key", &[], EPERM),
            ("request_key", &[], EPERM),
            ("kexec_load", &[], EPERM),
            ("kexec_file_load", &[], EPERM),
            ("init_module", &[], EPERM),
            ("finit_module", &[], EPERM),
            ("delete_module", &[], EPERM),
            ("open_by_handle_at", &[], EPERM),
            ("name_to_handle_at", &[], EOPNOTSUPP),
            ("syslog", &[3], EPERM),
            ("clone3", &[], ENOSYS),
            ("openat2", &[], ENOSYS),
            ("openat", &[-100], 0),
        ],
    );
}

#[test]
fn mounts_and_namespaces_are_refused() {
    let namespaces = [
        CLONE_NEWNS,
        CLONE_NEWCGROUP,
        CLONE_NEWUTS,
        CLONE_NEWIPC,
        CLONE_NEWUSER,
        CLONE_NEWPID,
        CLONE_NEWNET,
    ];
    let (plain, nested) = (filter(&[]), filter(&[Feature::Nested]));
    for flag in namespaces.map(i64::from) {
        for (name, flags) in [
            ("clone", flag | i64::from(SIGCHLD)),
            ("unshare", flag),
            ("clone", flag | GARBAGE),
        ] {
            let number = entry(name).call.number();
            assert_eq!(
                ask(&plain, number, args(&[flags])),
                errno(EPERM),
                "{name}({flags:x})"
            );
            assert_eq!(
                ask(&nested, number, args(&[flags])),
                ALLOW,
                "{name}({flags:x}), nested"
            );
        }
    }
    let threads = i64::from(
        CLONE_VM
            | CLONE_FS
            | CLONE_FILES
            | CLONE_SIGHAND
            | CLONE_THREAD
            | CLONE_SYSVSEM
            | CLONE_SETTLS,
    );
    check(
        &plain,
        &[
            ("unshare", &[0x80], EPERM),
            ("unshare", &[0x600], 0),
            ("clone", &[17], 0),
            ("clone", &[0x4111], 0),
        ],
    );
    assert_eq!(
        ask(&plain, entry("clone").call.number(), args(&[threads])),
        ALLOW
    );
    for name in [
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "setns",
        "open_tree",
        "open_tree_attr",
        "move_mount",
        "mount_setattr",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
    ] {
        check(&plain, &[(name, &[], EPERM)]);
        check(&nested, &[(name, &[], 0)]);
    }
}

#[test]
fn a_terminal_request_is_refused_whatever_its_upper_half_is() {
    const TIOCGWINSZ: i64 = 0x5413;
    check(
        &filter(&[]),
        &[
            ("ioctl", &[0, 0x5412], EPERM),
            ("ioctl", &[0, 0x5412 | GARBAGE], EPERM),
            ("ioctl", &[0, 0x5412 | (1 << 32)], EPERM),
            ("ioctl", &[0, 0x541c | GARBAGE], EPERM),
            ("ioctl", &[0, 0x541d], EPERM),
            ("ioctl", &[0, 0x5423], EPERM),
            ("ioctl", &[0, 0x5437], EPERM),
            ("ioctl", &[0, 0x4b49 | GARBAGE], EPERM),
            ("ioctl", &[0, 0x5606], EPERM),
            ("ioctl", &[0, 0x540c | GARBAGE], EPERM),
            ("ioctl", &[0, 0x540a, 0], EPERM),
            ("ioctl", &[0, 0x540a, GARBAGE], EPERM),
            ("ioctl", &[0, 0x540a, 1], 0),
            ("ioctl", &[0, TIOCGWINSZ], 0),
            ("ioctl", &[0, 0x5401], 0),
            ("ioctl", &[0, 0x5410], 0),
            ("ioctl", &[0, 0x8004_5605], 0),
            ("fcntl", &[3, 1024], EPERM),
            ("fcntl", &[3, 1024 | GARBAGE], EPERM),
            ("fcntl", &[3, 1040], EPERM),
            ("fcntl", &[3, 1025], 0),
            ("fcntl", &[3, 1030], 0),
        ],
    );
}

#[test]
fn requests_to_file_systems_are_those_of_ordinary_programs() {
    check(
        &filter(&[]),
        &[
            // BTRFS_IOC_SNAP_CREATE, _V2, SUBVOL_CREATE, SNAP_DESTROY_V2, TREE_SEARCH_V2, INO_LOOKUP; BTRFS_IOC_SEND.
            ("ioctl", &[3, 0x5000_9401], ENOTTY),
            ("ioctl", &[3, 0x5000_9417], ENOTTY),
            ("ioctl", &[3, 0x5000_9417 | GARBAGE], ENOTTY),
            ("ioctl", &[3, 0x5000_940e], ENOTTY),
            ("ioctl", &[3, 0x5000_943f], ENOTTY),
            ("ioctl", &[3, 0xc070_9411], ENOTTY),
            ("ioctl", &[3, 0xd000_9412], ENOTTY),
            ("ioctl", &[3, 0x4048_9426], ENOTTY),
            // BCH_IOCTL_SUBVOLUME_CREATE, F2FS_IOC_SET_PIN_FILE.
            ("ioctl", &[3, 0x4020_bc10], ENOTTY),
            ("ioctl", &[3, 0x4004_f50d], ENOTTY),
            // FS_IOC_FSSETXATTR, FIFREEZE, FITHAW, FITRIM, EXT4_IOC_SHUTDOWN.
            ("ioctl", &[3, 0x401c_5820], ENOTTY),
            ("ioctl", &[3, 0xc004_5877], ENOTTY),
            ("ioctl", &[3, 0xc004_5878], ENOTTY),
            ("ioctl", &[3, 0xc018_5879], ENOTTY),
            ("ioctl", &[3, 0x8004_587d], ENOTTY),
            // FS_IOC_SETFLAGS and its 32-bit form, SETVERSION, ENABLE_VERITY, encryption policy and keys, MOVE_EXT.
            ("ioctl", &[3, 0x4008_6602], ENOTTY),
            ("ioctl", &[3, 0x4004_6602], ENOTTY),
            ("ioctl", &[3, 0x4008_7602], ENOTTY),
            ("ioctl", &[3, 0x4080_6685], ENOTTY),
            ("ioctl", &[3, 0x800c_6613], ENOTTY),
            ("ioctl", &[3, 0xc050_6617], ENOTTY),
            ("ioctl", &[3, 0xc040_6618], ENOTTY),
            ("ioctl", &[3, 0xc028_660f], ENOTTY),
            ("file_setattr", &[1], EOPNOTSUPP),
            // FICLONE, FICLONERANGE, FIDEDUPERANGE, FSGETXATTR, GETFLAGS, FIEMAP, GETVERSION, FIONREAD, FIONBIO.
            ("ioctl", &[3, 0x4004_9409], 0),
            ("ioctl", &[3, 0x4004_9409 | GARBAGE], 0),
            ("ioctl", &[3, 0x4020_940d], 0),
            ("ioctl", &[3, 0xc018_9436], 0),
            ("ioctl", &[3, 0x801c_581f], 0),
            ("ioctl", &[3, 0x8008_6601], 0),
            ("ioctl", &[3, 0xc020_660b], 0),
            ("ioctl", &[3, 0x8008_7601], 0),
            ("ioctl", &[3, 0x541b], 0),
            ("ioctl", &[3, 0x5421], 0),
            ("file_getattr", &[1], 0),
        ],
    );
}

#[test]
fn the_limit_on_core_files_is_not_changed_and_no_program_fails_of_it() {
    const DONE: u32 = SECCOMP_RET_ERRNO;
    const NEW: i64 = 0x7fff_0000_1000;
    let filter = filter(Feature::ALL);
    for (name, given) in [
        ("setrlimit", &[4, NEW][..]),
        ("setrlimit", &[4 | GARBAGE, NEW]),
        ("prlimit64", &[0, 4, NEW]),
        ("prlimit64", &[0, 4 | GARBAGE, NEW]),
        ("prlimit64", &[0, 4, 1 << 32]),
    ] {
        let answer = ask(&filter, entry(name).call.number(), args(given));
        assert_eq!(answer, DONE, "{name}({given:x?})");
    }
    check(
        &filter,
        &[
            ("prlimit64", &[1, 4, NEW], EPERM),
            ("prlimit64", &[0, 4, NEW, NEW], EPERM),
            ("prlimit64", &[0, 4, 0, NEW], 0),
            ("getrlimit", &[4, NEW], 0),
            ("setrlimit", &[7, NEW], 0),
            ("prlimit64", &[0, 7, NEW, NEW], 0),
        ],
    );
}

#[test]
fn nothing_reaches_the_callers_process_group_or_inits_limits() {
    let scoped: &[Row] = &[
        ("setpriority", &[1, 0, 19], EPERM),
        ("setpriority", &[1 | GARBAGE, GARBAGE, 19], EPERM),
        ("setpriority", &[1, 7, 19], 0),
        ("setpriority", &[0, 0, 19], 0),
        ("ioprio_set", &[2, 0, 0], EPERM),
        ("ioprio_set", &[1, 0, 0], 0),
        ("prlimit64", &[1, 7, 0x7fff_0000_1000], EPERM),
        ("prlimit64", &[1, 7, 1 << 32], EPERM),
        ("prlimit64", &[1, 7, 0, 0x1000], 0),
        ("prlimit64", &[0, 7, 0x1000], 0),
        ("kill", &[-1, 9], 0),
        ("kill", &[7, 9], 0),
    ];
    check(&filter(&[]), scoped);
    check(&filter(&[]), &[("kill", &[0, 9], 0)]);
    let unscoped = Filter::compile(&FilterOptions::default()).unwrap();
    check(&unscoped, scoped);
    check(
        &unscoped,
        &[("kill", &[0, 9], EPERM), ("kill", &[GARBAGE, 9], EPERM)],
    );
}

#[test]
fn sockets_are_unix_ipv4_ipv6_and_route_netlink() {
    const FLAGS: i64 = 0x8_0800; // SOCK_CLOEXEC | SOCK_NONBLOCK
    check(
        &filter(&[]),
        &[
            ("socket", &[1, 1, 0], 0),
            ("socket", &[1, 5 | FLAGS, 0], 0),
            ("socket", &[1, 2, 0], EPERM),
            ("socket", &[1, 3 | FLAGS, 0], EPERM),
            ("socket", &[2, 1 | FLAGS, 0], 0),
            ("socket", &[2, 1, 6], 0),
            ("socket", &[10, 2 | FLAGS, 17], 0),
            ("socket", &[2 | GARBAGE, 2, 0], 0),
            ("socket", &[2, 3, 255], EPERM),
            ("socket", &[10, 3 | FLAGS | GARBAGE, 58], EPERM),
            ("socket", &[2, 10, 768], EPERM),
            ("socket", &[2, 2, 1], EPROTONOSUPPORT),
            ("socket", &[10, 2, 58], EPROTONOSUPPORT),
            ("socket", &[2, 1, 262], EPROTONOSUPPORT),
            ("socket", &[2, 1, 132], EPROTONOSUPPORT),
            ("socket", &[2, 5, 132], EPROTONOSUPPORT),
            ("socket", &[2, 6, 33], EPROTONOSUPPORT),
            ("socket", &[2, 2, 136], EPROTONOSUPPORT),
            ("socket", &[16, 3 | FLAGS, 0], 0),
            ("socket", &[16, 2, 0], 0),
            ("socket", &[16, 3, 9], EPROTONOSUPPORT),
            ("socket", &[16, 3, 12], EPROTONOSUPPORT),
            ("socket", &[17, 3, 768], EAFNOSUPPORT),
            ("socket", &[38, 5, 0], EAFNOSUPPORT),
            ("socket", &[40, 1, 0], EAFNOSUPPORT),
            ("socket", &[44, 3, 0], EAFNOSUPPORT),
            ("socketpair", &[1, 1 | FLAGS, 0], 0),
            ("socketpair", &[1, 5, 0], 0),
            ("socketpair", &[1, 2 | FLAGS, 0], EPERM),
            ("socketpair", &[1, 3, 0], EPERM),
            ("socketpair", &[2, 1, 0], EOPNOTSUPP),
        ],
    );
    check(
        &filter(&[Feature::UnixDatagram]),
        &[
            ("socket", &[1, 2, 0], 0),
            ("socket", &[1, 3, 0], 0),
            ("socket", &[2, 3, 255], EPERM),
            ("socketpair", &[1, 2, 0], 0),
        ],
    );
}

#[test]
fn no_mode_carries_setuid_setgid_or_a_device() {
    const TMPFILE: i64 = (O_TMPFILE | O_WRONLY) as i64;
    const DIRECTORY: i64 = O_DIRECTORY as i64;
    let rows: &[Row] = &[
        ("fchmod", &[3, 0o4755], EPERM),
        ("fchmod", &[3, 0o2755], EPERM),
        ("fchmod", &[3, 0o4755 | GARBAGE], EPERM),
        ("fchmod", &[3, 0o1777], 0),
        ("fchmod", &[3, 0o755 | GARBAGE], 0),
        ("fchmodat", &[-100, 0, 0o6755], EPERM),
        ("fchmodat", &[-100, 0, 0o755], 0),
        ("fchmodat2", &[-100, 0, 0o4755], EPERM),
        ("fchmodat2", &[-100, 0, 0o644], 0),
        ("openat", &[-100, 0, 0o101, 0o4755], EPERM),
        ("openat", &[-100, 0, TMPFILE, 0o4755], EPERM),
        ("openat", &[-100, 0, 0o101, 0o755], 0),
        ("openat", &[-100, 0, DIRECTORY, 0o4755], 0),
        ("mknodat", &[-100, 0, 0o104_755, 0], EPERM),
        ("mknodat", &[-100, 0, 0o20_666, 0x103], EPERM),
        ("mknodat", &[-100, 0, 0o60_666, 0x800], EPERM),
        ("mknodat", &[-100, 0, 0o10_644, 0], 0),
        ("mknodat", &[-100, 0, 0o100_644, 0], 0),
    ];
    check(&filter(&[]), rows);
    check(
        &filter(&[Feature::SetId]),
        &[
            ("fchmod", &[3, 0o4755], 0),
            ("openat", &[-100, 0, 0o101, 0o4755], 0),
            ("mknodat", &[-100, 0, 0o60_666, 0x800], EPERM),
        ],
    );
}

#[test]
fn personality_is_only_asked_for() {
    let rows: &[Row] = &[
        ("personality", &[0], 0),
        ("personality", &[0xffff_ffff], 0),
        ("personality", &[-1], 0),
        ("personality", &[8], EPERM),
        ("personality", &[0x040_0000], EPERM),
    ];
    check(&filter(&[]), rows);
    check(&filter(&[]), &[("personality", &[0x0004_0000], EPERM)]);
    check(&filter(&[Feature::NoAslr]), rows);
    check(
        &filter(&[Feature::NoAslr]),
        &[("personality", &[0x0004_0000], 0)],
    );
}

#[test]
fn a_filter_of_the_commands_own_has_no_listener() {
    check(
        &filter(&[]),
        &[
            ("seccomp", &[1, 8], EBUSY),
            ("seccomp", &[1, 8 | 1], EBUSY),
            ("seccomp", &[1, 8 | GARBAGE], EBUSY),
            ("seccomp", &[1, 1], 0),
            ("seccomp", &[0, 0], 0),
            ("seccomp", &[2, 0], 0),
        ],
    );
}
