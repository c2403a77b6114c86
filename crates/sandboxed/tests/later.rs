//! The host makes a protected name that was not there at the start. The command can't make it, replace it or move it, since the
//! notifier decides that; from a moment on it can't remove it either.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod asked;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use asked::{Asked, busy, replace, shell};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use sandbox_testing::{Host, alone_by, needs, until};
use sandboxed::{Policy, Preset, Sandbox};

/// In a directory that is not there, in one that is, and at the top.
const NAMES: [&str; 3] = [
    ".claude/settings.json",
    ".config/starship.toml",
    ".mcp.json",
];

fn host() -> Host {
    Host::new()
        .file("app/.env", "SECRET=old\n")
        .dir(".config")
        .file("plain", "old\n")
}

fn policy(host: &Host) -> Policy {
    Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("app/.env"))
}

fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&policy(host)).unwrap()
}

fn make(host: &Host, name: &str) {
    let path = host.path(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, "host\n").unwrap();
}

impl Asked {
    /// What the host makes at a name can't be removed any more, from some moment on.
    fn comes_to_hold(&mut self, host: &Host, name: &str) {
        until("it is held", || {
            if !host.has(name) {
                make(host, name);
            }
            !self.succeeds(&format!("rm -f {name}"))
        });
        assert_eq!(host.read(name), "host\n");
    }

    fn never_changes(&mut self, host: &Host, name: &str) {
        let directory = Path::new(name).parent().unwrap().display();
        for attack in [
            format!("rm -f {name}"),
            format!("mv {name} away"),
            format!("rm -rf ./{directory}/.[a-z]* {name}"),
            format!("mv -f plain {name}"),
            format!("echo planted > {name}"),
            format!("python3 -c 'import os; os.unlink(\"{name}\")'"),
            format!("test -n '{directory}' && mv {directory} away"),
        ] {
            let _ = self.succeeds(&format!("( {attack} )"));
            assert_eq!(host.read(name), "host\n", "{attack}");
        }
    }
}

#[test]
fn what_the_host_makes_at_a_protected_name_is_not_removed() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    for name in NAMES {
        asked.comes_to_hold(&host, name);
    }
    for name in NAMES {
        asked.never_changes(&host, name);
    }
    // The host replaces it, and removes it.
    for name in NAMES {
        replace(&host.path(name), "host\n");
        asked.comes_to_hold(&host, name);
        fs::remove_file(host.path(name)).unwrap();
        assert!(!asked.succeeds(&format!("echo planted > {name}")));
        assert!(!host.has(name));
        asked.comes_to_hold(&host, name);
    }
    fs::remove_dir_all(host.path(".claude")).unwrap();
    asked.comes_to_hold(&host, NAMES[0]);
    host.write("plain", "");
    assert!(asked.succeeds("rm plain") && !host.has("plain"), "control");
}

/// What a rule opens, and what is a name like any other.
#[test]
fn what_is_not_protected_is_removed_as_before() {
    let host = host();
    let policy = policy(&host).write(host.path(".mcp.json"));
    let sandbox = Sandbox::new(&policy).unwrap();
    let mut asked = Asked::new(&host, &sandbox);
    asked.comes_to_hold(&host, ".config/starship.toml");
    for name in [".mcp.json", ".config/notes", "new"] {
        make(&host, name);
        // Whatever lies there when all names have been looked at once more.
        fs::remove_file(host.path(".config/starship.toml")).unwrap();
        asked.comes_to_hold(&host, ".config/starship.toml");
        assert!(asked.succeeds(&format!("rm {name}")), "{name}");
        assert!(!host.has(name));
    }
}

#[test]
fn it_holds_what_a_rule_protects() {
    let host = host();
    let locked = host.path("locked");
    let sandbox = Sandbox::new(&policy(&host).read(&locked)).unwrap_or_else(|error| {
        panic!("{error}");
    });
    Asked::new(&host, &sandbox).comes_to_hold(&host, "locked");
}

