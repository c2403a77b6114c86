//! A terminal of the command's own: named inside, resized, interrupted and hung up from outside, and no way to the caller's.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::sys::signal::Signal;
use sandbox_testing::{Host, Terminal, is_root, until};
use sandboxed::{Child, Command, Error, LaunchError, Policy, Preset, Sandbox, Stdio, TerminalSize};
use std::{
    fs,
    io::{Read, Write},
};

const SIZE: TerminalSize = TerminalSize {
    rows: 30,
    columns: 101,
};

fn sandbox() -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap()
}

fn on_terminal<'sandbox>(sandbox: &'sandbox Sandbox, script: &str) -> Command<'sandbox> {
    let mut command = sandbox.command("sh");
    command.args(["-c", script]).pty(SIZE);
    command
}

/// All that is shown until nobody has the terminal any more.
fn shown(mut child: Child) -> (String, sandboxed::ExitStatus) {
    let mut text = String::new();
    let mut terminal = child.terminal.take().unwrap();
    terminal.read_to_string(&mut text).unwrap();
    (text.replace('\r', ""), child.wait().unwrap())
}

/// Reads until this is shown.
fn until_shown(child: &mut Child, text: &str) {
    let mut seen = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&seen).contains(text) {
        let count = child.terminal.as_mut().unwrap().read(&mut byte).unwrap();
        assert_eq!(count, 1, "ended with {}", String::from_utf8_lossy(&seen));
        seen.extend(byte);
    }
}

#[test]
fn the_command_is_on_it() {
    let sandbox = sandbox();
    let script = r"
        tty; stty size
        for n in 0 1 2; do test -t $n && readlink /proc/self/fd/$n; done
        cut -d' ' -f5,6,8 /proc/$$/stat; echo $$ $$ $$
        echo to the terminal > /dev/tty
        exit 4";
    for _ in 0..2 {
        let (text, status) = shown(on_terminal(&sandbox, script).spawn().unwrap());
        let lines: Vec<&str> = text.lines().collect();
        let name = lines[0];
        assert!(name.starts_with("/dev/pts/"), "{text}");
        assert_eq!(lines[..5], [name, "30 101", name, name, name], "{text}");
        assert_eq!(lines[5], lines[6], "it leads session, group and foreground");
        assert_eq!(lines[7..], ["to the terminal"]);
        assert_eq!(status.code(), Some(4));
    }
}

#[test]
fn streams_that_are_set_stay_so() {
    let sandbox = sandbox();
    let script = "test -t 0 && test ! -t 1 && test -t 2 && echo out; echo err >&2";
    let mut command = on_terminal(&sandbox, script);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = String::new();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_to_string(&mut out).unwrap();
    assert_eq!(out, "out\n");
    assert_eq!(shown(child).0, "err\n");
    // Where the output is collected, all three are set.
    let output = on_terminal(&sandbox, "test -t 1 || echo pipe; stty size < /dev/tty").output();
    assert_eq!(output.unwrap().stdout, b"pipe\n30 101\n");
}

#[test]
fn what_is_written_is_typed() {
    let sandbox = sandbox();
    let script = "stty -echo; echo ready; read line; echo \"read $line\"";
    let mut child = on_terminal(&sandbox, script).spawn().unwrap();
    until_shown(&mut child, "ready");
    child
        .terminal
        .as_mut()
        .unwrap()
        .write_all(b"hello\n")
        .unwrap();
    let (text, status) = shown(child);
    assert!(status.success() && text.ends_with("read hello\n"), "{text}");
}

#[test]
fn a_key_interrupts_and_a_size_is_told() {
    let sandbox = sandbox();
    let script = "trap 'stty size' WINCH; trap 'echo interrupted; exit 3' INT; echo ready; while :; do sleep 0.01; done";
    let mut child = on_terminal(&sandbox, script).spawn().unwrap();
    until_shown(&mut child, "ready");
    let size = TerminalSize {
        rows: 44,
        columns: 55,
    };
    child.terminal.as_ref().unwrap().resize(size).unwrap();
    until_shown(&mut child, "44 55");
    child.terminal.as_mut().unwrap().write_all(b"\x03").unwrap();
    until_shown(&mut child, "interrupted");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn the_last_handle_hangs_up() {
    let sandbox = sandbox();
    let script = "echo ready; while :; do sleep 0.01; done";
    let mut child = on_terminal(&sandbox, script).spawn().unwrap();
    until_shown(&mut child, "ready");
    let other = child.terminal.as_ref().unwrap().try_clone().unwrap();
    drop(child.terminal.take());
    assert_eq!(child.try_wait().unwrap(), None);
    drop(other);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::SIGHUP as i32));
}

