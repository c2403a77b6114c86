use super::*;
use crate::files::crowd::MAX_MATCHES;
use crate::{Context, MacOption, Policy, Preset};

/// A machine: `w` is the workspace, `h` the home, `link` leads to `w/src`.
fn host() -> (tempfile::TempDir, PathBuf, Context) {
    let directory = tempfile::tempdir().unwrap();
    let root = crate::resolve(directory.path()).unwrap().path;
    for path in ["w/src", "w/bin", "w/.vscode", "h/.ssh"] {
        std::fs::create_dir_all(root.join(path)).unwrap();
    }
    std::fs::write(root.join("w/policy.toml"), "").unwrap();
    std::os::unix::fs::symlink("w/src", root.join("link")).unwrap();
    let mut context = Context::new(root.join("w"));
    context.home = Some(root.join("h"));
    (directory, root, context)
}

/// What is found, as `severity word: text`.
fn found(root: &Path, context: &Context, policy: &Policy) -> Vec<String> {
    let surroundings = Surroundings {
        file: Some(root.join("w/policy.toml")),
        search: vec![root.join("w/bin"), "/usr/bin".into()],
        homes: vec![root.join("h")],
    };
    let ruleset = Ruleset::resolve(policy, context).unwrap();
    let line = |finding: &Finding| {
        let text = format!("{:?} {}: {finding}", finding.severity(), finding.as_str());
        assert!(!finding.remedy().is_empty());
        text.replace(root.to_str().unwrap(), "@")
    };
    ruleset.review(&surroundings).iter().map(line).collect()
}

