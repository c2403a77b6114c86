//! Layers of policies, and what a policy may do that a command could have written.

use std::process::Command;

use sandbox_testing::{Host, Outcome, binary, needs, needs_root, tool};

/// The message of a refusal, without the places of this machine.
#[track_caller]
fn refusal(host: &Host, outcome: &Outcome) -> String {
    outcome.refuses();
    host.shorten(&outcome.errors())
}

/// Runs `sandbox trust` as the person does, in the workspace.
fn trust(host: &Host, words: &[&str]) -> String {
    let outcome = host.tool(["trust"].iter().chain(words)).output();
    host.shorten(&(outcome.text() + &outcome.errors()))
}

const OPENS_THE_HOME: &str = "[files]\n\"~\" = \"write\"\n";

#[test]
fn a_project_that_opens_the_home_is_refused_until_it_is_approved_and_after_its_next_change() {
    let host = Host::new().file("sandbox.toml", OPENS_THE_HOME);
    let write = || host.sandbox(["sh", "-c", "echo x > @home/mine"]).output();
    insta::assert_snapshot!(refusal(&host, &write()), @r#"
    error: `@home` would be `write` instead of `read`, and `@ws/sandbox.toml` is not approved
     --> @ws/sandbox.toml:2:1
      |
    2 | "~" = "write"
      | ^^^
      |
      = help: read the file; if that is what you want, `sandbox trust @ws/sandbox.toml`
    "#);
    assert!(!host.path("~/mine").try_exists().unwrap());

    assert_eq!(trust(&host, &[]), "approved: @ws/sandbox.toml\n");
    write().succeeds();
    assert!(host.path("~/mine").try_exists().unwrap());

    host.write("sandbox.toml", format!("{OPENS_THE_HOME} "));
    insta::assert_snapshot!(refusal(&host, &write()), @r#"
    error: `@home` would be `write` instead of `read`, and `@ws/sandbox.toml` has changed since it was approved
     --> @ws/sandbox.toml:2:1
      |
    2 | "~" = "write"
      | ^^^
      |
      = help: read the file; if that is what you want, `sandbox trust @ws/sandbox.toml`
    "#);
    host.write("sandbox.toml", OPENS_THE_HOME);
    write().succeeds();
    assert_eq!(
        trust(&host, &["--withdraw"]),
        "no longer approved: @ws/sandbox.toml\n"
    );
    assert_eq!(
        trust(&host, &["--withdraw"]),
        "was not approved: @ws/sandbox.toml\n"
    );
    write().refuses();
}

#[test]
fn the_list_of_approvals_stays_as_it_is_also_in_a_home_that_can_be_written() {
    let host = Host::new().file("sandbox.toml", OPENS_THE_HOME);
    trust(&host, &[]);
    let list = host.path("~/.local/state/sandbox/trust");
    let before = std::fs::read(&list).unwrap();
    for script in [
        "echo >> @home/.local/state/sandbox/trust",
        "rm @home/.local/state/sandbox/trust",
        "echo x > @home/.local/state/sandbox/x",
        "mv @home/.local/state/sandbox @home/x",
        "mv @home/.local/state @home/x",
        "mv @home/.local @home/x",
    ] {
        host.sandbox(["sh", "-c", script]).output().fails();
        assert_eq!(std::fs::read(&list).unwrap(), before, "{script}");
    }
    // Control: another name beside it.
    host.sandbox(["sh", "-c", "echo x > @home/.local/state/x"])
        .output()
        .succeeds();
    // Where the policy opens the list itself, it says nothing.
    let opens = format!("{OPENS_THE_HOME}\"~/.local/state/sandbox\" = \"write\"\n");
    host.write("sandbox.toml", opens);
    trust(&host, &[]);
    let outcome = host.sandbox(["true"]).output();
    outcome
        .refuses()
        .stderr_contains("was approved in a list that the command could write");
}

#[test]
fn a_command_cannot_change_its_policy_nor_approve_it() {
    let host = Host::new().file("sandbox.toml", "[files]\n\"secret\" = \"hide\"\n");
    // Where it can be seen inside.
    let copied = Command::new("cp")
        .arg(binary())
        .arg(host.path("@outside/sandbox"))
        .status();
    assert!(copied.unwrap().success());
    for script in [
        "echo '[files]' > sandbox.toml",
        "rm -f sandbox.toml",
        "mv sandbox.toml x.toml",
        "ln -sf x sandbox.toml",
        "mkdir -p @home/.local/state/sandbox",
    ] {
        host.sandbox(["sh", "-c", script]).output().fails();
    }
    host.sandbox(["@outside/sandbox", "trust"])
        .output()
        .exits(125)
        .stderr_contains("cannot write the list of approved policies");
    assert_eq!(
        std::fs::read_to_string(host.path("sandbox.toml")).unwrap(),
        "[files]\n\"secret\" = \"hide\"\n"
    );
    // Control: another file of the same directory, and the same without a sandbox.
    host.sandbox(["sh", "-c", "echo x > other.toml"])
        .output()
        .succeeds();
    host.bare(["sh", "-c", "echo '[files]' > sandbox.toml"])
        .output()
        .succeeds();
}

#[test]
fn a_policy_that_a_command_makes_only_narrows_the_next_run() {
    let host = Host::new().file("~/mine", "x\n");
    // The control: without a layer it is read.
    host.sandbox(["cat", "@home/mine"]).output().succeeds();
    host.sandbox([
        "sh",
        "-c",
        "printf '[files]\\n\"~\" = \"write\"\\n' > sandbox.toml",
    ])
    // With one it is not made in the first place.
    .options(["--lower", "notifier=0"])
    .output()
    .succeeds();
    host.sandbox(["true"]).output().refuses();
    host.write("sandbox.toml", "[files]\n\"~\" = \"hide\"\n");
    host.sandbox(["cat", "@home/mine"]).output().fails();
    host.sandbox(["true"]).output().succeeds();
}

#[test]
fn layers_follow_each_other_and_the_command_line_is_the_last() {
    let host = Host::new().file("@outside/x", "x\n");
    let user = format!(
        "[files]\n{:?} = \"hide\"\n[environment]\nA = {{ set = \"user\" }}\n",
        host.path("@outside")
    );
    host.write("~/.config/sandbox/policy.toml", user);
    let cat = ["cat", "@outside/x"];
    host.sandbox(cat).output().fails();
    host.sandbox(cat)
        .rule("@outside = read")
        .output()
        .succeeds();
    host.sandbox(["printenv", "A"]).output().stdout("user");
    host.sandbox(["printenv", "A"])
        .options(["--env", "A=line"])
        .output()
        .stdout("line");

    // What the person has hidden the project cannot show.
    let project = format!("[files]\n{:?} = \"read\"\n", host.path("@outside"));
    host.write("sandbox.toml", project);
    host.sandbox(cat).output().refuses();
    trust(&host, &[]);
    host.sandbox(cat).output().succeeds();
    // A file that is named stands in place of both.
    host.sandbox(["printenv", "A"])
        .policy("extends = [\"agent\"]\n")
        .output()
        .fails();
    // Found here, not above.
    let host = host.dir("below");
    host.sandbox(cat)
        .options(["--chdir", "below"])
        .output()
        .fails();
}

#[test]
fn a_file_that_a_policy_extends_is_approved_with_it() {
    let host = Host::new()
        .dir("~/x")
        .file("sandbox.toml", "extends = [\"more.toml\"]\n")
        .file("more.toml", "[files]\n\"../home/x\" = \"write\"\n");
    let write = || host.sandbox(["sh", "-c", "echo x > @home/x/mine"]).output();
    write().refuses();
    assert_eq!(
        trust(&host, &[]),
        "approved: @ws/sandbox.toml\nwith it: @ws/more.toml\n"
    );
    write().succeeds();
    host.write("more.toml", "[files]\n\"../home\" = \"write\"\n");
    write().refuses();
}

#[test]
fn a_named_policy_is_trusted_where_no_command_could_write_it() {
    let host = Host::new().dir("~/x");
    let text = "extends = [\"agent\"]\n[files]\n\"../home/x\" = \"write\"\n";
    let write = ["sh", "-c", "echo x > @home/x/mine"];
    host.sandbox(write).policy(text).output().succeeds();
    host.write("ci.toml", text);
    let named = |host: &Host| {
        host.sandbox(write)
            .options(["--policy", "ci.toml"])
            .output()
    };
    named(&host).refuses().stderr_contains("sandbox trust");
    trust(&host, &["ci.toml"]);
    named(&host).succeeds();
    // It lies where nobody writes, and opens that very place.
    let opens = format!(
        "extends = [\"agent\"]\n[files]\n{:?} = \"write\"\n",
        host.path("@outside")
    );
    host.write("@outside/ci.toml", opens);
    host.sandbox(["true"])
        .options(["--policy", "@outside/ci.toml"])
        .output()
        .refuses();
}

#[test]
fn a_damaged_list_of_approvals_starts_nothing_that_needs_it() {
    let host = Host::new()
        .file("sandbox.toml", "[files]\n\"x\" = \"hide\"\n")
        .file("~/.local/state/sandbox/trust", "rubbish\n");
    let outcome = host.sandbox(["true"]).output();
    insta::assert_snapshot!(refusal(&host, &outcome), @r#"
    error: the list of approved policies `@home/.local/state/sandbox/trust` is damaged
      caused by: line 1 is not that of a list of approved policies

      help: remove it, and approve again what you have read: `rm @home/.local/state/sandbox/trust`
    "#);
    std::fs::remove_file(host.path("sandbox.toml")).unwrap();
    host.sandbox(["true"]).output().succeeds();
}

#[test]
fn what_the_machines_owner_fixes_holds_against_all() {
    if !needs_root() || !needs("unshare", tool("unshare").is_some()) {
        return;
    }
    let host = Host::new();
    // A copy of /etc with a managed policy, mounted for this run alone.
    let etc = host.path("@outside/etc");
    let copied = Command::new("cp")
        .arg("-a")
        .arg("/etc")
        .arg(&etc)
        .status()
        .unwrap();
    assert!(copied.success());
    let sandbox = etc.join("sandbox");
    std::fs::create_dir_all(&sandbox).unwrap();
    std::fs::write(
        sandbox.join("policy.toml"),
        "[fixed.network]\ndefault = \"deny\"\n[fixed.files]\n\"/srv\" = \"hide\"\n",
    )
    .unwrap();
    let run = |options: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args(["-m", "--propagation", "private", "sh", "-c"])
            .arg("mount --bind \"$0\" /etc && exec \"$@\"")
            .arg(&etc)
            .arg(binary())
            .arg("run")
            .args(options)
            .args(["--", "true"])
            .current_dir(host.path("@ws"))
            .env("HOME", host.path("~"));
        let output = command.output().unwrap();
        (
            output.status.code(),
            host.shorten(&String::from_utf8_lossy(&output.stderr)),
        )
    };
    assert_eq!(run(&[]), (Some(0), String::new()));
    assert_eq!(run(&["--preset", "strict"]), (Some(0), String::new()));
    let (code, message) = run(&["--network", "host", "--read", "/srv/x"]);
    assert_eq!(code, Some(125));
    insta::assert_snapshot!(message, @r#"
    error: `/srv/x` would be `read` instead of `hide`, which is fixed by /etc/sandbox/policy.toml:4
      written by: the command line

    error: `network` would be `host` instead of `deny`, which is fixed by /etc/sandbox/policy.toml:2
      written by: the command line
    "#);
}
