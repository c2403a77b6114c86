//! A gateway as its caller has it: its thread, its doors, its end.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's way to fail is to panic"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, mpsc};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn6, bind, setsockopt, socket, sockopt,
};
use nix::sys::stat::Mode;
use sandbox_core::{Context, Network, Policy, Ruleset};
use sandbox_gateway::{Answer, Doors, Event, Gateway, Options};
use sandbox_testing::alone;

fn rules(policy: &Policy) -> Arc<Ruleset> {
    Ruleset::resolve(policy, &Context::new("/")).unwrap().into()
}

/// What is known of this process's threads of that name.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").unwrap().flatten();
    let status = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    status
        .filter(|status| status.starts_with("Name:\tsandbox-gateway\n"))
        .collect()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A socket as init makes it for names, on a free port.
fn names() -> (OwnedFd, u16) {
    let names = socket(
        AddressFamily::Inet6,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    );
    let names = names.unwrap();
    setsockopt(&names, sockopt::Ipv6RecvPacketInfo, &true).unwrap();
    setsockopt(&names, sockopt::Ipv6V6Only, &false).unwrap();
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let SocketAddr::V6(any) = any else { panic!() };
    bind(names.as_raw_fd(), &SockaddrIn6::from(any)).unwrap();
    let port = UdpSocket::from(names.try_clone().unwrap()).local_addr();
    (names, port.unwrap().port())
}

/// A question for the address of a name, whose labels are these.
fn question(labels: &[&str]) -> Vec<u8> {
    let mut message = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in labels {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend(label.as_bytes());
    }
    message.extend([0, 0, 1, 0, 1]);
    message
}

#[test]
fn questions_are_answered_by_the_server_that_was_asked() {
    let policy = Policy::default().network(Network::Ask).deny("evil.example");
    let gateway = Gateway::start(rules(&policy), Options::default()).unwrap();
    let (names, port) = names();
    let doors = Doors {
        names: Some(names),
        ..Doors::default()
    };
    gateway.serve(doors).unwrap();
    for server in ["127.0.0.1", "127.9.9.9", "::1"] {
        let server = SocketAddr::new(server.parse().unwrap(), port);
        let from = if server.is_ipv4() {
            "0.0.0.0:0"
        } else {
            "[::]:0"
        };
        // Connected, it hears nobody else.
        let program = UdpSocket::bind(from).unwrap();
        program.connect(server).unwrap();
        let mut answer = [0; 512];
        for (labels, code) in [(["good", "example"], 0), (["evil", "example"], 3)] {
            program.send(&question(&labels)).unwrap();
            let length = program.recv(&mut answer).unwrap();
            assert!(length > 12);
            assert_eq!(answer[3] & 15, code, "{server} {labels:?}");
        }
    }
}

#[test]
fn what_it_cannot_serve_is_told() {
    let policy = Policy::default().network(Network::Deny);
    let gateway = Gateway::start(rules(&policy), Options::default()).unwrap();
    let file = || Some(OwnedFd::from(tempfile::tempfile().unwrap()));
    let (proxies, streams, names) = (file(), file(), file());
    let empty = Doors::default;
    for doors in [
        Doors { proxies, ..empty() },
        Doors { streams, ..empty() },
        Doors { names, ..empty() },
    ] {
        assert!(gateway.serve(doors).is_err());
    }
    let refused = || Err(std::io::ErrorKind::ConnectionRefused.into());
    let published = gateway.publish(TcpListener::from(file().unwrap()), 3000, refused);
    assert!(published.is_err());
    // Control: it serves.
    gateway.serve(empty()).unwrap();
    gateway.settle();
}

/// Asks there for `good.example`, and is told the answer's code.
fn asker(port: u16) -> impl Fn() -> u8 {
    let program = UdpSocket::bind("127.0.0.1:0").unwrap();
    program.connect(("127.0.0.1", port)).unwrap();
    move || {
        let mut answer = [0; 512];
        program.send(&question(&["good", "example"])).unwrap();
        program.recv(&mut answer).unwrap();
        answer[3] & 15
    }
}

