//! Invariants 16 and 17: nothing outside can be seen or touched, the sandbox's own init neither, and there is no
//! privilege to be had.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::{sys::signal::Signal, unistd::Pid};
use sandbox_testing::{
    Answer, Calls, Host, Running, State, is_root, marker, needs, needs_root, tool, until,
};
use std::fs;

/// The command, started only in a pid namespace of its own: without a sandbox these attacks would end the machine.
fn guarded<I>(command: I) -> Vec<String>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap();
    let guard = format!(
        "[ \"$(readlink /proc/self/ns/pid)\" != '{}' ] || exit 99; exec \"$@\"",
        namespace.display()
    );
    let words = command.into_iter().map(|word| word.as_ref().to_owned());
    ["sh", "-c", &guard, "guard"]
        .map(str::to_owned)
        .into_iter()
        .chain(words)
        .collect()
}

/// A process of the host, in a process group that a sandbox is then started in.
fn bystander(host: &Host) -> Running {
    let mut bystander = host
        .bare(["@payload", "wait", "bystander"])
        .group(Pid::from_raw(0))
        .start();
    bystander.prints("ready");
    until("it waits", || {
        State::of(bystander.pid()).is_some_and(|state| state.letter == 'S')
    });
    bystander
}

fn ends(running: Running) {
    running.signal(Signal::SIGKILL);
    running.reap();
}

#[test]
fn signals_to_everybody_reach_nobody_outside() {
    let host = Host::new();
    for target in ["0", "-1"] {
        let bystander = bystander(&host);
        let before = State::of(bystander.pid());
        let outcome = host
            .sandbox(guarded(["sh", "-c", &format!("kill -9 {target}; true")]))
            .group(bystander.pid())
            .output();
        assert_ne!(
            outcome.code(),
            Some(99),
            "the host's processes are in reach"
        );
        assert_eq!(State::of(bystander.pid()), before, "kill {target}");
        ends(bystander);
    }
    // Control: without a sandbox `kill 0` does reach it.
    let bystander = bystander(&host);
    host.bare(["sh", "-c", "kill -9 0"])
        .group(bystander.pid())
        .output();
    assert_eq!(bystander.wait().signal(), Some(9));
}

#[test]
fn a_process_outside_cannot_be_named() {
    let host = Host::new();
    let bystander = bystander(&host);
    let pid = bystander.pid().to_string();
    // By its number and by the group that it shares with the caller.
    let group = format!("-{pid}");
    let calls = Calls::new()
        .call(libc::SYS_kill, [&*pid, "9"])
        .call(libc::SYS_kill, [&*group, "9"])
        .call(libc::SYS_tkill, [&*pid, "9"])
        .call(libc::SYS_pidfd_open, [&*pid, "0"])
        .call(libc::SYS_ptrace, ["16", &*pid, "0", "0"])
        .call(
            libc::SYS_sched_setaffinity,
            [&*pid, "8", "x:0100000000000000"],
        )
        .call(libc::SYS_prlimit64, [&*pid, "7", "0", "z:16"]);
    let answers = host.sandbox(calls).group(bystander.pid()).output().text();
    for answer in Answer::all(&answers) {
        assert!(matches!(answer, Answer::Failed(_)), "{answers}");
    }
    assert_eq!(
        State::of(bystander.pid()).map(|state| state.letter),
        Some('S')
    );
    ends(bystander);
}

#[test]
fn priorities_outside_stay_as_they_are() {
    // PRIO_PGRP and PRIO_USER of the caller's own, and its I/O priority.
    let user = nix::unistd::geteuid().to_string();
    let renice = Calls::new()
        .call(libc::SYS_setpriority, ["1", "0", "7"])
        .call(libc::SYS_setpriority, ["2", &*user, "7"]);
    let host = Host::new();
    let bystander_ = bystander(&host);
    let nice = |running: &Running| State::of(running.pid()).map(|state| state.nice);
    let before = nice(&bystander_);
    host.sandbox(renice).group(bystander_.pid()).output();
    assert_eq!(nice(&bystander_), before);
    // Control, for the group only: the user's other processes are none of the test's business.
    host.bare(Calls::new().call(libc::SYS_setpriority, ["1", "0", "7"]))
        .group(bystander_.pid())
        .output()
        .stdout("ok 0");
    assert_eq!(nice(&bystander_), Some(7));
    ends(bystander_);
}

