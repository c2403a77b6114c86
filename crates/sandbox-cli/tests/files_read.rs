//! Invariants 1 and 6: what is hidden can't be read, by whatever name; a strange rule never opens another one.

use sandbox_testing::{Calls, Host, is_root, needs_ordinary_user, needs_root};
use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::PermissionsExt,
    },
    path::Path,
};

/// A host with something to hide, and a name beside it that may be seen.
fn host() -> Host {
    Host::new()
        .file("@outside/private/key", "SECRET key\n")
        .file("@outside/private/deep/er/key", "SECRET deep key\n")
        .file("src/main", "source\n")
}

/// The script gets the secret where `@outside/private` may be read, and nothing where it is hidden.
#[track_caller]
fn reads_only_by_rule(script: &str) {
    let script = ["sh", "-c", script];
    host()
        .run("@outside/private = hide", script)
        .never_says("SECRET");
    host()
        .run("@outside/private = read", script)
        .stdout_contains("SECRET");
}

/// The script gets the secret without a sandbox, and nothing where `@outside/private` is hidden.
#[track_caller]
fn reads_only_outside(script: &str) {
    let script = ["sh", "-c", script];
    host()
        .run("@outside/private = hide", script)
        .never_says("SECRET");
    host().bare(script).output().stdout_contains("SECRET");
}

#[test]
fn by_its_path() {
    let host = host();
    let command = ["cat", "@outside/private/key"];
    host.run("@outside/private = hide", command)
        .fails()
        .stdout("");
    host.run("@outside/private = read", command)
        .succeeds()
        .stdout("SECRET key");
}

#[test]
fn a_single_file_by_its_path() {
    let host = host();
    let command = [
        "cat",
        "@outside/private/key",
        "@outside/private/deep/er/key",
    ];
    host.run("@outside/private/key = hide", command)
        .fails()
        .stdout("SECRET deep key");
    host.run("@outside/private/key = read", command).succeeds();
}

#[test]
fn by_dot_dot() {
    reads_only_by_rule("cat src/../../outside/private/key");
    reads_only_by_rule("cd src && cat ../../outside/private/deep/er/key");
}

#[test]
fn through_a_symlink() {
    reads_only_by_rule("ln -s ../outside/private/key l && cat l");
    reads_only_by_rule("ln -s ../outside/private d && cat d/key");
    reads_only_by_rule("ln -s .. up && cat up/outside/private/key");
}

#[test]
fn through_the_roots_and_directories_in_procfs() {
    for link in ["/proc/self/root", "/proc/thread-self/root", "/proc/$$/root"] {
        reads_only_by_rule(&format!("cat {link}$(cd .. && pwd)/outside/private/key"));
    }
    reads_only_by_rule("cat /proc/self/cwd/../outside/private/key");
    reads_only_by_rule("exec 3<.. && cat /proc/self/fd/3/outside/private/key");
    // Of every process that can be seen, init included.
    reads_only_by_rule("cat /proc/[0-9]*/root$(cd .. && pwd)/outside/private/key 2>/dev/null");
}

#[test]
fn through_the_root_of_a_process_outside() {
    let script = format!(
        "cat /proc/{}/root$(cd .. && pwd)/outside/private/key",
        std::process::id()
    );
    reads_only_outside(&script);
}

#[test]
fn through_a_hard_link_made_inside() {
    reads_only_outside("ln ../outside/private/key h && cat h");
}

#[test]
fn a_file_with_a_second_name_is_reported_at_start() {
    let host = host();
    fs::hard_link(
        host.path("@outside/private/key"),
        host.path("@outside/second"),
    )
    .unwrap();
    for hidden in ["@outside/private/key", "@outside/private"] {
        host.run(&format!("{hidden} = hide"), ["true"])
            .succeeds()
            .stderr_contains("outside/private/key` is hidden, and has a hard link");
    }
    host.run("@outside/private/deep/er/key = hide", ["true"])
        .succeeds()
        .never_says("hard link");
    // Both names are hidden.
    host.sandbox(["true"])
        .rule("@outside/private = hide")
        .rule("@outside/second = hide")
        .output()
        .succeeds()
        .never_says("hard link");
}

