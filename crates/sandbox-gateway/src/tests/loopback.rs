//! The doors on the host's loopback: programs that have the secret come through, and nobody else does.

mod strangers;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use sandbox_core::{Context, Policy, Ruleset};
use tempfile::NamedTempFile;

use crate::{End, Event, Gateway, Loopback, Options};

/// Where the server of a test listens.
const SERVER: &str = "127.0.0.1";

/// A gateway with its doors, and what it tells.
struct Outside {
    gateway: Gateway,
    doors: Loopback,
    events: Arc<Mutex<Vec<Event>>>,
    _hosts: NamedTempFile,
}

impl Outside {
    fn new() -> Self {
        let mut hosts = NamedTempFile::with_prefix("sandbox-test-").unwrap();
        writeln!(hosts, "{SERVER} a.example").unwrap();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let told = Arc::clone(&events);
        let mut options =
            Options::default().on_event(move |event| told.lock().unwrap().push(event.clone()));
        options.hosts = Some(hosts.path().to_owned());
        let policy = Policy::default()
            .allow("a.example")
            .allow(format!("{SERVER}/32"));
        let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
        let gateway = Gateway::start(Arc::new(ruleset), options).unwrap();
        let doors = gateway.loopback().unwrap();
        Self {
            gateway,
            doors,
            events,
            _hosts: hosts,
        }
    }

