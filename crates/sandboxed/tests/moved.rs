//! The host moves a directory that has a mount of the sandbox's over it, to another name that a rule is about.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod asked;

use std::fs;

use asked::{Asked, busy, replace, shell};
use sandbox_testing::{Host, until};
use sandboxed::{Policy, Preset, Sandbox};

/// Of the hidden `parts` something is shown, and can be written; of the hidden `whole` nothing.
#[test]
fn what_is_put_together_hides_no_other_name() {
    let host = Host::new()
        .file("@outside/parts/shown/file", "shown\n")
        .file("@outside/parts/key", "SECRET\n")
        .file("@outside/whole/shown/file", "SECRET\n");
    let policy = Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("@outside/parts"))
        .write(host.path("@outside/parts/shown"))
        .hide(host.path("@outside/whole"));
    let sandbox = Sandbox::new(&policy).unwrap();
    // The second has an init of its own, and so has the third.
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    let other = busy(&sandbox);
    let shown = host.expand("grep -q shown @outside/parts/shown/file");
    for asked in &mut asked {
        assert!(asked.succeeds(&shown));
    }

    fs::rename(host.path("@outside/whole"), host.path("@outside/old")).unwrap();
    fs::rename(host.path("@outside/parts"), host.path("@outside/whole")).unwrap();
    host.write("@outside/whole/shown/later", "SECRET\n");
    let reads = host.expand("cat @outside/whole/shown/later >/dev/null");
    let writes = host.expand("echo x > @outside/whole/shown/written");
    for asked in &mut asked {
        until("it is hidden", || !asked.succeeds(&reads));
        assert!(!asked.succeeds(&format!("({writes}) 2>/dev/null")));
        // What was hidden goes with its cover.
        assert!(!asked.succeeds(&host.expand("cat @outside/old/shown/file >/dev/null")));
    }
    let script = "cat @outside/whole/shown/later";
    assert_eq!(shell(&host, &sandbox, script), "");
    drop(other);
    let written = host.path("@outside/whole/shown/written");
    assert!(!written.try_exists().unwrap());
}

/// The control: where the other name shows a part itself, what is moved there is shown.
#[test]
fn what_is_put_together_shows_its_parts_at_another_such_name() {
    let host = Host::new()
        .file("@outside/parts/shown/file", "shown\n")
        .file("@outside/parts/key", "SECRET\n")
        .file("@outside/whole/shown/file", "of the other\n")
        .file("@outside/whole/key", "SECRET\n");
    let policy = Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("@outside/parts"))
        .read(host.path("@outside/parts/shown"))
        .hide(host.path("@outside/whole"))
        .read(host.path("@outside/whole/shown"));
    let sandbox = Sandbox::new(&policy).unwrap();
    let mut asked = Asked::new(&host, &sandbox);
    fs::rename(host.path("@outside/whole"), host.path("@outside/old")).unwrap();
    fs::rename(host.path("@outside/parts"), host.path("@outside/whole")).unwrap();
    host.write("@outside/whole/shown/later", "later\n");
    let reads = host.expand("cat @outside/whole/shown/later >/dev/null 2>&1");
    until("it is shown", || asked.succeeds(&reads));
    assert!(!asked.succeeds(&host.expand("cat @outside/whole/key 2>/dev/null")));
}

/// What was put together stays, whatever is looked at beside it.
#[test]
fn what_is_put_together_stays() {
    let host = Host::new()
        .file("@outside/parts/shown/file", "shown\n")
        .file("@outside/parts/key", "SECRET\n")
        .file("@outside/file", "SECRET\n");
    let policy = Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("@outside/parts"))
        .read(host.path("@outside/parts/shown"))
        .hide(host.path("@outside/file"));
    let sandbox = Sandbox::new(&policy).unwrap();
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    let sees = host.expand("cat @outside/file >/dev/null 2>&1");
    // A look has been when it is hidden again.
    for round in 0..3 {
        replace(&host.path("@outside/file"), &format!("SECRET {round}\n"));
        for asked in &mut asked {
            until("it is hidden", || !asked.succeeds(&sees));
            assert!(asked.succeeds(&host.expand("grep -q shown @outside/parts/shown/file")));
            assert!(!asked.succeeds(&host.expand("cat @outside/parts/key 2>/dev/null")));
        }
    }
    let script = "cat @outside/parts/shown/file; cat @outside/parts/key";
    assert_eq!(shell(&host, &sandbox, script), "shown\n");
}

/// A private directory of a writable tree is a file system by itself, and what is shown in it has its place there.
#[test]
fn something_is_shown_in_a_private_directory_of_a_writable_tree() {
    let host = Host::new()
        .file("@ws/cache/kept/file", "kept\n")
        .file("@ws/cache/other", "other\n");
    let policy = Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .scratch(host.path("@ws/cache"))
        .read(host.path("@ws/cache/kept"));
    let sandbox = Sandbox::new(&policy).unwrap();
    let script = "cat cache/kept/file cache/other; echo new > cache/new && cat cache/new";
    for _ in 0..2 {
        assert_eq!(shell(&host, &sandbox, script), "kept\nnew\n");
    }
    assert!(!host.path("@ws/cache/new").try_exists().unwrap());
}
