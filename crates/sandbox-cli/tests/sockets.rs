//! Sockets by path: whom a command reaches, and what name it gives a socket. To connect needs `write` on the path, or that the socket is
//! the sandbox's own.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use sandbox_testing::{Answer, Calls, Host, Outcome, Run, Server};

/// The control: the same host with kernel and policy, one mechanism apart.
const WITHOUT: [&str; 2] = ["--lower", "notifier=0"];

const UNIX: &str = "1";
const STREAM: &str = "1";
const DATAGRAM: &str = "2";
const SEQUENCED: &str = "5";

/// The address of a path, as `struct sockaddr_un` has it, and its length.
fn address(path: &[u8]) -> [String; 2] {
    let bytes = [&[1, 0], path].concat();
    let mut word = String::from("x:");
    for byte in &bytes {
        write!(word, "{byte:02x}").unwrap();
    }
    [word, bytes.len().to_string()]
}

/// A socket of a kind is connected to a path.
fn connect(kind: &str, path: &[u8]) -> Calls {
    let [address, length] = address(path);
    Calls::new()
        .call(libc::SYS_socket, [UNIX, kind, "0"])
        .call(libc::SYS_connect, ["r:0", &address, &length])
}

/// A socket is bound to a path, and tells its address by which it is connected to.
fn bind(path: &[u8]) -> Calls {
    let [address, length] = address(path);
    Calls::new()
        .call(libc::SYS_socket, [UNIX, STREAM, "0"])
        .call(libc::SYS_bind, ["r:0", &address, &length])
}

fn last(outcome: &Outcome) -> Answer {
    *Answer::all(&outcome.text()).last().unwrap()
}

#[track_caller]
fn is_denied(command: Run) {
    let outcome = command.output();
    assert_eq!(
        last(&outcome),
        Answer::Failed(Errno::EACCES),
        "{}",
        outcome.show()
    );
}

#[track_caller]
fn is_done(command: Run) {
    let outcome = command.output();
    assert_eq!(last(&outcome), Answer::Returned(0), "{}", outcome.show());
}

#[test]
fn a_socket_of_the_host_is_out_of_reach_unless_it_may_be_written() {
    let host = Host::new();
    let server = Server::at(&host.path("@outside/docker.sock"));
    let connect = ["@payload", "unix", &server.address];
    for preset in ["agent", "read-only"] {
        let options = ["--preset", preset, "--read", "@outside"];
        host.sandbox(connect)
            .options(options)
            .output()
            .stdout("failed 13");
    }
    host.sandbox(connect)
        .options(["--hide", &server.address])
        .output()
        .stdout("failed 13");
    assert_eq!(server.visitors(), 0);
    host.sandbox(connect)
        .options(WITHOUT)
        .output()
        .stdout("heard the host");
    host.sandbox(connect)
        .options(["--write", &server.address])
        .output()
        .stdout("heard the host");
    assert_eq!(server.visitors(), 2);
}

#[test]
fn no_other_way_leads_to_a_socket_of_the_hosts() {
    let host = Host::new();
    let server = Server::at(&host.path("@outside/s"));
    let outside = host.path("@outside");
    symlink(outside.join("s"), host.path("link")).unwrap();
    symlink(&outside, host.path("way")).unwrap();
    for path in [
        "link",
        "way/s",
        "./way/./s",
        "../outside/s",
        "/proc/self/cwd/link",
        "/proc/thread-self/cwd/way/s",
    ] {
        let connect = ["@payload", "unix", path];
        host.sandbox(connect).output().stdout("failed 13");
        host.sandbox(connect)
            .options(WITHOUT)
            .output()
            .stdout("heard the host");
    }
    let root = format!("/proc/self/root{}", server.address);
    host.sandbox(["@payload", "unix", &root])
        .output()
        .stdout("failed 13");
    // By a descriptor of the socket's file, and of its directory.
    let path = format!("s:{}", outside.display());
    let by_descriptor = |name: &str, at: &str| {
        let [address, length] = address(at.as_bytes());
        Calls::new()
            .call(libc::SYS_socket, [UNIX, STREAM, "0"])
            .call(
                libc::SYS_openat,
                ["-100", &format!("{path}{name}"), "0x200000"],
            )
            .call(libc::SYS_connect, ["r:0", &address, &length])
    };
    for (name, at) in [("/s", "/proc/self/fd/4"), ("", "/proc/self/fd/4/s")] {
        let calls = by_descriptor(name, at);
        is_denied(host.sandbox(calls.clone()));
        is_done(host.sandbox(calls).options(WITHOUT));
    }
    // As long as addresses of IPv4 and IPv6, and of no more than a name.
    for path in ["way/////////s", "way/././././././././././s", "way/s"] {
        is_denied(host.sandbox(connect(STREAM, path.as_bytes())));
        is_done(
            host.sandbox(connect(STREAM, path.as_bytes()))
                .options(WITHOUT),
        );
    }
}

