//! Where questions come from: datagrams to every name server, and connections to them.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;

use nix::libc::in6_pktinfo;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use crate::bounds;
use crate::hall::Hall;

/// A message, who sent it, and to whom.
struct Datagram {
    message: Vec<u8>,
    from: SockaddrIn6,
    to: in6_pktinfo,
}

/// Answers datagrams, each by the server that was asked: a connected socket hears no other.
pub(crate) async fn datagrams(socket: UdpSocket, hall: Rc<Hall>) {
    let socket = Rc::new(socket);
    let slots = Arc::new(Semaphore::new(bounds::MESSAGES));
    loop {
        if socket.readable().await.is_err() {
            return;
        }
        let received = match socket.try_io(Interest::READABLE, || receive(&socket)) {
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(_) => {
                sleep(bounds::RECOVERY).await;
                continue;
            }
        };
        let (Some(datagram), Ok(slot)) = (received, Arc::clone(&slots).try_acquire_owned()) else {
            continue;
        };
        let (socket, hall) = (Rc::clone(&socket), Rc::clone(&hall));
        spawn_local(async move {
            if let Some(answer) = hall.answer(&datagram.message).await {
                // What can't be sent is asked for again.
                let _ = send(&socket, &datagram, &answer);
            }
            drop(slot);
        });
    }
}

/// None where it is not known to whom it was sent, or it is too long.
fn receive(socket: &UdpSocket) -> io::Result<Option<Datagram>> {
    let mut message = [0; bounds::MESSAGE];
    let mut space = nix::cmsg_space!(in6_pktinfo);
    let mut vectors = [IoSliceMut::new(&mut message)];
    let flags = MsgFlags::MSG_DONTWAIT;
    let got = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut vectors, Some(&mut space), flags)?;
    let to = got.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(info),
        _ => None,
    });
    let is_whole = !got.flags.contains(MsgFlags::MSG_TRUNC);
    let (from, length) = (got.address.filter(|_| is_whole), got.bytes);
    let message = message.get(..length).unwrap_or_default().to_vec();
    Ok(from
        .zip(to)
        .map(|(from, to)| Datagram { message, from, to }))
}

fn send(socket: &UdpSocket, question: &Datagram, answer: &[u8]) -> io::Result<()> {
    // Any interface: the addresses of all are on one that has none of them.
    let info = in6_pktinfo {
        ipi6_ifindex: 0,
        ..question.to
    };
    let control = [ControlMessage::Ipv6PacketInfo(&info)];
    let vectors = [IoSlice::new(answer)];
    let flags = MsgFlags::MSG_DONTWAIT;
    sendmsg(
        socket.as_raw_fd(),
        &vectors,
        &control,
        flags,
        Some(&question.from),
    )?;
    Ok(())
}

/// Answers the questions of a connection, one after the other (RFC 7766).
pub(crate) async fn stream(mut client: TcpStream, hall: &Hall) {
    while let Ok(Ok(message)) = timeout(bounds::MESSAGE_IDLE, receive_framed(&mut client)).await {
        let Some(answer) = hall.answer(&message).await else {
            break;
        };
        let length = u16::try_from(answer.len()).unwrap_or_default();
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        let sent = timeout(bounds::MESSAGE_IDLE, client.write_all(&framed)).await;
        if !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
}

async fn receive_framed(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(client.read_u16().await?);
    if length > bounds::MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length];
    client.read_exact(&mut message).await?;
    Ok(message)
}
