//! Commands that are waited for asynchronously, on each kind of runtime.

#![cfg(feature = "tokio")]
#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::sys::signal::Signal;
use sandbox_testing::{Host, alone, marked, marker};
use sandboxed::{
    Error, HostFacts, Lowering, Policy, Preset, Sandbox, Stdio, TerminalSize, Update,
    tokio::{Child, Command},
};
use std::{
    fs,
    io::{PipeWriter, pipe},
    thread,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    runtime::Builder,
    time::{sleep, timeout},
};

/// Everything readable.
fn sandbox() -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap()
}

/// On one thread, and on several.
#[expect(
    clippy::needless_pass_by_value,
    reason = "as a closure is passed everywhere"
)]
fn on_each_runtime(test: impl AsyncFn(&Sandbox)) {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.enable_all().worker_threads(2).build().unwrap();
        runtime.block_on(test(&sandbox()));
    }
}

fn sh<'sandbox>(sandbox: &'sandbox Sandbox, script: &str) -> Command<'sandbox> {
    let mut command = Command::new(sandbox, "sh");
    command.args(["-c", script]);
    command
}

/// Looks until it holds, and lets others work meanwhile.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let look = async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    let seen = timeout(Duration::from_mins(1), look).await;
    assert!(seen.is_ok(), "never came true: {what}");
}

/// A command that ends, with this code, when what is returned with it is dropped.
fn waiting(sandbox: &Sandbox, code: i32) -> (Child, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    let mut command = sh(sandbox, &format!("cat <&3; exit {code}"));
    (command.fd(3, reader).spawn().unwrap(), writer)
}

#[test]
fn status_and_output_are_those_of_the_command() {
    on_each_runtime(async |sandbox| {
        let output = sh(sandbox, "echo out; echo err >&2; exit 3").output().await;
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            (output.stdout.as_slice(), output.stderr.as_slice()),
            (&b"out\n"[..], &b"err\n"[..])
        );
        let status = sh(sandbox, "kill -9 $$").status().await.unwrap();
        assert_eq!(status.signal(), Some(9));
        let missing = Command::new(sandbox, "/no/such").status().await;
        assert!(matches!(missing, Err(Error::Launch(_))), "{missing:?}");
    });
}

/// The builder is the other one's, method by method.
#[test]
fn a_command_is_built_as_the_other() {
    on_each_runtime(async |sandbox| {
        let (mut reader, writer) = pipe().unwrap();
        let script = r#"printf '%s ' "$0" "$1" "$A$B$C" "$(pwd)" "$(cut -d' ' -f5 /proc/$$/stat)" "$$"; echo more >&5; echo more >&2"#;
        let mut command = Command::new(sandbox, "sh");
        command
            .arg("-c")
            .args([script, "zero", "one"])
            .env_clear()
            .env("A", "1")
            .envs([("B", "2"), ("C", "3")])
            .env_remove("C")
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/usr")
            .process_group(0)
            .timeout(Duration::from_mins(5))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(writer.try_clone().unwrap())
            .fd(5, writer);
        let output = command.output().await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(words[..4], ["zero", "one", "12", "/usr"]);
        assert_eq!(words[4], words[5], "it leads its group");
        drop(command);
        let mut heard = String::new();
        std::io::Read::read_to_string(&mut reader, &mut heard).unwrap();
        assert_eq!(heard, "more\nmore\n");

        let mut named = sh(sandbox, "echo $0");
        let output = named.arg0("another").output().await.unwrap();
        assert_eq!(output.stdout, b"another\n");
    });
}

#[test]
fn pipes_carry_a_conversation() {
    on_each_runtime(async |sandbox| {
        let mut command = Command::new(sandbox, "cat");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        for word in ["one\n", "two\n"] {
            stdin.write_all(word.as_bytes()).await.unwrap();
            let mut heard = vec![0; word.len()];
            stdout.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, word.as_bytes());
        }
        drop(stdin);
        assert!(child.wait().await.unwrap().success());
        assert!(child.stdin.is_none() && child.stderr.is_none());
    });
}

