//! Invariants 4, 24 and 33: calls that come at once are made by several performers, and are what they would be one after the other.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use sandbox_testing::{Host, needs, tool};

/// How many threads of a process have this name.
fn threads(process: nix::unistd::Pid, name: &str) -> usize {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let names = tasks.flatten().filter_map(|task| {
        let comm = fs::read_to_string(task.path().join("comm"));
        comm.ok()
    });
    names.filter(|comm| comm.trim_end() == name).count()
}

/// One for calls that come one after the other; as many as there are CPUs, and four at most, for others.
#[test]
fn calls_at_once_have_several_performers_and_a_bounded_number() {
    let most = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(4);
    let seen = |processes: u32, enough: usize| {
        let host = Host::new();
        let script = format!(
            "for p in $(seq {processes}); do (while [ ! -e stop ]; do : > f$p; rm f$p; done) & done; echo ready; wait"
        );
        let mut running = host.sandbox(["sh", "-c", &script]).start();
        running.prints("ready");
        let mut seen = 0;
        for _ in 0..20_000 {
            seen = seen.max(threads(running.pid(), "sandbox-perform"));
            if seen >= enough && enough > 1 {
                break;
            }
        }
        host.write("stop", "");
        running.wait();
        seen
    };
    assert_eq!(seen(1, 1), 1, "the control");
    assert_eq!(seen(8, most), most);
}

/// Each has the umask of whoever calls.
#[test]
fn files_that_are_made_at_once_have_their_makers_modes() {
    const FILES: u32 = 300;
    let host = Host::new();
    let script = format!(
        "for mask in 000 022 027 077; do (umask $mask; for f in $(seq {FILES}); do : > $mask-$f; mkdir d$mask-$f; done) & done; wait"
    );
    host.sandbox(["sh", "-c", &script]).output().succeeds();
    for mask in [0o000, 0o022, 0o027, 0o077] {
        for number in 1..=FILES {
            let mode = |name: String| {
                let there = fs::symlink_metadata(host.path(name)).unwrap();
                there.permissions().mode() & 0o7777
            };
            assert_eq!(mode(format!("{mask:03o}-{number}")), 0o666 & !mask);
            assert_eq!(mode(format!("d{mask:03o}-{number}")), 0o777 & !mask);
        }
    }
}

/// git opens one, writes to it, makes some other call, and reads it: then it is there, whoever makes that call. The lines are what it did.
#[test]
fn a_file_that_names_a_git_directory_is_there_after_the_next_call() {
    if !needs("git", tool("git").is_some()) {
        return;
    }
    let host = Host::new();
    let script = "git init -q repo";
    host.bare(["sh", "-ec", script]).output().succeeds();
    let script = "cd repo; for p in 1 2 3 4; do (
        for f in $(seq 100); do
            mkdir w$p-$f; echo 'gitdir: ../.git/worktrees/w' > w$p-$f/.git
            : > made; read line < w$p-$f/.git && echo \"$line\"
        done) & done; wait";
    let outcome = host.sandbox(["sh", "-c", script]).output();
    let expected = "gitdir: ../.git/worktrees/w\n".repeat(400);
    outcome.succeeds().stdout(&expected);
    // And it is the command's for good.
    for process in 1..=4 {
        for number in 1..=100 {
            let path = format!("repo/w{process}-{number}/.git");
            assert_eq!(host.read(path), "gitdir: ../.git/worktrees/w\n");
        }
    }
}

/// All performers together keep no more of them than one would: they have descriptors of the caller.
#[test]
fn as_many_calls_wait_at_once_as_one_performer_keeps() {
    let answers = |calls: u32, refused: u32| {
        let host = Host::new();
        let script = format!(
            "mkfifo f; for p in $(seq {calls}); do (true > f && echo yes || echo no) >> answers 2> /dev/null & done
            while [ $(grep -c no answers) -lt {refused} ]; do :; done; exec 9<> f; wait; cat answers"
        );
        let outcome = host.sandbox(["sh", "-c", &script]).output();
        outcome.succeeds();
        let count = |word| outcome.text().lines().filter(|line| *line == word).count();
        (count("yes"), count("no"))
    };
    let (yes, no) = answers(60, 20);
    assert!(yes >= 32 && yes + no == 60, "{yes} {no}");
    assert_eq!(answers(20, 0), (20, 0), "the control");
}
