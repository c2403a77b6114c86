//! The server on the host's loopback: as many bytes as are asked for, or an answer to each request.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// Its name.
pub(crate) const NAME: &str = "server.example";
/// The first byte of a request for a stream, which is the beginning of no protocol; how many bytes follows.
pub(crate) const STREAM: u8 = 0;
/// The first byte of a record of TLS with a handshake, and how long a record's head is (RFC 8446, 5.1).
pub(crate) const TLS: u8 = 0x16;
const TLS_HEAD: usize = 5;
/// What is answered to a hello: the gateway passes nothing on before it has seen that no second one is asked for.
pub(crate) const HELLO: [u8; 6] = [23, 3, 3, 0, 1, 0];
/// An answer to a small request.
pub(crate) const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How many connections are served at the same time. They wait for them, so that no thread has to be started for one.
const THREADS: usize = 4;

/// Starts it; its port. So much is written at once.
pub(crate) fn start(piece: usize) -> io::Result<u16> {
    let listener = Arc::new(TcpListener::bind("127.0.0.1:0")?);
    let port = listener.local_addr()?.port();
    for _ in 0..THREADS {
        let listener = Arc::clone(&listener);
        thread::spawn(move || {
            let piece = vec![b'x'; piece];
            while let Ok((client, _)) = listener.accept() {
                // A client that breaks off finds out by itself.
                let _ = serve(client, &piece);
            }
        });
    }
    Ok(port)
}

fn serve(mut client: TcpStream, piece: &[u8]) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut words = BufReader::new(client.try_clone()?);
    loop {
        match words.fill_buf()?.first() {
            None => return Ok(()),
            Some(&TLS) => {
                let mut head = [0; TLS_HEAD];
                words.read_exact(&mut head)?;
                let [_, _, _, high, low] = head;
                let length = u16::from_be_bytes([high, low]);
                io::copy(&mut words.by_ref().take(length.into()), &mut io::sink())?;
                client.write_all(&HELLO)?;
            }
            Some(&STREAM) => {
                let mut request = [0; 9];
                words.read_exact(&mut request)?;
                let [_, count @ ..] = request;
                let mut rest = usize::try_from(u64::from_be_bytes(count)).unwrap_or(0);
                while rest > 0 {
                    let part = piece.get(..rest.min(piece.len())).unwrap_or_default();
                    client.write_all(part)?;
                    rest -= part.len();
                }
            }
            Some(_) => {
                let mut line = String::new();
                while line != "\r\n" {
                    line.clear();
                    if words.read_line(&mut line)? == 0 {
                        return Ok(());
                    }
                }
                client.write_all(ANSWER)?;
            }
        }
    }
}
