use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::GitFile;
use super::rewrite::{GitDenial, may_rewrite_git_config as rewrite, rewrite_module_config};
use super::settings::{Setting, Unreadable, settings};
use crate::{Context, Policy, Ruleset};

fn may(old: &str, new: &str) -> bool {
    rewrite(Some(old.as_bytes()), new.as_bytes()).is_ok()
}

#[test]
fn the_content_decides_about_settings_and_hooks() {
    let policy = Policy::default().read("/").write("/srv");
    let rules = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    for (path, expected) in [
        ("/srv/.git/config", Some(GitFile::Config)),
        ("/srv/a/.git/config.worktree", Some(GitFile::Config)),
        ("/srv/.git/modules/a/b/config", Some(GitFile::ModuleConfig)),
        (
            "/srv/.git/worktrees/a/modules/b/config",
            Some(GitFile::ModuleConfig),
        ),
        ("/srv/.git/worktrees/a/config", Some(GitFile::Config)),
        ("/srv/.git/worktrees/a/hooks", Some(GitFile::Hooks)),
        (
            "/srv/.git/worktrees/a/commondir",
            Some(GitFile::CommonDirectory),
        ),
        ("/srv/.git/modules/a/commondir", None),
        ("/srv/a/.git", Some(GitFile::Link)),
        ("/etc/.git", None),
        (
            "/srv/.git/worktrees/a/config.worktree",
            Some(GitFile::Config),
        ),
        ("/srv/.git/hooks", Some(GitFile::Hooks)),
        ("/srv/.git/modules/a/hooks", Some(GitFile::Hooks)),
        ("/srv/.git/hooks/pre-push.sample", Some(GitFile::Sample)),
        ("/srv/.git/hooks/pre-push", None),
        ("/srv/.git/hooks/a/b.sample", None),
        ("/srv/.git/config/x", None),
        ("/srv/.git/config.sandbox", None),
        ("/srv/.git/config.lock", None),
        ("/srv/.git/commondir", None),
        ("/srv/.jj/repo/store/git/config", None),
        ("/srv/a/config", None),
        ("/srv/../srv/.git/config", None),
        ("/opt/.git/config", None),
    ] {
        assert_eq!(rules.git_file(path.as_ref()), expected, "{path}");
    }
}

