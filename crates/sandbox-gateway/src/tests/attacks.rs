//! Attacks by a program that knows the gateway's source, each with its control.

use nix::sys::resource::{Resource, getrlimit};
use sandbox_core::Verdict;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::event::End;
use crate::names::Meaning;
use crate::resolver::Lookup;
use crate::tls::ACCESS_DENIED;
use crate::tls::tests::hello_for;

const HOSTS: &str = "127.4.0.1 good.example\n127.4.0.2 evil.example";

fn house(names: &[&str]) -> House {
    House::new(&only(&[names, &["127.4.0.0/16"]].concat()), HOSTS)
}

#[test]
fn tls_for_another_name_is_refused_and_not_a_byte_reaches_the_server() {
    run(async {
        let server = Server::echo("127.4.0.1", "").await;
        let house = house(&["good.example", "evil.example"]);
        let dialled = house.address("good.example", server.port);
        // Even if the other name is allowed, too.
        for name in [
            "evil.example",
            "xgood.example",
            "good.example.evil.example",
            "good.examplex",
        ] {
            let hello = hello_for(name);
            let mut program = house.connect(dialled).await;
            assert_eq!(say(&mut program, &hello).await, ACCESS_DENIED, "{name}");
            // Split in the middle of the name.
            let mut program = house.connect(dialled).await;
            let (before, after) = hello.split_at(hello.len() / 2);
            program.write_all(before).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert_eq!(say(&mut program, after).await, ACCESS_DENIED, "{name}");
        }
        assert_eq!(server.heard(), b"");
        let told = house.events(1).await;
        let expected = format!(
            "deny capture good.example:{}: mismatch (TLS is for `evil.example`)",
            server.port
        );
        assert_eq!(told[0], expected);
        // Control.
        let hello = hello_for("good.example");
        let mut program = house.connect(dialled).await;
        assert_eq!(say(&mut program, &hello).await, hello);
    });
}

#[test]
fn tls_without_a_name_or_that_is_none_is_refused() {
    run(async {
        let server = Server::echo("127.4.0.1", "").await;
        let house = house(&["good.example"]);
        let dialled = house.address("good.example", server.port);
        for hello in [
            crate::tls::tests::hello_without_name(),
            hello_for("127.0.0.1"),
            hello_for("good.example\0.evil.example"),
            hello_for("good example"),
            b"\x16\x03\x01\x00\x05garbage".to_vec(),
            b"\x16\x03".to_vec(),
            // In the form of SSL 2.0.
            b"\x80\x1c\x01\x03\x01\0\x03\0\0\0\x10\0\0\x050123456789abcdef".to_vec(),
        ] {
            let mut program = house.connect(dialled).await;
            let answer = say(&mut program, &hello).await;
            assert_eq!(answer, ACCESS_DENIED, "{}", hello.escape_ascii());
        }
        assert_eq!(server.heard(), b"");
    });
}

