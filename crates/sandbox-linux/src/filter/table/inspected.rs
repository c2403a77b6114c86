//! Calls that depend on their arguments. The first case whose tests all hold decides; where none holds, the call is allowed.
//! A case without tests ends the list. Arguments are numbered from 0.

use super::super::Feature;
use super::super::case::{
    Case, EAFNOSUPPORT, EBUSY, ENOTTY, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, Entry, Test, Unless,
    allow, at_least, at_most, bits, is, is_not, none_of, not_null, notify, pretend, refuse,
};
use super::Call;
use libc::{
    ADDR_NO_RANDOMIZE, AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, CLONE_NEWCGROUP, CLONE_NEWIPC,
    CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS,
    F_SETLEASE, IPPROTO_TCP, IPPROTO_UDP, NETLINK_ROUTE, O_ACCMODE, O_CREAT, O_DIRECTORY, O_PATH,
    O_TMPFILE, O_TRUNC, S_IFBLK, S_IFCHR, S_IFMT, S_ISGID, S_ISUID, SECCOMP_SET_MODE_FILTER,
    SO_LINGER, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, SOL_SOCKET, c_int,
};

/// A constant of libc as the register's low half.
#[expect(clippy::cast_sign_loss, reason = "the bits are wanted, not the value")]
const fn word(constant: c_int) -> u32 {
    constant as u32
}

