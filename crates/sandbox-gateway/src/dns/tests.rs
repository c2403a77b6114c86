use std::net::SocketAddr;
use std::rc::Rc;

use sandbox_core::{Network, Policy};
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use crate::bounds;
use crate::services::tests::{answer, server};
use crate::tests::{House, only, run};

fn query(name: &str, kind: u16) -> Vec<u8> {
    let mut packet = Packet::new_query(0x1234);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = simple_dns::Name::new_unchecked(name);
    let question = Question::new(
        name,
        QTYPE::TYPE(TYPE::from(kind)),
        QCLASS::CLASS(CLASS::IN),
        false,
    );
    packet.questions.push(question);
    packet.build_bytes_vec().unwrap()
}

async fn ask(house: &House, name: &str, kind: u16) -> String {
    let question = query(name, kind);
    let answer = house.hall.answer(&question).await.unwrap();
    let packet = Packet::parse(&answer).unwrap();
    assert_eq!((packet.id(), packet.questions.len()), (0x1234, 1));
    assert!(packet.has_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_AVAILABLE));
    let record = packet.answers.first().map(|record| match &record.rdata {
        RData::A(address) => std::net::Ipv4Addr::from(address.address).to_string(),
        RData::AAAA(address) => std::net::Ipv6Addr::from(address.address).to_string(),
        RData::PTR(name) => name.0.to_string(),
        other => format!("{other:?}"),
    });
    match packet.rcode() {
        RCODE::NoError => record.unwrap_or_default(),
        code => format!("{code:?}"),
    }
}

const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const SRV: u16 = 33;

#[test]
fn a_name_has_addresses_if_rules_could_allow_it_and_it_has_some() {
    let hosts =
        "127.0.0.1 good.example a.wild.example port.example evil.example\n10.0.0.1 inner.example";
    let policy = only(&[
        "good.example",
        "*.wild.example",
        "port.example:5432",
        "gone.example",
        "inner.example",
    ]);
    let policy = policy.deny("good.example:25").deny("bad.wild.example");
    run(async {
        let house = House::new(&policy, hosts);
        let pair = |name: &str| {
            let pair = house
                .hall
                .names
                .borrow_mut()
                .addresses(&name.parse().unwrap());
            let pair = pair.unwrap();
            (pair.v4.to_string(), pair.v6.to_string())
        };
        for name in [
            "good.example",
            "GOOD.example",
            "a.wild.example",
            "port.example",
            "inner.example",
        ] {
            let (v4, v6) = pair(name);
            assert_eq!(ask(&house, name, A).await, v4, "{name}");
            assert_eq!(ask(&house, name, AAAA).await, v6, "{name}");
        }
        for name in [
            "evil.example",
            "wild.example",
            "bad.wild.example",
            "gone.example",
            "example",
            "127.0.0.1",
            "localhost.evil",
        ] {
            assert_eq!(ask(&house, name, A).await, "NameError", "{name}");
            assert_eq!(ask(&house, name, AAAA).await, "NameError", "{name}");
        }
        assert_eq!(ask(&house, "localhost", A).await, "127.0.0.1");
        assert_eq!(ask(&house, "a.localhost", AAAA).await, "::1");
        // One event for a name, however often it is asked for.
        let told = house.events(1).await;
        assert_eq!(
            told[0],
            "deny dns evil.example: denied; allowed by \"evil.example\" = \"allow\""
        );
        assert_eq!(
            told.iter()
                .filter(|line| line.contains(" evil.example"))
                .count(),
            1
        );
    });
}

#[test]
fn what_is_told_of_a_denial_would_allow_it() {
    for (rules, remedy) in [
        (only(&[]), "\"a.example\" = \"allow\""),
        // A rule for the name alone would be this one's key a second time; a port's outweighs it.
        (only(&[]).deny("a.example"), "\"a.example:443\" = \"allow\""),
        (only(&[]).deny("*.example"), "\"a.example\" = \"allow\""),
    ] {
        run(async {
            let house = House::new(&rules, "127.0.0.1 a.example");
            assert_eq!(ask(&house, "a.example", A).await, "NameError");
            house.events(1).await;
            assert_eq!(house.last_event().remedy.as_deref(), Some(remedy));
            let (pattern, _) = remedy.trim_start_matches('"').split_once('"').unwrap();
            let house = House::new(&rules.clone().allow(pattern), "127.0.0.1 a.example");
            assert!(ask(&house, "a.example", A).await.starts_with("198.1"));
        });
    }
}

