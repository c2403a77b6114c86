//! What settings of another sandbox mean, path by path.

use super::*;
use crate::Imported;

mod laws;

/// A machine outside of `/tmp`, which is private in settings.
fn machine(entries: &[&str]) -> Host {
    host_below("/var/tmp".as_ref(), entries)
}

impl Host {
    /// Settings with these keys in `filesystem` and beside it; the required ones are there. `@` is the root of the machine.
    fn settings(&self, filesystem: &str, rest: &str) -> Policy {
        let mut files = filesystem.to_owned();
        for key in ["denyRead", "allowWrite", "denyWrite"].map(|key| format!("\"{key}\"")) {
            if !files.contains(&key) {
                files.extend([", ", &key, ": []"]);
            }
        }
        let text = format!(
            "{{\"network\": {{\"allowedDomains\": [], \"deniedDomains\": []}}, \"filesystem\": {{{}}}{rest}}}",
            files.trim_start_matches(", ")
        );
        let text = text.replace('@', self.root.to_str().unwrap());
        Imported::from_settings(&text, None).unwrap().policy
    }

    /// The access at each path: absolute ones, others below the root of the machine.
    #[track_caller]
    fn assert_access(&self, policy: &Policy, expected: &[(&str, Access)]) {
        let ruleset = self.resolve(policy);
        let wrong: Vec<String> = expected
            .iter()
            .filter_map(|(path, access)| {
                let (found, rule) = ruleset.files().access(&self.root.join(path));
                (found != *access).then(|| format!("{path}: {found}, not {access}: {rule:?}"))
            })
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

use Access::{Hide, Read, Scratch, Write};

#[test]
fn everything_can_be_read_and_what_is_allowed_can_be_written() {
    let host = machine(&["o/f", "w/sub/"]);
    let policy = host.settings(r#""allowWrite": ["sub"]"#, "");
    host.assert_access(
        &policy,
        &[
            ("o/f", Read),
            ("w", Read),
            ("w/sub/x", Write),
            ("/etc/passwd", Read),
            ("/tmp/x", Scratch),
            ("/var/tmp/x", Read),
        ],
    );
    host.assert_access(&host.settings("", ""), &[("w/x", Read), ("w/sub/x", Read)]);
}

#[test]
fn a_denial_of_writing_holds_below_whatever_is_allowed_there() {
    let host = machine(&[
        "w/sub/f",
        "w/a/b/",
        "w/a/.env",
        "w/a*b",
        "w/axb",
        "o/w -> ../w",
        "w/.env",
    ]);
    for (filesystem, expected) in [
        (
            r#""allowWrite": ["."], "denyWrite": [".env"]"#,
            &[("w/.env", Read), ("w/x", Write)][..],
        ),
        (
            r#""allowWrite": [".", "sub"], "denyWrite": ["."]"#,
            &[("w/sub/f", Read), ("w/x", Read)],
        ),
        (
            r#""allowWrite": [".", "a/.env"], "denyWrite": ["**/.env"]"#,
            &[("w/a/.env", Read), ("w/.env", Read), ("w/a/x", Write)],
        ),
        (
            r#""allowWrite": ["a/b/*.ts"], "denyWrite": ["**/a"]"#,
            &[("w/a/b/x.ts", Read)],
        ),
        (
            r#""allowWrite": ["a/b/*.ts"], "denyWrite": ["a"]"#,
            &[("w/a/b/x.ts", Read)],
        ),
        (
            r#""allowWrite": ["a/b/*.ts"]"#,
            &[("w/a/b/x.ts", Write), ("w/a/b/x.js", Read)],
        ),
        // By another name of the directory.
        (
            r#""allowWrite": ["sub"], "denyWrite": ["@/o/w"]"#,
            &[("w/sub/f", Read)],
        ),
        (
            r#""allowWrite": ["sub"], "denyWrite": ["@/o"]"#,
            &[("w/sub/f", Write)],
        ),
        // A pattern is also a name; what is called literal is a name only.
        (
            r#""allowWrite": ["."], "denyWrite": ["a*b"]"#,
            &[("w/a*b", Read), ("w/axb", Read)],
        ),
        (
            r#""allowWrite": ["."], "denyWrite": [{"path": "a*b", "literal": true}]"#,
            &[("w/a*b", Read), ("w/axb", Write)],
        ),
    ] {
        host.assert_access(&host.settings(filesystem, ""), expected);
    }
}

#[test]
fn the_most_specific_rule_about_reading_holds() {
    let host = machine(&[
        "o/s",
        "o/pub/f",
        "o/pub/private/s",
        "o/l -> s",
        "w/d/pub/f",
        "w/d/x",
        "w/src/",
        "w/.env",
        "w/a/.env",
    ]);
    for (filesystem, expected) in [
        (
            r#""denyRead": ["@/o", "@/o/pub/private"], "allowRead": ["@/o/pub"]"#,
            &[("o/s", Hide), ("o/pub/f", Read), ("o/pub/private/s", Hide)][..],
        ),
        (
            r#""denyRead": ["@/o/s"], "allowRead": ["@/o/s"]"#,
            &[("o/s", Read)],
        ),
        (
            r#""denyRead": ["@/o/s"], "allowRead": ["@/o/l"]"#,
            &[("o/s", Read)],
        ),
        (
            r#""denyRead": ["@/o/s"], "allowRead": ["@/o"]"#,
            &[("o/s", Hide), ("o/pub/f", Read)],
        ),
        // What can be written can be read, below a directory that is hidden.
        (
            r#""denyRead": ["@/o"], "allowWrite": ["@/o/pub"]"#,
            &[("o/s", Hide), ("o/pub/f", Write)],
        ),
        (
            r#""denyRead": ["@/o/pub"], "allowWrite": ["@/o/pub"]"#,
            &[("o/pub/f", Hide)],
        ),
        (
            r#""denyRead": ["**/.env"], "allowWrite": [".", "a/.env"]"#,
            &[("w/.env", Hide), ("w/a/.env", Hide)],
        ),
        (
            r#""denyRead": ["**/.env"], "allowWrite": ["."], "allowRead": ["a/.env"]"#,
            &[("w/.env", Hide), ("w/a/.env", Write)],
        ),
        // What is shown can be written where it could be if nothing were hidden.
        (
            r#""denyRead": ["d"], "allowWrite": ["."], "allowRead": ["d/pub"]"#,
            &[("w/d/x", Hide), ("w/d/pub/f", Write)],
        ),
        (
            r#""denyRead": ["d"], "allowWrite": ["."], "allowRead": ["d/pub"], "denyWrite": ["d"]"#,
            &[("w/d/x", Hide), ("w/d/pub/f", Read)],
        ),
        (
            r#""allowWrite": ["."], "allowRead": ["src"]"#,
            &[("w/src/x", Write)],
        ),
        (r#""allowRead": ["src"]"#, &[("w/src/x", Read)]),
        (
            r#""denyRead": ["/run"]"#,
            &[("/run/systemd/resolve/resolv.conf", Hide)],
        ),
        (
            r#""denyRead": ["/"], "allowRead": ["/usr"]"#,
            &[("/etc/passwd", Hide), ("/usr/bin", Read), ("o/s", Hide)],
        ),
    ] {
        host.assert_access(&host.settings(filesystem, ""), expected);
    }
}

#[test]
fn a_denial_of_writing_shows_nothing() {
    let host = machine(&[
        "w/d/x",
        "w/d/sub/a.k",
        "w/.env",
        "w/sec/.env",
        "w/sec/x",
        "h/.aws/credentials",
    ]);
    for (filesystem, expected) in [
        (
            r#""denyRead": ["d"], "denyWrite": ["d/x", "d/sub/*.k"]"#,
            &[("w/d/x", Hide), ("w/d/sub/a.k", Hide), ("w/d/sub/y", Hide)][..],
        ),
        (
            r#""denyRead": ["**/.env"], "denyWrite": [".env", "sec/.env"]"#,
            &[("w/.env", Hide), ("w/sec/.env", Hide)],
        ),
        (
            r#""denyRead": ["**/sec"], "denyWrite": ["sec/x"]"#,
            &[("w/sec/x", Hide)],
        ),
        (
            r#""denyWrite": ["~/.aws", "~/.netrc", "/tmp/x"]"#,
            &[
                ("h/.aws/credentials", Hide),
                ("h/.netrc", Hide),
                ("/tmp/x", Scratch),
            ],
        ),
    ] {
        host.assert_access(&host.settings(filesystem, ""), expected);
    }
}

#[test]
fn what_is_shown_through_a_link_is_not_writable_for_where_the_link_is() {
    let host = machine(&["o/x/l -> ../../h", "h/f"]);
    let policy = host.settings(
        r#""allowWrite": ["@/o"], "denyRead": ["@/o/x"], "allowRead": ["@/o/x/l"]"#,
        "",
    );
    host.assert_access(&policy, &[("h/f", Read), ("o/y", Write)]);
    // Where the command could have made the link, nothing starts.
    let policy = host.settings(r#""allowWrite": ["@/o"], "allowRead": ["@/o/x/l"]"#, "");
    let problems = host.problems(&policy);
    assert!(problems.len() == 1 && problems[0].contains("`filesystem.allowRead`: the rule `@/o/x/l` cannot be used: it leads through the symbolic link"), "{problems:?}");
}

#[test]
fn secrets_are_hidden_unless_they_are_named() {
    let host = machine(&["h/.aws/credentials", "h/.aws/config", "h/.ssh/id"]);
    host.assert_access(
        &host.settings("", ""),
        &[("h/.aws/config", Hide), ("h/.ssh/id", Hide), ("h/x", Read)],
    );
    let policy = host.settings(r#""allowRead": ["~/.aws/config", "~"]"#, "");
    host.assert_access(
        &policy,
        &[
            ("h/.aws/config", Read),
            ("h/.aws/credentials", Hide),
            ("h/.ssh/id", Hide),
        ],
    );
}

#[test]
fn credentials_are_hidden_whatever_is_allowed() {
    let host = machine(&["w/key", "w/d/k"]);
    let credentials = r#", "credentials": {"files": [{"path": "key", "mode": "deny"}, {"path": "d", "mode": "deny"}]}"#;
    let policy = host.settings(
        r#""allowWrite": [".", "d/k"], "allowRead": ["key", "d/k"]"#,
        credentials,
    );
    host.assert_access(&policy, &[("w/key", Hide), ("w/d/k", Hide), ("w/x", Write)]);
}

#[test]
fn no_rule_holds_where_files_are_disabled() {
    let host = machine(&["w/secret", "w/.git/hooks/", "h/.aws/config"]);
    let policy = host.settings(r#""denyRead": ["secret"], "disabled": true"#, "");
    host.assert_access(
        &policy,
        &[
            ("w/secret", Write),
            ("h/.aws/config", Write),
            ("/etc/passwd", Write),
            ("/tmp/x", Scratch),
            ("/run/x", Scratch),
        ],
    );
    let write = Attempt::write(host.root.join("w/.git/hooks/pre-commit"));
    assert_eq!(host.resolve(&policy).decide(&write).verdict, Verdict::Allow);
    let control = host.settings(r#""allowWrite": ["."]"#, "");
    assert_eq!(host.resolve(&control).decide(&write).verdict, Verdict::Deny);
}

#[test]
fn git_s_configuration_is_opened_where_git_s_directory_is_writable() {
    let host = machine(&["w/.git/config", "w/.git/hooks/x"]);
    let verdict = |filesystem: &str, path: &str| {
        host.resolve(&host.settings(filesystem, ""))
            .decide(&Attempt::write(host.root.join(path)))
            .verdict
    };
    let (config, hook) = ("w/.git/config", "w/.git/hooks/x");
    for (filesystem, path, expected) in [
        (
            r#""allowWrite": ["."], "allowGitConfig": true"#,
            config,
            Verdict::Allow,
        ),
        (
            r#""allowWrite": ["."], "allowGitConfig": true"#,
            hook,
            Verdict::Deny,
        ),
        (
            r#""allowWrite": ["."], "allowGitConfig": false"#,
            config,
            Verdict::Deny,
        ),
        (
            r#""allowWrite": [], "allowGitConfig": true"#,
            config,
            Verdict::Deny,
        ),
        (
            r#""allowWrite": ["."], "denyWrite": [".git"], "allowGitConfig": true"#,
            config,
            Verdict::Deny,
        ),
        (
            r#""allowWrite": ["."], "denyRead": [".git"], "allowGitConfig": true"#,
            config,
            Verdict::Deny,
        ),
    ] {
        assert_eq!(verdict(filesystem, path), expected, "{filesystem} {path}");
    }
}

#[test]
fn protected_names_are_found_as_deep_as_settings_say() {
    let host = machine(&[
        "w/.gitmodules",
        "w/.ripgreprc",
        "w/.bashrc",
        "w/a/.git/hooks/x",
        "w/a/b/.vscode/s",
        "w/a/b/c/.mcp.json",
        "w/a/b/c/d/.mcp.json",
        "w/node_modules/p/.mcp.json",
        "w/x/.git",
    ]);
    let protected = |rest: &str| -> Vec<String> {
        let policy = host.settings(r#""allowWrite": ["."]"#, rest);
        let anchors = host.anchors(&policy).into_iter();
        anchors.filter(|anchor| !anchor.contains("pin")).collect()
    };
    insta::assert_snapshot!(protected("").join("\n"), @r"
    w write Directory
    w/.bashrc read File
    w/.gitmodules read File
    w/.ripgreprc read File
    w/a/.git/hooks read Directory
    w/a/b/.vscode read Directory
    w/a/b/c/.mcp.json read File
    w/x/.git read File
    ");
    insta::assert_snapshot!(protected(", \"mandatoryDenySearchDepth\": 1").join("\n"), @r"
    w write Directory
    w/.bashrc read File
    w/.gitmodules read File
    w/.ripgreprc read File
    w/a/.git/hooks read Directory
    w/x/.git read File
    ");
    insta::assert_snapshot!(protected(", \"mandatoryDenySearchDepth\": 4").join("\n"), @r"
    w write Directory
    w/.bashrc read File
    w/.gitmodules read File
    w/.ripgreprc read File
    w/a/.git/hooks read Directory
    w/a/b/.vscode read Directory
    w/a/b/c/.mcp.json read File
    w/a/b/c/d/.mcp.json read File
    w/x/.git read File
    ");
}

#[test]
fn private_directories_are_opened_by_name() {
    let host = machine(&[]);
    host.assert_access(
        &host.settings(r#""allowWrite": ["/tmp"]"#, ""),
        &[("/tmp/x", Write), ("/run/x", Scratch)],
    );
    host.assert_access(
        &host.settings(r#""allowRead": ["/tmp"]"#, ""),
        &[("/tmp/x", Read)],
    );
}

#[test]
fn options_replace_what_settings_say_of_the_same_path() {
    let host = machine(&["w/.env", "w/sub/f"]);
    let settings = host.settings(
        r#""allowWrite": ["."], "denyWrite": [".env", "sub", "*.k"]"#,
        "",
    );
    let options = |policy: Policy| settings.clone().layer(policy);
    let line = || Policy::new().source(Source::CommandLine);
    host.assert_access(
        &options(line()),
        &[("w/.env", Read), ("w/sub/f", Read), ("w/a.k", Read)],
    );
    host.assert_access(
        &options(line().write(".env")),
        &[("w/.env", Write), ("w/sub/f", Read)],
    );
    host.assert_access(
        &options(line().write("sub/f")),
        &[("w/sub/f", Write), ("w/sub/g", Read)],
    );
    host.assert_access(&options(line().write_matching("*.k")), &[("w/a.k", Write)]);
    host.assert_access(&options(line().hide("sub")), &[("w/sub/f", Hide)]);
}

#[test]
fn the_file_of_settings_is_not_writable() {
    let host = machine(&["w/s.json"]);
    let text = r#"{"sandbox": {"filesystem": {"allowedWritePaths": ["${CWD}"], "deniedReadPaths": ["${CWD}/k", "${HOME}/k"]}}}"#;
    let policy = |file: &str| {
        Imported::from_settings(text, Some(&host.root.join(file)))
            .unwrap()
            .policy
    };
    host.assert_access(
        &policy("w/s.json"),
        &[
            ("w/s.json", Read),
            ("w/x", Write),
            ("w/k", Hide),
            ("h/k", Hide),
        ],
    );
    host.assert_access(&policy("o/s.json"), &[("w/s.json", Write)]);
}

#[test]
fn every_rule_names_its_key() {
    let host = machine(&["w/.env"]);
    let ruleset = host.resolve(&host.settings(
        r#""denyRead": [], "allowWrite": ["."], "denyWrite": [".env", "*.k"]"#,
        "",
    ));
    let source = |path: &str| {
        ruleset
            .files()
            .access(&host.root.join(path))
            .1
            .unwrap()
            .source()
            .to_string()
    };
    assert_eq!(source("w/.env"), "line 1:124, `filesystem.denyWrite`");
    assert_eq!(source("w/a.k"), "line 1:132, `filesystem.denyWrite`");
    assert_eq!(source("w/x"), "line 1:104, `filesystem.allowWrite`");
    assert_eq!(source("h/.aws"), "known secrets");
    assert_eq!(source("h/x"), "preset `agent`");
}

#[test]
fn namespaces_are_opened_where_settings_say_so() {
    let host = machine(&[]);
    for (rest, expected) in [("", false), (", \"allowNestedUserNamespaces\": true", true)] {
        let ruleset = host.resolve(&host.settings("", rest));
        assert_eq!(
            ruleset.system().features.contains_key("nested"),
            expected,
            "{rest}"
        );
        assert_eq!(ruleset.network(), Network::Deny);
    }
}

#[test]
fn variables_are_inherited_but_secrets() {
    let host = machine(&[]);
    let rest = r#", "credentials": {"envVars": [{"name": "NAMED", "mode": "deny"}]}, "git": {"safeDirectories": ["/srv/x/"]}"#;
    let ruleset = host.resolve(&host.settings("", rest));
    let caller = ["NAMED", "OTHER", "GITHUB_TOKEN", "GIT_CONFIG_COUNT"]
        .map(|name| (name.into(), "caller".into()));
    let inside = ruleset.environment().apply(caller);
    let value = |name: &str| {
        inside
            .iter()
            .find(|(inner, _)| inner == name)
            .map(|(_, value)| value.to_str().unwrap())
    };
    for (name, expected) in [
        ("NAMED", None),
        ("OTHER", Some("caller")),
        ("GITHUB_TOKEN", None),
        ("GIT_CONFIG_COUNT", Some("2")),
        ("GIT_CONFIG_KEY_1", Some("safe.directory")),
        ("GIT_CONFIG_VALUE_0", Some("/srv/x")),
        ("GIT_CONFIG_VALUE_1", Some("/srv/x/*")),
        ("TMPDIR", Some("/tmp")),
    ] {
        assert_eq!(value(name), expected, "{name}");
    }
}
