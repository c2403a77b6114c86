use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::{Attempt, Context, NameOf, Operation, Policy, Ruleset, Verdict};

/// Places of a machine: some are there, and each may get rules. `tree` is a linked worktree of `repo`.
const THERE: [&str; 13] = [
    "w",
    "w/src",
    "w/src/.vscode",
    "w/.idea",
    "w/.git/hooks",
    "w/later/.env",
    "ro",
    "ro/w",
    "ro/w/.git/refs",
    "ro/w/.git/worktrees",
    "tree",
    "repo/.git/objects",
    "repo/.git/worktrees/o",
];
const PLACES: [&str; 34] = [
    "w",
    "w/src",
    "w/src/new",
    "w/src/.vscode",
    "w/src/.vscode/settings.json",
    "w/.idea",
    "w/.idea/new",
    "w/.vscode",
    "w/.vscode/settings.json",
    "w/.git",
    "w/.git/hooks",
    "w/.git/hooks/pre-commit",
    "w/.env",
    "w/src/.env",
    "w/later/.env",
    "w/src/node_modules/x/.npmrc",
    "w/.config",
    "ro",
    "ro/new",
    "ro/.vscode",
    "ro/w",
    "ro/w/.git/hooks",
    "ro/w/.git/refs/x",
    "ro/w/.env",
    "ro/w/file",
    "ro/w/.git/worktrees/l",
    "ro/w/.git/FETCH_HEAD",
    "tree/new",
    "repo/.git/HEAD",
    "repo/.git/hooks",
    "repo/.git/objects/info/alternates",
    "repo/.git/worktrees/l",
    "repo/.git/worktrees/o/info",
    "repo/.git/worktrees/o/HEAD",
];

struct Host {
    _directory: tempfile::TempDir,
    root: PathBuf,
    context: Context,
}

