//! Services of the host, which nobody inside may reach.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            fs::PermissionsExt,
            net::{SocketAddr as UnixAddress, UnixListener},
        },
    },
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A service that says `the host` to everybody who comes, and counts them. Lives as long as the test.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub address: String,
    visitors: Arc<AtomicUsize>,
}

impl Server {
    /// Serves on a free port of the loopback address, 127.0.0.1 or `[::1]`.
    pub fn tcp(address: &str) -> Self {
        let listener = TcpListener::bind(format!("{address}:0")).unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        Self::serve(address.to_string(), move || {
            let (mut stream, _) = listener.accept()?;
            stream.write_all(b"the host")
        })
    }

    /// Counts datagrams on a free port of the loopback address.
    pub fn udp() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        Self::serve(address, move || socket.recv(&mut [0; 64]).map(drop))
    }

    /// Answers datagrams on a free port of an address.
    pub fn datagrams(address: &str) -> Self {
        let socket = UdpSocket::bind(format!("{address}:0")).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        Self::serve(address, move || {
            let (_, from) = socket.recv_from(&mut [0; 64])?;
            socket.send_to(b"the host", from).map(drop)
        })
    }

    /// Serves on a Unix socket without a path.
    pub fn abstract_socket() -> Self {
        let name = crate::marker();
        let address = UnixAddress::from_abstract_name(&name).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        Self::serve(name, move || {
            let (mut stream, _) = listener.accept()?;
            stream.write_all(b"the host")
        })
    }

    /// Serves on a Unix socket, for everybody who may enter its directory.
    pub fn at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
        Self::serve(path.display().to_string(), move || {
            let (mut stream, _) = listener.accept()?;
            // Who only connects may be gone.
            let _ = stream.write_all(b"the host");
            Ok(())
        })
    }

    fn serve(
        address: String,
        mut once: impl FnMut() -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let visitors = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&visitors);
        std::thread::spawn(move || {
            while once().is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, visitors }
    }

    /// How many have come.
    pub fn visitors(&self) -> usize {
        self.visitors.load(Ordering::SeqCst)
    }
}
