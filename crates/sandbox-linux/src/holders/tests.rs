//! Who has a socket, looked at from the host's side.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use super::diagnosis::Transport;
use super::*;
use crate::doors::tests::sandbox;
use crate::launch::tests::run;

/// A program that has a socket as its standard input, and reads from it as long as this is there.
struct Waiting(Child);

impl Waiting {
    fn new(command: &mut Command, socket: &UnixStream) -> Self {
        let socket = OwnedFd::from(socket.try_clone().unwrap());
        let command = command.stdin(Stdio::from(socket));
        Self(command.spawn().unwrap())
    }

    fn holder(&self) -> Holder {
        Holder {
            pid: self.0.id(),
            program: Some(fs::read_link(format!("/proc/{}/exe", self.0.id())).unwrap()),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn inode(socket: impl AsFd) -> u64 {
    nix::sys::stat::fstat(socket).unwrap().st_ino
}

/// Who has a socket among what this process has started, once it is that. Tests beside this one may be about to start programs, which
/// then have copies of everything.
#[track_caller]
fn becomes(socket: &UnixStream, expected: Option<&Holder>) {
    let start = Instant::now();
    loop {
        let found = search::holders(&[std::process::id()], &[0, inode(socket)]);
        if found == [None, expected.cloned()] {
            return;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{found:?}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn who_has_a_socket_alone_is_named_and_of_several_nobody() {
    let (socket, _other) = UnixStream::pair().unwrap();
    becomes(&socket, None);
    // Under several numbers.
    let output = OwnedFd::from(socket.try_clone().unwrap());
    let parent = Waiting::new(Command::new("cat").stdout(output), &socket);
    let expected = parent.holder();
    becomes(&socket, Some(&expected));
    let other = Waiting::new(&mut Command::new("cat"), &socket);
    becomes(&socket, None);
    drop(other);
    becomes(&socket, Some(&expected));
    drop(parent);
    becomes(&socket, None);
}

#[test]
fn a_program_is_what_is_executed_whatever_its_name_is() {
    let directory = tempfile::tempdir().unwrap();
    let cat = ["/usr/bin/cat", "/bin/cat"].map(Path::new);
    let cat = cat.into_iter().find(|path| path.is_file()).unwrap();
    let name = std::ffi::OsStr::from_bytes(b"curl\n\x1b[2J\xff socket:[1]");
    let odd = directory.path().join(name);
    fs::copy(cat, &odd).unwrap();
    let (socket, _other) = UnixStream::pair().unwrap();
    let waiting = Waiting::new(&mut Command::new(&odd), &socket);
    let pid = waiting.0.id();
    let program = Some(odd);
    becomes(&socket, Some(&Holder { pid, program }));
    drop(waiting);
    let deep = (0..6).fold(directory.path().to_owned(), |path, _| {
        path.join("x".repeat(200))
    });
    fs::create_dir_all(&deep).unwrap();
    let deep = deep.join("cat");
    fs::copy(cat, &deep).unwrap();
    let waiting = Waiting::new(&mut Command::new(&deep), &socket);
    let pid = waiting.0.id();
    let program = None;
    becomes(&socket, Some(&Holder { pid, program }));
}

#[test]
fn more_than_can_be_looked_at_is_not() {
    let (socket, _other) = UnixStream::pair().unwrap();
    let script = "for i in {10..609}; do eval \"exec $i</dev/null\"; done; echo; read";
    let mut command = Command::new("/bin/bash");
    let command = command.args(["-c", script]).stdout(Stdio::piped());
    let mut waiting = Waiting::new(command, &socket);
    let mut output = BufReader::new(waiting.0.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    becomes(&socket, Some(&waiting.holder()));
    let (roots, inodes) = ([std::process::id()], [inode(&socket)]);
    assert_eq!(search::holders_within(600, &roots, &inodes), [None]);
}

/// In the network of a sandbox: what its command does, and who that is by the addresses that the gateway sees.
#[test]
fn a_socket_is_known_by_its_own_addresses_and_no_other() {
    let (prepared, doors) = sandbox(&[]);
    let holders = prepared.way_in().holders().unwrap();
    let listener = TcpListener::from(doors.streams.unwrap());
    // Twice from the same port; the second time the first socket is gone, and another one of the command's listens there.
    let script = "/usr/bin/python3 -c '
import signal, socket
signal.alarm(60)
def made(kind=socket.SOCK_STREAM, family=socket.AF_INET):
    s = socket.socket(family, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return s
a = made()
a.bind((\"0.0.0.0\", 8445))
a.connect((\"7.7.7.7\", 443))
try: a.recv(1)
except ConnectionResetError: a.close()
b = made()
b.bind((\"0.0.0.0\", 8445))
b.listen()
c = made(family=socket.AF_INET6)
c.connect((\"::ffff:7.7.7.8\", 443))
d = made(socket.SOCK_DGRAM)
d.connect((\"7.7.7.7\", 53))
e = made(socket.SOCK_DGRAM)
e.bind((\"7.7.7.7\", 5353))
c.sendall(b\"%s:%d\\n\" % (d.getsockname()[0].encode(), d.getsockname()[1]))
f = made(family=socket.AF_INET6)
f.connect((\"2001:db8::7\", 443))
f.recv(1)
'";
    let ends =
        |stream: &std::net::TcpStream| (stream.peer_addr().unwrap(), stream.local_addr().unwrap());
    thread::scope(|scope| {
        let command = scope.spawn(|| run(&prepared, &["/bin/bash", "-c", script], |_| {}));
        let accept = || listener.accept().unwrap().0;
        let first = accept();
        let (inside, other) = ends(&first);
        let inode = holders.stream(inside, other).unwrap();
        let found = holders.of(&[inode]);
        let Some(holder) = &found[0] else {
            panic!("{found:?}");
        };
        let program = fs::read_link(format!("/proc/{}/exe", holder.pid)).unwrap();
        assert_eq!(holder.program.as_ref(), Some(&program));
        // The gateway's own end is in that network as well, but nobody's inside.
        let own = holders.stream(other, inside).unwrap();
        assert_eq!(holders.of(&[own]), [None]);
        // So that nothing is left of it.
        let reset = linger {
            l_onoff: 1,
            l_linger: 0,
        };
        setsockopt(&first, sockopt::Linger, &reset).unwrap();
        drop(first);

        let second = accept();
        assert_eq!(holders.stream(inside, other), None);
        // The control: the kernel names the one that listens.
        let reply = holders
            .diagnosis
            .ask(Transport::Tcp, inside, other)
            .unwrap();
        assert_ne!(reply.last_chunk(), Some(&[0; 4]));
        let (inside, other) = ends(&second);
        let inode = holders.stream(inside, other).unwrap();
        assert_eq!(holders.of(&[inode]), found, "IPv4 by a socket of IPv6");

        let mut line = String::new();
        BufReader::new(&second).read_line(&mut line).unwrap();
        let (inside, other) = (line.trim().parse().unwrap(), "7.7.7.7:53".parse().unwrap());
        let inode = holders.datagrams(inside, other).unwrap();
        assert_eq!(holders.of(&[inode]), found);
        let unconnected = "7.7.7.7:5353".parse().unwrap();
        assert_eq!(holders.datagrams(unconnected, other), None);

        let mut third = accept();
        let (inside, other) = ends(&third);
        let inode = holders.stream(inside, other).unwrap();
        assert_eq!(
            holders.of(&[0, inode, inode]),
            [None, found[0].clone(), found[0].clone()]
        );
        third.write_all(b"-").unwrap();
        assert_eq!(command.join().unwrap().unwrap().status, 0);
        // It has ended, and its init waits for another one.
        assert_eq!(holders.of(&[inode]), [None]);
        drop(second);
        let _ = third.read(&mut [0]);
    });
    drop(prepared);
    assert_eq!(holders.of(&[1]), [None]);
}
