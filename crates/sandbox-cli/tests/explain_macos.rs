//! `sandbox explain --os macos`: the answer of the profile, with the line of it that decides.

use sandbox_testing::Host;

const POLICY: &str = "\
[files]
\"/\" = \"read\"
\"@ws\" = \"write\"
\"@ws/keys\" = \"hide\"
\"@ws/a/b/key\" = \"read\"
[network.rules]
\"example.com\" = \"allow\"
\"localhost:5432\" = \"allow\"
";

fn host() -> Host {
    Host::new()
        .file("keys/id", "")
        .file("a/b/key", "")
        .file("src/main.rs", "")
        .dir(".git")
}

fn words(policy: &str, question: &[&str], host: &Host) -> Vec<String> {
    let policy = host.policy(policy).display().to_string();
    let words = ["explain", "--os", "macos", "--policy", &policy].map(str::to_owned);
    let question = question.iter().map(|word| host.expand(word));
    words.into_iter().chain(question).collect()
}

#[track_caller]
fn asked(host: &Host, question: &[&str]) -> String {
    let outcome = host.tool(words(POLICY, question, host)).output();
    without_numbers(&host.printed(outcome.succeeds()))
}

/// The numbers of lines change with each line that every profile has: `a_line_is_where_the_profile_has_it`.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split("profile line ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|letter: char| letter.is_ascii_digit());
        text + "profile line N" + rest
    })
}

