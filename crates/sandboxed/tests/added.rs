//! The host adds to directories that are put together from what is visible in them (`[system] hide = "assemble"`): what no rule
//! is about appears, what a rule is about never does.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

mod asked;

use std::fs;
use std::os::unix::fs::symlink;

use asked::{Asked, busy, replace, shell};
use sandbox_testing::{Host, until};
use sandboxed::{Context, HideBy, Policy, Preset, Sandbox};

/// A host with a directory of which `key`, `later` and something below `way` and `none` are hidden.
fn host() -> Host {
    Host::new()
        .file("@outside/private/key", "SECRET\n")
        .file("@outside/private/plain", "plain\n")
        .file("@outside/private/way/key", "SECRET\n")
        .file("@outside/private/way/plain", "plain\n")
        .file("@outside/private/deep/er/file", "deep\n")
        .symlink("@outside/private/link", "plain")
}

fn policy(host: &Host) -> Policy {
    Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("@outside/private/key"))
        .hide(host.path("@outside/private/later"))
        .hide(host.path("@outside/private/way/key"))
        .hide(host.path("@outside/private/none/key"))
        .hide_by(HideBy::Assemble)
}

fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&policy(host)).unwrap()
}

/// What the next command prints, and the one after it where another runs already.
fn next_two(host: &Host, sandbox: &Sandbox, script: &str) -> [String; 2] {
    let first = shell(host, sandbox, script);
    let other = busy(sandbox);
    let second = shell(host, sandbox, script);
    drop(other);
    [first, second]
}

impl Asked {
    fn sees(&mut self, host: &Host, test: &str) -> bool {
        self.succeeds(&host.expand(test))
    }

    fn comes_to_see(&mut self, host: &Host, test: &str) {
        until(test, || self.sees(host, test));
    }
}

/// Adds a name that every command may see, and waits until it does: a look has been since.
fn wait_for_a_look(host: &Host, asked: &mut [Asked], name: &str) {
    host.write(format!("@outside/private/{name}"), "seen\n");
    for asked in asked {
        asked.comes_to_see(host, &format!("grep -q seen @outside/private/{name}"));
    }
}

#[test]
fn what_the_host_adds_appears_for_commands_that_run() {
    let host = host();
    let sandbox = sandbox(&host);
    // The second has an init of its own.
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    host.write("@outside/private/file", "added\n");
    fs::create_dir_all(host.path("@outside/private/directory/in")).unwrap();
    host.write("@outside/private/directory/in/it", "added\n");
    symlink("directory/in", host.path("@outside/private/there")).unwrap();
    host.write("@outside/private/way/file", "added\n");
    for asked in &mut asked {
        for path in ["file", "directory/in/it", "there/it", "way/file"] {
            asked.comes_to_see(&host, &format!("grep -q added @outside/private/{path}"));
        }
        // It is the host's, and as little to be changed as the rest.
        let outside = host.snapshot_outside();
        for attempt in [
            "echo x > @outside/private/file",
            "rm @outside/private/file",
            "rm @outside/private/there",
            "touch @outside/private/directory/new",
            "touch @outside/private/new",
            "rmdir @outside/private/directory",
        ] {
            assert!(
                !asked.sees(&host, &format!("({attempt}) 2>/dev/null")),
                "{attempt}"
            );
        }
        outside.is_unchanged();
    }
}

#[test]
fn what_the_host_adds_appears_for_the_next_command() {
    let host = host();
    let sandbox = sandbox(&host);
    assert_eq!(shell(&host, &sandbox, "cat @outside/private/file"), "");
    host.write("@outside/private/file", "added\n");
    fs::create_dir(host.path("@outside/private/directory")).unwrap();
    host.write("@outside/private/directory/file", "in it\n");
    let script = "cd @outside/private; cat file directory/file plain key way/key";
    until("it is there", || {
        next_two(&host, &sandbox, script) == ["added\nin it\nplain\n"; 2]
    });
    let names = shell(&host, &sandbox, "ls -A @outside/private");
    assert_eq!(names, "deep\ndirectory\nfile\nlink\nplain\nway\n");
}

