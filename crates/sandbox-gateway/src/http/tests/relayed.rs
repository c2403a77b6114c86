//! What goes through an upstream proxy.

use sandbox_core::Policy;

use crate::gateway::Options;
use crate::tests::world::{Client, Server, World};
use crate::tests::{House, only, run};
use crate::upstream::HostProxy;

/// Allowed are `a.example`, `b.example` and `in.localhost`, of which the host knows none.
fn behind(proxy: &Server) -> World {
    behind_with(proxy, &only(&["a.example", "b.example", "in.localhost"]))
}

fn behind_with(proxy: &Server, policy: &Policy) -> World {
    let options = Options {
        host_proxy: HostProxy::new(format!("http://ana:secret@127.0.0.2:{}", proxy.port), ""),
        ..Options::default()
    };
    let house = House::with(policy, "10.0.0.1 b.example", options);
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

/// A proxy that opens no tunnel, and answers all else with `ok`.
async fn without_tunnels() -> Server {
    Server::new(|mut heard| async move {
        while heard.request().await {
            heard
                .say(if heard.said().starts_with("CONNECT ") {
                    "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
                } else {
                    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                })
                .await;
        }
    })
    .await
}

/// What a program says that knows of no proxy.
fn direct(host: &str, more: &str) -> String {
    format!("GET /x?y HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

#[test]
fn captured_requests_are_passed_to_the_proxy_as_requests() {
    run(async {
        let proxy = without_tunnels().await;
        let world = behind(&proxy);
        let captured = async |name: &str, port| {
            let address = world.house.address(name, port);
            let stream = world.house.connect(address).await;
            Client { stream }
        };
        for (port, host) in [(80, "a.example"), (8080, "a.example:8080")] {
            let mut client = captured("a.example", port).await;
            // A line that ends later is no other protocol.
            client.say("GE").await;
            client.say(&direct(host, "")["GE".len()..]).await;
            client.until("\r\n\r\nok").await;
            let heard = proxy.heard().pop().unwrap();
            let target = format!("GET http://{host}/x?y HTTP/1.1\r\n");
            assert!(heard.starts_with(&target), "{heard}");
            assert!(heard.contains(CREDENTIALS), "{heard}");
            // Each request is judged: the next one names another host, which is allowed by itself.
            let count = heard.len();
            client.say(direct("b.example", "")).await;
            let answer = client.rest().await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
            assert_eq!(proxy.heard().pop().unwrap().len(), count);
        }
        // A name that is denied, and one whose address is.
        let count = proxy.heard().len();
        for name in ["c.example", "b.example"] {
            let answer = captured(name, 80).await.ask(direct(name, "")).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{name}: {answer}");
        }
        assert_eq!(proxy.heard().len(), count);
        // The control: what is no HTTP asks for a tunnel.
        captured("a.example", 80).await.ask("\0").await;
        let heard = proxy.heard().pop().unwrap();
        assert!(heard.starts_with("CONNECT a.example:80 "), "{heard}");
    });
}

/// The attack: the proxy goes by the name that a request claims, and not by the address that is allowed.
#[test]
fn a_name_that_is_claimed_of_an_address_is_not_what_the_proxy_is_asked_for() {
    run(async {
        let proxy = Server::new(|mut heard| async move {
            heard.request().await;
            if heard.said().starts_with("CONNECT ") {
                heard.say("HTTP/1.1 200 OK\r\n\r\n").await;
                heard.request().await;
            }
            // It ends the connection: the next request may need another one.
            heard
                .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        })
        .await;
        let world = behind_with(&proxy, &only(&["198.41.0.4"]));
        let address = "198.41.0.4:80".parse().unwrap();
        let stream = world.house.connect(address).await;
        let mut client = Client { stream };
        let requests = direct("other.example", "").repeat(2);
        let answer = client.ask(requests).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        for heard in proxy.heard() {
            assert!(heard.starts_with("CONNECT 198.41.0.4:80 "), "{heard}");
        }
        // The control: what the address itself is asked for may be passed on by the proxy.
        let mut client = world.proxies().await;
        client.say(request("198.41.0.4", "")).await;
        client.until("ok").await;
        let heard = proxy.heard().pop().unwrap();
        assert!(heard.starts_with("GET http://198.41.0.4/"), "{heard}");
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
