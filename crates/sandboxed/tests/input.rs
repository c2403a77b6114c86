//! Bad input and bad moments: a clear error each, and the next command works.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::{
    errno::Errno,
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        signal::{Signal, kill},
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, Pid, fork},
};
use sandbox_testing::{Host, Moments, alone, needs_ordinary_user, until};
use sandboxed::{Error, ExitStatus, LaunchError, Policy, Preset, Sandbox, Stdio};
use std::{
    fs::{self, File},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};

fn sandbox() -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap()
}

#[track_caller]
fn works(sandbox: &Sandbox) {
    let output = sandbox.command("echo").arg("works").output().unwrap();
    assert_eq!(output.stdout, b"works\n");
}

fn errno(error: &Error) -> Option<Errno> {
    let source = std::error::Error::source(error)?;
    let source = source.downcast_ref::<std::io::Error>()?;
    source.raw_os_error().map(Errno::from_raw)
}

#[test]
fn a_nul_is_told_with_what_it_is_in() {
    let sandbox = sandbox();
    let told = |error: Result<ExitStatus, Error>| match error {
        Err(Error::Nul { what, .. }) => what,
        other => unreachable!("{other:?}"),
    };
    let command = || sandbox.command("true");
    assert_eq!(
        told(sandbox.command("tr\0ue").status()),
        "the program's name"
    );
    assert_eq!(told(command().arg("a\0b").status()), "an argument");
    assert_eq!(told(command().arg0("a\0b").status()), "an argument");
    assert_eq!(told(command().env("A", "a\0b").status()), "a variable");
    assert_eq!(told(command().env("A\0B", "a").status()), "a variable");
    assert_eq!(
        told(command().current_dir("/a\0b").status()),
        "the working directory"
    );
    works(&sandbox);
}

#[test]
fn a_directory_that_has_vanished_is_told() {
    let host = Host::new().dir("@outside/here");
    let sandbox = sandbox();
    let path = host.path("@outside/here");
    let mut command = sandbox.command("true");
    command.current_dir(&path);
    assert!(command.status().unwrap().success(), "control");
    fs::remove_dir(&path).unwrap();
    match command.status() {
        Err(Error::Launch(LaunchError::Directory { directory, source })) => {
            assert_eq!(
                (directory, source.raw_os_error()),
                (path.clone(), Some(Errno::ENOENT as i32))
            );
        }
        other => unreachable!("{other:?}"),
    }
    works(&sandbox);
    fs::create_dir(&path).unwrap();
    assert!(command.status().unwrap().success());
}

/// One string has 128 KiB at most, and all of them together a quarter of the stack's limit (execve(2)).
#[test]
fn arguments_that_are_too_long_are_told() {
    let sandbox = sandbox();
    let status = |length: usize, count: usize| {
        let args = std::iter::repeat_n("x".repeat(length), count);
        sandbox.command("true").args(args).status()
    };
    assert!(status((128 << 10) - 1, 1).unwrap().success(), "control");
    assert!(status(1 << 10, 1000).unwrap().success(), "control");
    for (length, count) in [(128 << 10, 1), (200_000, 1), (100_000, 400)] {
        let error = status(length, count).unwrap_err();
        assert!(
            matches!(error, Error::Launch(LaunchError::TooLarge)),
            "{error:?}"
        );
    }
    let mut command = sandbox.command("true");
    let error = command
        .env("A", "x".repeat(128 << 10))
        .status()
        .unwrap_err();
    assert!(
        matches!(error, Error::Launch(LaunchError::TooLarge)),
        "{error:?}"
    );
    works(&sandbox);
}

#[test]
fn a_caller_without_descriptors_is_told_so() {
    alone("without_descriptors");
}

#[test]
#[ignore = "started by `a_caller_without_descriptors_is_told_so`"]
fn without_descriptors() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Once before the first command, and once when an init waits.
    for warm in [false, true] {
        let sandbox = sandbox();
        if warm {
            works(&sandbox);
        }
        let mut failed = 0;
        for free in 0..16 {
            setrlimit(Resource::RLIMIT_NOFILE, 256.min(hard), hard).unwrap();
            let mut kept = Vec::new();
            while let Ok(file) = File::open("/dev/null") {
                kept.push(file);
            }
            kept.truncate(kept.len() - free);
            let result = sandbox.command("true").output();
            drop(kept);
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
            match result {
                Ok(output) => assert!(output.status.success()),
                Err(error) => {
                    // F_DUPFD has EINVAL for a number beyond the limit (fcntl(2)).
                    let errno = errno(&error);
                    assert!(
                        matches!(errno, Some(Errno::EMFILE | Errno::EINVAL)),
                        "{free} free: {error:?}"
                    );
                    failed += 1;
                }
            }
        }
        assert!((1..16).contains(&failed), "control: {failed}");
        works(&sandbox);
    }
}

