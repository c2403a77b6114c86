//! What is passed on, and how.

use sandbox_core::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::allow;
use crate::tests::run;
use crate::tests::world::{Server, World};

/// A world in which `a.example` is allowed.
fn world() -> World {
    World::new(allow(&["a.example"]))
}

#[test]
fn bodies_are_passed_on_as_they_are_framed() {
    run(async {
        let (world, server) = (
            world(),
            Server::new(|mut heard| async move {
                heard.until("end").await;
                heard.until("\r\n\r\n").await;
                heard
                    .say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
            })
            .await,
        );
        let mut client = world.captured("a.example", server.port).await;
        let head = "Host: a.example\r\nTransfer-Encoding: chunked\r\nTrailer: Digest, Other\r\n";
        let body = "3\r\nabc\r\n3\r\nend\r\n0\r\nDigest: x\r\nUnsaid: y\r\n\r\n";
        // hyper would send no body with GET, if nothing said that there is one.
        client
            .say(format!("GET / HTTP/1.1\r\n{head}\r\n{body}"))
            .await;
        client.until("\r\n\r\n").await;
        let heard = server.heard().concat();
        assert!(
            heard.contains("\r\ntransfer-encoding: chunked\r\n"),
            "{heard}"
        );
        assert!(heard.ends_with("end\r\n0\r\ndigest: x\r\n\r\n"), "{heard}");
    });
    run(async {
        let (world, server) = (
            world(),
            Server::new(|mut heard| async move {
                heard.until("end").await;
                heard
                    .say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
            })
            .await,
        );
        let mut client = world.captured("a.example", server.port).await;
        client
            .say("PUT / HTTP/1.0\r\nHost: a.example\r\nContent-Length: 6\r\n\r\nabcend")
            .await;
        client.rest().await;
        let heard = server.heard().concat();
        assert!(heard.starts_with("PUT / HTTP/1.1\r\n"), "{heard}");
        assert!(
            heard.contains("\r\ncontent-length: 6\r\n") && heard.ends_with("\r\n\r\nabcend"),
            "{heard}"
        );
    });
}

/// What a client gets that asks so, of a server that answers so and ends.
async fn passed_back(request: &str, answer: &'static str) -> String {
    let world = world();
    let server = Server::new(move |mut heard| async move {
        heard.request().await;
        heard.say(answer).await;
    })
    .await;
    let mut client = world.captured("a.example", server.port).await;
    client.ask(request).await
}

#[test]
fn answers_are_passed_back_as_they_end() {
    const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
    run(async {
        let answer = passed_back(
            GET,
            "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 200 Fine\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n2\r\nok\r\n0\r\n\r\n"), "{answer}");
        // It ends with the connection, which is no news for the client.
        let answer = passed_back(GET, "HTTP/1.0 200 OK\r\n\r\nok").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with("2\r\nok\r\n0\r\n\r\n"), "{answer}");
        // A length beside chunks does not count, and does not go on.
        let both = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
        let answer = passed_back(GET, both).await;
        assert!(
            !answer.contains("99") && answer.ends_with("2\r\nok\r\n0\r\n\r\n"),
            "{answer}"
        );
        // What is cut off does not look whole.
        let answer = passed_back(
            GET,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok",
        )
        .await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        let head = "HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n";
        let answer = passed_back(head, "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n").await;
        assert!(
            answer.contains("\r\nContent-Length: 99\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
        let answer = passed_back(GET, "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n").await;
        assert!(
            answer.starts_with("HTTP/1.1 304") && answer.contains("\r\nEtag: \"x\"\r\n"),
            "{answer}"
        );
        let answer = passed_back(GET, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok"),
            "{answer}"
        );
        let trailers = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Digest\r\n\r\n2\r\nok\r\n0\r\nDigest: x\r\n\r\n";
        let asks = "GET / HTTP/1.1\r\nHost: a.example\r\nTE: trailers\r\nConnection: TE\r\n\r\n";
        let answer = passed_back(asks, trailers).await;
        assert!(
            answer.ends_with("2\r\nok\r\n0\r\nDigest: x\r\n\r\n"),
            "{answer}"
        );
    });
}

