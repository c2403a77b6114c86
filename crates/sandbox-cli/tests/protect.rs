//! Invariant 4 for names that are protected only where a policy asks for them, and for those that only their end tells: made at any
//! depth, there at the start, and by every layer.

use sandbox_testing::{Host, Outcome};

const ASKED: [&str; 2] = ["--protect", "ci"];
/// Mounts alone, as on a host whose kernel has no notifier.
const WITHOUT: [&str; 2] = ["--lower", "notifier=0"];

#[track_caller]
fn inside(host: &Host, script: &str, options: &[&str]) -> Outcome {
    let command = host.sandbox(["sh", "-c", script]);
    command.options(options).output()
}

/// The script fails to bring a name about, which the host then has where nobody asks for its protection, or nobody decides names.
#[track_caller]
fn never_comes_about(script: &str, path: &str) {
    let without = [ASKED, WITHOUT].concat();
    for (options, expected) in [(&ASKED[..], false), (&[], true), (&without, true)] {
        let host = Host::new();
        let outcome = inside(&host, script, options);
        let is_there = host.has(path);
        assert_eq!(
            is_there,
            expected,
            "{options:?} {script}\n{}",
            outcome.show()
        );
    }
}

#[test]
fn a_name_of_the_group_is_not_made() {
    for (script, path) in [
        ("mkdir -p .github/workflows", ".github/workflows"),
        ("echo x > Jenkinsfile", "Jenkinsfile"),
        (
            "mkdir -p a/b; echo x > a/b/.gitlab-ci.yml",
            "a/b/.gitlab-ci.yml",
        ),
        ("echo x > y; mv y .travis.yml", ".travis.yml"),
        (
            "echo x > y; ln y azure-pipelines.yml",
            "azure-pipelines.yml",
        ),
        ("ln -s /etc/passwd .drone.yml", ".drone.yml"),
        ("mkdir y; mv -T y .circleci", ".circleci"),
        (
            "mkdir -p g/workflows; mv -T g .forgejo",
            ".forgejo/workflows",
        ),
        (
            "mkdir .gitea g; ln -s .gitea w; mkdir w/workflows",
            ".gitea/workflows",
        ),
        (
            "mkdir -p node_modules/x/.buildkite; mv node_modules/x y",
            "y/.buildkite",
        ),
    ] {
        never_comes_about(script, path);
    }
}

/// Held by mounts alone; the control is the same host, and nobody asks.
#[test]
fn what_is_there_of_the_group_is_not_changed() {
    let host = || {
        Host::new()
            .file(".github/workflows/ci.yml", "mine\n")
            .file("Jenkinsfile", "mine\n")
    };
    let without = [ASKED, WITHOUT].concat();
    for (script, path) in [
        ("echo x >> Jenkinsfile", "Jenkinsfile"),
        (
            "echo x >> .github/workflows/ci.yml",
            ".github/workflows/ci.yml",
        ),
        ("echo x > y; mv -f y Jenkinsfile", "Jenkinsfile"),
        (
            "rm -rf .github; mkdir -p .github/workflows; echo x > .github/workflows/ci.yml",
            ".github/workflows/ci.yml",
        ),
    ] {
        for (options, expected) in [(&ASKED[..], true), (&without, true), (&[], false)] {
            let host = host();
            let outcome = inside(&host, script, options);
            let is_same = host.read(path) == "mine\n";
            assert_eq!(
                is_same,
                expected,
                "{options:?} {script}\n{}",
                outcome.show()
            );
        }
    }
}

/// To change a workflow is ordinary work, and so is all beside it where somebody asks.
#[test]
fn ordinary_work_trips_over_nothing() {
    let host = Host::new().file(".github/workflows/ci.yml", "mine\n");
    let script = "echo x >> .github/workflows/ci.yml && echo x > Jenkinsfile";
    inside(&host, script, &[]).succeeds();
    let script = "mkdir -p node_modules/x/.github/workflows && echo x > node_modules/x/.travis.yml && \
        mkdir -p .github/ISSUE_TEMPLATE && echo x > .github/CODEOWNERS && echo x > Jenkinsfile.md && mv .github/CODEOWNERS .github/OWNERS";
    inside(&host, script, &ASKED).succeeds();
}

/// A denial says what asks for it to be written, and that opens it.
#[test]
fn a_rule_that_names_it_opens_it() {
    let host = Host::new().file("sandbox.toml", "protect = [\"ci\"]\n");
    let script = "mkdir .github; echo x > .gitlab-ci.yml";
    let outcome = inside(&host, script, &[]);
    assert!(!host.has(".gitlab-ci.yml"));
    let said = outcome.errors();
    let expected = "denied create .gitlab-ci.yml (protected: GitLab runs it); `--write .gitlab-ci.yml` allows it";
    assert!(said.contains(expected), "{said}");
    inside(&host, script, &["--write", ".gitlab-ci.yml"]);
    assert!(host.has(".gitlab-ci.yml"));
}

