//! Invariants 26 and 28: secrets do not come in by the environment, and nothing of the caller's environment is taken for
//! our own work.

use sandbox_testing::{Host, is_root};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

const SECRETS: [&str; 12] = [
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "NPM_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "DATABASE_PASSWORD",
    "CLIENT_SECRET",
    "SSH_AUTH_SOCK",
    "CARGO_REGISTRY_TOKEN",
];

#[test]
fn secrets_are_dropped_by_name() {
    let host = Host::new();
    let command = ["@payload", "environment"];
    for name in SECRETS {
        host.sandbox(command)
            .env(name, "SECRET")
            .output()
            .succeeds()
            .never_says("SECRET");
        host.bare(command)
            .env(name, "SECRET")
            .output()
            .stdout_contains(&format!("{name}=SECRET"));
    }
}

#[test]
fn secrets_are_in_no_environment_of_procfs() {
    let host = Host::new();
    let command = [
        "sh",
        "-c",
        "cat /proc/self/environ /proc/[0-9]*/environ /proc/[0-9]*/task/*/environ 2>/dev/null | tr '\\0' '\\n'; true",
    ];
    host.sandbox(command)
        .env("GITHUB_TOKEN", "SECRET")
        .output()
        .never_says("SECRET")
        .stdout_contains("HOME=");
    host.bare(command)
        .env("GITHUB_TOKEN", "SECRET")
        .output()
        .stdout_contains("SECRET");
}

#[test]
fn a_name_that_is_spelled_out_opens_itself_only() {
    let host = Host::new();
    let run = |options: &[&str]| {
        host.sandbox(["@payload", "environment"])
            .env("GITHUB_TOKEN", "SECRET github")
            .env("NPM_TOKEN", "SECRET npm")
            .options(options)
            .output()
    };
    let outcome = run(&["--env", "GITHUB_TOKEN"]);
    outcome
        .stdout_contains("GITHUB_TOKEN=SECRET github")
        .never_says("SECRET npm");
    run(&[]).never_says("SECRET");
}

#[test]
fn a_policy_passes_drops_and_sets() {
    let host = Host::new();
    let policy = "extends = [\"agent\"]\n[environment]\n\"GITHUB_TOKEN\" = \"pass\"\n\"MY_*\" = \"drop\"\n\"CI\" = { set = \"1\" }\n";
    let run = |policy: &str| {
        host.sandbox(["@payload", "environment"])
            .env("GITHUB_TOKEN", "SECRET")
            .env("MY_SETTING", "mine")
            .env("CI", "0")
            .policy(policy)
            .output()
    };
    run(policy)
        .stdout_contains("GITHUB_TOKEN=SECRET\n")
        .stdout_contains("CI=1\n")
        .never_says("mine");
    run("extends = [\"agent\"]\n")
        .never_says("SECRET")
        .stdout_contains("CI=0\n")
        .stdout_contains("MY_SETTING=mine\n");
}

#[test]
fn a_variable_is_set_on_the_command_line() {
    let host = Host::new();
    for (option, expected) in [
        ("NAME=value", "NAME=value\n"),
        ("NAME=", "NAME=\n"),
        ("NAME=a=b c", "NAME=a=b c\n"),
        ("GITHUB_TOKEN=given", "GITHUB_TOKEN=given\n"),
    ] {
        host.sandbox(["@payload", "environment"])
            .env("NAME", "before")
            .env("GITHUB_TOKEN", "before")
            .options(["--env", option])
            .output()
            .succeeds()
            .stdout_contains(expected);
    }
    host.sandbox(["@payload", "environment"])
        .options(["--env", "MISSING"])
        .output()
        .never_says("MISSING=");
}

#[test]
fn ordinary_variables_come_in_byte_by_byte() {
    let host = Host::new();
    let value = OsStr::from_bytes(b"\xFF\n=\x1b[31m");
    let print = ["sh", "-c", "printf %s \"$STRANGE\""];
    let outcome = host.sandbox(print).env("STRANGE", value).output();
    assert_eq!(outcome.succeeds().stdout, value.as_bytes());
    let long = "x".repeat(100_000);
    let outcome = host.sandbox(print).env("STRANGE", &long).output();
    assert_eq!(outcome.succeeds().text(), long);
}

#[test]
fn nothing_of_ours_is_added_but_caches() {
    let host = Host::new();
    let names = |text: String| -> Vec<String> {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name.to_owned())
            .collect()
    };
    let outside = names(host.bare(["@payload", "environment"]).output().text());
    let inside = host.sandbox(["@payload", "environment"]).output();
    for (name, value) in inside
        .text()
        .lines()
        .filter_map(|line| line.split_once('='))
    {
        let known = outside.iter().any(|other| other == name);
        let is_told = name == "TAR_OPTIONS";
        assert!(
            known || is_told || value.starts_with("/tmp"),
            "{name}={value}"
        );
    }
    let home = host.expand("HOME=@home\n");
    inside.stdout_contains(&home);
}

