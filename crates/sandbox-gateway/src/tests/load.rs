//! Many connections, at once and one after the other.

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use sandbox_testing::alone;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const CONNECTIONS: usize = 2_000;

/// All ends of all connections are this process's: two of a direct one, four of one through the gateway.
const DESCRIPTORS: u64 = 6 * CONNECTIONS as u64 + 200;

fn raise_limit() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    if soft < DESCRIPTORS {
        setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS.min(hard), hard).unwrap();
    }
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory in bytes, without files.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("RssAnon:"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<usize>()
        .unwrap()
        * 1024
}

#[test]
fn two_thousand_at_once_are_held_in_little_memory() {
    alone("tests::load::two_thousand_at_once");
}

#[test]
#[ignore = "started by `two_thousand_at_once_are_held_in_little_memory`"]
fn two_thousand_at_once() {
    raise_limit();
    run(async {
        let server = Server::echo("127.7.0.1", "").await;
        let house = House::new(
            &only(&["good.example", "127.7.0.1"]),
            "127.7.0.1 good.example",
        );
        let dialled = house.address("good.example", server.port);
        let mut heard = [0; 4];
        let mut programs = Vec::new();
        let mut grown = Vec::new();
        // What programs and servers need is measured first.
        for through in [false, true] {
            let before = memory();
            let mut more = Vec::new();
            for _ in 0..CONNECTIONS {
                let mut program = if through {
                    house.connect(dialled).await
                } else {
                    TcpStream::connect(("127.7.0.1", server.port))
                        .await
                        .unwrap()
                };
                program.write_all(b"\0one").await.unwrap();
                more.push(program);
            }
            for program in &mut more {
                program.read_exact(&mut heard).await.unwrap();
            }
            programs.push(more);
            grown.push(memory().saturating_sub(before));
        }
        // All of them are still there.
        for program in programs.iter_mut().flatten() {
            program.write_all(b"two!").await.unwrap();
            program.read_exact(&mut heard).await.unwrap();
            assert_eq!(&heard, b"two!");
        }
        let gateway = grown[1].saturating_sub(grown[0]);
        assert!(gateway < 10 << 20, "{grown:?}");
    });
}

#[test]
fn ten_thousand_leave_nothing_behind() {
    alone("tests::load::ten_thousand");
}

#[test]
#[ignore = "started by `ten_thousand_leave_nothing_behind`"]
fn ten_thousand() {
    run(async {
        let server = Server::echo("127.7.0.2", "").await;
        let house = House::new(
            &only(&["good.example", "127.7.0.2"]),
            "127.7.0.2 good.example",
        );
        let dialled = house.address("good.example", server.port);
        let denied = house.address("evil.example", server.port);
        let mut before = None;
        for round in 0..10_000 {
            let mut program = house.connect(dialled).await;
            assert_eq!(say(&mut program, b"\0raw").await, b"\0raw");
            if round % 10 == 0 {
                let mut program = house.connect(denied).await;
                say(&mut program, b"\0raw").await;
            }
            if round == 100 {
                before = Some((descriptors(), memory()));
            }
        }
        let (before, bytes) = before.unwrap();
        while descriptors() > before + 4 {
            tokio::task::yield_now().await;
        }
        // What was told is remembered here, 1 kB each.
        let grown = memory().saturating_sub(bytes);
        assert!(grown < 20 << 20, "{grown}");
    });
}

#[test]
fn descriptors_that_others_use_leave_no_places() {
    alone("tests::load::descriptors_of_others");
}

#[test]
#[ignore = "started by `descriptors_that_others_use_leave_no_places`"]
fn descriptors_of_others() {
    const LIMIT: u16 = 256;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, LIMIT.into(), hard).unwrap();
    run(async {
        let house = House::new(&only(&[]), "");
        let (program, _client) = pair().await;
        // The number says that those below it are in use.
        let at = |number: u16| fcntl(&program, FcntlArg::F_DUPFD_CLOEXEC(number.into())).unwrap();
        assert!(house.hall.place(&at(LIMIT / 2)).is_none());
        // Control: one below is among ours, and places are free.
        assert!(house.hall.place(&at(LIMIT / 2 - 1)).is_some());
    });
}

#[test]
fn those_who_take_nothing_cost_little() {
    run(async {
        // A server that never ends.
        let listener = TcpListener::bind("127.7.0.3:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        spawn_local(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                spawn_local(async move { while stream.write_all(&[7; 4096]).await.is_ok() {} });
            }
        });
        let house = House::new(
            &only(&["good.example", "127.7.0.3"]),
            "127.7.0.3 good.example",
        );
        let dialled = house.address("good.example", port);
        // The kernel keeps little for these, so that it is to us.
        let small = || {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            socket.set_send_buffer_size(4096).unwrap();
            socket
        };
        let door = small();
        door.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let door = door.listen(64).unwrap();
        let mut programs = Vec::new();
        for _ in 0..64 {
            let program = small().connect(door.local_addr().unwrap()).await.unwrap();
            let (client, _) = door.accept().await.unwrap();
            spawn_local(crate::capture::captured(
                client,
                dialled,
                Rc::clone(&house.hall),
            ));
            programs.push(program);
        }
        let held = || house.hall.held.get();
        while held() + crate::bounds::SMALL_CHUNK < crate::bounds::HELD {
            tokio::task::yield_now().await;
        }
        // Control: whoever takes something gets all of it, whatever the others do.
        let mut heard = vec![0; 3 << 20];
        programs[63].read_exact(&mut heard).await.unwrap();
        assert!(heard.iter().all(|byte| *byte == 7));
        assert!(held() <= crate::bounds::HELD + 64 * crate::bounds::SMALL_CHUNK);
        drop(programs);
        while held() > 0 {
            tokio::task::yield_now().await;
        }
    });
}
