//! What comes through the doors, as the host's side sees it.

mod datagrams;

use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg,
};
use sandbox_core::{Context, Policy, Preset, Ruleset};
use sandbox_testing::forbid_netfilter;

use super::*;
use crate::launch::tests::{in_own_process, plan, run};
use crate::plan::encode;
use crate::{Connectivity, HostFacts, Plan, Prepared, Step};

/// A sandbox whose network leads to the gateway's doors, and these.
pub(crate) fn sandbox(loopback: &[u16]) -> (Prepared, Doors) {
    sandbox_with(loopback, None)
}

/// The same, whose datagrams are brought there as well, those to these ports of loopback among them.
fn sandbox_with(loopback: &[u16], datagrams: Option<&[u16]>) -> (Prepared, Doors) {
    let plan = plan(&Policy::preset(Preset::Agent));
    sandbox_of(&plan, loopback, datagrams)
}

fn sandbox_of(plan: &Plan, loopback: &[u16], datagrams: Option<&[u16]>) -> (Prepared, Doors) {
    let ranges = |ports: &[u16]| ports.iter().map(|port| *port..=*port).collect();
    let network = Connectivity::Gateway {
        loopback: ranges(loopback),
        datagrams: datagrams.map(ranges),
    };
    let is_network = |step: &Step| matches!(step, Step::Network | Step::Netlink(_));
    let (ids, rest) = plan.beginning().split_at(1);
    let rest = rest.iter().filter(|step| !is_network(step)).cloned();
    let beginning: Vec<Step> = (ids.iter().cloned())
        .chain(network.steps())
        .chain(rest)
        .collect();
    let prepared = Prepared {
        beginning: encode::steps(&beginning).unwrap(),
        steps: beginning.iter().chain(plan.rest()).cloned().collect(),
        ..Prepared::new(plan).unwrap()
    };
    assert_eq!(status(&prepared, "true"), 0);
    let doors = prepared.take_doors().unwrap();
    assert!(prepared.take_doors().is_none());
    (prepared, doors)
}

fn status(prepared: &Prepared, script: &str) -> i32 {
    let report = run(prepared, &["/bin/bash", "-c", script], |_| {}).unwrap();
    report.status >> 8
}

/// Says to each connection where it wanted to go.
fn say_where(doors: Doors) {
    let listener = TcpListener::from(doors.streams.unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let wanted = stream.local_addr().unwrap();
            let port = Doors::port_of(stream.as_fd()).unwrap_or(wanted.port());
            let wanted = SocketAddr::new(wanted.ip().to_canonical(), port);
            // At once: whoever reads once has all of it.
            let _ = stream.write_all(format!("{wanted}\n").as_bytes());
        }
    });
}

#[test]
fn every_connection_comes_to_the_listener() {
    let (prepared, doors) = sandbox(&[5432]);
    say_where(doors);
    for (host, port, shown) in [
        ("7.7.7.7", 443, "7.7.7.7:443"),
        ("169.254.169.254", 80, "169.254.169.254:80"),
        ("255.255.255.254", 65535, "255.255.255.254:65535"),
        ("2001:db8::7", 8443, "[2001:db8::7]:8443"),
        ("9.9.9.9", 53, "9.9.9.9:53"),
        ("127.0.0.53", 53, "127.0.0.53:53"),
        ("127.0.0.1", 5432, "127.0.0.1:5432"),
        ("::1", 5432, "[::1]:5432"),
    ] {
        let script = format!("read where </dev/tcp/{host}/{port} && [ \"$where\" = \"{shown}\" ]");
        assert_eq!(status(&prepared, &script), 0, "{shown}");
    }
    for loopback in ["127.0.0.1/5433", "127.8.9.10/80", "::1/80"] {
        let script = format!("! true </dev/tcp/{loopback}");
        assert_eq!(
            status(&prepared, &script),
            0,
            "{loopback} is the command's own"
        );
    }
    // By a socket that has the very port that it dials.
    let script = "/usr/bin/python3 -c '
import socket
s = socket.socket()
s.bind((\"0.0.0.0\", 8444))
s.connect((\"7.7.7.7\", 8444))
assert s.recv(99) == b\"7.7.7.7:8444\\n\"
'";
    assert_eq!(status(&prepared, script), 0);
    // A command beside the first has the same network.
    let script = "read where </dev/tcp/7.7.7.7/1 && [ $where = 7.7.7.7:1 ]";
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(status(&prepared, script), 0));
        }
    });
}