/// A command that reads its standard input to the end would wait for ever, and we for it.
#[test]
fn waiting_closes_the_standard_input() {
    on_each_runtime(async |sandbox| {
        let mut command = Command::new(sandbox, "cat");
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        assert!(command.spawn().unwrap().wait().await.unwrap().success());
        let output = command.spawn().unwrap().wait_with_output().await.unwrap();
        assert!(output.status.success());
    });
}

#[test]
fn output_collects_megabytes_of_both_streams() {
    on_each_runtime(async |sandbox| {
        let script = "head -c 3000000 /dev/zero & head -c 3000000 /dev/zero >&2; wait";
        let output = sh(sandbox, script).output().await.unwrap();
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (3_000_000, 3_000_000)
        );
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    on_each_runtime(async |sandbox| {
        let (mut child, end) = waiting(sandbox, 7);
        for _ in 0..5 {
            let wait = timeout(Duration::from_millis(2), child.wait());
            wait.await.unwrap_err();
            let update = timeout(Duration::from_millis(2), child.update());
            update.await.unwrap_err();
            assert_eq!(child.try_wait().unwrap(), None);
        }
        drop(end);
        let status = child.wait().await.unwrap();
        assert_eq!(status.code(), Some(7));
        // And after the end, as often as somebody asks.
        assert_eq!(child.wait().await.unwrap(), status);
        assert_eq!(child.try_wait().unwrap(), Some(status));
        assert_eq!(child.update().await.unwrap(), Update::Ended(status));
    });
}

#[test]
fn an_end_before_the_first_wait_is_told() {
    on_each_runtime(async |sandbox| {
        for _ in 0..20 {
            let (mut child, end) = waiting(sandbox, 4);
            drop(end);
            // Found out by looking, and by waiting.
            let mut ended = None;
            until("it has ended", || {
                ended = child.try_wait().unwrap();
                ended.is_some()
            })
            .await;
            assert_eq!(child.wait().await.unwrap().code(), Some(4));
            let mut child = Command::new(sandbox, "true").spawn().unwrap();
            thread::sleep(Duration::from_millis(5));
            assert!(child.wait().await.unwrap().success());
        }
    });
}

#[test]
fn dropping_ends_everything() {
    let host = Host::new();
    on_each_runtime(async |sandbox| {
        let marker = marker();
        let mut command = Command::new(sandbox, host.payload());
        command.args(["brood", &marker]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0; 6]).await.unwrap();
        assert!(marked(&marker).len() >= 6, "control: they run");
        drop(child);
        assert_eq!(marked(&marker), []);

        let mut output = Box::pin(command.output());
        while marked(&marker).len() < 6 {
            let polled = timeout(Duration::from_millis(2), &mut output);
            polled.await.unwrap_err();
        }
        drop(output);
        assert_eq!(marked(&marker), []);
    });
}

#[test]
fn a_time_limit_is_carried_out_by_who_waits() {
    let host = Host::new();
    on_each_runtime(async |sandbox| {
        let marker = marker();
        let limit = Duration::from_millis(200);
        let mut command = Command::new(sandbox, host.payload());
        let command = command.args(["brood", &marker]).stdout(Stdio::null());
        let status = command.timeout(limit).status().await.unwrap();
        assert_eq!(status.time_limit(), Some(limit));
        assert_eq!(marked(&marker), []);
        // It is asked first, and killed if that does not help. Both at once; and again with more time for a shell that had not
        // come to its trap.
        let mut limit = limit;
        loop {
            let script = "trap 'echo asked; exit 0' TERM; while :; do sleep 0.01; done";
            let asked = sh(sandbox, script).timeout(limit).output();
            let script = "trap '' TERM; while :; do sleep 0.01; done";
            let stubborn = tokio::spawn(sh(sandbox, script).timeout(limit).status());
            let asked = asked.await.unwrap();
            let stubborn = stubborn.await.unwrap().unwrap();
            for status in [asked.status, stubborn] {
                assert_eq!(status.time_limit(), Some(limit));
            }
            if (asked.status.code(), stubborn.signal()) == (Some(0), Some(9)) {
                assert_eq!(asked.stdout, b"asked\n");
                break;
            }
            limit *= 2;
            assert!(limit < Duration::from_mins(1), "{asked:?} {stubborn:?}");
        }
        let status = Command::new(sandbox, "true")
            .timeout(Duration::MAX)
            .status();
        assert!(status.await.unwrap().success());
    });
}