    fn environment(&self) -> BTreeMap<&'static str, String> {
        self.doors.environment().into_iter().collect()
    }

    fn secret(&self) -> String {
        let proxy = self.environment()["HTTP_PROXY"].clone();
        let (_, rest) = proxy.split_once("http://sandbox:").unwrap();
        rest.split_once('@').unwrap().0.to_owned()
    }

    /// As a request shows it.
    fn basic(&self) -> String {
        basic("sandbox", &self.secret())
    }

    fn connect(&self) -> TcpStream {
        let [port] = self.doors.ports();
        TcpStream::connect(("127.0.0.1", port)).unwrap()
    }

    /// What is answered to this, until the connection ends.
    fn answered(&self, said: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        stream.write_all(said).unwrap();
        rest(&mut stream)
    }

    /// How connections ended, of which there are so many.
    fn ends(&self, count: usize) -> Vec<End> {
        while self.events.lock().unwrap().len() < count {
            thread::yield_now();
        }
        let events = self.events.lock().unwrap();
        events.iter().map(|event| event.end.clone()).collect()
    }
}

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    format!("Basic {text}")
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// A server that answers each request with `ok`, and keeps what it heard.
fn server() -> (u16, Arc<Mutex<String>>) {
    let listener = TcpListener::bind((SERVER, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard: Arc<Mutex<String>> = Arc::default();
    let kept = Arc::clone(&heard);
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let kept = Arc::clone(&kept);
            thread::spawn(move || {
                let mut last = Vec::new();
                let mut byte = [0];
                while matches!(stream.read(&mut byte), Ok(1)) {
                    last.extend(byte);
                    kept.lock().unwrap().push(byte[0].into());
                    if last.ends_with(b"\r\n\r\n") {
                        last.clear();
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    (port, heard)
}

fn request(port: u16, authorization: &str) -> Vec<u8> {
    let fields = match authorization {
        "" => String::new(),
        value => format!("Proxy-Authorization: {value}\r\n"),
    };
    format!("GET http://a.example:{port}/ HTTP/1.1\r\nHost: a.example:{port}\r\n{fields}Connection: close\r\n\r\n").into()
}

/// SOCKS 5 with a password, to a name.
fn five(user: &str, password: &str, port: u16) -> Vec<u8> {
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let name = "a.example";
    [
        &[5, 2, 0, 2, 1, length(user)],
        user.as_bytes(),
        &[length(password)],
        password.as_bytes(),
        &[5, 1, 0, 3, length(name)],
        name.as_bytes(),
        &port.to_be_bytes(),
        b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n",
    ]
    .concat()
}

#[cfg(target_os = "linux")]
fn is_there(program: &str) -> bool {
    sandbox_testing::needs(program, sandbox_testing::tool(program).is_some())
}

/// Every Mac with the tools to build this has both.
#[cfg(not(target_os = "linux"))]
fn is_there(_program: &str) -> bool {
    true
}

/// What a program prints that has nothing but these variables.
fn printed(program: &str, arguments: &[&str], variables: &BTreeMap<&str, String>) -> String {
    let mut command = Command::new(program);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.args(arguments).env_clear().env("PATH", path);
    command.envs(variables).stdin(Stdio::null());
    let output = command.output().unwrap();
    let both = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn programs_come_through_by_the_variables_alone() {
    if !["curl", "python3"].iter().all(|program| is_there(program)) {
        return;
    }
    let (outside, (port, heard)) = (Outside::new(), server());
    let environment = outside.environment();
    let url = format!("http://a.example:{port}/");
    let socks = environment["FTP_PROXY"].as_str();
    let python = format!("import urllib.request as r; print(r.urlopen('{url}').read())");
    let ways: [(&str, &[&str]); 4] = [
        ("curl", &["-sS", &url]),
        ("curl", &["-sS", "--proxytunnel", &url]),
        ("curl", &["-sS", "-x", socks, &url]),
        ("python3", &["-c", &python]),
    ];
    for (program, arguments) in ways {
        let text = printed(program, arguments, &environment);
        assert!(text.contains("ok"), "{program} {arguments:?}: {text}");
    }
    // The control: without them the name means nothing, and the door is shut.
    let text = printed("curl", &["-sS", &url], &BTreeMap::new());
    assert!(!text.contains("ok"), "{text}");
    let [door] = outside.doors.ports();
    let proxy = format!("http://127.0.0.1:{door}");
    let text = printed("curl", &["-sS", "-x", &proxy, &url], &BTreeMap::new());
    assert!(text.contains("secret was not shown"), "{text}");
    assert_eq!(heard.lock().unwrap().matches("GET /").count(), 4);
}

#[test]
fn the_variables_are_those_of_other_systems_with_the_secret_in_them() {
    let outside = Outside::new();
    let (secret, [port]) = (outside.secret(), outside.doors.ports());
    let door = format!("sandbox:{secret}@127.0.0.1:{port}");
    let (http, socks) = (format!("http://{door}"), format!("socks5h://{door}"));
    let own = "localhost,127.0.0.1,::1";
    let expected = [
        ("ALL_PROXY", http.as_str()),
        ("FTP_PROXY", &socks),
        ("GIT_HTTP_PROXY_AUTHMETHOD", "basic"),
        ("HTTPS_PROXY", &http),
        ("HTTP_PROXY", &http),
        // Nothing is captured: private addresses are reached by way of the gateway, too.
        ("NO_PROXY", own),
        ("all_proxy", &http),
        ("http_proxy", &http),
        ("https_proxy", &http),
        ("no_proxy", own),
    ];
    let environment = outside.environment();
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(environment, expected);
}

#[test]
fn nobody_comes_through_without_the_secret_of_this_sandbox() {
    let (outside, other, (port, heard)) = (Outside::new(), Outside::new(), server());
    let (secret, own) = (outside.secret(), outside.basic());
    assert!(secret.len() == 32 && secret != other.secret());
    let almost = format!(
        "{}{}",
        &secret[..31],
        if secret.ends_with('0') { '1' } else { '0' }
    );
    let twice = format!("{own}\r\nProxy-Authorization: {own}");
    let wrong = [
        String::new(),
        other.basic(),
        basic("sandbox", &almost),
        basic("sandbox", ""),
        basic("", &secret),
        basic("Sandbox", &secret),
        own.replace("Basic ", "Bearer "),
        own.replace("Basic ", "Basic"),
        own.replace("Basic ", ""),
        format!("{own}A"),
        twice,
    ];
    let mut count = 0;
    for authorization in &wrong {
        let answer = String::from_utf8(outside.answered(&request(port, authorization))).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 407 "),
            "{authorization}: {answer}"
        );
        assert!(answer.contains("Proxy-Authenticate: Basic"), "{answer}");
        count += 1;
    }
    // Neither by a tunnel, nor where the request is for the door itself.
    for line in [
        format!("CONNECT a.example:{port}"),
        "GET /".to_owned(),
        "OPTIONS *".to_owned(),
    ] {
        let said = format!("{line} HTTP/1.1\r\nHost: a.example:{port}\r\n\r\n");
        let answer = outside.answered(said.as_bytes());
        assert!(
            answer.starts_with(b"HTTP/1.1 407 "),
            "{}",
            answer.escape_ascii()
        );
        count += 1;
    }
    let four = [
        &[4, 1],
        &port.to_be_bytes()[..],
        &[127, 0, 0, 1],
        secret.as_bytes(),
        b"\0",
    ]
    .concat();
    for (said, expected) in [
        (five("sandbox", &almost, port), &[5, 2, 1, 1][..]),
        (five("sandbox", &other.secret(), port), &[5, 2, 1, 1]),
        (five("", &secret, port), &[5, 2, 1, 1]),
        (five("sandbox", "", port), &[5, 2, 1, 1]),
        (vec![5, 1, 0, 5, 1, 0, 1, 127, 0, 0, 1, 0, 80], &[5, 0xff]),
        (four, &[0, 91, 0, 0, 0, 0, 0, 0]),
    ] {
        assert_eq!(outside.answered(&said), expected, "{}", said.escape_ascii());
        count += 1;
    }
    assert_eq!(outside.ends(count), vec![End::Unauthenticated; count]);
    assert_eq!(*heard.lock().unwrap(), "");
    // The controls.
    for authorization in [own.clone(), own.replace("Basic ", "bAsIc  ")] {
        let answer = outside.answered(&request(port, &authorization));
        assert!(answer.ends_with(b"ok"), "{}", answer.escape_ascii());
    }
    let answer = outside.answered(&five("sandbox", &secret, port));
    assert!(
        answer.starts_with(&[5, 2, 1, 0, 5, 0]) && answer.ends_with(b"ok"),
        "{}",
        answer.escape_ascii()
    );
}

#[test]
fn the_secret_is_told_to_nobody() {
    let (outside, (port, heard)) = (Outside::new(), server());
    let (secret, basic) = (outside.secret(), outside.basic());
    let credentials = basic.replace("Basic ", "");
    // As a request, in a tunnel that a client shows it in once more, and where it is refused.
    let answer = outside.answered(&request(port, &basic));
    assert!(answer.ends_with(b"ok"), "{}", answer.escape_ascii());
    let tunnel = format!(
        "CONNECT a.example:{port} HTTP/1.1\r\nHost: a.example:{port}\r\nProxy-Authorization: {basic}\r\n\r\n\
         GET / HTTP/1.1\r\nHost: a.example:{port}\r\nProxy-Authorization: {basic}\r\nConnection: close, proxy-authorization\r\n\r\n"
    );
    let answer = outside.answered(tunnel.as_bytes());
    assert!(answer.ends_with(b"ok"), "{}", answer.escape_ascii());
    let denied = format!(
        "GET http://b.example/ HTTP/1.1\r\nHost: b.example\r\nProxy-Authorization: {basic}\r\nConnection: close\r\n\r\n"
    );
    let page = outside.answered(denied.as_bytes());
    assert!(
        page.starts_with(b"HTTP/1.1 403 "),
        "{}",
        page.escape_ascii()
    );
    let refused = outside.answered(&request(port, &format!("{basic}A")));
    outside.ends(4);
    let events = outside.events.lock().unwrap();
    let told = events
        .iter()
        .map(|event| format!("{} {event} {event:?}", event.to_json()));
    let told = told.collect::<Vec<_>>().join("\n");
    let own = format!("{:?} {:?}", outside.doors, outside.gateway);
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.matches("GET / HTTP/1.1").count(), 2, "{heard}");
    let pages = String::from_utf8([page, refused].concat()).unwrap();
    for text in [&told, &own, &heard, &pages] {
        assert!(
            !text.contains(&secret) && !text.contains(&credentials),
            "{text}"
        );
    }
    assert!(
        !heard.to_ascii_lowercase().contains("proxy-authorization"),
        "{heard}"
    );
    assert!(told.contains("unauthenticated"), "{told}");
}

#[test]
fn each_request_of_a_connection_shows_it() {
    let (outside, (port, heard)) = (Outside::new(), server());
    let first = String::from_utf8(request(port, &outside.basic())).unwrap();
    let first = first.replace("Connection: close\r\n", "");
    let mut stream = outside.connect();
    stream.write_all(first.as_bytes()).unwrap();
    stream.write_all(&request(port, "")).unwrap();
    let answers = String::from_utf8(rest(&mut stream)).unwrap();
    assert!(
        answers.starts_with("HTTP/1.1 200 ") && answers.contains("HTTP/1.1 407 "),
        "{answers}"
    );
    assert_eq!(heard.lock().unwrap().matches("GET /").count(), 1);
}

#[test]
fn the_doors_end_with_the_gateway() {
    let outside = Outside::new();
    let [port] = outside.doors.ports();
    let mut open = outside.connect();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_ok());
    let Outside { gateway, doors, .. } = outside;
    drop(gateway);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(rest(&mut open), b"");
    drop(doors);
}
