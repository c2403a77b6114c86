//! Invariant 20: descriptors that are handed over have their number inside, no other is open, and they give no more than they
//! were opened for.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::{
    fcntl::OFlag,
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        socket::{AddressFamily, SockFlag, SockType, socket},
        stat::fstat,
    },
};
use sandbox_testing::{Host, Moments, alone, needs, needs_root};
use sandboxed::{
    BadStream, Command, Error, LaunchError, Network, NumberProblem, Policy, Preset, Sandbox, Stdio,
};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs::{self, File},
    io::{PipeReader, Read, Seek, pipe},
    net::{TcpListener, TcpStream},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            fs::{OpenOptionsExt, PermissionsExt},
            net::UnixStream,
        },
    },
};

/// Everything readable, the workspace of this host writable.
fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap()
}

/// What is open in a command, by number.
fn inside(command: &mut Command<'_>) -> BTreeMap<i32, String> {
    let output = command.arg("descriptors").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |line: &str| {
        let (number, target) = line.split_once(' ').unwrap();
        (number.parse().unwrap(), target.to_owned())
    };
    text.lines().map(line).collect()
}

fn numbers(command: &mut Command<'_>) -> Vec<i32> {
    inside(command).into_keys().collect()
}

/// How `/proc` calls a pipe.
fn name(pipe: &PipeReader) -> String {
    format!("pipe:[{}]", fstat(pipe).unwrap().st_ino)
}

/// What init has open; only root may look.
fn open_in_init(init: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{init}/fd")).ok()?.count())
}

fn reader() -> PipeReader {
    pipe().unwrap().0
}

#[test]
fn those_that_are_handed_over_are_open_and_no_others() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let payload = host.payload();
    assert_eq!(numbers(&mut sandbox.command(&payload)), [0, 1, 2]);
    let mut command = sandbox.command(&payload);
    for number in [700, 3, 9, 4] {
        command.fd(number, reader());
    }
    // Also when it is used again, and not in the next one.
    for _ in 0..2 {
        assert_eq!(numbers(&mut command), [0, 1, 2, 3, 4, 9, 700]);
        assert_eq!(numbers(&mut sandbox.command(&payload)), [0, 1, 2]);
    }
}

/// Numbers that are also those of init's own, and of what is on its way to another number.
#[test]
fn each_number_is_what_was_meant() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut moments = Moments::up_to(std::time::Duration::ZERO);
    for _ in 0..20 {
        let mut command = sandbox.command(host.payload());
        let mut expected = BTreeMap::new();
        let span = 3 + moments.below(60);
        for _ in 0..span {
            let number = 3 + i32::try_from(moments.below(span)).unwrap();
            if let Entry::Vacant(entry) = expected.entry(number) {
                let pipe = reader();
                entry.insert(name(&pipe));
                command.fd(number, pipe);
            }
        }
        let mut inside = inside(&mut command);
        inside.retain(|number, _| *number > 2);
        assert_eq!(inside, expected, "seed {}", moments.seed);
    }
}

/// Init hands sockets over at the first command, whose numbers are free then.
#[test]
fn they_arrive_where_the_gateway_begins_with_the_command() {
    let host = Host::new();
    let policy = Policy::preset(Preset::ReadOnly).allow("example.com");
    let sandbox = Sandbox::new(&policy).unwrap();
    let (one, other) = (reader(), reader());
    let expected = BTreeMap::from([(3, name(&one)), (9, name(&other))]);
    let mut command = sandbox.command(host.payload());
    command.fd(3, one).fd(9, other);
    let mut inside = inside(&mut command);
    inside.retain(|number, _| *number > 2);
    assert_eq!(inside, expected);
}

#[test]
fn a_thousand_arrive_and_init_keeps_none() {
    alone("a_thousand");
}

#[test]
#[ignore = "started by `a_thousand_arrive_and_init_keeps_none`"]
fn a_thousand() {
    let hard = getrlimit(Resource::RLIMIT_NOFILE).unwrap().1;
    if !needs("2,000 open files", hard >= 2000) {
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, 2000, hard).unwrap();
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut child = sandbox.command("true").spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let before = open_in_init(child.id());
    let mut command = sandbox.command(host.payload());
    let mut expected = BTreeMap::new();
    for index in 0..1000 {
        // Down, up and in between: init has them from some small number on.
        let number = if index < 500 {
            3 + index
        } else {
            1499 - index + 499
        };
        let pipe = reader();
        expected.insert(number, name(&pipe));
        command.fd(number, pipe);
    }
    let mut inside = inside(&mut command);
    inside.retain(|number, _| *number > 2);
    assert_eq!(inside, expected);
    drop(command);
    assert_eq!(numbers(&mut sandbox.command(host.payload())), [0, 1, 2]);
    assert_eq!(open_in_init(child.id()), before);
}

