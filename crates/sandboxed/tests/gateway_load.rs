//! What the gateway costs its caller: no thread where no destination is named, and however many connections there are, no
//! descriptors that the caller needs, and nothing for good.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc;
use std::thread;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sandbox_testing::until;
use sandboxed::{Child, Policy, Preset, Sandbox, Stdio};
use tokio::net::TcpListener;

const AT_ONCE: usize = 2_000;

/// An echo on the host's loopback.
fn server() -> u16 {
    let (port, told) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            port.send(listener.local_addr().unwrap().port()).unwrap();
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = client.split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
    });
    told.recv().unwrap()
}

fn sandbox(port: u16) -> Sandbox {
    let policy = Policy::preset(Preset::ReadOnly)
        .read(std::env::current_exe().unwrap())
        .allow(format!("127.0.0.1:{port}"));
    Sandbox::new(&policy).unwrap()
}

/// Runs [`client`] inside.
fn start(sandbox: &Sandbox, port: u16, at_once: usize, rounds: usize) -> Child {
    let mut command = sandbox.command(std::env::current_exe().unwrap());
    command
        .args(["--exact", "client", "--ignored", "--nocapture"])
        .env("PORT", port.to_string())
        .env("AT_ONCE", at_once.to_string())
        .env("ROUNDS", rounds.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command.spawn().unwrap()
}

/// How many connections the client says that it holds.
fn held(child: &mut Child) -> usize {
    let mut text = String::new();
    let output = child.stdout.as_mut().unwrap();
    loop {
        let mut byte = [0];
        assert_eq!(output.read(&mut byte).unwrap(), 1, "{text}");
        text.push(char::from(byte[0]));
        if let Some(said) = text.strip_suffix(" are held") {
            let digits = said.rsplit(|character: char| !character.is_ascii_digit());
            return digits.into_iter().next().unwrap().parse().unwrap();
        }
    }
}

fn succeeds(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
#[ignore = "started in the sandbox"]
fn client() {
    let [port, at_once, rounds] =
        ["PORT", "AT_ONCE", "ROUNDS"].map(|name| std::env::var(name).unwrap().parse().unwrap());
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()));
    for _ in 0..rounds {
        let mut connections: Vec<_> = (0..at_once).map(|_| connect().unwrap()).collect();
        let mut is_held = |connection: &mut TcpStream| {
            let mut heard = [0; 4];
            let held = connection.write_all(b"\0one");
            held.and_then(|()| connection.read_exact(&mut heard))
                .is_ok_and(|()| heard == *b"\0one")
        };
        let mut held = || {
            let held = connections.iter_mut().map(&mut is_held);
            held.filter(|is_held| *is_held).count()
        };
        // All of them are still there when the last one has come.
        held();
        println!("{} are held", held());
    }
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn set_limit(descriptors: u64) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, descriptors.min(hard), hard).unwrap();
}

fn count(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

/// The threads of this process but for the notifier's, which come and go with the commands of every sandbox.
fn gateways_and_ours() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm"));
    let names = tasks.filter_map(|task| name(task.unwrap()).ok());
    let others = names.filter(|name| {
        !matches!(
            name.trim_end(),
            "sandbox-notify" | "sandbox-perform" | "sandbox-bulk"
        )
    });
    others.count()
}

/// Resident memory in kB, without files.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mut words = status.split_whitespace();
    words.find(|word| *word == "RssAnon:").unwrap();
    words.next().unwrap().parse().unwrap()
}

#[test]
#[ignore = "started by `what_names_no_destination_has_no_thread`"]
fn threads() {
    let run = |policy: Policy| {
        let sandbox = Sandbox::new(&policy).unwrap();
        let made = gateways_and_ours();
        assert!(sandbox.command("true").status().unwrap().success());
        (made, gateways_and_ours())
    };
    let before = gateways_and_ours();
    let policy = Policy::preset(Preset::ReadOnly);
    assert_eq!(run(policy.clone()), (before, before));
    // Control.
    assert_eq!(run(policy.allow("127.0.0.1:9")), (before, before + 1));
    assert_eq!(gateways_and_ours(), before);
}

#[test]
fn what_names_no_destination_has_no_thread() {
    sandbox_testing::alone("threads");
}

#[test]
#[ignore = "started by `two_thousand_connections_at_once_are_held`"]
fn many_at_once() {
    set_limit(16_384);
    let port = server();
    let sandbox = sandbox(port);
    let mut child = start(&sandbox, port, AT_ONCE, 1);
    assert_eq!(held(&mut child), AT_ONCE);
    succeeds(child);
}

#[test]
fn two_thousand_connections_at_once_are_held() {
    sandbox_testing::alone("many_at_once");
}

#[test]
#[ignore = "started by `ten_thousand_connections_leave_nothing_behind`"]
fn one_after_the_other() {
    const PART: usize = 500;
    set_limit(16_384);
    let port = server();
    let sandbox = sandbox(port);
    succeeds(start(&sandbox, port, 1, 1));
    let (threads, descriptors) = (gateways_and_ours(), count("/proc/self/fd"));
    // What is needed at one time is allocated by then.
    succeeds(start(&sandbox, port, PART, 2));
    let before = memory();
    succeeds(start(&sandbox, port, PART, 20));
    let grown = memory().saturating_sub(before);
    assert!(grown < 4 << 10, "{grown} kB");
    assert_eq!(gateways_and_ours(), threads);
    until("all connections are closed", || {
        count("/proc/self/fd") <= descriptors
    });
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    sandbox_testing::alone("one_after_the_other");
}

#[test]
#[ignore = "started by `connections_leave_the_caller_descriptors`"]
fn few_descriptors() {
    const LIMIT: u64 = 512;
    set_limit(LIMIT);
    let port = server();
    let sandbox = sandbox(port);
    let mut child = start(&sandbox, port, 400, 1);
    // Control: it gets many. Two descriptors each are the gateway's, and one is the server's, which is in this process as well.
    let held = u64::try_from(held(&mut child)).unwrap();
    assert!((LIMIT / 8..=LIMIT / 4).contains(&held), "{held}");
    let files: Vec<_> = (0..64).map(|_| File::open("/dev/null").unwrap()).collect();
    drop(files);
    succeeds(child);
}

#[test]
fn connections_leave_the_caller_descriptors() {
    sandbox_testing::alone("few_descriptors");
}