#[test]
fn what_a_rule_is_about_never_appears() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    replace(&host.path("@outside/private/key"), "SECRET\n");
    host.write("@outside/private/later", "SECRET\n");
    host.write("@outside/private/LATER", "SECRET\n");
    fs::create_dir(host.path("@outside/private/none")).unwrap();
    host.write("@outside/private/none/key", "SECRET\n");
    host.write("@outside/private/none/plain", "plain\n");
    replace(&host.path("@outside/private/way/key"), "SECRET\n");
    wait_for_a_look(&host, &mut asked, "control");
    wait_for_a_look(&host, &mut asked, "way/control");
    let listed = "cd @outside/private; ls -A . way none; grep -rh SECRET .";
    let expected = ".:\ncontrol\ndeep\nlink\nplain\nway\n\nway:\ncontrol\nplain\n";
    assert_eq!(next_two(&host, &sandbox, listed), [expected; 2]);
    for asked in &mut asked {
        assert!(!asked.sees(&host, "[ -e @outside/private/key ]"));
        assert!(!asked.sees(&host, "[ -e @outside/private/none ]"));
        assert!(!asked.sees(&host, "grep -rq SECRET @outside/private"));
    }
}

#[test]
fn without_the_rules_all_of_it_appears() {
    let host = host();
    let rules = Policy::preset(Preset::ReadOnly)
        .write(host.path("@ws"))
        .hide(host.path("@outside/private/link/other"))
        .hide(host.path("@outside/private/key"))
        .hide_by(HideBy::Assemble);
    let sandbox = Sandbox::new(&rules).unwrap();
    let mut asked = Asked::new(&host, &sandbox);
    host.write("@outside/private/later", "SECRET\n");
    fs::create_dir(host.path("@outside/private/none")).unwrap();
    host.write("@outside/private/none/key", "SECRET\n");
    for path in ["later", "none/key"] {
        asked.comes_to_see(&host, &format!("grep -q SECRET @outside/private/{path}"));
    }
}

/// What was hidden stays so under another name, as long as it stays in such a directory.
#[test]
fn what_is_hidden_is_not_shown_under_another_name() {
    let host = host();
    let sandbox = sandbox(&host);
    let at = |name: &str| host.path(format!("@outside/private/{name}"));
    // The first command makes the sandbox. While none runs, too.
    assert_eq!(
        shell(&host, &sandbox, "cat @outside/private/plain"),
        "plain\n"
    );
    fs::rename(at("key"), at("first")).unwrap();
    fs::hard_link(at("way/key"), at("second")).unwrap();
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    fs::rename(at("way"), at("third")).unwrap();
    wait_for_a_look(&host, &mut asked, "control");
    for asked in &mut asked {
        assert!(!asked.sees(&host, "grep -rq SECRET @outside/private"));
        for name in ["first", "second", "third"] {
            let reads = format!("ls @outside/private/{name}/ || cat @outside/private/{name}");
            assert!(
                !asked.sees(&host, &format!("({reads}) 2>/dev/null")),
                "{name}"
            );
        }
    }
}

#[test]
fn where_a_pattern_reaches_nothing_appears() {
    let pattern = |host: &Host, tail: &str| format!("{}/{tail}", host.path("@outside").display());
    for (tail, appears) in [
        ("**/*.pem", false),
        ("private/*/pem", false),
        ("private/way/*.pem", true),
    ] {
        let host = host();
        let other = host.path("@outside/elsewhere");
        let policy = policy(&host)
            .hide_matching(pattern(&host, tail))
            .hide(other);
        let sandbox = Sandbox::new(&policy).unwrap();
        let mut asked = Asked::new(&host, &sandbox);
        host.write("@outside/private/file", "added\n");
        let test = "[ -e @outside/private/file ]";
        if appears {
            asked.comes_to_see(&host, test);
            continue;
        }
        // There is nothing to wait for but the next commands, before which it would be looked.
        for _ in 0..20 {
            assert_eq!(
                next_two(&host, &sandbox, "cat @outside/private/file"),
                [""; 2]
            );
        }
        assert!(!asked.sees(&host, test));
    }
}

