//! The gateway of a sandbox. A test does what a command would that has its variables, or another program of the host that has them not.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};

use sandbox_core::{Network, Source};
use sandbox_gateway::Answer;

use super::*;
use crate::{End, NetworkEvent};

/// A server of the host that says so to whoever comes. Its thread ends with the test.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"the host");
        }
    });
    port
}

impl Place {
    /// A builder with names for the server.
    fn with_names(&self) -> Builder {
        let hosts = self.around.join("hosts");
        fs::write(&hosts, "127.0.0.1 a.example b.example\n").unwrap();
        self.builder().hosts(hosts)
    }
}

/// A policy by which the server is reached as `a.example`: that it has an address of the loopback is a rule of its own.
fn policy(port: u16) -> Policy {
    by_address(port).allow("a.example")
}

fn by_address(port: u16) -> Policy {
    plain().allow(format!("127.0.0.1:{port}"))
}

/// What a command has.
fn variables(command: &mut Command<'_>) -> BTreeMap<String, String> {
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Where the gateway is for whoever has these variables, and the secret.
fn door(variables: &BTreeMap<String, String>) -> (u16, String) {
    let proxy = variables["FTP_PROXY"].strip_prefix("socks5h://sandbox:");
    let (secret, port) = proxy.unwrap().split_once("@127.0.0.1:").unwrap();
    (port.parse().unwrap(), secret.to_owned())
}

/// What is heard from a destination by whoever shows this secret at the door, in SOCKS 5: nothing where it is not let through.
fn heard((door, secret): &(u16, String), name: &str, port: u16) -> String {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let said = [
        &[5, 1, 2, 1, 7],
        b"sandbox".as_slice(),
        &[length(secret)],
        secret.as_bytes(),
        &[5, 1, 0, 3, length(name)],
        name.as_bytes(),
        &port.to_be_bytes(),
    ];
    let mut stream = TcpStream::connect(("127.0.0.1", *door)).unwrap();
    stream.write_all(&said.concat()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    match answer.as_slice() {
        // The way of showing the secret, that it is the one, that there is a connection, and from where.
        [5, 2, 1, 0, 5, 0, 0, 1, _, _, _, _, _, _, heard @ ..] => {
            String::from_utf8(heard.to_owned()).unwrap()
        }
        _ => String::new(),
    }
}

#[test]
fn what_is_named_is_reached_through_a_door_that_the_command_alone_can_open() {
    let (place, port) = (Place::new(), server());
    let (events, denied) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Mutex::new(Vec::new())),
    );
    let (all, those) = (Arc::clone(&events), Arc::clone(&denied));
    let sandbox = place
        .with_names()
        .on_network(move |event: &NetworkEvent| all.lock().unwrap().push(event.clone()))
        .on_denial(move |event| those.lock().unwrap().push(event.to_string()))
        .without_log()
        .build(&policy(port))
        .unwrap();
    let found = door(&variables(&mut sandbox.command("env")));
    assert_eq!(heard(&found, "a.example", port), "the host");
    assert_eq!(heard(&found, "b.example", port), "");
    let other = (found.0, "0".repeat(found.1.len()));
    assert_eq!(heard(&other, "a.example", port), "");

    let of = |port| format!("(remote ip \"localhost:{port}\")");
    assert!(
        sandbox.profile().contains(&of(found.0)),
        "{}",
        sandbox.profile()
    );
    let printed = format!(
        "{sandbox:?} {:?} {}",
        sandbox.command("env"),
        sandbox.profile()
    );
    assert!(!printed.contains(&found.1), "the secret is printed nowhere");
    drop(sandbox);
    let events = events.lock().unwrap();
    let ends: Vec<_> = events.iter().map(|event| event.end.clone()).collect();
    assert_eq!(ends, [End::Closed, End::Denied, End::Unauthenticated]);
    assert!(!format!("{events:?}").contains(&found.1));
    let remedy = format!("connect b.example:{port}; allowed by \"b.example:{port}\" = \"allow\"");
    assert_eq!(*denied.lock().unwrap(), [remedy]);
}

#[test]
fn the_gateway_ends_with_the_last_handle_on_the_sandbox() {
    let (place, port) = (Place::new(), server());
    let sandbox = place.with_names().build(&policy(port)).unwrap();
    let found = door(&variables(&mut sandbox.command("env")));
    let child = sandbox.command("sleep").arg("1000").spawn().unwrap();
    drop(sandbox);
    assert_eq!(heard(&found, "a.example", port), "the host");
    drop(child);
    assert!(TcpStream::connect(("127.0.0.1", found.0)).is_err());
}

