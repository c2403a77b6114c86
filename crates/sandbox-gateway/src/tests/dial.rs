//! Resolving, and dialling, directly and through the host's proxy.

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::HostProxy;
use crate::refusal::Why;

/// A resolver that hangs: a FIFO that nobody writes to. Whether somebody waits for it can be seen.
struct Hanging(tempfile::TempDir);

impl Hanging {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        mkfifo(&directory.path().join("hosts"), Mode::S_IRWXU).unwrap();
        Self(directory)
    }

    fn house(&self, policy: &Policy) -> House {
        let options = Options {
            hosts: Some(self.0.path().join("hosts")),
            ..Options::default()
        };
        House::with(policy, "", options)
    }

    fn is_asked(&self) -> bool {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK;
        // Dropped at once, it would be the end of what the reader reads.
        open(&self.0.path().join("hosts"), flags, Mode::empty())
            .map(std::mem::forget)
            .is_ok()
    }
}

#[test]
fn a_denied_name_is_never_looked_up() {
    run(async {
        let resolver = Hanging::new();
        let house = resolver.house(
            &only(&["good.example:443"])
                .network(Network::Ask)
                .deny("evil.example"),
        );
        for (name, port) in [("evil.example", 443), ("asked.example", 443)] {
            let refusal = house.hall.open(wish(name, port)).await.unwrap_err();
            assert!(refusal.is_denial());
        }
        assert!(!resolver.is_asked());
        // Control.
        let hall = Rc::clone(&house.hall);
        spawn_local(async move { hall.open(wish("good.example", 443)).await.map(drop) });
        while !resolver.is_asked() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_resolver_that_hangs_holds_up_nothing_else() {
    run(async {
        let resolver = Hanging::new();
        let server = Server::echo("127.5.0.1", "").await;
        let house = resolver.house(&only(&["*.example", "127.5.0.1"]));
        for number in 0..100 {
            let hall = Rc::clone(&house.hall);
            let wish = wish(&format!("n{number}.example"), 80);
            spawn_local(async move { hall.open(wish).await.map(drop) });
        }
        while !resolver.is_asked() {
            tokio::task::yield_now().await;
        }
        house
            .hall
            .open(wish("127.5.0.1", server.port))
            .await
            .unwrap();
    });
}

#[test]
fn of_several_addresses_one_that_answers_is_enough() {
    run(async {
        let server = Server::echo("127.5.2.3", "").await;
        let hosts = "127.5.2.1 good.example\n127.5.2.2 good.example\n127.5.2.3 good.example";
        let house = House::new(&only(&["good.example", "127.5.0.0/16"]), hosts);
        let opened = house
            .hall
            .open(wish("good.example", server.port))
            .await
            .unwrap();
        assert_eq!(opened.line.address, Some("127.5.2.3".parse().unwrap()));
    });
}

#[test]
fn localhost_of_a_rule_is_the_host_s_at_the_same_address() {
    run(async {
        let server = Server::echo("127.0.0.1", "").await;
        let other = Server::echo("127.0.0.1", "").await;
        let house = House::new(
            &only(&[&format!("localhost:{}", server.port)]),
            "127.0.0.1 localhost",
        );
        let opened = house
            .hall
            .open(wish("127.0.0.1", server.port))
            .await
            .unwrap();
        assert_eq!(opened.line.address, Some("127.0.0.1".parse().unwrap()));
        house
            .hall
            .open(wish("localhost", server.port))
            .await
            .unwrap();
        house
            .hall
            .open(wish("127.0.0.1", other.port))
            .await
            .unwrap_err();
        assert_eq!(other.connections(), 0);
    });
}

/// A proxy that answers like this, and says what it was told.
async fn proxy(answer: &'static str) -> (SocketAddr, Rc<RefCell<String>>) {
    let listener = TcpListener::bind("127.5.1.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let told = Rc::new(RefCell::new(String::new()));
    let heard = Rc::clone(&told);
    spawn_local(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            *heard.borrow_mut() = String::from_utf8(head).unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            let mut heard = Vec::new();
            let _ = stream.read_to_end(&mut heard).await;
            let _ = stream.write_all(&heard).await;
        }
    });
    (address, told)
}

fn behind(proxy: &str, policy: &Policy, hosts: &str) -> House {
    let options = Options {
        host_proxy: HostProxy::new(proxy, "direct.example"),
        ..Options::default()
    };
    House::with(policy, hosts, options)
}

#[test]
fn the_host_s_proxy_is_told_the_name_and_what_the_server_says_at_once_is_not_lost() {
    run(async {
        let (address, told) = proxy("HTTP/1.1 200 OK\r\n\r\nSSH-2.0-server\r\n").await;
        let policy = only(&["good.example:22"]);
        let house = behind(&format!("http://ana:secret@{address}"), &policy, "");
        let mut program = house.connect(house.address("good.example", 22)).await;
        let mut banner = [0; 16];
        program.read_exact(&mut banner).await.unwrap();
        assert_eq!(&banner, b"SSH-2.0-server\r\n");
        assert_eq!(
            say(&mut program, b"SSH-2.0-client\r\n").await,
            b"SSH-2.0-client\r\n"
        );
        let told = told.borrow().to_ascii_lowercase();
        assert!(
            told.starts_with("connect good.example:22 http/1.1\r\nhost: good.example:22\r\n"),
            "{told}"
        );
        assert!(
            told.contains(
                "\r\nproxy-authorization: basic yw5honnly3jldA==\r\n"
                    .to_ascii_lowercase()
                    .as_str()
            )
        );
        house.events(1).await;
        let event = house.last_event();
        assert_eq!((event.address, event.received), (None, 32));
    });
}

#[test]
fn the_host_s_proxy_opens_nothing_that_is_closed() {
    run(async {
        let (address, told) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
        let hosts = "10.0.0.1 inner.example";
        let house = behind(
            &format!("http://{address}"),
            &only(&["inner.example", "good.example"]),
            hosts,
        );
        for denied in ["inner.example", "evil.example", "10.0.0.1"] {
            let refusal = house.hall.open(wish(denied, 80)).await.unwrap_err();
            assert!(refusal.is_denial(), "{denied}");
        }
        assert_eq!(*told.borrow(), "");
        // Control.
        house.hall.open(wish("good.example", 80)).await.unwrap();
        assert!(told.borrow().starts_with("CONNECT good.example:80"));
    });
}

#[test]
fn what_is_excepted_is_dialled_directly() {
    run(async {
        let (address, told) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
        let server = Server::echo("127.5.0.1", "").await;
        let policy = only(&["direct.example", "127.5.0.1"]);
        let house = behind(
            &format!("http://{address}"),
            &policy,
            "127.5.0.1 direct.example",
        );
        house
            .hall
            .open(wish("direct.example", server.port))
            .await
            .unwrap();
        house
            .hall
            .open(wish("127.5.0.1", server.port))
            .await
            .unwrap();
        assert_eq!(*told.borrow(), "");
    });
}

#[test]
fn a_proxy_that_refuses_or_is_down_says_so() {
    run(async {
        let (address, _) =
            proxy("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await;
        let policy = only(&["good.example"]);
        let (_held, port) = unserved("127.5.1.2");
        let down = SocketAddr::from(([127, 5, 1, 2], port));
        for (address, expected) in [
            (
                address,
                "`good.example:80` can't be reached: the upstream proxy answers 407",
            ),
            (
                down,
                "`good.example:80` can't be reached: the upstream proxy can't be reached: Connection refused (os error 111)",
            ),
        ] {
            let house = behind(&format!("http://{address}"), &policy, "");
            let refusal = house.hall.open(wish("good.example", 80)).await.unwrap_err();
            assert_eq!(refusal.reason(), expected);
            assert!(matches!(refusal.why, Why::Unreachable(_)));
        }
    });
}
