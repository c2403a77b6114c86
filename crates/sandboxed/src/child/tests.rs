use std::io::{BufRead, BufReader, Write};

use sandbox_core::{Policy, Preset};

use super::*;
use crate::{Command, Sandbox, Stdio};

fn sandbox() -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap()
}

fn sh<'a>(sandbox: &'a Sandbox, script: &str) -> Command<'a> {
    let mut command = sandbox.command("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn the_library_can_be_used_from_any_thread() {
    fn any_thread<T: Send + Sync>() {}
    any_thread::<(
        Sandbox,
        Command<'_>,
        Error,
        Policy,
        Child,
        ExitStatus,
        Output,
    )>();
}

#[test]
fn both_pipes_are_read_at_once() {
    let sandbox = sandbox();
    let script =
        "head -c 300000 /dev/zero; head -c 200000 /dev/zero >&2; head -c 100000 /dev/zero; exit 4";
    let output = sh(&sandbox, script).output().unwrap();
    assert_eq!(
        (output.stdout.len(), output.stderr.len()),
        (400_000, 200_000)
    );
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn what_is_written_to_the_command_arrives_and_ends() {
    let sandbox = sandbox();
    let mut child = sh(&sandbox, "cat; echo end")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.as_mut().unwrap().write_all(b"hello\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"hello\nend\n");
}

#[test]
fn the_status_is_kept_and_what_is_left_in_the_background_is_ended() {
    let sandbox = sandbox();
    let mut child = sh(&sandbox, "sleep 1000 & exit 7").spawn().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(child.wait().unwrap().code(), Some(7));
    assert_eq!(
        child.try_wait().unwrap().and_then(|status| status.code()),
        Some(7)
    );
    child.kill().unwrap();
    child.signal(SIGTERM).unwrap();
}

#[test]
fn a_signal_reaches_the_command_and_its_handler_runs_to_its_end() {
    let sandbox = sandbox();
    let script = "trap 'echo handled; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = sh(&sandbox, script).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    assert!(child.try_wait().unwrap().is_none());
    child.signal(SIGTERM).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "handled");
    assert_eq!(child.wait().unwrap().code(), Some(3));
}

#[test]
fn killing_and_dropping_end_everything() {
    let sandbox = sandbox();
    for drops in [false, true] {
        let mut child = sh(&sandbox, "sleep 1000 & echo ready; wait")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        if drops {
            drop(child);
        } else {
            child.kill().unwrap();
            assert_eq!(child.wait().unwrap().signal(), Some(9));
        }
        // Both processes inside held the other end.
        assert!(lines.next().is_none());
    }
}

#[test]
fn a_time_limit_asks_first_and_is_told() {
    let sandbox = sandbox();
    let limit = Duration::from_millis(100);
    let output = sh(
        &sandbox,
        "trap 'echo asked; exit 0' TERM; while :; do sleep 0.01; done",
    )
    .timeout(limit)
    .output()
    .unwrap();
    assert_eq!(output.stdout, b"asked\n");
    assert_eq!(
        (output.status.code(), output.status.time_limit()),
        (Some(0), Some(limit))
    );
    assert!(!output.status.success());
    assert_eq!(
        output.status.to_string(),
        "exit status: 0 (time limit of 100ms reached)"
    );

    let status = sh(&sandbox, "trap '' TERM; while :; do sleep 0.01; done")
        .timeout(limit)
        .status()
        .unwrap();
    assert_eq!(
        (status.signal(), status.time_limit()),
        (Some(9), Some(limit))
    );

    let status = sh(&sandbox, "true")
        .timeout(Duration::MAX)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_stop_is_an_update() {
    let sandbox = sandbox();
    let mut child = sh(&sandbox, "kill -STOP $$; exit 5").spawn().unwrap();
    loop {
        match child.update().unwrap() {
            Some(Update::Stopped { signal }) => {
                assert_eq!(signal, nix::sys::signal::Signal::SIGSTOP as i32);
                child.signal(SIGCONT).unwrap();
            }
            Some(Update::Ended(status)) => break assert_eq!(status.code(), Some(5)),
            other => assert_eq!(other, None),
        }
        child.poll([None, None], None).unwrap();
    }
}

#[test]
fn directory_and_environment_are_as_asked_for() {
    let sandbox = sandbox();
    let mut command = sh(&sandbox, "pwd; echo $A$B");
    command
        .current_dir("/usr")
        .env("A", "1")
        .env("B", "2")
        .env_remove("B");
    assert_eq!(command.output().unwrap().stdout, b"/usr\n1\n");
    assert_eq!(
        command
            .current_dir("..")
            .env_clear()
            .output()
            .unwrap()
            .stdout
            .split(|byte| *byte == b'\n')
            .nth(1),
        Some(&b""[..])
    );
}
