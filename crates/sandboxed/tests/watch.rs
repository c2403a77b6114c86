//! The host goes on living: it replaces what is hidden or protected, as editors and `git config` do, and makes what is hidden
//! by name. The rules hold for what is there then.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod asked;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::time::{Duration, Instant};

use asked::{Asked, busy, replace, shell};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox_testing::{Host, Server, State, marked, marker, until};
use sandboxed::{Policy, Preset, Sandbox};

/// A host whose workspace has a name to be hidden, `ws/app/.env`, and one that is protected, `ws/.git`.
fn host() -> Host {
    Host::new()
        .file("app/.env", "SECRET=old\n")
        .file(".git/config", "[core]\n")
        .file(".git/hooks/sample", "")
        .file("plain", "old\n")
        .dir("target")
}

fn policy(host: &Host) -> Policy {
    Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("app/.env"))
        .hide(host.path("later"))
        .hide(host.path("deep/er/later"))
        .scratch(host.path("target"))
}

fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&policy(host)).unwrap()
}

impl Asked {
    /// It fails from some moment on.
    fn comes_to_fail(&mut self, test: &str) {
        until("it is closed", || !self.succeeds(test));
        for _ in 0..20 {
            assert!(!self.succeeds(test), "{test}");
        }
    }
}

const READS: &str = "cat app/.env >/dev/null";
const APPENDS: &str = "echo planted >> .git/config";

#[test]
fn what_replaces_a_hidden_file_is_hidden_from_the_next_command() {
    let host = host();
    let sandbox = sandbox(&host);
    let env = host.path("app/.env");
    let read = || shell(&host, &sandbox, "cat @ws/app/.env @ws/app/.env/*");
    assert_eq!(read(), "");
    replace(&env, "SECRET=new\n");
    assert_eq!(read(), "");
    fs::remove_file(&env).unwrap();
    assert_eq!(read(), "");
    fs::write(&env, "SECRET=again\n").unwrap();
    until("it is covered", || read().is_empty());
    fs::remove_file(&env).unwrap();
    fs::create_dir(&env).unwrap();
    fs::write(env.join("file"), "SECRET=below\n").unwrap();
    until("it is covered", || read().is_empty());
    // The host itself sees what is there, and what nobody hides is read as it is.
    assert_eq!(host.read("app/.env/file"), "SECRET=below\n");
    replace(&host.path("plain"), "new\n");
    assert_eq!(shell(&host, &sandbox, "cat @ws/plain"), "new\n", "control");
}

#[test]
fn without_the_rule_the_new_file_is_read() {
    let host = host();
    let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap();
    replace(&host.path("app/.env"), "SECRET=new\n");
    let read = shell(&host, &sandbox, "cat @ws/app/.env");
    assert_eq!(read, "SECRET=new\n", "control");
}

#[test]
fn a_command_that_runs_loses_sight_of_it_too() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    assert!(!asked.succeeds(READS));
    for _ in 0..10 {
        replace(&host.path("app/.env"), "SECRET=new\n");
        asked.comes_to_fail(READS);
    }
    assert!(asked.succeeds("cat plain >/dev/null"), "control");
}

#[test]
fn what_is_made_at_a_hidden_name_is_hidden() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    host.write("later", "SECRET=1\n");
    asked.comes_to_fail("cat later >/dev/null");
    fs::create_dir_all(host.path("deep/er")).unwrap();
    host.write("deep/er/later", "SECRET=2\n");
    asked.comes_to_fail("cat deep/er/later >/dev/null");
    assert_eq!(host.read("later"), "SECRET=1\n");
}

#[test]
fn it_is_hidden_in_a_directory_that_takes_the_place_of_another() {
    let host = host().file("app2/.env", "SECRET=second\n");
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    fs::rename(host.path("app"), host.path("old")).unwrap();
    fs::rename(host.path("app2"), host.path("app")).unwrap();
    asked.comes_to_fail(READS);
    // Nor is it to be seen where the first one went.
    assert!(!asked.succeeds("cat old/.env >/dev/null"));
    fs::remove_dir_all(host.path("app")).unwrap();
    fs::create_dir(host.path("app")).unwrap();
    replace(&host.path("app/.env"), "SECRET=third\n");
    asked.comes_to_fail(READS);
}

#[test]
fn what_replaces_a_protected_file_cannot_be_written() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    assert!(asked.succeeds("echo more >> plain"), "control");
    assert!(!asked.succeeds(APPENDS));
    for _ in 0..10 {
        replace(&host.path(".git/config"), "[user]\n");
        asked.comes_to_fail(APPENDS);
    }
    replace(&host.path(".git/config"), "[core]\n");
    fs::rename(host.path(".git/hooks"), host.path(".git/hooks.old")).unwrap();
    fs::create_dir(host.path(".git/hooks")).unwrap();
    asked.comes_to_fail("touch .git/hooks/pre-commit");
    drop(asked);
    // The next command, at once.
    replace(&host.path(".git/config"), "[core]\n");
    let planted = shell(
        &host,
        &sandbox,
        "cd @ws; echo planted >> .git/config && echo yes",
    );
    assert_eq!(planted, "");
    assert_eq!(host.read(".git/config"), "[core]\n");
}

