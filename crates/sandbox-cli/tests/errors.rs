//! Bad input: what is said, where, and with which exit code. Nothing runs.

use nix::sys::signal::Signal;
use sandbox_testing::{Host, Outcome, Run, needs, needs_ordinary_user, needs_root, tool};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
};

/// The message of a refusal, without the places of this machine.
#[track_caller]
fn refusal(host: &Host, outcome: &Outcome) -> String {
    outcome.refuses();
    host.shorten(&outcome.errors())
}

/// What is said about these options; nothing runs.
#[track_caller]
fn about_options<const N: usize>(options: [&str; N]) -> String {
    let host = Host::new();
    let outcome = host.sandbox(["touch", "ran"]).options(options).output();
    assert!(!host.has("ran"));
    refusal(&host, &outcome)
}

#[test]
fn a_writable_path_that_is_not_there() {
    insta::assert_snapshot!(about_options(["--write", "missing"]), @r#"
    error: `@ws/missing` does not exist
      written by: the command line

      help: create `@ws/missing`, or write `{ access = "write", optional = true }` as its rule
"#);
}

#[test]
fn a_writable_path_that_is_not_there_and_need_not_be() {
    let host = Host::new();
    let policy = "extends = [\"agent\"]\n[files]\n\"@outside/missing\" = { access = \"write\", optional = true }\n";
    host.sandbox(["true"]).policy(policy).output().succeeds();
    assert!(!host.has("@outside/missing"));
}

#[test]
fn options_that_contradict_each_other() {
    insta::assert_snapshot!(about_options(["--write", "a", "--hide", "a"]), @r"
    error: `a` is given to `--write` and to `--hide`

      help: decide for one of them
");
    insta::assert_snapshot!(about_options(["--env", "A=1", "--env", "A=2"]), @r"
    error: `A` is given to `--env` twice

      help: give each name once
");
    insta::assert_snapshot!(about_options(["--env", "=1"]), @r"
    error: `--env` is given a variable without a name

      help: `--env NAME` passes a variable, `--env NAME=VALUE` sets one
");
}

#[test]
fn options_that_are_none() {
    insta::assert_snapshot!(about_options(["--wirte", "."]), @r"
    error: unexpected argument '--wirte' found

      tip: a similar argument exists: '--write'
      tip: to pass '--wirte' as a value, use '-- --wirte'

    Usage: sandbox run [OPTIONS] [--] COMMAND...

    For more information, try '--help'.
");
    insta::assert_snapshot!(about_options(["--preset", "agnet"]), @"
    error: invalid value 'agnet' for '--preset <NAME>'
      [possible values: agent, read-only, strict, none, github, gitlab, bitbucket, docker-hub, ghcr, anthropic, openai, gemini, huggingface, npm, pip, cargo, go, maven, debian, ssh-agent, gpg-agent, docker]

      tip: a similar value exists: 'agent'

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(about_options(["--preset", "agent", "--preset", "strict"]), @"
    error: `--preset agent` and `--preset strict` are two policies to begin with

      help: decide for one of them
    ");
    insta::assert_snapshot!(about_options(["--policy", "ci.toml", "--preset", "ghcr", "--preset", "agent"]), @"
    error: `--policy FILE` and `--preset agent` are two policies to begin with

      help: decide for one of them
    ");
    insta::assert_snapshot!(about_options(["--network", "none"]), @"
    error: invalid value 'none' for '--network <ACCESS>'
      [possible values: deny, ask, allow, host]

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(about_options(["--timeout", "10M"]), @r"
    error: invalid value '10M' for '--timeout <DURATION>': units are written small, as in `90s`, `10m`, `1h 30m`

    For more information, try '--help'.
");
    insta::assert_snapshot!(about_options(["--hide", ""]), @r"
    error: invalid value '' for '--hide <PATTERN>': a pattern cannot be empty

    For more information, try '--help'.
");
}

#[test]
fn a_kernel_feature_that_is_none() {
    let host = Host::new();
    let about = |feature: &str| {
        let policy = format!("extends = [\"agent\"]\n\n[system]\n{feature} = \"allow\"\n");
        let outcome = host.sandbox(["touch", "ran"]).policy(&policy).output();
        assert!(!host.has("ran"));
        refusal(&host, &outcome)
    };
    insta::assert_snapshot!(about("prf"), @r#"
    error: unknown key `prf` in `[system]`
     --> @policies/0.toml:4:1
      |
    4 | prf = "allow"
      | ^^^
      |
      = help: write `perf`
"#);
    insta::assert_snapshot!(about("bpf"), @r#"
    error: unknown key `bpf` in `[system]`
     --> @policies/1.toml:4:1
      |
    4 | bpf = "allow"
      | ^^^
      |
      = help: write `io-uring`, `keyring`, `nested`, `no-aslr`, `perf`, `set-id`, `unix-datagram` or `userfaultfd`
"#);
    let policy = "extends = [\"agent\"]\n[system]\nperf = \"allow\"\n";
    host.sandbox(["true"]).policy(policy).output().succeeds();
}

#[test]
fn limits_of_the_callers_that_are_too_small() {
    let host = Host::new();
    let under = |limit: &str| {
        let script = format!("ulimit {limit} && exec \"$0\" \"$@\"");
        let words = host.sandbox(["true"]).words();
        let shell = ["sh".to_owned(), "-c".to_owned(), script];
        let words = shell.map(Into::into).into_iter().chain(words);
        host.bare(words).output()
    };
    insta::assert_snapshot!(refusal(&host, &under("-f 0")), @r"
    error: cannot prepare the init program
      caused by: File too large (os error 27)

      help: raise the size of files: `ulimit -f unlimited`
");
    insta::assert_snapshot!(refusal(&host, &under("-n 5")), @r"
    error: cannot prepare the init program
      caused by: Invalid argument (os error 22)

      help: raise the number of open files: `ulimit -n 1024`
");
    under("-f 100000").succeeds();
    under("-n 64").succeeds();
}

#[test]
fn options_of_the_command_are_its_own() {
    let host = Host::new();
    let echo = ["run", "echo", "--write", "x", "-h", "--", "--version"];
    host.tool(echo)
        .output()
        .succeeds()
        .stdout("--write x -h -- --version");
}

#[test]
fn no_command_at_all() {
    let host = Host::new();
    insta::assert_snapshot!(refusal(&host, &host.tool(["run"]).output()), @r"
    error: there is no command to run

      help: `sandbox run npm test`; for a shell, `sandbox shell`
");
    insta::assert_snapshot!(refusal(&host, &host.tool(["run", "--"]).output()), @r"
    error: there is no command to run

      help: `sandbox run npm test`; for a shell, `sandbox shell`
");
}

#[test]
fn a_command_that_cannot_be_executed() {
    let host = Host::new()
        .file("text", "not a program")
        .script("no-interpreter", "#!/missing/interpreter\n");
    let message = |command: &str, code: i32| {
        let outcome = host.sandbox([command]).output();
        outcome.exits(code).stdout("");
        host.shorten(&outcome.errors())
    };
    insta::assert_snapshot!(message("missing", 127), @r"
    error: cannot execute `missing`
      caused by: No such file or directory (os error 2)

      help: it is in no directory of the `PATH` inside: `sandbox run printenv PATH` shows it
");
    insta::assert_snapshot!(message("./missing", 127), @r"
    error: cannot execute `./missing`
      caused by: No such file or directory (os error 2)

      help: it, or the interpreter in its first line, is not there inside: `sandbox explain ./missing` tells why
");
    insta::assert_snapshot!(message("./text", 126), @r"
    error: cannot execute `./text`
      caused by: Permission denied (os error 13)

      help: it has to be an executable file (`ls -l ./text`) that the policy shows (`sandbox explain ./text`)
");
    insta::assert_snapshot!(message("@ws", 126), @r"
    error: cannot execute `@ws`
      caused by: Permission denied (os error 13)

      help: it has to be an executable file (`ls -l @ws`) that the policy shows (`sandbox explain @ws`)
");
    insta::assert_snapshot!(message("", 127), @r"
    error: cannot execute ``
      caused by: No such file or directory (os error 2)

      help: it is in no directory of the `PATH` inside: `sandbox run printenv PATH` shows it
");
    insta::assert_snapshot!(message("./no-interpreter", 127), @r"
    error: cannot execute `./no-interpreter`
      caused by: No such file or directory (os error 2)

      help: it, or the interpreter in its first line, is not there inside: `sandbox explain ./no-interpreter` tells why
");
}

#[test]
fn a_command_that_is_hidden_says_so() {
    let host = Host::new().script("@outside/program", "#!/bin/sh\n");
    let outcome = host.run("@outside = hide", ["@outside/program"]);
    assert!(
        matches!(outcome.code(), Some(126 | 127)),
        "{}",
        outcome.show()
    );
    insta::assert_snapshot!(host.shorten(&outcome.errors()), @r"
    error: cannot execute `@outside/program`
      caused by: Permission denied (os error 13)

      help: it has to be an executable file (`ls -l @outside/program`) that the policy shows (`sandbox explain @outside/program`)
");
}

#[test]
fn names_with_control_characters_are_escaped() {
    let host = Host::new();
    let outcome = host.sandbox(["\x1b[31mred\nline"]).output();
    insta::assert_snapshot!(host.shorten(&outcome.errors()), @r"
    error: cannot execute `\u{1b}[31mred\nline`
      caused by: No such file or directory (os error 2)

      help: it is in no directory of the `PATH` inside: `sandbox run printenv PATH` shows it
");
    assert!(!outcome.stderr.contains(&0x1b));
}

#[test]
fn a_directory_to_start_in_that_is_none() {
    insta::assert_snapshot!(about_options(["--chdir", "missing"]), @r"
    error: cannot go to `missing`
      caused by: No such file or directory (os error 2)
");
    insta::assert_snapshot!(about_options(["--chdir", "@payload"]), @r"
    error: cannot go to `@root/tools/payload`
      caused by: Not a directory (os error 20)
");
}

#[test]
fn a_current_directory_that_is_private_inside() {
    let host = Host::new();
    for directory in ["/tmp", "/var/tmp"] {
        host.sandbox(["true"])
            .cwd(directory)
            .output()
            .refuses()
            .stderr_contains("what the command writes there would be lost");
    }
    host.sandbox(["true"])
        .options(["--scratch", "."])
        .cwd("/tmp")
        .output()
        .succeeds();
}

#[test]
fn a_hidden_current_directory() {
    insta::assert_snapshot!(about_options(["--hide", "."]), @r#"
    error: the working directory `@ws` cannot be read inside: `.` (the command line) hides it

      help: start in another directory, or allow this one: "@ws" = "read"
"#);
}

#[test]
fn a_current_directory_that_is_too_much_to_be_writable() {
    let host = Host::new();
    let message = |directory: &str| {
        let outcome = host.sandbox(["true"]).cwd(directory).output();
        refusal(&host, &outcome)
    };
    insta::assert_snapshot!(message("/"), @r#"
    error: the rule `${CWD}` cannot be used
      written by: preset `agent`
      caused by: `/` is the whole file system, which a relative path does not make writable

      help: write `"/" = "write"`
"#);
    insta::assert_snapshot!(message("~"), @r#"
    error: the rule `${CWD}` cannot be used
      written by: preset `agent`
      caused by: `@home` is a home, which a relative path does not make writable

      help: write `"@home" = "write"`
"#);
    insta::assert_snapshot!(message("@root"), @r#"
    error: the rule `${CWD}` cannot be used
      written by: preset `agent`
      caused by: `@root` is a directory with a home in it, which a relative path does not make writable

      help: write `"@root" = "write"`
"#);
}

#[test]
fn a_home_that_is_spelled_out_is_writable() {
    let host = Host::new();
    host.sandbox(["touch", "made"])
        .cwd("~")
        .options(["--write", "~"])
        .output()
        .succeeds();
    assert!(host.has("~/made"));
    // Its secrets are not opened by that.
    host.sandbox(["cat", ".ssh/id_rsa"])
        .cwd("~")
        .options(["--write", "~"])
        .output()
        .fails()
        .never_says("SECRET");
}

#[test]
fn a_user_for_somebody_who_is_not_root() {
    if needs_ordinary_user() {
        insta::assert_snapshot!(about_options(["--user", "root"]), @r"
    error: `--user` is for root

      help: leave it out: the command runs as you
");
    }
}

#[test]
fn a_user_who_is_none() {
    if needs_root() {
        insta::assert_snapshot!(about_options(["--user", "no-such-account"]), @"error: there is no account `no-such-account`");
    }
}

#[test]
fn root_in_the_directory_of_somebody_else() {
    if !needs_root() {
        return;
    }
    let host = Host::below(Path::new("/srv"));
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let (user, group) = (nobody.uid.as_raw(), nobody.gid.as_raw());
    let public = fs::Permissions::from_mode(0o755);
    fs::set_permissions(host.path("@root"), public).unwrap();
    for path in ["@ws", "@home"] {
        chown(host.path(path), Some(user), Some(group)).unwrap();
    }
    let outcome = host.sandbox(["touch", "ran"]).output();
    insta::assert_snapshot!(refusal(&host, &outcome), @r"
    error: `@ws` belongs to nobody, and this would run as root

      help: run as the owner: `--user nobody`; or as root all the same: `--user root`
");

    let outcome = host
        .sandbox([
            "sh",
            "-c",
            "id -u; id -g; grep ^Groups: /proc/self/status; touch made",
        ])
        .options(["--user", "nobody"])
        .output();
    outcome
        .succeeds()
        .stdout(&format!("{user}\n{group}\nGroups:\t{group} "));
    let owner = fs::metadata(host.path("made")).unwrap().uid();
    assert_eq!(owner, user);
    // What only root may read is not that user's.
    host.sandbox(["cat", "/etc/shadow"])
        .options(["--user", "nobody", "--read", "/etc/shadow"])
        .output()
        .fails()
        .stdout("");
}

#[test]
fn a_hundred_thousand_arguments_arrive() {
    let host = Host::new();
    let arguments = (0..100_000).map(|number| number.to_string());
    let command = ["@payload", "arguments"].map(str::to_owned).into_iter();
    host.sandbox(command.chain(arguments))
        .output()
        .succeeds()
        .stdout("100000");
}

/// The largest number of arguments with which this can be executed at all.
fn most(mut starts: impl FnMut(usize) -> bool) -> usize {
    let (mut low, mut high) = (1, 100_000);
    while low < high {
        let middle = usize::midpoint(low, high + 1);
        if starts(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[test]
fn more_arguments_than_fit_beside_the_environment_are_told() {
    // As many as the kernel gives to `sandbox` itself: the sandbox's environment is bigger, and one has to give way.
    let host = Host::new();
    let long = "x".repeat(100);
    let command = |count: usize| {
        let arguments = std::iter::repeat_n(long.as_str(), count);
        host.sandbox(["true"].into_iter().chain(arguments))
    };
    let count = most(|count| {
        let words = command(count).words();
        std::process::Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .env("HOME", host.path("~"))
            .env("LANG", "C.UTF-8")
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok()
    });
    let outcome = command(count).output();
    assert_eq!(outcome.code(), Some(126));
    insta::assert_snapshot!(host.shorten(&outcome.errors()), @r"
    error: the arguments and the environment are too long

      help: give the command fewer arguments or a smaller environment; xargs(1) splits a list
");
}

/// The run, in namespaces of its own in which a setting of the kernel has another value.
fn under_setting<'a>(host: &'a Host, namespace: &str, setting: &str, run: &Run<'_>) -> Run<'a> {
    let script = format!("echo {setting} && exec \"$@\"");
    let words = [
        "unshare",
        namespace,
        "--fork",
        "--mount-proc",
        "sh",
        "-ec",
        &script,
        "sh",
    ];
    let words = words.iter().map(std::ffi::OsString::from);
    host.bare(words.chain(run.words()))
}

#[test]
fn no_user_namespaces() {
    let host = Host::new();
    if !needs("unshare", tool("unshare").is_some()) {
        return;
    }
    let run = host.sandbox(["true"]);
    let setting = "0 > /proc/sys/user/max_user_namespaces";
    let outcome = under_setting(&host, "-Urpm", setting, &run).output();
    insta::assert_snapshot!(refusal(&host, &outcome), @r"
    error: this host cannot confine a command: this host forbids user namespaces: `user.max_user_namespaces` is 0

      help: `sysctl -w user.max_user_namespaces=10000`
");
    let setting = "9 > /proc/sys/user/max_user_namespaces";
    under_setting(&host, "-Urpm", setting, &run)
        .output()
        .succeeds();
}

#[test]
fn no_execution_of_memory_files() {
    if !needs_root() || !needs("unshare", tool("unshare").is_some()) {
        return;
    }
    let host = Host::new();
    let run = host.sandbox(["echo", "ran"]);
    let setting = "2 > /proc/sys/vm/memfd_noexec";
    under_setting(&host, "-Urpm", setting, &run)
        .output()
        .succeeds()
        .stdout("ran");
    let doctor = host.tool(["doctor"]);
    under_setting(&host, "-Urpm", setting, &doctor)
        .output()
        .stdout_contains("memfd_noexec");
}

#[test]
fn the_report_says_what_does_not_hold() {
    let host = Host::new();
    let report = ["explain", "--enforcement"];
    let outcome = host.tool(report).output();
    outcome
        .succeeds()
        .stdout_contains("sockets by path  notifier")
        .stdout_contains("protected paths  notifier + mount namespace");
    let lesser = report.into_iter().chain(["--lower", "notifier=0"]);
    let outcome = host.tool(lesser).output();
    outcome
        .succeeds()
        .stdout_contains("sockets by path  not held")
        .stdout_contains("not held: names that do not exist yet");
}

#[test]
fn a_reader_that_goes_away_is_no_error_of_ours() {
    let host = Host::new();
    let script =
        "\"$0\" explain --plan | head -n 1 > /dev/null; \"$0\" run -- seq 100000 | head -n 1";
    let sandbox = sandbox_testing::binary();
    let outcome = host
        .bare(["sh", "-c", script, sandbox.to_str().unwrap()])
        .output();
    outcome.succeeds().stdout("1");
    assert_eq!(outcome.errors(), "");
    assert_ne!(outcome.signal(), Some(Signal::SIGPIPE as i32));
}