/// By names that can't be links by the time that somebody goes there.
#[test]
fn a_file_that_names_a_git_directory_leads_where_no_link_can_be() {
    let policy = Policy::default()
        .read("/")
        .write("/srv")
        .write("/opt")
        .read("/srv/closed/.git");
    let rules = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    let (elsewhere, unreadable) = (Err(GitDenial::Elsewhere), Err(GitDenial::Unreadable));
    let to = |path: &str| Ok(path.to_owned());
    for (directory, path, expected) in [
        ("/srv/a", "../.git/worktrees/n", to("../.git/worktrees/n")),
        (
            "/srv/a/b",
            "../.git/worktrees/n/modules/b",
            to("../.git/worktrees/n/modules/b"),
        ),
        (
            "/srv/a",
            "./x/.././../.git/modules/a",
            to("../.git/modules/a"),
        ),
        ("/srv/a", "../.git/modules/ü a", to("../.git/modules/ü a")),
        // Nothing above the top of what may be written can be replaced.
        (
            "/srv/a",
            "/srv/.git/worktrees/n",
            to("/srv/.git/worktrees/n"),
        ),
        (
            "/srv/a",
            "/opt/.git/worktrees/n",
            to("/opt/.git/worktrees/n"),
        ),
        ("/srv/a/b", "/srv/a/.git/modules/b", to("../.git/modules/b")),
        (
            "/srv/a/b/c",
            "/srv/a/.git/worktrees/n",
            to("../../.git/worktrees/n"),
        ),
        ("/srv/a", "/srv/b/.git/worktrees/n", elsewhere.clone()),
        ("/srv/a", "../b/.git/worktrees/n", elsewhere.clone()),
        ("/srv/a", "../../opt/.git/worktrees/n", elsewhere.clone()),
        ("/srv/a", ".git/worktrees/n", elsewhere.clone()),
        // Where nothing may be written, or all.
        ("/srv/a", "/etc/.git/worktrees/n", elsewhere.clone()),
        ("/srv/a", "../../.git/worktrees/n", elsewhere.clone()),
        ("/srv", "../.git/worktrees/n", elsewhere.clone()),
        ("/srv/closed/a", "../.git/worktrees/n", elsewhere.clone()),
        // Not to what is protected.
        ("/srv/a", "../.git", elsewhere.clone()),
        ("/srv/a", "../.git/modules", elsewhere.clone()),
        ("/srv/a", "../.git/worktrees/n/x", elsewhere.clone()),
        ("/srv/a", "../.git/objects/n", elsewhere.clone()),
        ("/srv/a", "../.git/modules/../../evil", elsewhere.clone()),
        ("/srv/a", "../evil", elsewhere.clone()),
        ("/srv/a", "/evil", elsewhere),
        ("/srv/a", "../.git/modules/a\n", unreadable.clone()),
        ("/srv/a", "../.git/modules/a\r", unreadable.clone()),
        ("/srv/a", "../.git/modules/a\0/x", unreadable.clone()),
        ("/srv/a", "", unreadable.clone()),
    ] {
        let content = format!("gitdir: {path}\n");
        let found = rules.git_link(directory.as_ref(), content.as_bytes());
        let found = found.map(|link| link.content);
        let expected = expected.map(|path| format!("gitdir: {path}\n").into_bytes());
        assert_eq!(found, expected, "{directory}: {path}");
    }
    for content in [
        "gitdir: ../.git/modules/a",
        "gitdir ../.git/modules/a\n",
        "\n",
        "",
    ] {
        let found = rules.git_link("/srv/a".as_ref(), content.as_bytes());
        assert_eq!(found.map(drop), unreadable.clone().map(drop), "{content}");
    }
}

/// git goes where it says, by whatever link is there then.
#[test]
fn where_the_files_of_a_submodule_are_is_left_out_of_its_settings() {
    let rewrite = |old: &str, new: &str| {
        let content = rewrite_module_config(Some(old.as_bytes()), new.as_bytes());
        content.map(|content| String::from_utf8(content.into_owned()).unwrap())
    };
    let core = "[core]\n\tbare = false\n";
    let evil = "[core]\n\tfsmonitor = x\n";
    let at = |path: &str| format!("{core}\tworktree = {path}\n");
    let denied = |name: &str| Err(GitDenial::Setting { name: name.into() });
    for (old, new, expected) in [
        ("", at("../../../a"), Ok(core.to_owned())),
        (core, at("../../../a"), Ok(core.to_owned())),
        (
            core,
            format!("{}[user]\n\tname = x\n", at("a")),
            Ok(format!("{core}[user]\n\tname = x\n")),
        ),
        // What is there stays, or goes.
        (
            &at("a"),
            format!("{}[user]\n\tname = x\n", at("a")),
            Ok(format!("{}[user]\n\tname = x\n", at("a"))),
        ),
        (&at("a"), core.to_owned(), Ok(core.to_owned())),
        (&at("a"), at("b"), Ok(core.to_owned())),
        // In no other spelling, and nothing with it.
        (
            core,
            format!("{core}\tworktree = a\\\n\tb\n"),
            denied("core.worktree"),
        ),
        (
            core,
            format!("{core}\tWorktree = a\n"),
            denied("core.worktree"),
        ),
        (
            core,
            "[core] worktree = a\n".to_owned(),
            denied("core.worktree"),
        ),
        (
            core,
            format!("{}\tfsmonitor = x\n", at("a")),
            denied("core.fsmonitor"),
        ),
        (evil, at("a"), denied("core.fsmonitor")),
    ] {
        assert_eq!(rewrite(old, &new), expected, "{old}: {new}");
    }
    // And not elsewhere.
    assert!(!may(core, &at("a")));
}

