//! What a client of the proxies says, where nothing is allowed.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use sandbox_core::{Context, Policy, Ruleset, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

use crate::bounds;
use crate::event::Event;
use crate::gateway::Options;
use crate::guard::{Guard, Secret};
use crate::hall::{Hall, Rules};
use crate::processes::Maker;
use crate::proxy::speak;

/// Serves a client that says this and nothing more: no tunnel comes of it, and nothing but refusals is answered and told.
///
/// # Panics
///
/// If it is otherwise.
pub fn proxies(input: &[u8]) {
    serve(input, None);
    // Where the secret is to be shown, too, which nobody knows.
    let at = (std::net::Ipv4Addr::LOCALHOST, 1).into();
    let secret = Secret::new().map(Arc::new);
    let guard = secret.map(|secret| Guard::new(secret, at, Rc::default()));
    serve(input, guard.ok());
}

fn serve(input: &[u8], guard: Option<Guard>) {
    let refused = Arc::new(Mutex::new(true));
    let told = Arc::clone(&refused);
    let options = Options::default().on_event(move |event: &Event| {
        if let Ok(mut refused) = told.lock() {
            *refused &= event.verdict == Verdict::Deny;
        }
    });
    let runtime = Builder::new_current_thread().enable_time().build();
    let ruleset = Ruleset::resolve(&Policy::default(), &Context::new("/"));
    let rules = ruleset
        .ok()
        .and_then(|ruleset| Rules::new(Arc::new(ruleset), &options.host_proxy).ok());
    let (Ok(runtime), Some(rules)) = (runtime, rules) else {
        unreachable!("a machine without memory or time");
    };
    let hall = Hall::new(rules, options);
    let (answer, has_tunnel) = LocalSet::new().block_on(&runtime, async {
        // Small enough for what is said to come in pieces.
        let (client, door) = tokio::io::duplex(1 + input.len() % 64);
        let (mut read, mut write) = tokio::io::split(client);
        let served = speak(
            door,
            Rc::new(hall),
            Maker::default(),
            guard,
            bounds::GREETING,
        );
        let said = async {
            // What is not read any more can't be written.
            let _ = write.write_all(input).await;
            let _ = write.shutdown().await;
        };
        let heard = async {
            let mut answer = Vec::new();
            let _ = read.read_to_end(&mut answer).await;
            answer
        };
        let (tunnel, (), answer) = futures_util::future::join3(served, said, heard).await;
        (answer, tunnel.is_some())
    });
    assert!(!has_tunnel, "nothing is allowed");
    assert!(
        refused.lock().is_ok_and(|refused| *refused),
        "an event says that something was allowed"
    );
    let is_refusal = match answer.as_slice() {
        [] | [5, 0 | 2 | 0xff] | [5, 2, 1, 1] => true,
        [5, 0, reply @ ..] => matches!(reply, [5, 1..=8, 0, 1, 0, 0, 0, 0, 0, 0]),
        [0, rest @ ..] => matches!(rest, [91, ..]),
        http => {
            let lines = http.split(|byte| *byte == b'\n');
            let mut status = lines.filter_map(|line| line.strip_prefix(b"HTTP/1."));
            status.all(|line| matches!(line, [_, b' ', b'4', ..]))
        }
    };
    assert!(is_refusal, "{}", answer.escape_ascii());
}

/// Reads requests of HTTP, at once and byte by byte: in both ways the same is handed on.
///
/// # Panics
///
/// If it is otherwise.
pub fn requests(input: &[u8]) {
    let whole = crate::http::handed_on(input, input.len().max(1));
    assert!(
        input.starts_with(&whole),
        "what is handed on is what was said"
    );
    assert_eq!(
        whole,
        crate::http::handed_on(input, 1),
        "pieces make a difference"
    );
}
