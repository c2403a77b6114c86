//! A kernel without the transparent proxy of `nf_tables`: whoever asks no proxy is brought to the gateway all the same, and judged there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::sync::{Arc, Mutex};

use sandbox_testing::{Host, Server, alone, forbid_netfilter, until};
use sandboxed::{NetworkEvent, Policy, Preset, Sandbox, Stdio, Verdict};

#[test]
fn who_asks_no_proxy_reaches_what_is_allowed() {
    alone("reaches_what_is_allowed");
}

#[test]
#[ignore = "started by `who_asks_no_proxy_reaches_what_is_allowed`"]
fn reaches_what_is_allowed() {
    forbid_netfilter();
    let host = Host::new();
    let [allowed, closed] = [(); 2].map(|()| Server::tcp("127.0.0.1"));
    let policy = Policy::preset(Preset::ReadOnly).allow(&allowed.address);
    let events = Arc::new(Mutex::new(Vec::<NetworkEvent>::new()));
    let kept = Arc::clone(&events);
    let builder = Sandbox::builder();
    let builder = builder.on_network(move |event| kept.lock().unwrap().push(event.clone()));
    let sandbox = builder.build(&policy).unwrap();
    let connect = |address: &str| {
        let mut command = sandbox.command(host.payload());
        let output = command.args(["tcp", address]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(connect(&allowed.address).trim(), "heard the host");
    // The sandbox's own, where nobody listens.
    assert_eq!(connect(&closed.address).trim(), "failed 111");
    assert_eq!(closed.visitors(), 0);
    // Who connected, and to which port.
    let script = "exec 3<>/dev/tcp/198.41.0.4/443; echo $$; read";
    let mut command = sandbox.command("bash");
    command.args(["-c", script]).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut number = String::new();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut number).unwrap();
    // By an init beside that one's.
    assert_eq!(connect(&allowed.address).trim(), "heard the host");
    until("all is told", || events.lock().unwrap().len() >= 3);
    let events = events.lock().unwrap();
    let [denied] = &*with_verdict(&events, Verdict::Deny) else {
        panic!("{events:?}")
    };
    let said = denied.to_string();
    assert!(said.starts_with("deny capture 198.41.0.4:443: "), "{said}");
    let expected = format!("allow capture {}", allowed.address);
    for event in with_verdict(&events, Verdict::Allow) {
        assert_eq!(event.to_string(), expected);
    }
    let process = denied.process.as_ref().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
    let inside = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    let inside = inside.unwrap().split_whitespace().last();
    assert_eq!(inside, Some(number.trim()));
    assert!(child.wait().unwrap().code().is_some());
}

fn with_verdict(events: &[NetworkEvent], verdict: Verdict) -> Vec<&NetworkEvent> {
    let events = events.iter();
    events.filter(|event| event.verdict == verdict).collect()
}
