//! What is carried, and what is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::gateway::Options;
use crate::question::Answer;

#[test]
fn a_name_is_reached_at_the_port_that_a_rule_names() {
    run(async {
        let (server, other) = (Echo::new("127.7.1.1").await, Echo::new("127.7.1.1").await);
        let policy = udp(&[&format!("good.example:{}", server.port)]).allow("tcp.example");
        let hosts = "127.7.1.1 good.example tcp.example";
        let programs = Programs::new(&policy, hosts);
        let house = &programs.house;
        let good = programs.send(4000, house.address("good.example", server.port), b"one");
        assert_eq!(programs.told(1).await, [(good, Some(b"one".to_vec()))]);
        programs.send(4000, good.other, b"");
        assert_eq!(programs.told(1).await, [(good, Some(Vec::new()))]);
        // What is denied is refused at once.
        let denied = [
            house.address("good.example", other.port),
            house.address("tcp.example", server.port),
            ([127, 7, 1, 1], server.port).into(),
            ([198, 18, 0, 1], server.port).into(),
            ([8, 8, 8, 8], 443).into(),
            "[2001:db8::1]:443".parse().unwrap(),
        ];
        for to in denied {
            let pair = programs.send(4000, to, b"two");
            assert_eq!(programs.told.0.take(), [(pair, None)]);
        }
        assert_eq!(server.heard(), [&b"one"[..], b""]);
        assert_eq!(other.heard(), [b""; 0]);
        // Once, however much is sent.
        programs.send(4001, denied[1], b"three");
        house.hall.flows.end_all();
        let port = server.port;
        let mut events = house.events(7).await;
        events.sort_unstable();
        let mut expected = [
            format!("allow udp good.example:{port}"),
            "deny udp 198.18.0.1:{port}: mismatch (the address stands for no name that was asked for)"
                .replace("{port}", &port.to_string()),
            "deny udp 8.8.8.8:443: denied; allowed by \"8.8.8.8:443\" = { access = \"allow\", udp = true }".to_owned(),
            format!("deny udp 127.7.1.1:{port}: denied; allowed by \"127.7.1.1:{port}\" = {{ access = \"allow\", udp = true }}"),
            "deny udp [2001:db8::1]:443: denied; allowed by \"[2001:db8::1]:443\" = { access = \"allow\", udp = true }".to_owned(),
            format!("deny udp good.example:{0}: denied; allowed by \"good.example:{0}\" = {{ access = \"allow\", udp = true }}", other.port),
            format!("deny udp tcp.example:{port}: denied; allowed by \"tcp.example:{port}\" = {{ access = \"allow\", udp = true }}"),
        ];
        expected.sort_unstable();
        assert_eq!(events, expected);
    });
}

#[test]
fn a_flow_has_one_socket_and_one_event_that_says_what_passed() {
    run(async {
        let server = Echo::new("127.7.1.2").await;
        let programs = Programs::new(&udp(&["good.example"]), "127.7.1.2 good.example");
        let to = programs.house.address("good.example", server.port);
        for payload in [&b"four"[..], b"seven!!"] {
            programs.send(4000, to, payload);
            programs.told(1).await;
        }
        let from = |at: usize| server.heard.borrow()[at].1;
        assert_eq!(from(0), from(1));
        programs.house.hall.flows.end_all();
        programs.house.events(1).await;
        let event = programs.house.last_event();
        assert_eq!((event.sent, event.received), (11, 11));
        assert_eq!(event.rule.unwrap().pattern, "good.example");
        assert_eq!(event.address, Some([127, 7, 1, 2].into()));
        assert_eq!(event.end, End::Closed);
    });
}

#[test]
fn sockets_of_commands_are_kept_apart_and_nobody_else_is_heard() {
    run(async {
        let server = Echo::new("127.7.1.3").await;
        let programs = Programs::new(&udp(&["good.example"]), "127.7.1.3 good.example");
        let to = programs.house.address("good.example", server.port);
        let pairs = [4000, 4001].map(|port| programs.send(port, to, &port.to_be_bytes()));
        let mut told = programs.told(2).await;
        told.sort_unstable_by_key(|(pair, _)| pair.command);
        let expected = [4000, 4001_u16].map(|port| Some(port.to_be_bytes().to_vec()));
        assert_eq!(told, pairs.into_iter().zip(expected).collect::<Vec<_>>());
        let heard = server.heard.borrow().clone();
        assert_ne!(heard[0].1, heard[1].1);
        // Somebody who guessed the port, from the server's own machine and with its port.
        let forger = UdpSocket::bind("127.7.1.4:0").await.unwrap();
        for (_, from) in &heard {
            assert_eq!(forger.send_to(b"forged", from).await.unwrap(), 6);
        }
        // The control: whoever is asked is heard, and datagrams on the loopback arrive in order.
        programs.send(4000, to, b"again");
        let told = programs.told(1).await;
        assert_eq!(told, [(pairs[0], Some(b"again".to_vec()))]);
    });
}