#[test]
fn everything_inside_is_ended_and_asked_to_end() {
    let host = Host::new();
    on_each_runtime(async |sandbox| {
        for ask in [false, true] {
            let marker = marker();
            let script = host.expand(&format!(
                "trap 'exit 6' TERM; setsid @payload wait {marker} >/dev/null & echo ready; while :; do sleep 0.01; done"
            ));
            let mut child = sh(sandbox, &script).stdout(Stdio::piped()).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
            until("all of it runs", || !marked(&marker).is_empty()).await;
            let status = if ask {
                child.kill_tree(Duration::from_secs(50)).await.unwrap()
            } else {
                child.kill().await.unwrap()
            };
            let expected = if ask {
                (Some(6), None)
            } else {
                (None, Some(9))
            };
            assert_eq!((status.code(), status.signal()), expected);
            assert_eq!(marked(&marker), []);
            // After the end none of it is about the next command.
            child.start_kill().unwrap();
            child.pause().unwrap();
            assert_eq!(child.kill_tree(Duration::ZERO).await.unwrap(), status);
            assert!(
                Command::new(sandbox, "true")
                    .status()
                    .await
                    .unwrap()
                    .success()
            );
        }
        let mut child = sh(
            sandbox,
            "trap '' TERM; echo ready; while :; do sleep 0.01; done",
        )
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0; 6])
            .await
            .unwrap();
        let status = child.kill_tree(Duration::from_millis(20)).await.unwrap();
        assert_eq!(status.signal(), Some(9));
    });
}

#[test]
fn stops_and_signals_are_told() {
    on_each_runtime(async |sandbox| {
        let script = "trap 'exit 8' USR1; kill -STOP $$; echo on; while :; do sleep 0.01; done";
        let mut child = sh(sandbox, script).stdout(Stdio::piped()).spawn().unwrap();
        let signal = Signal::SIGSTOP as i32;
        assert_eq!(child.update().await.unwrap(), Update::Stopped { signal });
        child.resume().unwrap();
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut [0; 3])
            .await
            .unwrap();
        child.signal(Signal::SIGUSR1 as i32).unwrap();
        assert_eq!(child.wait().await.unwrap().code(), Some(8));
        child.signal(99).unwrap_err();
        child.forward(Signal::SIGTERM as i32).unwrap();
    });
}