#[test]
fn what_a_reviewer_says() {
    let (_directory, root, context) = host();
    let at = |path: &str| root.join(path);
    let quiet = Policy::preset(Preset::ReadOnly);
    let policy = quiet
        .clone()
        .write("src")
        .read(at("link"))
        .read("bin")
        .read_matching("src/*.rs")
        .write(".vscode")
        .read("~")
        .read("~/.ssh")
        .read_if_exists("~/.aws/config")
        .read("~/.netrc")
        .pass("NPM_TOKEN")
        .pass("*_KEY")
        .feature("perf")
        .macos(MacOption::Pty)
        .macos(MacOption::AppleEvents)
        .mach_lookup("com.example.*")
        .network(Network::Host);
    insta::assert_snapshot!(found(&root, &context, &policy).join("\n"), @"
    Note broad: `~` = read (the program) grants a home
    Note opens-secret: `~/.aws/config` = read (the program) opens a known secret: access keys and session tokens
    Note opens-secret: `~/.netrc` = read (the program) opens a known secret: passwords by host
    Note opens-secret: `~/.ssh` = read (the program) opens a known secret: private keys, and which hosts they open
    Warning opens-protected: `.vscode` = write (the program) opens a protected path: tasks, launch configurations and settings that name programs
    Note redundant: `bin` = read (the program) says what holds without it, by `${CWD}` = read (preset `read-only`)
    Warning shadowed: `src` = write (the program) has no effect: `@/link` = read (the program) is about the same path and grants less
    Warning never-decides: `src/*.rs` = read (the program) never decides anything: `@/link` = read (the program) holds wherever it matches
    Note opens-secret: `NPM_TOKEN` (the program) opens a known secret: access tokens
    Note opens-secret: `*_KEY` (the program) opens a known secret: keys
    Note host-network: the network is the host's: everything can be sent everywhere
    Note feature: `perf` opens a part of the kernel that is refused otherwise
    Note macos: `pty` opens, on macOS, terminals of its own, and those of yours: what is typed in them can be read, and written to them
    Warning macos: `apple-events` opens, on macOS, other programs of yours, which do what Apple events tell them, unconfined: a way out of the sandbox
    Note mach-service: `com.example.*` is a service of macOS that is not confined: it does what it is asked to
    ");
    let bare = Policy::new().read("/").write(&root).write("~");
    insta::assert_snapshot!(found(&root, &context, &bare).join("\n"), @"
    Warning broad: `/` = read (the program) grants the whole file system, with all secrets in it: no preset hides them
    Warning broad: `@` = write (the program) grants a directory with a home in it, with all secrets in it: no preset hides them
    Warning broad: `~` = write (the program) grants a home, with all secrets in it: no preset hides them
    Warning writable-search: `@/w/bin` is in `PATH` and can be written by `@` = write (the program): what the command leaves there is executed outside
    Warning writable-policy: the policy `@/w/policy.toml` can itself be written, by `@` = write (the program): the command decides what the next one may do
    ");
    assert_eq!(found(&root, &context, &quiet), [""; 0]);
    let agent = Policy::preset(Preset::Agent);
    insta::assert_snapshot!(found(&root, &context, &agent).join("\n"), @"
    Warning writable-search: `@/w/bin` is in `PATH` and can be written by `${CWD}` = write (preset `agent`): what the command leaves there is executed outside
    Warning writable-policy: the policy `@/w/policy.toml` can itself be written, by `${CWD}` = write (preset `agent`): the command decides what the next one may do
    ");
    let careful = agent.read("policy.toml").read("bin");
    assert_eq!(found(&root, &context, &careful), [""; 0]);
}

/// A pattern raises only what less specific rules say.
#[test]
fn a_pattern_beside_the_rule_about_its_directory_does_not_open_it() {
    let (_directory, root, context) = host();
    let policy = Policy::preset(Preset::ReadOnly)
        .hide("src")
        .read_matching("src/*.rs");
    let said = found(&root, &context, &policy);
    assert!(
        said.len() == 1 && said[0].starts_with("Warning never-decides: `src/*.rs`"),
        "{said:?}"
    );
}

/// A rule with an effect is never said to have none.
#[test]
fn rules_that_decide_are_left_alone() {
    let (_directory, root, context) = host();
    let base = Policy::preset(Preset::ReadOnly);
    for policy in [
        base.clone().hide("src"),
        base.clone().hide_matching("**/.env"),
        base.clone().write("src").read_matching("src/**/*.lock"),
        base.clone().write("src").read("src/main.rs"),
        base.clone().hide("src").read("src/main.rs"),
        base.clone().scratch("src"),
        base.clone().hide("~/.ssh"),
        base.drop_variable("NPM_TOKEN"),
    ] {
        assert_eq!(found(&root, &context, &policy), [""; 0], "{policy}");
    }
}

/// What is said to say nothing can be taken away.
#[test]
fn without_a_redundant_rule_every_answer_is_the_same() {
    let (_directory, root, context) = host();
    let with = Policy::new()
        .read(&root)
        .hide("src")
        .read("bin")
        .hide("src/a");
    let without = Policy::new().read(&root).hide("src");
    let said = found(&root, &context, &with);
    assert_eq!(
        said.iter()
            .filter(|line| line.starts_with("Note redundant"))
            .count(),
        2,
        "{said:?}"
    );
    let (with, without) = (
        Ruleset::resolve(&with, &context).unwrap(),
        Ruleset::resolve(&without, &context).unwrap(),
    );
    for path in [
        "w",
        "w/src",
        "w/src/a",
        "w/src/a/b",
        "w/bin",
        "w/bin/x",
        "h",
    ] {
        for attempt in [
            crate::Attempt::read(root.join(path)),
            crate::Attempt::write(root.join(path)),
        ] {
            assert_eq!(
                with.decide(&attempt).verdict,
                without.decide(&attempt).verdict,
                "{path}"
            );
        }
    }
}

#[test]
fn a_crowded_directory_is_told_and_not_taken_for_a_rule() {
    let (_directory, root, context) = host();
    for number in 0..=MAX_MATCHES {
        std::fs::write(root.join(format!("w/src/{number}.key")), "").unwrap();
    }
    let policy = Policy::default().write("bin").read("src");
    let policy = policy
        .hide_matching("src/*/*.key")
        .hide_matching("**/*.key");
    let refused = Ruleset::resolve(&policy, &context).unwrap_err();
    assert!(refused.to_string().contains("which another rule is about"));
    let policy = Policy::default().write(".").read("policy.toml").read("bin");
    let policy = policy.hide_matching("src/*.key");
    insta::assert_snapshot!(
        found(&root, &context, &policy).join("\n"),
        @"Note crowded: more than 1000 paths in `@/w/src` match `src/*.key` = hide (the program) or the like: it holds for all of the directory"
    );
}
