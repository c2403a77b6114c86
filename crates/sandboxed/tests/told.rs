//! A command that has run for a while is looked after when the kernel tells of a change, and not before. What changes in any
//! directory on the way to a hidden or protected name is told.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod asked;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use asked::{Asked, busy, replace, shell};
use sandbox_testing::{Host, needs, until};
use sandboxed::{Policy, Preset, Sandbox};

fn host() -> Host {
    Host::new()
        .file("app/.env", "SECRET=old\n")
        .file("far/above/it/.env", "SECRET=old\n")
        .file(".git/config", "[core]\n")
        .file("plain", "old\n")
        .dir("answers")
}

/// One test after the other: names that another one makes beside the directory of this one would have init look.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// It answers where nothing is told of: else the answer would have init look.
fn asking(host: &Host, sandbox: &Sandbox) -> Asked {
    let mut asked = Asked::new(host, sandbox);
    asked.host_side = host.path("answers");
    asked
}

fn sandbox(host: &Host) -> Sandbox {
    let hidden = ["app/.env", "far/above/it/.env", "later", "deep/er/later"];
    let policy = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
    let policy = hidden
        .into_iter()
        .fold(policy, |policy, name| policy.hide(host.path(name)));
    Sandbox::new(&policy).unwrap()
}

const SEES: &str = "cat app/.env >/dev/null";

impl Asked {
    /// How often init went to sleep until now. It is the one that looks.
    fn sleeps(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.unwrap().trim().parse().unwrap()
    }

    /// In a time for three looks there is none.
    fn is_at_rest(&self) -> bool {
        let before = self.sleeps();
        std::thread::sleep(Duration::from_millis(300));
        self.sleeps() == before
    }

    /// The kernel has been asked to tell. Other tests may make names in the directory in which this one has its own: then there
    /// are looks, and what follows is seen by these or when it is told.
    fn comes_to_rest(&self) {
        for _ in 0..10 {
            if self.is_at_rest() {
                break;
            }
        }
    }