#[test]
fn what_concerns_one_connection_stays_on_it() {
    run(async {
        let world = world();
        let server = Server::new(|mut heard| async move {
            heard.request().await;
            heard.say("HTTP/1.1 200 OK\r\nConnection: X-Back, close\r\nX-Back: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nX-Kept: 1\r\nContent-Length: 2\r\n\r\nok").await;
        })
        .await;
        let port = server.port;
        let mut client = world.proxies().await;
        client.say(format!("GET http://a.example:{port}/ HTTP/1.1\r\nHost: a.example:{port}\r\nConnection: keep-alive, X-On, Host\r\nConnection: Upgrade, HTTP2-Settings\r\nX-On: 1\r\nKeep-Alive: 5\r\nProxy-Authorization: Basic c2VjcmV0\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nX-Kept: 1\r\n\r\n")).await;
        let answer = client.until("\r\n\r\nok").await;
        let heard = server.heard().concat();
        assert_eq!(
            heard,
            format!("GET / HTTP/1.1\r\nhost: a.example:{port}\r\nx-kept: 1\r\n\r\n")
        );
        for gone in ["X-Back", "Keep-Alive", "Proxy-", "Upgrade", "close"] {
            assert!(!answer.contains(gone), "{gone}: {answer}");
        }
        assert!(answer.contains("\r\nX-Kept: 1\r\n"), "{answer}");
    });
}

#[test]
fn a_body_that_waits_is_not_sent_before_it_is_wanted() {
    let post = |host: &str, port: u16| {
        format!(
            "POST http://{host}:{port}/ HTTP/1.1\r\nHost: {host}:{port}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
    };
    run(async {
        let world = world();
        let wants = Server::new(|mut heard| async move {
            heard.request().await;
            heard.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            heard.until("end").await;
            heard
                .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        })
        .await;
        let mut client = world.proxies().await;
        client.say(post("a.example", wants.port)).await;
        client.until("HTTP/1.1 100 Continue\r\n\r\n").await;
        assert!(wants.heard().concat().ends_with("\r\n\r\n"));
        client.say("end").await;
        client.until("\r\n\r\nok").await;

        let refuses = Server::new(|mut heard| async move {
            heard.request().await;
            heard
                .say("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")
                .await;
        })
        .await;
        let answer = world
            .proxies()
            .await
            .ask(post("a.example", refuses.port))
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 401") && answer.ends_with("no"),
            "{answer}"
        );
        assert!(refuses.heard().concat().ends_with("\r\n\r\n"));

        let answer = world
            .proxies()
            .await
            .ask(post("b.example", refuses.port))
            .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    });
}

const UPGRADE: &str =
    "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn websockets_pass() {
    run(async {
        let world = world();
        let server = Server::new(|mut heard| async move {
            heard.request().await;
            heard.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nserver first").await;
            heard.until("client").await;
            heard.say("server then").await;
        })
        .await;
        let port = server.port;
        let captured = "GET /chat HTTP/1.1\r\nHost: a.example\r\n".to_owned();
        let proxied =
            format!("GET http://a.example:{port}/chat HTTP/1.1\r\nHost: a.example:{port}\r\n");
        for (mut client, head) in [
            (world.captured("a.example", port).await, captured),
            (world.proxies().await, proxied),
        ] {
            // What is said at once waits until it is known for whom it is.
            client
                .say(format!(
                    "{head}{UPGRADE}\x01GET http://b.example/ HTTP/1.1\r\n"
                ))
                .await;
            let answer = client.until("server first").await;
            assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
            assert!(
                answer.contains("\r\nSec-Websocket-Accept: x\r\n"),
                "{answer}"
            );
            assert!(
                answer.to_lowercase().contains("\r\nupgrade: websocket\r\n"),
                "{answer}"
            );
            client.say("client").await;
            assert_eq!(client.rest().await, "server then");
        }
        for heard in server.heard() {
            assert!(heard.contains("\r\nupgrade: WebSocket\r\n"), "{heard}");
            assert!(heard.contains("\r\nconnection: upgrade\r\n"), "{heard}");
            assert!(
                heard.ends_with("\x01GET http://b.example/ HTTP/1.1\r\nclient"),
                "{heard}"
            );
        }
    });
}

#[test]
fn who_does_not_upgrade_is_asked_again() {
    run(async {
        let (world, server) = (world(), Server::ok().await);
        let mut client = world.captured("a.example", server.port).await;
        // The second one is a request, and judged as one.
        let second = "GET /second HTTP/1.1\r\nHost: b.example\r\n\r\n";
        client
            .say(format!(
                "GET / HTTP/1.1\r\nHost: a.example\r\n{UPGRADE}{second}"
            ))
            .await;
        client.until("\r\n\r\nok").await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(!server.heard().concat().contains("second"));
    });
}

