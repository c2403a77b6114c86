//! HTTP behind an upstream proxy, which takes requests as they are; for these many open no tunnel, and all else needs one. So what the
//! command speaks is heard before the proxy is dialled.

use std::io;

use sandbox_core::Destination;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::bounds;
use crate::hall::{Hall, Wish};
use crate::protocol::Protocol;

/// The port at which nobody but a client speaks first.
const HTTP: u16 = 80;

impl Hall {
    /// Whether the command makes requests of a name that is reached through an upstream proxy; what it has said is added to `first`.
    ///
    /// An address is left to a tunnel: the name by which a server there goes is only in `Host`, which a proxy replaces (RFC 9112,
    /// 3.2.2).
    pub(super) async fn is_relayed(
        &self,
        client: &TcpStream,
        wish: &Wish,
        first: &mut Vec<u8>,
    ) -> bool {
        let Destination::Name(name) = &wish.destination else {
            return false;
        };
        let patience = if wish.port == HTTP {
            bounds::FIRST_WORD
        } else {
            bounds::WHO_SPEAKS
        };
        self.rules().has_upstream(name)
            && timeout(patience, self.hears_http(client, first)).await == Ok(true)
    }

    async fn hears_http(&self, client: &TcpStream, first: &mut Vec<u8>) -> bool {
        loop {
            match Protocol::of(first) {
                Protocol::Http => return true,
                Protocol::Unknown if first.len() <= bounds::FIRST => {}
                _ => return false,
            }
            let read = match client.readable().await {
                Ok(()) => self.read(client, first),
                Err(error) => Err(error),
            };
            match read {
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Whoever opens the connection finds the end once more.
                Ok(0) | Err(_) => return false,
            }
        }
    }
}
