//! Connections that have not shown the secret, more than there are places for.

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::pin::pin;
use std::rc::Rc;

use futures_util::FutureExt as _;
#[cfg(target_os = "linux")]
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::task::spawn_local;

use super::*;
use crate::bounds::STRANGERS;
use crate::guard::{Guard, Secret};
use crate::tests::{House, hear, pair, run};

#[test]
fn strangers_take_no_place_of_the_commands() {
    let (outside, (port, _heard)) = (Outside::new(), server());
    // It has shown the secret, and says nothing for a while.
    let mut known = outside.connect();
    let first = String::from_utf8(request(port, &outside.basic())).unwrap();
    known
        .write_all(first.replace("Connection: close\r\n", "").as_bytes())
        .unwrap();
    let mut answer = [0; 12];
    known.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    // More than there are places for, some of which have begun to speak.
    let begin: [&[u8]; 3] = [b"", b"GET http://a.example/ HTTP/1.1\r\n", &[5]];
    let mut strangers: Vec<TcpStream> = Vec::new();
    for begin in begin.iter().cycle().take(STRANGERS * 2) {
        let mut stream = outside.connect();
        stream.write_all(begin).unwrap();
        strangers.push(stream);
    }
    let answer = outside.answered(&request(port, &outside.basic()));
    assert!(answer.ends_with(b"ok"), "{}", answer.escape_ascii());
    // Those that came first have ended; the last one is still listened to.
    for stream in &mut strangers[..STRANGERS] {
        assert_eq!(rest(stream), b"");
    }
    let last = strangers.last_mut().unwrap();
    last.write_all(b"Host: a.example\r\n\r\n").unwrap();
    assert!(rest(last).starts_with(b"HTTP/1.1 407 "));
    known.write_all(&request(port, &outside.basic())).unwrap();
    let answer = rest(&mut known);
    assert!(answer.ends_with(b"ok"), "{}", answer.escape_ascii());
}

#[cfg(target_os = "linux")]
#[test]
fn strangers_take_no_place_where_there_are_few() {
    sandbox_testing::alone("tests::loopback::strangers::few_places");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "started by `strangers_take_no_place_where_there_are_few`"]
fn few_places() {
    /// What there are places for is a quarter of it.
    const LIMIT: i32 = 256;
    const SILENT: usize = 80;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, LIMIT.try_into().unwrap(), hard).unwrap();
    let (port, _heard) = server();
    let connect = |door: u16| TcpStream::connect(("127.0.0.1", door)).unwrap();
    for others in [0, 4] {
        let outside = Outside::new();
        let known = request(port, &outside.basic());
        let [own] = outside.doors.ports();
        let others = (0..others).flat_map(|_| outside.gateway.loopback().unwrap().ports());
        let doors: Vec<u16> = others.chain([own]).collect();
        // The gateway waits to tell of the first one, and then finds all others at once.
        let events = outside.events.lock().unwrap();
        let mut refused = connect(own);
        refused.write_all(&[4, 1, 0, 80, 127, 0, 0, 1, 0]).unwrap();
        refused.read_exact(&mut [0; 8]).unwrap();
        // Ours are not to have the descriptors by whose numbers the gateway knows that there are enough.
        let low: Vec<File> = std::iter::repeat_with(|| File::open("/dev/null").unwrap())
            .take_while(|file| file.as_raw_fd() < LIMIT / 2)
            .collect();
        let mut first = connect(own);
        first.write_all(&known).unwrap();
        let silent = doors.iter().cycle().take(SILENT);
        let mut silent: Vec<TcpStream> = silent.map(|door| connect(*door)).collect();
        let mut last = connect(own);
        last.write_all(&known).unwrap();
        drop(low);
        drop(events);
        for stream in [&mut first, &mut last] {
            let answer = rest(stream);
            assert!(answer.ends_with(b"ok"), "{}", answer.escape_ascii());
        }
        if let [_] = *doors {
            // The control: as many as may be there are listened to, of whom the last one was one.
            let (ended, heard) = silent.split_at_mut(SILENT + 1 - 16);
            for stream in ended {
                assert_eq!(rest(stream), b"");
            }
            for stream in heard {
                stream.write_all(&request(port, "")).unwrap();
                assert!(rest(stream).starts_with(b"HTTP/1.1 407 "));
            }
        }
    }
}

#[test]
fn who_shows_the_secret_while_it_is_evicted_is_served() {
    let (port, _heard) = server();
    run(async {
        let policy = Policy::default()
            .allow("a.example")
            .allow(format!("{SERVER}/32"));
        let house = House::new(&policy, &format!("{SERVER} a.example"));
        let secret = Arc::new(Secret::new().unwrap());
        let known = basic("sandbox", secret.password());
        for (authorization, is_served) in [(known.as_str(), true), ("", false)] {
            let (mut program, client) = pair().await;
            let said = request(port, authorization);
            // The control has not shown it yet.
            let said = if is_served { &said[..] } else { &said[..9] };
            program.write_all(said).await.unwrap();
            client.readable().await.unwrap();
            let (hall, at) = (Rc::clone(&house.hall), client.local_addr().unwrap());
            let guard = Guard::new(Arc::clone(&secret), at, Rc::clone(&hall.strangers));
            // It is told to end before it has been looked at.
            let mut room = pin!(house.hall.strangers.make_room(1));
            for _ in 0..2 {
                assert!(room.as_mut().now_or_never().is_none());
            }
            spawn_local(crate::loopback::one(client, guard, hall));
            room.await;
            let answer = hear(&mut program).await;
            assert_eq!(
                answer.ends_with(b"ok"),
                is_served,
                "{}",
                answer.escape_ascii()
            );
            assert_eq!(answer.is_empty(), !is_served);
        }
    });
}