#[test]
fn commands_run_at_once_in_tasks() {
    on_each_runtime(async |sandbox| {
        let mut tasks = Vec::new();
        for code in 0..24 {
            let (mut child, end) = waiting(sandbox, code);
            // Started here, waited for elsewhere.
            let wait = tokio::spawn(async move { child.wait().await.unwrap().code() });
            tasks.push((code, end, wait));
        }
        for (code, end, wait) in tasks.into_iter().rev() {
            drop(end);
            assert_eq!(wait.await.unwrap(), Some(code));
        }
        let mut tasks = Vec::new();
        for number in 0..8 {
            let sandbox = sandbox.clone();
            tasks.push(tokio::spawn(async move {
                for round in 0..10 {
                    let script = format!("echo {number} {round}");
                    let output = sh(&sandbox, &script).output().await.unwrap();
                    assert_eq!(output.stdout, format!("{number} {round}\n").as_bytes());
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// One init serves them all: what has ended must not hear of what runs.
#[test]
fn children_that_are_kept_do_not_disturb_the_next() {
    on_each_runtime(async |sandbox| {
        let mut kept = Vec::new();
        for round in 0..30 {
            let mut child = sh(sandbox, &format!("exit {round}")).spawn().unwrap();
            assert_eq!(child.wait().await.unwrap().code(), Some(round));
            kept.push(child);
        }
        assert!(kept.iter().all(|child| child.id() == kept[0].id()));
        for (round, child) in (0..).zip(&mut kept) {
            assert_eq!(child.wait().await.unwrap().code(), Some(round));
        }
        // And the blocking way, from another thread.
        let other = sandbox.clone();
        let blocking = thread::spawn(move || {
            for _ in 0..30 {
                assert!(other.command("true").status().unwrap().success());
            }
        });
        for _ in 0..30 {
            assert!(
                Command::new(sandbox, "true")
                    .status()
                    .await
                    .unwrap()
                    .success()
            );
        }
        blocking.join().unwrap();
    });
}

#[test]
fn a_command_that_was_built_for_tokio_is_confined() {
    let host = Host::new();
    on_each_runtime(async |sandbox| {
        let mut command = tokio::process::Command::new("sh");
        command
            .args(["-c", "pwd; echo $A; echo x > \"$0\"; exit 9"])
            .arg(host.path("@outside/made"))
            .env("A", "1")
            .current_dir("/usr");
        let output = Command::from(sandbox.confine(command.as_std()))
            .output()
            .await;
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(9));
        assert_eq!(output.stdout, b"/usr\n1\n");
        assert!(!host.has("@outside/made"));
    });
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let outside = runtime.block_on(async {
        let mut command = tokio::process::Command::new("sh");
        command
            .args(["-c", "echo x > \"$0\""])
            .arg(host.path("@outside/made"));
        command.status().await
    });
    assert!(
        outside.unwrap().success() && host.has("@outside/made"),
        "control"
    );
}

#[test]
fn a_terminal_is_read_beside_the_runtime() {
    on_each_runtime(async |sandbox| {
        let mut command = sh(sandbox, "tty; exit 3");
        let mut child = command.pty(TerminalSize::default()).spawn().unwrap();
        let terminal = child.terminal.take().unwrap();
        let shown = tokio::task::spawn_blocking(|| std::io::read_to_string(terminal));
        let shown = shown.await.unwrap().unwrap();
        assert!(shown.starts_with("/dev/pts/"), "{shown}");
        assert_eq!(child.wait().await.unwrap().code(), Some(3));
    });
}

#[test]
fn outside_of_a_runtime_nothing_is_started() {
    let host = Host::new();
    let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap();
    let mut command = Command::new(&sandbox, "touch");
    command.arg(host.path("made"));
    let error = command.spawn().unwrap_err();
    assert_eq!(error.to_string(), "cannot watch the command");
    assert!(!host.has("made"));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let status = runtime.block_on(async { command.status().await });
    assert!(status.unwrap().success());
    assert!(host.has("made"), "control");
}

#[test]
fn no_thread_is_started_and_no_descriptor_stays() {
    alone("on_one_thread");
}

#[test]
#[ignore = "started by `no_thread_is_started_and_no_descriptor_stays`"]
fn on_one_thread() {
    let count = |path| fs::read_dir(path).unwrap().count();
    let state = || (count("/proc/self/task"), count("/proc/self/fd"));
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    // The notifier's are there while a command runs, and have nothing to do with the runtime.
    let facts = HostFacts::detect().lowered(&Lowering::WithoutNotifier);
    let policy = Policy::preset(Preset::ReadOnly);
    let sandbox = Sandbox::builder().facts(facts).build(&policy).unwrap();
    runtime.block_on(async {
        let run = async || {
            let mut command = sh(&sandbox, "echo out; echo err >&2");
            let output = command.timeout(Duration::from_mins(1)).output().await;
            assert!(output.unwrap().status.success());
        };
        run().await;
        let before = state();
        for _ in 0..20 {
            run().await;
        }
        assert_eq!(state(), before);
        assert_eq!(before.0, 2, "the harness, and this one");
    });
}

#[test]
fn the_types_may_be_sent_and_shared() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>(_: T) {}
    shared::<Command<'_>>();
    shared::<Child>();
    let sandbox = sandbox();
    let mut command = Command::new(&sandbox, "true");
    sent(command.output());
    sent(command.status());
}
