//! `sandbox profile`: what a policy becomes on an operating system, here or elsewhere.

use std::ffi::OsStr;

use sandbox_testing::Host;

fn host() -> Host {
    Host::new().file("keys/a", "KEY").file("open", "").dir("d")
}

#[test]
fn a_profile_for_macos_says_where_each_line_comes_from() {
    let host = host();
    host.write(
        "@root/policy.toml",
        "[files]\n\"/\" = \"read\"\n\"${CWD}\" = \"write\"\n\"${CWD}/keys\" = \"hide\"\n[network.rules]\n\"example.com\" = \"allow\"\n",
    );
    let policy = host.path("@root/policy.toml");
    let words = [
        OsStr::new("profile"),
        "--os".as_ref(),
        "macos".as_ref(),
        "--policy".as_ref(),
        policy.as_os_str(),
    ];
    let text = host.tool(words).output().exits(0).stdout.clone();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("(version 1)\n(deny default)"), "{text}");
    let line = |part: &str| {
        text.lines()
            .find(|line| line.contains(part))
            .unwrap_or_default()
    };
    for (part, rule) in [
        ("/[kK][eE][yY][sS]($|/)", "/policy.toml:4)"),
        ("(subpath \"/\")", "/policy.toml:2)"),
        ("localhost:3128", "; the gateway"),
    ] {
        assert!(line(part).contains(rule), "{part}: {}", line(part));
    }
}

#[test]
fn what_macos_cannot_hold_is_refused() {
    let host = host();
    let outcome = host
        .tool(["profile", "--os", "macos", "--scratch", "d"])
        .output();
    insta::assert_snapshot!(host.shorten(&outcome.exits(125).errors()), @r"
    error: macOS has no `scratch` for `@ws/d` (the command line)

      help: grant `write` there, or leave the rule out: the variable `TMPDIR` names a private directory
    ");
    // The control: this system can.
    host.tool(["profile", "--os", "linux", "--scratch", "d"])
        .output()
        .exits(0);
}

#[test]
fn the_plan_of_linux_is_what_explain_prints() {
    let host = host();
    let printed = |words: &[&str]| host.tool(words).output().exits(0).stdout.clone();
    let plan = printed(&["explain", "--plan", "--preset", "strict"]);
    assert!(!plan.is_empty());
    assert_eq!(
        printed(&["profile", "--os", "linux", "--preset", "strict"]),
        plan
    );
    // Which is this one.
    assert_eq!(printed(&["profile", "--preset", "strict"]), plan);
}