#[test]
fn caches_are_writable_and_private() {
    let host = Host::new();
    let command = [
        "sh",
        "-ec",
        "for place in $XDG_CACHE_HOME $PNPM_HOME $pnpm_config_store_dir $UV_TOOL_DIR $GRADLE_USER_HOME; do
            mkdir -p $place/x; echo x > $place/x/y; echo $place
        done",
    ];
    let before = host.snapshot_outside();
    let outcome = host.sandbox(command).output();
    before.is_unchanged();
    let places = outcome.succeeds().text();
    assert!(
        places.lines().count() == 5 && places.lines().all(|place| place.starts_with("/tmp/")),
        "{}",
        outcome.show()
    );
}

/// They are executed where they are; a cache in the private `/tmp` has none.
#[test]
fn browsers_that_were_downloaded_are_found() {
    let host = || Host::new().dir("~/.cache/ms-playwright");
    let script = "echo [$PLAYWRIGHT_BROWSERS_PATH]";
    let shown = |host: &Host, options: &[&str]| {
        let command = host.sandbox(["sh", "-c", script]).options(options);
        host.printed(&command.output())
    };
    assert_eq!(shown(&host(), &[]), "[@home/.cache/ms-playwright]\n");
    assert_eq!(shown(&Host::new(), &[]), "[]\n");
    let hidden = ["--hide", "~/.cache"];
    assert_eq!(shown(&host(), &hidden), "[]\n");
    let said = host();
    let command = said.sandbox(["sh", "-c", script]);
    let outcome = command.env("PLAYWRIGHT_BROWSERS_PATH", "0").output();
    outcome.stdout("[0]\n");
}

/// Root without capabilities gives nothing away, and GNU tar fails where it tries.
#[test]
fn an_archive_of_somebody_elses_is_unpacked() {
    let host = Host::new().file("a/b", "content\n");
    let pack = ["tar", "--owner=12345", "--group=12345", "-cf", "a.tar", "a"];
    host.bare(pack).output().succeeds();
    let unpack = ["tar", "-xf", "a.tar", "-C", "to"];
    std::fs::create_dir(host.path("to")).unwrap();
    host.sandbox(unpack).output().succeeds();
    assert_eq!(host.read("to/a/b"), "content\n");
    if is_root() {
        let control = host.sandbox(unpack);
        control.options(["--env", "TAR_OPTIONS="]).output().fails();
    }
}

#[test]
fn programs_on_the_callers_path_are_not_ours() {
    let helpers = [
        "sh",
        "bash",
        "mount",
        "umount",
        "bwrap",
        "newuidmap",
        "newgidmap",
        "unshare",
        "nsenter",
        "ip",
        "nft",
        "iptables",
        "socat",
        "git",
        "id",
        "getent",
        "modprobe",
        "setpriv",
        "su",
        "sudo",
        "sysctl",
        "fusermount",
        "systemd-run",
        "sandbox",
        "stty",
        "tty",
    ];
    let host = helpers.iter().fold(Host::new(), |host, name| {
        host.script(
            &format!("bin/{name}"),
            "#!/bin/sh\necho $0 >> @ws/hijacked\n",
        )
    });
    let path = host.expand("@ws/bin:/usr/bin:/bin");
    host.sandbox(["/bin/echo", "ran"])
        .env("PATH", &path)
        .env("BASH_ENV", "@ws/bin/sh")
        .env("ENV", "@ws/bin/sh")
        .env("SHELL", "@ws/bin/sh")
        .env("NODE_OPTIONS", "--require @ws/bin/sh")
        .env("PYTHONPATH", "@ws/bin")
        .env("TMPDIR", "@ws")
        .env("GCONV_PATH", "@ws")
        .env("LD_LIBRARY_PATH", "@ws/bin")
        .output()
        .succeeds()
        .stdout("ran");
    assert!(!host.has("hijacked"));
    host.tool(["doctor"]).env("PATH", &path).output();
    assert!(!host.has("hijacked"));
    // Control: the command itself is looked up on that path.
    host.sandbox(["git"]).env("PATH", &path).output().succeeds();
    assert!(host.read("hijacked").contains("bin/git"));
}

#[test]
fn init_has_no_environment_and_no_arguments_of_the_callers() {
    let host = Host::new();
    let outcome = host
        .sandbox(["sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline"])
        .env("ORDINARY", "value")
        .output();
    outcome
        .never_says("ORDINARY")
        .never_says(&host.expand("@root"));
}