#[test]
fn nothing_else_takes_the_place_of_http() {
    run(async {
        let world = world();
        let server = Server::new(|mut heard| async move {
            heard.request().await;
            heard.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nPRI").await;
            heard.request().await;
        })
        .await;
        let mut client = world.captured("a.example", server.port).await;
        let answer = client
            .ask("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
            .await;
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert!(!server.heard().concat().contains("h2c"));
        let mut client = world.captured("a.example", server.port).await;
        let answer = client.ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        for trace in [
            "TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "TRACE / HTTP/1.1\r\nHost: b.example\r\n\r\n",
        ] {
            let answer = world
                .captured("a.example", server.port)
                .await
                .ask(trace)
                .await;
            assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
        }
    });
}

#[test]
fn bodies_are_as_fast_as_their_readers() {
    const SIZE: usize = 192 << 20;
    /// What the buffers of four sockets and ours may hold.
    const AHEAD: usize = 64 << 20;
    run(async {
        let world = world();
        let sent = std::rc::Rc::new(std::cell::Cell::new(0));
        let counter = std::rc::Rc::clone(&sent);
        let server = Server::new(move |mut heard| {
            let sent = std::rc::Rc::clone(&counter);
            async move {
                heard.request().await;
                heard
                    .say(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"))
                    .await;
                let chunk = vec![b'x'; 64 << 10];
                while sent.get() < SIZE {
                    heard.stream.write_all(&chunk).await.unwrap();
                    sent.set(sent.get() + chunk.len());
                }
            }
        })
        .await;
        let mut client = world.captured("a.example", server.port).await;
        client
            .say("GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n")
            .await;
        client.until("\r\n\r\n").await;
        let (mut read, mut chunk) = (0, vec![0; 256 << 10]);
        while read < SIZE {
            read += client.stream.read(&mut chunk).await.unwrap();
            assert!(sent.get() <= read + AHEAD, "{} ahead", sent.get() - read);
        }
        assert_eq!(client.stream.read(&mut chunk).await.unwrap(), 0);
        assert_eq!(read, SIZE);
    });
}

#[test]
fn what_fails_says_how() {
    run(async {
        let world = World::new(allow(&["a.example", "nowhere.example"]));
        let closed = Server::new(|_| async {}).await;
        let garbage = Server::new(|mut heard| async move {
            heard.request().await;
            heard.say("220 mail.example ESMTP\r\n\r\n").await;
        })
        .await;
        let unused = {
            let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        for (host, port, says) in [
            ("nowhere.example", 80, "has no address"),
            ("a.example", unused, "Connection refused"),
            (
                "a.example",
                closed.port,
                "it ended the connection without an answer",
            ),
            ("a.example", garbage.port, "it does not answer in HTTP"),
        ] {
            let answer = world.proxies().await.ask(super::get(host, port)).await;
            assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
            assert!(!answer.contains("X-Proxy-Error"), "{answer}");
            let (_, text) = answer.split_once("\r\n\r\n").unwrap();
            assert!(text.contains(says) && text.lines().count() == 1, "{text}");
        }
        // A captured client sees what it would see without us.
        let answer = world
            .captured("a.example", closed.port)
            .await
            .ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            .await;
        assert_eq!(answer, "");
    });
}

#[test]
fn a_captured_connection_ends_with_the_servers() {
    run(async {
        let world = world();
        let server = Server::new(|mut heard| async move {
            heard.request().await;
            heard
                .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        })
        .await;
        let mut client = world.captured("a.example", server.port).await;
        client
            .say("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n")
            .await;
        assert!(client.rest().await.ends_with("\r\n\r\nok"));
        // To the proxy it is of no concern.
        let mut client = world.proxies().await;
        let again = super::get("a.example", server.port).replace("Connection: close\r\n", "");
        for _ in 0..3 {
            client.say(&again).await;
            client.until("\r\n\r\nok").await;
        }
        assert_eq!(server.heard().len(), 4);
    });
}

#[test]
fn denials_are_escaped() {
    run(async {
        let world = World::new(Policy::default().deny_because("b.example", "ask\u{202e} \"us\""));
        let answer = world.proxies().await.ask(super::get("b.example", 80)).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(answer.contains("ask\\u{202e} \"us\""), "{answer}");
    });
}

#[test]
fn who_has_said_everything_still_hears_the_answer() {
    run(async {
        let (world, server) = (world(), Server::ok().await);
        let port = server.port;
        let request = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
        for (mut client, request) in [
            (world.captured("a.example", port).await, request.repeat(2)),
            (world.proxies().await, super::get("a.example", port)),
        ] {
            client.say(&request).await;
            client.stream.shutdown().await.unwrap();
            let answer = client.rest().await;
            let requests = request.matches("GET").count();
            assert_eq!(answer.matches("\r\n\r\nok").count(), requests, "{answer}");
        }
        // What follows and is no request costs nothing of the answer.
        let mut client = world.captured("a.example", port).await;
        let answer = client
            .ask("GET / HTTP/1.1\r\nHost: a.example\r\n\r\nGET\n\n")
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("\r\n\r\nokHTTP/1.1 400"), "{answer}");
        // Who goes away in the middle of a request has said nothing.
        let mut client = world.captured("a.example", port).await;
        client
            .say("GET /half HTTP/1.1\r\nHost: a.example\r\n")
            .await;
        client.stream.shutdown().await.unwrap();
        assert_eq!(client.rest().await, "");
        assert!(!server.heard().concat().contains("half"));
    });
}
