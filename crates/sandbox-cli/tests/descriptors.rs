//! Invariant 20: nothing but 0, 1 and 2 is inherited, and these give no more than they were opened for.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use sandbox_testing::{Answer, Calls, Host, binary};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
        unix::{
            fs::OpenOptionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    process::Stdio,
};

fn host() -> Host {
    Host::new().file("@outside/private", "SECRET\n")
}

/// A descriptor that the next program inherits, at this number or above.
fn inheritable(fd: impl AsFd, lowest: i32) -> OwnedFd {
    let copy = fcntl(fd, FcntlArg::F_DUPFD(lowest)).unwrap();
    #[expect(unsafe_code, reason = "nix returns the number of what it made")]
    // SAFETY: `F_DUPFD` has made this descriptor for us.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    fcntl(&copy, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    copy
}

#[test]
fn only_the_standard_streams_are_open() {
    let host = host();
    let file = File::open(host.path("@outside/private")).unwrap();
    let _low = inheritable(&file, 3);
    let _high = inheritable(&file, 700);
    let numbers = |text: String| -> Vec<String> {
        text.lines()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    };
    let inside = host.sandbox(["@payload", "descriptors"]).output();
    assert_eq!(numbers(inside.text()), ["0", "1", "2"], "{}", inside.show());
    let outside = host.bare(["@payload", "descriptors"]).output();
    assert!(
        numbers(outside.text()).len() >= 5,
        "control: {}",
        outside.show()
    );
}

#[test]
fn a_secret_that_the_caller_has_open_is_not_read() {
    let host = host();
    let file = File::open(host.path("@outside/private")).unwrap();
    for lowest in [3, 700] {
        let fd = inheritable(&file, lowest);
        let command = ["cat", &format!("/proc/self/fd/{}", fd.as_raw_fd())];
        host.sandbox(command).output().fails().never_says("SECRET");
        host.bare(command).output().succeeds().stdout("SECRET");
    }
}

#[test]
fn a_directory_that_the_caller_has_open_leads_nowhere() {
    let host = host();
    let fd = inheritable(File::open(host.path("@outside")).unwrap(), 3);
    let command = ["cat", &format!("/proc/self/fd/{}/private", fd.as_raw_fd())];
    let hidden = host.run("@outside = hide", command);
    hidden.fails().never_says("SECRET");
    host.bare(command).output().succeeds().stdout("SECRET");
}

#[test]
fn a_socket_of_the_callers_hears_nothing() {
    let host = host();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let fd = inheritable(&theirs, 3);
    let number = fd.as_raw_fd().to_string();
    let write = Calls::new().call(libc::SYS_write, [&*number, "s:exfiltrated", "11"]);
    let heard = || (&ours).read(&mut [0; 64]).unwrap_or(0);
    host.sandbox(write.clone())
        .output()
        .stdout_contains("errno");
    assert_eq!(heard(), 0);
    host.bare(write).output().stdout("ok 11");
    assert_eq!(heard(), 11, "control");
}

/// Opens something as a path only.
fn path_only(host: &Host, path: &str) -> File {
    File::options()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(host.path(path))
        .unwrap()
}

#[test]
fn a_directory_is_no_standard_stream() {
    let host = host();
    let out = ["cat", "/proc/self/fd/0/../outside/private"];
    let directory = || File::open(host.path("@ws")).unwrap();
    host.sandbox(out)
        .options(["--hide", "@outside"])
        .stdin_from(directory())
        .output()
        .refuses()
        .stderr_contains("standard input is a directory");
    host.bare(out)
        .stdin_from(directory())
        .output()
        .succeeds()
        .stdout("SECRET");
}

#[test]
fn a_path_descriptor_is_no_standard_stream() {
    let host = host();
    let read = ["cat", "/proc/self/fd/0"];
    for path in ["@ws", "@outside/private"] {
        host.sandbox(read)
            .options(["--hide", "@outside"])
            .stdin_from(path_only(&host, path))
            .output()
            .refuses()
            .stderr_contains("standard input is a path");
    }
    host.bare(read)
        .stdin_from(path_only(&host, "@outside/private"))
        .output()
        .succeeds()
        .stdout("SECRET");
}

