//! The name in a `ClientHello`: whom TLS is for, which the server goes by, whatever name it was dialled for.
//!
//! An encrypted `ClientHello` is judged by its outer name: that of the server which alone can read the inner one (RFC 9849).

use std::cmp::Ordering;

use rustls::server::Acceptor;
use sandbox_core::Name;

use crate::bounds;

/// A `ClientHello` as it comes in, split over records and segments as its sender likes.
#[derive(Default)]
pub(crate) struct Hello {
    acceptor: Acceptor,
    length: usize,
    pub(crate) is_second: bool,
}

/// What is known of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It is not complete.
    Incomplete,
    /// For which name it asks, if for one.
    Complete(Option<Name>),
    /// It is none, is too long, or asks for something that is no name.
    Malformed,
}

impl Hello {
    /// The one that a server asks for when it can do nothing with the first (RFC 8446, 4.1.4). It should be for the same name, and
    /// there are servers that go by it if it is not.
    pub(crate) fn second() -> Self {
        Self {
            is_second: true,
            ..Self::default()
        }
    }

    /// Where it begins in what is said; none as long as that has not been said. Before a second one there are records which the
    /// server passes over (RFC 8446, 4.2.10 and D.4).
    pub(crate) fn begin(&self, said: &[u8]) -> Option<usize> {
        const PASSED_OVER: [u8; 2] = [20, 23];
        let mut at = 0;
        while self.is_second && PASSED_OVER.contains(said.get(at)?) {
            at = record(said, at)?.1;
        }
        Some(at)
    }

    /// Whether nothing of it was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Takes the bytes that have come. After anything but `Incomplete` it has ended.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Progress {
        self.length = self.length.saturating_add(bytes.len());
        if self.length > bounds::FIRST {
            return Progress::Malformed;
        }
        while !bytes.is_empty() {
            match self.acceptor.read_tls(&mut bytes) {
                Ok(0) | Err(_) => return Progress::Malformed,
                Ok(_) => {}
            }
            match self.acceptor.accept() {
                Ok(None) => {}
                Ok(Some(accepted)) => {
                    let name = accepted.client_hello().server_name().map(str::parse);
                    return match name.transpose() {
                        Ok(name) => Progress::Complete(name),
                        Err(_) => Progress::Malformed,
                    };
                }
                Err(_) => return Progress::Malformed,
            }
        }
        Progress::Incomplete
    }
}

/// Where the records end that the `ClientHello` at the start is in. None where more is in them, which no server takes.
pub(crate) fn end(said: &[u8]) -> Option<usize> {
    let (mut message, mut at) = (Vec::new(), 0);
    loop {
        let (fragment, end) = record(said, at)?;
        message.extend_from_slice(fragment);
        at = end;
        if let [_, a, b, c, body @ ..] = message.as_slice() {
            let length = u32::from_be_bytes([0, *a, *b, *c]);
            match u32::try_from(body.len()).ok()?.cmp(&length) {
                Ordering::Less => {}
                Ordering::Equal => return Some(at),
                Ordering::Greater => return None,
            }
        }
    }
}

/// What is in a record, and where that ends.
fn record(said: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let (head, rest) = said.get(at..)?.split_first_chunk()?;
    let [_, _, _, high, low]: [u8; 5] = *head;
    let length = u16::from_be_bytes([high, low]).into();
    Some((rest.get(..length)?, at + head.len() + length))
}

/// Whether a server asks for a second `ClientHello`; none as long as it has not said.
pub(crate) fn retries(said: &[u8]) -> Option<bool> {
    /// A `ServerHello` with this for its random bytes (RFC 8446, 4.1.3).
    const RANDOM: [u8; 32] = [
        0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8,
        0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8,
        0x33, 0x9c,
    ];
    const HANDSHAKE: u8 = 22;
    const SERVER_HELLO: u8 = 2;
    let is = |at: usize, byte: u8| said.get(at).is_none_or(|said| *said == byte);
    if !is(0, HANDSHAKE) || !is(5, SERVER_HELLO) {
        return Some(false);
    }
    // Behind the heads of the record and of the message, and a version.
    said.get(11..11 + RANDOM.len())
        .map(|random| random == RANDOM)
}

/// A fatal alert `access_denied` (RFC 8446, 6) in a record of its own.
pub(crate) const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

#[cfg(test)]
pub(crate) mod tests;
