use std::thread;

use simple_dns::ResourceRecord;
use simple_dns::rdata::SRV;

use super::*;

/// What a name server answers: for each place its priority, port and target.
pub(crate) fn answer(question: &[u8], code: RCODE, places: &[(u16, u16, &str)]) -> Vec<u8> {
    let asked = Packet::parse(question).unwrap();
    let mut packet = Packet::new_reply(asked.id());
    *packet.rcode_mut() = code;
    let name = asked.questions[0].qname.clone();
    packet.questions = asked.questions;
    for (priority, port, target) in places {
        let target = simple_dns::Name::new(target).unwrap();
        let service = SRV {
            priority: *priority,
            weight: 7,
            port: *port,
            target,
        };
        let data = RData::SRV(service);
        let record = ResourceRecord::new(name.clone(), CLASS::IN, 60, data);
        packet.answers.push(record);
    }
    packet.build_bytes_vec().unwrap()
}

/// A name server that says these to the first question, one after the other.
pub(crate) fn server(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    thread::spawn(move || {
        let mut question = [0; bounds::MESSAGE];
        let (count, from) = socket.recv_from(&mut question).unwrap();
        for answer in answers(&question[..count]) {
            socket.send_to(&answer, from).unwrap();
        }
    });
    address
}

const SERVICE: &str = "_db._tcp.good.example";

fn place(priority: u16, port: u16, target: &str) -> Place {
    Place {
        priority,
        weight: 7,
        port,
        target: target.parse().unwrap(),
    }
}

#[test]
fn name_servers_are_found_as_the_library_finds_them() {
    let text = "# nameserver 1.1.1.1\nsearch x.example\nnameserver 10.0.0.53\n nameserver ::1 # x\n\
                nameserver\nnameserver nonsense\nnameserver 1.2.3.4\nnameserver 5.6.7.8\n";
    let servers = servers_in(text);
    let expected = ["10.0.0.53:53", "[::1]:53", "1.2.3.4:53"];
    assert_eq!(servers, expected.map(|server| server.parse().unwrap()));
    assert_eq!(servers_in(""), ["127.0.0.1:53".parse().unwrap()]);
}

#[test]
fn an_answer_is_one_to_the_very_question() {
    let places = [
        (1, 5432, "a.good.example"),
        (2, 53, "."),
        (0, 1, "10.0.0.1"),
    ];
    let asked = question(7, SERVICE).unwrap();
    let right = answer(&asked, RCODE::NoError, &places);
    let expected = Found::Places(vec![place(1, 5432, "a.good.example")]);
    assert_eq!(read(&right, 7, SERVICE), Some(expected.clone()));
    assert_eq!(read(&right, 7, "_DB._tcp.GOOD.example"), Some(expected));
    assert_eq!(read(&right, 8, SERVICE), None);
    assert_eq!(read(&right, 7, "_db._tcp.evil.example"), None);
    assert_eq!(read(&asked, 7, SERVICE), None, "a question");
    assert_eq!(read(&right[..20], 7, SERVICE), None);
    for (code, found) in [
        (RCODE::NameError, Found::NoSuchName),
        (RCODE::ServerFailure, Found::Failed),
        (RCODE::Refused, Found::Failed),
    ] {
        assert_eq!(
            read(&answer(&asked, code, &places), 7, SERVICE),
            Some(found)
        );
    }
    let mut cut = right;
    cut[2] |= 2;
    assert_eq!(read(&cut, 7, SERVICE), Some(Found::Failed));
}

#[test]
fn who_does_not_know_is_passed_over_and_who_guesses_is_not_heard() {
    let refuses = server(|asked| vec![answer(asked, RCODE::Refused, &[])]);
    let knows = server(|asked| {
        let places = [(1, 5432, "a.good.example")];
        let mut guess = answer(asked, RCODE::NoError, &[(1, 1, "evil.example")]);
        guess[0] ^= 1;
        vec![
            b"nonsense".to_vec(),
            guess,
            answer(asked, RCODE::NoError, &places),
        ]
    });
    let found = look_up(&[refuses, knows], SERVICE);
    assert_eq!(found, Found::Places(vec![place(1, 5432, "a.good.example")]));
    assert_eq!(look_up(&[], SERVICE), Found::Places(Vec::new()));
}

#[test]
fn a_server_is_waited_for_no_longer_than_its_bound() {
    // It says much, and never what was asked for.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silent = socket.local_addr().unwrap();
    let knows = server(|asked| vec![answer(asked, RCODE::NameError, &[])]);
    assert_eq!(look_up(&[silent, knows], SERVICE), Found::NoSuchName);
}