/// A TCP connection to this test, and the test's end of it.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (caller, listener.accept().unwrap().0)
}

#[test]
fn a_socket_of_the_network_is_no_standard_stream() {
    let host = host();
    let (caller, mut peer) = connection();
    let write = Calls::new().call(libc::SYS_write, ["0", "s:exfiltrated", "11"]);
    let streams: [OwnedFd; 3] = [
        caller.try_clone().unwrap().into(),
        TcpListener::bind("127.0.0.1:0").unwrap().into(),
        UdpSocket::bind("127.0.0.1:0").unwrap().into(),
    ];
    for stream in streams {
        host.sandbox(write.clone())
            .stdin_from(stream)
            .output()
            .refuses()
            .stderr_contains("standard input is a socket of the network")
            .stderr_contains("default = \"host\"");
    }
    peer.set_nonblocking(true).unwrap();
    assert!(peer.read(&mut [0; 64]).is_err(), "nothing has arrived");
    host.sandbox(write)
        .options(["--network", "host"])
        .stdin_from(OwnedFd::from(caller))
        .output()
        .stdout("ok 11");
    assert_eq!(peer.read(&mut [0; 64]).unwrap(), 11, "control");
}

#[test]
fn a_unix_stream_without_a_peer_is_no_standard_stream() {
    let host = host();
    let listener = UnixListener::bind(host.path("@outside/listener")).unwrap();
    host.sandbox(["cat"])
        .stdin_from(OwnedFd::from(listener))
        .output()
        .refuses()
        .stderr_contains("standard input is a Unix socket without a peer");
    // Control: a connected one, as programs hand to their children.
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    ours.write_all(b"handed over").unwrap();
    drop(ours);
    host.sandbox(["cat"])
        .stdin_from(OwnedFd::from(theirs))
        .output()
        .succeeds()
        .stdout("handed over");
}

#[test]
fn a_handle_on_a_process_is_no_standard_stream() {
    let host = host();
    let mut victim = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let handle = || {
        #[expect(unsafe_code, reason = "nix has no call for it")]
        // SAFETY: the call takes two numbers, and makes a descriptor that is ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, victim.id(), 0) };
        let fd = i32::try_from(fd).unwrap();
        assert!(fd >= 0);
        #[expect(unsafe_code, reason = "a raw call returns a number")]
        // SAFETY: `pidfd_open` has made this descriptor for us.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        fd
    };
    let (first, second) = (handle(), handle());
    let signal = Calls::new().call(libc::SYS_pidfd_send_signal, ["0", "9", "0", "0"]);
    host.sandbox(signal.clone())
        .stdin_from(first)
        .output()
        .refuses()
        .stderr_contains("standard input is a handle");
    assert!(victim.try_wait().unwrap().is_none());
    host.bare(signal).stdin_from(second).output().stdout("ok 0");
    assert!(!victim.wait().unwrap().success(), "control");
}

#[test]
fn output_into_a_directory_or_a_path_is_refused_too() {
    let host = host();
    for stream in [1, 2] {
        for path in [false, true] {
            let file = if path {
                path_only(&host, "@ws")
            } else {
                File::open(host.path("@ws")).unwrap()
            };
            let fd = inheritable(&file, 3);
            // Not dash, which knows no number above 9.
            let script = format!("exec \"$0\" \"$@\" {stream}>&{}", fd.as_raw_fd());
            let words = host.sandbox(["touch", "started"]).words();
            let words = words.iter().map(|word| word.to_str().unwrap());
            let outcome = host
                .bare(["bash", "-c", &script].into_iter().chain(words))
                .output();
            outcome.exits(125);
            assert!(!host.has("started"), "{}", outcome.show());
        }
    }
}

