//! `Sandbox::update_network`: rules about the network change while commands run.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use sandbox_testing::{Host, Server};
use sandboxed::{Error, Network, Policy, Preset, Sandbox, Stdio};
use std::io::{Read, Write};
use std::net::TcpListener;

fn policy(host: &Host) -> Policy {
    Policy::preset(Preset::ReadOnly).write(host.path("@ws"))
}

/// What a command is told at an address.
fn told(host: &Host, sandbox: &Sandbox, address: &str) -> String {
    let mut command = sandbox.command(host.payload());
    let output = command.args(["tcp", address]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn other_rules_hold_from_then_on() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let closed = policy(&host);
    let open = closed.clone().allow(&server.address);
    let sandbox = Sandbox::new(&open).unwrap();
    // Before the first command, too.
    sandbox.update_network(&closed).unwrap();
    assert!(told(&host, &sandbox, &server.address).starts_with("failed"));
    sandbox.update_network(&open).unwrap();
    assert_eq!(told(&host, &sandbox, &server.address), "heard the host\n");
    sandbox.update_network(&closed).unwrap();
    assert!(told(&host, &sandbox, &server.address).starts_with("failed"));
    assert_eq!(server.visitors(), 1);
    // A clone is the same sandbox.
    sandbox.clone().update_network(&open).unwrap();
    assert_eq!(told(&host, &sandbox, &server.address), "heard the host\n");
}

#[test]
fn a_connection_that_is_denied_now_ends() {
    let host = Host::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let closed = policy(&host);
    let open = closed.clone().allow(&address);
    let sandbox = Sandbox::new(&open).unwrap();
    let mut command = sandbox.command(host.payload());
    command.args(["tcp", &address]).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"first").unwrap();
    // Rules that still allow it leave it alone, and others of the same destination.
    sandbox
        .update_network(&open.clone().allow("example.com"))
        .unwrap();
    stream.write_all(b" second").unwrap();
    sandbox.update_network(&closed).unwrap();
    assert!(matches!(stream.read(&mut [0; 8]), Ok(0) | Err(_)));
    let mut heard = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut heard)
        .unwrap();
    assert!(heard.starts_with("failed"), "{heard}");
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_a_sandbox_cannot_change_is_refused_and_all_is_as_it_was() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let closed = policy(&host);
    let open = closed.clone().allow(&server.address);
    let sandbox = Sandbox::new(&open).unwrap();
    for (policy, said) in [
        (
            open.clone().read(host.path("~")),
            "anything but the network",
        ),
        (open.clone().set("A", "1"), "anything but the network"),
        (
            Policy::preset(Preset::Agent).allow(&server.address),
            "anything but the network",
        ),
        (open.clone().publish("3000"), "which ports are published"),
        (open.clone().network(Network::Host), "which network it has"),
        (
            open.clone().allow("127.0.0.1:1"),
            "ports of the host's loopback",
        ),
        (open.clone().allow("*"), "`*`"),
        (
            open.clone().network(Network::Host).deny("example.com"),
            "example.com",
        ),
    ] {
        let error = sandbox.update_network(&policy).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
        assert!(matches!(error, Error::Update { .. } | Error::Policy(_)));
        assert_eq!(told(&host, &sandbox, &server.address), "heard the host\n");
    }
    let alone = Sandbox::new(&closed).unwrap();
    assert!(matches!(
        alone.update_network(&open),
        Err(Error::Update { .. })
    ));
    assert!(alone.update_network(&closed).is_err());
    assert!(told(&host, &alone, &server.address).starts_with("failed"));
}

#[test]
fn whoever_is_told_of_an_event_may_change_the_rules() {
    let host = Host::new();
    let server = Server::tcp("127.0.0.1");
    let closed = policy(&host);
    let open = closed.clone().allow(&server.address);
    let slot = std::sync::Arc::new(std::sync::OnceLock::<Sandbox>::new());
    let place = std::sync::Arc::clone(&slot);
    // On the gateway's own thread, which must not wait for itself.
    let sandbox = Sandbox::builder()
        .on_network(move |_| place.get().unwrap().update_network(&closed).unwrap())
        .build(&open)
        .unwrap();
    assert!(slot.set(sandbox.clone()).is_ok());
    assert_eq!(told(&host, &sandbox, &server.address), "heard the host\n");
    sandbox_testing::until("the rules hold", || {
        told(&host, &sandbox, &server.address).starts_with("failed")
    });
}
