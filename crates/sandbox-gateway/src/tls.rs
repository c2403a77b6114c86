//! The name in a `ClientHello`: whom TLS is for, which the server goes by, whatever name it was dialled for.
//!
//! An encrypted `ClientHello` is judged by its outer name: that of the server which alone can read the inner one (RFC 9849).

use rustls::server::Acceptor;
use sandbox_core::Name;

use crate::bounds;

/// A `ClientHello` as it comes in, split over records and segments as its sender likes.
#[derive(Default)]
pub(crate) struct Hello {
    acceptor: Acceptor,
    length: usize,
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

/// A fatal alert `access_denied` (RFC 8446, 6) in a record of its own.
pub(crate) const ACCESS_DENIED: &[u8] = &[21, 3, 3, 0, 2, 2, 49];

#[cfg(test)]
pub(crate) mod tests;