#[rustfmt::skip]
pub(super) const INSPECTED: &[Entry] = inspected! {
    SYS_clone => &[
        allow(&[none_of(0, NAMESPACES)]),
        refuse(&[], EPERM, "CLONE_NEW*: a namespace of one's own opens most of the kernel's attack surface").unless(Feature::Nested),
    ];
    SYS_unshare => &[
        // Here the low byte is no signal number, so CLONE_NEWTIME means itself.
        allow(&[none_of(0, NAMESPACES | word(CLONE_NEWTIME))]),
        refuse(&[], EPERM, "CLONE_NEW*: like clone").unless(Feature::Nested),
    ];

    // Processes outside: the caller's process group is the command's too, and 0 names it whatever the pid namespace.
    SYS_kill => &[
        refuse(&[is(0, 0)], EPERM, "process group 0, without Landlock's signal scope: signals the caller's whole process group").unless_signals_are_scoped(),
    ];
    SYS_setpriority => &[
        refuse(&[is(0, PRIO_PGRP), is(1, 0)], EPERM, "process group 0: renices the caller's whole process group"),
    ];
    SYS_ioprio_set => &[
        refuse(&[is(0, IOPRIO_WHO_PGRP), is(1, 0)], EPERM, "process group 0: like setpriority"),
    ];
    // init and the command have one uid, which is all that prlimit asks for.
    SYS_prlimit64 => &[
        refuse(&[is_not(0, 0), not_null(2)], EPERM, "a new limit for another process: init's limits would be the command's to set"),
        // Who asks for the old value, too, would read what nobody has written.
        refuse(&[is(1, RLIMIT_CORE), not_null(2), not_null(3)], EPERM, CORE),
        pretend(&[is(1, RLIMIT_CORE), not_null(2)], CORE),
    ];
    SYS_setrlimit => &[pretend(&[is(0, RLIMIT_CORE)], CORE)];

    SYS_ioctl => &[
        refuse(&[is(1, TIOCSTI)], EPERM, "TIOCSTI: types into the terminal, for the caller's shell to run"),
        refuse(&[is(1, TIOCLINUX)], EPERM, "TIOCLINUX: pastes a selection into a console"),
        // A function key may be given a text that the person types later.
        refuse(&[at_least(1, 0x4b00), at_most(1, 0x4bff)], EPERM, "KD*: keyboard maps and key texts of a console"),
        refuse(&[at_least(1, 0x5600), at_most(1, 0x560f)], EPERM, "VT_*: switches and locks consoles"),
        refuse(&[is(1, TIOCSETD)], EPERM, "TIOCSETD: line disciplines are loaded on demand, and had many bugs"),
        refuse(&[is(1, TIOCCONS)], EPERM, "TIOCCONS: takes over the console's output"),
        refuse(&[is(1, TIOCVHANGUP)], EPERM, "TIOCVHANGUP: hangs up the caller's terminal"),
        // What outlives the command, and what no shell sets right: it restores the modes, but neither of these.
        refuse(&[is(1, TIOCEXCL)], EPERM, "TIOCEXCL: nobody can open the caller's terminal any more"),
        refuse(&[is(1, TCXONC), is(2, TCOOFF)], EPERM, "TCXONC with TCOOFF: stops the caller's terminal, and Ctrl-Q does not continue it"),
        // File systems have requests that work below the mounts, on whatever descriptor: only those in use by ordinary
        // programs pass, and the others get the answer of a file system that does not have them.
        allow(&[is(1, FICLONE)]),
        allow(&[is(1, FICLONERANGE)]),
        allow(&[is(1, FIDEDUPERANGE)]),
        refuse(&[bits(1, IOC_TYPE, BTRFS)], ENOTTY, "BTRFS_IOC_*: a snapshot of a subvolume has what mounts hide in it"),
        refuse(&[bits(1, IOC_TYPE, BCACHEFS)], ENOTTY, "BCH_IOCTL_*: snapshots, like BTRFS_IOC_*"),
        refuse(&[bits(1, IOC_TYPE, F2FS)], ENOTTY, "F2FS_IOC_*: pinned, compressed and moved blocks of the host's file system"),
        allow(&[is(1, FS_IOC_FSGETXATTR)]),
        refuse(&[bits(1, IOC_TYPE, XFS)], ENOTTY, "FS_IOC_FSSETXATTR, FIFREEZE, XFS_IOC_*: attributes by descriptor, on files that are only handed over; administration"),
        allow(&[is(1, FS_IOC_GETFLAGS)]),
        allow(&[is(1, FS_IOC_FIEMAP)]),
        refuse(&[bits(1, IOC_TYPE, EXT)], ENOTTY, "FS_IOC_SETFLAGS, FS_IOC_ENABLE_VERITY, encryption keys, EXT4_IOC_*: change files that are only handed over, and the host's file system"),
        refuse(&[is(1, FS_IOC_SETVERSION)], ENOTTY, "FS_IOC_SETVERSION: like FS_IOC_SETFLAGS"),
    ];
    // A lease delays whoever opens the file on the host. (Read locks and flock are a stated limit.)
    SYS_fcntl => &[
        refuse(&[is(1, word(F_SETLEASE))], EPERM, "F_SETLEASE: holds up other programs' opens, on files that are only readable"),
        refuse(&[is(1, F_SETDELEG)], EPERM, "F_SETDELEG: like F_SETLEASE, for directories too"),
    ];

    // A setuid file that is left in the workspace lends its owner's identity to any user of the host who runs it.
    SYS_fchmod    => &[allow(&[none_of(1, SET_ID)]), SET_ID_BITS];
    SYS_fchmodat  => &[allow(&[none_of(2, SET_ID)]), SET_ID_BITS];
    SYS_fchmodat2 => &[allow(&[none_of(2, SET_ID)]), SET_ID_BITS];
    // Without a flag that creates, the kernel ignores the mode, and the register may hold anything.
    // Two calls of a hundred write: the others must not pay for the notifier.
    SYS_openat    => &[
        READS_2, PATH_2, notify(&[none_of(3, SET_ID)]), notify(&[none_of(2, CREATES)]),
        allow(&[none_of(3, SET_ID)]).unless_notified(), allow(&[none_of(2, CREATES)]).unless_notified(), SET_ID_BITS, notify(&[]),
    ];
    SYS_mknodat   => &[
        device(&[bits(2, S_IFMT, S_IFCHR)]), device(&[bits(2, S_IFMT, S_IFBLK)]),
        notify(&[none_of(2, SET_ID)]), allow(&[none_of(2, SET_ID)]).unless_notified(), SET_ID_BITS, notify(&[]),
    ];
    SYS_mkdirat   => BY_NAME;
    SYS_renameat  => BY_NAME;
    SYS_renameat2 => BY_NAME;
    SYS_linkat    => BY_NAME;
    SYS_symlinkat => BY_NAME;
    SYS_truncate  => BY_NAME;
    // Told, and let go on: the reader remembers umasks until one changes (`notifier/procfs.rs`).
    SYS_umask     => WHILE_NOTIFIED;

    // The address is behind a pointer, and of which family a descriptor is no register says.
    SYS_connect   => TO_ADDRESS;
    SYS_bind      => WHILE_NOTIFIED;
    SYS_socket => &[
        refuse(&[is_not(0, UNIX), is_not(0, INET), is_not(0, INET6), is_not(0, NETLINK)], EAFNOSUPPORT,
            "families beyond Unix, IPv4, IPv6 and netlink: each is a protocol stack to attack; packet and vsock leave the sandbox"),
        // Netlink comes first: its sockets are raw ones by habit, and are the same.
        allow(&[is(0, NETLINK), is(2, word(NETLINK_ROUTE))]),
        refuse(&[is(0, NETLINK)], EPROTONOSUPPORT, "netlink beyond route: audit, device events, netfilter, crypto"),
        // To the kernel a raw Unix socket is a datagram one.
        refuse(&[is(0, UNIX), bits(1, TYPE, DGRAM)], EPERM, UNIX_DATAGRAM).unless(Feature::UnixDatagram),
        refuse(&[is(0, UNIX), bits(1, TYPE, RAW)], EPERM, UNIX_DATAGRAM).unless(Feature::UnixDatagram),
        allow(&[is(0, UNIX)]),
        refuse(&[bits(1, TYPE, RAW)], EPERM, "SOCK_RAW: forges packets"),
        refuse(&[bits(1, TYPE, PACKET)], EPERM, "SOCK_PACKET: reads and forges frames"),
        allow(&[bits(1, TYPE, STREAM), is(2, 0)]),
        allow(&[bits(1, TYPE, STREAM), is(2, word(IPPROTO_TCP))]),
        allow(&[bits(1, TYPE, DGRAM), is(2, 0)]),
        allow(&[bits(1, TYPE, DGRAM), is(2, word(IPPROTO_UDP))]),
        refuse(&[], EPROTONOSUPPORT, "protocols beyond TCP and UDP: MPTCP, SCTP, ICMP and their like are nothing that the gateway could decide"),
    ];
    // Nobody but the command may have to wait where it closes a socket: the notifier and init have copies of its own.
    SYS_setsockopt => &[Case {
        unless: Unless::Absent,
        ..pretend(&[is(1, word(SOL_SOCKET)), is(2, word(SO_LINGER))], "SO_LINGER: who closes last waits as long as the command likes, and that may be init or the caller")
    }];
    SYS_socketpair => &[
        refuse(&[is_not(0, UNIX)], EOPNOTSUPP, "families beyond Unix have no pairs, but their code would run"),
        // One of another type is given in its place (`notifier/pair.rs`).
        Case { unless: Unless::Unpaired, ..notify(&[bits(1, TYPE, DGRAM)]) },
        Case { unless: Unless::Unpaired, ..notify(&[bits(1, TYPE, RAW)]) },
        refuse(&[bits(1, TYPE, DGRAM)], EPERM, UNIX_DATAGRAM).unless(Feature::UnixDatagram),
        refuse(&[bits(1, TYPE, RAW)], EPERM, UNIX_DATAGRAM).unless(Feature::UnixDatagram),
    ];

    // 0xffffffff asks for the value. ADDR_NO_RANDOMIZE weakens only who sets it, yet is a change all the same: a feature.
    SYS_personality => &[
        allow(&[is(0, 0)]),
        allow(&[is(0, u32::MAX)]),
        refuse(&[is(0, word(ADDR_NO_RANDOMIZE))], EPERM, "ADDR_NO_RANDOMIZE: makes programs easier to take over; debuggers go on without").unless(Feature::NoAslr),
        refuse(&[is_not(0, word(ADDR_NO_RANDOMIZE))], EPERM, "any other value: emulations of other systems, seldom tested code"),
    ];
    // The kernel takes the strictest answer of all filters, so one of the command's can't lift a refusal. But where two
    // notify, the later one's listener is asked: it could continue what ours is there to decide. EBUSY is the kernel's own
    // answer where a listener exists already.
    SYS_seccomp => &[
        allow(&[is_not(0, SECCOMP_SET_MODE_FILTER)]),
        allow(&[none_of(1, NEW_LISTENER)]),
        refuse(&[], EBUSY, "SECCOMP_FILTER_FLAG_NEW_LISTENER: there can be one listener, the sandbox's"),
    ];
};