#[test]
fn after_it_was_moved_or_renamed() {
    let command = ["sh", "-c", "mv a/secrets a/s; cat a/s/key a/secrets/key"];
    let host = Host::new().file("a/secrets/key", "SECRET");
    host.run("a/secrets = hide", command).never_says("SECRET");
    let host = Host::new().file("a/secrets/key", "SECRET");
    host.run("a/secrets = write", command)
        .stdout_contains("SECRET");
}

#[test]
fn after_a_parent_was_renamed() {
    let command = ["sh", "-c", "mv a b; cat b/secrets/key a/secrets/key"];
    let host = Host::new().file("a/secrets/key", "SECRET");
    host.run("a/secrets = hide", command).never_says("SECRET");
    let host = Host::new().file("a/secrets/key", "SECRET");
    host.run("a/secrets = write", command)
        .stdout_contains("SECRET");
}

#[test]
fn after_a_change_of_mode() {
    reads_only_by_rule(
        "chmod 700 ../outside/private ../outside/private/key; cat ../outside/private/key",
    );
}

#[test]
fn below_a_writable_directory() {
    let host = Host::new()
        .file(".env", "SECRET")
        .file("x/y/.env", "SECRET deep");
    let command = [
        "sh",
        "-c",
        "cat .env x/y/.env; cp .env e; cat e; cp -r x z; cat z/y/.env",
    ];
    host.run("@ws/**/.env = hide", command).never_says("SECRET");
    host.run("@ws/**/.env = write", command)
        .stdout_contains("SECRET deep");
}

#[test]
fn neither_names_nor_metadata_of_what_lies_below() {
    for script in [
        "ls -la ../outside/private",
        "find ../outside",
        "echo ../outside/private/*",
        "stat ../outside/private/deep",
        "cd ../outside/private && ls",
    ] {
        let command = ["sh", "-c", script];
        let host = host();
        host.run("@outside/private = hide", command)
            .never_says("deep/er")
            .never_says("Access: ");
        let shown = host.run("@outside/private = read", command).text();
        assert!(shown.contains("deep"), "control `{script}`: {shown}");
    }
}

#[test]
fn a_listing_of_what_is_hidden_shows_nothing() {
    let host = host();
    let count = ["sh", "-c", "ls -A ../outside/private 2>/dev/null | wc -l"];
    host.run("@outside/private = hide", count).stdout("0");
    host.run("@outside/private = read", count).stdout("2");
}

#[test]
fn with_a_writable_island_in_it() {
    let host = host().dir("@outside/island");
    let rules = ["--hide", "@outside", "--write", "@outside/island"];
    let run = |script: &str| host.sandbox(["sh", "-c", script]).options(rules).output();
    run("echo made > ../outside/island/file").succeeds();
    assert_eq!(host.read("@outside/island/file"), "made\n");
    run("cat ../outside/island/../private/key ../outside/private/key; ls ../outside; cd ../outside/island && cat ../private/key")
        .never_says("SECRET")
        .never_says("public");
}

#[test]
fn with_a_readable_directory_in_it() {
    let host = host();
    let rules = ["--hide", "@outside", "--read", "@outside/private/deep"];
    host.sandbox(["cat", "@outside/private/deep/er/key"])
        .options(rules)
        .output()
        .stdout("SECRET deep key");
    host.sandbox(["cat", "@outside/private/key"])
        .options(rules)
        .output()
        .fails()
        .stdout("");
}

#[test]
fn the_order_of_rules_is_irrelevant() {
    let host = host();
    for rules in [
        ["--read", "@outside", "--hide", "@outside/private"],
        ["--hide", "@outside/private", "--read", "@outside"],
    ] {
        host.sandbox(["cat", "@outside/private/key"])
            .options(rules)
            .output()
            .fails()
            .stdout("");
    }
}

#[test]
fn a_rule_on_a_symlink_hides_what_it_points_to() {
    let host = host().symlink("~/alias", "@outside/private");
    let command = ["cat", "@home/alias/key", "@outside/private/key"];
    host.run("~/alias = hide", command)
        .fails()
        .never_says("SECRET");
    host.run("~/alias = read", command).succeeds();
}

#[test]
fn a_rule_through_a_symlink_hides_what_lies_there() {
    let host = host().symlink("~/alias", "@outside");
    let command = ["cat", "@home/alias/private/key", "@outside/private/key"];
    host.run("~/alias/private = hide", command)
        .fails()
        .never_says("SECRET");
    host.run("~/alias/private = read", command).succeeds();
}

