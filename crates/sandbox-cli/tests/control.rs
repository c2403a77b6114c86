//! `--control-fd`: rules about the network change while a command runs.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use sandbox_testing::{Host, Server};

/// A shell in a sandbox that runs what it is told, and our end of its `--control-fd`.
struct Controlled {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    control: BufReader<UnixStream>,
}

impl Controlled {
    fn new(host: &Host, options: &[&str]) -> Self {
        let (control, theirs) = UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let number = theirs.as_raw_fd().to_string();
        let run = host.sandbox(["sh"]).options(options);
        let words = run.options(["--control-fd", &number]).words();
        let (program, args) = words.split_first().unwrap();
        let mut child = Command::new(program)
            .args(args)
            .env("HOME", host.path("~"))
            .current_dir(host.path("@ws"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            stdout: BufReader::new(child.stdout.take().unwrap()),
            control: BufReader::new(control),
            child,
        }
    }

    fn says(&mut self, command: &str) -> String {
        writeln!(self.stdin, "{command}").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn asks(&mut self, request: &str) -> String {
        writeln!(self.control.get_mut(), "{request}").unwrap();
        let mut line = String::new();
        self.control.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ends(mut self) {
        drop(self.stdin);
        assert!(self.child.wait().unwrap().success());
    }
}

const UPDATED: &str = r#"{"updated":true}"#;

#[test]
fn rules_change_while_the_command_runs() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let mut shell = Controlled::new(&host, &["--allow", &server.address]);
    let connect = host.expand(&format!("@payload tcp {}", server.address));
    assert_eq!(shell.says(&connect), "heard the host");

    let deny = format!(
        r#"{{"update_network": {{"rules": {{"{}": "deny"}}}}}}"#,
        server.address
    );
    assert_eq!(shell.asks(&deny), UPDATED);
    assert!(shell.says(&connect).starts_with("failed"));
    assert_eq!(server.visitors(), 1);
    // In the place of the request before it.
    assert_eq!(shell.asks(r#"{"update_network": {}}"#), UPDATED);
    assert_eq!(shell.says(&connect), "heard the host");
    shell.ends();
}

#[test]
fn what_cannot_be_changed_is_refused_and_all_is_as_it_was() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let mut shell = Controlled::new(&host, &["--allow", &server.address]);
    let connect = host.expand(&format!("@payload tcp {}", server.address));
    for (request, said) in [
        ("no JSON", "expected"),
        ("[]", "invalid type"),
        ("{}", "a request is `{\\\"update_network\\\": {…}}`"),
        (r#"{"update_network": {}, "more": 1}"#, "a request is"),
        (r#"{"update_network": 1}"#, "network"),
        (
            r#"{"update_network": {"defualt": "deny"}}"#,
            "unknown key `defualt`",
        ),
        (r#"{"update_network": {"rules": {"*": "allow"}}}"#, "`*`"),
        (
            r#"{"update_network": {"default": "host"}}"#,
            "a sandbox cannot change",
        ),
        (
            r#"{"update_network": {"publish": ["3000"]}}"#,
            "a sandbox cannot change which ports are published",
        ),
        (
            r#"{"update_network": {"rules": {"127.0.0.1:1": "allow"}}}"#,
            "a sandbox cannot change",
        ),
    ] {
        let answer = shell.asks(request);
        assert!(
            answer.starts_with("{\"error\":") && answer.contains(said),
            "{request}: {answer}"
        );
        assert_eq!(shell.says(&connect), "heard the host");
    }
    shell.ends();
}

#[test]
fn the_command_goes_on_when_nobody_controls_it_any_more() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let connect = host.expand(&format!("@payload tcp {}", server.address));
    let mut shell = Controlled::new(&host, &["--allow", &server.address]);
    assert_eq!(shell.says(&connect), "heard the host");
    shell.control = BufReader::new(UnixStream::pair().unwrap().0);
    assert_eq!(shell.says(&connect), "heard the host");
    // Nobody reads the end of a line that never comes.
    shell.ends();

    let mut shell = Controlled::new(&host, &["--allow", &server.address]);
    assert_eq!(shell.says(&connect), "heard the host");
    let endless = vec![b' '; 300 * 1024];
    // It may be closed before all of it is written.
    drop(shell.control.get_mut().write_all(&endless));
    let mut line = String::new();
    shell.control.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"error\":\"the line is too long\"}\n");
    assert_eq!(shell.says(&connect), "heard the host");
    shell.ends();
}

#[test]
fn the_command_has_nothing_of_it() {
    let host = Host::new();
    let mut shell = Controlled::new(&host, &["--allow", "127.0.0.1:1"]);
    let mut open = |what| shell.says(&format!("ls -l /proc/$$/fd | grep -c {what}"));
    assert_eq!(open("socket:"), "0");
    assert_ne!(open("pipe:"), "0", "control");
    shell.ends();
    // Nor what it could write requests into, or take them from.
    let (pipe, _held) = std::io::pipe().unwrap();
    let (stream, _ours) = UnixStream::pair().unwrap();
    for (shared, said) in [
        (OwnedFd::from(pipe), "non-socket"),
        (
            OwnedFd::from(stream),
            "it is a standard stream of the command, too",
        ),
    ] {
        fcntl(&shared, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let run = host.sandbox(["true"]);
        let run = run.options(["--control-fd", &shared.as_raw_fd().to_string()]);
        let run = run.stdin_from(shared.try_clone().unwrap());
        run.output().refuses().stderr_contains(said);
    }
    for number in ["999", "2", "x"] {
        host.sandbox(["true"])
            .options(["--control-fd", number])
            .output()
            .refuses()
            .stderr_contains("--control-fd");
    }
}