/// Settings of another sandbox that restrict no files are no reason not to do what is asked for.
#[test]
fn what_is_asked_for_holds_beside_settings_that_restrict_nothing() {
    let made = |options: &[&str]| {
        let host = Host::new().file("Jenkinsfile", "mine\n");
        let settings = r#"{"network": {"allowedDomains": [], "deniedDomains": []},
            "filesystem": {"denyRead": [], "allowWrite": [], "denyWrite": [], "disabled": true}}"#;
        host.write("@policies/settings.json", settings);
        let options = [&["--settings", "@policies/settings.json"], options].concat();
        let script = "echo x > Jenkinsfile; echo x > .travis.yml; echo x > .envrc";
        inside(&host, script, &options);
        assert!(host.has(".envrc"));
        (host.read("Jenkinsfile") == "x\n", host.has(".travis.yml"))
    };
    assert_eq!(made(&ASKED), (false, false));
    assert_eq!(made(&[]), (true, true));
}

/// Any name with this end; there is none in the table that says which.
#[test]
fn a_name_is_protected_by_its_end() {
    for (script, path) in [
        ("echo x > shop.code-workspace", "shop.code-workspace"),
        ("mkdir a; echo x > a/é.code-workspace", "a/é.code-workspace"),
        ("echo x > y; mv y s.sublime-project", "s.sublime-project"),
        ("mkdir y; mv -T y s.ipr", "s.ipr"),
    ] {
        for (options, expected) in [(&[][..], false), (&WITHOUT[..], true)] {
            let host = Host::new();
            let outcome = inside(&host, script, options);
            assert_eq!(host.has(path), expected, "{script}\n{}", outcome.show());
        }
    }
    let change = |options: &[&str]| {
        let host = Host::new()
            .file("shop.code-workspace", "mine\n")
            .file("b.code-workspace", "");
        inside(&host, "echo x >> shop.code-workspace", options);
        host.read("shop.code-workspace") != "mine\n"
    };
    assert!(!change(&[]));
    assert!(!change(&WITHOUT));
    assert!(change(&["--write", "shop.code-workspace"]));
}

/// The directory is git's own, which templates make; what is in it is closed also where mounts alone hold it.
#[test]
fn what_git_takes_for_a_remote_is_not_made_where_mounts_hold() {
    let made = |options: &[&str]| {
        let host = Host::new().file(".git/branches/y", "").dir(".git/remotes");
        let outcome = inside(&host, "echo x > .git/branches/y; touch .git/refs", options);
        assert!(host.has(".git/refs"), "{}", outcome.show());
        host.read(".git/branches/y") == "x\n"
    };
    assert!(!made(&WITHOUT));
    assert!(!made(&[]));
    assert!(made(&["--write", ".git/branches/y"]));
}

#[test]
fn what_is_asked_for_is_shown_and_compared() {
    let host = Host::new().file("sandbox.toml", "protect = [\"ci\"]\n");
    let tool = |words: &str, code: i32| {
        let outcome = host.tool(words.split(' ')).output();
        assert_eq!(outcome.code(), Some(code), "{}", outcome.show());
        host.shorten(&outcome.text())
    };
    assert!(tool("policy show", 0).contains("\nprotect = [\"ci\"]\n"));
    assert!(tool("explain", 0).contains("\nprotect  ci  (@ws/sandbox.toml:1)\n"));
    let json: String = tool("explain --json", 0).split_whitespace().collect();
    assert!(json.contains("\"protect\":[\"ci\"]"), "{json}");
    assert!(tool("explain --write Jenkinsfile", 0).contains("Jenkins runs it"));
    host.write("none.toml", "");
    host.write("ci.toml", "protect = ['ci']");
    assert_eq!(
        tool("policy diff none.toml ci.toml", 0),
        "narrower  `protect`: `[\"ci\"]`, before `[]`\n          by ci.toml:1\n"
    );
    assert!(
        tool("policy diff ci.toml none.toml", 1)
            .starts_with("wider     `protect`: `[]`, before `[\"ci\"]`\n")
    );
    let outcome = host.tool(["run", "--protect", "shells", "true"]).output();
    assert!(
        outcome.errors().contains("[possible values: ci]"),
        "{}",
        outcome.show()
    );
}
