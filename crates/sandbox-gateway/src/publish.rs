//! Ports of the sandbox on the host's loopback: the other way round, whoever connects is outside.

use std::io;
use std::net::{Ipv4Addr, TcpStream as Connected};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use nix::sys::socket::{Shutdown, shutdown};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::bounds;
use crate::capture;
use crate::event::{Door, End};
use crate::flights::on_thread;
use crate::hall::{Hall, Wish};
use crate::log::Record;
use crate::opened::{Line, Opened};
use crate::processes::Maker;

/// Connects to a port inside: whoever made the sandbox has a socket in its network for it.
pub(crate) type Connect = Arc<dyn Fn() -> io::Result<OwnedFd> + Send + Sync>;

/// Serves connections to a published port.
pub(crate) async fn published(listener: TcpListener, port: u16, connect: Connect, hall: Rc<Hall>) {
    let listening = Listening(listener);
    capture::serve(&listening.0, &hall, |outside, hall| {
        one(outside, port, Arc::clone(&connect), hall)
    })
    .await;
}

/// A port on which nobody listens any more when this is gone: also where a fork of this process has a copy of the descriptor.
pub(crate) struct Listening(pub(crate) TcpListener);

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = shutdown(self.0.as_raw_fd(), Shutdown::Both);
    }
}

async fn one(outside: TcpStream, port: u16, connect: Connect, hall: Rc<Hall>) {
    if hall.is_half_taken() {
        let _ = outside.set_zero_linger();
        return;
    }
    let wish = Wish {
        destination: Ipv4Addr::LOCALHOST.into(),
        port,
        door: Door::Publish,
        maker: Maker::default(),
    };
    let mut record = Record::new(&hall.log, &wish);
    let connected = on_thread(&hall.connects, move || connect().and_then(ready));
    let connected = match timeout(bounds::DIAL, connected).await {
        Ok(connected) => connected.flatten().and_then(TcpStream::from_std),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    match connected {
        Ok(inside) => {
            let line = Line::new(outside, wish.destination, port, None);
            let opened = Opened {
                relay: None,
                line: Arc::new(line),
                early: Bytes::new(),
                record: Box::new(record),
            };
            hall.relay(inside, Vec::new(), opened).await;
        }
        Err(error) => {
            record.ends(End::Unreachable(error.to_string()));
            let _ = outside.set_zero_linger();
        }
    }
}

/// As a connection that the gateway has dialled.
fn ready(socket: OwnedFd) -> io::Result<Connected> {
    let stream = Connected::from(socket);
    stream.set_nonblocking(true)?;
    let _ = stream.set_nodelay(true);
    Ok(stream)
}