/// Every process of a session shares one scheduling group, and each of them may change its weight (`sched(7)`).
#[test]
fn the_scheduling_group_of_the_session_stays_as_it_is() {
    let group = "/proc/self/autogroup";
    if !needs(
        "CONFIG_SCHED_AUTOGROUP",
        fs::exists(group).is_ok_and(|there| there),
    ) {
        return;
    }
    let renice = |name: &str| {
        [
            "sh".to_owned(),
            "-c".to_owned(),
            format!("echo 7 > {group}; cat {group} > {name}"),
        ]
    };
    let host = Host::new();
    let session = ["setsid", "-w", "sh", "-c"];
    let run = |inner: &std::ffi::OsStr| format!("{}; cat {group}", inner.to_string_lossy());
    let words = host.sandbox(renice("inside")).words();
    let confined = words
        .iter()
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect::<Vec<_>>()
        .join(" ");
    let after = |first: &str| {
        let script = run(first.as_ref());
        host.bare(session.into_iter().chain([script.as_str()]))
            .output()
    };
    after(&confined).stdout_contains("nice 0");
    after(&format!("echo 7 > {group}")).stdout_contains("nice 7");
}

#[test]
fn processes_outside_are_not_listed() {
    let host = Host::new();
    let marker = marker();
    let mut other = host.bare(["@payload", "wait", &marker]).start();
    other.prints("ready");
    let list = [
        "sh",
        "-c",
        "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; true",
    ];
    host.sandbox(list).output().never_says(&marker);
    host.bare(list).output().stdout_contains(&marker);
    ends(other);
}

#[test]
fn init_is_out_of_reach() {
    let host = Host::new();
    let calls = |pid: &str| {
        Calls::new()
            .call(libc::SYS_ptrace, ["16", pid, "0", "0"])
            .call(libc::SYS_ptrace, ["0x4206", pid, "0", "0"])
            .call(
                libc::SYS_process_vm_readv,
                [pid, "a:z:8,8", "1", "a:4096,8", "1", "0"],
            )
            .call(
                libc::SYS_prlimit64,
                [pid, "7", "x:40000000000000000040000000000000", "0"],
            )
            .call(libc::SYS_setpriority, ["0", pid, "9"])
            .call(
                libc::SYS_sched_setaffinity,
                [pid, "8", "x:0100000000000000"],
            )
            .call(libc::SYS_sched_setscheduler, [pid, "3", "z:4"])
            .call(libc::SYS_ioprio_set, ["1", pid, "0x6000"])
            .call(libc::SYS_kcmp, [pid, pid, "2", "0", "0"])
            .call(libc::SYS_migrate_pages, [pid, "64", "z:8", "z:8"])
    };
    let answers = Answer::all(&host.sandbox(guarded(calls("1"))).output().text());
    assert_eq!(answers.len(), 10);
    for (index, answer) in answers.iter().enumerate() {
        assert!(
            matches!(answer, Answer::Failed(_)),
            "call {index}: {answer}"
        );
    }
    // Control: what a process may do to itself (attaching and reading a wrong address aside).
    let own = Answer::all(&host.bare(calls("self")).output().text());
    assert_eq!(own[3..8], [Answer::Returned(0); 5], "control");
}

#[test]
fn init_shows_nothing_in_procfs() {
    let host = Host::new();
    for file in [
        "mem", "environ", "auxv", "maps", "stack", "syscall", "pagemap",
    ] {
        let script = format!("head -c 10 /proc/1/{file}");
        let outcome = host.sandbox(["sh", "-c", &script]).output();
        outcome.fails().stdout("");
    }
    for link in ["root", "cwd", "exe", "fd/0", "fd/3", "fd/10", "ns/mnt"] {
        host.sandbox(["readlink", &format!("/proc/1/{link}")])
            .output()
            .fails()
            .stdout("");
    }
    // Root may list how many descriptors init has, not what they are.
    let script = "for fd in 0 1 2 3 4 5 6; do head -c 1 /proc/1/fd/$fd; done; echo x > /proc/1/comm; \
                  echo 0 > /proc/1/oom_score_adj && echo written; true";
    host.sandbox(guarded(["sh", "-c", script]))
        .output()
        .exits(0)
        .stdout("");
    // Control: the command's own.
    host.sandbox(["sh", "-ec", "head -c 10 /proc/self/maps > /dev/null; readlink /proc/self/root; ls /proc/self/fd > /dev/null"])
        .output()
        .succeeds()
        .stdout("/");
}

