//! The limit on descriptors that `sandbox run` raises for its gateway.

use std::ffi::OsString;
use std::fs;

use nix::sys::signal::Signal;
use sandbox_testing::Host;

#[test]
fn it_is_raised_and_the_commands_is_as_it_was_given() {
    let host = Host::new();
    let told = [
        "sh",
        "-c",
        "echo limit $(ulimit -n). && exec cat /dev/zero >/dev/null",
    ];
    let run = host.sandbox(told).options(["--allow", "127.0.0.1:9"]);
    let script = "ulimit -S -n 300 && ulimit -H -n 4000 && exec \"$0\" \"$@\"";
    let shell = ["sh", "-c", script].map(OsString::from);
    let mut running = host.bare(shell.into_iter().chain(run.words())).start();
    running.prints("limit 300.");
    let limits = fs::read_to_string(format!("/proc/{}/limits", running.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"));
    let words: Vec<&str> = line.unwrap().split_whitespace().skip(3).take(2).collect();
    assert_eq!(words, ["4000", "4000"]);
    running.signal(Signal::SIGTERM);
    running.reap();
}