#[test]
fn programs_find_the_door_but_for_what_the_policy_says() {
    let place = Place::new();
    let of = |policy: &Policy| {
        let mut builder = place.builder();
        let outside = ["PATH", "http_proxy", "HTTPS_PROXY"];
        let outside = outside.map(|name| (name.into(), "/usr/bin:/bin".into()));
        builder = builder.environment(outside);
        variables(&mut builder.build(policy).unwrap().command("env"))
    };
    let found = of(&plain()
        .allow("a.example")
        .pass("http_proxy")
        .set("no_proxy", "x"));
    let (port, secret) = door(&found);
    let own = format!("http://sandbox:{secret}@127.0.0.1:{port}");
    for (name, expected) in [
        ("PATH", "/usr/bin:/bin"),
        ("http_proxy", "/usr/bin:/bin"),
        ("no_proxy", "x"),
        ("HTTP_PROXY", &own),
        ("HTTPS_PROXY", &own),
        ("https_proxy", &own),
        ("ALL_PROXY", &own),
        ("all_proxy", &own),
        ("NO_PROXY", "localhost,127.0.0.1,::1"),
        ("GIT_HTTP_PROXY_AUTHMETHOD", "basic"),
    ] {
        assert_eq!(found[name], expected, "{name}");
    }
    assert_eq!(found.len(), 11, "{found:?}");
    // Another sandbox has another secret, and where no destination is named there is none.
    assert_ne!(door(&of(&plain().allow("a.example"))).1, secret);
    for policy in [plain(), plain().network(Network::Host)] {
        assert_eq!(of(&policy).len(), 1);
    }
}

#[test]
fn other_rules_hold_from_then_on_as_far_as_the_profile_has_no_part_in_them() {
    let (place, port) = (Place::new(), server());
    let sandbox = place.with_names().build(&policy(port)).unwrap();
    let found = door(&variables(&mut sandbox.command("env")));
    let reached = || heard(&found, "a.example", port) == "the host";
    assert!(reached());
    sandbox.update_network(&by_address(port)).unwrap();
    assert!(!reached());
    sandbox.clone().update_network(&policy(port)).unwrap();
    assert!(reached());
    for other in [
        plain().allow("a.example"),
        policy(port).allow("localhost:1"),
        policy(port).deny(format!("localhost:{port}")),
        policy(port).network(Network::Host),
        policy(port).publish("3000"),
        policy(port).write("/srv"),
        plain(),
    ] {
        let Err(error) = sandbox.update_network(&other) else {
            panic!("{other}");
        };
        assert!(matches!(error, Error::Update { .. }), "{error}");
        assert!(error.remedy().is_some());
    }
    let error = sandbox
        .update_network(&policy(port).allow_udp("b.example"))
        .unwrap_err();
    assert!(matches!(error, Error::Unenforceable(_)), "{error}");
    assert!(reached(), "all is as it was");
    // Where the profile opens nothing by itself, everything can be taken back.
    let sandbox = place
        .with_names()
        .build(&plain().allow("a.example"))
        .unwrap();
    sandbox.update_network(&plain()).unwrap();
    let none = place.sandbox(&plain());
    let error = none
        .update_network(&plain().allow("a.example"))
        .unwrap_err();
    assert!(matches!(error, Error::Update { .. }), "{error}");
}

#[test]
fn who_makes_the_sandbox_answers_for_what_no_rule_names() {
    let (place, port) = (Place::new(), server());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let questions = Arc::clone(&asked);
    let builder = place.with_names().on_request(move |question| {
        questions.lock().unwrap().push(question.to_string());
        match question.destination.to_string().as_str() {
            "a.example" => Answer::AllowOnce,
            _ => Answer::DenyOnce,
        }
    });
    let sandbox = builder
        .build(&by_address(port).network(Network::Ask))
        .unwrap();
    let found = door(&variables(&mut sandbox.command("env")));
    assert_eq!(heard(&found, "a.example", port), "the host");
    assert_eq!(heard(&found, "b.example", port), "");
    let expected = ["a", "b"].map(|name| format!("{name}.example:{port}"));
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[test]
fn a_published_port_is_in_the_profile_and_the_gateway_opens_none() {
    let place = Place::new();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let sandbox = place.sandbox(&plain().publish(port.to_string()));
    let line = format!("(local ip \"localhost:{port}\")");
    assert!(sandbox.profile().contains(&line), "{}", sandbox.profile());
    // The command can bind it: nobody else has.
    TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = place.refusal(&plain().publish(format!("{port}:3000")));
    let Error::Unenforceable(Unenforceable::Profile(error)) = error else {
        panic!("{error}");
    };
    assert!(
        error.to_string().contains(&Source::Library.to_string()),
        "{error}"
    );
}
