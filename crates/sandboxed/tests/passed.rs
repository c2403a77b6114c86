//! A command passes a descriptor of a directory to another one, and ends. What hid and protected names in that directory must
//! not end with it.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use sandbox_testing::{Host, until};
use sandboxed::{Child, Policy, Preset, Sandbox, Stdio};
use std::io::Read;

/// Receives a descriptor of a directory, waits until the sender is gone, and tries what lies there.
const RECEIVER: &str = "
import os, socket, time
s = socket.socket(socket.AF_UNIX); s.bind('socket'); s.listen()
c, _ = s.accept()
d = socket.recv_fds(c, 1, 1)[1][0]
open('received', 'w').close()
while not os.path.exists('gone'): time.sleep(0.01)
for name, flags in [('plain', os.O_RDONLY), ('made', os.O_WRONLY | os.O_CREAT), ('app/.env', os.O_RDONLY),
        ('.git/config', os.O_WRONLY | os.O_APPEND), ('.git/hooks/pre-commit', os.O_WRONLY | os.O_CREAT),
        ('tmp/.git/hooks/pre-commit', os.O_WRONLY | os.O_CREAT)]:
    try:
        os.close(os.open(name, flags, 0o755, dir_fd=d)); print(name)
    except OSError:
        pass
";
const SENDER: &str = "
import os, socket, time
s = socket.socket(socket.AF_UNIX); s.connect('socket')
socket.send_fds(s, [b'x'], [os.open('.', os.O_PATH)])
while True: time.sleep(1)
";

fn host() -> Host {
    Host::new()
        .file("app/.env", "SECRET\n")
        .file(".git/config", "[core]\n")
        .file(".git/hooks/sample", "")
        // Of a directory whose mount is gone the kernel tells `/tmp/...`, which is the sandbox's own.
        .file("tmp/.git/hooks/sample", "")
        .file("plain", "")
}

fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(
        &Policy::preset(Preset::ReadOnly)
            .write(host.path("@ws"))
            .hide(host.path("app/.env")),
    )
    .unwrap()
}

fn python(host: &Host, sandbox: &Sandbox, script: &str) -> Child {
    let mut command = sandbox.command("/usr/bin/python3");
    command.args(["-c", script]).stdout(Stdio::piped());
    command.current_dir(host.path("@ws")).spawn().unwrap()
}

/// What can be opened through the descriptor, once the sender and what it ran in are gone.
fn opened(host: &Host, receiver: &Sandbox, sender: Sandbox) -> String {
    let mut receiver = python(host, receiver, RECEIVER);
    until("it listens", || host.has("socket"));
    let sender_child = python(host, &sender, SENDER);
    until("it has received", || host.has("received"));
    // Its init ends with it.
    drop(sender_child);
    drop(sender);
    host.write("gone", "");
    let mut text = String::new();
    let mut stdout = receiver.stdout.take().unwrap();
    stdout.read_to_string(&mut text).unwrap();
    assert!(receiver.wait().unwrap().success());
    text
}

/// By it nothing is made: no path leads there.
const REST: &str = "plain\n";

#[test]
fn the_directory_of_another_sandbox_shows_no_more_when_that_has_ended() {
    let host = host();
    let receiver = sandbox(&host);
    assert_eq!(opened(&host, &receiver, sandbox(&host)), REST);
    assert_eq!(host.read(".git/config"), "[core]\n");
    assert!(!host.has(".git/hooks/pre-commit"));
    assert!(!host.has("tmp/.git/hooks/pre-commit"));
}

#[test]
fn nor_that_of_a_command_beside() {
    let host = host();
    let sandbox = sandbox(&host);
    assert_eq!(opened(&host, &sandbox, sandbox.clone()), REST);
}
