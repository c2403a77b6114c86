//! The host's own addresses change while a gateway lives. The host is a network of the test's own, in which whatever is sent to
//! some addresses arrives, and which are none of an interface's.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use sandbox_testing::{alone_by, needs, tool};

use super::*;
use crate::bounds;
use crate::question::Answer;

fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(status.unwrap().success(), "ip {words}");
}

fn in_a_network_of_its_own(test: &str) {
    let has = tool("ip").is_some() && tool("unshare").is_some();
    if needs("ip and unshare", has) {
        let mut starter = Command::new("unshare");
        starter.arg("-rn");
        alone_by(starter, test);
    }
}

/// A server that is reached at the addresses of this network.
async fn network() -> Server {
    ip("link set lo up");
    ip("route add local 198.41.0.0/24 dev lo");
    Server::echo("0.0.0.0", "").await
}

#[test]
fn an_address_that_the_host_gets_is_closed() {
    in_a_network_of_its_own("tests::own::an_address_comes");
}

#[test]
#[ignore = "started by `an_address_that_the_host_gets_is_closed`"]
fn an_address_comes() {
    run(async {
        let server = network().await;
        let house = House::new(&Policy::default().network(Network::Allow), "");
        let open = async |address| house.hall.open(wish(address, server.port)).await;
        open("198.41.0.4").await.unwrap();
        ip("address add 198.41.0.4/32 dev lo");
        // Soon; there is no other bound than that of the whole test.
        while open("198.41.0.4").await.is_ok() {
            tokio::time::sleep(bounds::OWN_ADDRESSES / 4).await;
        }
        assert!(open("198.41.0.4").await.unwrap_err().is_denial());
        // Control: what is not the host's.
        open("198.41.0.5").await.unwrap();
    });
}

#[test]
fn an_address_that_the_host_gets_while_a_person_thinks_is_closed() {
    in_a_network_of_its_own("tests::own::an_address_comes_with_an_answer");
}

#[test]
#[ignore = "started by `an_address_that_the_host_gets_while_a_person_thinks_is_closed`"]
fn an_address_comes_with_an_answer() {
    run(async {
        let server = network().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let options = Options::default().ask(move |question| {
            count.fetch_add(1, Ordering::Relaxed);
            if question.destination == "198.41.0.4".parse().unwrap() {
                ip("address add 198.41.0.4/32 dev lo");
            }
            // After this what was known of the addresses is too old.
            std::thread::sleep(bounds::OWN_ADDRESSES);
            Answer::AllowOnce
        });
        let house = House::with(&Policy::default().network(Network::Ask), "", options);
        let open = async |address| house.hall.open(wish(address, server.port)).await;
        assert!(open("198.41.0.4").await.unwrap_err().is_denial());
        // Control: what is not the host's, for which a person was asked as well.
        open("198.41.0.5").await.unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    });
}
