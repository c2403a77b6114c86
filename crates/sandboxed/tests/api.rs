//! The library as a program uses it.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::sys::signal::Signal;
use sandbox_testing::{Host, marked, marker};
use sandboxed::{Child, Command, Error, Policy, Preset, Sandbox, Stdio};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read, Write},
    sync::Mutex,
    time::Duration,
};

/// Everything readable, the workspace of this host writable.
fn policy(host: &Host) -> Policy {
    Policy::preset(Preset::ReadOnly).write(host.path("@ws"))
}

fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&policy(host)).unwrap()
}

#[test]
fn output_collects_what_is_written() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let output = sandbox
        .command("sh")
        .args(["-c", "echo out; echo err >&2; exit 3"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(!output.status.success());
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
}

#[test]
fn output_collects_megabytes_of_both_streams() {
    let host = Host::new();
    let output = sandbox(&host)
        .command("sh")
        .args([
            "-c",
            "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait",
        ])
        .output()
        .unwrap();
    assert_eq!(
        (output.stdout.len(), output.stderr.len()),
        (3_000_000, 3_000_000)
    );
}

#[test]
fn status_tells_code_and_signal() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let status = |script: &str| {
        let mut command = sandbox.command("sh");
        command.args(["-c", script]).status().unwrap()
    };
    assert!(status("exit 0").success());
    assert_eq!(status("exit 7").code(), Some(7));
    assert_eq!(status("kill -9 $$").signal(), Some(9));
    assert_eq!(status("kill -9 $$").code(), None);
    assert_eq!(status("kill -s TERM $$").signal(), Some(15));
}

#[test]
fn what_std_knows_can_be_had_as_std_has_it() {
    use std::os::unix::process::ExitStatusExt;
    let host = Host::new();
    let sandbox = sandbox(&host);
    for script in ["echo out; echo err >&2; exit 3", "kill -9 $$"] {
        let inside = sandbox.command("sh").args(["-c", script]).output().unwrap();
        let outside = std::process::Command::new("sh")
            .args(["-c", script])
            .output()
            .unwrap();
        assert_eq!(inside.status.into_raw(), outside.status.into_raw());
        assert_eq!(inside.status.core_dumped(), outside.status.core_dumped());
        assert_eq!(inside.status.to_string(), outside.status.to_string());
        assert_eq!(std::process::Output::from(inside), outside);
    }
}

/// Of the command, and of the children that it waited for.
#[test]
fn a_status_tells_what_was_used() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let usage = |script: &str| {
        let mut command = sandbox.command("sh");
        command.args(["-c", script]).status().unwrap().usage()
    };
    // Megabytes of zeros cost the kernel time, and a line of so many bytes costs memory.
    let idle = usage("exit 0");
    let busy = usage("head -c 200000000 /dev/zero | cat > /dev/null");
    let large = usage("x=$(head -c 50000000 /dev/zero | tr '\\0' x); : ");
    assert!(busy.system > idle.system, "{idle:?} {busy:?}");
    assert!(
        large.peak_memory > idle.peak_memory + 40_000_000,
        "{large:?}"
    );
}

#[test]
fn a_child_is_polled_until_it_has_ended() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::os::fd::AsFd;
    let host = Host::new();
    let sandbox = sandbox(&host);
    let ready = |child: &Child, timeout: PollTimeout| {
        let mut fds = [PollFd::new(child.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, timeout).unwrap() == 1
    };
    // What it leaves in the background is ended before.
    let marker = marker();
    let script = host.expand(&format!(
        "cat; setsid @payload wait {marker} >/dev/null & exit 7"
    ));
    let mut command = sandbox.command("sh");
    command.args(["-c", &script]).stdin(Stdio::piped());
    for _ in 0..2 {
        let mut child = command.spawn().unwrap();
        assert!(!ready(&child, PollTimeout::ZERO), "it runs");
        assert_eq!(child.try_wait().unwrap(), None);
        drop(child.stdin.take());
        assert!(ready(&child, PollTimeout::NONE));
        assert_eq!(marked(&marker), []);
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
    }
}