/// Every namespace that `clone` makes. (`CLONE_NEWTIME` lies in the byte that is the exit signal there.)
const NAMESPACES: u32 = word(
    CLONE_NEWNS
        | CLONE_NEWCGROUP
        | CLONE_NEWUTS
        | CLONE_NEWIPC
        | CLONE_NEWUSER
        | CLONE_NEWPID
        | CLONE_NEWNET,
);

/// Without a notifier they pass: mounts and Landlock decide which names exist and which can be written.
pub(super) const BY_NAME: &[Case] = &[notify(&[])];

/// Where nobody answers every socket that can be seen is connected to.
const TO_ADDRESS: &[Case] = &[Case {
    unless: Unless::Unconnected,
    ..notify(&[])
}];

/// Wherever the notifier answers for anything.
const WHILE_NOTIFIED: &[Case] = &[Case {
    unless: Unless::Absent,
    ..notify(&[])
}];

/// The flags without which an open changes nothing and gives nothing that can be written.
pub(super) const WRITES: u32 = word(O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & !O_DIRECTORY));
/// With it the kernel ignores all of those (`open(2)`).
pub(super) const PATH: u32 = word(O_PATH);

/// What the notifier is not asked about.
pub(super) const fn not_notified(tests: &'static [Test]) -> Case {
    Case {
        unless: Unless::Unnotified,
        ..allow(tests)
    }
}

