//! Invariant 33: the process that links the library is as it was. And when it dies, nothing outlives it.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sandbox_testing::{Host, marked, marker, until};
use sandboxed::{Policy, Preset, Sandbox, Stdio};
use std::{collections::BTreeMap, fs};

/// Everything readable, the workspace of this host writable.
fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap()
}

#[test]
fn a_command_may_run_on_the_callers_cpus() {
    let host = Host::new();
    let cpus = |status: &str| {
        let line = status
            .lines()
            .find(|line| line.starts_with("Cpus_allowed:"));
        line.unwrap().to_owned()
    };
    // In an init beside another one, and in one that was begun while the policy was resolved.
    let sandbox = sandbox(&host);
    let mut first = sandbox.command("sleep").arg("1000").spawn().unwrap();
    for sandbox in [&sandbox, &self::sandbox(&host)] {
        let output = sandbox
            .command("cat")
            .arg("/proc/self/status")
            .output()
            .unwrap();
        let status = String::from_utf8(output.stdout).unwrap();
        let own = fs::read_to_string("/proc/thread-self/status").unwrap();
        assert_eq!(cpus(&status), cpus(&own));
    }
    first.kill().unwrap();
    assert_eq!(first.wait().unwrap().signal(), Some(9));
}

/// What the library could have changed about this process: signals, directory, mask, environment, namespaces.
fn own_state() -> BTreeMap<String, String> {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let mut state: BTreeMap<String, String> = status
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| {
            let keys = [
                "Umask",
                "SigBlk",
                "SigIgn",
                "SigCgt",
                "CapEff",
                "CapAmb",
                "NoNewPrivs",
                "Seccomp",
                "Uid",
                "Groups",
                "Threads",
            ];
            keys.contains(key)
        })
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect();
    for link in [
        "cwd", "root", "ns/mnt", "ns/net", "ns/user", "ns/pid", "ns/ipc", "ns/uts",
    ] {
        let target = fs::read_link(format!("/proc/self/{link}")).unwrap();
        state.insert(link.to_owned(), target.display().to_string());
    }
    for file in ["limits", "mountinfo", "oom_score_adj", "timerslack_ns"] {
        let text = fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
        state.insert(file.to_owned(), text);
    }
    state.insert(
        "environment".to_owned(),
        format!("{:?}", std::env::vars_os().collect::<Vec<_>>()),
    );
    state.insert(
        "dumpable".to_owned(),
        format!("{:?}", nix::sys::prctl::get_dumpable()),
    );
    state
}

/// Run by itself in `the_caller_is_as_it_was`, since other tests of this process come and go.
#[test]
#[ignore = "started by `the_caller_is_as_it_was`"]
fn alone() {
    let host = Host::new();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let children = || {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
        let lists =
            tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
        lists.collect::<String>()
    };
    let before = (own_state(), descriptors(), children());
    {
        let sandbox = sandbox(&host);
        assert!(sandbox.command("true").status().unwrap().success());
        assert!(sandbox.command("missing-program").status().is_err());
        assert!(sandbox.command("echo").output().unwrap().status.success());
        let mut command = sandbox.command("sleep");
        drop(command.arg("1000").stdin(Stdio::piped()).spawn().unwrap());
    }
    assert!(Sandbox::new(&Policy::preset(Preset::ReadOnly).write("/missing")).is_err());
    let after = (own_state(), descriptors(), children());
    for (key, value) in &before.0 {
        assert_eq!(Some(value), after.0.get(key), "{key}");
    }
    assert_eq!((before.1, before.2), (after.1, after.2));
}

#[test]
fn the_caller_is_as_it_was() {
    sandbox_testing::alone("alone");
}

/// Launches and waits to be killed; run by `nothing_outlives_the_caller`, which owns what would be left behind.
#[test]
#[ignore = "started by `nothing_outlives_the_caller`"]
fn victim() {
    let variable = |name| std::env::var(name).unwrap();
    let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap();
    let mut command = sandbox.command(variable("PAYLOAD"));
    command.args(["brood", &variable("MARKER")]);
    drop(command.status());
}

#[test]
fn nothing_outlives_the_caller() {
    let host = Host::new();
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGHUP] {
        let marker = marker();
        let mut victim = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--ignored", "--test-threads=1"])
            .arg("--nocapture")
            .env("MARKER", &marker)
            .env("PAYLOAD", host.payload())
            .current_dir(host.path("@ws"))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        until("everything runs", || marked(&marker).len() >= 7);
        kill(Pid::from_raw(victim.id().cast_signed()), signal).unwrap();
        victim.wait().unwrap();
        until("everything ends", || marked(&marker).is_empty());
    }
}