#[test]
fn nothing_is_forwarded_until_it_is_known_what_it_is() {
    run(async {
        let server = Server::echo("127.4.0.1", "banner").await;
        let house = house(&["good.example"]);
        let dialled = house.address("good.example", server.port);
        let mut program = house.connect(dialled).await;
        let mut banner = [0; 6];
        // The server is connected, and heard.
        program.read_exact(&mut banner).await.unwrap();
        for piece in [&b"BREW"[..], b" /pot HT", b"TP/1."] {
            program.write_all(piece).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(server.heard(), b"");
        // Control: as soon as it can't be HTTP any more, it passes.
        let mut program = house.connect(dialled).await;
        program.read_exact(&mut banner).await.unwrap();
        program.write_all(b"EHLO me").await.unwrap();
        program.write_all(b"\r\n").await.unwrap();
        let mut line = [0; 9];
        program.read_exact(&mut line).await.unwrap();
        assert_eq!(server.heard(), b"EHLO me\r\n");
    });
}

#[test]
fn an_address_of_ours_without_a_name_leads_nowhere_whatever_the_rules_say() {
    run(async {
        let rules = only(&["198.18.0.0/15", "fc00::/7", "good.example", "127.4.0.0/16"]);
        let house = House::new(&rules, HOSTS);
        let server = Server::echo("127.4.0.1", "hello").await;
        for address in [
            "198.18.3.4",
            "198.19.255.255",
            "fd73:616e:6462:6f78::9999",
            "::ffff:198.18.3.4",
        ] {
            let dialled = SocketAddr::new(address.parse().unwrap(), server.port);
            assert!(
                is_reset(&mut house.connect(dialled).await).await,
                "{address}"
            );
        }
        // Control, by both of the name's addresses, and by either in the mapped form.
        let name = "good.example".parse().unwrap();
        let pair = house.hall.names.borrow_mut().addresses(&name).unwrap();
        for address in [
            pair.v4.into(),
            IpAddr::from(pair.v6),
            pair.v4.to_ipv6_mapped().into(),
        ] {
            let mut program = house.connect(SocketAddr::new(address, server.port)).await;
            let mut heard = [0; 5];
            program.read_exact(&mut heard).await.unwrap();
        }
    });
}

#[test]
fn an_allowed_name_does_not_lead_to_closed_addresses() {
    run(async {
        for address in [
            "127.0.0.1",
            "127.4.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "198.18.0.7",
            "224.0.0.1",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fd00:ec2::254",
            "fd73:616e:6462:6f78::7",
        ] {
            let house = House::new(&only(&["good.example"]), &format!("{address} good.example"));
            let refusal = house.hall.open(wish("good.example", 80)).await.unwrap_err();
            assert!(refusal.is_denial(), "{address}: {}", refusal.reason());
            assert_eq!(house.last_event().address, None, "{address} was dialled");
        }
        // Control: the address is named, too.
        let server = Server::echo("127.4.0.1", "").await;
        house(&["good.example"])
            .hall
            .open(wish("good.example", server.port))
            .await
            .unwrap();
        // Of several the closed ones are dropped, wherever they stand.
        let hosts = "127.0.0.1 good.example\n127.4.0.1 good.example\n::1 good.example";
        let house = House::new(&only(&["good.example", "127.4.0.1"]), hosts);
        let opened = house
            .hall
            .open(wish("good.example", server.port))
            .await
            .unwrap();
        assert_eq!(opened.line.address, Some("127.4.0.1".parse().unwrap()));
    });
}

#[test]
fn a_name_that_changes_is_judged_as_it_is_dialled() {
    run(async {
        let server = Server::echo("127.4.0.1", "").await;
        let house = House::new(&only(&["good.example", "127.4.0.1"]), HOSTS);
        house
            .hall
            .open(wish("good.example", server.port))
            .await
            .unwrap();
        // What was answered before is what is dialled: the change comes too late, …
        house.set_hosts("127.0.0.1 good.example");
        let opened = house
            .hall
            .open(wish("good.example", server.port))
            .await
            .unwrap();
        assert_eq!(opened.line.address, Some("127.4.0.1".parse().unwrap()));
        // … and whoever hears of it judges it.
        let house = House::new(
            &only(&["good.example", "127.4.0.1"]),
            "127.0.0.1 good.example",
        );
        let refusal = house
            .hall
            .open(wish("good.example", server.port))
            .await
            .unwrap_err();
        assert!(refusal.is_denial());
    });
}

#[test]
fn an_address_is_its_name_s_for_good() {
    let house = House::new(&only(&["*.example"]), "");
    let address = house.address("first.example", 1).ip();
    for number in 0..2 * crate::bounds::NAMES {
        let name = format!("n{number}.example").parse().unwrap();
        house.hall.names.borrow_mut().addresses(&name);
    }
    let meaning = house.hall.names.borrow().meaning(address);
    assert_eq!(meaning, Meaning::Name("first.example".parse().unwrap()));
}

#[test]
fn many_denials_are_told_of_as_few() {
    run(async {
        let server = Server::echo("127.4.0.1", "").await;
        let house = house(&["good.example"]);
        let count = 4 * crate::bounds::DENIALS;
        for _ in 0..count {
            house.hall.open(wish("evil.example", 80)).await.unwrap_err();
        }
        let told = house.events.lock().unwrap().len();
        assert!(told < count as usize, "{told}");
        assert!(told >= crate::bounds::DENIALS as usize, "{told}");
        // Control: what is allowed is told of each time, …
        for _ in 0..3 {
            let allowed = house.hall.open(wish("good.example", server.port)).await;
            drop(allowed.unwrap());
        }
        let events = house.events.lock().unwrap().split_off(told);
        let verdicts: Vec<Verdict> = events.iter().map(|event| event.verdict).collect();
        assert_eq!(verdicts, [Verdict::Allow; 3]);
        // … and how many were not told of comes with the next.
        while house.last_event().omitted == 0 {
            tokio::time::sleep(crate::bounds::DENIAL_EVERY).await;
            house.hall.open(wish("evil.example", 80)).await.unwrap_err();
        }
        assert!(house.last_event().to_json().contains("\"omitted\":"));
    });
}

#[test]
fn whoever_is_slow_is_refused_and_whoever_is_silent_too_long_is_forgotten() {
    run_for(crate::bounds::IDLE * 9, async {
        let server = Server::echo("127.4.0.1", "banner").await;
        let house = house(&["good.example"]);
        let dialled = house.address("good.example", server.port);
        let mut banner = [0; 6];
        let mut slow = house.connect(dialled).await;
        slow.read_exact(&mut banner).await.unwrap();
        slow.write_all(b"GE").await.unwrap();
        let mut silent = house.connect(dialled).await;
        silent.read_exact(&mut banner).await.unwrap();
        let mut open = house.connect(dialled).await;
        open.write_all(b"\0raw").await.unwrap();
        open.read_exact(&mut banner).await.unwrap();
        open.read_exact(&mut banner[..4]).await.unwrap();
        // What was said has been heard.
        while server.heard() != b"\0raw" {
            tokio::task::yield_now().await;
        }
        tokio::time::pause();
        tokio::time::advance(crate::bounds::FIRST_WORD * 2).await;
        // Controls: who has said what it is, and who waits for the server to speak, are not held to that.
        house.events(1).await;
        assert_eq!(house.events.lock().unwrap().len(), 1);
        let End::Mismatch(said) = house.last_event().end else {
            panic!("{:?}", house.last_event());
        };
        assert_eq!(said, "it does not say what it is in time");
        tokio::time::advance(crate::bounds::IDLE * 2).await;
        let told = house.events(3).await;
        tokio::time::resume();
        let idle = told.iter().filter(|line| line.ends_with(": idle"));
        assert_eq!(idle.count(), 2, "{told:?}");
        for mut program in [slow, silent, open] {
            assert_eq!(hear(&mut program).await, b"");
        }
        assert_eq!(server.heard(), b"\0raw");
    });
}

#[test]
fn who_comes_when_all_places_are_taken_costs_nobody_else() {
    run(async {
        let house = house(&["good.example"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = listener.local_addr().unwrap();
        spawn_local(crate::capture::streams(
            listener,
            None,
            Rc::clone(&house.hall),
        ));
        let (mut places, (some, _)) = (Vec::new(), pair().await);
        while let Some(place) = house.hall.place(&some) {
            places.push(place);
        }
        let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(places.len(), crate::hall::places(descriptors));
        let mut one_more = TcpStream::connect(dialled).await.unwrap();
        assert!(is_reset(&mut one_more).await);
        // Control: a place that becomes free is the next one's, who is heard and refused.
        places.pop();
        let mut next = TcpStream::connect(dialled).await.unwrap();
        let page = say(&mut next, b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(
            page.starts_with(b"HTTP/1.1 403 "),
            "{}",
            page.escape_ascii()
        );
    });
}

#[test]
fn who_comes_from_outside_leaves_places_to_those_inside() {
    run(async {
        let house = house(&["good.example"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepting, closed) = std::sync::mpsc::channel::<()>();
        let closed = Mutex::new(closed);
        // Nobody accepts inside.
        let connect = move || {
            let _ = closed.lock().unwrap().recv();
            Err(std::io::ErrorKind::ConnectionRefused.into())
        };
        let hall = Rc::clone(&house.hall);
        let published = crate::publish::published(listener, 3000, Arc::new(connect), hall);
        spawn_local(published);
        let (mut places, (some, _)) = (Vec::new(), pair().await);
        let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let count = crate::hall::places(descriptors);
        while places.len() + 1 < count / 2 {
            places.push(house.hall.place(&some).unwrap());
        }
        let _first = TcpStream::connect(address).await.unwrap();
        while house.hall.connects.available_permits() == crate::bounds::CONNECTS {
            tokio::task::yield_now().await;
        }
        let mut second = TcpStream::connect(address).await.unwrap();
        assert!(is_reset(&mut second).await);
        // Control: inside there are as many left.
        while places.len() + 1 < count {
            places.push(house.hall.place(&some).unwrap());
        }
        assert!(house.hall.place(&some).is_none());
        drop(accepting);
    });
}

#[test]
fn connections_take_no_more_than_half_of_the_callers_descriptors() {
    for (descriptors, expected) in [
        (64, 16),
        (1024, 256),
        (1 << 20, crate::bounds::CONNECTIONS),
        (u64::MAX, crate::bounds::CONNECTIONS),
    ] {
        assert_eq!(crate::hall::places(descriptors), expected);
    }
}

#[test]
fn published_ports_where_nobody_accepts_leave_threads_to_others() {
    run(async {
        let house = house(&["good.example"]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepting, closed) = std::sync::mpsc::channel::<()>();
        let (waiting, closed) = (Arc::new(Mutex::new(0)), Mutex::new(closed));
        let count = Arc::clone(&waiting);
        let connect = move || {
            *count.lock().unwrap() += 1;
            let _ = closed.lock().unwrap().recv();
            Err(std::io::ErrorKind::ConnectionRefused.into())
        };
        let hall = Rc::clone(&house.hall);
        spawn_local(crate::publish::published(
            listener,
            3000,
            Arc::new(connect),
            hall,
        ));
        let mut outside = Vec::new();
        for _ in 0..4 * crate::bounds::CONNECTS {
            outside.push(TcpStream::connect(address).await.unwrap());
        }
        // All have been accepted, and those that may have begun to connect.
        while house.hall.connects.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let name = "good.example".parse().unwrap();
        let found = house
            .hall
            .resolver
            .lookup(&name, crate::bounds::LOOKUP)
            .await;
        assert!(matches!(found, Lookup::Found(_)));
        assert!(*waiting.lock().unwrap() <= crate::bounds::CONNECTS);
        // Control: all of them are told, in the end.
        drop(accepting);
        house.events(outside.len()).await;
        assert_eq!(*waiting.lock().unwrap(), outside.len());
    });
}