/// What the caller passes on is for the command, which is in no group of the caller's.
#[test]
fn signals_that_are_passed_on_arrive() {
    let sandbox = sandbox();
    let script = "trap 'exit 6' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = on_terminal(&sandbox, script).spawn().unwrap();
    until_shown(&mut child, "ready");
    child.forward(Signal::SIGTERM as i32).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
}

/// Where the caller has a terminal: what inside is called the terminal is the command's.
#[test]
fn the_callers_terminal_is_out_of_reach() {
    let host = Host::new();
    let terminal = Terminal::new();
    let status = std::process::Command::new(host.payload())
        .arg("on-terminal")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "with_a_terminal", "--ignored", "--nocapture"])
        .stdin(terminal.slave())
        .stdout(terminal.slave())
        .stderr(terminal.slave())
        .status()
        .unwrap();
    terminal.shows("to the callers");
    assert!(status.success(), "{}", terminal.screen());
    assert!(!terminal.screen().contains("to its own"));
}

#[test]
#[ignore = "started by `the_callers_terminal_is_out_of_reach`"]
fn with_a_terminal() {
    let sandbox = sandbox();
    let (text, status) = shown(
        on_terminal(&sandbox, "echo to its own > /dev/tty")
            .spawn()
            .unwrap(),
    );
    assert_eq!((text.as_str(), status.code()), ("to its own\n", Some(0)));
    // Control.
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo to the callers > /dev/tty"]);
    assert!(command.status().unwrap().success());
}

#[test]
fn nothing_is_typed_into_it_from_inside() {
    let host = Host::new();
    let sandbox = sandbox();
    let mut command = sandbox.command(host.payload());
    // TIOCSTI, also with something in the upper half of the request.
    let calls = ["16 0 0x5412 s:x", "16 0 0x100005412 s:x"].map(str::to_owned);
    command.arg("call").args(calls.join(" -- ").split(' '));
    let (text, _) = shown(command.pty(SIZE).spawn().unwrap());
    assert_eq!(text, "errno 1\nerrno 1\n");
}

#[test]
fn nothing_of_it_is_there_for_the_next_command() {
    let sandbox = sandbox();
    let list = || {
        let output = sandbox.command("ls").arg("/dev/pts").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(list(), "ptmx\n");
    // Another thread of this process may be about to clone an init, and has a copy of ours for that moment.
    let gone = |what| until(what, || list() == "ptmx\n");
    let mut child = sandbox.command("true").spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let open = || fs::read_dir(format!("/proc/{}/fd", child.id())).map(Iterator::count);
    let before = open().ok();
    for _ in 0..3 {
        // The master is still open with the caller when the command has ended.
        let mut child = on_terminal(&sandbox, "sleep 1000 & exit 0")
            .spawn()
            .unwrap();
        assert!(child.wait().unwrap().success());
        drop(child);
        gone("after one that has ended");
        let failed = sandbox.command("/no/such").pty(SIZE).spawn();
        assert!(
            matches!(failed, Err(Error::Launch(LaunchError::Exec { .. }))),
            "{failed:?}"
        );
        gone("after one that has not begun");
    }
    assert_eq!(open().ok(), before);
    // Nobody else may look at the descriptors of a process that is not dumpable.
    assert_eq!(before.is_some(), is_root(), "control");
}

#[test]
fn commands_at_the_same_time_have_one_each() {
    let sandbox = sandbox();
    let script = "tty; echo ready; read line; echo \"$line\"";
    let mut first = on_terminal(&sandbox, script).spawn().unwrap();
    until_shown(&mut first, "ready");
    let mut second = on_terminal(&sandbox, script).spawn().unwrap();
    until_shown(&mut second, "ready");
    for (child, word) in [(first, "one"), (second, "two")] {
        let mut child = child;
        let terminal = child.terminal.as_mut().unwrap();
        terminal.write_all(format!("{word}\n").as_bytes()).unwrap();
        let (text, status) = shown(child);
        assert!(
            status.success() && text.ends_with(&format!("{word}\n")),
            "{text}"
        );
    }
}
