//! `sandbox check`: what a reviewer would say, and with which exit code.

use sandbox_testing::Host;

const CARELESS: &str = "\
extends = [\"agent\"]

[files]
\"../outside\" = \"read\"
\"../outside/keys\" = \"write\"
\"../alias\" = \"read\"
\"~\" = \"write\"
\"src/*.rs\" = \"write\"
\"src\" = \"write\"

[environment]
NPM_TOKEN = \"pass\"

[system]
perf = \"allow\"

[system.macos]
open = \"allow\"
mach-lookup = [\"com.example.*\"]
";

fn host() -> Host {
    Host::new()
        .file("src/main.rs", "")
        .file("bin/tool", "")
        .dir("@outside/keys")
        .symlink("@root/alias", "@outside/keys")
}

#[test]
fn a_careless_policy_has_warnings() {
    let host = host();
    host.write("sandbox.toml", CARELESS);
    let path = format!("{}:/usr/bin", host.path("bin").display());
    let outcome = host.tool(["check"]).env("PATH", &path).output();
    insta::assert_snapshot!(host.printed(outcome.exits(1)), @r#"
    note: `../outside` = read says what holds without it, by `/` = read (preset `agent`)
     --> sandbox.toml:4:1
      |
    4 | "../outside" = "read"
      | ^^^^^^^^^^^^
      |
      = help: remove it

    warning: `../outside/keys` = write has no effect: `../alias` = read is about the same path and grants less
     --> sandbox.toml:5:1
      |
    5 | "../outside/keys" = "write"
      | ^^^^^^^^^^^^^^^^^
      |
      = help: remove one of the two

    warning: `~` = write grants a home
     --> sandbox.toml:7:1
      |
    7 | "~" = "write"
      | ^^^
      |
      = help: name what is needed of it

    warning: `src/*.rs` = write never decides anything: `src` = write holds wherever it matches
     --> sandbox.toml:8:1
      |
    8 | "src/*.rs" = "write"
      | ^^^^^^^^^^
      |
      = help: remove it

    note: `NPM_TOKEN` opens a known secret: access tokens
      --> sandbox.toml:12:1
       |
    12 | NPM_TOKEN = "pass"
       | ^^^^^^^^^
       |
       = help: remove it, unless the command needs exactly that

    note: `perf` opens a part of the kernel that is refused otherwise
      --> sandbox.toml:15:1
       |
    15 | perf = "allow"
       | ^^^^
       |
       = help: remove it, unless the command fails without

    warning: `open` opens, on macOS, programs and documents, which are opened unconfined: a way out of the sandbox
      --> sandbox.toml:18:1
       |
    18 | open = "allow"
       | ^^^^
       |
       = help: remove it, unless the command fails without

    note: `com.example.*` is a service of macOS that is not confined: it does what it is asked to
      --> sandbox.toml:19:16
       |
    19 | mach-lookup = ["com.example.*"]
       |                ^^^^^^^^^^^^^^^
       |
       = help: remove it, unless the command fails without

    warning: `@ws/bin` is in `PATH` and can be written by `${CWD}` = write (preset `agent`): what the command leaves there is executed outside

      help: take the directory out of `PATH`, or make it `read` by a rule

    `sandbox.toml` is valid: 5 warnings, 4 notes
    "#);
    let outcome = host.tool(["check", "--json"]).env("PATH", &path).output();
    let text = host.printed(outcome.exits(1));
    for part in [
        "\"version\": 1",
        "\"valid\": true",
        "\"kind\": \"shadowed\"",
        "\"severity\": \"warning\"",
        "\"line\": 5",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_careful_policy_has_none() {
    let host = host();
    let policy = host.policy("extends = [\"agent\"]\n\n[files]\n\"@outside/keys\" = \"hide\"\n");
    let outcome = host
        .tool(["check", policy.to_str().unwrap()])
        .env("PATH", "/usr/bin:/missing")
        .output();
    insta::assert_snapshot!(host.printed(outcome.succeeds()), @"`@policies/0.toml` is valid: no warnings, no notes");
}

#[test]
fn a_policy_that_is_refused_says_why() {
    let host = host();
    let policy = host.policy("[files]\n\".\" = \"writ\"\n");
    let outcome = host.tool(["check", policy.to_str().unwrap()]).output();
    insta::assert_snapshot!(host.shorten(&outcome.exits(125).errors()), @r#"
    error: unknown access `writ` for `.`
     --> @policies/0.toml:2:7
      |
    2 | "." = "writ"
      |       ^^^^^^
      |
      = help: write `write`
    "#);
    insta::assert_snapshot!(host.shorten(&host.tool(["check"]).output().exits(125).errors()), @"
    error: cannot read the policy `sandbox.toml`
      caused by: No such file or directory (os error 2)
    ");
    let fine = host.policy("extends = [\"read-only\"]\n");
    let lowered = [
        "check",
        "--lower",
        "user.max_user_namespaces=0",
        fine.to_str().unwrap(),
    ];
    host.tool(lowered).output().exits(125);
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let host = host();
    host.write("sandbox.toml", CARELESS);
    let words = ["check"];
    let coloured = |forced: bool| {
        let run = host.tool(words);
        let run = if forced {
            run.env("CLICOLOR_FORCE", "1")
        } else {
            run
        };
        run.output().text().contains('\u{1b}')
    };
    assert!(!coloured(false));
    // The control: the same text has colours where they are asked for.
    assert!(coloured(true));
    let unwanted = host.tool(words).env("NO_COLOR", "1").output().text();
    assert!(!unwanted.contains('\u{1b}'));
}

/// The project's policy is a layer: what the preset below it hides is what it opens.
#[test]
fn the_projects_policy_is_reviewed_on_what_lies_below_it() {
    let host = Host::new()
        .file("~/.ssh/config", "")
        .file("@outside/key", "");
    host.write("sandbox.toml", "[files]\n\"~/.ssh/config\" = \"read\"\n");
    let check = |words: &[&str]| {
        let outcome = host
            .tool(["check"].iter().chain(words))
            .env("PATH", "/usr/bin")
            .output();
        outcome.succeeds().text()
    };
    assert!(check(&[]).contains("opens a known secret"));
    // The control: a file for `--policy` stands alone, and hides nothing that this would open.
    std::fs::copy(host.path("sandbox.toml"), host.path("ci.toml")).unwrap();
    assert!(!check(&["ci.toml"]).contains("opens a known secret"));
}
