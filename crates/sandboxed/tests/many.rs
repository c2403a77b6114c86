//! A pattern that matches very much: each match is held by itself, or the directory is as a whole.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sandbox_testing::{Host, needs_root};
use sandboxed::{Policy, Preset, Sandbox, Stdio};

/// As many as are hidden one by one, beside the one that lies elsewhere.
const MOST: usize = 999;

/// How many of the secrets a command can read, and how many files beside them.
fn read(host: &Host, policy: &Policy) -> (Sandbox, [usize; 2]) {
    let sandbox = Sandbox::new(policy).unwrap();
    let script = "cat @ws/*/*/.env | grep -c SECRET; cat @ws/*/*/plain | grep -c plain";
    let mut command = sandbox.command("sh");
    command
        .args(["-c", &host.expand(script)])
        .stderr(Stdio::null());
    let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let counts: Vec<usize> = output.lines().map(|line| line.parse().unwrap()).collect();
    (sandbox, counts.try_into().unwrap())
}

fn host(directories: usize) -> Host {
    let host = (0..directories).fold(Host::new(), |host, number| {
        host.file(format!("many/d{number}/.env"), "SECRET\n")
    });
    host.file("many/d1/plain", "plain\n")
        .file("few/d/.env", "SECRET\n")
        .file("few/d/plain", "plain\n")
}

#[test]
fn every_match_is_hidden_one_by_one_or_with_its_directory() {
    for (directories, plain) in [(MOST, 2), (MOST + 2, 1)] {
        let host = host(directories);
        let open = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
        // Control.
        let (_, all) = read(&host, &open);
        assert_eq!(all, [directories + 1, 2]);
        let pattern = host.path("@ws").join("**/.env");
        let (sandbox, seen) = read(&host, &open.hide_matching(pattern));
        assert_eq!(seen, [0, plain], "{directories}");
        let said = sandbox.enforcement().to_string();
        let many = host.path("many");
        let line = format!("beyond the rules: all of `{}`", many.display());
        assert_eq!(said.contains(&line), directories > MOST, "{said}");
    }
}

/// A file system that is mounted in the workspace is searched as well.
#[test]
fn a_match_on_another_file_system_is_hidden() {
    if !needs_root() {
        return;
    }
    let host = Host::new().dir("few/mounted").dir("few/bound");
    let host = host.file("@outside/.env", "SECRET\n");
    let search = || {
        // Of this thread alone, so that the mounts end with it.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let (none, private) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        mount(none, "/", none, private, none).unwrap();
        let (mounted, bound) = (host.path("few/mounted"), host.path("few/bound"));
        mount(
            Some("tmpfs"),
            &mounted,
            Some("tmpfs"),
            MsFlags::empty(),
            none,
        )
        .unwrap();
        let outside = host.path("@outside");
        mount(Some(&outside), &bound, none, MsFlags::MS_BIND, none).unwrap();
        host.write("few/mounted/.env", "SECRET\n");
        host.write("few/mounted/plain", "plain\n");
        let open = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
        // Control.
        assert_eq!(read(&host, &open).1, [2, 1]);
        let pattern = host.path("@ws").join("**/.env");
        assert_eq!(read(&host, &open.hide_matching(pattern)).1, [0, 1]);
    };
    thread::scope(|scope| scope.spawn(search).join()).unwrap();
}
