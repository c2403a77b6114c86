//! TLS for another name than the one that is dialled, in forms that some server takes.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;
use crate::tls::ACCESS_DENIED;
use crate::tls::tests::{hello_for, retry};

const CHANGE: &[u8] = &[20, 3, 3, 0, 1, 1];
const EARLY: &[u8] = &[23, 3, 3, 0, 2, 0, 0];

fn house() -> House {
    let hosts = "127.5.0.1 good.example\n127.5.0.1 evil.example";
    House::new(&only(&["good.example", "127.5.0.0/16"]), hosts)
}

#[test]
fn a_hello_in_another_dress_is_judged_as_one() {
    run(async {
        let server = Server::echo("127.5.0.1", "").await;
        let house = house();
        let dialled = house.address("good.example", server.port);
        let hello = hello_for("evil.example");
        let version = |major: u8| {
            let mut hello = hello.clone();
            hello[1] = major;
            hello
        };
        let behind = |before: &[u8]| [before, &hello].concat();
        for said in [
            // Go's server takes these.
            version(0),
            version(2),
            version(15),
            behind(&[21, 3, 1, 0, 2, 1, 90]),
            behind(&[21, 2, 0, 0, 2, 1, 0]),
            // As SSL 2 had it: 46 bytes, a hello, version 3.1.
            behind(&[0x80, 46, 1, 3, 1]),
            behind(CHANGE),
        ] {
            let mut program = house.connect(dialled).await;
            let answer = say(&mut program, &said).await;
            assert_eq!(answer, ACCESS_DENIED, "{}", said.escape_ascii());
            // In single bytes as well.
            let mut program = house.connect(dialled).await;
            for byte in &said {
                let _ = program.write_all(&[*byte]).await;
                tokio::task::yield_now().await;
            }
            hear(&mut program).await;
        }
        assert_eq!(server.heard(), b"");
        // Control: what resembles it passes, as the first words of MySQL's clients do.
        let mut program = house.connect(dialled).await;
        let said = b"\x16\x01\0\x01\x85\xa6\xff\x19";
        assert_eq!(say(&mut program, said).await, said);
    });
}

/// A server that wants a second hello, and what it has heard when nothing more comes.
async fn retrying() -> (u16, oneshot::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.5.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heard) = oneshot::channel();
    spawn_local(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = vec![0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        buffer.truncate(count);
        stream.write_all(&retry()).await.unwrap();
        let _ = stream.read_to_end(&mut buffer).await;
        let _ = sender.send(buffer);
    });
    (port, heard)
}

#[test]
fn a_second_hello_is_judged_as_the_first_one() {
    run(async {
        let first = hello_for("good.example");
        let evil = hello_for("evil.example");
        for before in [&[][..], CHANGE, EARLY, &[CHANGE, EARLY].concat()] {
            for is_patient in [true, false] {
                let house = house();
                let (port, heard) = retrying().await;
                let mut program = house.connect(house.address("good.example", port)).await;
                program.write_all(&first).await.unwrap();
                if is_patient {
                    let mut answer = vec![0; retry().len()];
                    program.read_exact(&mut answer).await.unwrap();
                    assert_eq!(answer, retry());
                }
                let second = [before, &evil].concat();
                say(&mut program, &second).await;
                assert_eq!(heard.await.unwrap(), first);
                let told = house.events(1).await;
                let expected = "mismatch (TLS is for `evil.example`)";
                assert!(told[0].ends_with(expected), "{told:?}");
            }
            // Control: for the same name it passes, and all that follows.
            let house = house();
            let (port, heard) = retrying().await;
            let mut program = house.connect(house.address("good.example", port)).await;
            let said = [&first, before, &first, b"\x16\x03\x03 and so on"].concat();
            assert_eq!(say(&mut program, &said).await, retry());
            assert_eq!(heard.await.unwrap(), said);
        }
    });
}

#[test]
fn nothing_follows_a_hello_within_its_record() {
    run(async {
        let server = Server::echo("127.5.0.1", "").await;
        let house = house();
        let dialled = house.address("good.example", server.port);
        let (head, evil) = (hello_for("good.example"), hello_for("evil.example"));
        let messages = [&head[5..], &evil[5..]].concat();
        let length = u16::try_from(messages.len()).unwrap().to_be_bytes();
        let both = [&[22, 3, 1], &length[..], &messages].concat();
        let mut program = house.connect(dialled).await;
        assert_eq!(say(&mut program, &both).await, ACCESS_DENIED);
        assert_eq!(server.heard(), b"");
    });
}
