//! When it is told whose a connection was. Who that is, is made up here.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use tokio::task::yield_now;

use super::*;
use crate::tests::{House, only, run, say};

/// Longer than a test takes.
const LONG: Duration = Duration::from_hours(1);

/// A house that finds no process before it is let go, and how many it has looked for at once. The socket of each connection is the
/// port inside, and that the process.
fn house(patience: Duration) -> (House, Sender<()>, Arc<Mutex<Vec<usize>>>) {
    let (go, may_go) = channel();
    let may_go = Mutex::new(may_go);
    let searches = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&searches);
    let processes = Processes {
        stream: Box::new(|inside, _| Some(inside.port().into())),
        datagrams: Box::new(|_, _| None),
        search: Box::new(move |sockets| {
            counted.lock().unwrap().push(sockets.len());
            let _ = may_go.lock().unwrap().recv();
            let process = |socket: &u64| Process::new(u32::try_from(*socket).unwrap(), None);
            sockets.iter().map(process).map(Some).collect()
        }),
    };
    let house = House::new(&only(&[]), "");
    let mut searches_of = Searches::new(processes);
    searches_of.patience = patience;
    house.hall.searches.replace(Some(searches_of));
    (house, go, searches)
}

/// A connection that is denied, and its port.
async fn denied(house: &House) -> Option<u32> {
    let address = "203.0.113.1:443".parse().unwrap();
    let mut program = house.connect(address).await;
    let port = program.local_addr().unwrap().port();
    say(&mut program, b"\n").await;
    Some(port.into())
}

/// The processes of which was told; waits until there are so many.
async fn told(house: &House, count: usize) -> Vec<Option<u32>> {
    house.events(count).await;
    let pid = |event: &Event| event.process.as_ref().map(|process| process.pid);
    house.told().iter().map(pid).collect()
}

#[test]
fn no_connection_waits_for_a_search_and_its_event_does() {
    run(async {
        let (house, go, searches) = house(LONG);
        let mut ports = vec![denied(&house).await];
        while searches.lock().unwrap().is_empty() {
            yield_now().await;
        }
        for _ in 0..3 {
            ports.push(denied(&house).await);
        }
        assert_eq!(told(&house, 0).await, []);
        drop(go);
        assert_eq!(told(&house, 4).await, ports);
        // Those that had come meanwhile were looked for at once.
        assert_eq!(*searches.lock().unwrap(), [1, 3]);
        // It is known by now.
        let searches = house.hall.searches.take();
        let known = searches.as_ref().unwrap().search(Some(7));
        drop(searches);
        assert_eq!(
            known.0.unwrap().process.get(),
            Some(&Some(Process::new(7, None)))
        );
    });
}

#[test]
fn an_event_does_not_wait_for_long() {
    run(async {
        let (house, go, _) = house(Duration::ZERO);
        denied(&house).await;
        assert_eq!(told(&house, 1).await, [None]);
        drop(go);
    });
}

#[test]
fn at_the_end_what_is_under_way_is_waited_for() {
    run(async {
        let (house, go, _) = house(LONG);
        let port = denied(&house).await;
        drop(go);
        house.hall.searches.take();
        assert_eq!(told(&house, 1).await, [port]);
    });
}
