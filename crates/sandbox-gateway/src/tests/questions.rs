//! What is put to a person.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use futures_util::future::join_all;

use super::*;
use crate::event::End;
use crate::question::{Answer, Question};

const HOSTS: &str = "127.6.0.1 asked.example\n127.6.0.1 other.example";

/// A house where `ask` answers for what no rule names; the servers' addresses are allowed.
fn house(options: Options) -> House {
    let policy = only(&["127.6.0.1"])
        .network(Network::Ask)
        .deny("evil.example");
    House::with(&policy, HOSTS, options)
}

fn options(ask: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> Options {
    Options::default().ask(ask)
}

#[test]
fn a_destination_is_asked_about_once_however_many_wait() {
    run(async {
        let server = Server::echo("127.6.0.1", "").await;
        let asked = Arc::new(AtomicUsize::new(0));
        let (count, (go, wait)) = (Arc::clone(&asked), mpsc::channel::<()>());
        let wait = Mutex::new(wait);
        let house = house(options(move |question| {
            count.fetch_add(1, Ordering::Relaxed);
            assert!(question.to_string().starts_with("asked.example:"));
            wait.lock().unwrap().recv().unwrap();
            Answer::AllowOnce
        }));
        let waiting = (0..20).map(|_| house.hall.open(wish("asked.example", server.port)));
        let answered = async {
            while asked.load(Ordering::Relaxed) == 0 {
                tokio::task::yield_now().await;
            }
            go.send(()).unwrap();
        };
        let (opened, ()) = futures_util::future::join(join_all(waiting), answered).await;
        assert!(opened.iter().all(Result::is_ok));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        // Once was for those; the next is asked about again.
        go.send(()).unwrap();
        house
            .hall
            .open(wish("asked.example", server.port))
            .await
            .unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    });
}

#[test]
fn an_answer_for_the_run_is_not_asked_for_again_and_holds_for_that_port_alone() {
    run(async {
        let server = Server::echo("127.6.0.1", "").await;
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        let house = house(options(move |question| {
            told.lock().unwrap().push(question.to_string());
            match question.destination.to_string().as_str() {
                "asked.example" => Answer::Allow,
                _ => Answer::Deny,
            }
        }));
        for _ in 0..3 {
            house
                .hall
                .open(wish("asked.example", server.port))
                .await
                .unwrap();
            let refusal = house
                .hall
                .open(wish("other.example", server.port))
                .await
                .unwrap_err();
            assert!(refusal.is_denial());
            // A rule says it.
            house
                .hall
                .open(wish("evil.example", server.port))
                .await
                .unwrap_err();
        }
        let _ = house.hall.open(wish("asked.example", 1)).await;
        let port = server.port;
        let expected = [
            format!("asked.example:{port}"),
            format!("other.example:{port}"),
            "asked.example:1".to_owned(),
        ];
        assert_eq!(*asked.lock().unwrap(), expected);
    });
}

#[test]
fn nobody_s_answer_is_no() {
    run(async {
        let server = Server::echo("127.6.0.1", "").await;
        // Nobody to ask.
        let house = house(Options::default());
        let refusal = house
            .hall
            .open(wish("asked.example", server.port))
            .await
            .unwrap_err();
        assert!(refusal.is_denial());
        // Nobody who answers in time; others are not held up.
        let (go, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let mut options = options(move |question| {
            if question.destination.to_string() == "asked.example" {
                wait.lock().unwrap().recv().unwrap();
            }
            Answer::Allow
        });
        options.ask_timeout = Duration::from_millis(50);
        let house = self::house(options);
        let refusal = house
            .hall
            .open(wish("asked.example", server.port))
            .await
            .unwrap_err();
        assert_eq!(refusal.why.end(), End::Unanswered);
        while house
            .hall
            .open(wish("other.example", server.port))
            .await
            .is_err()
        {}
        // An answer that comes late holds from then on.
        go.send(()).unwrap();
        while house
            .hall
            .open(wish("asked.example", server.port))
            .await
            .is_err()
        {}
    });
}

#[test]
fn a_person_does_not_open_what_is_closed() {
    run(async {
        let policy = only(&[]).network(Network::Ask);
        let asked = options(|_| Answer::Allow);
        let house = House::with(&policy, "127.0.0.1 asked.example", asked);
        let refusal = house
            .hall
            .open(wish("asked.example", 80))
            .await
            .unwrap_err();
        assert!(refusal.is_denial());
        assert!(
            house
                .hall
                .open(wish("169.254.169.254", 80))
                .await
                .unwrap_err()
                .is_denial()
        );
    });
}