#[test]
fn strange_rules_never_disable_another_one() {
    let strange: [(&str, &[u8]); 9] = [
        ("missing", b"@outside/nothing/there"),
        ("missing below a file", b"@outside/public/below"),
        ("dangling link", b"~/dangling"),
        ("loop", b"~/loop"),
        ("below a loop", b"~/loop/x"),
        ("not UTF-8", b"@outside/n\xFF"),
        ("line break", b"@outside/line\nbreak"),
        ("a device", b"/dev/null"),
        ("very long", &[b'x'; 5000]),
    ];
    for (what, pattern) in strange {
        let host = host()
            .symlink("~/dangling", "@outside/nothing")
            .symlink("~/loop", "loop")
            .file("@outside/line\nbreak", "SECRET line");
        fs::write(
            host.path("@outside").join(OsStr::from_bytes(b"n\xFF")),
            "SECRET bytes",
        )
        .unwrap();
        let pattern = pattern
            .strip_prefix(b"@outside")
            .map_or(pattern.to_vec(), |rest| {
                [host.path("@outside").as_os_str().as_bytes(), rest].concat()
            });
        for order in [false, true] {
            let hide = OsStr::new("--hide");
            let private = host.path("@outside/private").into_os_string();
            let strange = OsStr::from_bytes(&pattern);
            let mut rules = [[hide, &private], [hide, strange]];
            if order {
                rules.reverse();
            }
            let outcome = host
                .sandbox([
                    "sh",
                    "-c",
                    "cat ../outside/private/key ../outside/n* ../outside/line*; true",
                ])
                .options(rules.concat())
                .output();
            outcome.never_says("SECRET key");
            match what {
                "not UTF-8" => outcome.never_says("SECRET bytes"),
                "line break" => outcome.never_says("SECRET line"),
                _ => &outcome,
            };
            // Its defined result, or a clear refusal.
            assert!(
                outcome.code() == Some(0)
                    || outcome.code() == Some(125) && outcome.errors().contains("error:"),
                "{what}: {}",
                outcome.show()
            );
        }
    }
}

#[test]
fn missing_and_dangling_names_can_be_hidden() {
    let host = host().symlink("~/dangling", "@outside/nothing");
    for pattern in ["@outside/nothing/there", "~/dangling"] {
        host.run(&format!("{pattern} = hide"), ["true"]).succeeds();
    }
    assert!(!host.has("@outside/nothing"));
}

#[test]
fn names_of_every_byte_are_hidden() {
    for name in [
        &b"n\xFF\xFE"[..],
        b"line\nbreak",
        b"space and tab\t",
        b"-rf",
        b"\x1b[31m",
        b"\\",
        b"\"",
    ] {
        let host = Host::new();
        let path = host.path("@outside").join(OsStr::from_bytes(name));
        fs::write(&path, "SECRET").unwrap();
        let cat = [OsStr::new("cat"), OsStr::new("--"), path.as_os_str()];
        host.sandbox(cat).output().succeeds().stdout("SECRET");
        host.sandbox(cat)
            .options([OsStr::new("--hide"), &literal(&path)])
            .output()
            .fails()
            .stdout("");
    }
}

/// A pattern that matches this path only.
fn literal(path: &Path) -> OsString {
    let bytes = path
        .as_os_str()
        .as_bytes()
        .iter()
        .flat_map(|byte| match byte {
            b'[' | b'*' | b'?' => vec![b'[', *byte, b']'],
            byte => vec![*byte],
        });
    OsString::from_vec(bytes.collect())
}

#[test]
fn what_this_user_cannot_look_into_stays_closed() {
    if !needs_ordinary_user() {
        return;
    }
    let host = host().mode("@outside/private", 0o000);
    let outcome = host.run(
        "@outside/private/key = hide",
        [
            "sh",
            "-c",
            "chmod 700 ../outside/private; cat ../outside/private/key",
        ],
    );
    outcome.never_says("SECRET");
    assert!(
        matches!(outcome.code(), Some(1 | 125)),
        "{}",
        outcome.show()
    );
}

