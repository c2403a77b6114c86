//! The proxy and captured HTTP as a hostile client sees them, and the servers behind.

mod passing;
mod relayed;

use sandbox_core::Policy;

use crate::tests::run;
use crate::tests::world::{Server, World};

fn allow(names: &[&str]) -> Policy {
    let allow = |policy: Policy, name: &&str| policy.allow(name);
    names.iter().fold(Policy::default(), allow)
}

/// A request to the proxy after which the connection ends.
fn get(host: &str, port: u16) -> String {
    format!(
        "GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    )
}

#[test]
fn an_allowed_name_is_reached_and_the_next_one_is_not() {
    run(async {
        let world = World::new(allow(&["a.example"]));
        let server = Server::ok().await;
        let answer = world
            .proxies()
            .await
            .ask(get("a.example", server.port))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nok"),
            "{answer}"
        );
        let answer = world
            .proxies()
            .await
            .ask(get("b.example", server.port))
            .await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nX-Proxy-Error: blocked-by-allowlist\r\n"),
            "{answer}"
        );
        assert!(answer.contains("`b.example:"), "{answer}");
        assert!(
            answer.contains(&format!("\"b.example:{}\" = \"allow\"\n", server.port)),
            "{answer}"
        );
        assert_eq!(server.heard().len(), 1);
        assert!(
            server.heard()[0].starts_with("GET / HTTP/1.1\r\n"),
            "{:?}",
            server.heard()
        );
        let port = server.port;
        let told = world.house.events(2).await;
        let allowed = format!("allow http a.example:{port}");
        assert!(told.contains(&allowed), "{told:?}");
        let denied = format!(
            "deny http b.example:{port}: denied; allowed by \"b.example:{port}\" = \"allow\""
        );
        assert!(told.contains(&denied), "{told:?}");
    });
}

#[test]
fn every_request_of_a_connection_is_decided() {
    run(async {
        let world = World::new(allow(&["a.example", "c.example"]));
        let server = Server::ok().await;
        let port = server.port;
        let request = |host: &str| {
            format!("GET http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n")
        };
        let mut client = world.proxies().await;
        for _ in 0..3 {
            client.say(request("a.example")).await;
            client.until("\r\n\r\nok").await;
        }
        client.say(request("b.example")).await;
        let denied = client.until("\"allow\"\n").await;
        assert!(denied.starts_with("HTTP/1.1 403"), "{denied}");
        // The denial does not cost the connection.
        client.say(request("c.example")).await;
        client.until("\r\n\r\nok").await;
        let heard = server.heard();
        assert_eq!(
            heard.len(),
            2,
            "one connection for each destination: {heard:?}"
        );
        assert_eq!(heard[0].matches("GET / HTTP/1.1").count(), 3);
        assert!(!heard.concat().contains("b.example"));
    });
}