const READS_2: Case = not_notified(&[none_of(2, WRITES)]);
const PATH_2: Case = not_notified(&[bits(2, PATH, PATH)]);

pub(super) const SET_ID: u32 = S_ISUID | S_ISGID;
pub(super) const CREATES: u32 = word(O_CREAT | (O_TMPFILE & !O_DIRECTORY));

/// A directory's setgid bit is refused with them: `chmod` can't tell what it is used on.
pub(super) const SET_ID_BITS: Case =
    refuse(&[], EPERM, "setuid or setgid bits in the mode: the file would lend its owner's rights to whoever runs it on the host")
        .unless(Feature::SetId);

pub(super) const fn device(tests: &'static [Test]) -> Case {
    refuse(
        tests,
        EPERM,
        "S_IFCHR, S_IFBLK: a device node is a door to the hardware",
    )
}

/// A soft limit of 1 is the only value that keeps a handler off (`core(5)`), which runs unconfined on the host and is given
/// the core; 0 would let it in again. Scripts say `ulimit -c 0` for what the limit does anyway.
const CORE: &str = "RLIMIT_CORE: any value but the sandbox's lets the host's core handler in";

const UNIX_DATAGRAM: &str =
    "SOCK_DGRAM: sendmsg names any socket of the host behind a pointer, even on a pair";

const UNIX: u32 = word(AF_UNIX);
const INET: u32 = word(AF_INET);
const INET6: u32 = word(AF_INET6);
const NETLINK: u32 = word(AF_NETLINK);
/// The bits of `type` that are a type; the others are `SOCK_NONBLOCK` and `SOCK_CLOEXEC`.
const TYPE: u32 = 0xf;
const STREAM: u32 = word(SOCK_STREAM);
const DGRAM: u32 = word(SOCK_DGRAM);
const RAW: u32 = word(SOCK_RAW);
const PACKET: u32 = 10;

// asm-generic/ioctls.h, linux/resource.h: in libc their types differ between targets.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;
const TIOCCONS: u32 = 0x541d;
const TIOCSETD: u32 = 0x5423;
const TIOCVHANGUP: u32 = 0x5437;
const TIOCEXCL: u32 = 0x540c;
const TCXONC: u32 = 0x540a;
const TCOOFF: u32 = 0;
const RLIMIT_CORE: u32 = 4;
const PRIO_PGRP: u32 = 1;

// linux/ioprio.h, linux/fcntl.h (6.19), linux/fscrypt.h, linux/seccomp.h: not in libc, or not as words.
const IOPRIO_WHO_PGRP: u32 = 2;
const F_SETDELEG: u32 = 1024 + 16;
const NEW_LISTENER: u32 = 1 << 3;

/// The byte of a request that tells whose it is (`_IOC_TYPE` of asm-generic/ioctl.h).
const IOC_TYPE: u32 = 0xff00;
// linux/btrfs.h, fs/bcachefs/bcachefs_ioctl.h, linux/f2fs.h, xfs_fs.h; and the letter of ext2, which others have taken over.
const BTRFS: u32 = 0x9400;
const BCACHEFS: u32 = 0xbc00;
const F2FS: u32 = 0xf500;
const XFS: u32 = 0x5800;
const EXT: u32 = 0x6600;

// linux/fs.h, linux/fiemap.h.
const FICLONE: u32 = 0x4004_9409;
const FICLONERANGE: u32 = 0x4020_940d;
const FIDEDUPERANGE: u32 = 0xc018_9436;
const FS_IOC_FSGETXATTR: u32 = 0x801c_581f;
const FS_IOC_GETFLAGS: u32 = 0x8008_6601;
const FS_IOC_FIEMAP: u32 = 0xc020_660b;
const FS_IOC_SETVERSION: u32 = 0x4008_7602;
