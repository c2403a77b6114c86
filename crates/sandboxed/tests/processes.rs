//! Which process made a connection, as the host sees it.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use sandbox_testing::{Host, Server, is_root, until};
use sandboxed::{Builder, Child, NetworkEvent, Policy, Preset, Sandbox, Stdio};

/// Of the network, and no rule names it.
const ELSEWHERE: &str = "198.41.0.4";

/// A sandbox, and what it tells of its network.
struct Inside {
    host: Host,
    sandbox: Sandbox,
    events: Arc<Mutex<Vec<NetworkEvent>>>,
}

impl Inside {
    fn new() -> Self {
        Self::with(|policy| policy.allow_udp("127.0.0.1:1"), |builder| builder)
    }

    fn with(rules: impl FnOnce(Policy) -> Policy, change: impl FnOnce(Builder) -> Builder) -> Self {
        let host = Host::new();
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let builder = Sandbox::builder();
        let builder = builder.on_network(move |event| kept.lock().unwrap().push(event.clone()));
        let policy = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
        let sandbox = change(builder).build(&rules(policy)).unwrap();
        Self {
            host,
            sandbox,
            events,
        }
    }

    /// Starts a program that says a line when it has done what it has to do, and then waits.
    fn start<S: AsRef<OsStr>>(&self, program: S, args: &[&str]) -> Waiting {
        let mut command = self.sandbox.command(program);
        command.args(args).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        Waiting {
            child,
            said: said.trim().to_owned(),
        }
    }

    fn shell(&self, script: &str) -> Waiting {
        self.start(
            "bash",
            &["-c", &format!("{script}; echo $$; read; {CLOSE}; read")],
        )
    }

    fn python(&self, script: &str, args: &[&str]) -> Waiting {
        let end = "print(os.getpid(), flush=True); sys.stdin.read()";
        let script = format!("import os, socket, sys\n{script}\n{end}");
        let args = [&["-c", &script][..], args].concat();
        self.start("python3", &args)
    }

    /// The events so far, once there are so many.
    fn told(&self, count: usize) -> Vec<NetworkEvent> {
        until("it is told", || self.events.lock().unwrap().len() >= count);
        self.events.lock().unwrap().clone()
    }

    /// Asserts that the last of so many events is this program's, which still waits.
    #[track_caller]
    fn is_told_of(&self, count: usize, waiting: &Waiting) -> PathBuf {
        let event = self.told(count).pop().unwrap();
        waiting.made(&event)
    }
}

/// A script that calls a function of libc, and connects.
fn connects_after(call: &str) -> String {
    format!(
        "import ctypes
assert ctypes.CDLL(None).{call} == 0
s = socket.create_connection(('{ELSEWHERE}', 443))"
    )
}

/// What closes the shells' connections.
const CLOSE: &str = "exec 3>&-";

/// A program that waits, and what it has said.
struct Waiting {
    child: Child,
    said: String,
}

impl Waiting {
    /// Asserts that it is this program which made a connection; its path.
    #[track_caller]
    fn made(&self, event: &NetworkEvent) -> PathBuf {
        assert!(event.process.is_some(), "nobody: {event}");
        let process = event.process.as_ref().unwrap();
        let of = |name: &str| format!("/proc/{}/{name}", process.pid);
        let status = fs::read_to_string(of("status")).unwrap();
        let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let inside = inside.unwrap().split_whitespace().last();
        assert_eq!(inside, Some(&*self.said), "{event}");
        let program = fs::read_link(of("exe")).unwrap();
        assert_eq!(process.program.as_ref(), Some(&program), "{event}");
        program
    }

    fn goes_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    }
}

#[test]
fn whoever_connects_is_named_at_every_door() {
    let inside = Inside::new();
    let request =
        format!("CONNECT {ELSEWHERE}:443 HTTP/1.1\\r\\nHost: {ELSEWHERE}:443\\r\\n\\r\\n");
    for (index, (door, script)) in [
        ("capture", format!("exec 3<>/dev/tcp/{ELSEWHERE}/443")),
        ("capture", "exec 3<>/dev/tcp/2001:503:ba3e::2:30/443".to_owned()),
        ("http", format!("exec 3<>/dev/tcp/127.0.0.1/880; printf '{request}' >&3")),
        (
            "socks",
            "exec 3<>/dev/tcp/127.0.0.1/880; printf '\\5\\1\\0\\5\\1\\0\\1\\306\\51\\0\\4\\1\\273' >&3".to_owned(),
        ),
        ("udp", format!("exec 3<>/dev/udp/{ELSEWHERE}/443; echo >&3")),
    ]
    .into_iter()
    .enumerate()
    {
        let waiting = inside.shell(&script);
        inside.is_told_of(index + 1, &waiting);
        let event = inside.told(index + 1).pop().unwrap();
        assert_eq!(event.door.to_string(), door);
    }
    // Whoever asks for a name has closed its socket by then.
    let asks = "getent hosts denied.example";
    let _waiting = inside.shell(asks);
    assert_eq!(inside.told(6).pop().unwrap().process, None);
}

#[test]
fn of_a_connection_that_lasted_it_is_still_known_at_its_end() {
    let server = Server::tcp("127.0.0.1");
    let inside = Inside::with(|policy| policy.allow(&server.address), |builder| builder);
    let address = server.address.replace(':', "/");
    // What is told first was looked for last.
    let script = format!("exec 3<>/dev/tcp/{address} 4<>/dev/tcp/{ELSEWHERE}/1");
    let mut waiting = inside.shell(&script);
    inside.is_told_of(1, &waiting);
    waiting.goes_on();
    inside.is_told_of(2, &waiting);
    assert_eq!(inside.told(2).pop().unwrap().received, 8);
}