#[test]
fn what_a_request_says_of_its_destination_agrees() {
    run(async {
        let world = World::new(allow(&["a.example", "b.example"]));
        let server = Server::ok().await;
        let port = server.port;
        let other = if port == 80 { 81 } else { 80 };
        for (target, host) in [
            (format!("http://a.example:{port}/"), "b.example".to_owned()),
            (
                format!("http://a.example:{port}/"),
                format!("b.example:{port}"),
            ),
            (
                format!("http://a.example:{port}/"),
                format!("a.example:{other}"),
            ),
            (
                format!("http://a.example:{port}/"),
                "a.example.b.example".to_owned(),
            ),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = world.proxies().await.ask(request).await;
            assert!(
                answer.starts_with("HTTP/1.1 403"),
                "{target} {host}: {answer}"
            );
            assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
        }
        for (target, host) in [
            (format!("CONNECT a.example:{port}"), "b.example".to_owned()),
            (
                format!("CONNECT a.example:{port}"),
                format!("a.example:{other}"),
            ),
        ] {
            let request = format!("{target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = world.proxies().await.ask(request).await;
            assert!(
                answer.starts_with("HTTP/1.1 403"),
                "{target} {host}: {answer}"
            );
        }
        for target in [
            format!("http://user@a.example:{port}/"),
            format!("http://user:word@a.example:{port}/"),
            format!("http://b.example@a.example:{port}/"),
            format!("https://a.example:{port}/"),
            format!("ftp://a.example:{port}/"),
            format!("http://a%2eexample:{port}/"),
            format!("http://[a.example]:{port}/"),
            format!("http://a.example:{port}:{port}/"),
            "http://a.example:99999/".to_owned(),
            "http://a.example:/".to_owned(),
            "/".to_owned(),
            "*".to_owned(),
            "a.example".to_owned(),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: a.example\r\n\r\n");
            let answer = world.proxies().await.ask(request).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{target}: {answer}");
        }
        assert_eq!(server.heard(), [""; 0]);
        // Controls: the same destination, in other spellings.
        for (target, host) in [
            (format!("http://a.example:{port}/"), "a.example".to_owned()),
            (
                format!("http://A.Example.:{port}/"),
                format!("a.EXAMPLE:{port}"),
            ),
        ] {
            let request =
                format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = world.proxies().await.ask(request).await;
            assert!(
                answer.starts_with("HTTP/1.1 200"),
                "{target} {host}: {answer}"
            );
        }
        for heard in server.heard() {
            assert!(
                heard.contains(&format!("\r\nhost: a.example:{port}\r\n")),
                "{heard}"
            );
        }
    });
}

#[test]
fn a_captured_connection_has_one_host() {
    run(async {
        let world = World::new(allow(&["a.example", "b.example"]));
        let server = Server::ok().await;
        let port = server.port;
        let mut client = world.captured("a.example", port).await;
        for host in [
            "a.example".to_owned(),
            "A.EXAMPLE.".to_owned(),
            format!("a.example:{port}"),
        ] {
            client
                .say(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"))
                .await;
            client.until("\r\n\r\nok").await;
        }
        let answer = client.ask("GET /second HTTP/1.1\r\nHost: b.example\r\n\r\nGET /third HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        let heard = server.heard();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].matches("GET /").count(), 3, "{heard:?}");
        assert!(!heard[0].contains("second"));
        for request in [
            "GET / HTTP/1.1\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost:\r\n\r\n".to_owned(),
            "GET / HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n".to_owned(),
            "GET https://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n".to_owned(),
            format!("CONNECT a.example:{port} HTTP/1.1\r\nHost: a.example:{port}\r\n\r\n"),
        ] {
            let answer = world.captured("a.example", port).await.ask(&request).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{request}: {answer}");
        }
        for request in [
            "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: 127.0.0.2\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a.example:1\r\n\r\n",
        ] {
            let answer = world.captured("a.example", port).await.ask(request).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{request}: {answer}");
        }
        assert!(server.heard().iter().skip(1).all(String::is_empty));
        // Before HTTP/1.1, none needs be named.
        let answer = world
            .captured("a.example", port)
            .await
            .ask("GET / HTTP/1.0\r\n\r\n")
            .await;
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        let heard = server.heard();
        let last = heard.last().unwrap();
        assert!(
            last.contains(&format!("\r\nhost: a.example:{port}\r\n")),
            "{last}"
        );
    });
}

#[test]
fn a_name_on_a_connection_to_an_address_is_a_claim() {
    run(async {
        let world = World::new(Policy::default().deny_because("b.example", "it tracks"));
        let server = Server::ok().await;
        let port = server.port;
        for (host, status) in [
            ("127.0.0.2", 200),
            ("unknown.example", 200),
            ("127.0.0.3", 403),
            ("b.example", 403),
        ] {
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let answer = world.captured("127.0.0.2", port).await.ask(request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{host}: {answer}"
            );
            assert_eq!(
                answer.contains("it tracks"),
                host == "b.example",
                "{answer}"
            );
        }
    });
}

#[test]
fn requests_that_two_readers_may_understand_in_two_ways_reach_nobody() {
    run(async {
        let world = World::new(allow(&["a.example"]));
        let server = Server::ok().await;
        let port = server.port;
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: b.example\r\n\r\n";
        let attacks = [
            format!("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            format!("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"),
            format!(
                "Content-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}",
                smuggled.len()
            ),
            format!("Content-Length: 0\r\nContent-Length: 0\r\n\r\n{smuggled}"),
            format!("Content-Length: +0\r\n\r\n{smuggled}"),
            format!("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"),
            format!("Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            format!("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            format!("X: y\r\n\tTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            format!("X: y\n\r\n\r\n{smuggled}"),
            format!("X: y\rContent-Length: 5\r\n\r\n{smuggled}"),
            format!("X: y\0\r\n\r\n{smuggled}"),
            format!("X: y\n\n{smuggled}"),
        ];
        for attack in &attacks {
            let head = "POST / HTTP/1.1\r\nHost: a.example\r\n";
            let answer = world
                .captured("a.example", port)
                .await
                .ask(format!("{head}{attack}"))
                .await;
            assert!(
                answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
                "{attack:?}: {answer}"
            );
            assert_eq!(
                answer.matches("HTTP/1.1 ").count(),
                1,
                "{attack:?}: {answer}"
            );
            let head =
                format!("POST http://a.example:{port}/ HTTP/1.1\r\nHost: a.example:{port}\r\n");
            let answer = world.proxies().await.ask(format!("{head}{attack}")).await;
            assert!(answer.starts_with("HTTP/1.1 400"), "{attack:?}: {answer}");
        }
        assert!(
            server.heard().iter().all(String::is_empty),
            "{:?}",
            server.heard()
        );
        // Control: what is smuggled is a request, where nothing hides it.
        let mut client = world.captured("a.example", port).await;
        client
            .say("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 0\r\n\r\n")
            .await;
        client.until("\r\n\r\nok").await;
        let answer = client.ask(smuggled).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let told = world.house.events(1).await;
        let mismatches = told
            .iter()
            .filter(|event| event.contains("mismatch (the request is for `b.example`)"));
        assert_eq!(mismatches.count(), 1, "{told:?}");
    });
}
