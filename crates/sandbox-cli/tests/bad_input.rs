//! Everything malformed in a policy or beside it, each with its exact message. Nothing runs. What `policy_errors.rs` has is not
//! here: unknown keys and words, wrong types, TOML and JSON that are none, names of files.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use sandbox_testing::{Host, needs_ordinary_user, needs_root};

/// What is said about `p.toml` in the workspace; nothing runs.
#[track_caller]
fn about(host: &Host) -> String {
    let options = ["--policy", "p.toml"];
    let outcome = host.sandbox(["touch", "ran"]).options(options).output();
    assert!(!host.has("ran"));
    outcome.refuses();
    host.shorten(&outcome.errors())
}

/// What is said about a policy with this text.
#[track_caller]
fn about_text(text: impl AsRef<[u8]>) -> String {
    about(&Host::new().file("p.toml", text))
}

#[test]
fn a_byte_order_mark_and_a_nul() {
    insta::assert_snapshot!(about_text("\u{feff}[files]\n"), @r"
    error: invalid text: a byte order mark, which UTF-8 does without
     --> p.toml:1:1
      |
    1 | \u{feff}[files]
      | ^^^^^^^^
      |
      = help: save it as plain UTF-8 text, without a byte order mark
    ");
    insta::assert_snapshot!(about_text("[files]\n\"a\" = \"read\" # \0\n"), @r#"
    error: invalid text: a NUL byte
     --> p.toml:2:16
      |
    2 | "a" = "read" # \0
      |                ^^
      |
      = help: save it as plain UTF-8 text, without a byte order mark
    "#);
    insta::assert_snapshot!(about_text("[files]\n\"a\\u0000b\" = \"read\"\n"), @r#"
    error: the path `a\0b` contains a NUL byte
     --> p.toml:2:1
      |
    2 | "a\u0000b" = "read"
      | ^^^^^^^^^^
    "#);
}

#[test]
fn patterns_that_are_none() {
    let rules = ["a[", "a/**b", "[]", "~root/x", "${}", "${A", "a[z-a]", "a]"];
    let rules = rules
        .map(|rule| format!("\"{rule}\" = \"hide\"\n"))
        .concat();
    insta::assert_snapshot!(about_text(format!("[files]\n{rules}")), @r#"
    error: the rule `a[` cannot be used
     --> p.toml:2:1
      |
    2 | "a[" = "hide"
      | ^^^^
      |
      = note: `[` is not closed by `]`: write `[[]` for the character itself

    error: the rule `[]` cannot be used
     --> p.toml:4:1
      |
    4 | "[]" = "hide"
      | ^^^^
      |
      = note: `[` is not closed by `]`: write `[[]` for the character itself

    error: the rule `~root/x` cannot be used
     --> p.toml:5:1
      |
    5 | "~root/x" = "hide"
      | ^^^^^^^^^
      |
      = note: `~` is followed by a name: write the home as a path, or `./~…` for a file of that name

    error: the rule `${}` cannot be used
     --> p.toml:6:1
      |
    6 | "${}" = "hide"
      | ^^^^^
      |
      = note: `${}` has no value

    error: the rule `${A` cannot be used
     --> p.toml:7:1
      |
    7 | "${A" = "hide"
      | ^^^^^
      |
      = note: `${` is not closed by `}`: write `[$]{` for the characters themselves

    error: the rule `a[z-a]` cannot be used
     --> p.toml:8:1
      |
    8 | "a[z-a]" = "hide"
      | ^^^^^^^^
      |
      = note: the range `z-a` runs backwards: write `a-z`
    "#);
}

#[test]
fn two_dots_where_nobody_can_tell_what_is_above() {
    insta::assert_snapshot!(about_text("[files]\n\"none/../x\" = \"read\"\n"), @r#"
    error: the rule `none/../x` cannot be used
     --> p.toml:2:1
      |
    2 | "none/../x" = "read"
      | ^^^^^^^^^^^
      |
      = note: `..` follows `@ws/none`, which is no directory
      = help: write the path that is meant, without `..`
    "#);
    // The control: above something that is there.
    let host = Host::new().dir("some").file("x", "");
    let policy = "extends = [\"agent\"]\n[files]\n\"@ws/some/../x\" = \"read\"\n";
    host.sandbox(["true"]).policy(policy).output().succeeds();
}

#[test]
fn files_that_cannot_be_extended() {
    insta::assert_snapshot!(about_text("extends = [\"agent\", \"../none.toml\"]\n"), @r#"
    error: cannot extend `../none.toml`
     --> p.toml:1:21
      |
    1 | extends = ["agent", "../none.toml"]
      |                     ^^^^^^^^^^^^^^
      |
      = note: cannot read the policy `../none.toml`
      = note: No such file or directory (os error 2)
      = help: write the file's path, absolute or from the directory of this file
    "#);
    insta::assert_snapshot!(about_text("extends = [\"~/base.toml\"]\n"), @r#"
    error: cannot use `~/base.toml`: `~` means nothing in the name of a file
     --> p.toml:1:12
      |
    1 | extends = ["~/base.toml"]
      |            ^^^^^^^^^^^^^
      |
      = help: write the file's path, absolute or from the directory of this file
    "#);
    insta::assert_snapshot!(about_text("extends = [\"base\"]\n"), @r#"
    error: unknown preset `base` for `extends`
     --> p.toml:1:12
      |
    1 | extends = ["base"]
      |            ^^^^^^
      |
      = help: write `agent`, `read-only`, `strict`, `none`, `github`, `gitlab`, `bitbucket`, `docker-hub`, `ghcr`, `anthropic`, `openai`, `gemini`, `huggingface`, `npm`, `pip`, `cargo`, `go`, `maven`, `debian`, `ssh-agent`, `gpg-agent` or `docker`
    "#);
    insta::assert_snapshot!(about_text("extends = [\"./p.toml\"]\n"), @r#"
    error: cannot extend `./p.toml`
     --> p.toml:1:12
      |
    1 | extends = ["./p.toml"]
      |            ^^^^^^^^^^
      |
      = note: it extends itself, by way of this file
      = help: leave out `./p.toml`
    "#);
    let host = Host::new()
        .dir("sub/b.toml")
        .file("p.toml", "extends = [\"sub/b.toml\"]\n");
    insta::assert_snapshot!(about(&host), @r#"
    error: cannot extend `sub/b.toml`
     --> p.toml:1:12
      |
    1 | extends = ["sub/b.toml"]
      |            ^^^^^^^^^^^^
      |
      = note: `sub/b.toml` is a directory, not a policy file
      = help: name a regular file
    "#);
    // A relative one is looked for beside the file that names it, wherever the command starts.
    let host = Host::new()
        .file("p.toml", "extends = [\"agent\", \"sub/b.toml\"]\n")
        .file("sub/b.toml", "extends = [\"c.toml\"]\n")
        .file("sub/c.toml", "[environment]\nC = { set = \"c\" }\n");
    let options = ["--policy", "p.toml"];
    host.tool(["trust", "p.toml"]).output().succeeds();
    host.sandbox(["printenv", "C"])
        .options(options)
        .output()
        .stdout("c");
}

#[test]
fn a_huge_file() {
    insta::assert_snapshot!(about_text("#".repeat((1 << 20) + 1)), @"error: the policy `p.toml` is larger than 1 MiB");
}

#[test]
fn what_is_no_regular_file() {
    let linked = |target: &str| about(&Host::new().symlink("p.toml", target));
    insta::assert_snapshot!(linked("/dev/zero"), @"
    error: `p.toml` is a device, not a policy file

      help: name a regular file
    ");
    insta::assert_snapshot!(linked("@outside"), @"
    error: `p.toml` is a directory, not a policy file

      help: name a regular file
    ");
    insta::assert_snapshot!(linked("p.toml"), @"
    error: cannot read the policy `p.toml`
      caused by: Too many levels of symbolic links (os error 40)
    ");
    insta::assert_snapshot!(linked("none"), @"
    error: cannot read the policy `p.toml`
      caused by: No such file or directory (os error 2)
    ");
}

#[test]
fn a_file_that_cannot_be_read() {
    if needs_ordinary_user() {
        let host = Host::new().file("p.toml", "").mode("p.toml", 0o000);
        insta::assert_snapshot!(about(&host), @"
        error: cannot read the policy `p.toml`
          caused by: Permission denied (os error 13)

          help: let this account read it, and search the directories on the way
        ");
    }
}

/// The project's policy, so that the list of approvals is asked; and that list.
fn with_list() -> (Host, &'static str) {
    let host = Host::new()
        .file("sandbox.toml", "[files]\n\"x\" = \"hide\"\n")
        .file("~/.local/state/sandbox/trust", "approved policies 1\n")
        .mode("~/.local/state/sandbox", 0o700)
        .mode("~/.local/state/sandbox/trust", 0o600);
    host.sandbox(["true"]).output().succeeds();
    (host, "~/.local/state/sandbox/trust")
}

#[track_caller]
fn about_list(host: &Host) -> String {
    let outcome = host.sandbox(["touch", "ran"]).output();
    assert!(!host.has("ran"));
    outcome.refuses();
    // Nor is anything approved by such a list.
    host.tool(["trust"]).output().exits(125);
    host.shorten(&outcome.errors())
}

#[test]
fn a_list_of_approvals_that_is_damaged_or_open() {
    let (host, list) = with_list();
    host.write(list, "approved policies 1\n0123 /a\n");
    insta::assert_snapshot!(about_list(&host), @"
    error: the list of approved policies `@home/.local/state/sandbox/trust` is damaged
      caused by: line 2 is not that of a list of approved policies

      help: remove it, and approve again what you have read: `rm @home/.local/state/sandbox/trust`
    ");
    let (host, list) = with_list();
    fs::set_permissions(host.path(list), PermissionsExt::from_mode(0o622)).unwrap();
    insta::assert_snapshot!(about_list(&host), @"
    error: `@home/.local/state/sandbox/trust`, which says what is approved, can be written by others

      help: remove it, and approve again what you have read: `rm -r @home/.local/state/sandbox/trust`
    ");
    let (host, list) = with_list();
    let directory = host.path(list);
    let directory = directory.parent().unwrap();
    fs::set_permissions(directory, PermissionsExt::from_mode(0o777)).unwrap();
    insta::assert_snapshot!(about_list(&host), @"
    error: `@home/.local/state/sandbox`, which says what is approved, can be written by others

      help: remove it, and approve again what you have read: `rm -r @home/.local/state/sandbox`
    ");
}

#[test]
fn a_list_of_approvals_that_is_somebody_elses() {
    if !needs_root() {
        return;
    }
    let give = |path: &Path| chown(path, Some(1), None).unwrap();
    let (host, list) = with_list();
    give(&host.path(list));
    insta::assert_snapshot!(about_list(&host), @"
    error: `@home/.local/state/sandbox/trust`, which says what is approved, belongs to somebody else

      help: remove it, and approve again what you have read: `rm -r @home/.local/state/sandbox/trust`
    ");
    let (host, list) = with_list();
    give(host.path(list).parent().unwrap());
    insta::assert_snapshot!(about_list(&host), @"
    error: `@home/.local/state/sandbox`, which says what is approved, belongs to somebody else

      help: remove it, and approve again what you have read: `rm -r @home/.local/state/sandbox`
    ");
}
