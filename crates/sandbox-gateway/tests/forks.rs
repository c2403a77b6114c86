//! A caller that forks, as daemons do it, while it has a gateway: the fork has copies of its descriptors, and not its thread.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::exit,
    reason = "a test's way to fail is to panic, and a fork ends by itself"
)]

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, alarm, fork};
use sandbox_core::{Context, Network, Policy, Ruleset};
use sandbox_gateway::{Doors, Gateway, Options};
use sandbox_testing::alone;

fn rules(policy: &Policy) -> Arc<Ruleset> {
    Ruleset::resolve(policy, &Context::new("/")).unwrap().into()
}

/// A gateway with a connection to a server, and with a published port.
struct Served {
    gateway: Gateway,
    program: TcpStream,
    server: TcpStream,
    published: SocketAddr,
}

impl Served {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let policy = Policy::default().network(Network::Deny);
        let policy = policy.allow(target.to_string());
        let gateway = Gateway::start(rules(&policy), Options::default()).unwrap();
        let proxies = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut program = TcpStream::connect(proxies.local_addr().unwrap()).unwrap();
        let doors = Doors {
            proxies: Some(proxies.into()),
            ..Doors::default()
        };
        gateway.serve(doors).unwrap();
        let outside = TcpListener::bind("127.0.0.1:0").unwrap();
        let published = outside.local_addr().unwrap();
        let refused = || Err(std::io::ErrorKind::ConnectionRefused.into());
        gateway.publish(outside, 3000, refused).unwrap();
        write!(
            program,
            "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"
        )
        .unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            program.read_exact(&mut byte).unwrap();
            answer.extend(byte);
        }
        let mut served = Self {
            gateway,
            program,
            server,
            published,
        };
        served.works();
        served
    }

    fn works(&mut self) {
        self.program.write_all(b"\0raw").unwrap();
        self.server.read_exact(&mut [0; 4]).unwrap();
        assert!(TcpStream::connect(self.published).is_ok());
    }
}

/// A fork that does something; how it ended.
fn in_a_fork(act: impl FnOnce()) -> WaitStatus {
    alarm::set(30);
    #[expect(unsafe_code, reason = "a fork, as daemons make it")]
    // SAFETY: the child does what a daemon would do, and ends without returning to the test harness.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            alarm::set(20);
            let done = catch_unwind(AssertUnwindSafe(act));
            std::process::exit(i32::from(done.is_err()));
        }
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
    }
}

fn succeeded(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(_, 0))
}

/// A fork that does nothing, as long as it is held.
struct Idle {
    pid: Pid,
    line: Option<PipeWriter>,
}

impl Idle {
    fn new() -> Self {
        alarm::set(30);
        let (mut reader, writer): (PipeReader, PipeWriter) = pipe().unwrap();
        #[expect(unsafe_code, reason = "a fork, as daemons make it")]
        // SAFETY: the child waits, and ends without returning to the test harness.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                drop(writer);
                let _ = reader.read(&mut [0]);
                std::process::exit(0);
            }
            ForkResult::Parent { child } => Self {
                pid: child,
                line: Some(writer),
            },
        }
    }

    fn is_alive(&self) -> bool {
        waitpid(self.pid, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.line.take();
        let _ = waitpid(self.pid, None);
    }
}

#[test]
fn a_fork_ends_nothing_of_its_parents() {
    alone("dropped_in_a_fork");
}

#[test]
#[ignore = "started by `a_fork_ends_nothing_of_its_parents`"]
fn dropped_in_a_fork() {
    let mut served = Served::new();
    let gateway = &mut Some(served.gateway);
    let status = in_a_fork(|| drop(gateway.take()));
    assert!(succeeded(status), "{status:?}");
    served.gateway = gateway.take().unwrap();
    served.works();
}

#[test]
fn a_fork_is_told_that_it_has_no_gateway() {
    alone("ordered_in_a_fork");
}

#[test]
#[ignore = "started by `a_fork_is_told_that_it_has_no_gateway`"]
fn ordered_in_a_fork() {
    let mut served = Served::new();
    let order =
        |gateway: &Gateway| gateway.update(rules(&Policy::default().network(Network::Deny)));
    let gateway = &served.gateway;
    let status = in_a_fork(|| {
        assert!(order(gateway).is_err());
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let doors = Doors {
            streams: Some(door.into()),
            ..Doors::default()
        };
        assert!(gateway.serve(doors).is_err());
        gateway.settle();
    });
    assert!(succeeded(status), "{status:?}");
    served.works();
    // Control: its parent has one.
    order(&served.gateway).unwrap();
    served.gateway.settle();
    assert!(!matches!(served.server.read(&mut [0; 8]), Ok(1..)));
}

#[test]
fn a_fork_keeps_nothing_open() {
    alone("kept_in_a_fork");
}

#[test]
#[ignore = "started by `a_fork_keeps_nothing_open`"]
fn kept_in_a_fork() {
    let mut served = Served::new();
    let idle = Idle::new();
    served.works();
    drop(served.gateway);
    assert!(!matches!(served.server.read(&mut [0; 8]), Ok(1..)));
    assert!(TcpStream::connect(served.published).is_err());
    // Whoever comes next has the port.
    drop(TcpListener::bind(served.published).unwrap());
    // Control: the fork has copies of all of it.
    assert!(idle.is_alive());
}
