//! Datagrams of UDP reach what a rule with `udp = true` names, and nothing else. Servers and names are the tests' own.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use sandbox_testing::{Host, Server, until};
use sandboxed::{Error, NetworkEvent, Policy, Preset, Sandbox, Stdio, Verdict};

/// Where the servers are, by name: closed as every loopback is, unless a rule names it.
const SERVERS: &str = "127.71.0.1";
const NAMES: &str = "127.71.0.1 allowed.test tcp.test\n";

fn policy(host: &Host) -> Policy {
    Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .allow("tcp.test")
        .allow(SERVERS)
}

/// A sandbox in which the names exist, and what it tells of its network.
struct Inside {
    host: Host,
    sandbox: Sandbox,
    events: Arc<Mutex<Vec<NetworkEvent>>>,
}

impl Inside {
    fn new(rules: impl FnOnce(Policy) -> Policy) -> Self {
        let host = Host::new();
        host.write("@outside/hosts", NAMES);
        let events = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&events);
        let sandbox = Sandbox::builder()
            .hosts(host.path("@outside/hosts"))
            .on_network(move |event| kept.lock().unwrap().push(event.clone()))
            .build(&rules(policy(&host)))
            .unwrap();
        Self {
            host,
            sandbox,
            events,
        }
    }

    /// What a command is told by these, a line for each of their addresses.
    fn ask(&self, names: &[&str]) -> String {
        let mut command = self.sandbox.command(self.host.payload());
        let output = command.arg("ask").args(names).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// What was told of UDP by the time the sandbox was gone, a line for each flow.
    fn events(self) -> Vec<String> {
        let Self {
            sandbox, events, ..
        } = self;
        drop(sandbox);
        let events = events.lock().unwrap();
        let of_udp = events
            .iter()
            .filter(|event| event.door.to_string() == "udp");
        of_udp.map(NetworkEvent::to_string).collect()
    }
}

fn port(server: &Server) -> &str {
    server.address.rsplit_once(':').unwrap().1
}

#[test]
fn datagrams_reach_the_name_that_a_rule_names_at_its_port() {
    let server = Server::datagrams(SERVERS);
    let other = Server::datagrams(SERVERS);
    let allowed = format!("allowed.test:{}", port(&server));
    let inside = Inside::new(|policy| policy.allow_udp(&allowed));
    // By IPv4 and by IPv6, whichever the server has.
    let heard = inside.ask(&[&allowed]);
    assert_eq!(heard, "heard the host\nheard the host\n");
    until("it has counted", || server.visitors() == 2);
    // Refused at once: whoever tries QUIC goes on without. The next name at the same place, another port of the allowed one, and
    // addresses of which one is the name's.
    let denied = [
        format!("tcp.test:{}", port(&server)),
        format!("allowed.test:{}", port(&other)),
    ];
    for name in &denied {
        assert_eq!(inside.ask(&[name]), "failed 111\nfailed 111\n", "{name}");
    }
    for address in [
        "8.8.8.8:443",
        "[2001:4860:4860::8888]:443",
        "10.0.0.1:161",
        "198.18.0.1:880",
        "8.8.8.8:880",
    ] {
        assert_eq!(inside.ask(&[address]), "failed 111\n", "{address}");
    }
    // No such name.
    assert!(inside.ask(&["denied.test:1"]).starts_with("failed"));
    assert_eq!((server.visitors(), other.visitors()), (2, 0));
    // The control: no sandbox stands between.
    let mut bare = std::process::Command::new(inside.host.payload());
    let output = bare.args(["ask", &other.address]).output().unwrap();
    assert_eq!(output.stdout, b"heard the host\n");
    let events = inside.events();
    let is_told = |line: &str| events.iter().any(|event| event == line);
    assert!(is_told(&format!("allow udp {allowed}")), "{events:?}");
    for name in denied {
        let line = format!(
            "deny udp {name}: denied; allowed by \"{name}\" = {{ access = \"allow\", udp = true }}"
        );
        assert!(is_told(&line), "{events:?}");
    }
}

#[test]
fn datagrams_reach_a_service_on_the_hosts_loopback_that_a_rule_names() {
    for family in ["127.0.0.1", "[::1]"] {
        let server = Server::datagrams(family);
        let of_tcp = Server::datagrams(family);
        let inside = Inside::new(|policy| {
            policy
                .allow_udp(&server.address)
                .allow(&of_tcp.address)
                .allow_udp("allowed.test")
        });
        assert_eq!(inside.ask(&[&server.address]), "heard the host\n");
        // It is the command's own loopback otherwise, where nobody listens.
        assert_eq!(inside.ask(&[&of_tcp.address]), "failed 111\n");
        assert_eq!((server.visitors(), of_tcp.visitors()), (1, 0));
    }
}