#[test]
fn other_records_say_nothing() {
    run(async {
        let house = House::new(&only(&["good.example"]), "127.0.0.1 good.example");
        for (name, kind, expected) in [
            ("good.example", 16, "Refused"),
            ("good.example", 15, "Refused"),
            ("good.example", 65, ""),
            ("good.example", 64, ""),
            ("_443._https.good.example", 65, ""),
            ("_ldap._tcp.good.example", 33, ""),
            ("good.example", 5, ""),
            ("good.example", 255, ""),
            ("evil.example", 16, "NameError"),
            ("evil.example", 65, "NameError"),
            ("_ldap._tcp.evil.example", 33, "NameError"),
            ("_x.good.example", 1, "NameError"),
        ] {
            assert_eq!(ask(&house, name, kind).await, expected, "{name} {kind}");
        }
    });
}

/// The places that an answer names, in its order.
fn places(answer: &[u8]) -> Vec<String> {
    let packet = Packet::parse(answer).unwrap();
    assert_eq!(packet.rcode(), RCODE::NoError);
    let places = packet.answers.iter().map(|record| match &record.rdata {
        RData::SRV(place) => format!("{}:{}", place.target, place.port),
        other => panic!("{other:?}"),
    });
    places.collect()
}

#[test]
fn where_a_service_is_is_looked_up_and_each_place_is_decided() {
    run(async {
        let policy = only(&["good.example", "*.wild.example:5432"]);
        let mut house = House::new(&policy, "");
        let server = server(|asked| {
            let places = [
                (2, 5432, "a.wild.example"),
                (1, 25, "b.wild.example"),
                (0, 443, "evil.example"),
                (1, 636, "good.example"),
            ];
            vec![answer(asked, RCODE::NoError, &places)]
        });
        let resolver = &mut Rc::get_mut(&mut house.hall).unwrap().resolver;
        resolver.servers = Some(vec![server]);
        let asked = query("_ldap._tcp.good.example", SRV);
        let found = house.hall.answer(&asked).await.unwrap();
        assert_eq!(places(&found), ["good.example:636", "a.wild.example:5432"]);
        house.events(2).await;
        let mut told = house.events(2).await;
        told.sort();
        assert!(
            told[0].starts_with("deny dns b.wild.example:25: denied"),
            "{told:?}"
        );
        assert!(
            told[1].starts_with("deny dns evil.example:443: denied"),
            "{told:?}"
        );
    });
}

#[test]
fn of_what_is_no_service_of_an_allowed_name_nothing_is_looked_up() {
    run(async {
        let asks = only(&["good.example"]).network(Network::Ask);
        let mut house = House::new(&asks, "");
        let heard = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        heard.set_nonblocking(true).unwrap();
        let server = heard.local_addr().unwrap();
        let resolver = &mut Rc::get_mut(&mut house.hall).unwrap().resolver;
        resolver.servers = Some(vec![server]);
        for (name, expected) in [
            ("good.example", ""),
            ("_tcp.good.example", ""),
            ("_x._x._tcp.good.example", ""),
            ("_ldap._sctp.good.example", ""),
            ("_se_cret._tcp.good.example", ""),
            ("_abcdefghijklmnop._tcp.good.example", ""),
            ("_longer-than-any-one._tcp.good.example", ""),
            ("_ldap._tcp.other.example", ""),
            ("_ldap._tcp.localhost", ""),
        ] {
            let answer = ask(&house, name, SRV).await;
            let is_asked = heard.recv(&mut [0; 512]).is_ok();
            assert_eq!((answer.as_str(), is_asked), (expected, false), "{name}");
        }
        let upstream = only(&["good.example"]).upstream("http://127.0.0.1:1");
        let mut behind = House::new(&upstream, "");
        let resolver = &mut Rc::get_mut(&mut behind.hall).unwrap().resolver;
        resolver.servers = Some(vec![server]);
        assert_eq!(ask(&behind, "_ldap._tcp.good.example", SRV).await, "");
        assert!(heard.recv(&mut [0; 512]).is_err(), "behind a proxy");
        // Control: nobody answers.
        assert_eq!(
            ask(&house, "_ldap._tcp.good.example", SRV).await,
            "ServerFailure"
        );
        assert!(heard.recv(&mut [0; 512]).is_ok());
    });
}

#[test]
fn as_many_places_are_told_as_every_client_takes() {
    run(async {
        let mut house = House::new(&only(&["*.good.example"]), "");
        let server = server(|asked| {
            let label = "x".repeat(60);
            let targets: Vec<String> = (0..9)
                .map(|at| format!("{label}.a{at}.good.example"))
                .collect();
            let places: Vec<_> = targets
                .iter()
                .map(|target| (1, 1, target.as_str()))
                .collect();
            vec![answer(asked, RCODE::NoError, &places)]
        });
        let resolver = &mut Rc::get_mut(&mut house.hall).unwrap().resolver;
        resolver.servers = Some(vec![server]);
        let asked = query("_ldap._tcp.a.good.example", SRV);
        let found = house.hall.answer(&asked).await.unwrap();
        assert!(
            found.len() <= 512 && places(&found).len() > 3,
            "{}",
            found.len()
        );
    });
}

