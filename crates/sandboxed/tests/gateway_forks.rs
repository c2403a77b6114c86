//! A caller that forks, as daemons do it, or starts another program while its sandbox has a gateway.

#![expect(
    clippy::unwrap_used,
    clippy::exit,
    reason = "a test's way to fail is to panic, and a fork ends by itself"
)]

use std::io::{Read, Write, pipe};
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, alarm, fork};
use sandbox_testing::{Host, Server, alone};
use sandboxed::{Policy, Preset, Sandbox};

/// What a command is told at an address.
fn told(host: &Host, sandbox: &Sandbox, address: &str) -> String {
    let mut command = sandbox.command(host.payload());
    let output = command.args(["tcp", address]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A fork that does something; whether it succeeded.
fn in_a_fork(act: impl FnOnce()) -> bool {
    alarm::set(60);
    #[expect(unsafe_code, reason = "a fork, as daemons make it")]
    // SAFETY: the child does what a daemon would do, and ends without returning to the test harness.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            alarm::set(30);
            let done = catch_unwind(AssertUnwindSafe(act));
            std::process::exit(i32::from(done.is_err()));
        }
        ForkResult::Parent { child } => {
            matches!(waitpid(child, None).unwrap(), WaitStatus::Exited(_, 0))
        }
    }
}

#[test]
fn a_fork_has_a_gateway_of_its_own_and_leaves_its_parents_alone() {
    alone("beside_its_parent");
}

#[test]
#[ignore = "started by `a_fork_has_a_gateway_of_its_own_and_leaves_its_parents_alone`"]
fn beside_its_parent() {
    let host = Host::new();
    let (open, other) = (Server::tcp("127.0.0.1"), Server::tcp("127.0.0.1"));
    // Its parent has published a port, which nobody can publish once more.
    let (closed, policy, sandbox) = loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let port = format!("{}:3000", port.unwrap().port());
        let closed = Policy::preset(Preset::ReadOnly).publish(port);
        let policy = closed.clone().allow(&open.address);
        let sandbox = Sandbox::new(&policy).unwrap();
        if sandbox.command("true").status().is_ok() {
            break (closed, policy, sandbox);
        }
    };
    // What holds when it is forked.
    sandbox.update_network(&closed).unwrap();
    assert!(told(&host, &sandbox, &open.address).starts_with("failed"));
    let handle = &mut Some(sandbox);
    let succeeded = in_a_fork(|| {
        let sandbox = handle.take().unwrap();
        assert!(told(&host, &sandbox, &open.address).starts_with("failed"));
        sandbox.update_network(&policy).unwrap();
        assert_eq!(told(&host, &sandbox, &open.address), "heard the host\n");
        assert!(told(&host, &sandbox, &other.address).starts_with("failed"));
        drop(sandbox);
    });
    assert!(succeeded);
    let sandbox = handle.take().unwrap();
    assert!(told(&host, &sandbox, &open.address).starts_with("failed"));
    sandbox.update_network(&policy).unwrap();
    assert_eq!(told(&host, &sandbox, &open.address), "heard the host\n");
    assert_eq!((open.visitors(), other.visitors()), (2, 0));
}

#[test]
fn another_program_has_nothing_of_it() {
    alone("another_program");
}

#[test]
#[ignore = "started by `another_program_has_nothing_of_it`"]
fn another_program() {
    let host = Host::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let policy = Policy::preset(Preset::ReadOnly).allow(&address);
    let sandbox = Sandbox::new(&policy.publish("0:3000")).unwrap();
    let mut command = sandbox.command(host.payload());
    let mut child = command.args(["tcp", &address]).spawn().unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let listed = |directory: &str| {
        let mut list = Command::new("ls");
        let output = list.args(["-l", directory]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(listed("/proc/self/fd").matches("socket:").count(), 0);
    // Control: its parent has the gateway's, the listener and the connection above, and the sandbox's.
    let own = listed(&format!("/proc/{}/fd", std::process::id()));
    assert!(own.matches("socket:").count() > 6, "{own}");
    server.write_all(b"the host").unwrap();
    drop(server);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_fork_that_outlives_its_parent_has_a_gateway_of_its_own() {
    alone("without_its_parent");
}

#[test]
#[ignore = "started by `a_fork_that_outlives_its_parent_has_a_gateway_of_its_own`"]
fn without_its_parent() {
    let host = Host::new();
    let (open, other) = (Server::tcp("127.0.0.1"), Server::tcp("127.0.0.1"));
    let (mut reader, mut writer) = pipe().unwrap();
    assert!(in_a_fork(|| {
        let policy = Policy::preset(Preset::ReadOnly).allow(&open.address);
        let sandbox = Sandbox::new(&policy).unwrap();
        assert_eq!(told(&host, &sandbox, &open.address), "heard the host\n");
        let (mut gone, line) = pipe().unwrap();
        #[expect(unsafe_code, reason = "a fork, as daemons make it")]
        // SAFETY: the child does what a daemon would do, and ends without returning to the test harness.
        if let ForkResult::Child = unsafe { fork() }.unwrap() {
            alarm::set(30);
            drop(line);
            let _ = gone.read(&mut [0]);
            let answers = catch_unwind(AssertUnwindSafe(|| {
                [&open, &other].map(|server| told(&host, &sandbox, &server.address))
            }));
            let _ = write!(writer, "{answers:?}");
            std::process::exit(0);
        }
        // Its sandbox goes on until it ends, with which `line` is closed.
        std::mem::forget(sandbox);
    }));
    drop(writer);
    let mut answers = String::new();
    reader.read_to_string(&mut answers).unwrap();
    assert!(
        answers.starts_with("Ok([\"heard the host\\n\", \"failed"),
        "{answers}"
    );
    assert_eq!((open.visitors(), other.visitors()), (2, 0));
}
