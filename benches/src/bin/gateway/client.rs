//! The client: what it asks of the server, and by which of the gateway's doors. It tells its own time.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::str::FromStr;
use std::time::{Duration, Instant};

use crate::gateway::server::{ANSWER, HELLO, NAME, STREAM, TLS};

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// On the host's loopback, which only works outside.
    Direct,
    /// By its name, as if there were no gateway.
    Captured,
    /// The same; the first bytes are a `ClientHello`.
    Tls,
    /// By the proxy for HTTP.
    Connect,
    /// By the proxy for SOCKS.
    Socks,
    /// By the proxy for HTTP of another sandbox (sandbox-runtime).
    Srt,
}

impl Way {
    /// Direct comes first.
    pub(crate) const ALL: [Self; 6] = [
        Self::Direct,
        Self::Captured,
        Self::Tls,
        Self::Connect,
        Self::Socks,
        Self::Srt,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Captured => "captured",
            Self::Tls => "TLS",
            Self::Connect => "CONNECT",
            Self::Socks => "SOCKS",
            Self::Srt => "srt CONNECT",
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Way {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|way| way.name() == text).ok_or("no such way")
    }
}

/// What is asked of the server.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// So many bytes, of which so many are read at once.
    Stream(usize),
    /// So many small requests, each by a connection of its own.
    Requests,
    /// So many small requests by one connection.
    Kept,
}

impl fmt::Display for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(piece) => write!(f, "{piece}"),
            Self::Requests => f.write_str("requests"),
            Self::Kept => f.write_str("kept"),
        }
    }
}

impl FromStr for Job {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "requests" => Ok(Self::Requests),
            "kept" => Ok(Self::Kept),
            piece => piece.parse().map(Self::Stream).map_err(|_| "no such job"),
        }
    }
}

/// How long the stream took, or a request at the median.
pub(crate) fn run(way: Way, job: Job, port: u16, count: u64) -> io::Result<Duration> {
    // A name is asked for once, as programs do that have more than one thing to ask.
    let first = match way {
        Way::Direct => (Ipv4Addr::LOCALHOST, port).into(),
        Way::Captured | Way::Tls => (NAME, port)
            .to_socket_addrs()?
            .next()
            .ok_or(io::ErrorKind::NotFound)?,
        Way::Connect | Way::Socks => (Ipv4Addr::LOCALHOST, sandbox_linux::Doors::PROXY).into(),
        Way::Srt => (Ipv4Addr::LOCALHOST, proxy()?.1).into(),
    };
    if way == Way::Srt {
        // What relays to its proxy may not listen yet.
        let end = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(first).is_err() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    match job {
        Job::Stream(piece) => stream(&mut connect(way, first, port)?, way, count, vec![0; piece]),
        Job::Requests => median(count, || request(&mut connect(way, first, port)?, port)),
        Job::Kept => {
            let mut connection = connect(way, first, port)?;
            median(count, || request(&mut connection, port))
        }
    }
}

fn connect(way: Way, first: SocketAddr, port: u16) -> io::Result<TcpStream> {
    let mut connection = TcpStream::connect(first)?;
    connection.set_nodelay(true)?;
    match way {
        Way::Direct | Way::Captured | Way::Tls => {}
        Way::Connect | Way::Srt => {
            let (name, authorization) = match way {
                Way::Srt => {
                    let credentials = base64(&proxy()?.0);
                    let field = format!("Proxy-Authorization: Basic {credentials}\r\n");
                    ("localhost", field)
                }
                _ => (NAME, String::new()),
            };
            let target = format!("{name}:{port}");
            write!(
                connection,
                "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{authorization}\r\n"
            )?;
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 512];
                let count = connection.read(&mut piece)?;
                head.extend_from_slice(piece.get(..count).unwrap_or_default());
                if count == 0 {
                    break;
                }
            }
            expect(head.starts_with(b"HTTP/1.1 200"))?;
        }
        Way::Socks => {
            // RFC 1928: version 5, no authentication; connect to a name.
            connection.write_all(&[5, 1, 0])?;
            let mut choice = [0; 2];
            connection.read_exact(&mut choice)?;
            let mut wish = vec![5, 1, 0, 3];
            wish.extend(u8::try_from(NAME.len()));
            wish.extend_from_slice(NAME.as_bytes());
            wish.extend_from_slice(&port.to_be_bytes());
            connection.write_all(&wish)?;
            let mut reply = [0; 4];
            connection.read_exact(&mut reply)?;
            let [_, status, _, kind] = reply;
            // An address of IPv4 or IPv6, and a port.
            let rest = if kind == 1 { 6 } else { 18 };
            io::copy(&mut (&connection).take(rest), &mut io::sink())?;
            expect(status == 0)?;
        }
    }
    Ok(connection)
}

