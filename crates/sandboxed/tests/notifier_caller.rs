//! Invariants 15 and 33: what the notifier's threads do to the process whose threads they are.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::fs;
use std::io::{BufRead, BufReader, Write};

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use sandbox_testing::{Host, alone, is_root, until};
use sandboxed::{Policy, Preset, Sandbox, Stdio};

/// Everything readable, the workspace writable: so that there is a notifier.
fn sandbox(host: &Host) -> Sandbox {
    let policy = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
    Sandbox::new(&policy).unwrap()
}

/// Libc has all threads change their ids, and ends the process if one of them can't.
#[test]
fn a_caller_that_gives_up_its_user_lives_on() {
    alone("gives_up_its_user");
}

#[test]
#[ignore = "started by `a_caller_that_gives_up_its_user_lives_on`"]
fn gives_up_its_user() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut command = sandbox.command("sh");
    command.args([
        "-c",
        "echo x > before; echo ready; read line; echo x > after",
    ]);
    command.current_dir(host.path("@ws"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut ready).unwrap();
    assert!(host.has("before"));

    let is_root = is_root();
    let other = if is_root {
        65534
    } else {
        Uid::current().as_raw()
    };
    let (user, group) = (Uid::from_raw(other), Gid::from_raw(other));
    if is_root {
        setgroups(&[group]).unwrap();
        setresgid(group, group, group).unwrap();
    }
    setresuid(user, user, user).unwrap();
    let threads = fs::read_dir("/proc/self/task").unwrap();
    for thread in threads {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let ids = status.lines().find(|line| line.starts_with("Uid:"));
        let ids = ids.unwrap().split_whitespace().skip(1);
        assert!(
            ids.into_iter().all(|id| id == other.to_string()),
            "{status}"
        );
    }
    // What the caller may not do any more, its threads don't do for others.
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.success(), !is_root);
}

/// Who is killed has calls under way.
#[test]
fn nothing_is_made_after_a_commands_end_was_told() {
    for _ in 0..5 {
        let host = Host::new();
        let sandbox = sandbox(&host);
        let mut command = sandbox.command(host.payload());
        command.arg("slow-names").current_dir(host.path("@ws"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let names = || -> Vec<_> {
            let entries = fs::read_dir(host.path("@ws")).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        until("it makes names", || names().len() > 1);
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success());
        let told = names();
        // With it whoever made them.
        drop(child);
        drop(sandbox);
        assert_eq!(names(), told);
    }
}