#[test]
fn rules_are_swapped_while_it_serves() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxies = OwnedFd::from(listener);
    let denies = Policy::default().network(Network::Deny);
    let gateway = Gateway::start(rules(&denies), Options::default()).unwrap();
    let (names, port) = names();
    let doors = Doors {
        names: Some(names),
        proxies: Some(proxies),
        ..Doors::default()
    };
    gateway.serve(doors).unwrap();
    let code = asker(port);
    assert_eq!(code(), 3);
    gateway
        .update(rules(&Policy::default().network(Network::Ask)))
        .unwrap();
    assert_eq!(code(), 0);
    gateway.update(rules(&denies)).unwrap();
    assert_eq!(code(), 3);
}

#[test]
fn its_threads_have_no_signals_and_end_with_it_whoever_hangs() {
    alone("threads_and_signals");
}

#[test]
#[ignore = "started by `its_threads_have_no_signals_and_end_with_it_whoever_hangs`"]
fn threads_and_signals() {
    // A resolver and a person that never answer.
    let directory = tempfile::tempdir().unwrap();
    let hosts = directory.path().join("hosts");
    nix::unistd::mkfifo(&hosts, Mode::S_IRWXU).unwrap();
    let (asked, was_asked) = mpsc::channel();
    let (asked, (_never, wait)) = (Mutex::new(asked), mpsc::channel::<()>());
    let wait = Mutex::new(wait);
    let mut options = Options::default().ask(move |_| {
        asked.lock().unwrap().send(()).unwrap();
        let _ = wait.lock().unwrap().recv();
        Answer::Allow
    });
    options.hosts = Some(hosts.clone());
    let policy = Policy::default()
        .network(Network::Ask)
        .allow("good.example");
    // The runtime keeps two descriptors of the process's own, where another crate has it watch signals.
    drop(Gateway::start(rules(&policy), options.clone()).unwrap());
    let before = descriptors();
    let gateway = Gateway::start(rules(&policy), options).unwrap();
    let (names, port) = names();
    // What is dialled is the listener's own address.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialled = listener.local_addr().unwrap();
    let doors = Doors {
        names: Some(names),
        streams: Some(listener.into()),
        ..Doors::default()
    };
    gateway.serve(doors).unwrap();
    let program = UdpSocket::bind("127.0.0.1:0").unwrap();
    program.connect(("127.0.0.1", port)).unwrap();
    program.send(&question(&["good", "example"])).unwrap();
    // Loopback is closed, and so nobody is asked about it.
    let mut stream = TcpStream::connect(dialled).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 403 "), "{page}");
    assert!(was_asked.try_recv().is_err());
    while threads().len() < 2 {
        std::thread::yield_now();
    }
    for thread in threads() {
        let line = thread
            .lines()
            .find_map(|line| line.strip_prefix("SigBlk:\t"));
        let blocked = u64::from_str_radix(line.unwrap(), 16).unwrap();
        // All but SIGKILL and SIGSTOP, and the two of the C library's own.
        let all = 0xffff_fffe_7ffb_feff;
        assert_eq!(blocked & all, all, "{thread}");
    }
    let own = fs::read_to_string("/proc/thread-self/status").unwrap();
    assert!(own.contains("SigBlk:\t0000000000000000"), "{own}");
    drop(gateway);
    // The thread that hangs is left to itself; it serves nobody.
    assert!(threads().len() < 2);
    assert!(TcpStream::connect(dialled).is_err());
    drop((program, stream));
    // And once its resolver returns, nothing is left.
    drop(fs::OpenOptions::new().write(true).open(&hosts).unwrap());
    while !threads().is_empty() || descriptors() > before {
        std::thread::yield_now();
    }
}

#[test]
fn one_that_starts_serves() {
    alone("few_descriptors");
}

#[test]
#[ignore = "started by `one_that_starts_serves`"]
fn few_descriptors() {
    let policy = Policy::default().network(Network::Deny);
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // The first one leaves descriptors of the whole process behind.
    drop(Gateway::start(rules(&policy), Options::default()).unwrap());
    let mut starts = Vec::new();
    for limit in 3..=64 {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard).unwrap();
        let gateway = Gateway::start(rules(&policy), Options::default());
        starts.push(gateway.is_ok());
        if let Ok(gateway) = gateway {
            gateway.settle();
            gateway.serve(Doors::default()).unwrap();
        }
    }
    // Controls: with few it does not start, with more it does.
    assert!(starts.first() == Some(&false) && starts.last() == Some(&true));
}