/// The credentials and the port in `HTTP_PROXY`, `http://USER:PASSWORD@localhost:PORT`.
fn proxy() -> io::Result<(String, u16)> {
    let proxy = std::env::var("HTTP_PROXY").map_err(io::Error::other)?;
    let rest = proxy.strip_prefix("http://").unwrap_or_default();
    let (credentials, place) = rest.split_once('@').unwrap_or_default();
    let port = place.trim_end_matches('/').rsplit(':').next();
    let port = port.and_then(|port| port.parse().ok());
    let port = port.ok_or(io::ErrorKind::InvalidInput)?;
    Ok((credentials.to_owned(), port))
}

/// RFC 4648, 4.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.as_bytes().chunks(3).flat_map(|three| {
        let bits = three
            .iter()
            .fold(0, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        let digit = move |at: usize| (at <= three.len()).then(|| bits >> (18 - 6 * at) & 63);
        (0..4).map(move |at| digit(at).and_then(|digit| DIGITS.get(digit)))
    });
    digits
        .map(|digit| digit.map_or('=', |digit| char::from(*digit)))
        .collect()
}

fn stream(
    connection: &mut TcpStream,
    way: Way,
    count: u64,
    mut piece: Vec<u8>,
) -> io::Result<Duration> {
    let mut request = vec![STREAM];
    request.extend_from_slice(&count.to_be_bytes());
    let start = Instant::now();
    if way == Way::Tls {
        connection.write_all(&hello())?;
        connection.read_exact(&mut [0; HELLO.len()])?;
    }
    connection.write_all(&request)?;
    let mut rest = count;
    while rest > 0 {
        let length = connection.read(&mut piece)?;
        expect(length > 0)?;
        rest = rest.saturating_sub(u64::try_from(length).unwrap_or(0));
    }
    Ok(start.elapsed())
}

fn median(count: u64, mut one: impl FnMut() -> io::Result<()>) -> io::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        one()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn request(connection: &mut TcpStream, port: u16) -> io::Result<()> {
    let request = format!("GET / HTTP/1.1\r\nHost: {NAME}:{port}\r\n\r\n");
    connection.write_all(request.as_bytes())?;
    let end = ANSWER.rsplit(|byte| *byte == b'\n').next();
    let mut answer = Vec::new();
    let mut piece = [0; 512];
    while !answer.ends_with(end.unwrap_or_default()) {
        let count = connection.read(&mut piece)?;
        expect(count > 0)?;
        answer.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    expect(answer.starts_with(b"HTTP/1.1 200"))
}

/// A `ClientHello` for the server's name (RFC 8446, 4.1.2), as short as can be.
fn hello() -> Vec<u8> {
    const CLIENT_HELLO: u8 = 1;
    let name = [&[0][..], &long(NAME.as_bytes())].concat();
    let server_name = [&[0, 0][..], &long(&long(&name))].concat();
    // ecdsa_secp256r1_sha256: without one it is none of this century's.
    let signatures = [&[0, 13][..], &long(&long(&[4, 3]))].concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        // No session; one cipher, TLS_AES_128_GCM_SHA256; no compression.
        &[0],
        &long(&[0x13, 1]),
        &[1, 0],
        &long(&[server_name, signatures].concat()),
    ]
    .concat();
    let handshake = [&[CLIENT_HELLO, 0][..], &long(&body)].concat();
    [&[TLS, 3, 1][..], &long(&handshake)].concat()
}

/// With its length in two bytes before.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(0);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn expect(holds: bool) -> io::Result<()> {
    if holds {
        Ok(())
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}
