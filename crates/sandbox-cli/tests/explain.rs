//! `sandbox explain`: the answer of the rules, of the plan, and of the kernel is one.

use sandbox_testing::Host;

/// Asks in the workspace, with a policy of its own.
#[track_caller]
fn asked<const N: usize>(host: &Host, policy: &str, question: [&str; N]) -> String {
    let policy = host.policy(policy);
    let words = [
        "explain".to_owned(),
        "--policy".to_owned(),
        policy.display().to_string(),
    ];
    let question = question.map(|word| host.expand(word));
    let outcome = host.tool(words.into_iter().chain(question)).output();
    host.printed(outcome.succeeds())
}

const POLICY: &str = "\
extends = [\"agent\"]

[files]
\"@outside\" = \"write\"
\"@outside/keys\" = \"hide\"
\"@outside/**/*.pem\" = \"hide\"
\"@ws/.git/hooks\" = \"write\"

[environment]
NPM_TOKEN = \"pass\"
";

fn host() -> Host {
    Host::new()
        .file("src/main.rs", "")
        .file(".git/hooks/post-merge", "")
        .file("@outside/keys/id", "")
        .file("@outside/a.pem", "")
        .symlink("link", "@outside/keys")
}

#[test]
fn a_path_has_its_rule_and_the_rules_that_lost() {
    let host = host();
    insta::assert_snapshot!(asked(&host, POLICY, ["@outside/a.pem"]), @r#"
    deny  read  @outside/a.pem
          by `@outside/**/*.pem` = hide (@policies/0.toml:6)
          held by mount namespace: a cover
          not by `@outside` = write (@policies/0.toml:4): a pattern lowers it
          not by `/` = read (preset `agent`): less specific
          help: "@outside/a.pem" = "read"
    deny  write @outside/a.pem
          by `@outside/**/*.pem` = hide (@policies/0.toml:6)
          held by mount namespace: a cover
          not by `@outside` = write (@policies/0.toml:4): a pattern lowers it
          not by `/` = read (preset `agent`): less specific
          help: "@outside/a.pem" = "write"
    "#);
    insta::assert_snapshot!(asked(&host, POLICY, ["--write", ".git/hooks/post-merge", "--write", ".git/config"]), @r#"
    allow write @ws/.git/hooks/post-merge
          by `@ws/.git/hooks` = write (@policies/1.toml:7)
          it is the host's, writable
          not by `${CWD}` = write (preset `agent`): less specific
          not by `/` = read (preset `agent`): less specific
    deny  write @ws/.git/config (not there)
          by `.git/config` = read (protected paths)
          since: core.fsmonitor, core.sshCommand, aliases and filters are commands that git runs
          held by notifier: by name
          not by `${CWD}` = write (preset `agent`): it does not name the protected path
          not by `/` = read (preset `agent`): less specific
          help: "@ws/.git/config" = "write"
    "#);
    insta::assert_snapshot!(asked(&host, POLICY, ["link/id"]), @r#"
    @ws/link/id leads to @outside/keys/id
    deny  read  @outside/keys/id
          by `@outside/keys` = hide (@policies/2.toml:5)
          held by mount namespace: a cover
          not by `@outside` = write (@policies/2.toml:4): less specific
          not by `/` = read (preset `agent`): less specific
          help: "@outside/keys/id" = "read"
    deny  write @outside/keys/id
          by `@outside/keys` = hide (@policies/2.toml:5)
          held by mount namespace: a cover
          not by `@outside` = write (@policies/2.toml:4): less specific
          not by `/` = read (preset `agent`): less specific
          help: "@outside/keys/id" = "write"
    "#);
}

#[test]
fn a_variable_has_its_rule_and_the_rules_that_lost() {
    let host = host();
    let question = [
        "--env",
        "NPM_TOKEN",
        "--env",
        "GITHUB_TOKEN",
        "--env",
        "GOCACHE",
    ];
    insta::assert_snapshot!(asked(&host, POLICY, question), @r#"
    allow env   NPM_TOKEN
          by `NPM_TOKEN` (@policies/0.toml:10)
          not by `*TOKEN` (known secrets): less specific
          not by `*` (preset `agent`): less specific
    deny  env   GITHUB_TOKEN
          by `*TOKEN` (known secrets)
          since: access tokens
          held by the caller: it is not handed over
          not by `*` (preset `agent`): less specific
          help: "GITHUB_TOKEN" = "pass"
    allow env   GOCACHE
          by `GOCACHE` (preset `agent`)
          set to /tmp/.cache/go-build
          not by `*` (preset `agent`): less specific
    "#);
}

#[test]
fn a_value_with_a_password_is_not_passed_by_a_pattern() {
    let host = host();
    let outcome = host
        .tool(["explain", "--env", "URL"])
        .env("URL", "https://ana:secret@example.org")
        .output();
    insta::assert_snapshot!(host.printed(outcome.succeeds()), @r#"
    deny  env   URL
          since its value is an address with a password, which only a rule with its name passes
          held by the caller: it is not handed over
          help: "URL" = "pass"
    "#);
}

#[test]
fn the_private_directories_answer_for_themselves() {
    let host = host();
    insta::assert_snapshot!(asked(&host, POLICY, ["/dev/null", "/dev/mem", "/proc/self/environ", "/tmp/none"]), @"
    allow read  /dev/null
          since it is a device of the sandbox's own /dev
    allow write /dev/null
          since it is a device of the sandbox's own /dev
    deny  read  /dev/mem
          since it is the sandbox's own /dev, which has no such device
          held by private /dev + Landlock
    deny  write /dev/mem
          since it is the sandbox's own /dev, which has no such device
          held by mount namespace: read-only + Landlock
    allow read  /proc/self/environ
          since it is the sandbox's own /proc, read-only
    deny  write /proc/self/environ
          since it is the sandbox's own /proc, read-only
          held by mount namespace: read-only + Landlock
    allow read  /tmp/none (not there)
          by `/tmp` = scratch (preset `agent`)
          it is private and empty, gone afterwards
          not by `/` = read (preset `agent`): less specific
    allow write /tmp/none (not there)
          by `/tmp` = scratch (preset `agent`)
          it is private and empty, gone afterwards
          not by `/` = read (preset `agent`): less specific
    ");
}

#[test]
fn a_name_that_does_not_exist_yet_is_held_by_the_notifier() {
    let host = host();
    insta::assert_snapshot!(asked(&host, POLICY, ["--write", ".envrc", "--write", "src/.vscode/tasks.json"]), @r#"
    deny  write @ws/.envrc (not there)
          by `.envrc` = read (protected paths)
          since: direnv runs it on entering the directory
          held by notifier: by name
          not by `${CWD}` = write (preset `agent`): it does not name the protected path
          not by `/` = read (preset `agent`): less specific
          help: "@ws/.envrc" = "write"
    deny  write @ws/src/.vscode/tasks.json (not there)
          by `.vscode` = read (protected paths)
          since: tasks, launch configurations and settings that name programs
          held by notifier: by name
          not by `${CWD}` = write (preset `agent`): it does not name the protected path
          not by `/` = read (preset `agent`): less specific
          help: "@ws/src/.vscode/tasks.json" = "write"
    "#);
}

#[test]
fn what_cannot_be_looked_at_is_no_answer() {
    let host = host().symlink("loop", "loop");
    let long = "x".repeat(300);
    for (path, message) in [("loop/x", "loop"), (long.as_str(), "xxx")] {
        let outcome = host.tool(["explain", path, "src"]).output();
        outcome.exits(125);
        let output = outcome.text();
        assert!(
            output.contains(message) && output.contains("allow write"),
            "{output}"
        );
        host.tool(["explain", "--json", path]).output().exits(125);
    }
    host.tool(["explain", "src"]).output().succeeds();
}

#[test]
fn json_says_the_same() {
    let host = host();
    insta::assert_snapshot!(asked(&host, POLICY, ["--json", "--write", "@outside/a.pem"]), @r#"
    {
      "answers": [
        {
          "exists": true,
          "inside": "hidden",
          "instead": null,
          "lost": [
            {
              "access": "write",
              "pattern": "@outside",
              "source": {
                "column": 1,
                "file": "@policies/0.toml",
                "kind": "file",
                "line": 4
              },
              "why": "lowered"
            },
            {
              "access": "read",
              "pattern": "/",
              "source": {
                "kind": "preset",
                "preset": "agent"
              },
              "why": "less-specific"
            }
          ],
          "mechanisms": [
            "mount namespace: a cover"
          ],
          "operation": "write",
          "path": "@outside/a.pem",
          "remedy": "\"@outside/a.pem\" = \"write\"",
          "resolved": "@outside/a.pem",
          "rule": {
            "access": "hide",
            "pattern": "@outside/**/*.pem",
            "source": {
              "column": 1,
              "file": "@policies/0.toml",
              "kind": "file",
              "line": 6
            }
          },
          "verdict": "deny"
        }
      ],
      "starts": true,
      "version": 1
    }
    "#);
}

#[test]
fn json_has_variables_rules_and_the_plan() {
    let host = host();
    insta::assert_snapshot!(asked(&host, POLICY, ["--json", "--env", "GITHUB_TOKEN"]), @r#"
    {
      "answers": [
        {
          "inside": null,
          "instead": null,
          "lost": [
            {
              "pattern": "*",
              "source": {
                "kind": "preset",
                "preset": "agent"
              },
              "why": "less-specific"
            }
          ],
          "mechanisms": [
            "the caller: it is not handed over"
          ],
          "name": "GITHUB_TOKEN",
          "operation": "variable",
          "remedy": "\"GITHUB_TOKEN\" = \"pass\"",
          "rule": {
            "pattern": "*TOKEN",
            "reason": "access tokens",
            "source": {
              "kind": "secrets"
            }
          },
          "verdict": "deny"
        }
      ],
      "starts": true,
      "version": 1
    }
    "#);
    let all = asked(&host, POLICY, ["--json"]);
    for part in [
        "\"version\": 1",
        "\"environment\": [",
        "\"network\": \"deny\"",
        "*_KEY",
    ] {
        assert!(all.contains(part), "{part}\n{all}");
    }
    let plan = asked(&host, POLICY, ["--json", "--plan", "--enforcement"]);
    assert!(
        plan.contains("\"plan\": [") && plan.contains("\"not_held\""),
        "{plan}"
    );
}

#[test]
fn all_rules_are_listed_those_about_variables_too() {
    let host = host();
    let all = asked(&host, POLICY, []);
    for line in [
        "hide     @outside/**/*.pem  (@policies/0.toml:6)",
        "pass     NPM_TOKEN  (@policies/0.toml:10)",
        "drop     *TOKEN  (known secrets)",
        "network: deny",
    ] {
        assert!(all.contains(line), "{line}\n{all}");
    }
}

#[test]
fn names_are_escaped() {
    let host = host().file("a\u{1b}[2Jb", "");
    let text = asked(&host, POLICY, ["a\u{1b}[2Jb", "--env", "A\u{1b}B"]);
    assert!(
        !text.contains('\u{1b}') && text.contains("\\u{1b}"),
        "{text}"
    );
    let json = asked(&host, POLICY, ["--json", "a\u{1b}[2Jb"]);
    assert!(!json.contains('\u{1b}'), "{json}");
}

#[test]
fn options_of_a_policy_have_names_of_their_own() {
    let host = host();
    let outcome = host
        .tool([
            "explain",
            "--with-write",
            "../outside",
            "--with-env",
            "A=1",
            "--write",
            "../outside/x",
            "--env",
            "A",
        ])
        .output();
    insta::assert_snapshot!(host.printed(outcome.succeeds()), @"
    @ws/../outside/x leads to @outside/x
    allow write @outside/x (not there)
          by `../outside` = write (the command line)
          it is the host's, writable
          not by `/` = read (preset `agent`): less specific
    allow env   A
          by `A` (the command line)
          set to 1
          not by `*` (preset `agent`): less specific
    ");
}

#[test]
fn where_no_sandbox_starts_nothing_is_held() {
    let host = host();
    let lowered = [
        "explain",
        "--lower",
        "user.max_user_namespaces=0",
        "--write",
        "/etc/passwd",
    ];
    let outcome = host.tool(lowered).output();
    insta::assert_snapshot!(host.printed(outcome.succeeds()), @r#"
    deny  write /etc/passwd
          by `/` = read (preset `agent`)
          help: "/etc/passwd" = "write"
    No sandbox starts here, so nothing is held: `sandbox doctor` tells why.
    "#);
}

/// What `explain` says of a path is what the kernel does.
#[test]
fn the_kernel_agrees() {
    let host = host()
        .file("@outside/keys/deep/x", "")
        .file("@home/.ssh/id", "KEY");
    for path in [
        "src/main.rs",
        ".git/hooks/post-merge",
        "@outside/a.pem",
        "@outside/public",
        "@outside/keys/id",
        "@outside/keys/deep/x",
        "@home/.ssh/id_rsa",
        "link/id",
        "/etc/passwd",
        "/etc/hostname",
        "/dev/null",
        "/dev/zero",
        "/dev/mem",
        "/dev/kmsg",
        "/proc/self/status",
        "/proc/self/oom_score_adj",
        "/proc/sys/kernel/hostname",
    ] {
        let path = host.expand(path);
        let answer = asked(&host, POLICY, [path.as_str()]);
        for (operation, script) in [
            ("read ", "head -c 1 < \"$1\" > /dev/null 2>&1"),
            ("write", ": >> \"$1\""),
        ] {
            let said = answer.contains(&format!("allow {operation}"));
            let inside = host
                .sandbox(["sh", "-c", script, "sh", &path])
                .policy(POLICY)
                .output();
            assert_eq!(
                inside.code() == Some(0),
                said,
                "{operation} {path}\n{answer}"
            );
        }
    }
}

const NETWORK: &str = "\
extends = [\"agent\"]

[network]
default = \"ask\"

[network.rules]
\"*.Example.com:443\" = \"allow\"
\"tracker.example.com\" = { access = \"deny\", reason = \"it counts who builds\" }
\"10.0.0.0/8\" = \"allow\"
\"0.0.0.0/0\" = \"allow\"
";

#[test]
fn the_gateway_holds_the_network_where_destinations_are_named() {
    let host = Host::new();
    let held = |policy: &str| {
        let text = asked(&host, policy, ["--enforcement"]);
        let lines = text.lines();
        let lines = lines.skip_while(|line| !line.starts_with("network "));
        let about = lines.take_while(|line| !line.starts_with("abstract"));
        about.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(held(NETWORK), @r"
    network          network namespace + seccomp + gateway
                     not held: that `connect` fails where a connection is denied: the gateway accepts first, then decides, and resets it
                     beyond the rules: the port that `getpeername` tells, if this kernel has no transparent proxy in nf_tables; every connection but those to the proxies of `HTTP_PROXY` and `ALL_PROXY`, if `/proc/sys` can't be written either
    ");
    let agent = "extends = [\"agent\"]\n";
    insta::assert_snapshot!(held(agent), @"network          network namespace + seccomp");
    let host_network = format!("{agent}[network]\ndefault = \"host\"\n");
    insta::assert_snapshot!(held(&host_network), @r"
    network          not held
                     not held: the policy leaves the command on the host's network
    ");
}

#[test]
fn a_destination_has_its_rule_and_the_rules_that_lost() {
    let host = Host::new();
    let question = [
        "--connect",
        "WWW.example.com.",
        "--connect",
        "tracker.example.com:443",
        "--connect",
        "0x0a.1:22",
        "--connect",
        "[::ffff:169.254.169.254]:80",
        "--connect",
        "example.org",
    ];
    insta::assert_snapshot!(asked(&host, NETWORK, question), @r#"
    allow connect www.example.com:443
          by `*.Example.com:443` = allow (@policies/0.toml:7)
    deny  connect tracker.example.com:443
          by `tracker.example.com` = deny (@policies/0.toml:8)
          since: it counts who builds
          held by network namespace + seccomp + gateway
          not by `*.Example.com:443` = allow (@policies/0.toml:7): less specific
          help: "tracker.example.com:443" = "allow"
    allow connect 10.0.0.1:22
          by `10.0.0.0/8` = allow (@policies/0.toml:9)
          not by `0.0.0.0/0` = allow (@policies/0.toml:10): less specific
    deny  connect 169.254.169.254:80
          by `169.254.169.254/32` = deny (closed addresses)
          since: metadata service of AWS, Azure, Google Cloud, Oracle Cloud, DigitalOcean, OpenStack
          held by network namespace + seccomp + gateway
          not by `0.0.0.0/0` = allow (@policies/0.toml:10): it does not name the closed addresses
          help: "169.254.169.254:80" = "allow"
    ask   connect example.org:443
          since no rule is about it
          help: "example.org:443" = "allow"
    "#);
    let question = ["--json", "--connect", "tracker.example.com"];
    insta::assert_snapshot!(asked(&host, NETWORK, question), @r#"
    {
      "answers": [
        {
          "destination": "tracker.example.com",
          "inside": null,
          "instead": null,
          "lost": [
            {
              "pattern": "*.Example.com:443",
              "source": {
                "column": 1,
                "file": "@policies/1.toml",
                "kind": "file",
                "line": 7
              },
              "verdict": "allow",
              "why": "less-specific"
            }
          ],
          "mechanisms": [
            "network namespace",
            "seccomp",
            "gateway"
          ],
          "operation": "connect",
          "port": 443,
          "remedy": "\"tracker.example.com:443\" = \"allow\"",
          "rule": {
            "message": "it counts who builds",
            "pattern": "tracker.example.com",
            "source": {
              "column": 1,
              "file": "@policies/1.toml",
              "kind": "file",
              "line": 8
            },
            "verdict": "deny"
          },
          "verdict": "deny"
        }
      ],
      "starts": true,
      "version": 1
    }
    "#);
}

#[test]
fn what_is_no_destination_is_not_asked_about() {
    let host = Host::new();
    for (text, said) in [
        (
            "https://example.com",
            "it is a URL; a destination is the name in it",
        ),
        ("example.com:0", "a port is a number from 1 to 65535"),
        (
            "exam ple.com",
            "it contains a character that is in no name or address",
        ),
    ] {
        let outcome = host.tool(["explain", "--connect", text]).output();
        outcome.refuses().stderr_contains(said);
    }
}
