use super::*;

/// A `ClientHello` with these extensions, in one record.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let extensions = extensions.concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    // No session; one cipher suite; no compression.
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend(length(&extensions));
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend(length(&body));
    message.extend(body);
    record(&message)
}

fn record(bytes: &[u8]) -> Vec<u8> {
    [&[22, 3, 1], &length(bytes)[..], bytes].concat()
}

fn length(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

fn extension(kind: u16, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &length(bytes), bytes].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    let entry = [&[0], &length(name)[..], name].concat();
    extension(0, &[&length(&entry)[..], &entry].concat())
}

/// Without which nobody speaks TLS 1.2 or 1.3.
fn usual() -> Vec<u8> {
    let versions = extension(43, &[2, 3, 4]);
    let signatures = extension(13, &[0, 2, 4, 3]);
    let groups = extension(10, &[0, 2, 0, 29]);
    let share = [&[0, 36, 0, 29, 0, 32][..], &[9; 32]].concat();
    [versions, signatures, groups, extension(51, &share)].concat()
}

pub(crate) fn hello_for(name: &str) -> Vec<u8> {
    hello(&[server_name(name.as_bytes()), usual()])
}

/// One whose last bytes are these.
pub(crate) fn hello_that_ends(name: &str, end: &[u8]) -> Vec<u8> {
    let unknown = extension(0xfafa, end);
    hello(&[server_name(name.as_bytes()), usual(), unknown])
}

pub(crate) fn hello_without_name() -> Vec<u8> {
    hello(&[usual()])
}

/// By which a server asks for a second hello.
pub(crate) fn retry() -> Vec<u8> {
    let random = b"\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91\
                   \xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c";
    let rest = [0, 0x13, 1, 0, 0, 0];
    record(&[&[2, 0, 0, 40, 3, 3], &random[..], &rest].concat())
}

fn read(bytes: &[u8]) -> Progress {
    Hello::default().read(bytes)
}

fn named(name: &str) -> Progress {
    Progress::Complete(Some(name.parse().unwrap()))
}

#[test]
fn the_name_is_read_in_its_one_spelling() {
    assert_eq!(read(&hello_for("example.com")), named("example.com"));
    assert_eq!(read(&hello_for("EXAMPLE.com")), named("example.com"));
    assert_eq!(read(&hello(&[usual()])), Progress::Complete(None));
}

#[test]
fn what_is_no_name_is_refused() {
    for name in [
        &b"example.com\0.evil.example"[..],
        b"a b",
        b"",
        b"..",
        b"exa%6dple.com",
        "b\u{fc}cher.example".as_bytes(),
    ] {
        let read = read(&hello(&[server_name(name), usual()]));
        assert_eq!(read, Progress::Malformed, "{}", name.escape_ascii());
    }
    // An address is no name, and names nobody.
    let address = read(&hello(&[server_name(b"127.0.0.1"), usual()]));
    assert!(matches!(
        address,
        Progress::Malformed | Progress::Complete(None)
    ));
    // Two names, of which a server may take the one or the other.
    let twice = [
        server_name(b"a.example"),
        server_name(b"b.example"),
        usual(),
    ];
    assert_eq!(read(&hello(&twice)), Progress::Malformed);
    let list = [&b"\0\0\x01a"[..], b"\0\0\x01b"].concat();
    let two = extension(0, &[&length(&list)[..], &list].concat());
    assert_eq!(read(&hello(&[two, usual()])), Progress::Malformed);
    for bytes in [
        &b"\x16\x03\x01\0\0"[..],
        b"\x16\x03\x01\xff\xff\0",
        b"\x16\x03\x01\0\x04\x02\0\0\0",
    ] {
        assert_eq!(read(bytes), Progress::Malformed, "{}", bytes.escape_ascii());
    }
}

#[test]
fn it_may_be_split_anywhere() {
    let whole = hello_for("example.com");
    for at in 1..whole.len() {
        let mut hello = Hello::default();
        let (before, after) = whole.split_at(at);
        assert_eq!(hello.read(before), Progress::Incomplete, "{at}");
        assert_eq!(hello.read(after), named("example.com"), "{at}");
    }
    // One byte a record, one byte a segment.
    let message = whole.split_at(5).1;
    let records: Vec<u8> = message.iter().flat_map(|byte| record(&[*byte])).collect();
    let mut hello = Hello::default();
    let (last, before) = records.split_last().unwrap();
    for byte in before {
        assert_eq!(hello.read(&[*byte]), Progress::Incomplete);
    }
    assert_eq!(hello.read(&[*last]), named("example.com"));
}

#[test]
fn what_follows_at_once_does_not_matter() {
    let early = [
        hello_for("example.com"),
        vec![20, 3, 3, 0, 1, 1],
        vec![23, 3, 3, 0, 1, 0],
    ];
    assert_eq!(read(&early.concat()), named("example.com"));
}

#[test]
fn it_does_not_grow_without_bound() {
    // It says that it is 16 MB long.
    let mut hello = Hello::default();
    let start = record(&[1, 0xff, 0xff, 0xff]);
    let mut progress = hello.read(&start);
    let more = record(&[0; 1000]);
    let mut taken = 0;
    while progress == Progress::Incomplete {
        progress = hello.read(&more);
        taken += more.len();
        assert!(taken <= bounds::FIRST + more.len());
    }
    assert_eq!(progress, Progress::Malformed);
}

#[test]
fn whether_a_server_asks_for_a_second_one_is_known_by_its_random_bytes() {
    let retry = retry();
    let mut other = retry.clone();
    other[42] = 0;
    for (said, known) in [(&retry, true), (&other, false)] {
        for end in 0..=said.len() {
            let expected = (end >= 43).then_some(known);
            assert_eq!(retries(&said[..end]), expected, "{end}");
        }
    }
    assert_eq!(retries(b"\x15\x03"), Some(false));
    assert_eq!(retries(b"HTTP"), Some(false));
}

#[test]
fn a_hello_ends_with_its_last_record() {
    let whole = hello_for("example.com");
    let message = whole.split_at(5).1;
    let records: Vec<u8> = message.iter().flat_map(|byte| record(&[*byte])).collect();
    for hello in [whole.clone(), records] {
        let said = [&hello[..], &[20, 3, 3, 0, 1, 1]].concat();
        assert_eq!(end(&said), Some(hello.len()));
        assert_eq!(end(&hello[..hello.len() - 1]), None);
    }
    assert_eq!(end(&record(&[message, &[0]].concat())), None);
}
