//! Invariants 15 and 33: what the notifier's threads do to the process whose threads they are.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, IoSlice, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::process::{ChildStdout, Command};

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid};
use sandbox_testing::{
    Host, State, alone, alone_by, is_root, marked, marker, needs_kernel, needs_ordinary_user, until,
};
use sandboxed::{Child, Policy, Preset, Sandbox, Stdio};

type Lines = io::Lines<BufReader<ChildStdout>>;

/// Everything readable, the workspace writable: so that there is a notifier.
fn sandbox(host: &Host) -> Sandbox {
    let policy = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
    Sandbox::new(&policy).unwrap()
}

/// Libc has all threads change their ids, and ends the process if one of them can't.
#[test]
fn a_caller_that_gives_up_its_user_lives_on() {
    let host = Host::new();
    let mut there = Command::new("env");
    there.arg("-C").arg(host.path("@home"));
    // Removed with all that is left there.
    alone_by(there, "gives_up_its_user");
}

#[test]
#[ignore = "started by `a_caller_that_gives_up_its_user_lives_on`"]
fn gives_up_its_user() {
    // It can't remove anything there any more.
    let host = Host::below(&env::current_dir().unwrap());
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

/// Connects within the sandbox by that many threads at once, once a line has come, and tells how it went each time.
const CONNECTS: &str = "import os, socket, sys, threading
server = socket.create_server(('127.0.0.1', 0), backlog=4096)
def connect():
    error = socket.socket().connect_ex(server.getsockname())
    # As a whole, whoever else writes.
    os.write(1, {0: b'connected\\n', 11: b'no room\\n'}.get(error, b'%d\\n' % error))
print('ready', flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[1])):
    threading.Thread(target=connect).start()";

fn connecting(sandbox: &Sandbox, threads: usize, marker: &str) -> (Child, Lines) {
    let mut command = sandbox.command("/usr/bin/python3");
    command.args(["-c", CONNECTS, &threads.to_string(), marker]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    (child, lines)
}

/// How many threads of the process with the marker are in `connect` (`proc_pid_syscall(5)`).
fn connecting_threads(marker: &str) -> usize {
    let process = marked(marker).pop().unwrap();
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let calls = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("syscall")));
    let connect = libc::SYS_connect.to_string();
    let connects = |call: &String| call.split(' ').next() == Some(&connect);
    calls.flatten().filter(connects).count()
}

/// An init that does not read: a command that connects without end leaves room for what its caller orders.
#[test]
fn connections_leave_room_for_orders() {
    const THREADS: usize = 600;
    let size = fs::read_to_string("/proc/sys/net/core/wmem_default").unwrap();
    if !needs_kernel("send buffers of 212,992 bytes", size.trim() == "212992") {
        return;
    }
    let host = Host::new();
    let sandbox = sandbox(&host);
    let marker = marker();
    let (mut child, lines) = connecting(&sandbox, THREADS, &marker);
    let init = Pid::from_raw(child.id().cast_signed());
    kill(init, Signal::SIGSTOP).unwrap();
    until("it is stopped", || {
        State::of(init).is_some_and(|state| state.letter == 'T')
    });
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    let mut lines = lines.map(Result::unwrap);
    // There is no room for more.
    assert_eq!(lines.next().unwrap(), "no room");
    for _ in 0..20 {
        child.signal(Signal::SIGCONT as i32).unwrap();
    }
    let waits = connecting_threads(&marker);
    assert!(waits > 150, "{waits}");
    kill(init, Signal::SIGCONT).unwrap();
    let all: Vec<_> = ["no room".to_owned()].into_iter().chain(lines).collect();
    assert_eq!(all.len(), THREADS);
    let connected = all.iter().filter(|line| *line == "connected").count();
    let refused = all.iter().filter(|line| *line == "no room").count();
    assert_eq!(connected + refused, THREADS);
    assert!(connected > 150, "{connected}");
    assert!(child.wait().unwrap().success());
}

/// Descriptors on their way are counted for each user (unix(7), `ETOOMANYREFS`).
#[test]
fn who_connects_waits_until_descriptors_have_come() {
    if needs_ordinary_user() {
        alone("connects_beside_descriptors_on_their_way");
    }
}

#[test]
#[ignore = "started by `who_connects_waits_until_descriptors_have_come`"]
fn connects_beside_descriptors_on_their_way() {
    const MANY: usize = 250;
    let host = Host::new();
    let sandbox = sandbox(&host);
    let marker = marker();
    let (mut child, mut lines) = connecting(&sandbox, 1, &marker);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let fds = vec![ours.as_raw_fd(); MANY];
    let rights = [ControlMessage::ScmRights(&fds)];
    let send = || {
        sendmsg::<()>(
            ours.as_raw_fd(),
            &[IoSlice::new(b"x")],
            &rights,
            MsgFlags::empty(),
            None,
        )
    };
    send().unwrap();
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 200, hard).unwrap();
    assert_eq!(send(), Err(Errno::ETOOMANYREFS), "control");
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    until("it waits", || connecting_threads(&marker) == 1);
    drop(theirs);
    assert_eq!(lines.next().unwrap().unwrap(), "connected");
    assert!(child.wait().unwrap().success());
}
