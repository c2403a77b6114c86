//! A host that reaches others through a proxy, which opens no tunnel for plain HTTP.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use sandbox_testing::{Host, needs, tool};

/// What a program does that knows of no proxy: connects to a name.
const CLIENT: &str = "
    exec 3<> /dev/tcp/$0/80
    printf 'GET /x HTTP/1.1\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n' $1 >&3
    cat <&3
";

/// Says `the proxy` to requests, and no to CONNECT. Keeps the first line of each.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let line = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let answer = if line.starts_with("CONNECT ") {
                "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
            } else {
                "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nthe proxy"
            };
            // It may be dialled, and then be asked for nothing.
            if !line.is_empty() {
                kept.lock().unwrap().push(line);
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    (address, heard)
}

#[test]
fn plain_http_is_asked_of_a_proxy_that_opens_no_tunnel_for_it() {
    if !needs("bash", tool("bash").is_some()) {
        return;
    }
    let host = Host::new();
    let (address, heard) = proxy();
    let policy = host.policy(&format!(
        "extends = [\"agent\"]\n[network]\nupstream = \"http://{address}\"\n[network.rules]\n\"a.example\" = \"allow\"\n"
    ));
    let run = |name: &str, says: &str| {
        let run = host.sandbox(["bash", "-c", CLIENT, name, says]);
        run.options(["--policy", policy.to_str().unwrap()]).output()
    };
    run("a.example", "a.example").stdout_contains("the proxy");
    let asked = ["GET http://a.example/x HTTP/1.1"];
    assert_eq!(*heard.lock().unwrap(), asked);
    // The attacks: another name, by the name of the connection and by that of the request.
    run("b.example", "b.example").never_says("the proxy");
    run("a.example", "b.example").never_says("the proxy");
    assert_eq!(*heard.lock().unwrap(), asked);
    // The control: by CONNECT it is not to be had.
    let connect = format!(
        "exec 3<> /dev/tcp/127.0.0.1/{}; printf 'CONNECT a.example:80 HTTP/1.1\\r\\n\\r\\n' >&3; head -1 <&3",
        address.rsplit(':').next().unwrap()
    );
    host.bare(["bash", "-c", &connect])
        .output()
        .stdout_contains("HTTP/1.1 403 Forbidden");
}