#[test]
fn a_thread_that_there_is_not_is_made_later() {
    alone("few_threads");
}

#[test]
#[ignore = "started by `a_thread_that_there_is_not_is_made_later`"]
fn few_threads() {
    let mut hosts = tempfile::NamedTempFile::new().unwrap();
    hosts.write_all(b"10.0.0.1 good.example").unwrap();
    let mut options = Options::default();
    options.hosts = Some(hosts.path().to_owned());
    let gateway = Gateway::start(rules(&Policy::default().allow("good.example")), options);
    let gateway = gateway.unwrap();
    let (names, port) = names();
    let doors = Doors {
        names: Some(names),
        ..Doors::default()
    };
    gateway.serve(doors).unwrap();
    let code = asker(port);
    // It has all that it needs, and less than a thread's stack is left.
    gateway.settle();
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let (_, most) = getrlimit(Resource::RLIMIT_AS).unwrap();
    setrlimit(Resource::RLIMIT_AS, pages * 4096 + (1 << 20), most).unwrap();
    assert_eq!(code(), 2);
    setrlimit(Resource::RLIMIT_AS, most, most).unwrap();
    assert_eq!(code(), 0);
}

#[test]
fn events_are_told_as_lines() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let options = Options::default()
        .on_event(move |event: &Event| tell.lock().unwrap().push(event.to_json()));
    let policy = Policy::default()
        .network(Network::Deny)
        .deny_because("127.0.0.1", "no \"loopback\"");
    let gateway = Gateway::start(rules(&policy), options).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialled = listener.local_addr().unwrap();
    let doors = Doors {
        streams: Some(listener.into()),
        ..Doors::default()
    };
    gateway.serve(doors).unwrap();
    let mut stream = TcpStream::connect(dialled).unwrap();
    let _ = stream.write_all(b"\0raw");
    assert!(stream.read_to_end(&mut Vec::new()).is_err());
    drop(gateway);
    let told = told.lock().unwrap();
    let [event] = told.as_slice() else {
        panic!("{told:?}");
    };
    let event: serde_json::Value = serde_json::from_str(event).unwrap();
    assert_eq!(event["destination"], "127.0.0.1");
    assert_eq!(event["port"], dialled.port());
    assert_eq!(
        (event["door"].as_str(), event["verdict"].as_str()),
        (Some("capture"), Some("deny"))
    );
    assert_eq!(event["rule"]["reason"], "no \"loopback\"");
    assert_eq!(
        event["remedy"],
        format!("\"127.0.0.1:{}\" = \"allow\"", dialled.port())
    );
}

#[test]
fn a_caller_that_panics_costs_the_one_who_is_told_of() {
    let options = Options::default()
        .on_event(|_| panic!("an event"))
        .ask(|_| panic!("a question"));
    let policy = Policy::default().network(Network::Ask).deny("evil.example");
    let gateway = Gateway::start(rules(&policy), options).unwrap();
    let proxies = TcpListener::bind("127.0.0.1:0").unwrap();
    let streams = TcpListener::bind("127.0.0.1:0").unwrap();
    let doors = [&proxies, &streams].map(|door| door.local_addr().unwrap());
    let (names, port) = names();
    let served = Doors {
        names: Some(names),
        proxies: Some(proxies.into()),
        streams: Some(streams.into()),
        ..Doors::default()
    };
    gateway.serve(served).unwrap();
    let program = UdpSocket::bind("127.0.0.1:0").unwrap();
    program.connect(("127.0.0.1", port)).unwrap();
    for _ in 0..3 {
        program.send(&question(&["evil", "example"])).unwrap();
        for door in doors {
            // Through the one it is asked about, through the other it is denied at once.
            let mut stream = TcpStream::connect(door).unwrap();
            let request = b"CONNECT good.example:1 HTTP/1.1\r\nHost: good.example:1\r\n\r\n";
            let _ = stream.write_all(request);
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
        }
        let mut answer = [0; 512];
        program.send(&question(&["good", "example"])).unwrap();
        while answer[13] != b'g' {
            program.recv(&mut answer).unwrap();
        }
        assert_eq!(answer[3] & 15, 0);
    }
    gateway.update(rules(&policy)).unwrap();
    gateway.settle();
}

#[test]
fn what_users_hold_may_go_between_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Gateway>();
    is_shared::<Event>();
    is_shared::<Options>();
}