/// A rule that says something of the very path is no protected path: it holds.
#[test]
fn a_rule_about_settings_is_not_softened() {
    let policy = Policy::default()
        .read("/")
        .write("/srv")
        .read("/srv/.git/config");
    let rules = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    assert_eq!(rules.git_file("/srv/.git/config".as_ref()), None);
}

#[test]
fn what_git_does_in_a_day_passes() {
    let made = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n";
    for more in [
        "",
        "[user]\n\tname = Ana O'Neill\n\temail = ana@example.org\n",
        "[remote \"origin\"]\n\turl = https://github.com/a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
         [branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n",
        "[remote \"origin\"]\n\turl = git@github.com:a/b.git\n\tpushurl = ssh://git@host:22/~a/b\n",
        "[remote \"o\"]\n\turl = /srv/git/my repo.git\n\tfetch = +refs/heads/main:refs/remotes/o/main\n\ttagOpt = --no-tags\n",
        "[remote \"o\"]\n\turl = file:///srv/git/b.git\n[remote \"p\"]\n\turl = ../b/.\n[branch \"x/y\"]\n\tremote = .\n\tmerge = refs/heads/main\n\trebase = true\n",
        "[branch \"pr\"]\n\tremote = https://github.com/fork/b.git\n\tmerge = refs/heads/pr\n",
        "[submodule]\n\tactive = .\n[submodule \"lib/a\"]\n\turl = https://host/a\n\tactive = true\n\tupdate = checkout\n",
        "[extensions]\n\tworktreeConfig = true\n\tpartialClone = o\n[remote \"o\"]\n\turl = git://host/x\n\tpromisor = true\n\tpartialclonefilter = blob:none\n",
        "[lfs]\n\trepositoryformatversion = 0\n[pull]\n\trebase\n[push]\n\tautoSetupRemote = true\n",
        "[core]\n\tquotePath = off\n\teol = lf\n\tsafecrlf = warn\n[merge]\n\tconflictStyle = zdiff3\n\tff = only\n[rebase]\n\tautoStash = true\n",
        "[color]\n\tui = auto\n[diff]\n\talgorithm = histogram\n\trenames = copies\n[init]\n\tdefaultBranch = main\n[http]\n\tpostBuffer = 524288000\n",
    ] {
        let new = format!("{made}{more}");
        assert!(rewrite(None, new.as_bytes()).is_ok(), "{more}");
        assert!(may(&new, made), "taken away again: {more}");
    }
}

#[test]
fn what_is_not_plain_is_frozen() {
    for new in [
        "[remote \"o\"]\n\turl = ext::sh -c evil\n",
        "[remote \"o\"]\n\turl = evil::x\n",
        "[remote \"o\"]\n\turl = evil://x\n",
        "[remote \"o\"]\n\turl = ssh://-oProxyCommand=evil/x\n",
        "[remote \"o\"]\n\turl = ssh://-oProxyCommand=evil@host/x\n",
        "[remote \"o\"]\n\turl = -oProxyCommand=evil:x\n",
        "[remote \"o\"]\n\turl = https://host/%0Ahost=evil\n",
        "[remote \"o\"]\n\turl = https:///x\n",
        "[remote \"o\"]\n\turl = file:///%77/planted\n",
        "[remote \"o\"]\n\turl = planted\n",
        "[remote \"o\"]\n\turl = \"https://host/a\\nb\"\n",
        "[remote \"o\"]\n\turl\n",
        "[remote \"o\"]\n\tfetch = +refs/heads/*:refs/heads/*\n",
        "[remote \"o\"]\n\tfetch = --upload-pack=evil\n",
        "[remote \"o\"]\n\tmirror = true\n",
        "[remote \"o\"]\n\tpush = +refs/heads/*\n",
        "[remote \"../../x\"]\n\tprune = true\n",
        "[branch \"x\"]\n\tremote = o\n",
        "[branch \"x\"]\n\tremote = planted/repository\n",
        "[branch \"x\"]\n\tremote = --upload-pack=evil\n",
        "[branch \"x\"]\n\tmerge = --evil\n",
        "[submodule \"../x\"]\n\turl = https://host/a\n",
        "[user]\n\tname = \"a\\nb\"\n",
        "[user]\n\tsigningKey = x\n",
        "[unheard \"of\"]\n\tkey = 1\n",
        "[status]\n\tshowUntrackedFiles = no\n",
        "[core]\n\tuntrackedCache = true\n",
        "[diff]\n\tignoreSubmodules = all\n",
        "[commit]\n\tgpgSign = false\n",
        "[http]\n\tsslVerify = false\n",
        "[merge]\n\ttool = x\n",
        "[diff]\n\talgorithm = x\n",
        "[core \"x\"]\n\tbare = true\n",
        "[remote]\n\turl = https://host/a\n",
        "[core]\n\trepositoryformatversion = 2\n",
    ] {
        assert!(!may("", new), "{new}");
    }
}

/// Of several the last one counts; and what is included counts where it is.
#[test]
fn what_is_frozen_keeps_its_order() {
    let (a, b) = ("[alias]\n\tx = !a\n", "[alias]\n\tx = !b\n");
    let both = |first: &str, second: &str| format!("{first}{second}");
    assert!(may(
        &both(a, b),
        &format!("{a}[core]\n\tbare = false\n{b}# text\n")
    ));
    assert!(!may(&both(a, b), &both(b, a)));
    assert!(!may(&both(a, b), a));
    assert!(!may(a, &both(a, a)));
    // In another section, the same name.
    assert!(may("[a \"b\"]\n\tx = 1\n", "[a.b]\n\tx = 1\n"));
    assert!(!may("[a \"b\"]\n\tx = 1\n", "[a \"B\"]\n\tx = 1\n"));
}

/// The last remote of that name is gone, and the name is an address then.
#[test]
fn a_branch_keeps_a_remote_that_has_an_address() {
    let remote = "[remote \"o\"]\n\turl = https://host/a\n";
    let branch = "[branch \"x\"]\n\tremote = o\n";
    let both = format!("{remote}{branch}");
    assert!(may("", &both) && may(&both, ""));
    assert!(!may(&both, branch));
}

#[test]
fn what_is_not_understood_is_denied() {
    for text in [
        "x = 1\n",
        "[]\n",
        "[ \"x\"]\n",
        "[.x]\n",
        "[core\n",
        "[core \"x]\n",
        "[core \"x\"\n",
        "[core] bare = \"x\n",
        "[core] bare = \\x\n",
        "[core] b_re = x\n",
        "[core] = x\n",
        "[core]\r bare = x\n",
        "[core] bare = x\r",
        "[core] bare = x\0\n",
        "\u{feff}[core]\n",
    ] {
        assert_eq!(settings(text.as_bytes()), Err(Unreadable), "{text:?}");
        let denial = rewrite(Some(text.as_bytes()), b"");
        assert_eq!(denial, Err(GitDenial::Unreadable));
    }
}

#[test]
fn settings_are_read_as_git_reads_them() {
    let read = |text: &str| {
        let all = settings(text.as_bytes()).unwrap();
        let show = |setting: Setting| {
            let value = setting.value.map(|value| String::from_utf8(value).unwrap());
            (String::from_utf8(setting.name).unwrap(), value)
        };
        all.into_iter().map(show).collect::<Vec<_>>()
    };
    let one = |name: &str, value: &str| vec![(name.to_owned(), Some(value.to_owned()))];
    for (text, name, value) in [
        ("[Core] BARE = Yes", "core.bare", "Yes"),
        ("[A.B \"C.d\"]x=1", "a.b.C.d.x", "1"),
        ("[A.B]x=1", "a.b.x", "1"),
        ("[a \"\\\"\\q\"]x=1", "a.\"q.x", "1"),
        ("[a]x =  b  c ; d", "a.x", "b  c"),
        ("[a]x = \" b \" # c", "a.x", " b "),
        ("[a]x = b\\\n  c\n", "a.x", "b  c"),
        ("[a]x = b\\\r\nc\r\n", "a.x", "bc"),
        ("[a]x = \"b;c\"d\\t\\n", "a.x", "b;cd\t\n"),
        ("[a]x=", "a.x", ""),
        ("[a]x-1=\"\"", "a.x-1", ""),
        ("# [b]y\\\n[a]x=1", "a.x", "1"),
    ] {
        assert_eq!(read(text), one(name, value), "{text:?}");
    }
    assert_eq!(read("[a]x"), [("a.x".to_owned(), None)]);
    assert_eq!(read("[a][b]\n;c\n"), []);
}

/// What git itself reads in a file; `None` if it refuses it.
fn list(git: &Path, file: &Path) -> Option<Vec<Setting>> {
    let mut command = Command::new(git);
    command.args(["config", "--list", "--no-includes", "-z", "-f"]);
    let command = command.arg(file).env_clear().stderr(Stdio::null());
    let output = command.output().unwrap();
    let entries = output.stdout.split(|byte| *byte == 0);
    let entries = entries.filter(|entry| !entry.is_empty());
    let setting = |entry: &[u8]| {
        let end = entry.iter().position(|byte| *byte == b'\n');
        let (name, value) = entry.split_at(end.unwrap_or(entry.len()));
        Setting {
            name: name.to_vec(),
            value: end.and(value.get(1..)).map(<[u8]>::to_vec),
        }
    };
    let all = entries.map(setting).collect();
    output.status.success().then_some(all)
}

/// Pieces of which settings are made, and any bytes between them.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "[", "]", "\"", "\\", "\n", "=", " ", "\t", "#", ";", ".", "\r\n", "\\\n", "\\n", "[a]", "[a \"b\"]", "x", "-",
            "x = ", "y=1\n", "[Core]\n", "\tbare = true\n", "\"\n", "\u{feff}", "[a.b]", "é",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..3),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// The oracle: whatever is taken is what git reads, and what git reads and is not taken is one of the few named above.