#[test]
fn without_nf_tables_whoever_asks_no_proxy_is_brought_by_init() {
    in_own_process(|| {
        forbid_netfilter();
        let (prepared, doors) = sandbox(&[5432]);
        let (is_captured, is_brought) = (doors.captured, doors.brought);
        say_where(doors);
        let comes = |host: &str, port: u16, shown: &str| {
            let script =
                format!("read where </dev/tcp/{host}/{port} && [ \"$where\" = \"{shown}\" ]");
            status(&prepared, &script) == 0
        };
        let stays = |to: &str| status(&prepared, &format!("! true </dev/tcp/{to}")) == 0;
        !is_captured
            && is_brought
            && comes("7.7.7.7", 443, "7.7.7.7:443")
            && comes("169.254.169.254", 80, "169.254.169.254:80")
            && comes("255.255.255.254", 65535, "255.255.255.254:65535")
            && comes("2001:db8::7", 8443, "[2001:db8::7]:8443")
            && comes("9.9.9.9", 53, "9.9.9.9:53")
            && comes("127.0.0.1", 5432, "127.0.0.1:5432")
            && comes("::1", 5432, "[::1]:5432")
            && ["127.0.0.1/5433", "127.8.9.10/80", "::1/80"]
                .into_iter()
                .all(stays)
            && status(&prepared, TOLD_ONCE) == 0
    });
    let (_prepared, doors) = sandbox(&[]);
    assert!(doors.captured && !doors.brought, "control");
}