#[test]
fn a_private_directory_stays_one() {
    let host = host();
    let sandbox = sandbox(&host);
    assert_eq!(shell(&host, &sandbox, "ls @ws/target"), "");
    fs::remove_dir(host.path("target")).unwrap();
    fs::create_dir(host.path("target")).unwrap();
    let build = || {
        shell(
            &host,
            &sandbox,
            "touch @ws/target/built && ls @ws/target; rm @ws/target/built",
        )
    };
    until("it is private", || {
        build() == "built\n" && !host.has("target/built")
    });
    let other = busy(&sandbox);
    assert_eq!(
        shell(&host, &sandbox, "touch @ws/target/built && ls @ws/target"),
        "built\n"
    );
    assert!(!host.has("target/built"));
    drop(other);
}

#[test]
fn it_holds_for_commands_at_the_same_time() {
    let host = host();
    let sandbox = sandbox(&host);
    let first = busy(&sandbox);
    let mut second = Asked::new(&host, &sandbox);
    replace(&host.path("app/.env"), "SECRET=new\n");
    second.comes_to_fail(READS);
    host.write("later", "SECRET=1\n");
    second.comes_to_fail("cat later >/dev/null");
    replace(&host.path(".git/config"), "[user]\n");
    second.comes_to_fail(APPENDS);
    // One that joins in now, when the first may not have seen it yet.
    drop(second);
    replace(&host.path("app/.env"), "SECRET=newer\n");
    assert_eq!(shell(&host, &sandbox, "cat @ws/app/.env"), "");
    drop(first);
    assert_eq!(shell(&host, &sandbox, "cat @ws/app/.env"), "");
}

#[test]
fn nothing_piles_up_however_often_it_is_replaced() {
    let host = host();
    let sandbox = sandbox(&host);
    // As the host sees them: the command waits.
    let child = busy(&sandbox);
    let mounts = || {
        fs::read_to_string(format!("/proc/{}/mountinfo", child.id()))
            .unwrap()
            .lines()
            .count()
    };
    let before = mounts();
    for round in 0..300 {
        replace(&host.path("app/.env"), "SECRET=new\n");
        replace(&host.path(".git/config"), "[user]\n");
        if round % 100 == 0 {
            assert_eq!(shell(&host, &sandbox, "cat @ws/app/.env"), "");
        }
    }
    until("all is as it was", || mounts() == before);
    // Looks that are still to come change nothing.
    let mut asked = Asked::new(&host, &sandbox);
    asked.comes_to_fail(READS);
    assert_eq!(mounts(), before);
}

#[test]
fn a_link_is_no_reason_to_end() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    let env = host.path("app/.env");
    fs::remove_file(&env).unwrap();
    symlink("../plain", &env).unwrap();
    // It leads to what has rules of its own.
    until("it is read", || asked.succeeds("cat app/.env >/dev/null"));
    replace(&env, "SECRET=new\n");
    asked.comes_to_fail(READS);
    // A directory on the way.
    fs::rename(host.path("app"), host.path("elsewhere")).unwrap();
    symlink("elsewhere", host.path("app")).unwrap();
    assert!(!asked.succeeds(READS));
    let mode = |mode| {
        let directory = host.path("elsewhere");
        fs::set_permissions(directory, fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(0o000);
    assert!(asked.succeeds("cat plain >/dev/null"), "control");
    mode(0o755);
}

/// The command makes and removes what the watch looks for, as fast as it can.
#[test]
fn a_command_gains_nothing_by_playing_with_the_names() {
    let host = host()
        .file("@outside/secret", "SECRET\n")
        .dir("@outside/other");
    let outside = host.snapshot_outside();
    let sandbox = sandbox(&host);
    let script = "cd @ws; i=0; while [ $i -lt 400 ]; do i=$((i+1)); \
        ln -s @outside later; rm -rf later; mkdir later; rmdir later; echo > later; rm -f later; \
        mkdir -p deep/er; ln -s @outside/secret deep/er/later; mv deep deep.$i; rm -rf deep.$i; done; echo done";
    assert_eq!(shell(&host, &sandbox, script), "done\n");
    outside.is_unchanged();
    let mut asked = Asked::new(&host, &sandbox);
    let _ = fs::remove_dir(host.path("later"));
    replace(&host.path("later"), "SECRET=1\n");
    asked.comes_to_fail("cat later >/dev/null");
}

/// A link on the way leads to another directory, of which nothing follows for the one that takes its place.
#[test]
fn a_link_on_the_way_is_not_what_it_leads_to() {
    let host = host().file("x/er/later", "SECRET=1\n");
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    symlink("x", host.path("deep")).unwrap();
    // So long that the directory behind it is one that was left alone.
    std::thread::sleep(std::time::Duration::from_secs(3));
    fs::remove_file(host.path("deep")).unwrap();
    fs::rename(host.path("x"), host.path("deep")).unwrap();
    asked.comes_to_fail("cat deep/er/later >/dev/null");
}

/// What the host moves to a hidden name brings its own mount along: here one that shows what is in it.
#[test]
fn a_mount_that_the_host_moves_is_no_cover() {
    let host = host().file("app/key", "SECRET=1\n");
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    assert!(asked.succeeds("cat app/key >/dev/null"), "control");
    fs::rename(host.path("app"), host.path("later")).unwrap();
    asked.comes_to_fail("cat later/key >/dev/null");
}

/// The host takes away and makes what init is about to mount over. That is no reason to end anything.
#[test]
fn the_host_may_be_quick() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    for _ in 0..400 {
        fs::remove_dir_all(host.path(".git")).unwrap();
        fs::create_dir_all(host.path(".git/hooks")).unwrap();
        fs::write(host.path(".git/config"), "[core]\n").unwrap();
        fs::remove_file(host.path("app/.env")).unwrap();
        fs::write(host.path("app/.env"), "SECRET\n").unwrap();
    }
    asked.comes_to_fail(READS);
    asked.comes_to_fail(APPENDS);
    assert!(asked.succeeds("cat plain >/dev/null"), "control");
}