#[test]
fn commands_at_the_same_time_and_one_after_the_other_are_told_apart() {
    let inside = Inside::new();
    let script = format!("exec 3<>/dev/tcp/{ELSEWHERE}/443");
    for round in 0..3 {
        // One after the other, so that it is known whose an event is, but all of them are there.
        let mut all = Vec::new();
        for number in 0..3 {
            all.push(inside.shell(&script));
            inside.is_told_of(round * 3 + number + 1, all.last().unwrap());
        }
    }
}

#[test]
fn of_a_socket_that_several_have_nobody_is_named() {
    let inside = Inside::new();
    let script = format!(
        "s = socket.socket()
if sys.argv[1] == 'both' and os.fork() == 0: sys.stdin.read(); os._exit(0)
if sys.argv[1] == 'child':
    r, w = os.pipe()
    if os.fork(): s.close(); os.close(w); os.wait(); os._exit(0)
    os.close(w); os.read(r, 1)
s.connect(('{ELSEWHERE}', 443))"
    );
    let _waiting = inside.python(&script, &["both"]);
    assert_eq!(inside.told(1).pop().unwrap().process, None);
    // The control: each of them alone.
    let waiting = inside.python(&script, &["parent"]);
    inside.is_told_of(2, &waiting);
    let waiting = inside.python(&script, &["child"]);
    inside.is_told_of(3, &waiting);
}

#[test]
fn a_name_that_a_process_gives_itself_is_not_its_programs() {
    let inside = Inside::new();
    let waiting = inside.python(&connects_after("prctl(15, b'curl', 0, 0, 0)"), &[]);
    let program = inside.is_told_of(1, &waiting);
    assert!(program.to_string_lossy().contains("python3"), "{program:?}");
    let pid = inside.told(1).pop().unwrap().process.unwrap().pid;
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(comm, "curl\n", "the control");
}

#[test]
fn a_programs_name_breaks_no_line() {
    let inside = Inside::new();
    let name = OsStr::from_bytes(b"curl\n{\"verdict\":\"allow\"}\x1b[2J\xff");
    let program = inside.host.path("@ws").join(name);
    fs::copy("/bin/bash", &program).unwrap();
    let script = format!("exec 3<>/dev/tcp/{ELSEWHERE}/443; echo $$; read");
    let waiting = inside.start(&program, &["-c", &script]);
    assert_eq!(inside.is_told_of(1, &waiting), program);
    let line = inside.told(1).pop().unwrap().to_json();
    assert!(
        line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
        "{line}"
    );
    let bytes = program.as_os_str().as_bytes();
    let bytes: Vec<_> = bytes.iter().map(ToString::to_string).collect();
    let bytes = format!("\"program_bytes\":[{}]", bytes.join(","));
    assert!(line.contains(&bytes), "{line}");
    assert_eq!(line.matches("verdict\":").count(), 1, "{line}");
}

#[test]
fn thousands_of_descriptors_hide_nobody() {
    let inside = Inside::new();
    let script = format!(
        "import resource
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
count = 4000 if most == resource.RLIM_INFINITY else min(most, 4000)
resource.setrlimit(resource.RLIMIT_NOFILE, (count, most))
kept = [open('/dev/null') for _ in range(count - 50)]
s = socket.create_connection(('{ELSEWHERE}', 443))"
    );
    let waiting = inside.python(&script, &[]);
    inside.is_told_of(1, &waiting);
}

#[test]
fn who_forbids_to_be_looked_at_is_named_to_root_alone() {
    let inside = Inside::new();
    let script = connects_after("prctl(4, int(sys.argv[1]), 0, 0, 0)");
    let waiting = inside.python(&script, &["0"]);
    let event = inside.told(1).pop().unwrap();
    if is_root() {
        waiting.made(&event);
    } else {
        assert_eq!(event.process, None);
    }
    // The control.
    let waiting = inside.python(&script, &["1"]);
    inside.is_told_of(2, &waiting);
}

#[test]
fn nobody_is_looked_for_where_nobody_wants_to_know() {
    let inside = Inside::with(
        |policy| policy.allow("127.0.0.1:1"),
        Builder::without_processes,
    );
    let _waiting = inside.shell(&format!("exec 3<>/dev/tcp/{ELSEWHERE}/443"));
    assert_eq!(inside.told(1).pop().unwrap().process, None);
}

#[test]
fn whoever_panics_when_one_is_told_is_told_of_the_next() {
    let told = Arc::new(Mutex::new(Vec::<OsString>::new()));
    let kept = Arc::clone(&told);
    let inside = Inside::with(
        |policy| policy.allow("127.0.0.1:1"),
        |builder| {
            builder.on_network(move |event| {
                let process = event.process.clone().unwrap();
                kept.lock().unwrap().push(process.program.unwrap().into());
                std::panic::resume_unwind(Box::new("an event"));
            })
        },
    );
    let connect = |port| format!("exec 3<>/dev/tcp/{ELSEWHERE}/{port}");
    let _waiting: Vec<_> = (1..4).map(|port| inside.shell(&connect(port))).collect();
    until("each is told", || told.lock().unwrap().len() == 3);
}