#[test]
fn a_user_without_processes_is_told_so() {
    if !needs_ordinary_user() {
        return;
    }
    alone("without_processes");
}

#[test]
#[ignore = "started by `a_user_without_processes_is_told_so`"]
fn without_processes() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
    let sandbox = sandbox();
    // One init waits already, and serves a command in a process inside; the next one needs another.
    let busy = sandbox
        .command("cat")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    setrlimit(Resource::RLIMIT_NPROC, 1, hard).unwrap();
    let error = sandbox.command("true").status();
    setrlimit(Resource::RLIMIT_NPROC, soft, hard).unwrap();
    let error = error.unwrap_err();
    assert_eq!(errno(&error), Some(Errno::EAGAIN), "{error:?}");
    drop(busy);
    works(&sandbox);
}

/// The commands of a fork are in its parent's sandbox, and in inits of their own.
#[test]
fn a_fork_of_the_caller_has_its_own_commands() {
    alone("fork_of_the_caller");
}

#[test]
#[ignore = "started by `a_fork_of_the_caller_has_its_own_commands`"]
#[expect(clippy::exit, reason = "the fork ends here")]
fn fork_of_the_caller() {
    let sandbox = sandbox();
    let run = |script: &str| {
        let output = sandbox.command("sh").args(["-c", script]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    run("echo parent > /tmp/file");
    let mut child = sandbox
        .command("cat")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    #[expect(unsafe_code, reason = "a fork, as daemons make it")]
    // SAFETY: the child runs what a daemon would run, and ends without returning to the test harness.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            nix::unistd::alarm::set(30);
            let seen = run("cat /tmp/file; echo fork > /tmp/file");
            // The parent's command is not the fork's to end.
            drop(child);
            drop(sandbox);
            std::process::exit(i32::from(seen != "parent\n"));
        }
        ForkResult::Parent { child: fork } => {
            assert_eq!(waitpid(fork, None).unwrap(), WaitStatus::Exited(fork, 0));
        }
    }
    assert_eq!(child.try_wait().unwrap(), None);
    assert_eq!(run("cat /tmp/file"), "fork\n");
    assert!(child.wait().unwrap().success());
}

/// Each is the last handle for a moment: whoever starts a command holds the sandbox until the command has ended.
#[test]
fn a_sandbox_ends_while_its_commands_do() {
    let host = Host::new();
    for round in 0..30 {
        let sandbox =
            Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap();
        works(&sandbox);
        let mut child = sandbox
            .command("sh")
            .args(["-c", "cat; exit 7"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let handles: Vec<Sandbox> = (0..3).map(|_| sandbox.clone()).collect();
        thread::scope(|scope| {
            for handle in handles {
                scope.spawn(move || works(&handle));
            }
            scope.spawn(move || drop(sandbox));
            scope.spawn(|| assert_eq!(child.wait().unwrap().code(), Some(7), "{round}"));
        });
    }
}

/// Whoever kills an init ends what runs in it, and costs nobody else anything.
#[test]
fn an_init_that_is_killed_at_any_moment_is_replaced() {
    let sandbox = sandbox();
    let mut moments = Moments::up_to(Duration::from_millis(3));
    let (init, done) = (AtomicU32::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                moments.pass();
                let pid = init.swap(0, Ordering::Relaxed);
                if pid != 0 {
                    // It may have ended meanwhile; no other process has its number so soon.
                    let _ = kill(Pid::from_raw(pid.cast_signed()), Signal::SIGKILL);
                }
            }
        });
        let mut ended = 0;
        while ended < 60 {
            let mut child = match sandbox.command("sleep").arg("0.002").spawn() {
                Ok(child) => child,
                // It was killed between the order and its answer.
                Err(Error::Launch(
                    LaunchError::InitKilled { signal: 9 } | LaunchError::Clone { .. },
                )) => continue,
                Err(error) => unreachable!("{error:?}"),
            };
            init.store(child.id(), Ordering::Relaxed);
            let status = child.wait().unwrap();
            assert!(status.success() || status.signal() == Some(9), "{status}");
            ended += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
    // The last one may be about to end when it gets the order.
    let succeeds = || {
        let status = sandbox.command("true").status();
        status.is_ok_and(|status| status.success())
    };
    until("commands run", succeeds);
    works(&sandbox);
}
