//! What goes through an upstream proxy.

use crate::gateway::Options;
use crate::tests::world::{Server, World};
use crate::tests::{House, only, run};
use crate::upstream::HostProxy;

/// Allowed are `a.example`, `b.example` and `in.localhost`, of which the host knows none.
fn behind(proxy: &Server) -> World {
    let options = Options {
        host_proxy: HostProxy::new(format!("http://ana:secret@127.0.0.2:{}", proxy.port), ""),
        ..Options::default()
    };
    let policy = only(&["a.example", "b.example", "in.localhost"]);
    let house = House::with(&policy, "10.0.0.1 b.example", options);
    World { house }
}

fn request(host: &str, more: &str) -> String {
    format!("GET http://{host}/x?y HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

const CREDENTIALS: &str = "\r\nproxy-authorization: Basic YW5hOnNlY3JldA==\r\n";

#[test]
fn requests_are_passed_to_the_proxy_as_requests() {
    run(async {
        let proxy = Server::ok().await;
        let world = behind(&proxy);
        let mut client = world.proxies().await;
        for host in ["a.example", "a.example:8080", "in.localhost"] {
            let theirs = "Proxy-Authorization: Basic aW5zaWRl\r\n";
            client.say(request(host, theirs)).await;
            client.until("\r\n\r\nok").await;
            let heard = proxy.heard().pop().unwrap();
            let target = format!("GET http://{host}/x?y HTTP/1.1\r\n");
            assert!(heard.starts_with(&target), "{heard}");
            assert!(heard.contains(CREDENTIALS), "{heard}");
            assert!(heard.contains(&format!("host: {host}\r\n")), "{heard}");
            assert!(!heard.contains("aW5zaWRl"), "{heard}");
        }
        // Nobody dialled: whose address the host knows is judged, and a name below `localhost` that it knows stays here.
        let count = proxy.heard().len();
        world
            .house
            .set_hosts("10.0.0.1 b.example\n127.0.0.2 in.localhost");
        for host in ["b.example", "in.localhost", "c.example", "other.localhost"] {
            let mut client = world.proxies().await;
            let answer = client.ask(request(host, "Connection: close\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{host}: {answer}");
        }
        assert_eq!(proxy.heard().len(), count);
    });
}

#[test]
fn what_is_no_mere_request_has_a_tunnel() {
    run(async {
        let proxy = Server::new(|mut heard| async move {
            heard.request().await;
            // The second one is a tunnel.
            heard
                .say(match heard.index() {
                    0 => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
                    _ => "HTTP/1.1 200 OK\r\n\r\n",
                })
                .await;
            heard.request().await;
            heard.say("HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nhello").await;
        })
        .await;
        let world = behind(&proxy);
        let mut client = world.proxies().await;
        client.say(request("a.example", "")).await;
        client.until("\r\n\r\nok").await;
        client
            .say(request(
                "a.example",
                "Connection: upgrade\r\nUpgrade: websocket\r\n",
            ))
            .await;
        client.until("hello").await;
        let heard = proxy.heard();
        assert!(heard[0].starts_with("GET http://a.example/"), "{heard:?}");
        let tunnel = "CONNECT a.example:80 HTTP/1.1\r\n";
        assert!(heard[1].starts_with(tunnel), "{heard:?}");
        assert!(heard[1].contains("GET /x?y HTTP/1.1\r\n"), "{heard:?}");
    });
}

#[test]
fn a_proxy_that_wants_to_know_who_asks_is_the_host_s_affair() {
    run(async {
        let proxy = Server::new(|mut heard| async move {
            heard.request().await;
            heard
                .say("HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
                .await;
        })
        .await;
        let mut client = behind(&proxy).proxies().await;
        client.say(request("a.example", "")).await;
        let answer = client.until("\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
        assert!(!answer.contains("Authenticate"), "{answer}");
    });
}