#[test]
fn an_input_opened_for_reading_is_not_written() {
    for write in [
        "echo x > /proc/self/fd/0",
        "echo x >> /dev/stdin",
        "echo x > /proc/self/fd/0; truncate -s 0 /proc/$$/fd/0",
        "chmod 600 /proc/self/fd/0; echo x > /proc/self/fd/0",
        "echo x 1<>/proc/self/fd/0",
    ] {
        let command = ["sh", "-c", write];
        let host = host();
        let input = || File::open(host.path("@outside/public")).unwrap();
        let before = host.snapshot_outside();
        host.sandbox(command).stdin_from(input()).output();
        before.is_unchanged();
        host.bare(command).stdin_from(input()).output();
        let changed = std::panic::catch_unwind(|| before.is_unchanged()).is_err();
        assert!(changed, "control: {write}");
    }
}

#[test]
fn an_input_opened_for_reading_is_not_written_by_its_descriptor() {
    let host = host();
    let calls = Calls::new()
        .call(libc::SYS_openat, ["-100", "s:/proc/self/fd/0", "2"])
        .call(libc::SYS_openat, ["-100", "s:/dev/stdin", "0x200"])
        .call(libc::SYS_ftruncate, ["0", "0"])
        .call(libc::SYS_fchmod, ["0", "0x180"])
        .call(libc::SYS_fsetxattr, ["0", "s:user.x", "s:y", "1", "0"])
        .call(
            libc::SYS_linkat,
            ["0", "s:", "-100", "s:@ws/linked", "0x1000"],
        )
        .call(
            libc::SYS_linkat,
            ["-100", "s:/proc/self/fd/0", "-100", "s:@ws/linked", "0x400"],
        );
    let before = host.snapshot_outside();
    let input = File::open(host.path("@outside/public")).unwrap();
    let outcome = host.sandbox(calls).stdin_from(input).output();
    before.is_unchanged();
    for answer in Answer::all(&outcome.text()) {
        assert!(matches!(answer, Answer::Failed(_)), "{}", outcome.show());
    }
}

#[test]
fn what_is_redirected_works() {
    let host = Host::new().file("in", "content\n");
    let script = "\"$0\" run -- cat < in > out 2> err";
    host.bare(["sh", "-c", script, binary().to_str().unwrap()])
        .output()
        .succeeds();
    assert_eq!(host.read("out"), "content\n");
    assert_eq!(host.read("err"), "");
    // A file that the policy does not let the command open is its to use where the person redirects it.
    let file = File::create(host.path("@outside/log")).unwrap();
    let words = host.sandbox(["echo", "logged"]).words();
    let fd = inheritable(&file, 3);
    // Not dash, which knows no number above 9.
    let script = format!("exec \"$0\" \"$@\" >&{}", fd.as_raw_fd());
    let words = words.iter().map(|word| word.to_str().unwrap());
    host.bare(["bash", "-c", &script].into_iter().chain(words))
        .output()
        .succeeds();
    assert_eq!(host.read("@outside/log"), "logged\n");
}

#[test]
fn pipes_carry_megabytes_both_ways() {
    let host = Host::new();
    let outcome = host
        .sandbox(["sh", "-c", "head -c 8000000 /dev/zero | cat | wc -c"])
        .output();
    outcome.succeeds().stdout("8000000");
    let outcome = host
        .sandbox(["head", "-c", "3000000", "/dev/zero"])
        .output();
    assert_eq!(outcome.succeeds().stdout.len(), 3_000_000);
    let input = vec![b'x'; 60_000];
    host.sandbox(["wc", "-c"])
        .stdin(input)
        .output()
        .stdout("60000");
}

#[test]
fn closed_streams_are_no_obstacle() {
    let host = Host::new();
    for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let script = format!("exec \"$0\" \"$@\" {redirection}");
        let words = host.sandbox(["sh", "-c", "cat; echo x; touch ran"]).words();
        let words = words.iter().map(|word| word.to_str().unwrap());
        host.bare(["sh", "-c", &script].into_iter().chain(words))
            .output()
            .exits(0);
        assert!(host.has("ran"), "{redirection}");
        fs::remove_file(host.path("ran")).unwrap();
    }
}

#[test]
fn null_is_an_input() {
    let host = Host::new();
    host.sandbox(["wc", "-c"])
        .stdin_from(Stdio::null())
        .output()
        .succeeds()
        .stdout("0");
}