/// What is longer than an address is reached by a link, or from within.
#[test]
fn a_path_that_is_too_long_for_an_address_is_decided_as_any() {
    let long = ["d".repeat(60), "e".repeat(60)].join("/");
    let outside = format!("@outside/{long}");
    let host = Host::new().dir(&outside).dir(&long);
    let directory = fs::File::open(host.path(&outside)).unwrap();
    let descriptor = std::os::fd::AsRawFd::as_raw_fd(&directory);
    let server = Server::at(Path::new(&format!("/proc/self/fd/{descriptor}/s")));
    symlink(host.path(&outside), host.path("way")).unwrap();
    let connect = ["@payload", "unix", "way/s"];
    host.sandbox(connect).output().stdout("failed 13");
    assert_eq!(server.visitors(), 0);
    host.sandbox(connect)
        .options(WITHOUT)
        .output()
        .stdout("heard the host");
    let place = format!("{outside}/s");
    host.sandbox(connect)
        .options(["--write", &place])
        .output()
        .stdout("heard the host");
    let script = format!("cd {long} && \"$0\" bound s ./t");
    host.sandbox(["sh", "-c", &script, "@payload"])
        .output()
        .stdout("s\nt");
}

#[test]
fn sockets_of_every_kind_are_decided() {
    let host = Host::new();
    let place = host.path("@outside");
    let _datagrams = UnixDatagram::bind(place.join("datagrams")).unwrap();
    let sequenced = nix::sys::socket::socket(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::SeqPacket,
        nix::sys::socket::SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    let at = nix::sys::socket::UnixAddr::new(&place.join("sequenced")).unwrap();
    nix::sys::socket::bind(std::os::fd::AsRawFd::as_raw_fd(&sequenced), &at).unwrap();
    nix::sys::socket::listen(&sequenced, nix::sys::socket::Backlog::new(9).unwrap()).unwrap();
    let path = |name: &str| place.join(name).into_os_string().into_encoded_bytes();
    let sequenced = || connect(SEQUENCED, &path("sequenced"));
    is_denied(host.sandbox(sequenced()));
    is_done(host.sandbox(sequenced()).options(WITHOUT));
    is_done(host.sandbox(sequenced()).options(["--write", "@outside"]));
    // There are none of datagrams unless a rule asks for them.
    let datagrams = || connect(DATAGRAM, &path("datagrams"));
    let outcome = host
        .sandbox(datagrams())
        .options(["--write", "@outside"])
        .output();
    assert_eq!(
        Answer::all(&outcome.text())[0],
        Answer::Failed(Errno::EPERM)
    );
    let policy =
        |more: &str| format!("extends = [\"agent\"]\n[system]\nunix-datagram = \"allow\"\n{more}");
    is_denied(host.sandbox(datagrams()).policy(&policy("")));
    is_done(
        host.sandbox(datagrams())
            .policy(&policy("[files]\n\"@outside\" = \"write\"\n")),
    );
}

/// Of messages that are whole and in their order, to each other and to nobody else: what a pair of datagrams would send to any socket.
#[test]
fn a_pair_of_datagrams_sends_to_its_other_end_only() {
    let host = Host::new();
    let place = host.path("@outside");
    let hears = UnixDatagram::bind(place.join("hears")).unwrap();
    hears.set_nonblocking(true).unwrap();
    let script = r#"
import os, socket, sys
flags = socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM | flags)
try:
    other.recv(9)
    sys.exit("it waits, or has heard something")
except BlockingIOError:
    pass
one.send(b"first"); one.send(b"second")
print(other.recv(9), other.recv(3))
print([os.get_inheritable(end.fileno()) for end in (one, other)])
try:
    one.sendto(b"third", sys.argv[1])
    one.sendmsg([b"fourth"], [], 0, sys.argv[1])
except OSError as error:
    print(error.strerror)
"#;
    let run = || host.sandbox(["python3", "-c", script, "@outside/hears"]);
    let expected = "b'first' b'sec'\n[False, False]\n";
    let outcome = run().options(["--write", "@outside"]).output();
    assert!(outcome.text().starts_with(expected), "{}", outcome.text());
    assert!(hears.recv(&mut [0; 9]).is_err());
    // Who opens datagrams gets them.
    let policy = "extends = [\"agent\"]\n[files]\n\"@outside\" = \"write\"\n[system]\nunix-datagram = \"allow\"\n";
    run().policy(policy).output();
    assert_eq!(hears.recv(&mut [0; 9]).unwrap(), 5);
    // And where nobody is there to give a pair of something else, there is none.
    let pair = || Calls::new().call(libc::SYS_socketpair, [UNIX, DATAGRAM, "0", "z:8"]);
    is_done(host.sandbox(pair()));
    let outcome = host.sandbox(pair()).options(WITHOUT).output();
    assert_eq!(last(&outcome), Answer::Failed(Errno::EPERM));
}