#[test]
fn pipes_carry_a_conversation() {
    let host = Host::new();
    let mut child = sandbox(&host)
        .command("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    for word in ["one\n", "two\n"] {
        stdin.write_all(word.as_bytes()).unwrap();
        let mut heard = vec![0; word.len()];
        stdout.read_exact(&mut heard).unwrap();
        assert_eq!(heard, word.as_bytes());
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(child.stdin.is_none() && child.stderr.is_none());
}

#[test]
fn files_and_null_are_streams() {
    let host = Host::new().file("@outside/input", "content");
    let output = File::create(host.path("@outside/output")).unwrap();
    let input = File::open(host.path("@outside/input")).unwrap();
    let status = sandbox(&host)
        .command("cat")
        .stdin(input)
        .stdout(output)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(host.read("@outside/output"), "content");
}

#[test]
fn a_directory_is_no_stream() {
    let host = Host::new();
    let directory = File::open(host.path("@ws")).unwrap();
    let error = sandbox(&host).command("cat").stdin(directory).status();
    assert!(matches!(error, Err(Error::Stream { .. })), "{error:?}");
}

#[test]
fn variables_are_set_removed_and_cleared() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let variables = |command: &mut Command<'_>| -> BTreeMap<String, String> {
        let output = command.output().unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    };
    let mut command = sandbox.command("/usr/bin/env");
    command.env("GREETING", "hello").env_remove("HOME");
    let seen = variables(&mut command);
    assert_eq!(seen.get("GREETING").map(String::as_str), Some("hello"));
    assert!(!seen.contains_key("HOME") && seen.contains_key("PATH"));
    let seen = variables(command.env_clear().env("ONLY", "this"));
    assert_eq!(
        seen,
        BTreeMap::from([("ONLY".to_owned(), "this".to_owned())])
    );
}

#[test]
fn a_command_starts_where_it_is_told_to() {
    let host = Host::new().dir("below");
    let sandbox = sandbox(&host);
    let output = sandbox
        .command("pwd")
        .current_dir(host.path("below"))
        .output()
        .unwrap();
    assert_eq!(
        output.stdout,
        format!("{}\n", host.path("below").display()).as_bytes()
    );
    let error = sandbox
        .command("pwd")
        .current_dir(host.path("missing"))
        .output();
    assert!(matches!(error, Err(Error::Launch(_))), "{error:?}");
}

#[test]
fn a_command_is_reusable() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut command = sandbox.command("sh");
    command
        .args(["-c", "echo run >> log"])
        .current_dir(host.path("@ws"));
    for _ in 0..3 {
        assert!(command.status().unwrap().success());
    }
    assert_eq!(host.read("log"), "run\nrun\nrun\n");
}

#[test]
fn a_kill_ends_everything() {
    let host = Host::new();
    let marker = marker();
    let sandbox = sandbox(&host);
    let mut command = sandbox.command(host.payload());
    command.args(["brood", &marker]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut ready = [0; 6];
    child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    assert!(marked(&marker).len() >= 6, "control: they run");
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9));
    assert_eq!(marked(&marker), []);
    // Both may be asked again.
    assert_eq!(child.wait().unwrap(), status);
    child.kill().unwrap();
}

#[test]
fn a_dropped_child_leaves_nothing() {
    let host = Host::new();
    let marker = marker();
    let sandbox = sandbox(&host);
    let mut command = sandbox.command(host.payload());
    command.args(["brood", &marker]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 6])
        .unwrap();
    drop(child);
    assert_eq!(marked(&marker), []);
}

#[test]
fn a_signal_is_for_the_command() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut command = sandbox.command("sh");
    command.args(["-c", "trap 'exit 9' TERM; echo ready; while :; do :; done"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 6])
        .unwrap();
    for none in [0, -1, 65, 999] {
        child.signal(none).unwrap_err();
    }
    child.signal(Signal::SIGTERM as i32).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
    // Nobody is there to receive it: that is no error.
    child.signal(Signal::SIGTERM as i32).unwrap();
}

#[test]
fn a_time_limit_ends_the_command() {
    let host = Host::new();
    let marker = marker();
    let sandbox = sandbox(&host);
    let limit = Duration::from_millis(200);
    let mut command = sandbox.command(host.payload());
    let status = command
        .args(["brood", &marker])
        .stdout(Stdio::null())
        .timeout(limit)
        .status()
        .unwrap();
    assert_eq!(status.time_limit(), Some(limit));
    assert!(!status.success());
    assert_eq!(marked(&marker), []);
    let mut command = sandbox.command("true");
    let status = command.timeout(Duration::from_mins(10)).status().unwrap();
    assert!(status.success() && status.time_limit().is_none());
}