    fn comes_to_fail(&mut self, test: &str) {
        until("it is closed", || !self.succeeds(test));
    }
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_is_done_while_nothing_changes() {
    let _alone = alone();
    let host = host();
    let sandbox = sandbox(&host);
    let asked = asking(&host, &sandbox);
    let workspace = host.path("@ws");
    let changed = || {
        let above = workspace.ancestors();
        let times = above.map(|path| fs::metadata(path).map(|it| (it.ctime(), it.ctime_nsec())));
        times.collect::<Result<Vec<_>, _>>().unwrap()
    };
    let mut disturbed = 0;
    until("it is at rest", || {
        let before = changed();
        if asked.is_at_rest() {
            return true;
        }
        disturbed += u32::from(changed() != before);
        disturbed == 100
    });
    if !needs("a home in which nobody else makes names", disturbed < 100) {
        return;
    }
    let before = asked.sleeps();
    host.write("new", "");
    until("control: a change wakes it", || asked.sleeps() > before);
}

#[test]
fn what_is_made_at_a_hidden_name_is_told() {
    let _alone = alone();
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = asking(&host, &sandbox);
    asked.comes_to_rest();
    host.write("later", "SECRET=1\n");
    asked.comes_to_fail("cat later >/dev/null");
    // In directories that were not there when the kernel was asked.
    asked.comes_to_rest();
    fs::create_dir(host.path("deep")).unwrap();
    asked.comes_to_rest();
    fs::create_dir(host.path("deep/er")).unwrap();
    asked.comes_to_rest();
    host.write("deep/er/later", "SECRET=2\n");
    asked.comes_to_fail("cat deep/er/later >/dev/null");
    // Linked, and moved there.
    for _ in 0..3 {
        asked.comes_to_rest();
        fs::remove_file(host.path("later")).unwrap();
        host.write("deep/other", "SECRET=3\n");
        fs::hard_link(host.path("deep/other"), host.path("later")).unwrap();
        asked.comes_to_fail("cat later >/dev/null");
        fs::rename(host.path("deep/other"), host.path("deep/er/later")).unwrap();
        asked.comes_to_fail("cat deep/er/later >/dev/null");
    }
    assert!(asked.succeeds("cat plain >/dev/null"), "control");
}

#[test]
fn what_is_replaced_is_told() {
    let _alone = alone();
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = asking(&host, &sandbox);
    asked.comes_to_rest();
    replace(&host.path("app/.env"), "SECRET=new\n");
    asked.comes_to_fail(SEES);
    replace(&host.path(".git/config"), "[user]\n");
    asked.comes_to_fail("echo planted >> .git/config");
    assert!(asked.succeeds("echo more >> plain"), "control");
}

#[test]
fn what_takes_the_place_of_a_directory_far_above_is_told() {
    let _alone = alone();
    let host = host().file("second/above/it/.env", "SECRET=second\n");
    let sandbox = sandbox(&host);
    let mut asked = asking(&host, &sandbox);
    let sees = "cat far/above/it/.env >/dev/null";
    asked.comes_to_rest();
    fs::rename(host.path("far"), host.path("first")).unwrap();
    asked.comes_to_rest();
    fs::rename(host.path("second"), host.path("far")).unwrap();
    asked.comes_to_fail(sees);
    // In the new one, of which nobody knew.
    asked.comes_to_rest();
    fs::rename(host.path("far/above"), host.path("far/aside")).unwrap();
    fs::create_dir_all(host.path("far/above/it")).unwrap();
    asked.comes_to_rest();
    replace(&host.path("far/above/it/.env"), "SECRET=third\n");
    asked.comes_to_fail(sees);
    // Where there was a link, which is not followed.
    fs::rename(host.path("far"), host.path("fourth")).unwrap();
    symlink("fourth", host.path("far")).unwrap();
    asked.comes_to_rest();
    fs::remove_file(host.path("far")).unwrap();
    fs::rename(host.path("fourth"), host.path("far")).unwrap();
    asked.comes_to_fail(sees);
    assert!(asked.succeeds("cat plain >/dev/null"), "control");
}

/// What can't be entered is looked at again once it can be.
#[test]
fn a_mode_that_is_changed_is_told() {
    let _alone = alone();
    let host = host().file("aside/.env", "SECRET=second\n");
    let sandbox = sandbox(&host);
    let (app, aside) = (host.path("app"), host.path("aside"));
    let mut asked = asking(&host, &sandbox);
    mode(&aside, 0);
    fs::rename(&app, host.path("moved")).unwrap();
    fs::rename(&aside, &app).unwrap();
    asked.comes_to_rest();
    assert!(!asked.succeeds(SEES));
    mode(&app, 0o755);
    asked.comes_to_fail(SEES);
    assert!(asked.succeeds("ls app >/dev/null"), "control");
}

/// Nobody can ask to be told of what he can't list: there are looks, as before.
#[test]
fn what_is_not_told_is_looked_at() {
    let _alone = alone();
    let host = host();
    let sandbox = sandbox(&host);
    mode(&host.path("far/above"), 0o311);
    let mut asked = asking(&host, &sandbox);
    asked.comes_to_rest();
    let before = asked.sleeps();
    until("it is looked at again and again", || {
        asked.sleeps() >= before + 10
    });
    fs::remove_file(host.path("far/above/it/.env")).unwrap();
    replace(&host.path("far/above/it/.env"), "SECRET=new\n");
    asked.comes_to_fail("cat far/above/it/.env >/dev/null");
    host.write("later", "SECRET=1\n");
    asked.comes_to_fail("cat later >/dev/null");
    mode(&host.path("far/above"), 0o755);
}

/// The command itself changes what is told of, as fast as it can, while the host makes what is hidden.
#[test]
fn a_command_that_makes_changes_without_end_keeps_nothing_open() {
    let _alone = alone();
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = asking(&host, &sandbox);
    asked.comes_to_rest();
    assert!(asked.succeeds("{ while [ ! -e end ]; do : > x; rm x; done & }"));
    for _ in 0..5 {
        host.write("later", "SECRET=1\n");
        asked.comes_to_fail("cat later >/dev/null");
        fs::remove_file(host.path("later")).unwrap();
    }
    host.write("end", "");
}

/// What one command was told of is closed when it ends: the next one, and one beside it, are told for themselves.
#[test]
fn so_it_is_for_the_next_command() {
    let _alone = alone();
    let host = host();
    let sandbox = sandbox(&host);
    for _ in 0..2 {
        let mut asked = asking(&host, &sandbox);
        let other = busy(&sandbox);
        let mut third = asking(&host, &sandbox);
        asked.comes_to_rest();
        third.comes_to_rest();
        host.write("later", "SECRET=1\n");
        asked.comes_to_fail("cat later >/dev/null");
        third.comes_to_fail("cat later >/dev/null");
        fs::remove_file(host.path("later")).unwrap();
        for mut child in [asked.child, other, third.child] {
            child.kill().unwrap();
            let _ = child.wait().unwrap();
        }
    }
    host.write("later", "SECRET=2\n");
    let read = || shell(&host, &sandbox, "cat later; cat plain");
    until("it is covered", || read() == "old\n");
}
