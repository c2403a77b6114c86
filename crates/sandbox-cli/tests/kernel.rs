//! Invariant 18: calls with a history of kernel bugs and no place in builds, tests and agents are refused with an errno.
//!
//! Every attempt is harmless where it is let through. Outside, the control, it must get another answer than the refusal.

use nix::errno::Errno;
use sandbox_testing::{Answer, Calls, Host, Run, Terminal, is_root, needs};

/// Who gets another answer outside.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Outside {
    /// Everybody.
    Differs,
    /// Root only: an ordinary user is refused by the kernel itself.
    DiffersForRoot,
    /// It depends on the kernel's configuration, or would do harm.
    Unknown,
}
use Outside::{Differs, DiffersForRoot, Unknown};

/// A call, its arguments as the payload takes them, the refusal, and the control.
type Attempt = (&'static str, i64, &'static str, Errno, Outside);

#[rustfmt::skip]
const REFUSED: &[Attempt] = &[
    // Programs and events in the kernel.
    ("bpf", libc::SYS_bpf, "9999 0 0", Errno::EPERM, Differs),
    ("perf_event_open", libc::SYS_perf_event_open, "0 0 -1 -1 0", Errno::EPERM, Differs),
    ("userfaultfd", libc::SYS_userfaultfd, "0x7fffffff", Errno::EPERM, Differs),
    ("io_uring_setup", libc::SYS_io_uring_setup, "0 0", Errno::EPERM, Differs),
    ("io_uring_enter", libc::SYS_io_uring_enter, "-1 0 0 0 0 0", Errno::EPERM, Differs),
    ("io_uring_register", libc::SYS_io_uring_register, "-1 0 0 0", Errno::EPERM, Differs),
    // Keyrings belong to the user, not to the sandbox.
    ("keyctl", libc::SYS_keyctl, "9999 0 0 0 0", Errno::EPERM, Differs),
    ("add_key", libc::SYS_add_key, "0 0 0 0 0", Errno::EPERM, Differs),
    ("request_key", libc::SYS_request_key, "0 0 0 0", Errno::EPERM, Differs),
    // The kernel itself.
    ("kexec_load", libc::SYS_kexec_load, "0 100 0 0", Errno::EPERM, DiffersForRoot),
    ("init_module", libc::SYS_init_module, "0 0 0", Errno::EPERM, DiffersForRoot),
    ("finit_module", libc::SYS_finit_module, "-1 0 0", Errno::EPERM, DiffersForRoot),
    ("delete_module", libc::SYS_delete_module, "s:no-such-module 0x800", Errno::EPERM, DiffersForRoot),
    ("reboot", libc::SYS_reboot, "0 0 0 0", Errno::EPERM, DiffersForRoot),
    ("syslog", libc::SYS_syslog, "9 0 0", Errno::EPERM, DiffersForRoot),
    ("acct", libc::SYS_acct, "s:/nonexistent", Errno::EPERM, DiffersForRoot),
    ("swapon", libc::SYS_swapon, "s:/nonexistent 0", Errno::EPERM, DiffersForRoot),
    ("swapoff", libc::SYS_swapoff, "s:/nonexistent", Errno::EPERM, DiffersForRoot),
    ("sethostname", libc::SYS_sethostname, "s:x -1", Errno::EPERM, DiffersForRoot),
    ("setdomainname", libc::SYS_setdomainname, "s:x -1", Errno::EPERM, DiffersForRoot),
    ("settimeofday", libc::SYS_settimeofday, "0 0", Errno::EPERM, DiffersForRoot),
    ("clock_settime", libc::SYS_clock_settime, "0 z:16", Errno::EPERM, Unknown),
    ("vhangup", libc::SYS_vhangup, "", Errno::EPERM, Unknown),
    // Mounts, old and new.
    ("mount", libc::SYS_mount, "0 s:/nonexistent 0 0x1000 0", Errno::EPERM, DiffersForRoot),
    ("umount2", libc::SYS_umount2, "s:/nonexistent 2", Errno::EPERM, DiffersForRoot),
    ("pivot_root", libc::SYS_pivot_root, "s:/nonexistent s:/nonexistent", Errno::EPERM, DiffersForRoot),
    ("chroot", libc::SYS_chroot, "s:/", Errno::EPERM, DiffersForRoot),
    ("open_tree", libc::SYS_open_tree, "-100 s:/ 0", Errno::EPERM, Differs),
    ("move_mount", libc::SYS_move_mount, "-1 s: -1 s: 0x44", Errno::EPERM, DiffersForRoot),
    ("mount_setattr", libc::SYS_mount_setattr, "-1 s: 0x1000 z:32 32", Errno::EPERM, DiffersForRoot),
    ("fsopen", libc::SYS_fsopen, "s:tmpfs 0", Errno::EPERM, DiffersForRoot),
    ("fsconfig", libc::SYS_fsconfig, "-1 6 0 0 0", Errno::EPERM, Differs),
    ("fsmount", libc::SYS_fsmount, "-1 0 0", Errno::EPERM, DiffersForRoot),
    ("fspick", libc::SYS_fspick, "-100 s:/ 0", Errno::EPERM, DiffersForRoot),
    // Namespaces: of users, mounts, processes, networks, IPC, names, cgroups, time.
    ("unshare user", libc::SYS_unshare, "0x10000000", Errno::EPERM, Differs),
    ("unshare mnt", libc::SYS_unshare, "0x00020000", Errno::EPERM, DiffersForRoot),
    ("unshare pid", libc::SYS_unshare, "0x20000000", Errno::EPERM, DiffersForRoot),
    ("unshare net", libc::SYS_unshare, "0x40000000", Errno::EPERM, DiffersForRoot),
    ("unshare ipc", libc::SYS_unshare, "0x08000000", Errno::EPERM, DiffersForRoot),
    ("unshare uts", libc::SYS_unshare, "0x04000000", Errno::EPERM, DiffersForRoot),
    ("unshare cgroup", libc::SYS_unshare, "0x02000000", Errno::EPERM, DiffersForRoot),
    ("unshare time", libc::SYS_unshare, "0x00000080", Errno::EPERM, DiffersForRoot),
    ("setns", libc::SYS_setns, "-1 0", Errno::EPERM, Differs),
    ("clone user", libc::SYS_clone, "0x10000011 0 0 0 0", Errno::EPERM, Differs),
    ("clone user and mnt", libc::SYS_clone, "0x10020011 0 0 0 0", Errno::EPERM, Differs),
    ("clone user, garbage above", libc::SYS_clone, "0x7fffffff10000011 0 0 0 0", Errno::EPERM, Unknown),
    ("clone3", libc::SYS_clone3, "0 0", Errno::ENOSYS, Differs),
    // Files without a path, other personalities.
    ("open_by_handle_at", libc::SYS_open_by_handle_at, "-1 z:140 0", Errno::EPERM, DiffersForRoot),
    ("personality", libc::SYS_personality, "0x0008", Errno::EPERM, Differs),
    // Calls that the filter does not know.
    ("the number 999", 999, "", Errno::ENOSYS, Unknown),
    ("the number 99999", 99_999, "", Errno::ENOSYS, Unknown),
    ("x32 getpid", 0x4000_0027, "", Errno::ENOSYS, Unknown),
];