#[test]
fn it_holds_in_what_a_command_has_made_where_all_else_can_only_be_read() {
    let host = host();
    let made = host.path("@outside/new");
    let kept = made.join("kept");
    let policy = policy(&host).write_if_exists(&made).read(&kept);
    let sandbox = Sandbox::new(&policy).unwrap();
    let mut asked = Asked::new(&host, &sandbox);
    assert!(asked.succeeds(&host.expand("mkdir @outside/new && mkdir @outside/new/sub")));
    asked.comes_to_hold(&host, made.join(".mcp.json").to_str().unwrap());
    // What a rule protects, too.
    asked.comes_to_hold(&host, kept.to_str().unwrap());
    assert!(
        asked.succeeds(&host.expand("rmdir @outside/new/sub")),
        "control"
    );
}

#[test]
fn every_command_holds_it() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut first = Asked::new(&host, &sandbox);
    first.comes_to_hold(&host, NAMES[0]);
    // Beside it, and after it in the same init.
    let mut second = Asked::new(&host, &sandbox);
    second.comes_to_hold(&host, NAMES[0]);
    make(&host, NAMES[1]);
    first.comes_to_hold(&host, NAMES[1]);
    second.comes_to_hold(&host, NAMES[1]);
    drop((first, second));
    let other = busy(&sandbox);
    make(&host, NAMES[2]);
    until("it is held by short ones, too", || {
        if !host.has(NAMES[2]) {
            make(&host, NAMES[2]);
        }
        shell(&host, &sandbox, "rm -f .mcp.json || echo held") == "held\n"
    });
    drop(other);
    assert_eq!(host.read(NAMES[2]), "host\n");
}

/// A link that the host makes is left alone, and ends nothing.
#[test]
fn a_link_may_be_removed() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    asked.comes_to_hold(&host, NAMES[1]);
    symlink("plain", host.path(".mcp.json")).unwrap();
    replace(&host.path(NAMES[1]), "host\n");
    asked.comes_to_hold(&host, NAMES[1]);
    assert!(asked.succeeds("rm .mcp.json"));
    assert_eq!(host.read("plain"), "old\n");
    asked.comes_to_hold(&host, ".mcp.json");
}

/// The command makes and removes what the watch looks into, as fast as it can.
#[test]
fn a_command_gains_nothing_by_playing_with_the_directories() {
    let host = host().file("@outside/starship.toml", "SECRET\n");
    let outside = host.snapshot_outside();
    let sandbox = sandbox(&host);
    let script = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); mkdir .claude; mkdir .claude/settings.json; \
        rm -rf .config; ln -s @outside .config; mkdir .config; mv .claude .claude.$i; rm -rf .claude .claude.$i .config; mkdir .config; done; echo done";
    assert_eq!(shell(&host, &sandbox, script), "done\n");
    outside.is_unchanged();
    let mut asked = Asked::new(&host, &sandbox);
    for name in NAMES {
        asked.comes_to_hold(&host, name);
    }
}

#[test]
fn a_second_sandbox_takes_nothing_along_when_it_ends() {
    let host = host();
    let first = sandbox(&host);
    let mut asked = Asked::new(&host, &first);
    for name in NAMES {
        asked.comes_to_hold(&host, name);
    }
    for _ in 0..3 {
        let second = sandbox(&host);
        let mut other = Asked::new(&host, &second);
        other.never_changes(&host, NAMES[0]);
        assert!(!other.succeeds("cat app/.env >/dev/null"));
        drop((other, second));
        for name in NAMES {
            asked.never_changes(&host, name);
        }
        assert!(!asked.succeeds("cat app/.env >/dev/null"));
    }
}

