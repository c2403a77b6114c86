//! Telling a program that does not know of us that it was refused, in the protocol that it speaks.

use std::io;

use sandbox_core::escaped;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bounds;
use crate::opened::finish;
use crate::protocol::Protocol;
use crate::refusal::{Refusal, Why};
use crate::relay::write_all;
use crate::tls::ACCESS_DENIED;

/// What a proxy of this kind is expected to say of a denial.
pub(crate) const HEADER: (&str, &str) = ("x-proxy-error", "blocked-by-allowlist");

impl Refusal {
    /// The status of HTTP for it.
    pub(crate) fn status(&self) -> (u16, &'static str) {
        match self.why {
            Why::Unauthenticated => (407, "Proxy Authentication Required"),
            _ if self.is_denial() => (403, "Forbidden"),
            Why::TimedOut => (504, "Gateway Timeout"),
            _ => (502, "Bad Gateway"),
        }
    }

    /// A page of text that says why, and what would allow it.
    pub(crate) fn page(&self) -> String {
        let reason = self.reason();
        match self.remedy() {
            None => format!("sandbox: {reason}\n"),
            Some(remedy) => {
                let remedy = escaped(remedy);
                format!("sandbox: {reason}\n\nhelp: in `[network.rules]`: {remedy}\n")
            }
        }
    }
}

/// A whole response, after which the connection ends.
pub(crate) fn response(
    (code, phrase): (u16, &str),
    header: Option<(&str, &str)>,
    page: &str,
) -> String {
    let header = header.map(|(name, value)| format!("{name}: {value}\r\n"));
    let header = header.unwrap_or_default();
    format!(
        "HTTP/1.1 {code} {phrase}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\n{header}\
         connection: close\r\n\r\n{page}",
        page.len()
    )
}

/// Refuses a captured connection. `first` is what was read of it.
pub(crate) async fn refuse(client: TcpStream, mut first: Vec<u8>, refusal: &Refusal) {
    let listened = timeout(bounds::REFUSAL, listen(&client, &mut first)).await;
    let protocol = match listened {
        Ok(Ok(protocol)) => protocol,
        _ => Protocol::Other,
    };
    let answer = match protocol {
        Protocol::Http => {
            let header = refusal.is_denial().then_some(HEADER);
            response(refusal.status(), header, &refusal.page()).into_bytes()
        }
        Protocol::Tls if refusal.is_denial() => ACCESS_DENIED.to_vec(),
        _ => {
            let _ = client.set_zero_linger();
            return;
        }
    };
    let _ = timeout(bounds::REFUSAL, say(&client, &answer)).await;
}

/// Reads until it is known what the program speaks.
async fn listen(client: &TcpStream, first: &mut Vec<u8>) -> io::Result<Protocol> {
    let mut buffer = [0; 1024];
    loop {
        let protocol = Protocol::of(first);
        if protocol != Protocol::Unknown || first.len() > bounds::FIRST {
            return Ok(protocol);
        }
        client.readable().await?;
        match client.try_read(&mut buffer) {
            Ok(0) => return Ok(Protocol::Other),
            Ok(count) => first.extend(buffer.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Says the last word, and waits until it was heard: bytes that nobody has read would turn the end into a reset, which takes what
/// was said with it.
async fn say(client: &TcpStream, answer: &[u8]) -> io::Result<()> {
    write_all(client, answer).await?;
    finish(client)?;
    let mut buffer = [0; 4096];
    loop {
        client.readable().await?;
        match client.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