#[test]
fn addresses_of_ours_have_their_name_back() {
    run(async {
        let house = House::new(&only(&["good.example"]), "127.0.0.1 good.example");
        let SocketAddr::V4(address) = house.address("good.example", 1) else {
            panic!("not IPv4");
        };
        let [a, b, c, d] = address.ip().octets();
        assert_eq!(
            ask(&house, &format!("{d}.{c}.{b}.{a}.in-addr.arpa"), PTR).await,
            "good.example"
        );
        let pair = house
            .hall
            .names
            .borrow_mut()
            .addresses(&"good.example".parse().unwrap())
            .unwrap();
        let digits = format!("{:032x}", u128::from(pair.v6));
        let reversed: Vec<String> = digits
            .chars()
            .rev()
            .map(|digit| digit.to_string())
            .collect();
        assert_eq!(
            ask(&house, &format!("{}.ip6.arpa", reversed.join(".")), PTR).await,
            "good.example"
        );
        for other in [
            "8.8.8.8.in-addr.arpa",
            "1.0.18.198.in-addr.arpa",
            "good.example",
            "x.ip6.arpa",
            "256.0.0.1.in-addr.arpa",
        ] {
            assert_eq!(ask(&house, other, PTR).await, "NameError", "{other}");
        }
    });
}

#[test]
fn names_are_asked_about_at_the_connection_not_here() {
    run(async {
        let asks = only(&[]).network(Network::Ask).deny("evil.example");
        let options = crate::Options::default().ask(|_| panic!("a question"));
        let house = House::with(&asks, "", options);
        // Nobody looked it up, either: the resolver does not know it.
        assert!(ask(&house, "any.example", A).await.starts_with("198.1"));
        assert_eq!(ask(&house, "evil.example", A).await, "NameError");
        let allows = House::new(
            &Policy::default().network(Network::Allow),
            "8.8.8.8 any.example",
        );
        assert!(ask(&allows, "any.example", A).await.starts_with("198.1"));
        assert_eq!(ask(&allows, "gone.example", A).await, "NameError");
    });
}

#[test]
fn labels_are_no_way_to_say_another_name() {
    run(async {
        let house = House::new(
            &only(&["good.example", "*.good.example"]),
            "127.0.0.1 good.example a.good.example",
        );
        let ask = async |labels: &[&[u8]]| {
            let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
            for label in labels {
                message.push(u8::try_from(label.len()).unwrap());
                message.extend(*label);
            }
            message.extend([0, 0, 1, 0, 1]);
            let answer = house.hall.answer(&message).await.unwrap();
            answer[3] & 15
        };
        assert_eq!(ask(&[b"good", b"example"]).await, 0);
        assert_eq!(ask(&[b"a", b"good", b"example"]).await, 0);
        for labels in [
            &[&b"good.example"[..]][..],
            &[b"a.good", b"example"],
            &[b"good", b"example\0"],
            &[b"good", b"example", b"evil"],
            &[b"\xe4", b"good", b"example"],
            &[b"a b", b"good", b"example"],
            &[b"%61", b"good", b"example"],
        ] {
            assert_eq!(ask(labels).await, 3, "{labels:?}");
        }
    });
}

#[test]
fn a_full_table_is_a_failure_for_new_names_alone() {
    run(async {
        let hosts = "127.0.0.1 old.example new.example";
        let house = House::new(&only(&["*.example"]), hosts);
        let old = ask(&house, "old.example", A).await;
        for number in 0..bounds::NAMES {
            let name = format!("n{number}.example").parse().unwrap();
            house.hall.names.borrow_mut().addresses(&name);
        }
        assert_eq!(ask(&house, "new.example", A).await, "ServerFailure");
        assert_eq!(ask(&house, "old.example", A).await, old);
    });
}

#[test]
fn what_is_no_question_is_not_answered_or_as_such() {
    run(async {
        let house = House::new(&only(&["good.example"]), "127.0.0.1 good.example");
        let good = query("good.example", A);
        let with = |at: usize, byte: u8| {
            let mut message = good.clone();
            message[at] = byte;
            message
        };
        assert_eq!(house.hall.answer(&good).await.unwrap()[3] & 15, 0);
        let long = [&good[..], &[0; bounds::MESSAGE]].concat();
        for message in [&b""[..], &[0; 11], &with(2, 0x80), &long] {
            assert_eq!(
                house.hall.answer(message).await,
                None,
                "{}",
                message.escape_ascii()
            );
        }
        for (message, code) in [
            (with(2, 0x28), 4),
            (with(5, 0), 1),
            (with(5, 2), 1),
            (with(7, 1), 1),
            (with(9, 1), 1),
            (with(11, 2), 1),
            (good[..20].to_vec(), 1),
            // A name that points at itself.
            (with(12, 0xc0), 1),
        ] {
            let answer = house.hall.answer(&message).await.unwrap();
            assert_eq!(
                (answer.len(), answer[3] & 15),
                (12, code),
                "{}",
                message.escape_ascii()
            );
        }
    });
}
