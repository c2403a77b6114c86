//! Many connections, at once and one after the other.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
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
        println!("{grown:?}");
        assert!(gateway < 10 << 20, "{grown:?}");
    });
}

#[test]
fn ten_thousand_leave_nothing_behind() {
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
