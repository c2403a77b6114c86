//! Limits of the policy, as commands meet them.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use sandbox_testing::{Host, is_root, needs_kernel};
use sandboxed::{HostFacts, Policy, Preset, Sandbox, Stdio};

/// How many processes a command tries to start.
const AT_MOST: usize = 1200;
/// Starts as many as it may, up to a number, says how many, and waits for its standard input to end.
const FORKS: &str = "import os, signal, sys
count = 0
for _ in range(int(sys.argv[1])):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        signal.pause()
    count += 1
print(count, flush=True)
sys.stdin.read()";

/// How many processes each of two commands gets that run at the same time, and one after them.
fn counts(sandbox: &Sandbox) -> [usize; 3] {
    let start = || {
        let mut command = sandbox.command("/usr/bin/python3");
        command.args(["-c", FORKS, &AT_MOST.to_string()]);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let said = |line: &[u8]| String::from_utf8_lossy(line).trim().parse().unwrap();
    let (mut first, mut second) = (start(), start());
    let said_by = |child: &mut sandboxed::Child| {
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        said(line.as_bytes())
    };
    let both = [said_by(&mut first), said_by(&mut second)];
    for mut child in [first, second] {
        drop(child.stdin.take());
        let _ = child.wait().unwrap();
    }
    let after = start().wait_with_output().unwrap();
    [both[0], both[1], said(&after.stdout)]
}

#[test]
fn nobody_starts_processes_without_end() {
    let facts = HostFacts::detect();
    if is_root() && !needs_kernel("a bound of process numbers (Linux 6.14)", facts.pid_max) {
        return;
    }
    let most_of_the_host = || std::fs::read_to_string("/proc/sys/kernel/pid_max").unwrap();
    let before = most_of_the_host();
    let host = Host::new();
    let sandbox = |change: fn(Policy) -> Policy| {
        let policy = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
        Sandbox::new(&change(policy)).unwrap()
    };
    // The kernel counts for an ordinary user; root is bound by numbers, of which the first 300 are given once more.
    let most = if is_root() { 100 + 308 } else { 100 };
    let bounded = counts(&sandbox(|policy| policy.processes(100)));
    assert!(bounded.iter().all(|count| *count < most), "{bounded:?}");
    assert!(bounded[2] >= 90, "{bounded:?}");
    assert_eq!(most_of_the_host(), before, "the host's");
    // The control.
    assert_eq!(counts(&sandbox(|policy| policy)), [AT_MOST; 3]);
}
