//! `sandbox policy add`, `remove` and `diff`: what is written, what is kept, what is refused, and what is said of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use sandbox_testing::{Host, needs_root};

const TEXT: &str = "\
# Mine.
extends = [\"agent\"]

[files] # paths
# about src
\"./src\"   = \"read\"  # why

[network]
default = \"deny\"
# the end
";

fn host() -> Host {
    Host::new().dir("src").file("sandbox.toml", TEXT)
}

/// What `sandbox policy` says, without the places of this machine.
#[track_caller]
fn policy(host: &Host, words: &str, code: i32) -> String {
    let words = ["policy"].into_iter().chain(words.split_whitespace());
    let outcome = host.tool(words).output();
    outcome.exits(code);
    host.shorten(&(outcome.text() + &outcome.errors()))
}

#[test]
fn rules_are_added_replaced_and_removed_and_all_else_is_kept() {
    let host = host();
    fs::set_permissions(host.path("sandbox.toml"), PermissionsExt::from_mode(0o640)).unwrap();
    insta::assert_snapshot!(policy(&host, "add --hide src --hide **/*.pem --env CI=1 --drop HOST --network host", 0), @r#"
    `sandbox.toml`:
    - "./src"   = "read"  # why
    + "./src"   = "hide"  # why
    + "**/*.pem" = "hide"
    - default = "deny"
    + default = "host"
    + [environment]
    + "CI" = { set = "1" }
    + "HOST" = "drop"
    It opens more than there is without it: read it, and `sandbox trust` it
    "#);
    insta::assert_snapshot!(host.read("sandbox.toml"), @r#"
    # Mine.
    extends = ["agent"]

    [files] # paths
    # about src
    "./src"   = "hide"  # why
    "**/*.pem" = "hide"

    [network]
    default = "host"
    # the end

    [environment]
    "CI" = { set = "1" }
    "HOST" = "drop"
    "#);
    let metadata = fs::metadata(host.path("sandbox.toml")).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o640);
    insta::assert_snapshot!(policy(&host, "add --hide src", 0), @"`sandbox.toml` says so already");
    insta::assert_snapshot!(policy(&host, "remove src ./**/*.pem --env CI --env HOST --network", 0), @r#"
    `sandbox.toml`:
    - "./src"   = "hide"  # why
    - "**/*.pem" = "hide"
    - default = "host"
    - "CI" = { set = "1" }
    - "HOST" = "drop"
    "#);
    // Comments above a rule stay, headers too.
    insta::assert_snapshot!(host.read("sandbox.toml"), @r#"
    # Mine.
    extends = ["agent"]

    [files] # paths
    # about src

    [network]
    # the end

    [environment]
    "#);
    // No backup, nothing left.
    assert_eq!(fs::read_dir(host.path("@ws")).unwrap().count(), 2);
}

#[test]
fn what_would_be_refused_is_not_written() {
    let host = host();
    let before = fs::metadata(host.path("sandbox.toml")).unwrap();
    for (words, message) in [
        (
            "add --write missing",
            "`@ws/missing` does not exist\n --> sandbox.toml:7:1",
        ),
        (
            "add --read a[",
            "the rule `a[` cannot be used\n --> sandbox.toml:7:1",
        ),
        (
            "add --read a --hide ./a",
            "`./a` is given to `--read` and to `--hide`",
        ),
        ("add --env A --env A=1", "`A` is given to `--env` twice"),
        (
            "add --env A=1 --drop A",
            "`A` is given to `--env` and to `--drop`",
        ),
        (
            "add --env *_X=1",
            "the variable `*_X` is a pattern, and only one name can be set",
        ),
        ("add", "there is nothing to change"),
        ("remove other", "`sandbox.toml` has no rule of `other`"),
        ("remove src --env X", "`sandbox.toml` has no rule of `X`"),
        ("add --file x.json --read a", "`x.json` is not TOML"),
        (
            "add --file x.toml --read a",
            "there is no policy `x.toml` to change",
        ),
        (
            "remove --user a",
            "there is no policy `@home/.config/sandbox/policy.toml`",
        ),
    ] {
        let said = policy(&host, words, 125);
        assert!(said.contains(message), "{words}:\n{said}");
    }
    assert_eq!(host.read("sandbox.toml"), TEXT);
    // Not even replaced by the same.
    let after = fs::metadata(host.path("sandbox.toml")).unwrap();
    assert_eq!(after.ino(), before.ino());
    assert_eq!(fs::read_dir(host.path("@ws")).unwrap().count(), 2);
    // One that is wrong already is not changed, unless that mends it.
    host.write("sandbox.toml", "[files]\n\"missing\" = \"write\"\n");
    policy(&host, "add --read src", 125);
    policy(&host, "remove missing", 0);
    policy(&host, "add --write missing --optional", 0);
    insta::assert_snapshot!(host.read("sandbox.toml"), @r#"
    [files]
    "missing" = { access = "write", optional = true }
    "#);
}

#[test]
fn what_has_no_line_of_its_own_is_left_to_the_person() {
    let host = host();
    host.write("sandbox.toml", "files = { \"src\" = \"read\" }\n");
    insta::assert_snapshot!(policy(&host, "add --read a", 125), @"
    error: cannot change `sandbox.toml`
      caused by: `files` has no lines of its own

      help: change it by hand; a rule a line below `[files]` can be changed here
    ");
}

/// The attack: a repository has a link in the place of its policy, to the person's own, which is changed instead.
#[test]
fn a_link_is_not_followed() {
    let own = "@home/.config/sandbox/policy.toml";
    let host = Host::new().file(own, TEXT).symlink("sandbox.toml", own);
    insta::assert_snapshot!(policy(&host, "add --read a", 125), @"
    error: `sandbox.toml` is a symbolic link, which is not followed

      help: name the file that it leads to, if that is what you mean: `--file`
    ");
    assert_eq!(host.read(own), TEXT);
    // The control.
    policy(&host, "add --user --read a", 0);
    assert_ne!(host.read(own), TEXT);
}

#[test]
fn a_file_keeps_its_owner() {
    if !needs_root() {
        return;
    }
    let host = host();
    let file = host.path("sandbox.toml");
    chown(&file, Some(1), Some(1)).unwrap();
    policy(&host, "add --read a", 0);
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (1, 1));
}

#[test]
fn ones_own_policy_is_made_and_takes_paths_from_here() {
    let host = host();
    policy(
        &host,
        "add --user --read ../outside --hide . --read ~/x --hide **/*.pem",
        0,
    );
    let file = "@home/.config/sandbox/policy.toml";
    insta::assert_snapshot!(host.shorten(&host.read(file)), @r#"
    [files]
    "@ws/../outside" = "read"
    "~/x" = "read"
    "@ws" = "hide"
    "@ws/**/*.pem" = "hide"
    "#);
    let mode = |path: &str| fs::metadata(host.path(path)).unwrap().mode() & 0o777;
    assert_eq!((mode("@home/.config/sandbox"), mode(file)), (0o700, 0o644));
    policy(&host, "remove --user ../outside . **/*.pem", 0);
    insta::assert_snapshot!(host.read(file), @r#"
    [files]
    "~/x" = "read"
    "#);
}

#[test]
fn it_is_said_whether_an_approval_is_needed() {
    let host = host();
    insta::assert_snapshot!(policy(&host, "add --write ~", 0), @r#"
    `sandbox.toml`:
    + "~" = "write"
    It opens more than there is without it: read it, and `sandbox trust` it
    "#);
    host.tool(["trust"]).output().succeeds();
    host.sandbox(["true"]).output().succeeds();
    insta::assert_snapshot!(policy(&host, "add --hide @outside", 0), @r#"
    `sandbox.toml`:
    + "@outside" = "hide"
    It was approved as it was. It opens more than there is without it: read it, and `sandbox trust` it again
    "#);
    host.sandbox(["true"]).output().refuses();
    host.tool(["trust"]).output().succeeds();
    insta::assert_snapshot!(policy(&host, "remove ~", 0), @r#"
    `sandbox.toml`:
    - "~" = "write"
    It was approved as it was. It needs no approval: it opens nothing that is closed without it
    "#);
    // As it says.
    host.sandbox(["true"]).output().succeeds();
}

/// The command that runs under a policy does not change it by these words either.
#[test]
fn a_command_cannot_change_its_own_policy() {
    let host = host();
    let binary = sandbox_testing::binary();
    fs::copy(&binary, host.path("@outside/sandbox")).unwrap();
    let changes = ["add --write ~", "remove src", "add --user --write ~"];
    let command = |words: &'static str| {
        let command = ["@outside/sandbox", "policy"];
        command.into_iter().chain(words.split(' '))
    };
    for words in changes {
        host.sandbox(command(words)).output().exits(125);
        assert_eq!(host.read("sandbox.toml"), TEXT, "{words}");
        assert!(!host.has("@home/.config/sandbox/policy.toml"), "{words}");
    }
    // The control: the same without a sandbox.
    let files = || {
        let own = host.path("@home/.config/sandbox/policy.toml");
        (host.read("sandbox.toml"), fs::read(own).ok())
    };
    for words in changes {
        let before = files();
        host.bare(command(words)).output().succeeds();
        assert_ne!(files(), before, "{words}");
    }
}

const BEFORE: &str = "\
extends = [\"agent\"]
[files]
\"@outside\" = \"read\"
\"@outside/keys\" = \"hide\"
\"**/.env\" = \"hide\"
[environment]
CI = { set = \"1\" }
X = \"drop\"
[limits]
time = \"10m\"
";

const AFTER: &str = "\
extends = [\"agent\"]
[files]
# Says the same in other words.
\"@root/outside/.\" = \"read\"
\"@outside/public\" = \"hide\"
\"@outside/new\" = \"scratch\"
[environment]
CI = { set = \"2\" }
[limits]
time = \"20m\"
memory = \"1GiB\"
[system]
perf = \"allow\"
";

fn compared() -> Host {
    let host = Host::new().dir("@outside/keys").dir("@outside/new");
    host.write("before.toml", host.expand(BEFORE));
    host.write("after.toml", host.expand(AFTER));
    host
}

#[test]
fn a_difference_is_told_by_what_is_granted() {
    let host = compared();
    insta::assert_snapshot!(policy(&host, "diff before.toml after.toml", 1), @"
    wider     `@outside/keys`: `read`, before `hide`
              by after.toml:4
              before by before.toml:4
    other     `@outside/new`: `scratch`, before `read`
              by after.toml:6
              before by before.toml:3
    wider     `**/.env`: `write`, before `hide`
              by preset `agent`
              before by before.toml:5
    other     `CI`: set to `2`, before set to `1`
              by after.toml:8
              before by before.toml:7
    wider     `X`: `pass`, before `drop`
              by preset `agent`
              before by before.toml:8
    wider     `time`: `20m`, before `10m`
    wider     `perf`: `allow`, before `refused`
              by after.toml:13
    narrower  `@outside/public`: `hide`, before `read`
              by after.toml:5
              before by before.toml:3
    narrower  `memory`: `1GiB`, before `unlimited`
    ");
    // The other way round all is the reverse.
    let lines = |words: &str| -> Vec<String> {
        let said = policy(&host, words, 1);
        let lines = said.lines().filter(|line| !line.starts_with(' '));
        let mut lines: Vec<_> = lines
            .map(|line| {
                let (direction, rest) = line.split_once(' ').unwrap();
                let (what, _) = rest.trim().split_once(": ").unwrap();
                format!("{what} {direction}")
            })
            .collect();
        lines.sort();
        lines
    };
    let reversed: Vec<_> = lines("diff before.toml after.toml")
        .iter()
        .map(|line| match line.rsplit_once(' ').unwrap() {
            (what, "wider") => format!("{what} narrower"),
            (what, "narrower") => format!("{what} wider"),
            (what, other) => format!("{what} {other}"),
        })
        .collect();
    assert_eq!(lines("diff after.toml before.toml"), reversed);
    assert_eq!(
        policy(&host, "diff after.toml after.toml", 0),
        "both allow the same\n"
    );
}

#[test]
fn what_only_narrows_is_exit_code_0() {
    let host = compared();
    host.write(
        "narrower.toml",
        host.expand(&format!("{BEFORE}processes = 9\n")),
    );
    insta::assert_snapshot!(policy(&host, "diff before.toml narrower.toml", 0), @"narrower  `processes`: `9`, before `unlimited`");
}

/// What the project's policy changes, approved or not; and with one file, what that would change.
#[test]
fn a_project_is_compared_with_what_holds_without_it() {
    let host = compared();
    host.write("sandbox.toml", "[files]\n\"~\" = \"write\"\n");
    host.write(
        "~/.config/sandbox/policy.toml",
        "[files]\n\"/srv\" = \"hide\"\n",
    );
    host.sandbox(["true"]).output().refuses();
    let alone = policy(&host, "diff", 1);
    insta::assert_snapshot!(alone, @"
    wider     `@home`: `write`, before `read`
              by sandbox.toml:2
              before by preset `agent`
    ");
    assert_eq!(policy(&host, "diff sandbox.toml", 1), alone);
    host.write("next.toml", "[files]\n\"~\" = \"read\"\n");
    insta::assert_snapshot!(policy(&host, "diff next.toml", 0), @"
    narrower  `@home`: `read`, before `write`
              by next.toml:2
              before by sandbox.toml:2
    ");
}

#[test]
fn what_is_no_policy_is_not_compared() {
    let host = compared();
    host.write("wrong.toml", "[flies]\n");
    for (words, message) in [
        ("diff before.toml wrong.toml", "unknown key `flies`"),
        ("diff wrong.toml before.toml", "unknown key `flies`"),
        ("diff", "cannot read the policy `sandbox.toml`"),
        ("diff a.toml b.toml c.toml", "unexpected value"),
    ] {
        let said = policy(&host, words, 125);
        assert!(said.contains(message), "{words}: {said}");
    }
}
