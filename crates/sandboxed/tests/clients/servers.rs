//! Servers that are programs of their own.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox_testing::until;

use crate::world::World;

/// Debian's own, whatever is first on `PATH`.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A server that ends with the test.
pub(crate) struct Server {
    process: Child,
    end: Signal,
}

impl Drop for Server {
    fn drop(&mut self) {
        let process = Pid::from_raw(self.process.id().cast_signed());
        let _ = kill(process, self.end);
        let _ = self.process.wait();
    }
}

impl World {
    /// Starts a server that prints the ports on which it listens, in a line.
    pub(crate) fn serve<const PORTS: usize>(&mut self, mut command: Command) -> [u16; PORTS] {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = self.start(command);
        let mut line = String::new();
        let output = process.stdout.take().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        let end = Signal::SIGKILL;
        self.servers.push(Server { process, end });
        let words = line.split_whitespace();
        let ports: Vec<u16> = words.map(|port| port.parse().unwrap()).collect();
        assert_eq!(ports.len(), PORTS, "{}", self.host.read("@outside/log"));
        ports.try_into().unwrap()
    }

    /// Starts a server that listens on this port in the end. To `SIGQUIT` it ends with all of its processes.
    pub(crate) fn serve_on(&mut self, port: u16, mut command: Command) {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let process = self.start(command);
        let end = Signal::SIGQUIT;
        let mut server = Server { process, end };
        let address = (self.address, port);
        until("the server listens", || {
            let ended = server.process.try_wait().unwrap();
            assert!(
                ended.is_none(),
                "{ended:?}: {}",
                self.host.read("@outside/log")
            );
            std::net::TcpStream::connect(address).is_ok()
        });
        self.servers.push(server);
    }

    /// Its messages are in a file beside the workspace.
    fn start(&self, mut command: Command) -> Child {
        let log = File::create(self.host.path("@outside/log")).unwrap();
        command
            .current_dir(self.host.path("@outside"))
            .env("HOME", self.host.path("@home"))
            .stderr(log);
        command.spawn().unwrap()
    }

    /// A script of Debian's interpreter, with arguments after the address.
    pub(crate) fn python(&self, script: &str, words: &[&str]) -> Command {
        let mut command = Command::new(PYTHON);
        command.args(["-c", script, &self.address.to_string()]);
        command.args(words);
        command
    }

    /// Files in `site` by HTTP and HTTPS; the ports of both.
    pub(crate) fn serve_site(&mut self) -> [u16; 2] {
        let command = self.python(include_str!("site.py"), &[]);
        self.serve(command)
    }

    /// A port on which nobody listens at the servers' address, which nobody else uses.
    pub(crate) fn free_port(&self) -> u16 {
        let listener = TcpListener::bind((self.address, 0)).unwrap();
        listener.local_addr().unwrap().port()
    }
}

/// Starts a server for each connection, as inetd(8) does; the port.
pub(crate) fn inetd(address: Ipv4Addr, command: impl Fn() -> Command + Send + 'static) -> u16 {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = OwnedFd::from(stream.unwrap());
            let mut command = command();
            command.stdin(stream.try_clone().unwrap()).stdout(stream);
            let mut process = command.spawn().unwrap();
            drop(command);
            thread::spawn(move || process.wait());
        }
    });
    port
}