/// Two levels above the name.
#[test]
fn rules_hold_where_a_directory_far_above_is_replaced() {
    let host = Host::new()
        .file("a/b/c/.env", "SECRET=first\n")
        .file("a/b/c/locked", "host\n")
        .file("x/b/c/.env", "SECRET=second\n")
        .file("x/b/c/locked", "host\n");
    let policy = Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("a/b/c/.env"))
        .read(host.path("a/b/c/locked"));
    let sandbox = Sandbox::new(&policy).unwrap();
    let mut asked = Asked::new(&host, &sandbox);
    for round in 0..4 {
        fs::rename(host.path("a"), host.path(format!("old-{round}"))).unwrap();
        fs::rename(host.path("x"), host.path("a")).unwrap();
        until("both are held", || {
            !asked.succeeds("cat a/b/c/.env") && !asked.succeeds("echo x >> a/b/c/locked")
        });
        // What was there is not to be seen where it went.
        assert!(!asked.succeeds(&format!("cat old-{round}/b/c/.env")));
        fs::create_dir_all(host.path("x/b/c")).unwrap();
        host.write("x/b/c/.env", "SECRET=third\n");
        host.write("x/b/c/locked", "host\n");
    }
    assert!(asked.succeeds("cat x/b/c/.env >/dev/null"), "control");
}

/// A user has few instances of inotify, and the watch needs none: there is nothing to run out of, and no queue to overflow.
#[test]
fn rules_last_where_no_instance_of_inotify_is_left() {
    let none = "echo 0 >/proc/sys/user/max_inotify_instances && exec \"$@\"";
    in_a_namespace(&["sh", "-c", none, "sh"], "without_inotify");
}

#[test]
#[ignore = "in a user namespace of its own: run by `rules_last_where_no_instance_of_inotify_is_left`"]
fn without_inotify() {
    let ask = "import ctypes; print(ctypes.CDLL(None).inotify_init1(0))";
    let control = Command::new("/usr/bin/python3")
        .args(["-c", ask])
        .output()
        .unwrap();
    assert_eq!(control.stdout, b"-1\n", "control");
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = Asked::new(&host, &sandbox);
    for name in NAMES {
        asked.comes_to_hold(&host, name);
    }
    replace(&host.path("app/.env"), "SECRET=new\n");
    until("it is hidden", || !asked.succeeds("cat app/.env"));
}

/// The command keeps what was mounted at the start, and its rules; what the host mounts later it does not see.
#[test]
fn rules_last_where_the_host_unmounts() {
    in_a_namespace(&[], "unmounted");
}

#[test]
#[ignore = "mounts in its own namespace: run by `rules_last_where_the_host_unmounts`"]
fn unmounted() {
    let host = host().dir("disk");
    let disk = host.path("disk");
    let mount = || {
        mount(
            Some("none"),
            &disk,
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
    };
    let unmount = || umount2(&disk, MntFlags::MNT_DETACH);
    mount().unwrap();
    host.write("disk/.env", "SECRET=old\n");
    host.write("disk/old", "");
    let policy = policy(&host).hide(host.path("disk/.env"));
    let sandbox = Sandbox::new(&policy).unwrap();
    let mut asked = Asked::new(&host, &sandbox);
    assert!(asked.succeeds("test -e disk/old && ! cat disk/.env"));
    unmount().unwrap();
    mount().unwrap();
    host.write("disk/.env", "SECRET=new\n");
    asked.comes_to_hold(&host, NAMES[0]);
    for _ in 0..20 {
        assert!(asked.succeeds("test -e disk/old && ! cat disk/.env"));
    }
    unmount().unwrap();
}

/// Of users and of mounts. The sandbox is one in another's.
fn in_a_namespace(command: &[&str], name: &str) {
    const OPTIONS: [&str; 4] = ["--user", "--map-current-user", "--keep-caps", "--mount"];
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(OPTIONS).args(command);
        unshare
    };
    let status = unshare().arg("true").status();
    let can_start = status.is_ok_and(|status| status.success());
    if needs("unshare, for a namespace of a test's own", can_start) {
        alone_by(unshare(), name);
    }
}
