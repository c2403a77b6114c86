//! What flows may cost.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;
use sandbox_testing::alone;

use super::*;
use crate::bounds;
use crate::gateway::Options;
use crate::tests::run_for;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn a_flow_ends_on_which_nothing_passes() {
    run_for(bounds::FLOW_IDLE * 4, async {
        let server = Echo::new("127.7.1.20").await;
        let programs = Programs::new(&udp(&["good.example"]), "127.7.1.20 good.example");
        let to = programs.house.address("good.example", server.port);
        programs.send(4000, to, b"one");
        programs.told(1).await;
        tokio::time::pause();
        tokio::time::advance(bounds::FLOW_IDLE / 2).await;
        assert_eq!(programs.house.hall.flows.count(), 1);
        tokio::time::advance(bounds::FLOW_IDLE).await;
        tokio::time::resume();
        programs.flows_end().await;
        let told = format!("allow udp good.example:{}", server.port);
        assert_eq!(programs.house.events(1).await, [told]);
        // The next one begins another.
        programs.send(4000, to, b"two");
        programs.told(1).await;
        let heard = server.heard.borrow();
        assert_ne!(heard[0].1, heard[1].1);
    });
}

#[test]
fn one_flow_too_many_ends_the_oldest() {
    alone("datagrams::tests::bounded::one_too_many");
}

#[test]
#[ignore = "started by `one_flow_too_many_ends_the_oldest`"]
fn one_too_many() {
    // Eight.
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 64, hard).unwrap();
    run(async {
        let server = Echo::new("127.7.1.21").await;
        let programs = Programs::new(&udp(&["good.example"]), "127.7.1.21 good.example");
        let to = programs.house.address("good.example", server.port);
        programs.send(3999, to, b"kept");
        programs.told(1).await;
        for port in 4000..4100 {
            for port in [3999, port] {
                let pair = programs.send(port, to, b"ping");
                assert_eq!(programs.told(1).await, [(pair, Some(b"ping".to_vec()))]);
            }
            assert!(programs.house.hall.flows.count() <= 8);
        }
        assert_eq!(programs.house.events(93).await.len(), 93);
        // The one in use is the same as ever.
        let heard = server.heard.borrow();
        assert_eq!(heard[0].1, heard[heard.len() - 2].1);
    });
}

#[test]
fn what_waits_for_a_name_is_bounded() {
    run(async {
        // A resolver that answers when it is let.
        let directory = tempfile::tempdir().unwrap();
        let hosts = directory.path().join("hosts");
        nix::unistd::mkfifo(&hosts, Mode::S_IRWXU).unwrap();
        let options = Options {
            hosts: Some(hosts.clone()),
            ..Options::default()
        };
        let server = Echo::new("127.7.1.22").await;
        let programs = Programs::of(House::with(&udp(&["good.example"]), "", options));
        let to = programs.house.address("good.example", server.port);
        let long = vec![7; 32 * 1024];
        for _ in 0..1000 {
            programs.send(4000, to, &long);
        }
        let room = || programs.house.hall.flows.waiting.available_permits();
        assert!(room() < long.len() + bounds::WAITING_EACH);
        let said =
            tokio::task::spawn_blocking(move || std::fs::write(hosts, "127.7.1.22 good.example"));
        programs.told(1).await;
        said.await.unwrap().unwrap();
        assert_eq!(room(), bounds::WAITING);
        assert!(server.heard.borrow().len() <= bounds::WAITING / long.len());
    });
}

#[test]
fn ten_thousand_leave_nothing_behind() {
    alone("datagrams::tests::bounded::ten_thousand");
}

#[test]
#[ignore = "started by `ten_thousand_leave_nothing_behind`"]
fn ten_thousand() {
    run(async {
        let server = Echo::new("127.7.1.23").await;
        let programs = Programs::new(&udp(&["good.example"]), "127.7.1.23 good.example");
        let to = programs.house.address("good.example", server.port);
        let before = descriptors();
        for round in 0..10_000_u16 {
            let pair = programs.send(10_000 + round, to, b"ping");
            assert_eq!(programs.told(1).await, [(pair, Some(b"ping".to_vec()))]);
            server.heard.borrow_mut().clear();
        }
        assert!(programs.house.hall.flows.count() <= crate::hall::flows());
        programs.house.hall.flows.end_all();
        assert_eq!(programs.house.events(10_000).await.len(), 10_000);
        assert_eq!(programs.house.hall.flows.count(), 0);
        assert_eq!(descriptors(), before);
        assert_eq!(
            programs.house.hall.flows.waiting.available_permits(),
            bounds::WAITING
        );
    });
}
