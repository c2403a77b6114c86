//! `sandbox policy` and `sandbox init`: what is printed, what is written, and what is left alone.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use sandbox_testing::Host;

#[test]
fn a_policy_is_shown_with_its_layers_as_one() {
    let host = Host::new();
    let file = host.policy("extends = [\"agent\"]\n[files]\n\"/srv\" = \"read\"\n");
    let words = |last: &'static str| {
        let words = [
            "policy",
            "show",
            "--network",
            "host",
            "--write",
            "/var/lib",
            "--policy",
        ];
        let words = words.into_iter().map(str::to_owned);
        words
            .chain([file.display().to_string()])
            .chain((!last.is_empty()).then(|| last.to_owned()))
    };
    insta::assert_snapshot!(host.tool(words("")).output().succeeds().text(), @r#"
    extends = ["agent"]

    [files]
    "/srv" = "read"
    "/var/lib" = "write"

    [network]
    default = "host"
    "#);
    insta::assert_snapshot!(host.tool(words("--json")).output().succeeds().text(), @r#"
    {
      "policy": {
        "extends": [
          "agent"
        ],
        "files": {
          "/srv": "read",
          "/var/lib": "write"
        },
        "network": {
          "default": "host"
        }
      },
      "version": 1
    }
    "#);
}

#[test]
fn a_policy_is_formatted_once_and_keeps_its_comments() {
    let host = Host::new();
    host.write(
        "sandbox.toml",
        "# mine\nextends=['agent']\n[files] \n'a'='read'#why\n",
    );
    fs::set_permissions(host.path("sandbox.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    let check = ["policy", "fmt", "--check"];
    host.tool(check)
        .output()
        .exits(1)
        .stderr_contains("`sandbox.toml` is not formatted");
    assert!(host.read("sandbox.toml").contains("'a'='read'"));
    host.tool(["policy", "fmt"]).output().succeeds();
    insta::assert_snapshot!(host.read("sandbox.toml"), @"
    # mine
    extends = ['agent']

    [files]
    'a' = 'read'  #why
    ");
    let mode = fs::metadata(host.path("sandbox.toml")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o640);
    host.tool(check).output().succeeds();
    assert_eq!(fs::read_dir(host.path("@ws")).unwrap().count(), 1);
}

#[test]
fn what_is_no_policy_is_not_formatted() {
    let host = Host::new().file("a.json", "{}").file("b.toml", "[flies]\n");
    for (file, message) in [
        ("a.json", "is not TOML"),
        ("b.toml", "unknown key `flies`"),
        ("c.toml", "cannot read"),
    ] {
        host.tool(["policy", "fmt", file])
            .output()
            .exits(125)
            .stderr_contains(message);
    }
    assert_eq!(host.read("b.toml"), "[flies]\n");
}

#[test]
fn the_schema_knows_the_features_of_this_system() {
    let text = Host::new()
        .tool(["policy", "schema"])
        .output()
        .succeeds()
        .text();
    for part in [
        "\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"",
        "\"io-uring\"",
        "\"read-only\"",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn a_new_policy_is_valid_safe_and_formatted() {
    let host = Host::new()
        .file("package.json", "{}")
        .file("Cargo.toml", "")
        .file("App.csproj", "");
    let outcome = host.tool(["init"]).output();
    outcome.succeeds().stdout_contains("(node, cargo, dotnet)");
    let text = host.read("sandbox.toml");
    assert!(
        text.starts_with("#:schema ")
            && text.contains("~/.npm")
            && text.contains("~/.cargo/registry"),
        "{text}"
    );
    host.tool(["policy", "fmt", "--check"]).output().succeeds();
    let check = host.tool(["check"]).env("PATH", "/usr/bin").output();
    check.succeeds().stdout_contains("no warnings");
    // The command cannot change it; the control: other files it can.
    let script = "echo > other && ! echo >> sandbox.toml";
    // It is found by itself, and opens nothing that would have to be approved.
    host.sandbox(["sh", "-c", script]).output().succeeds();
    assert!(host.has("other"));
    assert_eq!(host.read("sandbox.toml"), text);
}

#[test]
fn what_nothing_would_run_under_is_not_shown() {
    let host = Host::new().file("sandbox.toml", "[files]\n\"~\" = \"write\"\n");
    let show = host.tool(["policy", "show"]).output();
    show.exits(125).stderr_contains("is not approved");
    host.tool(["policy", "show", "--settings", "settings.json"])
        .output()
        .exits(125)
        .stderr_contains("settings have no form as a policy file");
}

#[test]
fn a_policy_that_is_there_is_left_alone() {
    let host = Host::new().file("sandbox.toml", "mine");
    host.tool(["init"])
        .output()
        .exits(125)
        .stderr_contains("there is a policy already");
    assert_eq!(host.read("sandbox.toml"), "mine");
    assert_eq!(fs::read_dir(host.path("@ws")).unwrap().count(), 1);
    host.tool(["init", "--print"])
        .output()
        .succeeds()
        .stdout_contains("extends");
    let dangling = Host::new().symlink("sandbox.toml", "@outside/new");
    dangling.tool(["init"]).output().exits(125);
    assert!(!dangling.has("@outside/new"));
}
