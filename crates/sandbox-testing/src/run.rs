//! One run of a command, with or without a sandbox around it.

use crate::{Host, Outcome, Terminal, until};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    env,
    ffi::{OsStr, OsString},
    io::{Read, Write},
    os::unix::{ffi::OsStrExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::JoinHandle,
    time::Duration,
};

/// How long anything may take before the test is given up: never part of what is tested.
const PATIENCE: Duration = Duration::from_mins(2);

/// The binary under test: `SANDBOX_BIN`, or the one that cargo built beside the test.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("SANDBOX_BIN") {
        return PathBuf::from(path);
    }
    // target/debug/deps/NAME-HASH
    let test = env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("sandbox")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confinement {
    Sandbox,
    Tool,
    None,
}

/// A command that is about to run, in the style of `std::process::Command`.
///
/// Its environment is `PATH`, `HOME` and `LANG` alone; its directory is the workspace.
#[must_use]
#[derive(Debug)]
pub struct Run<'a> {
    host: &'a Host,
    confinement: Confinement,
    options: Vec<OsString>,
    command: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: PathBuf,
    input: Input,
    group: Option<Pid>,
}

#[derive(Debug)]
enum Input {
    Bytes(Vec<u8>),
    Given(Stdio),
}

impl<'a> Run<'a> {
    pub(crate) fn new<I>(host: &'a Host, confinement: Confinement, command: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let run = Self {
            host,
            confinement,
            options: Vec::new(),
            command: Vec::new(),
            environment: vec![
                ("HOME".into(), host.path("~").into()),
                ("LANG".into(), "C.UTF-8".into()),
                ("PATH".into(), env::var_os("PATH").unwrap_or_default()),
            ],
            directory: host.path("@ws"),
            input: Input::Bytes(Vec::new()),
            group: None,
        };
        let command = command
            .into_iter()
            .map(|word| run.expand(word.as_ref()))
            .collect();
        Self { command, ..run }
    }

    fn expand(&self, word: &OsStr) -> OsString {
        match word.to_str() {
            Some(text) => self.host.expand(text).into(),
            None => word.to_owned(),
        }
    }

    /// Adds options of `sandbox run`, `@` words expanded. Without effect on a bare command.
    pub fn options<I>(mut self, options: I) -> Self
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        for option in options {
            let option = self.expand(option.as_ref());
            self.options.push(option);
        }
        self
    }

    /// Adds one rule, `PATTERN = ACCESS`.
    pub fn rule(self, rule: &str) -> Self {
        let (pattern, access) = rule.split_once(" = ").expect("`PATTERN = ACCESS`");
        self.options([&format!("--{access}"), pattern])
    }

    /// Uses a policy file with this text, `@` words in it expanded.
    pub fn policy(self, toml: &str) -> Self {
        let path = self.host.policy(toml);
        self.options([OsStr::new("--policy"), path.as_os_str()])
    }

    /// Sets a variable of the caller.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let name = name.as_ref();
        let value = self.expand(value.as_ref());
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value));
        self
    }

    /// Removes a variable of the caller.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.environment.retain(|(other, _)| other != name);
        self
    }

    /// Sets the caller's directory.
    pub fn cwd(mut self, path: impl AsRef<Path>) -> Self {
        self.directory = self.host.path(path);
        self
    }

    /// Gives bytes to the standard input, which then ends.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Input::Bytes(bytes.into());
        self
    }

    /// Gives the standard input itself.
    pub fn stdin_from(mut self, input: impl Into<Stdio>) -> Self {
        self.input = Input::Given(input.into());
        self
    }

    /// Joins a process group; 0 makes one of its own.
    pub fn group(mut self, leader: Pid) -> Self {
        self.group = Some(leader);
        self
    }

    /// The words that will be executed.
    pub fn words(&self) -> Vec<OsString> {
        let mut words = Vec::new();
        if self.confinement != Confinement::None {
            words.push(binary().into());
        }
        if self.confinement == Confinement::Sandbox {
            words.push("run".into());
            if let Some(facts) = env::var_os("SANDBOX_TEST_LOWER") {
                words.extend(["--lower".into(), facts]);
            }
            words.extend(self.options.iter().cloned());
            words.push("--".into());
        }
        words.extend(self.command.iter().cloned());
        words
    }

    fn build(&self, words: &[OsString]) -> Command {
        let (program, args) = words.split_first().expect("a command");
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory);
        if let Some(group) = self.group {
            command.process_group(group.as_raw());
        }
        command
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn output(self) -> Outcome {
        self.start().wait()
    }

    /// Starts it, its output collected.
    #[track_caller]
    pub fn start(self) -> Running {
        let words = self.words();
        let mut command = self.build(&words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let bytes = match self.input {
            Input::Bytes(bytes) => {
                command.stdin(Stdio::piped());
                bytes
            }
            Input::Given(input) => {
                command.stdin(input);
                Vec::new()
            }
        };
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run `{}`: {error}", show(&words)));
        let stdout = Collected::from(child.stdout.take());
        let stderr = Collected::from(child.stderr.take());
        if let Some(mut input) = child.stdin.take() {
            // The command may end without having read it.
            drop(input.write_all(&bytes));
        }
        Running {
            words,
            child,
            stdout,
            stderr,
            host_root: self.host.expand("@root"),
        }
    }

    /// Starts it as the leader of a session on this terminal, which takes its input and output.
    #[track_caller]
    pub fn start_on(self, terminal: &Terminal) -> Running {
        let mut words = vec![self.host.payload().into_os_string(), "on-terminal".into()];
        words.extend(self.words());
        let mut command = self.build(&words);
        command
            .stdin(terminal.slave())
            .stdout(terminal.slave())
            .stderr(terminal.slave());
        let child = command.spawn().unwrap();
        Running {
            words,
            child,
            stdout: Collected::from(None::<std::process::ChildStdout>),
            stderr: Collected::from(None::<std::process::ChildStderr>),
            host_root: self.host.expand("@root"),
        }
    }
}

