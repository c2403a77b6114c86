//! What a thread does with a sandbox, and everything that may come of it.

use nix::unistd::ForkResult;
use sandbox_testing::{Host, Moments, State, Victim, marked, marker, until};
use sandboxed::{Child, Error, ExitStatus, LaunchError, Sandbox, Stdio, Update};
use std::io::{Read, Write};
use std::time::Duration;

/// A thread's own view of the stage.
pub(crate) struct Actor<'a> {
    pub(crate) host: &'a Host,
    /// That of all threads, or a fresh one.
    pub(crate) sandbox: Sandbox,
    pub(crate) moments: Moments,
    /// Among the arguments of everything that runs.
    pub(crate) run: &'a str,
    pub(crate) fresh: &'a (dyn Fn() -> Sandbox + Sync),
}

pub(crate) type Act<'a> = (&'static str, fn(&mut Actor<'a>));

pub(crate) fn acts<'a>() -> Vec<Act<'a>> {
    vec![
        ("exit code", Actor::exit_code),
        ("own processes only", Actor::own_processes_only),
        ("output", Actor::output),
        ("conversation", Actor::conversation),
        ("signal", Actor::signal),
        ("time limit", Actor::time_limit),
        ("event loop", Actor::event_loop),
        ("kill", Actor::kill),
        ("drop", Actor::drop_child),
        ("kill tree", Actor::kill_tree),
        ("pause", Actor::pause),
        ("daemon", Actor::daemon),
        ("no program", Actor::no_program),
        ("killed init", Actor::killed_init),
        (
            "init killed at any moment",
            Actor::init_killed_at_any_moment,
        ),
        ("fresh sandbox", Actor::fresh_sandbox),
        ("fork", Actor::fork),
    ]
}

impl Actor<'_> {
    fn shell(&self, script: &str) -> sandboxed::Command<'_> {
        let mut command = self.sandbox.command("sh");
        command.args(["-c", script, self.run]);
        command
    }

    fn number(&mut self, below: i32) -> i32 {
        i32::try_from(self.moments.below(below.unsigned_abs().into())).unwrap()
    }

    fn exit_code(&mut self) {
        let code = self.number(256);
        let status = self.shell(&format!("exit {code}")).status().unwrap();
        assert_eq!(status.code(), Some(code), "{status}");
        assert!(status.usage().peak_memory > 0, "{:?}", status.usage());
    }

    fn own_processes_only(&mut self) {
        let output = self.shell("set -- /proc/[0-9]*; echo $#").output().unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.as_slice()),
            (Some(0), &b"2\n"[..]),
            "init and the shell"
        );
    }

    fn output(&mut self) {
        let [out, err] = [(); 2].map(|()| self.number(300_000));
        let script = format!(
            "head -c {out} /dev/zero | tr '\\0' o; head -c {err} /dev/zero | tr '\\0' e >&2; exit 3"
        );
        let output = self.shell(&script).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", output.status);
        for (bytes, count, letter) in [(&output.stdout, out, b'o'), (&output.stderr, err, b'e')] {
            assert_eq!(bytes.len(), usize::try_from(count).unwrap());
            assert!(bytes.iter().all(|byte| *byte == letter));
        }
    }

    fn conversation(&mut self) {
        let text = format!("{}\n", self.moments.below(u64::MAX)).repeat(1000);
        let mut child = self
            .shell("exec cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        drop(stdin);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", output.status);
        assert!(output.stdout == text.as_bytes(), "it came back changed");
    }

    /// Those that end a program and that nobody who starts the tests has them ignore.
    fn signal(&mut self) {
        const SIGNALS: [i32; 8] = [4, 9, 10, 11, 12, 14, 15, 35];
        let signal = *self.moments.choose(&SIGNALS);
        let mut child = self.shell("exec sleep 1000").spawn().unwrap();
        self.moments.pass();
        child.signal(signal).unwrap();
        ended_by(signal, child.wait().unwrap());
    }

    fn time_limit(&mut self) {
        let limit = Duration::from_millis(self.moments.below(20));
        // One that does not listen costs two seconds of grace.
        let (script, signal) = match self.moments.below(16) {
            0 => ("trap '' TERM; while :; do sleep 1000; done", None),
            _ => ("exec sleep 1000", Some(15)),
        };
        let status = self.shell(script).timeout(limit).status().unwrap();
        assert_eq!(status.time_limit(), Some(limit), "{status}");
        assert!(!status.success());
        // The trap may not have been set yet.
        ended_by(signal.or(status.signal()).unwrap(), status);
    }

    fn event_loop(&mut self) {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let limit = Duration::from_millis(30);
        let mut child = self
            .shell("exec sleep 1000")
            .timeout(limit)
            .spawn()
            .unwrap();
        let (mut limits, mut was_killed) = (0, false);
        let status = loop {
            match child.update().unwrap() {
                Some(Update::Ended(status)) => break status,
                Some(Update::TimeLimit(_)) => limits += 1,
                Some(update) => panic!("nobody stopped it: {update:?}"),
                None => {
                    let rest = child.wake_at().map_or(PollTimeout::NONE, |at| {
                        let rest = at.saturating_duration_since(std::time::Instant::now());
                        PollTimeout::try_from(rest.as_millis() + 1).unwrap()
                    });
                    // It was killed, which is the last that is to be done: it did not get to run for so long.
                    was_killed |= rest.is_none();
                    let _ = poll(&mut [PollFd::new(child.as_fd(), PollFlags::POLLIN)], rest);
                }
            }
        };
        assert_eq!(limits, 1);
        if !was_killed || status.signal() != Some(9) {
            ended_by(15, status);
        }
    }

    /// Seven processes of which none ends by itself, and some not if they are asked to.
    fn brood(&self) -> (Child, String) {
        let marker = marker();
        let mut child = self
            .sandbox
            .command(self.host.payload())
            .args(["brood", &marker, self.run])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        assert!(marked(&marker).len() >= 6, "they run");
        (child, marker)
    }

    fn kill(&mut self) {
        let (mut child, marker) = self.brood();
        self.moments.pass();
        child.kill().unwrap();
        ended_by(9, child.wait().unwrap());
        assert_eq!(marked(&marker), []);
        drop(child);
    }

    fn drop_child(&mut self) {
        let (child, marker) = self.brood();
        self.moments.pass();
        drop(child);
        assert_eq!(marked(&marker), []);
    }

    fn kill_tree(&mut self) {
        let (mut child, marker) = self.brood();
        let grace = Duration::from_millis(self.moments.below(20));
        let status = child.kill_tree(grace).unwrap();
        assert!(matches!(status.signal(), Some(9 | 15)), "{status}");
        assert_eq!(marked(&marker), []);
        drop(child);
    }

    fn pause(&mut self) {
        let marker = marker();
        let mut child = self
            .sandbox
            .command(self.host.payload())
            .args(["wait", &marker, self.run])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let letters = || -> String {
            let states = marked(&marker).into_iter().filter_map(State::of);
            states.map(|state| state.letter).collect()
        };
        child.pause().unwrap();
        until("it is stopped", || letters() == "T");
        self.moments.pass();
        assert_eq!(child.try_wait().unwrap(), None);
        child.resume().unwrap();
        until("it goes on", || letters() == "S");
        drop(child);
        assert_eq!(marked(&marker), []);
    }

    fn daemon(&mut self) {
        let marker = marker();
        let mut command = self.sandbox.command(self.host.payload());
        command.args(["daemon", &marker, self.run]);
        let status = command.stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{status}");
        assert_eq!(marked(&marker), []);
    }

    fn no_program(&mut self) {
        let error = self.sandbox.command("/no/such/program").spawn();
        let is_told = matches!(&error, Err(Error::Launch(LaunchError::Exec { .. })));
        assert!(is_told, "{error:?}");
    }

    /// Its command has ended by that signal; who joins it at that moment, or comes next, notices nothing.
    fn killed_init(&mut self) {
        let mut child = self.shell("exec sleep 1000").spawn().unwrap();
        let init = Victim::new(child.id());
        self.moments.pass();
        init.kill();
        ended_by(9, child.wait().unwrap());
        self.exit_code();
    }

    /// At each moment of a start and an end, in a sandbox where nobody else is affected.
    fn init_killed_at_any_moment(&mut self) {
        let sandbox = (self.fresh)();
        let run = || {
            sandbox
                .command("sh")
                .args(["-c", "exit 5", self.run])
                .spawn()
        };
        let mut first = run().unwrap();
        let init = Victim::new(first.id());
        let mut moments = self.moments;
        self.moments.below(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                moments.pass();
                init.kill();
            });
            let status = first.wait().unwrap();
            assert!(ended_or_killed(status), "{status}");
            for _ in 0..3 {
                match run() {
                    // The latter where its status was another thread's.
                    Err(Error::Launch(
                        LaunchError::InitKilled { signal: 9 } | LaunchError::InitEnded,
                    )) => {}
                    Err(error) => panic!("{error}: {error:?}"),
                    Ok(mut child) => {
                        let status = child.wait().unwrap();
                        assert!(ended_or_killed(status), "{status}");
                    }
                }
            }
        });
        drop(first);
        assert_eq!(run().unwrap().wait().unwrap().code(), Some(5));
    }

    fn fresh_sandbox(&mut self) {
        let shared = std::mem::replace(&mut self.sandbox, (self.fresh)());
        for _ in 0..self.number(4) {
            self.exit_code();
        }
        self.sandbox = shared;
    }

    /// The child of a fork has no thread but one, and what others of its parent held it never gets. It has commands of its own,
    /// in the sandbox of its parent and in new ones, and disturbs nobody else's.
    #[expect(unsafe_code, reason = "a fork, as daemons make it")]
    fn fork(&mut self) {
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        // SAFETY: the child calls what is safe after a fork of a process with threads: the allocator, which glibc sees to, and
        // the library, which is what is tested. It ends without returning to the test harness.
        match unsafe { nix::unistd::fork() }.unwrap() {
            ForkResult::Child => {
                nix::unistd::alarm::set(60);
                let answer = [self.works_in_a_fork()];
                let _ = writer.write_all(&answer);
                // SAFETY: ends this process at once.
                unsafe { nix::libc::_exit(0) }
            }
            ForkResult::Parent { .. } => drop(writer),
        }
        let mut answer = Vec::new();
        reader.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, b"+", "what did not work in the fork");
    }

    fn works_in_a_fork(&self) -> u8 {
        let works = |sandbox: &Sandbox| {
            let mut command = sandbox.command("sh");
            let status = command.args(["-c", "exit 5", self.run]).status();
            status.is_ok_and(|status| status.code() == Some(5))
        };
        match () {
            () if !works(&self.sandbox) => b'1',
            () if !works(&self.sandbox) => b'2',
            () if !works(&(self.fresh)()) => b'n',
            () => b'+',
        }
    }
}

#[track_caller]
fn ended_by(signal: i32, status: ExitStatus) {
    assert_eq!(status.signal(), Some(signal), "{status}");
}

fn ended_or_killed(status: ExitStatus) -> bool {
    status.code() == Some(5) || status.signal() == Some(9)
}
