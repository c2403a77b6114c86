//! What passes, and what whoever is refused is told.

#[cfg(target_vendor = "apple")]
use nix::sys::socket::sockopt::TcpKeepAlive as KeepIdle;
#[cfg(not(target_vendor = "apple"))]
use nix::sys::socket::sockopt::TcpKeepIdle as KeepIdle;
use nix::sys::socket::{getsockopt, sockopt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::tls::ACCESS_DENIED;
use crate::tls::tests::hello_for;

const HOSTS: &str = "127.3.0.1 good.example\n127.3.0.2 other.example";

/// Names may be anywhere on the loopback, where the tests' servers are.
fn house(names: &[&str]) -> House {
    House::new(&only(&[names, &["127.3.0.0/16"]].concat()), HOSTS)
}

#[test]
fn a_name_is_dialled_by_its_address_and_all_passes_both_ways() {
    run(async {
        let server = Server::echo("127.3.0.1", "").await;
        let house = house(&["good.example"]);
        let mut program = house
            .connect(house.address("good.example", server.port))
            .await;
        let megabytes: Vec<u8> = (0..3_000_000_u32).map(|at| at.to_be_bytes()[3]).collect();
        let sent = [b"\0raw", &megabytes[..]].concat();
        let (mut read, mut write) = program.split();
        let out = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let ((), back) = futures_util::future::join(out, read.read_to_end(&mut heard)).await;
        back.unwrap();
        assert!(heard == sent);
        let told = house.events(1).await;
        assert_eq!(
            told,
            [format!("allow capture good.example:{}", server.port)]
        );
        let event = house.last_event();
        let length = sent.len() as u64;
        assert_eq!((event.sent, event.received), (length, length));
        assert_eq!(event.address, Some("127.3.0.1".parse().unwrap()));
        assert_eq!(event.rule.unwrap().pattern, "good.example");
    });
}

#[test]
fn a_server_that_speaks_first_is_heard_before_the_command_has_spoken() {
    run(async {
        let server = Server::echo("127.3.0.1", "SSH-2.0-server\r\n").await;
        let house = house(&["good.example"]);
        let mut program = house
            .connect(house.address("good.example", server.port))
            .await;
        let mut banner = [0; 16];
        program.read_exact(&mut banner).await.unwrap();
        assert_eq!(&banner, b"SSH-2.0-server\r\n");
        assert_eq!(
            say(&mut program, b"SSH-2.0-client\r\n").await,
            b"SSH-2.0-client\r\n"
        );
    });
}

#[test]
fn tls_for_the_name_passes_as_it_was_said() {
    run(async {
        let server = Server::echo("127.3.0.1", "").await;
        let house = house(&["good.example"]);
        let hello = [hello_for("good.example"), b"\x17\x03\x03\0\x01x".to_vec()].concat();
        let mut program = house
            .connect(house.address("good.example", server.port))
            .await;
        assert_eq!(say(&mut program, &hello).await, hello);
        // In single bytes, too.
        let mut program = house
            .connect(house.address("good.example", server.port))
            .await;
        for byte in &hello {
            program.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(say(&mut program, b"").await, hello);
    });
}

#[test]
fn an_address_is_judged_as_an_address() {
    run(async {
        let server = Server::echo("127.3.0.9", "").await;
        let policy = only(&["127.3.0.9"]).deny("bad.example");
        let house = House::new(&policy, HOSTS);
        let dialled = (IpAddr::from([127, 3, 0, 9]), server.port).into();
        for hello in [hello_for("claimed.example"), b"raw".to_vec()] {
            let mut program = house.connect(dialled).await;
            assert_eq!(say(&mut program, &hello).await, hello);
        }
        // What it claims to be may not be what a rule denies.
        let mut program = house.connect(dialled).await;
        assert_eq!(
            say(&mut program, &hello_for("bad.example")).await,
            ACCESS_DENIED
        );
        let other = (IpAddr::from([127, 3, 0, 8]), server.port).into();
        assert!(is_reset(&mut house.connect(other).await).await);
    });
}

#[test]
fn whoever_is_denied_is_told_in_its_own_protocol() {
    run(async {
        let house = house(&[]);
        let denied = house.address("good.example", 443);
        let mut tls = house.connect(denied).await;
        assert_eq!(
            say(&mut tls, &hello_for("good.example")).await,
            ACCESS_DENIED
        );
        let mut http = house.connect(denied).await;
        let page = say(&mut http, b"GET / HTTP/1.1\r\nHost: good.example\r\n\r\n").await;
        insta::assert_snapshot!(String::from_utf8(page).unwrap().replace('\r', ""), @r#"
        HTTP/1.1 403 Forbidden
        content-type: text/plain; charset=utf-8
        content-length: 115
        x-proxy-error: blocked-by-allowlist
        connection: close

        sandbox: `good.example:443` is denied: no rule allows it

        help: in `[network.rules]`: "good.example:443" = "allow"
        "#);
        assert!(is_reset(&mut house.connect(denied).await).await);
        let told = house.events(3).await;
        assert_eq!(
            told[2],
            "deny capture good.example:443: denied; allowed by \"good.example:443\" = \"allow\""
        );
    });
}

#[test]
fn what_cant_be_reached_ends_as_a_broken_connection() {
    run(async {
        let house = house(&["good.example", "nowhere.example"]);
        let (_held, gone) = unserved("127.3.0.1");
        let mut tls = house.connect(house.address("good.example", gone)).await;
        tls.write_all(&hello_for("good.example")).await.unwrap();
        assert!(is_reset(&mut tls).await);
        let mut http = house.connect(house.address("nowhere.example", 80)).await;
        let page = say(&mut http, b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(
            page.starts_with(b"HTTP/1.1 502 "),
            "{}",
            page.escape_ascii()
        );
        let told = house.events(2).await;
        assert_eq!(
            told[0],
            format!(
                "allow capture good.example:{gone}: unreachable (Connection refused (os error 111))"
            )
        );
        assert_eq!(told[1], "allow capture nowhere.example:80: unresolved");
    });
}

#[test]
fn who_breaks_off_breaks_off_the_other_side() {
    run(async {
        let house = house(&["good.example"]);
        let listener = TcpListener::bind("127.3.0.1:0").await.unwrap();
        let dialled = house.address("good.example", listener.local_addr().unwrap().port());
        // The server, before the command has spoken and after.
        for said in [&b""[..], b"\0raw"] {
            let mut program = house.connect(dialled).await;
            let (mut server, _) = listener.accept().await.unwrap();
            program.write_all(said).await.unwrap();
            let mut heard = vec![0; said.len()];
            server.read_exact(&mut heard).await.unwrap();
            server.set_zero_linger().unwrap();
            drop(server);
            assert!(is_reset(&mut program).await);
        }
        // The command.
        let mut program = house.connect(dialled).await;
        let (mut server, _) = listener.accept().await.unwrap();
        program.write_all(b"\0raw").await.unwrap();
        server.read_exact(&mut [0; 4]).await.unwrap();
        program.set_zero_linger().unwrap();
        drop(program);
        assert!(is_reset(&mut server).await);
        assert_eq!(house.events(3).await.len(), 3);
    });
}

#[test]
fn who_has_said_everything_is_waited_for_no_longer_than_it_listens() {
    run(async {
        let house = house(&["good.example"]);
        let listener = TcpListener::bind("127.3.0.1:0").await.unwrap();
        let dialled = house.address("good.example", listener.local_addr().unwrap().port());
        let mut program = house.connect(dialled).await;
        let (mut server, _) = listener.accept().await.unwrap();
        program.write_all(b"\0raw").await.unwrap();
        program.shutdown().await.unwrap();
        assert_eq!(hear(&mut server).await, b"\0raw");
        // Control: it listens.
        server.write_all(b"late").await.unwrap();
        program.read_exact(&mut [0; 4]).await.unwrap();
        // As the kernel says of one that is gone when it is asked (tcp(7), SO_KEEPALIVE).
        program.set_zero_linger().unwrap();
        drop(program);
        house.events(1).await;
    });
}

#[test]
fn who_comes_is_asked_whether_it_is_there() {
    run(async {
        let house = house(&[]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, was_asked) = std::sync::mpsc::channel();
        let hall = Rc::clone(&house.hall);
        spawn_local(async move {
            let tell = |client: TcpStream, _| {
                let is_asked = getsockopt(&client, sockopt::KeepAlive).unwrap();
                let _ = asked.send((is_asked, getsockopt(&client, KeepIdle).unwrap()));
                std::future::ready(())
            };
            crate::capture::serve(&listener, &hall, tell).await;
        });
        let mut program = TcpStream::connect(address).await.unwrap();
        hear(&mut program).await;
        let every = u32::try_from(crate::bounds::KEEP_ALIVE.as_secs()).unwrap();
        assert_eq!(was_asked.recv(), Ok((true, every)));
    });
}

#[test]
fn other_rules_end_what_they_deny() {
    run(async {
        let server = Server::echo("127.3.0.1", "hello").await;
        let house = house(&["good.example", "other.example"]);
        let mut program = house
            .connect(house.address("good.example", server.port))
            .await;
        let mut banner = [0; 5];
        program.read_exact(&mut banner).await.unwrap();
        program.write_all(b"\0raw").await.unwrap();
        program.read_exact(&mut banner[..4]).await.unwrap();
        // What they allow as well goes on.
        house.update(&only(&["good.example", "127.3.0.0/16"]));
        program.write_all(b"more").await.unwrap();
        program.read_exact(&mut banner[..4]).await.unwrap();
        assert_eq!(&banner[..4], b"more");
        house.update(&only(&["other.example", "127.3.0.0/16"]));
        assert!(is_reset(&mut program).await);
        let told = house.events(1).await;
        assert_eq!(
            told,
            [format!(
                "deny capture good.example:{}: withdrawn",
                server.port
            )]
        );
        // And the address alone.
        house.update(&only(&["good.example"]));
        assert!(
            is_reset(
                &mut house
                    .connect(house.address("good.example", server.port))
                    .await
            )
            .await
        );
    });
}

#[test]
fn other_rules_end_what_claims_to_be_what_they_deny() {
    run(async {
        let server = Server::echo("127.3.0.9", "").await;
        let policy = only(&["127.3.0.9"]);
        let house = House::new(&policy, HOSTS);
        let hello = hello_for("claimed.example");
        let dialled = (IpAddr::from([127, 3, 0, 9]), server.port).into();
        let mut program = house.connect(dialled).await;
        program.write_all(&hello).await.unwrap();
        let mut heard = vec![0; hello.len()];
        program.read_exact(&mut heard).await.unwrap();
        // Control: what they deny is another name.
        house.update(&policy.clone().deny("other.example"));
        program.write_all(b"more").await.unwrap();
        program.read_exact(&mut heard[..4]).await.unwrap();
        house.update(&policy.deny("claimed.example"));
        assert!(is_reset(&mut program).await);
    });
}

#[test]
fn a_published_port_leads_inside() {
    run(async {
        let inside = Server::echo("127.3.0.7", "hello ").await;
        let house = house(&[]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = inside.port;
        let connect = move || Ok(std::net::TcpStream::connect(("127.3.0.7", port))?.into());
        spawn_local(crate::publish::published(
            listener,
            3000,
            Arc::new(connect),
            Rc::clone(&house.hall),
        ));
        let mut outside = TcpStream::connect(address).await.unwrap();
        assert_eq!(say(&mut outside, b"world").await, b"hello world");
        house.events(1).await;
        let event = house.last_event();
        assert_eq!(event.to_string(), "allow publish 127.0.0.1:3000");
        assert_eq!((event.sent, event.received), (11, 5));
        // Nobody listens inside.
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connect = || Err(std::io::ErrorKind::ConnectionRefused.into());
        spawn_local(crate::publish::published(
            listener,
            3001,
            Arc::new(connect),
            Rc::clone(&house.hall),
        ));
        let mut outside = TcpStream::connect(address).await.unwrap();
        assert!(is_reset(&mut outside).await);
        assert_eq!(
            house.events(2).await[1],
            "allow publish 127.0.0.1:3001: unreachable (connection refused)"
        );
    });
}