fn host() -> Host {
    let directory = tempfile::tempdir().unwrap();
    let root = crate::resolve(directory.path()).unwrap().path;
    for path in THERE {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    std::fs::create_dir(root.join("repo/.git/worktrees/n")).unwrap();
    let own = root.join("repo/.git/worktrees/n");
    let link = format!("gitdir: {}\n", own.display());
    let back = format!("{}\n", root.join("tree/.git").display());
    for (path, content) in [
        ("ro/w/file", ""),
        ("ro/w/.git/HEAD", ""),
        ("repo/.git/HEAD", ""),
        ("tree/.git", &link),
        ("repo/.git/worktrees/n/gitdir", &back),
        ("repo/.git/worktrees/n/commondir", "../..\n"),
    ] {
        std::fs::write(root.join(path), content).unwrap();
    }
    let context = Context::new(root.join("w"));
    Host {
        _directory: directory,
        root,
        context,
    }
}

/// Lines of `[files]`; what cannot be resolved on this machine is left out.
fn policy(host: &Host, rules: &[(usize, usize)], pattern: Option<usize>) -> Policy {
    let mut policy = Policy::default()
        .read("/")
        .write(host.root.join("w"))
        .write(host.root.join("tree"));
    if let Some(access) = pattern {
        policy = match access {
            0 => policy.read_matching("**/.env"),
            1 => policy.hide_matching("**/src/**"),
            _ => policy.read_matching("*/*"),
        };
    }
    for (place, access) in rules {
        let path = host.root.join(PLACES[*place]);
        policy = match access {
            0 => policy.hide(path),
            1 => policy.read(path),
            _ if exists(&path) => policy.write(path),
            _ => policy,
        };
    }
    policy
}

fn operation(changes_names: bool) -> Operation {
    if changes_names {
        Operation::Create
    } else {
        Operation::Write
    }
}

/// Whether the name can't stand for this there.
fn is_denied(ruleset: &Ruleset, path: &Path, name: NameOf) -> bool {
    let decision = match name {
        NameOf::Directory | NameOf::Made => ruleset.decide(&Attempt::write(path)),
        NameOf::File | NameOf::Link => ruleset.decide_file(path),
    };
    decision.verdict == Verdict::Deny
        || name == NameOf::Link && !ruleset.may_link(path, "/etc".as_ref())
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What opens a path, applied, is a policy, and opens it; and of what lies neither in nor around what it names nothing.
    #[test]
    fn what_opens_a_path_opens_it_and_nothing_else(
        rules in proptest::collection::vec((0..PLACES.len(), 0..3_usize), 0..4),
        pattern in proptest::option::of(0..3_usize),
        tried in 0..PLACES.len(),
        (changes_names, name) in prop_oneof![
            Just((false, NameOf::File)),
            Just((true, NameOf::Directory)),
            Just((true, NameOf::Made)),
            Just((true, NameOf::File)),
            Just((true, NameOf::Link)),
        ],
    ) {
        let host = host();
        let policy = policy(&host, &rules, pattern);
        let before = Ruleset::resolve(&policy, &host.context).unwrap();
        let path = host.root.join(PLACES[tried]);
        let parent = path.parent().unwrap();
        // Something is made where there is a directory to make it in, and opened where there is something.
        let is_possible = if changes_names { exists(parent) } else { exists(&path) };
        prop_assume!(is_denied(&before, &path, name) && is_possible);
        let Some(lines) = before.opens(&path, operation(changes_names), name, exists) else {
            return Ok(());
        };
        let remedy = Policy::from_toml(&format!("[files]\n{lines}\n"), None).unwrap();
        let after = Ruleset::resolve(&policy.layer(remedy), &host.context);
        let after = after.map_err(|errors| TestCaseError::fail(format!("{lines}: {errors}")))?;
        prop_assert!(!is_denied(&after, &path, name), "{name:?}: {lines}");
        if changes_names {
            // What is mounted read-only does not let names be made.
            let opened = after.decide(&Attempt::write(parent)).verdict;
            let by_name = before.decide(&Attempt::write(parent)).verdict;
            let is_made = after.openings().iter().any(|opening| opening.path == path);
            prop_assert!(opened == Verdict::Allow || by_name == Verdict::Allow || is_made, "{lines}");
        }
        let named: Vec<PathBuf> = lines
            .lines()
            .map(|line| line.split('"').nth(1).unwrap().into())
            .collect();
        for other in PLACES {
            let other = host.root.join(other);
            let is_elsewhere = named.iter().all(|named| !other.starts_with(named));
            if is_elsewhere && is_denied(&before, &other, name) {
                prop_assert!(is_denied(&after, &other, name), "{lines}: {other:?}");
            }
        }
    }
}

#[test]
fn what_has_to_be_opened_depends_on_what_is_there() {
    let host = host();
    let policy = Policy::default()
        .read("/")
        .write(host.root.join("w"))
        .read_matching("**/.env");
    let ruleset = Ruleset::resolve(&policy, &host.context).unwrap();
    for (path, changes_names, expected) in [
        // By name, in a directory that can be written.
        ("w/.vscode", true, &["w/.vscode"][..]),
        ("w/.env", true, &["w/.env"]),
        ("w/.git", true, &["w/.git"]),
        // In a protected directory that is there.
        ("w/.idea/new", true, &["w/.idea"]),
        ("w/.git/hooks/pre-commit", true, &["w/.git/hooks"]),
        ("w/.idea", false, &["w/.idea"]),
        // In one that can't be written at all.
        ("ro/new", true, &["ro"]),
        ("ro/w/file", true, &["ro/w"]),
        ("ro/w/file", false, &["ro/w/file"]),
        ("ro/.vscode", true, &["ro", "ro/.vscode"]),
        ("ro/w/.env", true, &["ro/w"]),
        ("ro/w/.git/hooks", true, &["ro/w/.git", "ro/w/.git/hooks"]),
        ("ro/w/.git/refs/x", true, &["ro/w/.git"]),
        ("ro/w/.git/refs", false, &["ro/w/.git/refs"]),
    ] {
        let path = host.root.join(path);
        let lines = ruleset
            .opens(&path, operation(changes_names), NameOf::File, exists)
            .unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|path| format!("\"{}\" = \"write\"", host.root.join(path).display()))
            .collect();
        assert_eq!(lines, expected.join("\n"), "{path:?}");
    }
    assert_eq!(
        ruleset.opens("/../x".as_ref(), Operation::Create, NameOf::File, exists),
        None
    );
    // A directory that is made.
    for (path, expected) in [
        (
            "ro/new",
            "\"@/ro/new\" = { access = \"write\", optional = true }",
        ),
        (
            "ro/a[b]",
            "\"@/ro/a[[]b]\" = { access = \"write\", optional = true }",
        ),
        // What is protected there is not opened without a word.
        (
            "ro/.vscode",
            "\"@/ro\" = \"write\"\n\"@/ro/.vscode\" = \"write\"",
        ),
        ("ro/w/.git/new", "\"@/ro/w/.git\" = \"write\""),
        ("ro/none/new", "\"@/ro\" = \"write\""),
    ] {
        let path = host.root.join(path);
        let lines = ruleset.opens(&path, Operation::Create, NameOf::Made, exists);
        let expected = expected.replace('@', host.root.to_str().unwrap());
        assert_eq!(lines.as_deref(), Some(expected.as_str()), "{path:?}");
    }
}