/// It is the sandbox's, as one of streams is: of its network, and of a process in it.
#[test]
fn a_pair_is_of_the_sandbox() {
    let host = Host::new();
    let script = r#"
import fcntl, os, socket, struct
def told(kind):
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    process, user, group = struct.unpack("iII", one.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    SO_NETNS_COOKIE, SIOCGIFNAME = 71, 0x8910
    network = one.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
    try:
        second = fcntl.ioctl(one, SIOCGIFNAME, struct.pack("16si20x", b"", 2))[:16]
    except OSError as error:
        second = error.strerror
    return process > 1, user == os.getuid(), group == os.getgid(), network, second
print(told(socket.SOCK_DGRAM) == told(socket.SOCK_STREAM))
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
one.bind("\0sandbox-test-pair-" + str(os.getpid()))
print(open("/proc/net/unix").read().count("@sandbox-test-pair-"))
__import__("time").sleep(60)
"#;
    for options in [&[][..], &["--lower", "landlock=5"]] {
        let command = host.sandbox(["python3", "-u", "-c", script]);
        let mut running = command.options(options).start();
        running.prints("True\n1\n");
        let outside = std::fs::read_to_string("/proc/net/unix").unwrap();
        assert!(!outside.contains("@sandbox-test-pair-"), "{outside}");
        running.signal(nix::sys::signal::Signal::SIGTERM);
        running.wait();
    }
}

/// A closed end is the end, whoever has made it.
#[test]
fn an_end_of_a_pair_that_is_closed_is_closed() {
    let host = Host::new();
    let script = r#"
import socket
for n in range(200):
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.close()
    assert other.recv(9) == b""
print("closed")
"#;
    let outcome = host.sandbox(["python3", "-c", script]).output();
    outcome.stdout("closed");
}

#[test]
fn a_pair_that_cannot_be_told_is_not_given() {
    let host = Host::new();
    let pair = |numbers| {
        let call = Calls::new().call(libc::SYS_socketpair, [UNIX, DATAGRAM, "0", numbers]);
        // The next number shows whether any was given.
        call.call(libc::SYS_dup, ["1"])
    };
    let next = |numbers| {
        let outcome = host.sandbox(pair(numbers)).output();
        let answers = Answer::all(&outcome.text());
        (answers[0], answers[1])
    };
    let (done, after) = next("z:8");
    assert_eq!(done, Answer::Returned(0));
    for nowhere in ["0", "1", "-1", "-4096"] {
        let (failed, unchanged) = next(nowhere);
        assert_eq!(failed, Answer::Failed(Errno::EFAULT), "{nowhere}");
        assert_ne!(unchanged, after, "{nowhere}");
    }
    let wrong = Calls::new().call(libc::SYS_socketpair, [UNIX, "18", "0", "z:8"]);
    assert_eq!(
        last(&host.sandbox(wrong).output()),
        Answer::Failed(Errno::EINVAL)
    );
}

#[test]
fn what_was_made_inside_is_reached() {
    let host = Host::new();
    for path in ["/tmp/s", "/dev/shm/s", "s"] {
        let [address, length] = address(path.as_bytes());
        let calls = bind(path.as_bytes())
            .call(libc::SYS_listen, ["r:0", "1"])
            .call(libc::SYS_socket, [UNIX, STREAM, "0"])
            .call(libc::SYS_connect, ["r:3", &address, &length]);
        is_done(host.sandbox(calls));
    }
    let abstracts = ["\0name", "\0n"];
    for name in abstracts {
        for network in ["deny", "host"] {
            let [address, length] = address(name.as_bytes());
            let calls = bind(name.as_bytes())
                .call(libc::SYS_listen, ["r:0", "1"])
                .call(libc::SYS_socket, [UNIX, STREAM, "0"])
                .call(libc::SYS_connect, ["r:3", &address, &length]);
            is_done(host.sandbox(calls).options(["--network", network]));
        }
    }
    // A name that the kernel chooses: five hexadecimal digits behind a NUL (unix(7)).
    let calls = Calls::new()
        .call(libc::SYS_socket, [UNIX, STREAM, "0"])
        .call(libc::SYS_bind, ["r:0", "x:0100", "2"])
        .call(libc::SYS_getsockname, ["r:0", "z:110", "a:110"]);
    is_done(host.sandbox(calls));
}

#[test]
fn the_other_side_sees_a_process_of_the_sandbox() {
    let host = Host::new();
    let path = host.path("s");
    let listener = UnixListener::bind(&path).unwrap();
    let running = host.sandbox(["@payload", "unix", "s"]).start();
    let (stream, _) = listener.accept().unwrap();
    let peer = getsockopt(&stream, PeerCredentials).unwrap();
    assert_eq!(peer.uid(), nix::unistd::geteuid().as_raw());
    let caller = running.pid().as_raw();
    let ours = i32::try_from(std::process::id()).unwrap();
    assert!(
        peer.pid() != caller && peer.pid() != ours && peer.pid() > 0,
        "{}",
        peer.pid()
    );
    drop(stream);
    running.wait().stdout("heard ");
}

#[test]
fn a_protected_name_is_no_sockets() {
    for path in [".envrc", "a/.git/config", ".vscode"] {
        let host = Host::new().dir("a/.git");
        is_denied(host.sandbox(bind(path.as_bytes())));
        assert!(!host.has(path));
        is_done(host.sandbox(bind(path.as_bytes())).options(WITHOUT));
        assert!(
            host.path(path)
                .symlink_metadata()
                .unwrap()
                .file_type()
                .is_socket()
        );
    }
    // By a link in the place of a directory, and at a place of the host's.
    let host = Host::new().dir(".git").symlink("way", ".git");
    is_denied(host.sandbox(bind(b"way/config")));
    let outside = host
        .path("@outside/new")
        .into_os_string()
        .into_encoded_bytes();
    let outcome = host.sandbox(bind(&outside)).output();
    assert_eq!(
        last(&outcome),
        Answer::Failed(Errno::EROFS),
        "{}",
        outcome.show()
    );
}

/// Its own address is as it was given, wherever the name lies; and the mode is by the umask.
#[test]
fn a_socket_knows_its_address() {
    let host = Host::new().dir("a/b");
    let script = ["sh", "-c", "umask 027; exec \"$0\" bound a/b/n", "@payload"];
    host.sandbox(script).output().stdout("a/b/n");
    assert_eq!(mode(&host.path("a/b/n")), 0o750);
    let absolute = host.path("a/b/m").display().to_string();
    let outcome = host
        .sandbox(["@payload", "bound", "/tmp/x", &absolute])
        .output();
    outcome.stdout(&format!("/tmp/x\n{absolute}"));
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A server that accepts nobody keeps those that wait for it, and nobody else; those who would not wait hear so.
#[test]
fn who_waits_for_a_server_waits_alone() {
    let host = Host::new();
    let [address, length] = address(b"/tmp/full");
    let (again, wait) = ("0x801", STREAM);
    let to = |calls: Calls, kind: &str, number: &str| {
        calls
            .call(libc::SYS_socket, [UNIX, kind, "0"])
            .call(libc::SYS_connect, [number, &address, &length])
    };
    let full = bind(b"/tmp/full").call(libc::SYS_listen, ["r:0", "0"]);
    let full = to(full, wait, "r:3");
    let calls = to(full.clone(), again, "r:5")
        .call(libc::SYS_socket, [UNIX, STREAM, "0"])
        // SO_SNDTIMEO: a hundredth of a second.
        .call(libc::SYS_setsockopt, ["r:7", "1", "21", "a:0,10000", "16"])
        .call(libc::SYS_connect, ["r:7", &address, &length]);
    let answers = Answer::all(&host.sandbox(calls).output().text());
    let refused = Answer::Failed(Errno::EAGAIN);
    assert_eq!(
        [answers[4], answers[6], answers[8], answers[9]],
        [Answer::Returned(0), refused, Answer::Returned(0), refused]
    );

    // All who can wait at the same time do; one more is told so; and all end with the command.
    let words = |calls: Calls| {
        let words = calls.into_iter().skip(1).map(|word| format!("'{word}'"));
        words.collect::<Vec<_>>().join(" ")
    };
    let waits = words(to(Calls::new(), wait, "r:0"));
    let script = format!(
        "\"$0\" {} & until grep -q '00010000 .*/tmp/full' /proc/net/unix; do :; done; \
         i=0; while [ $i -lt 270 ]; do \"$0\" {waits} & i=$((i+1)); done; \
         until \"$0\" tcp 127.0.0.1:1 | grep -q 'failed 11$'; do :; done; echo full >&2",
        words(to(full, wait, "r:5")),
    );
    let outcome = host.sandbox(["sh", "-c", &script, "@payload"]).output();
    outcome.succeeds().stderr_contains("full");
}

/// The attack: a socket whose last copy init closes, which then waits for a peer that never reads.
#[test]
fn nobody_waits_who_closes_a_commands_socket() {
    let host = Host::new();
    let script = "import socket as s, struct
a = s.socket()
a.setsockopt(s.SOL_SOCKET, s.SO_LINGER, struct.pack('ii', 1, 1 << 30))
print('lingers', struct.unpack('ii', a.getsockopt(s.SOL_SOCKET, s.SO_LINGER, 8))[0])";
    let command = ["/usr/bin/python3", "-c", script];
    host.sandbox(command).output().stdout_contains("lingers 0");
    let without = host.sandbox(command).options(WITHOUT);
    without.output().stdout_contains("lingers 1");
}

#[test]
fn connections_go_on_as_ever() {
    let host = Host::new();
    for network in ["deny", "host"] {
        let server = Server::tcp("127.0.0.1");
        let options = ["--network", network];
        host.sandbox(["@payload", "loopback"])
            .options(options)
            .output()
            .stdout("heard myself");
        let refused = ["@payload", "tcp", "127.0.0.1:1"];
        host.sandbox(refused)
            .options(options)
            .output()
            .stdout("failed 111");
        if network == "host" {
            host.sandbox(["@payload", "tcp", &server.address])
                .options(options)
                .output()
                .stdout("heard the host");
        }
        // One that does not wait: no answer has come by then.
        let calls = Calls::new()
            .call(libc::SYS_socket, ["2", "0x801", "0"])
            .call(
                libc::SYS_bind,
                ["r:0", "x:02000000000000000000000000000000", "16"],
            )
            .call(libc::SYS_socket, ["2", "1", "0"])
            .call(
                libc::SYS_connect,
                ["r:0", "x:020000017f0000010000000000000000", "16"],
            )
            .call(
                libc::SYS_connect,
                ["r:0", "x:020000017f0000010000000000000000", "200"],
            )
            .call(libc::SYS_connect, ["r:0", "8", "16"])
            .call(libc::SYS_connect, ["99", "8", "16"])
            .call(
                libc::SYS_connect,
                ["0", "x:020000017f0000010000000000000000", "16"],
            );
        let answers = Answer::all(&host.sandbox(calls.clone()).options(options).output().text());
        assert_eq!(
            answers,
            Answer::all(&host.bare(calls).output().text()),
            "{network}"
        );
    }
}

/// A capability that the caller has in the sandbox's user namespace from outside is not lent to a command.
#[test]
fn no_low_port_is_bound() {
    let host = Host::new();
    let outcome = host
        .sandbox([
            "@payload",
            "bind",
            "127.0.0.1:53",
            "127.0.0.1:80",
            "[::1]:880",
        ])
        .output();
    outcome.stdout(&["failed 13"; 6].join("\n"));
    let outcome = host
        .sandbox(["@payload", "bind", "127.0.0.1:1080", "[::1]:0"])
        .output();
    outcome.stdout(&["heard bound"; 4].join("\n"));
}

/// Nor does it learn the number of the caller's process.
#[test]
fn a_socket_of_netlink_has_a_number_of_the_sandbox() {
    let host = Host::new();
    let calls = Calls::new()
        .call(libc::SYS_socket, ["16", "3", "0"])
        .call(libc::SYS_bind, ["r:0", "x:100000000000000000000000", "12"])
        .call(libc::SYS_getsockname, ["r:0", "z:12", "a:12"])
        .call(libc::SYS_write, ["1", "b:1", "12"]);
    let running = host.sandbox(calls).start();
    let caller = running.pid().as_raw();
    let outcome = running.wait();
    // Family, and then the number.
    let (lines, rest) = outcome.stdout.split_at(b"ok 3\nok 0\nok 0\n".len());
    assert_eq!(lines, b"ok 3\nok 0\nok 0\n");
    let number = i32::from_ne_bytes(rest[4..8].try_into().unwrap());
    assert!(number != caller && (1..1000).contains(&number), "{number}");
}