#[test]
fn init_keeps_none_of_a_command_that_fails() {
    if !needs_root() {
        return;
    }
    let host = Host::new().file("@outside/file", "text");
    let sandbox = sandbox(&host);
    let mut child = sandbox.command("true").spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let before = open_in_init(child.id()).unwrap();
    for program in ["/no/such/program", "true"] {
        let file = File::open(host.path("@outside/file")).unwrap();
        let mut command = sandbox.command(program);
        command.fd(3, file).fd(300, reader());
        drop(command.status());
        assert_eq!(open_in_init(child.id()), Some(before), "{program}");
    }
}

fn bad(error: Result<sandboxed::ExitStatus, Error>) -> Option<BadStream> {
    match error {
        Ok(_) => None,
        Err(Error::Descriptor { number: 3, kind }) => Some(kind),
        Err(other) => unreachable!("{other:?}"),
    }
}

/// The same unconfined, where the descriptor is standard input.
fn bare(fd: impl Into<OwnedFd>, args: &[&str]) -> Vec<u8> {
    let (program, args) = args.split_first().unwrap();
    let args = args
        .iter()
        .map(|arg| arg.replace("fd/3", "fd/0").replace("<&3", "<&0"));
    let mut command = std::process::Command::new(program);
    command.args(args).stdin(fd.into()).output().unwrap().stdout
}

#[test]
fn what_leads_out_of_the_sandbox_is_refused() {
    let host = Host::new().file("@outside/private", "SECRET\n");
    let policy = Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("@outside"));
    let sandbox = Sandbox::new(&policy).unwrap();
    let path_only = |path| {
        let mut options = File::options();
        options.read(true).custom_flags(OFlag::O_PATH.bits());
        OwnedFd::from(options.open(host.path(path)).unwrap())
    };
    let namespace = File::open("/proc/self/ns/net").unwrap();
    let directory = || OwnedFd::from(File::open(host.path("@ws")).unwrap());
    for (fd, kind) in [
        (directory(), Some(BadStream::Directory)),
        (path_only("@outside/private"), Some(BadStream::Path)),
        (namespace.into(), Some(BadStream::Handle)),
        (OwnedFd::from(reader()), None),
    ] {
        let status = sandbox.command("true").fd(3, fd).status();
        assert_eq!(bad(status), kind);
    }
    // Control: the way that is closed is one.
    for (fd, path) in [
        (directory(), "/proc/self/fd/3/../outside/private"),
        (path_only("@outside/private"), "/proc/self/fd/3"),
    ] {
        assert_eq!(bare(fd, &["cat", path]), b"SECRET\n");
    }
}

#[test]
fn a_socket_of_the_network_is_handed_over_where_the_policy_has_it() {
    let host = Host::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let speak = |network| {
        let policy = Policy::preset(Preset::ReadOnly).network(network);
        let sandbox = Sandbox::new(&policy).unwrap();
        let mut command = sandbox.command("sh");
        command.args(["-c", "echo hello >&3"]).fd(3, connect());
        bad(command.status())
    };
    assert_eq!(speak(Network::Deny), Some(BadStream::Network));
    let refused = listener.accept().unwrap().0;
    assert_eq!(std::io::read_to_string(refused).unwrap(), "");
    assert_eq!(speak(Network::Host), None);
    let heard = listener.accept().unwrap().0;
    assert_eq!(std::io::read_to_string(heard).unwrap(), "hello\n");

    let sandbox = sandbox(&host);
    let lonely = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo hello >&3"]);
    assert_eq!(
        bad(command.fd(3, lonely.unwrap()).status()),
        Some(BadStream::Unconnected)
    );
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo hello >&3"]).fd(3, theirs);
    assert_eq!(bad(command.status()), None);
    drop(command);
    let mut heard = String::new();
    ours.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello\n");
}