fn show(words: &[OsString]) -> String {
    words
        .iter()
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Bytes that a thread collects from a pipe.
#[derive(Debug)]
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Collected {
    fn from(source: Option<impl Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let reader = source.map(|mut source| {
            let bytes = Arc::clone(&bytes);
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = source.read(&mut buffer) {
                    bytes
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(buffer.get(..count).unwrap_or_default());
                }
            })
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    words: Vec<OsString>,
    child: Child,
    stdout: Collected,
    stderr: Collected,
    host_root: String,
}

impl Running {
    /// The process that the test started: the sandbox's caller, or a bare command.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Sends it a signal.
    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until its output contains this text.
    #[track_caller]
    pub fn prints(&mut self, text: &str) {
        until(&format!("`{}` prints `{text}`", show(&self.words)), || {
            let seen = contains(&self.stdout.so_far(), text);
            if !seen && matches!(self.child.try_wait(), Ok(Some(_))) {
                // The last words may still be in the pipe.
                std::thread::yield_now();
                let stderr = String::from_utf8_lossy(&self.stderr.so_far()).into_owned();
                let stdout = self.stdout.so_far();
                assert!(
                    contains(&stdout, text),
                    "ended without `{text}`: {}\n{stderr}",
                    String::from_utf8_lossy(&stdout)
                );
            }
            seen
        });
    }

    /// Waits for the end and for the end of its output, which everything that outlived it would hold open.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        let (done, ended) = mpsc::channel::<()>();
        let pid = self.pid();
        let watch = std::thread::spawn(move || {
            let late = ended.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout);
            if late {
                // Still our child: it has not been waited for.
                let _ = kill(pid, Signal::SIGKILL);
            }
            late
        });
        let status = self.child.wait().unwrap();
        drop(done);
        assert!(
            !watch.join().unwrap(),
            "`{}` did not end\n{}\n{}",
            show(&self.words),
            String::from_utf8_lossy(&self.stdout.so_far()),
            String::from_utf8_lossy(&self.stderr.so_far()),
        );
        for collected in [&mut self.stdout, &mut self.stderr] {
            if let Some(reader) = collected.reader.take() {
                until("nobody holds the output open", || reader.is_finished());
            }
        }
        Outcome {
            command: show(&self.words).replace(&self.host_root, "@root"),
            status,
            stdout: self.stdout.so_far(),
            stderr: self.stderr.so_far(),
        }
    }

    /// Waits for the end only; others may hold the output open.
    pub fn reap(mut self) {
        self.child.wait().unwrap();
    }
}

/// A test that fails leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
        || OsStr::from_bytes(bytes) == text
}
