//! The process group of a command: its caller's, or one of its own.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, getpgrp, setpgid},
};
use sandbox_testing::{Host, State, alone, marked, marker, until};
use sandboxed::{Child, Error, Policy, Preset, Sandbox, Stdio};
use std::io::{BufRead, BufReader, Lines};

fn sandbox() -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap()
}

#[test]
fn a_command_is_in_the_callers_group_or_in_its_own() {
    let host = Host::new();
    let sandbox = sandbox();
    for group in [None, Some(0)] {
        let marker = marker();
        let mut command = sandbox.command(host.payload());
        command.args(["wait", &marker]).stdout(Stdio::null());
        if let Some(group) = group {
            command.process_group(group);
        }
        let mut child = command.spawn().unwrap();
        until("it runs", || marked(&marker).len() == 1);
        let pid = marked(&marker)[0];
        let found = State::of(pid).unwrap().group;
        let expected = match group {
            None => getpgrp(),
            Some(_) => pid,
        };
        assert_eq!(Pid::from_raw(found), expected, "{group:?}");
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}

/// Those inside are gone with their command, and those outside have no number.
#[test]
fn no_other_group_means_anything() {
    let sandbox = sandbox();
    for group in [1, 2, getpgrp().as_raw(), -1, i32::MIN] {
        let error = sandbox.command("true").process_group(group).status();
        assert!(
            matches!(error, Err(Error::ProcessGroup { group: told }) if told == group),
            "{error:?}"
        );
    }
    assert!(sandbox.command("true").status().unwrap().success());
}

#[test]
fn a_signal_to_the_group_is_for_its_members_alone() {
    alone("signals_to_the_group");
}

/// A command that says which signals it gets. This one nobody ends of who does not care for it.
fn listening(sandbox: &Sandbox, own: bool) -> (Child, Lines<BufReader<impl std::io::Read>>) {
    let script = "trap 'echo winch' WINCH; trap 'echo end; exit' TERM; echo ready; while :; do sleep 0.01; done";
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).stdout(Stdio::piped());
    if own {
        command.process_group(0);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    (child, lines)
}

#[test]
#[ignore = "started by `a_signal_to_the_group_is_for_its_members_alone`"]
fn signals_to_the_group() {
    setpgid(Pid::from_raw(0), Pid::from_raw(0)).unwrap();
    let sandbox = sandbox();
    let winch = Signal::SIGWINCH;

    let (mut child, mut lines) = listening(&sandbox, false);
    killpg(getpgrp(), winch).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "winch");
    // It has it already.
    child.forward(winch as i32).unwrap();
    child.signal(Signal::SIGTERM as i32).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "end");
    let _ = child.wait().unwrap();

    let (mut child, mut lines) = listening(&sandbox, true);
    killpg(getpgrp(), winch).unwrap();
    // Not reached by that one, but by what its caller passes on.
    child.forward(winch as i32).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "winch");
    killpg(getpgrp(), winch).unwrap();
    child.signal(Signal::SIGTERM as i32).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "end");
    let _ = child.wait().unwrap();
}

/// The stop of a command in a group of its own is told like any other, and what continues it is passed on.
#[test]
fn a_command_in_its_own_group_is_stopped_and_continued() {
    let sandbox = sandbox();
    let mut command = sandbox.command("sh");
    command.args(["-c", "kill -TSTP $$; exit 5"]);
    let mut child = command.process_group(0).spawn().unwrap();
    let mut stop = None;
    until("it is stopped", || {
        stop = child.update().unwrap();
        stop.is_some()
    });
    let signal = Signal::SIGTSTP as i32;
    assert_eq!(stop, Some(sandboxed::Update::Stopped { signal }));
    child.forward(Signal::SIGCONT as i32).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5));
}