/// To mount over a file waits for who writes it. Nobody else does: here the time limit.
#[test]
fn a_file_that_is_written_keeps_nobody_from_the_time_limit() {
    let host = host();
    let sandbox = sandbox(&host);
    let script = "
import mmap, os
fd = os.open('big', os.O_CREAT | os.O_RDWR)
zero = mmap.mmap(-1, 1 << 28)
for _ in range(8):
    if os.fork() == 0:
        while True:
            os.pwrite(fd, zero, 0)
while True:
    os.pwrite(fd, zero, 0)
";
    // A child of init waits, so that init does not.
    let name = |pid: &str| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let waits = |pid: &str| {
        let state = State::of(Pid::from_raw(pid.parse().unwrap()));
        state.is_some_and(|state| state.letter == 'D')
    };
    let is_waited = |init: u32| {
        let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
        let mut children = children.split_whitespace();
        children.any(|pid| name(pid) == name(&init.to_string()) && waits(pid))
    };
    let (big, later) = (host.path("big"), host.path("later"));
    let attempt = || {
        let marker = marker();
        let child = sandbox
            .command("/usr/bin/python3")
            .args(["-c", script, &marker])
            .current_dir(host.path("@ws"))
            .spawn()
            .unwrap();
        // It gets its hidden name while it is written.
        let is_whole = || fs::metadata(&big).is_ok_and(|file| file.len() >= 1 << 28);
        until("it is written", is_whole);
        fs::rename(&big, &later).unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(5) {
            if is_waited(child.id()) {
                return Some((child, marker));
            }
        }
        // It was mounted at once, between two writes, and stays so whatever this file is called: another one, then.
        drop(child);
        fs::remove_file(&later).unwrap();
        None
    };
    let mut waiting = None;
    until("it is waited to mount over the file", || {
        waiting = attempt();
        waiting.is_some()
    });
    let (child, marker) = waiting.unwrap();
    child.pause().unwrap();
    let stopped = |pid: &Pid| State::of(*pid).is_none_or(|state| state.letter == 'T');
    until("they are stopped", || marked(&marker).iter().all(stopped));
    drop(child);
    assert_eq!(marked(&marker), []);
}

/// Nobody has seen yet that the private directory is gone: who sees to that has been stopped.
#[test]
fn a_socket_of_the_hosts_in_the_place_of_a_private_directory_is_shut() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    let target = host.path("target");
    let _open = Server::at(&host.path("plain-s"));
    let connects = |path: &str, answer: &str| {
        host.expand(&format!("test \"$(@payload unix {path})\" = '{answer}'"))
    };
    assert!(
        asked.succeeds(&connects("plain-s", "heard the host")),
        "control"
    );
    assert!(asked.succeeds(&connects("target/s", "failed 2")));
    let init = Pid::from_raw(asked.child.id().cast_signed());
    kill(init, Signal::SIGSTOP).unwrap();
    until("it is stopped", || {
        State::of(init).is_some_and(|state| state.letter == 'T')
    });
    fs::remove_dir(&target).unwrap();
    fs::create_dir(&target).unwrap();
    let _shut = Server::at(&target.join("s"));
    assert!(asked.succeeds("test -S target/s"), "it is seen");
    assert!(asked.succeeds(&connects("target/s", "failed 13")));
    kill(init, Signal::SIGCONT).unwrap();
    until("it is private again", || {
        asked.succeeds("test ! -e target/s")
    });
}