/// What a name of git's may not stand for is no reason to open the whole `.git`, which would not allow it.
#[test]
fn what_opens_a_repository_depends_on_what_is_made() {
    let host = host();
    let ruleset = Ruleset::resolve(&policy(&host, &[], None), &host.context).unwrap();
    let (directory, file, link) = (NameOf::Directory, NameOf::File, NameOf::Link);
    let elsewhere = &["repo/.git"][..];
    for (path, name, expected) in [
        // Open by itself, but for a directory alone.
        ("repo/.git/worktrees/l", file, None),
        ("repo/.git/worktrees/l", link, None),
        ("repo/.git/objects/l", link, None),
        // What else is denied is opened as a whole, if that is enough.
        ("repo/.git/worktrees/o/info", directory, Some(elsewhere)),
        ("repo/.git/worktrees/o/info", file, None),
        ("repo/.git/worktrees/o/info", link, None),
        ("repo/.git/description", file, Some(elsewhere)),
        ("repo/.git/description", link, None),
        // Nothing of it is open: the line about the directory, and one about the name.
        ("ro/w/.git/worktrees/l", directory, Some(&["ro/w/.git"])),
        (
            "ro/w/.git/worktrees/l",
            file,
            Some(&["ro/w/.git/worktrees", "ro/w/.git/worktrees/l"]),
        ),
        // No rule is about a link that is not there, and has no name that is protected.
        ("ro/w/.git/FETCH_HEAD", link, None),
        ("w/.git/FETCH_HEAD", link, None),
    ] {
        let path = host.root.join(path);
        let lines = ruleset.opens(&path, Operation::Create, name, exists);
        let line = |path: &&str| format!("\"{}\" = \"write\"", host.root.join(path).display());
        let expected = expected.map(|paths| paths.iter().map(line).collect::<Vec<_>>().join("\n"));
        assert_eq!(lines, expected, "{path:?}: {name:?}");
    }
    let worktree = host.root.join("repo/.git/worktrees/l");
    assert!(!is_denied(&ruleset, &worktree, directory), "the control");
    assert!(is_denied(&ruleset, &worktree, link));
}

#[test]
fn a_path_that_is_no_text_is_opened_by_no_line() {
    use crate::os::OsStrExt as _;
    let host = host();
    let policy = Policy::default().read("/").write(host.root.join("w"));
    let ruleset = Ruleset::resolve(&policy, &host.context).unwrap();
    let path = host
        .root
        .join("w/.vscode")
        .join(std::ffi::OsStr::from_bytes(b"\xff"));
    assert_eq!(
        ruleset.opens(&path, Operation::Create, NameOf::File, exists),
        None
    );
}