#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const REFUSED_HERE: &[Attempt] = &[
    ("iopl", libc::SYS_iopl, "4", Errno::EPERM, Differs),
    ("ioperm", libc::SYS_ioperm, "0 0 0", Errno::EPERM, Differs),
    ("modify_ldt", libc::SYS_modify_ldt, "0 z:16 16", Errno::EPERM, Differs),
    ("kexec_file_load", libc::SYS_kexec_file_load, "-1 -1 0 0 0", Errno::EPERM, DiffersForRoot),
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[Attempt] = &[];

/// All attempts, one after the other in one process.
fn calls(attempts: &[Attempt]) -> Calls {
    attempts
        .iter()
        .fold(Calls::new(), |calls, (_, number, args, ..)| {
            calls.call(*number, args.split_whitespace())
        })
}

#[test]
fn calls_without_a_place_inside_are_refused() {
    let host = Host::new();
    for attempts in [REFUSED, REFUSED_HERE] {
        let outcome = host.sandbox(calls(attempts)).output();
        let answers = Answer::all(&outcome.text());
        assert_eq!(answers.len(), attempts.len(), "{}", outcome.show());
        let wrong: Vec<String> = attempts
            .iter()
            .zip(answers)
            .filter(|((.., errno, _), answer)| *answer != Answer::Failed(*errno))
            .map(|((name, .., errno, _), answer)| format!("{name}: {answer} instead of {errno:?}"))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn outside_the_same_calls_get_another_answer() {
    let host = Host::new();
    let mut wrong = Vec::new();
    for attempt in REFUSED.iter().chain(REFUSED_HERE) {
        let (name, .., errno, outside) = attempt;
        if *outside == Unknown || *outside == DiffersForRoot && !is_root() {
            continue;
        }
        let outcome = host.bare(calls(std::slice::from_ref(attempt))).output();
        match Answer::all(&outcome.text()).first() {
            Some(answer) if *answer != Answer::Failed(*errno) => (),
            _ => wrong.push(format!("{name}: {}", outcome.text())),
        }
    }
    assert!(wrong.is_empty(), "controls that prove nothing: {wrong:?}");
}

#[test]
fn calls_of_ordinary_programs_are_let_through() {
    let host = Host::new();
    let calls = Calls::new()
        .call(libc::SYS_memfd_create, ["s:x", "1"])
        .call(libc::SYS_eventfd2, ["0", "0"])
        .call(libc::SYS_epoll_create1, ["0"])
        .call(libc::SYS_inotify_init1, ["0"])
        .call(libc::SYS_timerfd_create, ["1", "0"])
        .call(libc::SYS_pidfd_open, ["self", "0"])
        .call(libc::SYS_socket, ["1", "1", "0"])
        .call(libc::SYS_socketpair, ["1", "1", "0", "z:8"])
        .call(libc::SYS_socket, ["2", "1", "0"])
        .call(libc::SYS_socket, ["2", "2", "0"])
        .call(libc::SYS_socket, ["10", "1", "0"])
        .call(libc::SYS_socket, ["16", "3", "0"])
        // Memory that is written, then executed, as just-in-time compilers do.
        .call(libc::SYS_mmap, ["0", "4096", "7", "0x22", "-1", "0"])
        .call(libc::SYS_membarrier, ["0", "0", "0"])
        .call(libc::SYS_getrandom, ["z:8", "8", "0"])
        .call(libc::SYS_prlimit64, ["0", "7", "0", "z:16"])
        .call(libc::SYS_setpriority, ["0", "0", "19"])
        .call(libc::SYS_sched_getaffinity, ["0", "128", "z:128"])
        .call(libc::SYS_personality, ["0xffffffff"])
        .call(libc::SYS_landlock_create_ruleset, ["0", "0", "1"])
        .call(libc::SYS_prctl, ["38", "1", "0", "0", "0"])
        .call(libc::SYS_clone, ["17", "0", "0", "0", "0"]);
    for outcome in [
        host.bare(calls.clone()).output(),
        host.sandbox(calls).output(),
    ] {
        for (index, answer) in Answer::all(&outcome.text()).iter().enumerate() {
            assert!(
                matches!(answer, Answer::Returned(_)),
                "call {index}: {}",
                outcome.show()
            );
        }
    }
}

#[test]
fn socket_families_beyond_the_ordinary_are_refused() {
    // Family, type, protocol; each has had its kernel bugs, or leaves the machine by another door.
    let sockets: [(&str, &str); 24] = [
        ("packet", "17 3 0"),
        ("packet, datagrams", "17 2 0x300"),
        ("raw IPv4", "2 3 1"),
        ("raw IPv6", "10 3 58"),
        ("MPTCP", "2 1 262"),
        ("SCTP", "2 1 132"),
        ("UDP-Lite", "2 2 136"),
        ("unix datagrams", "1 2 0"),
        ("unix raw, which are datagrams", "1 3 0"),
        ("vsock", "40 1 0"),
        ("crypto", "38 5 0"),
        ("keys", "15 3 2"),
        ("bluetooth", "31 3 1"),
        ("CAN", "29 3 1"),
        ("TIPC", "30 1 0"),
        ("RDS", "21 5 0"),
        ("XDP", "44 3 0"),
        ("SMC", "43 1 0"),
        ("netlink: sockets", "16 3 4"),
        ("netlink: audit", "16 3 9"),
        ("netlink: netfilter", "16 3 12"),
        ("netlink: uevents", "16 3 15"),
        ("netlink: generic", "16 3 16"),
        ("netlink, garbage above", "0x100000010 3 16"),
    ];
    let host = Host::new();
    let calls = sockets.iter().fold(Calls::new(), |calls, (_, args)| {
        calls.call(libc::SYS_socket, args.split_whitespace())
    });
    let outside = Answer::all(&host.bare(calls.clone()).output().text());
    let inside = Answer::all(&host.sandbox(calls).output().text());
    assert_eq!(inside.len(), sockets.len());
    for ((name, _), answer) in sockets.iter().zip(&inside) {
        let refused = [
            Errno::EPERM,
            Errno::EAFNOSUPPORT,
            Errno::EPROTONOSUPPORT,
            Errno::ESOCKTNOSUPPORT,
        ];
        assert!(
            refused
                .iter()
                .any(|errno| *answer == Answer::Failed(*errno)),
            "{name}: {answer}"
        );
    }
    let made = outside
        .iter()
        .filter(|answer| matches!(answer, Answer::Returned(_)))
        .count();
    assert!(made >= 5, "control: {outside:?}");
}

#[test]
fn the_other_instruction_set_is_refused() {
    let host = Host::new();
    let command = ["@payload", "i386"];
    let outside = host.bare(command).output();
    let inside = host.sandbox(command).output();
    assert_ne!(inside.text().trim(), "pid", "{}", inside.show());
    // "refused" outside, too, where the kernel has no 32-bit interface.
    assert!(["pid", "refused", "absent"].contains(&outside.text().trim()));
}

#[test]
fn limits_of_others_cannot_be_set_and_ones_own_can() {
    let host = Host::new();
    let limit = "x:40000000000000000001000000000000";
    let calls = Calls::new()
        .call(libc::SYS_prlimit64, ["1", "7", limit, "0"])
        .call(libc::SYS_prlimit64, ["0", "7", limit, "0"])
        .call(libc::SYS_setrlimit, ["7", limit]);
    let outcome = host.sandbox(calls).output();
    let answers = Answer::all(&outcome.text());
    assert_eq!(
        answers[0],
        Answer::Failed(Errno::EPERM),
        "{}",
        outcome.show()
    );
    assert_eq!(
        answers[1..],
        [Answer::Returned(0), Answer::Returned(0)],
        "{}",
        outcome.show()
    );
}

#[test]
fn requests_to_file_systems_are_answered_as_by_one_without_them() {
    let host = Host::new().file("file", "x");
    // The same flags that the file has: harmless where they are set.
    let calls = Calls::new()
        .call(libc::SYS_openat, ["-100", "s:@ws/file", "2"])
        .call(libc::SYS_ioctl, ["r:0", "0x80086601", "z:8"])
        .call(libc::SYS_ioctl, ["r:0", "0x40086602", "b:0"])
        .call(libc::SYS_ioctl, ["r:0", "0x1234567840086602", "b:0"])
        .call(libc::SYS_ioctl, ["r:0", "0x801c581f", "z:28"])
        .call(libc::SYS_ioctl, ["r:0", "0x401c5820", "b:0"])
        .call(libc::SYS_ioctl, ["r:0", "0x50009417", "z:4096"]);
    let inside = host.sandbox(calls.clone()).output();
    let outside = Answer::all(&host.bare(calls).output().text());
    let answers = Answer::all(&inside.text());
    let refused = Answer::Failed(Errno::ENOTTY);
    for (index, attempt) in [
        (2, "FS_IOC_SETFLAGS"),
        (3, "FS_IOC_SETFLAGS, garbage above"),
        (5, "FS_IOC_FSSETXATTR"),
        (6, "BTRFS_IOC_SNAP_CREATE_V2"),
    ] {
        assert_eq!(answers[index], refused, "{attempt}: {}", inside.show());
    }
    // Reading flags is let through: the file system's own answer arrives.
    assert_eq!(
        (answers[1], answers[4]),
        (outside[1], outside[4]),
        "{}",
        inside.show()
    );
    if needs(
        "a file system with flags",
        outside[1] == Answer::Returned(0),
    ) {
        assert_eq!(outside[2], Answer::Returned(0), "control");
    }
}

#[test]
fn the_limit_on_core_files_stays_and_scripts_may_lower_it() {
    let host = Host::new();
    let script =
        "ulimit -c 0 && ulimit -S -c 0 && ulimit -H -c 0 && grep '^Max core' /proc/self/limits";
    let command = ["sh", "-c", script];
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().map(str::to_owned);
        words.skip(4).take(2).collect()
    };
    let inside = host.sandbox(command).output();
    assert_eq!(words(&inside.succeeds().text()), ["1", "1"]);
    let outside = host.bare(command).output();
    assert_eq!(words(&outside.succeeds().text()), ["0", "0"], "control");
    // Not even by number, and without a false old value.
    let zero = "z:16";
    let calls = Calls::new()
        .call(libc::SYS_setrlimit, ["4", zero])
        .call(libc::SYS_prlimit64, ["0", "4", zero, "0"])
        .call(libc::SYS_prlimit64, ["0", "4", zero, zero])
        .call(libc::SYS_prlimit64, ["0", "4", "0", zero]);
    let outcome = host.sandbox(calls).output();
    let answers = Answer::all(&outcome.text());
    assert_eq!(
        answers,
        [
            Answer::Returned(0),
            Answer::Returned(0),
            Answer::Failed(Errno::EPERM),
            Answer::Returned(0)
        ],
        "{}",
        outcome.show()
    );
}

#[test]
fn a_filter_of_the_commands_own_cannot_open_anything() {
    // An allow-everything filter on top: `struct sock_fprog` with one instruction.
    let host = Host::new();
    let calls = Calls::new()
        .call(libc::SYS_prctl, ["38", "1", "0", "0", "0"])
        .call(libc::SYS_seccomp, ["1", "0", "a:1,x:060000000000ff7f"])
        .call(libc::SYS_bpf, ["9999", "0", "0"]);
    let outcome = host.sandbox(calls).output();
    let answers = Answer::all(&outcome.text());
    assert_eq!(answers[1], Answer::Returned(0), "{}", outcome.show());
    assert_eq!(
        answers[2],
        Answer::Failed(Errno::EPERM),
        "{}",
        outcome.show()
    );
}

#[test]
fn what_would_outlive_the_command_on_the_terminal_is_refused() {
    let host = Host::new();
    let calls = Calls::new()
        .call(libc::SYS_ioctl, ["0", "0x540c", "0"]) // TIOCEXCL
        .call(libc::SYS_ioctl, ["0", "0x540d", "0"]) // TIOCNXCL
        .call(libc::SYS_ioctl, ["0", "0x540a", "0"]) // TCXONC, TCOOFF
        .call(libc::SYS_ioctl, ["0", "0x540a", "1"]); // TCXONC, TCOON
    // Not onto the terminal, which may be stopped.
    let script = calls.into_iter().collect::<Vec<_>>().join(" ") + " > answers";
    let command = ["sh", "-c", &script];
    let answers = |run: Run<'_>| {
        run.start_on(&Terminal::new()).wait();
        Answer::all(&host.read("answers"))
    };
    let (refused, done) = (Answer::Failed(Errno::EPERM), Answer::Returned(0));
    let inside = answers(host.sandbox(command));
    assert_eq!(inside, [refused, done, refused, done]);
    assert_eq!(answers(host.bare(command)), [done; 4], "control");
}
