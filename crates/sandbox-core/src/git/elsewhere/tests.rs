use super::*;
use crate::{Attempt, Context, NameOf, Operation, Policy, Ruleset, Verdict};

/// A linked worktree `tree`, and a submodule `module`, of a repository.
fn host() -> (tempfile::TempDir, PathBuf) {
    let host = tempfile::tempdir().unwrap();
    let root = crate::resolve(host.path()).unwrap().path;
    let write = |path: &str, content: &str| {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let at = root.to_str().unwrap();
    write(
        "tree/.git",
        &format!("gitdir: {at}/repo/.git/worktrees/n\n"),
    );
    write("repo/.git/worktrees/n/commondir", "../..\n");
    write("repo/.git/worktrees/n/gitdir", &format!("{at}/tree/.git\n"));
    write("module/.git", "gitdir: ../repo/.git/modules/m\n");
    write(
        "repo/.git/modules/m/config",
        "[core]\n\tworktree = ../../../../module\n",
    );
    for path in ["objects", "refs", "modules/m/objects", "worktrees/o"] {
        std::fs::create_dir_all(root.join("repo/.git").join(path)).unwrap();
    }
    (host, root)
}

/// What is written there for all of the repository's working trees, and for the one.
const WRITTEN: [&str; 12] = [
    "HEAD.lock",
    "config.lock",
    "info/refs",
    "packed-refs",
    "objects/x",
    "refs/x",
    "logs/x",
    "rr-cache/x",
    "worktrees/o/HEAD.lock",
    "worktrees/o/logs/HEAD",
    FURTHER,
    "worktrees/n/HEAD",
];
/// Of one that is made later.
const FURTHER: &str = "worktrees/p/HEAD";

/// What may be read, and what may be written.
fn opened(root: &Path, policy: &Policy) -> (Vec<&'static str>, Vec<&'static str>) {
    let ruleset = Ruleset::resolve(policy, &Context::new(root)).unwrap();
    let allows = |attempt: &Attempt| ruleset.decide(attempt).verdict == Verdict::Allow;
    opened_at(&root.join("repo/.git"), &allows)
}

fn opened_at(
    git: &Path,
    allows: &dyn Fn(&Attempt) -> bool,
) -> (Vec<&'static str>, Vec<&'static str>) {
    let all = [
        "HEAD",
        "HEAD.lock",
        "config",
        "config.lock",
        "config.worktree",
        "hooks/x",
        "index",
        "info/attributes",
        "info/exclude",
        "info/refs",
        "packed-refs",
        "objects/x",
        "objects/info/alternates",
        "refs/x",
        "logs/x",
        "rr-cache/x",
        "worktrees/o/HEAD",
        "worktrees/o/HEAD.lock",
        "worktrees/o/config.worktree",
        "worktrees/o/logs/HEAD",
        "worktrees/p/HEAD",
        "worktrees/n/HEAD",
        "worktrees/n/commondir",
        "worktrees/n/config.worktree",
        "modules/m/HEAD",
        "modules/m/config",
    ];
    let some = |attempt: fn(PathBuf) -> Attempt| {
        let is_allowed = |name: &&str| allows(&attempt(git.join(name)));
        all.into_iter().filter(is_allowed).collect()
    };
    (some(Attempt::read), some(Attempt::write))
}

#[test]
fn what_a_tree_has_elsewhere_is_opened_and_nothing_else() {
    let (_host, root) = host();
    let policy = |tree: &str| Policy::default().write(root.join(tree));
    let (read, written) = opened(&root, &policy("tree"));
    assert_eq!(read.len(), 26);
    assert_eq!(written, WRITTEN);
    let (read, written) = opened(&root, &policy("module"));
    assert_eq!(read, ["modules/m/HEAD", "modules/m/config"]);
    assert_eq!(written, ["modules/m/HEAD"]);
    // Nothing is taken from what is open already.
    let (_, written) = opened(&root, &policy("tree").write(root.join("repo")));
    assert!(written.contains(&"packed-refs") && written.contains(&"HEAD"));
}

/// By its name alone nothing is settings there: whoever sees what is in it decides. At the start they are held all the same.
#[test]
fn of_a_repository_by_another_name_the_same_is_opened() {
    let (_host, root) = host();
    let (git, bare) = (root.join("repo/.git"), root.join("repo/.bare"));
    std::fs::rename(&git, &bare).unwrap();
    let link = format!("gitdir: {}/worktrees/n\n", bare.to_str().unwrap());
    std::fs::write(root.join("tree/.git"), link).unwrap();
    std::fs::write(bare.join("config"), "").unwrap();
    let policy = Policy::default().write(root.join("tree"));
    let resolve = || Ruleset::resolve(&policy, &Context::new(&root)).unwrap();
    let opened = |ruleset: &Ruleset| {
        opened_at(&bare, &|attempt| {
            ruleset.decide(attempt).verdict == Verdict::Allow
        })
    };
    // It looks like one.
    assert_eq!(opened(&resolve()), (Vec::new(), Vec::new()));
    std::fs::write(bare.join("HEAD"), "").unwrap();
    let rules = resolve();
    let (_, written) = opened(&rules);
    let by_content = ["config", "config.worktree"];
    let of_own = ["worktrees/n/commondir", "worktrees/n/config.worktree"];
    let is_plain = |name: &&str| !by_content.contains(name) && !of_own.contains(name);
    let plain: Vec<_> = written.iter().copied().filter(is_plain).collect();
    // The files of a further one would have no name that is protected.
    let expected: Vec<_> = WRITTEN.into_iter().filter(|it| *it != FURTHER).collect();
    assert_eq!(plain, expected);
    assert_eq!(
        written.len(),
        expected.len() + by_content.len() + of_own.len()
    );
    // Nor under any name that begins with a dot; a `.git` in it would be decided like any.
    let may_be_written =
        |name: &str| rules.decide(&Attempt::write(bare.join(name))).verdict == Verdict::Allow;
    for name in [
        ".x",
        ".g",
        ".gi",
        ".gx",
        ".gix",
        ".gita",
        ".gitconfig",
        ".Git",
        "..x",
    ] {
        assert!(!may_be_written(name), "{name}");
    }
    assert!(may_be_written("objects/.x"), "the control");
    let as_gits = bare.join(".git/config");
    assert_eq!(rules.git_file(&as_gits), Some(crate::GitFile::Config));
    let mut anchors = rules.files().anchors().iter();
    let held = anchors.rfind(|anchor| anchor.path == bare.join("config"));
    assert_eq!(held.map(|anchor| anchor.access), Some(Access::Read));
}

#[test]
fn what_opens_more_of_a_repository_opens_all_that_was_open() {
    let (_host, root) = host();
    let git = root.join("repo/.git");
    std::fs::write(git.join("HEAD"), "").unwrap();
    let policy = || Policy::default().read(&root).write(root.join("tree"));
    let resolve = |policy: &Policy| Ruleset::resolve(policy, &Context::new(&root)).unwrap();
    let ruleset = resolve(&policy());
    let exists = |path: &Path| std::fs::symlink_metadata(path).is_ok();
    for name in ["description", "modules/x", "worktrees/o/index"] {
        let lines = ruleset.opens(
            &git.join(name),
            Operation::Create,
            NameOf::Directory,
            exists,
        );
        let expected = format!("\"{}\" = \"write\"", git.display());
        assert_eq!(lines, Some(expected), "{name}");
    }
    let ruleset = resolve(&policy().write(&git));
    let verdict = |name: &str| ruleset.decide(&Attempt::write(git.join(name))).verdict;
    for name in ["description", "modules/x", "worktrees/o/index"]
        .iter()
        .chain(&WRITTEN)
    {
        assert_eq!(verdict(name), Verdict::Allow, "{name}");
    }
    assert_eq!(verdict("hooks/x"), Verdict::Deny, "the control");
}

#[test]
fn further_trees_come_where_each_that_is_there_is_known() {
    let (_host, root) = host();
    let worktrees = root.join("repo/.git/worktrees");
    let is_opened = || {
        let (_, written) = opened(&root, &Policy::default().write(root.join("tree")));
        assert!(written.contains(&"worktrees/n/HEAD"));
        written.contains(&FURTHER)
    };
    assert!(is_opened(), "the control");
    std::fs::write(worktrees.join("file"), "").unwrap();
    assert!(!is_opened());
    std::fs::remove_file(worktrees.join("file")).unwrap();
    std::os::unix::fs::symlink("o", worktrees.join("link")).unwrap();
    assert!(!is_opened());
    std::fs::remove_file(worktrees.join("link")).unwrap();
    for tree in 0..MOST_TREES {
        std::fs::create_dir(worktrees.join(tree.to_string())).unwrap();
    }
    assert!(!is_opened());
}

/// A submodule whose name ends as what another one has hooks in.
#[test]
fn what_is_opened_opens_no_hooks() {
    let (_host, root) = host();
    let hooks = root.join("repo/.git/modules/m/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    std::fs::write(
        hooks.join("config"),
        "[core]\n\tworktree = ../../../../../tree\n",
    )
    .unwrap();
    std::fs::write(
        root.join("tree/.git"),
        "gitdir: ../repo/.git/modules/m/hooks\n",
    )
    .unwrap();
    let policy = Policy::default().write(root.join("tree"));
    let ruleset = Ruleset::resolve(&policy, &Context::new(&root)).unwrap();
    let decide = |path: &Path| ruleset.decide(&Attempt::write(path)).verdict;
    assert_eq!(decide(&hooks.join("pre-commit")), Verdict::Deny);
    assert_eq!(
        ruleset.decide(&Attempt::read(&hooks)).verdict,
        Verdict::Allow,
        "the control"
    );
}

#[test]
fn what_does_not_name_the_tree_is_not_opened() {
    for (path, content) in [
        ("tree/.git", "gitdir: ../repo/.git\n"),
        ("tree/.git", "gitdir: ../repo/.git/worktrees/n"),
        ("tree/.git", "gitdir: ../repo/.git/worktrees\n"),
        ("tree/.git", "gitdir: ../link/.git/worktrees/n\n"),
        ("repo/.git/worktrees/n/gitdir", "/other/.git\n"),
        ("repo/.git/worktrees/n/gitdir", "../../../../tree\n"),
        ("repo/.git/worktrees/n/gitdir", ""),
        ("repo/.git/worktrees/n/commondir", "../../x\n"),
        ("repo/.git/worktrees/n/commondir", ""),
    ] {
        let (_host, root) = host();
        std::os::unix::fs::symlink(root.join("repo"), root.join("link")).unwrap();
        std::fs::write(root.join(path), content).unwrap();
        let policy = Policy::default().write(root.join("tree"));
        let nothing = (Vec::new(), Vec::new());
        assert_eq!(opened(&root, &policy), nothing, "{path}: {content}");
    }
    for config in [
        "",
        "[core]\n\tworktree = /other\n",
        "[core]\n\tworktree = ../../../../module\n\tworktree = x\n",
        "[",
    ] {
        let (_host, root) = host();
        std::fs::write(root.join("repo/.git/modules/m/config"), config).unwrap();
        let policy = Policy::default().write(root.join("module"));
        let nothing = (Vec::new(), Vec::new());
        assert_eq!(opened(&root, &policy), nothing, "{config}");
    }
}

#[test]
fn no_link_in_a_repository_is_opened() {
    let (_host, root) = host();
    let refs = root.join("repo/.git/refs");
    std::fs::remove_dir(&refs).unwrap();
    std::os::unix::fs::symlink(root.join("repo"), &refs).unwrap();
    let (_, written) = opened(&root, &Policy::default().write(root.join("tree")));
    let expected: Vec<_> = WRITTEN.into_iter().filter(|it| *it != "refs/x").collect();
    assert_eq!(written, expected);
}

#[test]
fn what_a_rule_is_about_is_left_alone() {
    let (_host, root) = host();
    let tree = || Policy::default().write(root.join("tree"));
    let git = root.join("repo/.git");
    for policy in [
        tree().hide(root.join("repo")),
        tree().hide(&git),
        tree().read(&git),
        tree().read(root.join("repo")),
        tree().read("/").hide(git.join("objects")),
    ] {
        let (_, written) = opened(&root, &policy);
        assert_eq!(written, Vec::<&str>::new(), "{policy:?}");
    }
    let around = root.to_str().unwrap();
    for pattern in ["**/.git", "**/.git/logs", "**/packed-refs", "re*/**"] {
        let text = format!(
            "[files]\n'/' = 'read'\n'{around}/tree' = 'write'\n'{around}/{pattern}' = 'read'"
        );
        let policy = Policy::from_toml(&text, None).unwrap();
        let (_, written) = opened(&root, &policy);
        assert_eq!(written, Vec::<&str>::new(), "{pattern}");
    }
    let (_, written) = opened(&root, &tree().read("/"));
    assert_eq!(written.len(), WRITTEN.len(), "the control");
}
