use std::fmt::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::tests::run;

/// What is handed on of an input, and why nothing more is.
fn read(input: &[u8]) -> (usize, Option<&'static str>) {
    let mut framing = Framing::default();
    let mut at = 0;
    loop {
        match framing.next(input.get(at..).unwrap()) {
            Ok(0) if framing.is_whole() && at < input.len() => framing = Framing::default(),
            Ok(0) => return (at, None),
            Ok(length) => at += length,
            Err(fault) => return (at, Some(fault.reason)),
        }
    }
}

#[track_caller]
fn refused(input: &str, reason: &str) {
    let (_, fault) = read(input.as_bytes());
    assert_eq!(fault, Some(reason), "{input:?}");
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#[test]
fn requests_are_handed_on_whole() {
    for input in [
        GET,
        &GET.repeat(3),
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\ncontent-length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00a\r\n0123456789\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n0\r\nDigest: x\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n",
    ] {
        let twice = input.repeat(2);
        assert_eq!(read(twice.as_bytes()), (twice.len(), None), "{input:?}");
    }
}

#[test]
fn what_two_readers_may_understand_in_two_ways_is_refused() {
    let post =
        |headers: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\n{GET}");
    let both = "the request has a length and chunks";
    refused(
        &post("Content-Length: 5\r\nTransfer-Encoding: chunked"),
        both,
    );
    refused(
        &post("Transfer-Encoding: chunked\r\nContent-Length: 5"),
        both,
    );
    let twice = "the request has two lengths";
    refused(&post("Content-Length: 5\r\nContent-Length: 5"), twice);
    refused(&post("Content-Length: 5\r\nContent-Length: 6"), twice);
    for length in [
        "5, 5",
        "+5",
        "-1",
        "0x5",
        "5 5",
        "",
        "5;",
        "18446744073709551616",
    ] {
        let length = format!("Content-Length: {length}");
        refused(&post(&length), "the length of the body is no number");
    }
    for coding in [
        "gzip, chunked",
        "identity",
        "chunked, chunked",
        "xchunked",
        "\"chunked\"",
        "chunked;q=1",
    ] {
        let coding = format!("Transfer-Encoding: {coding}");
        refused(&post(&coding), "the body is not coded in chunks");
    }
    let coded = "the request is coded twice";
    refused(
        &post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        coded,
    );
    let hosts = "the request names more than one host";
    refused(&post("Host: b"), hosts);
    refused(
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "the body is not coded in chunks",
    );
    refused(
        "CONNECT a:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        "what follows CONNECT is no body",
    );
}

#[test]
fn heads_are_lines_that_end_in_both() {
    let bare = "a line ends in a bare line feed";
    for input in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
    ] {
        refused(input, bare);
    }
    let malformed = "it is no request of HTTP/1.1";
    for input in [
        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\0\r\n\r\n",
        "GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost\r\n\r\n",
        "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\n",
    ] {
        refused(input, malformed);
    }
}

#[test]
fn chunks_are_sizes_and_bytes() {
    let post = |body: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
    };
    let size = "a chunk's size is no number";
    for body in [
        "5;a=b\r\nhello\r\n",
        "5 \r\n",
        "5\nhello",
        "0x5\r\n",
        "5\r5",
        "-1\r\n",
        "\n",
        "\r\n",
    ] {
        refused(&post(body), size);
    }
    // Whether it comes at once or in pieces.
    for digits in ["fffffffffffffffff", "00000000000000001\r\n"] {
        refused(
            &post(digits),
            "a chunk's size has more digits than 64 bits have",
        );
    }
    let longer = "a chunk is longer than its size";
    refused(&post("4\r\nhello\r\n"), longer);
    refused(&post("5\r\nhello\n0\r\n"), longer);
    refused(
        &post("0\r\nHost: b\r\n\r\n"),
        "a trailer is about the request's head",
    );
    refused(
        &post("0\r\ncontent-length: 5\r\n\r\n"),
        "a trailer is about the request's head",
    );
    refused(
        &post("0\r\nno header\r\n\r\n"),
        "the trailers are no headers",
    );
    refused(&post("0\r\nA: b\n\r\n"), "a line ends in a bare line feed");
}

#[test]
fn heads_are_bounded() {
    let long = format!("GET /{} HTTP/1.1\r\n", "a".repeat(bounds::HTTP_HEAD));
    refused(&long, "the head of the request is too long");
    let mut many = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
    for number in 0..bounds::HTTP_HEADERS {
        let _ = write!(many, "X-{number}: y\r\n");
    }
    refused(&format!("{many}\r\n"), "the request has too many headers");
    let trailers = format!("0\r\nA: {}", "b".repeat(bounds::HTTP_TRAILERS));
    refused(
        &format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{trailers}"),
        "the head of the request is too long",
    );
}

#[test]
fn what_follows_a_request_waits_for_its_answer() {
    run(async {
        let (mut client, server) = tokio::io::duplex(1024);
        let two = GET.repeat(2);
        client.write_all(two.as_bytes()).await.unwrap();
        let mut wire = Wire::new(Vec::new(), server);
        let turn = wire.turn();
        let mut first = vec![0; GET.len()];
        wire.read_exact(&mut first).await.unwrap();
        assert_eq!(first, GET.as_bytes());
        let mut byte = [0];
        let mut second = std::pin::pin!(wire.read(&mut byte));
        let polled = std::future::poll_fn(|context| Poll::Ready(second.as_mut().poll(context)));
        assert!(polled.await.is_pending());
        turn.answered();
        let mut rest = vec![0; GET.len()];
        wire.read_exact(&mut rest).await.unwrap();
        assert_eq!(rest, GET.as_bytes());
    });
}

#[test]
fn a_connection_is_idle_while_nothing_passes() {
    run(async {
        let (mut client, server) = tokio::io::duplex(1024);
        let mut wire = Wire::new(Vec::new(), server);
        let turn = wire.turn();
        client.write_all(b"GET").await.unwrap();
        let mut byte = [0];
        let waits = std::pin::pin!(wire.read(&mut byte));
        // Whoever waits is polled again and again, which is no byte.
        let idle = std::pin::pin!(turn.idle(Duration::from_millis(20)));
        let first = futures_util::future::select(waits, idle).await;
        assert!(matches!(first, futures_util::future::Either::Right(_)));
    });
}