#[test]
fn names_are_answered_as_ever_and_no_server_of_the_hosts_is_asked() {
    let inside = Inside::new(|policy| policy.allow_udp(SERVERS).allow_udp("*.test"));
    let script = "exec 3<>/dev/udp/127.71.0.1/53; printf '\\7\\7\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\7allowed\\4test\\0\\0\\1\\0\\1' >&3; head -c 12 <&3 | od -An -tx1";
    let mut command = inside.sandbox.command("bash");
    let output = command.args(["-c", script]).output().unwrap();
    // Answered, without an error, with one record.
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "07 07 81 80 00 01 00 01 00 00 00 00"
    );
    assert_eq!(inside.events(), [""; 0]);
}

#[test]
fn without_such_a_rule_the_kernel_refuses() {
    let server = Server::datagrams(SERVERS);
    let inside = Inside::new(|policy| policy.allow("allowed.test"));
    let (name, address) = (format!("allowed.test:{}", port(&server)), "8.8.8.8:443");
    assert_eq!(inside.ask(&[&name]), "failed 111\nfailed 111\n");
    assert_eq!(inside.ask(&[address]), "failed 111\n");
    assert_eq!(server.visitors(), 0);
    // Its network can't carry any, whatever rules come later.
    let more = policy(&inside.host).allow("allowed.test").allow_udp(&name);
    let error = inside.sandbox.update_network(&more).unwrap_err();
    assert!(matches!(error, Error::Update { .. }), "{error}");
    assert_eq!(inside.events(), [""; 0]);
}

#[test]
fn other_rules_hold_for_a_flow_that_there_is() {
    let server = Server::datagrams(SERVERS);
    let allowed = format!("allowed.test:{}", port(&server));
    let inside = Inside::new(|policy| policy.allow_udp(&allowed));
    // One socket, which goes on when a line comes.
    let script = format!(
        "exec 3<>/dev/udp/allowed.test/{}; echo >&3; timeout 9 head -c 8 <&3; read; echo >&3; timeout 9 head -c 8 <&3",
        port(&server)
    );
    for (rules, last) in [
        (policy(&inside.host).allow_udp(&allowed), "the host"),
        (policy(&inside.host), ""),
    ] {
        let mut command = inside.sandbox.command("bash");
        command.args(["-c", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut first = [0; 8];
        child
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut first)
            .unwrap();
        assert_eq!(&first, b"the host");
        inside.sandbox.update_network(&rules).unwrap();
        child.stdin.take().unwrap().write_all(b"\n").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), last);
    }
    until("it has counted", || server.visitors() == 3);
    let told = inside.events();
    let is_told = |end: &str| told.iter().any(|event| event.ends_with(end));
    assert!(is_told("withdrawn"), "{told:?}");
}

#[test]
fn a_caller_that_panics_costs_nobody_else_a_datagram() {
    let host = Host::new();
    let server = Server::datagrams("127.0.0.1");
    let sandbox = Sandbox::builder()
        .on_network(|_| std::panic::resume_unwind(Box::new("an event")))
        .build(&policy(&host).allow_udp(&server.address))
        .unwrap();
    for _ in 0..3 {
        let mut command = sandbox.command(host.payload());
        let output = command.args(["ask", "8.8.8.8:443", &server.address]);
        let output = output.output().unwrap();
        assert_eq!(output.stdout, b"failed 111\nheard the host\n");
    }
}

#[test]
fn many_flows_are_answered_each() {
    let server = Server::datagrams(SERVERS);
    let allowed = format!("allowed.test:{}", port(&server));
    let inside = Inside::new(|policy| policy.allow_udp(&allowed));
    let names: Vec<&str> = std::iter::repeat_n(allowed.as_str(), 100).collect();
    assert_eq!(inside.ask(&names), "heard the host\n".repeat(200));
    let events = inside.events();
    assert_eq!(events.len(), 200, "{events:?}");
    let is_allowed = |event: &String| event.starts_with(&Verdict::Allow.to_string());
    assert!(events.iter().all(is_allowed), "{events:?}");
}
