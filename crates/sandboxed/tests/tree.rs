//! A command with everything that it has started: stopped, continued, asked to end and ended as one.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox_testing::{Host, State, marked, marker, until};
use sandboxed::{Child, Policy, Preset, Sandbox, Stdio};
use std::time::Duration;

/// Everything readable, the workspace of this host writable.
fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap()
}

/// A shell that waits for two processes, one of them in a session of its own. These three have the marker, and there is no
/// fourth: a shell that starts programs is, between fork and exec, there twice.
///
/// With its processes. A further look could miss one, which has no arguments for a moment while it executes a program.
fn tree(host: &Host, sandbox: &Sandbox, marker: &str, prologue: &str) -> (Child, Vec<Pid>) {
    let script = host.expand(&format!(
        "{prologue}; @payload wait {marker} >/dev/null & setsid @payload wait {marker} >/dev/null & while :; do wait; done"
    ));
    let child = sandbox
        .command("sh")
        .args(["-c", &script, marker])
        .spawn()
        .unwrap();
    let mut pids = Vec::new();
    until("all of it runs", || {
        pids = marked(marker);
        pids.len() == 3
    });
    (child, pids)
}

fn letters(pids: &[Pid]) -> String {
    let letter = |pid: &Pid| State::of(*pid).map(|state| state.letter);
    pids.iter().filter_map(letter).collect()
}

#[test]
fn all_of_it_is_stopped_and_continued() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let marker = marker();
    let (mut child, pids) = tree(&host, &sandbox, &marker, ":");
    child.pause().unwrap();
    until("all of it is stopped", || letters(&pids) == "TTT");
    assert_eq!(child.try_wait().unwrap(), None);
    child.resume().unwrap();
    until("all of it goes on", || !letters(&pids).contains('T'));
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    assert_eq!(marked(&marker), []);
}

#[test]
fn what_is_asked_to_end_may_do_so_in_its_own_way() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let marker = marker();
    let prologue = host.expand("trap 'echo asked > @ws/asked; exit 7' TERM");
    let (mut child, _) = tree(&host, &sandbox, &marker, &prologue);
    // Also while it is stopped.
    child.pause().unwrap();
    let status = child.kill_tree(Duration::from_secs(30)).unwrap();
    assert_eq!(status.code(), Some(7));
    assert_eq!(host.read("asked"), "asked\n");
    assert_eq!(marked(&marker), []);
}

#[test]
fn what_does_not_end_is_ended() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let marker = marker();
    let (mut child, _) = tree(&host, &sandbox, &marker, "trap '' TERM");
    let status = child.kill_tree(Duration::from_millis(50)).unwrap();
    assert_eq!(status.signal(), Some(9));
    assert_eq!(marked(&marker), []);
    // After the end it has its status, and the next command is not meant.
    assert_eq!(child.kill_tree(Duration::ZERO).unwrap(), status);
    child.pause().unwrap();
    drop(child);
    assert!(sandbox.command("true").status().unwrap().success());
}

#[test]
fn handles_are_of_one_sandbox_which_ends_with_the_last() {
    let host = Host::new();
    let first = sandbox(&host);
    let second = first.clone();
    let run = |sandbox: &Sandbox, script: &str| {
        let output = sandbox.command("sh").args(["-c", script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    run(&first, "echo kept > /tmp/file");
    drop(first);
    assert_eq!(run(&second, "cat /tmp/file"), "kept\n");
}

#[test]
fn a_program_is_called_as_it_is_told() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo $0"]);
    assert_eq!(command.output().unwrap().stdout, b"sh\n");
    command.arg0("another");
    assert_eq!(command.output().unwrap().stdout, b"another\n");
}

/// Somebody has stopped the sandbox's first process, which carries out what is ordered.
#[test]
fn what_is_killed_ends_although_nobody_obeys() {
    const SIGCONT: i32 = Signal::SIGCONT as i32;
    let host = Host::new();
    let sandbox = sandbox(&host);
    for is_full in [false, true] {
        let marker = marker();
        let (mut child, _) = tree(&host, &sandbox, &marker, ":");
        let init = Pid::from_raw(child.id().cast_signed());
        kill(init, Signal::SIGSTOP).unwrap();
        until("it is stopped", || letters(&[init]) == "T");
        if is_full {
            // None waits until the order is taken.
            let orders = (0..100_000).map(|_| child.signal(SIGCONT));
            assert!(orders.into_iter().any(|order| order.is_err()));
        }
        assert_eq!(child.try_wait().unwrap(), None);
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        assert_eq!(marked(&marker), []);
        // One that only was to go on serves the next command.
        assert_eq!(State::of(init).is_some(), !is_full);
    }
    let after = sandbox.command("true").status().unwrap();
    assert!(after.success());
}

/// Neither the time limit nor the grace period waits for somebody who takes no order.
#[test]
fn a_limit_holds_although_nobody_obeys() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    for is_limit in [false, true] {
        let marker = marker();
        let moment = Duration::from_millis(100);
        let mut command = sandbox.command(host.payload());
        command.args(["wait", &marker]).stdout(Stdio::null());
        if is_limit {
            command.timeout(moment);
        }
        let mut child = command.spawn().unwrap();
        let init = Pid::from_raw(child.id().cast_signed());
        kill(init, Signal::SIGSTOP).unwrap();
        until("it is stopped", || letters(&[init]) == "T");
        let has_room = (0..100_000).all(|_| child.signal(Signal::SIGCONT as i32).is_ok());
        assert!(!has_room);
        let status = if is_limit {
            child.wait()
        } else {
            child.kill_tree(moment)
        };
        assert_eq!(status.unwrap().signal(), Some(9));
        assert_eq!(marked(&marker), []);
    }
}