/// The attack: two threads have one socket connected to different places. Where it is told to have gone is where it goes: a command
/// could have asked for that itself.
const TOLD_ONCE: &str = "/usr/bin/python3 -c '
import socket, threading
places = [(\"7.7.7.7\", 1111), (\"8.8.8.8\", 2222)]
said = {b\"%s:%d\\n\" % (host.encode(), port) for host, _ in places for _, port in places}
def connect(it, place):
    try:
        it.connect(place)
    except OSError:
        pass
for _ in range(50):
    it = socket.socket()
    threads = [threading.Thread(target=connect, args=(it, place)) for place in places]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert it.recv(99) in said
'";

#[test]
fn without_nf_tables_and_notifier_whoever_asks_no_proxy_is_refused() {
    in_own_process(|| {
        forbid_netfilter();
        let facts = HostFacts::detect().lowered(&"notifier=0".parse().unwrap());
        let ruleset = Ruleset::resolve(&Policy::preset(Preset::Agent), &Context::new("/usr/lib"));
        let plan = Plan::compile(&ruleset.unwrap(), &facts).unwrap();
        let (prepared, mut doors) = sandbox_of(&plan, &[], None);
        let is_captured = doors.captured;
        doors.streams = doors.proxies.take();
        say_where(doors);
        !is_captured
            && status(&prepared, "! true </dev/tcp/7.7.7.7/443") == 0
            && status(&prepared, "! true </dev/tcp/2001:db8::7/443") == 0
            && status(&prepared, "read where </dev/tcp/127.0.0.1/880") == 0
    });
    assert!(sandbox(&[]).1.captured);
}

#[test]
fn whoever_asks_a_proxy_finds_it_on_loopback() {
    // Also where that port of the host's is named.
    for named in [&[][..], &[880]] {
        let (prepared, mut doors) = sandbox(named);
        let streams = doors.streams.take();
        doors.streams = doors.proxies.take();
        say_where(doors);
        let script = "read -t 5 where </dev/tcp/127.0.0.1/880 && [ $where = 127.0.0.1:880 ]";
        assert_eq!(status(&prepared, script), 0, "{named:?}");
        drop(streams);
    }
}

#[test]
fn questions_to_every_name_server_come_and_are_answered() {
    let (prepared, doors) = sandbox(&[]);
    let names = doors.names.unwrap();
    thread::spawn(move || {
        loop {
            answer_one(&names);
        }
    });
    for server in ["9.9.9.9", "127.0.0.53", "2001:4860:4860::8888", "::1"] {
        // A connected socket hears only whom it has asked.
        let script = format!(
            "exec 3<>/dev/udp/{server}/53 && echo question >&3 && [ \"$(timeout 5 head -n1 <&3)\" = {server} ]"
        );
        assert_eq!(status(&prepared, &script), 0, "{server}");
    }
    // Where nobody listens the sender is told at once.
    let refused = "exec 3<>/dev/udp/8.8.8.8/443; echo one >&3; sleep 0.1; ! echo two >&3";
    assert_eq!(status(&prepared, refused), 0);
}

/// Answers with the address that was asked.
fn answer_one(names: &OwnedFd) {
    let mut question = [0; 64];
    let mut space = nix::cmsg_space!(libc::in6_pktinfo);
    let mut vectors = [IoSliceMut::new(&mut question)];
    let flags = MsgFlags::empty();
    let got = recvmsg::<SockaddrIn6>(names.as_raw_fd(), &mut vectors, Some(&mut space), flags);
    let got = got.unwrap();
    let asked = got.cmsgs().unwrap().find_map(|message| match message {
        ControlMessageOwned::Ipv6PacketInfo(info) => Some(info),
        _ => None,
    });
    let mut info = asked.unwrap();
    info.ipi6_ifindex = 0;
    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr).to_canonical();
    let text = format!("{ip}\n");
    let control = [ControlMessage::Ipv6PacketInfo(&info)];
    let vectors = [IoSlice::new(text.as_bytes())];
    sendmsg(
        names.as_raw_fd(),
        &vectors,
        &control,
        flags,
        got.address.as_ref(),
    )
    .unwrap();
}

#[test]
fn a_command_can_take_no_door_and_open_none() {
    let (prepared, doors) = sandbox(&[]);
    say_where(doors);
    // Ports of its own stay its own, and the doors' is nobody's to bind.
    let script = "/usr/bin/python3 -c '
import socket
s = socket.socket(socket.AF_INET6)
s.bind((\"::\", 8443)); s.listen()
c = socket.create_connection((\"127.0.0.1\", 8443)); s.accept()
c = socket.create_connection((\"7.7.7.7\", 8443), 5)
assert c.recv(99) == b\"7.7.7.7:8443\\n\"
for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
    for address in [(a, p) for a in (\"127.0.0.1\", \"0.0.0.0\", \"9.9.9.9\") for p in (53, 880)]:
        t = socket.socket(socket.AF_INET, kind)
        t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        t.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try: t.bind(address)
        except PermissionError: continue
        raise SystemExit(3)
try: socket.socket().setsockopt(socket.SOL_IP, 19, 1)
except PermissionError: raise SystemExit(0)
raise SystemExit(4)
'";
    assert_eq!(status(&prepared, script), 0);
}

#[test]
fn the_host_finds_a_way_in() {
    let (prepared, _doors) = sandbox(&[]);
    let way_in = prepared.way_in();
    let script = "/usr/bin/python3 -c '
import socket
s = socket.create_server((\"127.0.0.1\", 3000))
c, _ = s.accept()
c.sendall(b\"from inside\")
'";
    thread::scope(|scope| {
        let server = scope.spawn(|| status(&prepared, script));
        let connected = (0..10_000).find_map(|_| {
            thread::sleep(Duration::from_millis(2));
            way_in.connect(3000).ok()
        });
        let mut said = String::new();
        let stream = TcpStream::from(connected.expect("a server inside"));
        (&stream).read_to_string(&mut said).unwrap();
        assert_eq!((said.as_str(), server.join().unwrap()), ("from inside", 0));
    });
    drop(prepared);
    let gone = way_in.connect(3000).unwrap_err();
    assert_eq!(gone.kind(), std::io::ErrorKind::NotConnected);
}

#[test]
fn who_does_not_accept_holds_up_nobody_for_minutes() {
    let (prepared, _doors) = sandbox(&[]);
    let way_in = prepared.way_in();
    let script = "/usr/bin/python3 -c '
import socket
full = socket.socket()
full.bind((\"127.0.0.1\", 3000))
full.listen(0)
waiting = [socket.socket() for _ in range(4)]
for one in waiting:
    one.setblocking(False)
    one.connect_ex((\"127.0.0.1\", 3000))
ready, _ = socket.create_server((\"127.0.0.1\", 3001)).accept()
ready.recv(1)
'";
    thread::scope(|scope| {
        let server = scope.spawn(|| status(&prepared, script));
        let ready = (0..10_000).find_map(|_| {
            thread::sleep(Duration::from_millis(2));
            way_in.connect(3001).ok()
        });
        // It returns.
        way_in.connect(3000).unwrap_err();
        drop(ready.expect("a server inside"));
        assert_eq!(server.join().unwrap(), 0);
    });
}
