//! The second `ClientHello`: a server that can do nothing with the first asks for another one (RFC 8446, 4.1.4), which should
//! differ in its keys alone. OpenSSL goes by the name in the second one.

use std::io;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Judged;
use crate::bounds;
use crate::hall::{Hall, Wish};
use crate::opened::Opened;
use crate::relay::write_all;
use crate::tls::{self, Hello};

impl Hall {
    /// Passes on the first hello, which ends at `end`, and nothing behind it until the server has answered: if that asks for a second
    /// one, it is judged as well.
    pub(super) async fn judge_second(
        &self,
        client: &TcpStream,
        first: &mut Vec<u8>,
        opened: &mut Opened,
        wish: &Wish,
        end: usize,
    ) -> io::Result<Judged> {
        let rest = first.split_off(end.min(first.len()));
        let hello = std::mem::replace(first, rest);
        let is_retried = self.is_retried(&hello, opened);
        if timeout(bounds::SERVER_HELLO, is_retried).await?? {
            self.judge(client, first, opened, wish, Hello::second())
                .await
        } else {
            Ok(Judged::Agrees)
        }
    }

    async fn is_retried(&self, hello: &[u8], opened: &mut Opened) -> io::Result<bool> {
        let stream = &opened.line.stream;
        write_all(stream, hello).await?;
        opened.record.bytes.sent(hello.len());
        let mut said = Vec::from(std::mem::take(&mut opened.early));
        let is_retried = loop {
            if let Some(retries) = tls::retries(&said) {
                break retries;
            }
            stream.readable().await?;
            match self.read(stream, &mut said) {
                Ok(0) => break false,
                Ok(count) => opened.record.bytes.received(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        };
        opened.early = said.into();
        Ok(is_retried)
    }
}