/// By its owner a file that is open for reading could be opened for writing, and its mode be changed.
#[test]
fn a_file_that_is_open_for_reading_gives_no_more() {
    let host = Host::new().file("@outside/file", "before\n");
    let path = host.path("@outside/file");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let attack = "cat <&3; echo after > /proc/self/fd/3; chmod 604 /proc/self/fd/3; touch -d @0 /proc/self/fd/3";
    let file = || File::open(&path).unwrap();
    let modified = || fs::metadata(&path).unwrap().modified().unwrap();
    let before = modified();

    let sandbox = sandbox(&host);
    let mut command = sandbox.command("sh");
    command.args(["-c", attack]).fd(3, file());
    assert_eq!(command.output().unwrap().stdout, b"before\n");
    assert_eq!(
        (host.read("@outside/file").as_str(), mode(), modified()),
        ("before\n", 0o640, before)
    );

    assert_eq!(bare(file(), &["sh", "-c", attack]), b"before\n");
    assert_eq!(
        (host.read("@outside/file").as_str(), mode()),
        ("after\n", 0o604),
        "control"
    );
    assert_ne!(modified(), before, "control");
}

#[test]
fn a_file_is_read_on_where_the_command_has_left_it() {
    let host = Host::new().file("@outside/file", "one\ntwo\nthree\n");
    let sandbox = sandbox(&host);
    let mut file = File::open(host.path("@outside/file")).unwrap();
    file.seek(std::io::SeekFrom::Start(4)).unwrap();
    let mut command = sandbox.command("sh");
    command
        .args(["-c", "dd bs=4 count=1 <&9 2>/dev/null"])
        .fd(9, file.try_clone().unwrap());
    assert_eq!(command.output().unwrap().stdout, b"two\n");
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "three\n");
}

#[test]
fn a_file_that_is_open_for_writing_is_written() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let log = File::create(host.path("@outside/log")).unwrap();
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo line >&3"]).fd(3, log);
    for _ in 0..2 {
        assert!(command.status().unwrap().success());
    }
    assert_eq!(host.read("@outside/log"), "line\nline\n");
}

#[test]
fn a_pipe_ends_with_the_command_and_its_line() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let (mut reader, writer) = pipe().unwrap();
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo hello >&3"]).fd(3, writer);
    assert!(command.status().unwrap().success());
    drop(command);
    // Init, which goes on, would keep it open.
    let mut heard = String::new();
    reader.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "hello\n");
}

#[test]
fn a_wrong_number_is_told_and_costs_no_init() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut child = sandbox.command("true").spawn().unwrap();
    assert!(child.wait().unwrap().success());
    let limit = getrlimit(Resource::RLIMIT_NOFILE).unwrap().0;
    let limit = i32::try_from(limit).unwrap();
    for (numbers, wrong, expected, text) in [
        (vec![-1], -1, NumberProblem::Reserved, "cannot be chosen"),
        (vec![0], 0, NumberProblem::Reserved, "cannot be chosen"),
        (vec![7, 2], 2, NumberProblem::Reserved, "cannot be chosen"),
        (vec![8, 3, 8], 8, NumberProblem::Twice, "twice"),
        (
            vec![limit],
            limit,
            NumberProblem::BeyondLimit,
            "lies beyond",
        ),
        (
            vec![3, i32::MAX],
            i32::MAX,
            NumberProblem::BeyondLimit,
            "lies beyond",
        ),
    ] {
        let mut command = sandbox.command("true");
        for number in numbers {
            command.fd(number, reader());
        }
        let error = command.status().unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
        match error {
            Error::Launch(LaunchError::Number { number, problem }) => {
                assert_eq!((number, problem), (wrong, expected));
            }
            other => unreachable!("{other:?}"),
        }
        let mut next = sandbox
            .command("true")
            .fd(limit - 1, reader())
            .spawn()
            .unwrap();
        assert!(next.wait().unwrap().success());
        assert_eq!(next.id(), child.id());
    }
}

/// The policy's own limit holds for numbers, too.
#[test]
fn a_number_beyond_the_limit_of_the_policy_is_told() {
    let policy = Policy::preset(Preset::ReadOnly).open_files(20);
    let sandbox = Sandbox::new(&policy).unwrap();
    let run = |number| sandbox.command("true").fd(number, reader()).status();
    assert!(run(19).unwrap().success());
    let error = run(20).unwrap_err();
    assert!(error.remedy().unwrap().contains("open_files"), "{error}");
}

#[test]
fn a_standard_stream_may_be_handed_over_once_more() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let (mut reader, writer) = pipe().unwrap();
    let mut command = sandbox.command("sh");
    command
        .args(["-c", "echo one; echo two >&3; echo three >&2"])
        .stdout(writer.try_clone().unwrap())
        .fd(3, writer.as_fd().try_clone_to_owned().unwrap())
        .stderr(Stdio::from(writer));
    assert!(command.status().unwrap().success());
    drop(command);
    let mut heard = String::new();
    reader.read_to_string(&mut heard).unwrap();
    assert_eq!(heard, "one\ntwo\nthree\n");
}