/// Runs the first script and then the second one, each in a sandbox of its own with the same rules: what is hidden is not
/// read in the second. The control has no rules.
#[track_caller]
fn is_hidden_from_the_next_run(rules: &[&str], first: &str, second: &str) {
    let host = || {
        Host::new()
            .file("sec/deep/key", "SECRET key")
            .file("sub/deep/.env", "SECRET env")
    };
    let run = |host: &Host, rules: &[&str], script: &str| {
        let sandbox = host.sandbox(["sh", "-c", script]);
        sandbox.options(rules.iter().copied()).output()
    };
    let attacked = host();
    run(&attacked, rules, first).never_says("SECRET");
    let outcome = run(&attacked, rules, second);
    outcome.never_says("SECRET");
    // What was closed can be opened again for the temporary directory to be removed.
    attacked.bare(["chmod", "-R", "u+rwx", "."]).output();

    let control = host();
    run(&control, &[], first);
    run(&control, &[], second).stdout_contains("SECRET");
}

#[test]
fn in_a_directory_that_the_last_run_closed() {
    if !needs_ordinary_user() {
        return;
    }
    let rules = ["--hide", "sec/deep/key", "--hide", "**/.env"];
    let second = "chmod -R u+rwx .; cat sec/deep/key sub/deep/.env s/*/key s/*/.env; true";
    for mode in ["000", "311", "444", "600"] {
        for closed in ["sec sub", "sec/deep sub/deep"] {
            let first = format!("chmod {mode} {closed}; true");
            is_hidden_from_the_next_run(&rules, &first, second);
        }
    }
}

#[test]
fn in_a_directory_that_the_last_run_moved_or_replaced() {
    let rules = ["--hide", "sec/deep/key"];
    let second = "find . -name key -exec cat {} +";
    for first in [
        "mv sec other",
        "mv sec/deep sec/other",
        "mkdir x; mv sec x/; mkdir -p sec/deep; touch sec/deep/key",
    ] {
        is_hidden_from_the_next_run(&rules, first, second);
    }
}

#[test]
fn a_rule_through_a_link_that_the_command_can_change_is_refused() {
    let host = Host::new()
        .file("sec/key", "SECRET")
        .symlink("link", "sec")
        .symlink("~/link", "@ws/sec");
    for rule in ["link/key = hide", "link = hide", "link = read"] {
        let outcome = host.run(rule, ["true"]);
        outcome.stderr_contains("symbolic link");
        assert_eq!(outcome.code(), Some(125), "{}", outcome.show());
    }
    // The path itself, and a link that the command cannot change.
    for rule in ["sec/key = hide", "~/link/key = hide"] {
        host.run(rule, ["cat", "sec/key", "link/key"])
            .fails()
            .never_says("SECRET");
    }
}

#[test]
fn in_the_home_of_the_caller_as_a_uid_without_an_account() {
    if !needs_root() {
        return;
    }
    // Root's own home is closed to others.
    let host = Host::below(Path::new("/srv"));
    for path in ["@root", "@home", "@home/.ssh", "@ws"] {
        fs::set_permissions(host.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let run = |rule: [&str; 2]| {
        host.sandbox(["cat", "@home/.ssh/id_rsa"])
            .options(["--user", "65533:65533"])
            .options(rule)
            .output()
    };
    run(["--read", "@home"]).fails().never_says("SECRET");
    run(["--read", "@home/.ssh"]).stdout_contains("SECRET");
}

#[test]
fn by_a_file_handle() {
    let host = host();
    let path = "s:@outside/private/key";
    // struct file_handle { handle_bytes: 128, handle_type, f_handle } and a mount id.
    let handle = format!("x:80000000{}", "00".repeat(140));
    let calls = Calls::new()
        .call(
            libc::SYS_name_to_handle_at,
            ["-100", path, &handle, "z:8", "0"],
        )
        .call(libc::SYS_openat, ["-100", "s:/", "0"])
        .call(libc::SYS_open_by_handle_at, ["r:1", "b:2", "0"])
        .call(libc::SYS_read, ["r:2", "z:64", "64"])
        .call(libc::SYS_write, ["1", "b:0", "64"]);
    host.sandbox(calls.clone())
        .options(["--hide", "@outside/private"])
        .output()
        .never_says("SECRET");
    if is_root() {
        host.bare(calls).output().stdout_contains("SECRET");
    }
}

#[test]
fn the_host_is_as_it_was_after_all_of_it() {
    let host = host();
    let before = host.snapshot("@root");
    host.run("@outside/private = hide", ["cat", "@outside/private/key"])
        .fails();
    before.is_unchanged();
}