#[test]
fn what_a_rule_says_has_the_line_that_says_it() {
    let host = host();
    insta::assert_snapshot!(asked(&host, &["keys/id", "src/main.rs"]), @r#"
    deny  read  @ws/keys/id
          by `@ws/keys` = hide (@policies/0.toml:4)
          held by Seatbelt
          profile line N denies file-read-data: @ws/keys = hide (@policies/0.toml:4)
          not by `@ws` = write (@policies/0.toml:3): less specific
          not by `/` = read (@policies/0.toml:2): less specific
          help: "@ws/keys/id" = "read"
    deny  write @ws/keys/id
          by `@ws/keys` = hide (@policies/0.toml:4)
          held by Seatbelt
          profile line N denies file-write-data: @ws/keys = hide (@policies/0.toml:4)
          not by `@ws` = write (@policies/0.toml:3): less specific
          not by `/` = read (@policies/0.toml:2): less specific
          help: "@ws/keys/id" = "write"
    allow read  @ws/src/main.rs
          by `@ws` = write (@policies/0.toml:3)
          profile line N allows file-read-data (subpath "/"): / = read (@policies/0.toml:2)
          not by `/` = read (@policies/0.toml:2): less specific
    allow write @ws/src/main.rs
          by `@ws` = write (@policies/0.toml:3)
          profile line N allows file-write-data (subpath "@ws"): @ws = write (@policies/0.toml:3)
          not by `/` = read (@policies/0.toml:2): less specific
    "#);
}

#[test]
fn a_line_is_where_the_profile_has_it() {
    let host = host();
    let question = [
        "keys/id",
        "src/main.rs",
        "--write",
        "src/.VSCODE/x",
        "--write",
        "/dev/null",
        "--connect",
        "example.com",
    ];
    let policy = host.policy(POLICY).display().to_string();
    let words = ["profile", "--os", "macos", "--policy", &policy];
    let profile = host.tool(words).output().succeeds().text();
    let words = ["explain", "--json", "--os", "macos", "--policy", &policy];
    let answer = host
        .tool(words.into_iter().chain(question))
        .output()
        .succeeds()
        .text();
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let answers = answer["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 7);
    for said in answers.iter().map(|answer| &answer["profile"][0]) {
        let line = usize::try_from(said["line"].as_u64().unwrap()).unwrap();
        let line = profile.lines().nth(line - 1).unwrap();
        let filter = said["filter"].as_str().unwrap();
        assert!(!filter.is_empty() && line.contains(filter), "{said} {line}");
        assert!(
            line.contains(said["why"].as_str().unwrap()),
            "{said} {line}"
        );
    }
}

#[test]
fn where_macos_denies_more_it_says_so() {
    let host = host();
    // By a spelling; by what must stay; by what leads to a protected path.
    insta::assert_snapshot!(asked(&host, &["--write", "src/.VSCODE/x", "--write", "KEYS/id", "--write", "a/b", "--write", ".git"]), @r#"
    deny  write @ws/src/.VSCODE/x (not there)
          since it counts as protected on macOS, as the line says
          held by Seatbelt
          profile line N denies file-write-create: protected: .vscode
          not by `@ws` = write (@policies/0.toml:3): the profile says otherwise
          not by `/` = read (@policies/0.toml:2): less specific
    deny  write @ws/KEYS/id (not there)
          since on macOS a rule holds in every spelling, and wherever a directory could be moved to
          held by Seatbelt
          profile line N denies file-write-create: @ws/keys = hide (@policies/0.toml:4)
          not by `@ws` = write (@policies/0.toml:3): the profile says otherwise
          not by `/` = read (@policies/0.toml:2): less specific
    allow write @ws/a/b
          by `@ws` = write (@policies/0.toml:3)
          profile line N allows file-write-data (subpath "@ws"): @ws = write (@policies/0.toml:3)
          profile line N denies file-write-unlink: @ws/a/b (@ws/a/b/key)
          not by `/` = read (@policies/0.toml:2): less specific
    allow write @ws/.git
          by `@ws` = write (@policies/0.toml:3)
          profile line N allows file-write-data (subpath "@ws"): @ws = write (@policies/0.toml:3)
          profile line N denies file-write-unlink: leads to what is protected: .git
          not by `/` = read (@policies/0.toml:2): less specific
    "#);
    // The control: on Linux other letters are another name.
    let policy = host.policy(POLICY).display().to_string();
    let words = [
        "explain",
        "--os",
        "linux",
        "--policy",
        &policy,
        "--write",
        "src/.VSCODE/x",
    ];
    let text = host.printed(host.tool(words).output().succeeds());
    assert!(text.starts_with("allow write"), "{text}");
}

#[test]
fn what_every_program_needs_is_open_in_spite_of_a_rule() {
    let host = host();
    insta::assert_snapshot!(asked(&host, &["--write", "/dev/null", "--write", "/dev/mem0"]), @r#"
    allow write /dev/null
          since more is open on macOS, as the line says
          profile line N allows file-write-data (literal "/dev/null"): what is thrown away
          profile line N denies file-write-unlink: no line is about it
          not by `/` = read (@policies/0.toml:2): the profile says otherwise
    deny  write /dev/mem0
          by `/` = read (@policies/0.toml:2)
          held by Seatbelt
          profile line N denies file-write-data: no line is about it
          help: "/dev" = "write"
    "#);
}

#[test]
fn destinations_are_decided_by_the_gateway_and_ports_of_the_loopback_by_the_profile() {
    let host = host();
    let question = [
        "--connect",
        "example.com",
        "--connect",
        "example.org",
        "--connect",
        "localhost:5432",
        "--connect",
        "127.0.0.1:80",
        "--connect",
        "@ws/socket",
        "--connect",
        "/run/docker.sock",
        "--env",
        "GITHUB_TOKEN",
    ];
    insta::assert_snapshot!(asked(&host, &question), @r#"
    deny  env   GITHUB_TOKEN
          since no rule is about it
          held by the caller: it is not handed over
          help: "GITHUB_TOKEN" = "pass"
    allow connect example.com:443
          by `example.com` = allow (@policies/0.toml:7)
          profile line N allows network-outbound (remote ip "localhost:3128"): the gateway
    deny  connect example.org:443
          since no rule is about it
          held by gateway + Seatbelt
          profile line N allows network-outbound (remote ip "localhost:3128"): the gateway
          help: "example.org:443" = "allow"
    allow connect localhost:5432
          by `localhost:5432` = allow (@policies/0.toml:8)
          profile line N allows network-outbound (remote ip "localhost:5432"): a rule names the port
    deny  connect 127.0.0.1:80
          by `127.0.0.0/8` = deny (closed addresses)
          since: the host's loopback (RFC 1122)
          held by Seatbelt
          profile line N denies network-outbound: no line is about it
          help: "127.0.0.1:80" = "allow"
    allow connect @ws/socket (not there)
          by `@ws` = write (@policies/0.toml:3)
          profile line N allows network-outbound (remote unix-socket (subpath "@ws")): @ws = write (@policies/0.toml:3)
          not by `/` = read (@policies/0.toml:2): less specific
    deny  connect /run/docker.sock (not there)
          by `/` = read (@policies/0.toml:2)
          held by Seatbelt
          profile line N denies network-outbound: no line is about it
          help: "/run/docker.sock" = "write"
    "#);
}

#[test]
fn what_settings_open_on_macos_alone_is_told() {
    let settings = |binding: bool| {
        format!(
            "{{\"network\": {{\"allowedDomains\": [], \"deniedDomains\": [], \"allowLocalBinding\": {binding}}}, \"filesystem\": {{\"denyRead\": [], \"allowWrite\": [\".\"], \"denyWrite\": []}}}}"
        )
    };
    let host = host()
        .file("yes.json", settings(true))
        .file("no.json", settings(false));
    let asked = |file: &str| {
        let words = [
            "explain",
            "--os",
            "macos",
            "--settings",
            file,
            "--connect",
            "localhost:80",
        ];
        without_numbers(&host.printed(host.tool(words).output().succeeds()))
    };
    insta::assert_snapshot!(asked("yes.json"), @r#"
    allow connect localhost:80
          since more is open on macOS, as the line says
          profile line N allows network-outbound (remote ip "localhost:*"): yes.json:1:78, `network.allowLocalBinding`
    "#);
    // The control.
    assert!(asked("no.json").starts_with("deny  connect"));
}

#[test]
fn what_only_linux_has_is_refused_and_so_is_what_macos_cannot_hold() {
    let host = host();
    let told = |words: &[&str]| {
        let outcome = host.tool(words).output();
        host.shorten(&outcome.exits(125).errors())
    };
    insta::assert_snapshot!(told(&["explain", "--os", "macos", "--plan"]), @"
    error: `--plan` is about Linux

      help: `sandbox profile --os macos` prints what holds a policy there
    ");
    insta::assert_snapshot!(told(&["explain", "--os", "macos", "--scratch", "src", "src/main.rs"]), @"
    error: macOS has no `scratch` for `@ws/src` (the command line)

      help: grant `write` there, or leave the rule out: the variable `TMPDIR` names a private directory
    ");
    // The controls.
    host.tool(["explain", "--os", "linux", "--plan"])
        .output()
        .exits(0);
    host.tool(["explain", "--os", "macos", "src/main.rs"])
        .output()
        .exits(0);
}

#[test]
fn hostile_names_do_not_reach_the_terminal() {
    let host = host();
    let text = asked(&host, &["a\u{1b}[31m\u{202e}"]);
    assert!(
        !text.contains('\u{202e}') && !text.contains("\u{1b}[31m\u{202e}"),
        "{text:?}"
    );
    assert!(text.contains("\\u{202e}"), "{text}");
}
