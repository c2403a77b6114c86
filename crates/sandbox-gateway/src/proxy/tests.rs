//! Both proxies as clients see them.

use std::net::{IpAddr, SocketAddr};
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::Duration;

use sandbox_core::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{spawn_blocking, spawn_local};

use crate::processes::Maker;
use crate::tests::run;
use crate::tests::world::{Server, World};
use crate::tls::ACCESS_DENIED;
use crate::tls::tests::{hello_for, hello_that_ends};

fn world() -> World {
    World::new(
        Policy::default()
            .allow("a.example")
            .allow("nowhere.example"),
    )
}

/// A server that speaks first, and then repeats a line.
async fn echo() -> Server {
    Server::new(|mut heard| async move {
        heard.say("hello\n").await;
        heard.until("\n").await;
        heard.say("bye\n").await;
    })
    .await
}

fn five(command: u8, name: &[u8], port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [
        &[5, 1, 0, 5, command, 0, 3, length],
        name,
        &port.to_be_bytes(),
    ]
    .concat()
}

fn four(command: u8, name: &[u8], port: u16) -> Vec<u8> {
    [
        &[4, command],
        &port.to_be_bytes()[..],
        &[0, 0, 0, 1],
        b"user\0",
        name,
        b"\0",
    ]
    .concat()
}

/// What a client is answered that says this, in bytes.
async fn answered(world: &World, said: &[u8]) -> Vec<u8> {
    let mut client = world.proxies().await;
    client.say(said).await;
    let mut answer = Vec::new();
    let _ = client.stream.read_to_end(&mut answer).await;
    answer
}

#[test]
fn tunnels_carry_what_is_said_first_on_either_side() {
    run(async {
        let (world, server) = (world(), echo().await);
        let port = server.port;
        let connect =
            format!("CONNECT a.example:{port} HTTP/1.1\r\nHost: a.example:{port}\r\n\r\n")
                .into_bytes();
        let old = format!("CONNECT A.Example.:{port} HTTP/1.0\r\n\r\n").into_bytes();
        let by_address = [
            &[5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 2][..],
            &port.to_be_bytes(),
        ]
        .concat();
        for (request, granted) in [
            (connect, &b"HTTP/1.1 200 OK"[..]),
            (old, b"HTTP/1.0 200 OK"),
            (five(1, b"a.example", port), &[5, 0, 5, 0, 0, 1]),
            (by_address, &[5, 0, 5, 0, 0, 1]),
            (four(1, b"a.example", port), &[0, 90]),
        ] {
            let answer = answered(&world, &[&request, &b"first words\n"[..]].concat()).await;
            assert!(
                answer.starts_with(granted),
                "{:?}",
                answer.escape_ascii().to_string()
            );
            assert!(
                answer.ends_with(b"hello\nbye\n"),
                "{:?}",
                answer.escape_ascii().to_string()
            );
        }
        let heard = server.heard();
        assert_eq!(heard, ["first words\n"; 5]);
    });
}

#[test]
fn what_is_said_in_a_tunnel_agrees_with_where_it_leads() {
    run(async {
        let policy = Policy::default().allow("a.example").allow("b.example");
        let (world, server) = (World::new(policy), Server::ok().await);
        let port = server.port;
        let doors: [(Vec<u8>, usize); 3] = [
            (
                format!("CONNECT a.example:{port} HTTP/1.1\r\nHost: a.example:{port}\r\n\r\n")
                    .into(),
                0,
            ),
            (five(1, b"a.example", port), 12),
            (four(1, b"a.example", port), 8),
        ];
        for (door, length) in doors {
            let get = |host: &str| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
            for (said, answer) in [
                (hello_for("b.example"), ACCESS_DENIED),
                (hello_for("127.0.0.2"), ACCESS_DENIED),
                (get("b.example"), &b"HTTP/1.1 403"[..]),
                (
                    [get("a.example"), get("b.example")].concat(),
                    b"HTTP/1.1 200",
                ),
                (
                    b"CONNECT b.example:443 HTTP/1.1\r\n\r\n".to_vec(),
                    b"HTTP/1.1 400",
                ),
            ] {
                for is_at_once in [true, false] {
                    let mut client = world.proxies().await;
                    if is_at_once {
                        client.say([&*door, &*said].concat()).await;
                    } else {
                        client.say(&door).await;
                    }
                    match length {
                        0 => drop(client.until("\r\n\r\n").await),
                        length => drop(
                            client
                                .stream
                                .read_exact(&mut vec![0; length])
                                .await
                                .unwrap(),
                        ),
                    }
                    if !is_at_once {
                        client.say(&said).await;
                    }
                    let mut answered = Vec::new();
                    let _ = client.stream.read_to_end(&mut answered).await;
                    let shown = answered.escape_ascii();
                    assert!(
                        answered.starts_with(answer),
                        "{}: {shown}",
                        said.escape_ascii()
                    );
                    if answer.ends_with(b"200") {
                        assert!(
                            answered.windows(12).any(|part| part == b"HTTP/1.1 403"),
                            "{shown}"
                        );
                    }
                }
            }
            // Control: the name that was asked for.
            let hello = hello_that_ends("a.example", b"\r\n\r\n");
            let mut client = world.proxies().await;
            client.say([&*door, &*hello].concat()).await;
            client.until("\r\n\r\nok").await;
        }
        let heard = server.heard().concat();
        assert!(
            heard.contains("a.example") && !heard.contains("b.example"),
            "{heard:?}"
        );
    });
}