#[test]
fn init_takes_no_signal_from_inside() {
    let host = Host::new();
    let kill = "i=1; while [ $i -le 64 ]; do kill -$i 1 2>/dev/null; i=$((i+1)); done; exit 5";
    host.sandbox(guarded(["sh", "-c", kill])).output().exits(5);
}

#[test]
fn the_command_is_not_init() {
    let host = Host::new();
    let pid = host.sandbox(["sh", "-c", "echo $$"]).output().text();
    assert_ne!(pid.trim(), "1");
}

#[test]
fn no_capability_is_in_any_set() {
    let host = Host::new();
    let status = [
        "grep",
        "-E",
        "^(Cap|NoNewPrivs|Seccomp:)",
        "/proc/self/status",
    ];
    host.sandbox(status).output().stdout(
        "CapInh:\t0000000000000000\n\
         CapPrm:\t0000000000000000\n\
         CapEff:\t0000000000000000\n\
         CapBnd:\t0000000000000000\n\
         CapAmb:\t0000000000000000\n\
         NoNewPrivs:\t1\n\
         Seccomp:\t2",
    );
    host.bare(status).output().stdout_contains("Seccomp:\t0");
}

#[test]
fn the_command_runs_as_the_person() {
    let host = Host::new();
    for command in [["id", "-u"], ["id", "-g"], ["id", "-un"]] {
        let outside = host.bare(command).output().text();
        host.sandbox(command).output().succeeds().stdout(&outside);
    }
}

#[test]
fn user_namespaces_are_refused() {
    let host = Host::new();
    if !needs("unshare", tool("unshare").is_some()) {
        return;
    }
    let command = ["unshare", "--user", "--map-root-user", "true"];
    host.sandbox(command).output().fails();
    host.bare(command).output().succeeds();
}

#[test]
fn root_cannot_become_anybody_else() {
    if !needs_root() {
        return;
    }
    let host = Host::new();
    let command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "id",
        "-u",
    ];
    let outcome = host.sandbox(command).output();
    assert_ne!(outcome.stdout("").code(), Some(0));
    host.bare(command).output().succeeds().stdout("65534");
}

#[test]
fn settings_of_the_kernel_cannot_be_written() {
    let host = Host::new();
    // Written with what is there: harmless where it works.
    for file in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sys/kernel/pid_max",
        "/proc/sys/net/ipv4/ip_forward",
    ] {
        let command = [
            "sh",
            "-c",
            &format!("v=$(cat {file}) && echo \"$v\" > {file}"),
        ];
        let outcome = host.sandbox(command).output();
        assert_ne!(outcome.code(), Some(0), "{}", outcome.show());
    }
    let command = [
        "sh",
        "-c",
        "find /sys -type f -writable -print -quit 2>/dev/null | grep . && exit 0; \
                                for f in /proc/sysrq-trigger /proc/sys/fs/binfmt_misc/register /sys/power/state; do [ -w $f ] && echo $f; done; true",
    ];
    let writable = host.sandbox(command).output().text();
    // Root passes `access` by its number; then only an open tells.
    if !is_root() {
        assert_eq!(writable, "");
    }
    for file in [
        "/proc/sysrq-trigger",
        "/sys/kernel/uevent_helper",
        "/sys/power/state",
    ] {
        // An append of nothing.
        host.sandbox(["sh", "-c", &format!(": >> {file}")])
            .output()
            .fails();
    }
}

#[test]
fn a_debugger_works_on_its_own_child() {
    let host = Host::new();
    let command = ["@payload", "trace-child"];
    host.bare(command).output().stdout("memory read\nstatus 7");
    host.sandbox(command)
        .output()
        .succeeds()
        .stdout("memory read\nstatus 7");
}
