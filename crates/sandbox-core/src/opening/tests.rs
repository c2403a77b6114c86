use std::path::{Path, PathBuf};

use proptest::prelude::*;

use crate::{Attempt, Context, Operation, Policy, Ruleset, Verdict};

/// Places of a machine: some are there, and each may get rules.
const THERE: [&str; 9] = [
    "w",
    "w/src",
    "w/src/.vscode",
    "w/.idea",
    "w/.git/hooks",
    "w/later/.env",
    "ro",
    "ro/w",
    "ro/w/.git/refs",
];
const PLACES: [&str; 25] = [
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
    for path in ["ro/w/file", "ro/w/.git/HEAD"] {
        std::fs::write(root.join(path), "").unwrap();
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
    let mut policy = Policy::default().read("/").write(host.root.join("w"));
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
        changes_names in any::<bool>(),
    ) {
        let host = host();
        let policy = policy(&host, &rules, pattern);
        let before = Ruleset::resolve(&policy, &host.context).unwrap();
        let path = host.root.join(PLACES[tried]);
        let parent = path.parent().unwrap();
        let is_denied = |ruleset: &Ruleset, path: &Path| ruleset.decide_file(path).verdict == Verdict::Deny;
        // Something is made where there is a directory to make it in, and opened where there is something.
        let is_possible = if changes_names { exists(parent) } else { exists(&path) };
        prop_assume!(is_denied(&before, &path) && is_possible);
        let Some(lines) = before.opens(&path, operation(changes_names), exists) else {
            return Ok(());
        };
        let remedy = Policy::from_toml(&format!("[files]\n{lines}\n"), None).unwrap();
        let after = Ruleset::resolve(&policy.layer(remedy), &host.context);
        let after = after.map_err(|errors| TestCaseError::fail(format!("{lines}: {errors}")))?;
        prop_assert!(!is_denied(&after, &path), "{lines}");
        if changes_names {
            // What is mounted read-only does not let names be made.
            let opened = after.decide(&Attempt::write(parent)).verdict;
            let by_name = before.decide(&Attempt::write(parent)).verdict;
            prop_assert!(opened == Verdict::Allow || by_name == Verdict::Allow, "{lines}");
        }
        let named: Vec<PathBuf> = lines
            .lines()
            .map(|line| line.split('"').nth(1).unwrap().into())
            .collect();
        for other in PLACES {
            let other = host.root.join(other);
            let is_elsewhere = named.iter().all(|named| !other.starts_with(named));
            if is_elsewhere && is_denied(&before, &other) {
                prop_assert!(is_denied(&after, &other), "{lines}: {other:?}");
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
            .opens(&path, operation(changes_names), exists)
            .unwrap();
        let expected: Vec<_> = expected
            .iter()
            .map(|path| format!("\"{}\" = \"write\"", host.root.join(path).display()))
            .collect();
        assert_eq!(lines, expected.join("\n"), "{path:?}");
    }
    assert_eq!(
        ruleset.opens("/../x".as_ref(), Operation::Create, exists),
        None
    );
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
    assert_eq!(ruleset.opens(&path, Operation::Create, exists), None);
}