#[test]
fn settings_are_what_git_lists() {
    let git = Path::new("/usr/bin/git");
    if !git.is_file() {
        println!("skipped: needs git");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config");
    let config = ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(content in content())| {
        fs::write(&file, &content).unwrap();
        let listed = list(git, &file);
        // Before 2.45 git read other white space within a value as spaces.
        let alike = |mut all: Vec<Setting>| {
            let values = all.iter_mut().filter_map(|it| it.value.as_mut());
            values.flatten().filter(|byte| b"\t\r".contains(byte)).for_each(|byte| *byte = b' ');
            all
        };
        if let Ok(ours) = settings(&content) {
            prop_assert_eq!(Some(alike(ours)), listed.map(alike));
        } else if let Some(listed) = listed {
            let is_odd = content.contains(&0) || content.contains(&b'\r') || content.starts_with(b"\xef\xbb\xbf");
            let is_nameless = |it: &Setting| !it.name.contains(&b'.') || it.name.starts_with(b".");
            let has_nameless = content.windows(2).any(|pair| matches!(pair, [b'[', b'.' | b' ' | b'\t']));
            prop_assert!(is_odd || has_nameless || listed.iter().any(is_nameless), "git: {listed:?}");
        }
    });
}

proptest! {
    /// What is rewritten as it is passes, and never a frozen setting besides.
    #[test]
    fn only_harmless_settings_differ(old in content(), new in content()) {
        if settings(&old).is_ok() {
            prop_assert_eq!(rewrite(Some(&old), &old), Ok(()));
        }
        let hostile = [new.as_slice(), b"\n[core]\n\tfsmonitor = evil\n"].concat();
        prop_assert!(rewrite(Some(&old), &hostile).is_err());
    }
}