#[test]
fn what_the_host_replaces_is_replaced_and_what_it_removes_goes() {
    let host = host();
    let sandbox = sandbox(&host);
    let at = |name: &str| host.path(format!("@outside/private/{name}"));
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    let all = |asked: &mut [Asked; 2], test: &str| {
        for asked in asked {
            asked.comes_to_see(&host, test);
        }
    };
    for content in ["one", "two", "three"] {
        replace(&at("plain"), content);
        all(
            &mut asked,
            &format!("grep -q {content} @outside/private/plain"),
        );
    }
    // No name that was there in between is left.
    all(&mut asked, "[ \"$(ls @outside/private | wc -l)\" = 4 ]");
    fs::remove_dir_all(at("deep")).unwrap();
    all(&mut asked, "[ ! -e @outside/private/deep ]");
    host.write("@outside/private/deep", "a file\n");
    all(&mut asked, "[ -f @outside/private/deep ]");
    fs::remove_file(at("link")).unwrap();
    symlink("deep", at("link")).unwrap();
    all(&mut asked, "grep -q file @outside/private/link");
    fs::remove_file(at("link")).unwrap();
    fs::create_dir(at("link")).unwrap();
    all(&mut asked, "[ -d @outside/private/link ]");
    fs::remove_dir(at("link")).unwrap();
    all(&mut asked, "[ ! -e @outside/private/link ]");
}

/// Of another directory that takes its place nothing follows, and nothing is shown in it.
#[test]
fn a_directory_that_takes_its_place_is_not_followed() {
    let host = host();
    let sandbox = sandbox(&host);
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    fs::rename(
        host.path("@outside/private/way"),
        host.path("@outside/away"),
    )
    .unwrap();
    fs::create_dir(host.path("@outside/private/way")).unwrap();
    host.write("@outside/private/way/file", "other\n");
    wait_for_a_look(&host, &mut asked, "control");
    for asked in &mut asked {
        assert!(!asked.sees(&host, "[ -e @outside/private/way/file ]"));
    }
}

#[test]
fn nothing_piles_up_however_often_it_changes() {
    let host = host();
    let sandbox = sandbox(&host);
    let child = busy(&sandbox);
    let mounts = || {
        let list = fs::read_to_string(format!("/proc/{}/mountinfo", child.id())).unwrap();
        // Other directories that are put together may change meanwhile.
        let directory = host.path("@outside/private");
        let is_in_it = |line: &&str| line.contains(&*directory.to_string_lossy());
        list.lines().filter(is_in_it).count()
    };
    let before = mounts();
    let mut asked = [Asked::new(&host, &sandbox), Asked::new(&host, &sandbox)];
    for round in 0..100 {
        let name = format!("@outside/private/file-{round}");
        host.write(&name, "added\n");
        replace(&host.path("@outside/private/plain"), "plain\n");
        if round % 20 == 0 {
            for asked in &mut asked {
                asked.comes_to_see(&host, &format!("[ -e {name} ]"));
            }
        }
        fs::remove_file(host.path(&name)).unwrap();
    }
    until("all is as it was", || mounts() == before);
    for asked in &mut asked {
        asked.comes_to_see(&host, "[ \"$(ls @outside/private | wc -l)\" = 4 ]");
    }
}

/// Where `/` is assembled Landlock grants what is added only in a tree that is shown as a whole. Elsewhere it does not appear.
#[test]
fn in_preset_strict_it_appears_in_a_tree_that_is_shown() {
    let host = host();
    let rules = |shown: &str| {
        let policy = Policy::preset(Preset::Strict).write(host.path("@ws"));
        policy
            .read(host.path(shown))
            .hide(host.path("@outside/private/key"))
            .hide_by(HideBy::Assemble)
    };
    // Not where this process is: that may be a home.
    let sandbox = |shown| {
        let builder = Sandbox::builder().context(Context::new(host.path("@ws")));
        builder.build(&rules(shown)).unwrap()
    };
    let (whole, alone) = (sandbox("@outside"), sandbox("@outside/private"));
    let mut in_whole = [Asked::new(&host, &whole), Asked::new(&host, &whole)];
    host.write("@outside/private/file", "added\n");
    for asked in &mut in_whole {
        asked.comes_to_see(&host, "grep -q added @outside/private/file");
        assert!(!asked.sees(&host, "[ -e @outside/private/key ]"));
    }
    let script = "cd @outside/private; cat plain file key";
    for _ in 0..20 {
        assert_eq!(next_two(&host, &alone, script), ["plain\n"; 2]);
    }
}
