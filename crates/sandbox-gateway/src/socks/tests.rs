use super::*;

fn read<T>(parse: fn(&mut Bytes<'_>) -> Parsed<T>, bytes: &[u8]) -> (Parsed<T>, usize) {
    let mut rest = Bytes(bytes);
    (parse(&mut rest), rest.0.len())
}

fn to(destination: &str, port: u16) -> (Destination, u16) {
    (destination.parse().unwrap(), port)
}

fn five_with(command: u8, kind: u8, address: &[u8], port: u16) -> Vec<u8> {
    [&[5, command, 0, kind], address, &port.to_be_bytes()].concat()
}

fn name(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

fn four_with(command: u8, port: u16, address: [u8; 4], rest: &[u8]) -> Vec<u8> {
    [&[4, command], &port.to_be_bytes()[..], &address, rest].concat()
}

#[test]
fn a_request_is_a_destination_in_one_spelling() {
    for (kind, address, destination) in [
        (1, vec![93, 184, 216, 34], "93.184.216.34"),
        (3, name(b"Example.COM."), "example.com"),
        (3, name(b"0x7f.1"), "127.0.0.1"),
        (3, name(b"::ffff:10.0.0.1"), "10.0.0.1"),
        (
            4,
            [vec![0; 10], vec![0xff, 0xff, 10, 0, 0, 1]].concat(),
            "10.0.0.1",
        ),
        (4, [vec![0; 15], vec![1]].concat(), "::1"),
    ] {
        let bytes = five_with(1, kind, &address, 443);
        assert_eq!(
            read(five, &bytes),
            (Ok(Ok(to(destination, 443))), 0),
            "{bytes:?}"
        );
    }
    let bytes = four_with(1, 80, [10, 0, 0, 1], b"ana\0");
    assert_eq!(read(four, &bytes), (Ok(Ok(to("10.0.0.1", 80))), 0));
    let bytes = four_with(1, 80, [0, 0, 0, 7], b"\0example.COM\0");
    assert_eq!(read(four, &bytes), (Ok(Ok(to("example.com", 80))), 0));
    // Not 4a: the address of no machine, judged as one.
    let bytes = four_with(1, 80, [0, 0, 0, 0], b"\0rest");
    assert_eq!(read(four, &bytes), (Ok(Ok(to("0.0.0.0", 80))), 4));
}

#[test]
fn names_that_somebody_could_read_as_others_are_denied() {
    for text in [
        &b""[..],
        b"good.example\0.evil.example",
        b"good.example\r\nHost: evil.example",
        b"good.example\n",
        b"good example",
        b"good%2eexample",
        b"good.example:80",
        b"user@good.example",
        b"[::1]",
        b"[good.example]",
        b"fe80::1%eth0",
        b"good.example/",
        b"\xff\xfe",
        b"..",
    ] {
        let bytes = five_with(1, 3, &name(text), 443);
        assert_eq!(read(five, &bytes).0, Ok(Err(Reply::Denied)), "{text:?}");
        if !text.contains(&0) {
            let bytes = four_with(1, 443, [0, 0, 0, 1], &[b"\0", text, b"\0"].concat());
            assert_eq!(read(four, &bytes).0, Ok(Err(Reply::Denied)), "{text:?}");
        }
    }
}

#[test]
fn only_connections_are_made() {
    for command in [0, 2, 3, 4, 0xff] {
        let bytes = five_with(command, 1, &[10, 0, 0, 1], 80);
        assert_eq!(read(five, &bytes).0, Ok(Err(Reply::NoSuchCommand)));
        let bytes = four_with(command, 80, [10, 0, 0, 1], b"\0");
        assert_eq!(read(four, &bytes).0, Ok(Err(Reply::NoSuchCommand)));
    }
    for kind in [0, 2, 5, 0xff] {
        let bytes = five_with(1, kind, &[10, 0, 0, 1], 80);
        assert_eq!(read(five, &bytes).0, Ok(Err(Reply::NoSuchAddress)));
    }
    let without: fn(&mut Bytes<'_>) -> Parsed<bool> = |bytes| greeting(bytes, NO_AUTHENTICATION);
    assert_eq!(read(without, &[5, 2, 2, 0]), (Ok(true), 0));
    assert_eq!(read(without, &[5, 2, 2, 1, 5]), (Ok(false), 1));
    assert_eq!(read(without, &[5, 0]), (Ok(false), 0));
}

#[test]
fn what_is_not_whole_is_waited_for() {
    let whole = five_with(1, 3, &name(b"example.com"), 443);
    for length in 0..whole.len() {
        let part = whole.get(..length).unwrap();
        assert_eq!(read(five, part).0, Err(Unread::More), "{length}");
    }
    let whole = four_with(1, 80, [0, 0, 0, 7], b"ana\0example.com\0");
    for length in 0..whole.len() {
        let part = whole.get(..length).unwrap();
        assert_eq!(read(four, part).0, Err(Unread::More), "{length}");
    }
}

#[test]
fn what_has_no_end_is_not_waited_for() {
    let endless = vec![b'a'; LONGEST + 1];
    let bytes = four_with(1, 80, [10, 0, 0, 1], &endless);
    assert_eq!(read(four, &bytes).0, Err(Unread::Malformed));
    let bytes = four_with(1, 80, [0, 0, 0, 1], &[b"\0", &endless[..]].concat());
    assert_eq!(read(four, &bytes).0, Err(Unread::Malformed));
    let bytes = [4, 1, 0, 1];
    assert_eq!(read(five, &bytes).0, Err(Unread::Malformed));
}
