//! Invariant 21: System V and POSIX IPC, shared memory, keyrings and the temporary directories are the sandbox's own.

use sandbox_testing::{Answer, Calls, Host, marker};
use std::{fs, path::Path};

/// What is left on the host is removed even if the test fails.
struct Left<'a>(&'a Host, Calls);

impl Drop for Left<'_> {
    fn drop(&mut self) {
        self.0.bare(self.1.clone()).output();
    }
}

/// A key that no other test of this machine uses.
fn key() -> String {
    // Not 0, which means a private object.
    (0x5EC0_0000 | i64::from(std::process::id())).to_string()
}

#[test]
fn shared_memory_of_the_host_is_not_there() {
    let host = Host::new();
    let key = key();
    let open = Calls::new().call(libc::SYS_shmget, [&*key, "4096", "0"]);
    let made = host
        .bare(Calls::new().call(libc::SYS_shmget, [&*key, "4096", "0x3b6"]))
        .output()
        .text();
    let Answer::Returned(id) = Answer::all(&made)[0] else {
        panic!("{made}")
    };
    let id = id.to_string();
    let _left = Left(&host, Calls::new().call(libc::SYS_shmctl, [&*id, "0", "0"]));
    // By its key and by its number.
    let attach = Calls::new().call(libc::SYS_shmat, [&*id, "0", "0x1000"]);
    for calls in [open, attach] {
        host.sandbox(calls.clone())
            .output()
            .stdout_contains("errno");
        host.bare(calls).output().stdout_contains("ok");
    }
}

#[test]
fn semaphores_of_the_host_are_not_there() {
    let host = Host::new();
    let key = key();
    let made = host
        .bare(Calls::new().call(libc::SYS_semget, [&*key, "1", "0x3b6"]))
        .output()
        .text();
    let Answer::Returned(id) = Answer::all(&made)[0] else {
        panic!("{made}")
    };
    let _left = Left(
        &host,
        Calls::new().call(libc::SYS_semctl, [&*id.to_string(), "0", "0"]),
    );
    let open = Calls::new().call(libc::SYS_semget, [&*key, "1", "0"]);
    host.sandbox(open.clone()).output().stdout_contains("errno");
    host.bare(open).output().stdout_contains("ok");
}

#[test]
fn message_queues_of_the_host_are_not_there() {
    let host = Host::new();
    let key = key();
    let made = host
        .bare(Calls::new().call(libc::SYS_msgget, [&*key, "0x3b6"]))
        .output()
        .text();
    let Answer::Returned(id) = Answer::all(&made)[0] else {
        panic!("{made}")
    };
    let _left = Left(
        &host,
        Calls::new().call(libc::SYS_msgctl, [&*id.to_string(), "0", "0"]),
    );
    let open = Calls::new().call(libc::SYS_msgget, [&*key, "0"]);
    host.sandbox(open.clone()).output().stdout_contains("errno");
    host.bare(open).output().stdout_contains("ok");
}

#[test]
fn what_the_sandbox_makes_is_not_on_the_host() {
    let host = Host::new();
    // Named by a key of its own, so that the tests above do not meet it.
    let key = (0x5ED0_0000 | i64::from(std::process::id())).to_string();
    let make = Calls::new()
        .call(libc::SYS_shmget, [&*key, "4096", "0x3b6"])
        .call(libc::SYS_semget, [&*key, "1", "0x3b6"])
        .call(libc::SYS_msgget, [&*key, "0x3b6"]);
    host.sandbox(make).output().never_says("errno");
    let open = Calls::new()
        .call(libc::SYS_shmget, [&*key, "4096", "0"])
        .call(libc::SYS_semget, [&*key, "1", "0"])
        .call(libc::SYS_msgget, [&*key, "0"]);
    host.bare(open).output().never_says("ok");
}

#[test]
fn posix_message_queues_are_the_sandboxs_own() {
    let host = Host::new();
    let name = format!("s:{}", marker());
    let make = Calls::new().call(libc::SYS_mq_open, [&*name, "0x42", "0x180", "0"]);
    let open = Calls::new().call(libc::SYS_mq_open, [&*name, "2", "0", "0"]);
    let read = Calls::new().call(libc::SYS_mq_open, [&*name, "0x40", "0x180", "0"]);
    for make in [make.clone(), read] {
        let outcome = host.sandbox(make).output();
        outcome.never_says("errno");
        outcome.stdout_contains("ok");
    }
    host.bare(open.clone()).output().stdout_contains("errno");
    let _left = Left(&host, Calls::new().call(libc::SYS_mq_unlink, [&*name]));
    host.bare(make).output().stdout_contains("ok");
    host.sandbox(open.clone()).output().stdout_contains("errno");
    host.bare(open).output().stdout_contains("ok");
}

#[test]
fn temporary_directories_are_private_and_empty() {
    for directory in ["/tmp", "/dev/shm"] {
        let host = Host::new();
        let name = marker();
        let path = Path::new(directory).join(&name);
        fs::write(&path, "SECRET").unwrap();
        let list = [
            "sh",
            "-c",
            &format!("ls -A {directory}; cat {}; true", path.display()),
        ];
        let inside = host.sandbox(list).output();
        let outside = host.bare(list).output();
        fs::remove_file(&path).unwrap();
        inside.never_says("SECRET").stdout("");
        outside.stdout_contains("SECRET");

        let write = [
            "sh",
            "-ec",
            &format!("echo x > {0}; cat {0}", path.display()),
        ];
        host.sandbox(write).output().succeeds().stdout("x");
        assert!(!path.try_exists().unwrap(), "{}", path.display());
        // The next run has an empty one again.
        host.sandbox(list).output().stdout("");
    }
}

#[test]
fn sockets_and_pids_of_run_are_not_there() {
    let host = Host::new();
    host.sandbox(["sh", "-c", "find /run -type s 2>/dev/null"])
        .output()
        .stdout("");
    host.sandbox([
        "sh",
        "-ec",
        "test -d /run; test -w /run && echo writable; true",
    ])
    .output()
    .succeeds();
}
