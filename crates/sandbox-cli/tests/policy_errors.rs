//! Policies that can't be used: every error is told at once, with its place and the nearest right thing. Nothing runs.

use sandbox_testing::{Host, Outcome};

/// The message of a refusal, without the places of this machine.
#[track_caller]
fn refusal(host: &Host, outcome: &Outcome) -> String {
    outcome.refuses();
    host.shorten(&outcome.errors())
}

/// What is said about a policy with this text; nothing runs.
#[track_caller]
fn about_policy(text: &str) -> String {
    let host = Host::new();
    refusal(&host, &host.sandbox(["touch", "ran"]).policy(text).output())
}

#[test]
fn every_error_of_a_policy_is_told_at_once() {
    insta::assert_snapshot!(about_policy(
        "extends = [\"agnet\"]\n\
         [files]\n\
         \".\" = \"wrtie\"\n\
         \"./x\\u0000y\" = \"hide\"\n\
         [netwrok]\n\
         default = \"deny\"\n\
         [network]\n\
         defalt = \"deny\"\n\
         [environment]\n\
         \"CI\" = \"keep\"\n\
         [limits]\n\
         memory = \"4G\"\n\
         time = \"10M\"\n\
         [system]\n\
         prf = \"allow\"\n"
    ), @r#"
    error: unknown preset `agnet` for `extends`
     --> @policies/0.toml:1:12
      |
    1 | extends = ["agnet"]
      |            ^^^^^^^
      |
      = help: write `agent`

    error: unknown access `wrtie` for `.`
     --> @policies/0.toml:3:7
      |
    3 | "." = "wrtie"
      |       ^^^^^^^
      |
      = help: write `write`

    error: the path `./x\0y` contains a NUL byte
     --> @policies/0.toml:4:1
      |
    4 | "./x\u0000y" = "hide"
      | ^^^^^^^^^^^^

    error: unknown key `netwrok`
     --> @policies/0.toml:5:2
      |
    5 | [netwrok]
      |  ^^^^^^^
      |
      = help: write `network`

    error: unknown key `defalt` in `[network]`
     --> @policies/0.toml:8:1
      |
    8 | defalt = "deny"
      | ^^^^^^
      |
      = help: write `default`

    error: `CI` must be `pass`, `drop` or a table with `set`, not another word
      --> @policies/0.toml:10:8
       |
    10 | "CI" = "keep"
       |        ^^^^^^
       |
       = help: write `{ set = "keep" }`

    error: `memory` cannot be `4G`: units are `KiB`, `MiB` and `GiB`, or `kB`, `MB` and `GB`
      --> @policies/0.toml:12:10
       |
    12 | memory = "4G"
       |          ^^^^
       |
       = help: write `4GiB`

    error: `time` cannot be `10M`: units are in lower case
      --> @policies/0.toml:13:8
       |
    13 | time = "10M"
       |        ^^^^^
       |
       = help: write `10m`
"#);
}

#[test]
fn a_policy_of_the_wrong_types() {
    insta::assert_snapshot!(about_policy(
        "extends = \"agent\"\nfiles = [\"/\"]\n[network]\ndefault = 1\n[limits]\nprocesses = \"many\"\n"
    ), @r#"
    error: `extends` must be a list, not a string
     --> @policies/0.toml:1:11
      |
    1 | extends = "agent"
      |           ^^^^^^^
      |
      = help: write `["agent"]`

    error: `files` must be a table of paths, not a list
     --> @policies/0.toml:2:9
      |
    2 | files = ["/"]
      |         ^^^^^

    error: `default` must be a string, not a number
     --> @policies/0.toml:4:11
      |
    4 | default = 1
      |           ^
      |
      = help: write `deny`, `ask`, `allow` or `host`

    error: `processes` must be a whole number, not a string
     --> @policies/0.toml:6:13
      |
    6 | processes = "many"
      |             ^^^^^^
    "#);
}

#[test]
fn a_policy_with_an_impossible_pattern() {
    insta::assert_snapshot!(about_policy("[files]\n\"/a[\" = \"read\"\n\"${NOWHERE}/x\" = \"hide\"\n"), @r#"
    error: the rule `/a[` cannot be used
     --> @policies/0.toml:2:1
      |
    2 | "/a[" = "read"
      | ^^^^^
      |
      = note: `[` is not closed by `]`: write `[[]` for the character itself

    error: the rule `${NOWHERE}/x` cannot be used
     --> @policies/0.toml:3:1
      |
    3 | "${NOWHERE}/x" = "hide"
      | ^^^^^^^^^^^^^^
      |
      = note: `${NOWHERE}` has no value
"#);
    insta::assert_snapshot!(about_policy("[files]\n\"\" = \"write\"\n"), @r#"
    error: the path `` is empty
     --> @policies/0.toml:2:1
      |
    2 | "" = "write"
      | ^^
"#);
}

#[test]
fn a_policy_that_is_not_toml() {
    insta::assert_snapshot!(about_policy("[files\n\".\" = \"write\"\n"), @r"
    error: invalid TOML: unclosed table, expected `]`
     --> @policies/0.toml:1:7
      |
    1 | [files
      |       ^
");
}

#[test]
fn a_policy_with_a_key_twice() {
    insta::assert_snapshot!(about_policy("[files]\n\".\" = \"write\"\n\".\" = \"hide\"\n"), @r#"
    error: invalid TOML: duplicate key
     --> @policies/0.toml:3:1
      |
    3 | "." = "hide"
      | ^^^
      |
      = help: remove one `"."`
"#);
}

#[test]
fn a_policy_that_is_not_json() {
    let host = Host::new().file("policy.json", "{\"files\": {\".\": \"write\",}}");
    let outcome = host
        .sandbox(["true"])
        .options(["--policy", "policy.json"])
        .output();
    insta::assert_snapshot!(refusal(&host, &outcome), @r#"
    error: invalid JSON: trailing commas are not allowed
     --> policy.json:1:24
      |
    1 | {"files": {".": "write",}}
      |                        ^
"#);
}

#[test]
fn a_policy_that_is_not_there_or_not_a_file() {
    let host = Host::new()
        .file("policy", "")
        .dir("policy.toml")
        .file("bytes.toml", b"\xFF\xFE");
    for path in ["missing.toml", "policy", "policy.toml", "bytes.toml"] {
        let outcome = host.sandbox(["true"]).options(["--policy", path]).output();
        let message = refusal(&host, &outcome);
        match path {
            "missing.toml" => insta::assert_snapshot!(message, @r"
    error: cannot read the policy `missing.toml`
      caused by: No such file or directory (os error 2)
"),
            "policy" => insta::assert_snapshot!(message, @r"
    error: the name `policy` does not say whether it is TOML or JSON

      help: give it a name that ends in `.toml` or `.json`
"),
            "policy.toml" => {
                insta::assert_snapshot!(message, @"
                error: `policy.toml` is a directory, not a policy file

                  help: name a regular file
                ");
            }
            _ => insta::assert_snapshot!(message, @r"
    error: invalid text: a byte that is not UTF-8
     --> bytes.toml:1:1
      |
    1 | ��
      | ^
      |
      = help: save it as plain UTF-8 text, without a byte order mark
"),
        }
    }
}

#[test]
fn a_policy_that_includes_itself() {
    let host = Host::new();
    host.write("a.toml", "extends = [\"b.toml\"]\n");
    host.write("b.toml", "extends = [\"a.toml\"]\n");
    let outcome = host
        .sandbox(["true"])
        .options(["--policy", "a.toml"])
        .output();
    insta::assert_snapshot!(refusal(&host, &outcome), @r#"
    error: cannot extend `a.toml`
     --> b.toml:1:12
      |
    1 | extends = ["a.toml"]
      |            ^^^^^^^^
      |
      = note: it extends itself, by way of this file
      = help: leave out `a.toml`
"#);
}
