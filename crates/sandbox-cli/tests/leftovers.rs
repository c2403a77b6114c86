//! Invariants 5 and 8: a run leaves nothing behind, and what the last run made in the workspace does not help the next one.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::sys::signal::Signal;
use sandbox_testing::{Host, Moments, marked, marker, until};
use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    time::Duration,
};

fn host() -> Host {
    Host::new()
        .file("@outside/tree/file", "content\n")
        .dir("@outside/empty")
        .file("mine", "mine\n")
}

/// The mounts of the machine that have to do with this host.
fn mounts(host: &Host) -> Vec<String> {
    let root = host.expand("@root");
    fs::read_to_string("/proc/self/mountinfo")
        .unwrap()
        .lines()
        .filter(|line| line.contains(&root))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_run_leaves_nothing_on_the_host() {
    let host = host();
    let before = host.snapshot("@root");
    host.sandbox([
        "sh",
        "-c",
        "echo x > /tmp/x; echo x > /dev/shm/x; mkdir -p /tmp/d/e; exit 3",
    ])
    .options([
        "--hide",
        "missing",
        "--hide",
        "@outside/missing",
        "--hide",
        "@outside/tree",
    ])
    .output()
    .exits(3);
    before.is_unchanged();
    assert!(mounts(&host).is_empty());
}

#[test]
fn a_killed_caller_leaves_nothing_on_the_host() {
    let mut moments = Moments::up_to(Duration::from_millis(25));
    for _ in 0..20 {
        let host = host();
        let before = host.snapshot("@root");
        let marker = marker();
        let running = host
            .sandbox(["@payload", "wait", &marker])
            .options([
                "--hide",
                "missing",
                "--hide",
                "@outside/tree",
                "--scratch",
                "@outside/empty",
            ])
            .start();
        moments.pass();
        running.signal(Signal::SIGKILL);
        running.reap();
        until(&format!("everything ends (seed {})", moments.seed), || {
            marked(&marker).is_empty()
        });
        before.is_unchanged();
        assert!(mounts(&host).is_empty());
    }
}

#[test]
fn a_big_tree_of_the_last_run_does_not_stall_the_next_start() {
    let host = host();
    let tree = host.path("tree");
    for directory in 0..100 {
        let directory = tree.join(directory.to_string());
        fs::create_dir_all(&directory).unwrap();
        for file in 0..1000 {
            File::create(directory.join(file.to_string())).unwrap();
        }
    }
    host.sandbox(["echo", "started"])
        .options(["--hide", "@ws/**/.env"])
        .output()
        .succeeds()
        .stdout("started");
}

#[test]
fn a_strange_tree_of_the_last_run_does_not_stall_the_next_start() {
    let host = host()
        .symlink("loop", "loop")
        .symlink("here", ".")
        .symlink("up", "..");
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    for fifo in ["fifo", ".env", ".mcp.json", ".gitconfig"] {
        nix::unistd::mkfifo(&host.path(fifo), mode).unwrap();
    }
    fs::create_dir(host.path(".git")).unwrap();
    nix::unistd::mkfifo(&host.path(".git/config"), mode).unwrap();
    let mut deep = host.path("deep");
    for _ in 0..800 {
        fs::create_dir(&deep).unwrap();
        deep.push("d");
    }
    host.sandbox(["echo", "started"])
        .output()
        .succeeds()
        .stdout("started");
    // A search is bounded: it may say so instead of starting, but not start with half of an answer.
    let searched = host
        .sandbox(["echo", "started"])
        .options(["--hide", "@ws/**/.env", "--hide", "@ws/**/d/secret"])
        .output();
    if searched.code() != Some(0) {
        searched.refuses().stderr_contains("levels below");
    }
}

#[test]
fn a_link_in_the_place_of_a_writable_path_opens_nothing_else() {
    let policy = "extends = [\"agent\"]\n[files]\n\"@ws\" = \"write\"\n\"@ws/out\" = \"write\"\n";
    let attack = ["sh", "-c", "echo x > out/planted; echo x > @home/planted"];
    let attacked = host().symlink("out", "@home");
    let before = attacked.snapshot_outside();
    attacked.sandbox(attack).policy(policy).output();
    before.is_unchanged();
    let control = host().dir("out");
    control.sandbox(attack).policy(policy).output();
    assert_eq!(control.read("out/planted"), "x\n");
}

#[test]
fn a_link_in_the_place_of_a_hidden_path_hides_what_was_meant() {
    // The last run has put a link where the rule points: neither end of it may be read.
    let host = Host::new().file("moved/key", "SECRET");
    symlink("moved", host.path("secrets")).unwrap();
    host.run("secrets = hide", ["sh", "-c", "cat secrets/key moved/key"])
        .never_says("SECRET");
}
