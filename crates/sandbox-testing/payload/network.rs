//! Connections, tried and reported.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    net::{
        IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket,
    },
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr as UnixAddress, UnixStream},
    },
    process::{Command, ExitCode},
    time::Duration,
};

/// Connects to each address in turn and prints what it is told there.
pub(crate) fn tcp(addresses: &[String]) {
    for address in addresses {
        report(TcpStream::connect(address).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(10)))?;
            hear(&mut stream)
        }));
    }
}

/// Connects to a socket that has a name but no path.
pub(crate) fn abstract_socket(names: &[String]) {
    for name in names {
        report(
            UnixAddress::from_abstract_name(name)
                .and_then(|address| UnixStream::connect_addr(&address))
                .and_then(|mut stream| hear(&mut stream)),
        );
    }
}

fn hear(stream: &mut impl Read) -> io::Result<String> {
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

fn report(result: io::Result<String>) {
    match result {
        Ok(text) => println!("heard {text}"),
        Err(error) => println!("failed {}", error.raw_os_error().unwrap_or(0)),
    }
}

/// Sends a datagram to each address.
pub(crate) fn udp(addresses: &[String]) {
    for address in addresses {
        report(UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
            socket.send_to(b"exfiltrated", address)?;
            Ok("sent".to_owned())
        }));
    }
}

/// Sends a datagram to each of the addresses of each name and prints what it is told there, by a socket that hears nobody else.
pub(crate) fn ask(names: &[String]) {
    // All are open until the end, so that no two have one port.
    let mut sockets = Vec::new();
    for name in names {
        let addresses = match name.to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => {
                println!("failed {error}");
                continue;
            }
        };
        for address in addresses {
            let any: IpAddr = match address {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            report(UdpSocket::bind((any, 0)).and_then(|socket| {
                socket.set_read_timeout(Some(Duration::from_secs(10)))?;
                socket.connect(address)?;
                socket.send(b"who is there?")?;
                let mut answer = [0; 64];
                let count = socket.recv(&mut answer)?;
                sockets.push(socket);
                let answer = answer.get(..count).unwrap_or_default();
                Ok(String::from_utf8_lossy(answer).into_owned())
            }));
        }
    }
}

/// Serves itself on the loopback address.
pub(crate) fn loopback() {
    report(TcpListener::bind("127.0.0.1:0").and_then(|listener| {
        let address = listener.local_addr()?;
        let server = std::thread::spawn(move || -> io::Result<()> {
            let (mut stream, _) = listener.accept()?;
            stream.write_all(b"myself")
        });
        let text = hear(&mut TcpStream::connect(address)?)?;
        match server.join() {
            Ok(result) => result.map(|()| text),
            Err(_) => Err(io::Error::other("the server panicked")),
        }
    }));
}

/// Binds a listener and a datagram socket to each address.
pub(crate) fn bind(addresses: &[String]) {
    for address in addresses {
        report(TcpListener::bind(address).map(|_| "bound".to_owned()));
        report(UdpSocket::bind(address).map(|_| "bound".to_owned()));
    }
}

/// Opens connections to an address until it has so many, or as many as it may; when the last one has been dealt with, it says so,
/// and keeps them until the standard input ends.
pub(crate) fn flood(words: &[String]) {
    let [address, count] = words else {
        panic!("usage: payload flood ADDRESS COUNT");
    };
    let count: usize = count.parse().expect("a number");
    // One that is given up at once may be, before it is seen to be there.
    let connect = |_| TcpStream::connect(address).ok();
    let mut open: Vec<_> = (0..count).filter_map(connect).collect();
    if let Some(last) = open.last_mut() {
        report(
            last.set_read_timeout(Some(Duration::from_secs(10)))
                .and_then(|()| hear(last)),
        );
    }
    println!("opened {count}");
    let _ = io::stdin().read_to_end(&mut Vec::new());
}

/// Says `the host` to whoever connects to an address, as long as a command runs.
pub(crate) fn serve(words: &[OsString]) -> ExitCode {
    let [address, program, args @ ..] = words else {
        panic!("usage: payload serve ADDRESS COMMAND");
    };
    let listener = TcpListener::bind(address.to_str().expect("an address")).expect("it is free");
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"the host");
        }
    });
    let status = Command::new(program)
        .args(args)
        .status()
        .expect("it starts");
    ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))
}
