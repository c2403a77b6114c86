//! What tests of the proxies need: a hall with rules, doors on the host's loopback, and servers that keep what they heard.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use sandbox_core::Policy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use super::{House, wish};
use crate::hall::Wish;
use crate::{http, proxy};

/// Where the servers of the tests listen: rules must open it by name, since loopback is closed.
const SERVERS: &str = "127.0.0.2";

/// A house whose doors are those of the proxies, and one for each captured connection that speaks HTTP.
pub(crate) struct World {
    pub(crate) house: House,
}

impl World {
    /// `a.example`, `b.example` and `c.example` are at the servers' address; `nowhere.example` has none.
    pub(crate) fn new(policy: Policy) -> Self {
        let policy = policy.allow(format!("{SERVERS}/32"));
        let hosts = format!("{SERVERS} a.example b.example c.example");
        let house = House::new(&policy, &hosts);
        Self { house }
    }

    /// A client of the proxies.
    pub(crate) async fn proxies(&self) -> Client {
        Client::of(self.door(None).await).await
    }

    /// The address of the proxies.
    pub(crate) async fn proxies_at(&self) -> SocketAddr {
        self.door(None).await
    }

    /// A client whose connection to a destination was captured, and speaks HTTP.
    pub(crate) async fn captured(&self, destination: &str, port: u16) -> Client {
        let wish = wish(destination, port);
        Client::of(self.door(Some(wish)).await).await
    }

    async fn door(&self, captured: Option<Wish>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let hall = Rc::clone(&self.house.hall);
        spawn_local(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let (hall, captured) = (Rc::clone(&hall), captured.clone());
                spawn_local(async move {
                    match captured {
                        None => proxy::serve(client, hall).await,
                        Some(wish) => {
                            let opened = hall.open(wish.clone()).await.unwrap();
                            http::serve_captured(client, Vec::new(), wish, opened, hall).await;
                        }
                    }
                });
            }
        });
        at
    }
}

/// A raw client.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) async fn of(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).await.unwrap();
        Self { stream }
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Everything that is answered until the connection ends, whatever ends it.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What is answered, until it ends in this.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            match self.stream.read_u8().await {
                Ok(byte) => bytes.push(byte),
                Err(error) => panic!("{error} behind {:?}", String::from_utf8_lossy(&bytes)),
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Says all of it, and reads until the connection ends.
    pub(crate) async fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        self.say(bytes).await;
        self.rest().await
    }
}

/// A server that keeps what it hears.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    heard: Rc<RefCell<Vec<String>>>,
}

impl Server {
    /// One that answers each connection so.
    pub(crate) async fn new<F>(serve: impl Fn(Heard) -> F + 'static) -> Self
    where
        F: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind((SERVERS, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Rc::new(RefCell::new(Vec::new()));
        let kept = Rc::clone(&heard);
        spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let index = kept.borrow().len();
                kept.borrow_mut().push(String::new());
                let kept = Rc::clone(&kept);
                spawn_local(serve(Heard {
                    stream,
                    kept,
                    index,
                }));
            }
        });
        Self { port, heard }
    }

    /// One that answers each request with `ok` in a keep-alive connection.
    pub(crate) async fn ok() -> Self {
        Self::new(|mut heard| async move {
            while heard.request().await {
                heard
                    .say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .await;
            }
        })
        .await
    }

    /// What each connection said.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.borrow().clone()
    }
}

/// A connection to a server.
pub(crate) struct Heard {
    pub(crate) stream: TcpStream,
    kept: Rc<RefCell<Vec<String>>>,
    index: usize,
}

impl Heard {
    /// How many came before it.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// All that it has said.
    pub(crate) fn said(&self) -> String {
        self.kept.borrow()[self.index].clone()
    }

    /// Reads the head of a request; none at the end.
    pub(crate) async fn request(&mut self) -> bool {
        self.until("\r\n\r\n").await
    }

    pub(crate) async fn until(&mut self, end: &str) -> bool {
        let mut last = String::new();
        while !last.ends_with(end) {
            let Ok(byte) = self.stream.read_u8().await else {
                return false;
            };
            last.push(char::from(byte));
            self.kept.borrow_mut()[self.index].push(char::from(byte));
        }
        true
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }
}