#[test]
fn what_cannot_start_is_an_error() {
    let host = Host::new().file("text", "no program");
    let sandbox = sandbox(&host);
    for program in [
        "missing-program".into(),
        host.path("text"),
        host.path("@ws"),
        "".into(),
    ] {
        let error = sandbox.command(&program).status();
        assert!(
            matches!(error, Err(Error::Launch(_))),
            "{program:?}: {error:?}"
        );
    }
    let error = sandbox.command("echo").arg("x".repeat(200_000)).status();
    assert!(matches!(error, Err(Error::Launch(_))), "{error:?}");
    let error = sandbox.command("echo").arg("nul\0").status();
    assert!(matches!(error, Err(Error::Nul { .. })), "{error:?}");
    let error = sandbox.command("echo").env("A=B", "x").status();
    assert!(
        matches!(error, Err(Error::VariableName { .. })),
        "{error:?}"
    );
    // And the sandbox is as good as before.
    assert!(sandbox.command("true").status().unwrap().success());
}

#[test]
fn every_error_of_a_policy_is_told_at_once() {
    let policy = Policy::preset(Preset::ReadOnly)
        .write("/missing/one")
        .write("/missing/two");
    let error = Sandbox::new(&policy).unwrap_err().to_string();
    assert!(
        error.contains("/missing/one") && error.contains("/missing/two"),
        "{error}"
    );
}

#[test]
fn two_sandboxes_do_not_disturb_each_other() {
    let host = Host::new().dir("one").dir("two");
    let only = |path: &str| {
        Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path(path))).unwrap()
    };
    let (one, two) = (only("one"), only("two"));
    let write = |sandbox: &Sandbox, path: &str| {
        let path = host.path(path).join("file");
        let mut command = sandbox.command("sh");
        command.args(["-c", "echo x > \"$0\""]).arg(path);
        command.stderr(Stdio::null()).status().unwrap().success()
    };
    for _ in 0..2 {
        assert!(write(&one, "one") && write(&two, "two"));
        assert!(!write(&one, "two") && !write(&two, "one"));
    }
    drop(one);
    assert!(write(&two, "two"));
    // At the same time, and neither sees the other's processes.
    let marker = marker();
    let mut command = two.command(host.payload());
    let mut child = command
        .args(["wait", &marker])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdout
        .take()
        .unwrap()
        .read_exact(&mut [0; 6])
        .unwrap();
    let list = only("one")
        .command("sh")
        .args(["-c", "cat /proc/[0-9]*/cmdline"])
        .output()
        .unwrap();
    assert!(!String::from_utf8_lossy(&list.stdout).contains(&marker));
}

#[test]
fn threads_launch_side_by_side() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (sandbox, results) = (&sandbox, &results);
            scope.spawn(move || {
                for round in 0..4 {
                    let code = (thread * 4 + round).to_string();
                    let output = sandbox
                        .command("sh")
                        .args([
                            "-c",
                            "code=$0; set -- /proc/[0-9]*; echo $#; exit $code",
                            &code,
                        ])
                        .output()
                        .unwrap();
                    let result = (
                        output.status.code(),
                        String::from_utf8(output.stdout).unwrap(),
                    );
                    results.lock().unwrap().push((thread * 4 + round, result));
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    assert_eq!(results.len(), 64);
    for (code, result) in &results {
        // Its own exit code, and nobody but itself and init.
        assert_eq!(*result, (Some(*code), "2\n".to_owned()));
    }
}

#[test]
fn a_child_launched_by_a_thread_outlives_the_thread() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut child = std::thread::scope(|scope| {
        let launch = || {
            let mut command = sandbox.command("cat");
            let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
            command.spawn().unwrap()
        };
        scope.spawn(launch).join().unwrap()
    });
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"still here")
        .unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"still here");
}

#[test]
fn a_sandbox_says_how_it_is_enforced() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let report = sandbox.enforcement().to_string();
    for part in ["network", "system calls", "sockets by path", "not held"] {
        assert!(report.contains(part), "{report}");
    }
    assert!(!sandbox.plan().to_string().is_empty());
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Policy>();
    shared::<Sandbox>();
    shared::<Command<'_>>();
    shared::<Child>();
    shared::<Error>();
}