#[test]
fn a_name_does_not_lead_to_what_is_closed() {
    run(async {
        let server = Echo::new("127.7.2.1").await;
        let policy = udp(&["good.example"]);
        let programs = Programs::new(&policy, "127.7.2.1 good.example");
        let to = programs.house.address("good.example", server.port);
        let pair = programs.send(4000, to, b"stolen");
        assert_eq!(programs.told(1).await, [(pair, None)]);
        programs.flows_end().await;
        programs.house.events(1).await;
        assert_eq!(programs.house.last_event().end, End::Denied);
        assert_eq!(server.heard(), [b""; 0]);
        // The control: a rule names the address.
        programs.house.update(&policy.allow("127.7.2.1"));
        programs.send(4000, to, b"allowed");
        assert_eq!(programs.told(1).await, [(pair, Some(b"allowed".to_vec()))]);
    });
}

#[test]
fn rules_that_deny_it_end_a_flow() {
    run(async {
        let server = Echo::new("127.7.1.7").await;
        let policy = udp(&["good.example", "127.7.1.7/32"]);
        let programs = Programs::new(&policy, "127.7.1.7 good.example");
        let by_name = programs.house.address("good.example", server.port);
        let by_address = ([127, 7, 1, 7], server.port).into();
        for to in [by_name, by_address] {
            programs.send(4000, to, b"one");
            programs.told(1).await;
        }
        let source = |at: usize| server.heard.borrow()[at].1;
        // Rules that still allow both leave them alone.
        programs
            .house
            .update(&policy.clone().allow("other.example"));
        assert_eq!(programs.house.hall.flows.count(), 2);
        programs.house.update(&udp(&["127.7.1.7/32"]));
        let pair = programs.send(4000, by_name, b"two");
        assert_eq!(programs.told(1).await, [(pair, None)]);
        let told = format!("deny udp good.example:{}: withdrawn", server.port);
        let events = programs.house.events(2).await;
        assert!(events.contains(&told), "{events:?}");
        // What the server still says is nobody's any more.
        let late = std::net::UdpSocket::bind("127.7.1.7:0").unwrap();
        late.send_to(b"late", source(0)).unwrap();
        let pair = programs.send(4000, by_address, b"three");
        assert_eq!(programs.told(1).await, [(pair, Some(b"three".to_vec()))]);
        assert_eq!(server.heard(), [&b"one"[..], b"one", b"three"]);
    });
}

#[test]
fn a_flow_that_is_being_opened_is_withdrawn_as_well() {
    run(async {
        let server = Echo::new("127.7.1.8").await;
        let programs = Programs::new(&udp(&["good.example"]), "127.7.1.8 good.example");
        let to = programs.house.address("good.example", server.port);
        programs.send(4000, to, b"one");
        programs.house.update(&udp(&["other.example"]));
        programs.house.events(1).await;
        assert_eq!(programs.house.last_event().end, End::Withdrawn);
        assert_eq!(programs.house.hall.flows.count(), 0);
        programs.house.update(&udp(&["good.example"]));
        programs.send(4000, to, b"two");
        programs.told(1).await;
        assert_eq!(server.heard(), [b"two"]);
    });
}

#[test]
fn nobody_is_asked_and_no_default_allows_a_datagram() {
    run(async {
        for network in [Network::Ask, Network::Allow] {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let options = Options::default().ask(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
                Answer::Allow
            });
            let policy = udp(&["other.example"]).network(network);
            let programs = Programs::of(House::with(&policy, "", options));
            let pair = programs.send(4000, ([8, 8, 8, 8], 443).into(), b"");
            assert_eq!(programs.told(1).await, [(pair, None)]);
            assert_eq!(asked.load(Ordering::Relaxed), 0);
        }
    });
}

#[test]
fn whoever_is_around_hears_nothing() {
    run(async {
        let all = ["224.0.0.0/4", "255.255.255.255", "ff00::/8", "many.example"];
        let policy = udp(&all);
        let hosts = "224.0.0.251 many.example\nff02::fb many.example";
        let programs = Programs::new(&policy, hosts);
        let named = programs.house.address("many.example", 5353);
        for to in [
            "224.0.0.251:5353".parse().unwrap(),
            "255.255.255.255:67".parse().unwrap(),
            "[ff02::fb]:5353".parse().unwrap(),
            named,
        ] {
            let pair = programs.send(4000, to, b"");
            assert_eq!(programs.told(1).await, [(pair, None)], "{to}");
        }
        let events = programs.house.events(4).await;
        assert!(
            events.iter().all(|event| event.starts_with("deny")),
            "{events:?}"
        );
    });
}

#[test]
fn a_machine_on_which_nobody_listens_is_one_inside_too() {
    run(async {
        // Nobody listens, and nobody else can as long as it is bound.
        let (_held, port) = {
            let socket = std::net::UdpSocket::bind("127.7.1.9:0").unwrap();
            socket.connect("127.7.1.9:1").unwrap();
            let port = socket.local_addr().unwrap().port();
            (socket, port)
        };
        let programs = Programs::new(&udp(&["good.example"]), "127.7.1.9 good.example");
        let to = programs.house.address("good.example", port);
        let pair = programs.send(4000, to, b"");
        assert_eq!(programs.told(1).await, [(pair, None)]);
        programs.house.events(1).await;
        let end = programs.house.last_event().end;
        assert!(matches!(end, End::Unreachable(_)), "{end:?}");
        // A name without an address.
        let policy = udp(&["nowhere.example"]);
        let programs = Programs::new(&policy, "");
        let to = programs.house.address("nowhere.example", port);
        let pair = programs.send(4000, to, b"");
        assert_eq!(programs.told(1).await, [(pair, None)]);
        programs.house.events(1).await;
        assert_eq!(programs.house.last_event().end, End::Unresolved);
    });
}