#[test]
fn an_address_inside_leads_to_its_name() {
    run(async {
        let (world, server) = (world(), Server::ok().await);
        let [a, b] = ["a.example", "b.example"].map(|name| world.house.address(name, server.port));
        let IpAddr::V4(inside) = a.ip() else {
            panic!("{a}")
        };
        let five = [
            &[5, 1, 0, 5, 1, 0, 1][..],
            &inside.octets(),
            &a.port().to_be_bytes(),
        ]
        .concat();
        let mut client = world.proxies().await;
        client
            .say([&*five, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"].concat())
            .await;
        client.stream.read_exact(&mut [0; 12]).await.unwrap();
        client.until("\r\n\r\nok").await;
        let get = |at: SocketAddr| {
            format!("GET http://{at}/ HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n")
        };
        let answer = world.proxies().await.ask(get(a)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let answer = world.proxies().await.ask(get(b)).await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("`b.example:"),
            "{answer}"
        );
        // One that stands for nothing.
        let answer = world
            .proxies()
            .await
            .ask(get("198.19.255.254:80".parse().unwrap()))
            .await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        let heard = server.heard();
        assert_eq!(heard.len(), 2);
        assert!(
            heard[1].contains(&format!("\r\nhost: a.example:{}\r\n", server.port)),
            "{heard:?}"
        );
    });
}

#[test]
fn what_is_not_connected_says_why() {
    run(async {
        let world = world();
        let unused = {
            let listener = tokio::net::TcpListener::bind("127.0.0.2:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        for (name, port, code) in [
            ("b.example", 443, 2),
            ("a.example\0.b.example", 443, 2),
            ("10.0.0.1", 443, 2),
            ("nowhere.example", 443, 4),
            ("a.example", unused, 5),
        ] {
            let answer = answered(&world, &five(1, name.as_bytes(), port)).await;
            assert_eq!(answer, [5, 0, 5, code, 0, 1, 0, 0, 0, 0, 0, 0], "{name}");
            if !name.contains('\0') {
                let answer = answered(&world, &four(1, name.as_bytes(), port)).await;
                assert_eq!(answer, [0, 91, 0, 0, 0, 0, 0, 0], "{name}");
            }
        }
        for (command, name) in [(2, "BIND"), (3, "UDP ASSOCIATE"), (9, "nothing")] {
            let answer = answered(&world, &five(command, b"a.example", 443)).await;
            assert_eq!(answer, [5, 0, 5, 7, 0, 1, 0, 0, 0, 0, 0, 0], "{name}");
            let answer = answered(&world, &four(command, b"a.example", 443)).await;
            assert_eq!(answer, [0, 91, 0, 0, 0, 0, 0, 0], "{name}");
        }
        // It insists on a password.
        assert_eq!(answered(&world, &[5, 1, 2]).await, [5, 0xff]);
        // It is not SOCKS after all.
        assert_eq!(answered(&world, &[5, 1, 0, 4, 1, 0, 1]).await, [5, 0]);
        let connect = "CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n";
        let answer = world.proxies().await.ask(connect).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(
            answer.contains("\r\nX-Proxy-Error: blocked-by-allowlist\r\n"),
            "{answer}"
        );
        assert!(
            answer.ends_with("\"b.example:443\" = \"allow\"\n"),
            "{answer}"
        );
        let answer = world
            .proxies()
            .await
            .ask("CONNECT nowhere.example:443 HTTP/1.1\r\n\r\n")
            .await;
        assert!(
            answer.starts_with("HTTP/1.1 502") && answer.contains("has no address"),
            "{answer}"
        );
    });
}

#[test]
fn who_says_nothing_in_time_is_heard_no_longer() {
    run(async {
        let (world, server) = (world(), Server::ok().await);
        let port = server.port;
        let patience = Duration::from_millis(50);
        let head = format!("GET http://a.example:{port}/ HTTP/1.1\r\nHost: a.example\r\n");
        for said in [
            &b""[..],
            &[5],
            &[5, 1, 0],
            &[5, 1, 0, 5, 1, 0, 3, 200],
            &[4, 1],
            b"G",
            head.as_bytes(),
        ] {
            let (client, door) = tokio::io::duplex(4096);
            let hall = Rc::clone(&world.house.hall);
            let served = spawn_local(super::speak(door, hall, Maker::default(), None, patience));
            let (mut read, mut write) = tokio::io::split(client);
            write.write_all(said).await.unwrap();
            // The client keeps its end open.
            assert!(served.await.unwrap().is_none(), "{said:?}");
            let _ = read.read_to_end(&mut Vec::new()).await;
        }
        assert_eq!(server.heard(), [""; 0]);
        // Control: the rest of it, in time.
        let answer = world
            .proxies()
            .await
            .ask(format!("{head}Connection: close\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
}

#[test]
fn endless_input_ends_the_connection() {
    run(async {
        let world = world();
        let endless = "a".repeat(1 << 20);
        for said in [
            endless.clone(),
            format!("GET http://a.example/{endless}"),
            format!("GET http://a.example/ HTTP/1.1\r\nX: {endless}"),
            "A: b\r\n".repeat(1 << 17),
            format!("\x04\x01\0\x50\0\0\0\x01{endless}"),
        ] {
            let mut client = world.proxies().await;
            let (mut read, mut write) = client.stream.split();
            // What is not read any more can't be written.
            let said = async { drop(write.write_all(said.as_bytes()).await) };
            let heard = async {
                let mut answer = Vec::new();
                let _ = read.read_to_end(&mut answer).await;
                answer
            };
            let ((), answer) = futures_util::future::join(said, heard).await;
            assert!(
                answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
                "{answer:?}"
            );
        }
    });
}

/// Runs curl without the environment's proxies.
async fn curl(proxy: String, arguments: Vec<String>) -> Output {
    let output = spawn_blocking(move || {
        Command::new("curl")
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .args([
                "--silent",
                "--show-error",
                "--include",
                "--max-time",
                "60",
                "--proxy",
                &proxy,
            ])
            .args(arguments)
            .output()
    });
    output.await.unwrap().unwrap()
}

#[test]
fn curl_goes_through_every_proxy() {
    run(async {
        let (world, server) = (world(), Server::ok().await);
        let port = server.port;
        let at: SocketAddr = world.proxies_at().await;
        let proxies =
            ["http", "socks5h", "socks4a"].map(|scheme| (format!("{scheme}://{at}"), None));
        let tunnel = (format!("http://{at}"), Some("--proxytunnel".to_owned()));
        for (proxy, option) in proxies.into_iter().chain([tunnel]) {
            let arguments = |host: &str| {
                let url = format!("http://{host}:{port}/");
                option.iter().cloned().chain([url]).collect::<Vec<_>>()
            };
            let allowed = curl(proxy.clone(), arguments("a.example")).await;
            assert!(
                allowed.stdout.ends_with(b"\r\n\r\nok"),
                "{proxy}: {allowed:?}"
            );
            let denied = curl(proxy.clone(), arguments("b.example")).await;
            assert!(!denied.stdout.ends_with(b"ok"), "{proxy}: {denied:?}");
            match (proxy.starts_with("http"), &option) {
                (true, None) => assert!(denied.stdout.starts_with(b"HTTP/1.1 403"), "{denied:?}"),
                (true, Some(_)) => assert_eq!(denied.status.code(), Some(56), "{denied:?}"),
                (false, _) => assert_eq!(denied.status.code(), Some(97), "{denied:?}"),
            }
        }
        let heard = server.heard();
        assert_eq!(heard.len(), 4, "{heard:?}");
        assert!(
            heard.concat().matches("host: a.example").count()
                + heard.concat().matches("Host: a.example").count()
                == 4
        );
        // A body that curl announces: longer than a megabyte.
        let upload = Server::new(|mut heard| async move {
            heard.request().await;
            heard.say("HTTP/1.1 100 Continue\r\n\r\n").await;
            let mut body = vec![0; 3 << 20];
            heard.stream.read_exact(&mut body).await.unwrap();
            heard
                .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .await;
        })
        .await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), vec![b'x'; 3 << 20]).unwrap();
        let url = format!("http://a.example:{}/", upload.port);
        let data = format!("@{}", file.path().display());
        let sent = curl(
            format!("http://{at}"),
            vec!["--data-binary".to_owned(), data, url],
        )
        .await;
        assert!(sent.stdout.ends_with(b"\r\n\r\nok"), "{sent:?}");
    });
}
