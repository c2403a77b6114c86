//! Ports of the sandbox on the host's loopback: the other way round, whoever connects is outside.

use std::io;
use std::net::{Ipv4Addr, TcpStream as Connected};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time::{sleep, timeout};

use crate::bounds;
use crate::event::{Door, End};
use crate::hall::{Hall, Wish};
use crate::log::Record;
use crate::opened::{Line, Opened};

/// Connects to a port inside: whoever made the sandbox has a socket in its network for it.
pub(crate) type Connect = Arc<dyn Fn() -> io::Result<OwnedFd> + Send + Sync>;

/// Serves connections to a published port.
pub(crate) async fn published(listener: TcpListener, port: u16, connect: Connect, hall: Rc<Hall>) {
    loop {
        let Ok((outside, _)) = listener.accept().await else {
            sleep(bounds::RECOVERY).await;
            continue;
        };
        let Some(place) = hall.place(&outside) else {
            let _ = outside.set_zero_linger();
            continue;
        };
        let (hall, connect) = (Rc::clone(&hall), Arc::clone(&connect));
        spawn_local(async move {
            one(outside, port, connect, &hall).await;
            drop(place);
        });
    }
}

async fn one(outside: TcpStream, port: u16, connect: Connect, hall: &Hall) {
    let wish = Wish {
        destination: Ipv4Addr::LOCALHOST.into(),
        port,
        door: Door::Publish,
    };
    let mut record = Record::new(&hall.log, &wish);
    let slots = Arc::clone(&hall.connects);
    let connected = async move {
        let slot = slots.acquire_owned().await.map_err(io::Error::other)?;
        let connected = spawn_blocking(move || {
            let connected = connect().and_then(nonblocking);
            drop(slot);
            connected
        });
        connected.await.map_err(io::Error::other)?
    };
    let connected = match timeout(bounds::DIAL, connected).await {
        Ok(connected) => connected.and_then(TcpStream::from_std),
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    };
    match connected {
        Ok(inside) => {
            let line = Line::new(outside, wish.destination, port, None);
            let opened = Opened {
                relay: None,
                line: Arc::new(line),
                early: Bytes::new(),
                record,
            };
            hall.relay(inside, Vec::new(), opened).await;
        }
        Err(error) => {
            record.ends(End::Unreachable(error.to_string()));
            let _ = outside.set_zero_linger();
        }
    }
}

fn nonblocking(socket: OwnedFd) -> io::Result<Connected> {
    let stream = Connected::from(socket);
    stream.set_nonblocking(true)?;
    Ok(stream)
}
