use clap::CommandFactory;

use super::*;

fn parse(words: &[&str]) -> Result<Arguments, String> {
    Arguments::try_parse_from(std::iter::once("sandbox").chain(words.iter().copied()))
        .map_err(|error| error.to_string())
}

fn run(words: &[&str]) -> Run {
    match parse(&[&["run"], words].concat()).unwrap().action {
        Action::Run(run) => run,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn options_end_at_the_first_word_that_is_not_one_or_at_two_dashes() {
    for (words, command) in [
        (&["ls", "-la"][..], &["ls", "-la"][..]),
        (&["ls", "--write", "x"], &["ls", "--write", "x"]),
        (&["ls", "--help"], &["ls", "--help"]),
        (&["ls", "-V", "--version"], &["ls", "-V", "--version"]),
        (&["ls", "--", "-x", "--"], &["ls", "--", "-x", "--"]),
        (&["--", "ls", "--", "x"], &["ls", "--", "x"]),
        (&["--", "-weird", "--write"], &["-weird", "--write"]),
        (&["--write", ".", "ls", ""], &["ls", ""]),
        (&["--write=.", "--", "ls"], &["ls"]),
        (&["--"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(run(words).command, command, "{words:?}");
    }
    assert!(run(&["ls", "--write", "x"]).setting.paths.write.is_empty());
    assert_eq!(
        run(&["--write", "a", "--write=b", "ls"])
            .setting
            .paths
            .write,
        ["a", "b"]
    );
}

#[test]
fn a_command_that_is_not_utf8_arrives_as_it_is() {
    use std::os::unix::ffi::OsStringExt;
    let word = OsString::from_vec(vec![b'a', 0xff]);
    let arguments =
        Arguments::try_parse_from(["sandbox".into(), "run".into(), word.clone()]).unwrap();
    assert!(matches!(arguments.action, Action::Run(run) if run.command == [word]));
}

#[test]
fn what_is_wrong_with_an_option_is_told() {
    for (words, message) in [
        (
            &["run", "--wirte", ".", "ls"][..],
            "error: unexpected argument '--wirte' found\n\n  tip: a similar argument exists: '--write'",
        ),
        (&["run", "--write", "", "ls"], "a pattern cannot be empty"),
        (
            &["run", "--preset", "agnet", "ls"],
            "a similar value exists: 'agent'",
        ),
        (
            &["run", "--timeout", "10M", "ls"],
            "units are written small",
        ),
        (
            &["run", "--timeout", "0s", "ls"],
            "longer than nothing and at most 30 days",
        ),
        (
            &["run", "--timeout", "31d", "ls"],
            "longer than nothing and at most 30 days",
        ),
        (&["run", "--timeout", "soon", "ls"], "write it as `90s`"),
        (&["run", "--lower", "sse2", "ls"], "known are `linux-6.1`"),
        (&["shell", "ls"], "unexpected argument 'ls'"),
        (&["runn"], "a similar subcommand exists: 'run'"),
    ] {
        let error = parse(words).unwrap_err();
        assert!(error.contains(message), "{words:?}:\n{error}");
    }
}

#[test]
fn help_teaches() {
    let help = |words: &[&str]| parse(words).unwrap_err();
    insta::assert_snapshot!(help(&["--help"]), @"
    Runs a command that cannot read your secrets, write outside of this directory, or reach what you have not named

    Usage: sandbox <COMMAND>

    Commands:
      run          Runs a command confined
      shell        Starts a shell confined: $SHELL, or /bin/sh
      explain      Tells what a policy allows, and by which rule
      profile      Prints what a policy becomes on an operating system, also on another one; nothing runs
      check        Tells whether a policy is valid, and what a reviewer would say of it
      init         Writes a policy for the project in this directory, `sandbox.toml`
      policy       Shows, compares, changes or formats policies, or prints their schema
      doctor       Tells what this host can enforce, and the one command that lifts each obstacle
      trust        Approves a policy file: what it says, byte for byte, with the files that it extends
      completions  Prints completions for a shell
      man          Prints the manual page, for man(1)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples:
      sandbox run npm test                    the preset `agent`: writes only the current directory
      sandbox run --hide 'secrets/**' -- make one thing more that cannot be read
      sandbox run --preset npm -- npm ci      the registry that your npm asks, everything else confined
      sandbox explain ~/.ssh/id_ed25519       may this be read or written, and why
      sandbox init                            a policy for this project, to read and to change
      sandbox check ci.toml                   is this policy valid, and safe
      sandbox doctor                          what this host can enforce, and how to lift what it can't

    Exit codes of `run` and `shell`:
      124  the time limit was reached      126  the command cannot be executed
      125  the sandbox failed or refused   127  the command was not found
      128+n  signal n ended the command    any other is the command's own
    ");
    insta::assert_snapshot!(help(&["run", "-h"]), @"
    Runs a command confined

    Usage: sandbox run [OPTIONS] [--] COMMAND...

    Arguments:
      [COMMAND]...  The command and its arguments

    Options:
          --policy <FILE>          A policy file, TOML or JSON; without `extends` it has only its own rules and those of `/etc/sandbox/policy.toml`
          --settings <FILE>        Settings of Anthropic's sandbox-runtime (srt) as they are, instead of a policy; docs/settings.md has every key
          --strict                 With `--settings`: refuse unknown keys instead of warning of them
          --preset <NAME>          A built-in policy [default: agent, unless a policy extends another, or `--policy` or `--settings` is given], or destinations or services to allow, beside any policy [possible values: agent, read-only, strict, none, github, gitlab, bitbucket, docker-hub, ghcr, anthropic, openai, gemini, huggingface, npm, pip, cargo, go, maven, debian, ssh-agent, gpg-agent, docker]
          --write <PATTERN>        Allow reading and writing
          --read <PATTERN>         Allow reading and executing, no writing
          --hide <PATTERN>         Allow nothing
          --scratch <PATTERN>      Replace by an empty private directory that is gone afterwards
          --make <PATH>            Allow making and writing a path that need not be there, also in a directory that can only be read
          --protect <GROUP>        Protect the names of this group, too: none of them is written but where a rule names it [possible values: ci]
          --allow <DESTINATION>    Allow connecting to a name, `*.name`, an address or a range, with `:PORT` only there
          --deny <DESTINATION>     Allow no connection there
          --network <ACCESS>       The network that no rule is about: none of it, what a person says, all of it, or the host's [possible values: deny, ask, allow, host]
          --ask                    Ask at the terminal about connections that no rule is about: `--network ask`
          --publish <PORT[:PORT]>  Make a port of the command reachable on the host's loopback; with two, the host's is first
          --env <NAME[=VALUE]>     Pass a variable of the environment, or set one
          --chdir <DIR>            Start in this directory, as if `sandbox` had been started there
          --timeout <DURATION>     End the command after this time, such as `90s` or `1h 30m`: SIGTERM, 2 s later SIGKILL for everything inside
          --user <USER>            As root: run as this account (name, uid, or UID:GID)
          --log-network <FILE>     Write a line of JSON for each connection and each denial to this file; `-` is standard error
          --events <FILE|fd:N>     Write a line of JSON for each denial, with what would allow it, and for what has changed in the end, to this file or descriptor; `-` is standard error
          --control-fd <FD>        Take other rules about the network from this descriptor while the command runs, a socket
      -h, --help                   Print help (see more with '--help')

    Examples:
      sandbox run cargo build --release
      sandbox run --write ../shared -- make -j4
      sandbox run --policy ci.toml --timeout 10m ./test.sh
      sandbox run --preset strict --env CI=1 python3 untrusted.py
      sandbox run --preset github -- git clone https://github.com/rust-lang/log
      sandbox run --settings ~/.srt-settings.json -- npm test
    ");
    insta::assert_snapshot!(help(&["shell", "-h"]), @"
    Starts a shell confined: $SHELL, or /bin/sh

    Usage: sandbox shell [OPTIONS]

    Options:
          --policy <FILE>          A policy file, TOML or JSON; without `extends` it has only its own rules and those of `/etc/sandbox/policy.toml`
          --settings <FILE>        Settings of Anthropic's sandbox-runtime (srt) as they are, instead of a policy; docs/settings.md has every key
          --strict                 With `--settings`: refuse unknown keys instead of warning of them
          --preset <NAME>          A built-in policy [default: agent, unless a policy extends another, or `--policy` or `--settings` is given], or destinations or services to allow, beside any policy [possible values: agent, read-only, strict, none, github, gitlab, bitbucket, docker-hub, ghcr, anthropic, openai, gemini, huggingface, npm, pip, cargo, go, maven, debian, ssh-agent, gpg-agent, docker]
          --write <PATTERN>        Allow reading and writing
          --read <PATTERN>         Allow reading and executing, no writing
          --hide <PATTERN>         Allow nothing
          --scratch <PATTERN>      Replace by an empty private directory that is gone afterwards
          --make <PATH>            Allow making and writing a path that need not be there, also in a directory that can only be read
          --protect <GROUP>        Protect the names of this group, too: none of them is written but where a rule names it [possible values: ci]
          --allow <DESTINATION>    Allow connecting to a name, `*.name`, an address or a range, with `:PORT` only there
          --deny <DESTINATION>     Allow no connection there
          --network <ACCESS>       The network that no rule is about: none of it, what a person says, all of it, or the host's [possible values: deny, ask, allow, host]
          --ask                    Ask at the terminal about connections that no rule is about: `--network ask`
          --publish <PORT[:PORT]>  Make a port of the command reachable on the host's loopback; with two, the host's is first
          --env <NAME[=VALUE]>     Pass a variable of the environment, or set one
          --chdir <DIR>            Start in this directory, as if `sandbox` had been started there
          --timeout <DURATION>     End the command after this time, such as `90s` or `1h 30m`: SIGTERM, 2 s later SIGKILL for everything inside
          --user <USER>            As root: run as this account (name, uid, or UID:GID)
          --log-network <FILE>     Write a line of JSON for each connection and each denial to this file; `-` is standard error
          --events <FILE|fd:N>     Write a line of JSON for each denial, with what would allow it, and for what has changed in the end, to this file or descriptor; `-` is standard error
          --control-fd <FD>        Take other rules about the network from this descriptor while the command runs, a socket
      -h, --help                   Print help (see more with '--help')
    ");
    insta::assert_snapshot!(help(&["explain", "-h"]), @"
    Tells what a policy allows, and by which rule

    Usage: sandbox explain [OPTIONS] [PATH]...

    Arguments:
      [PATH]...  Paths to decide about

    Options:
          --policy <FILE>               A policy file, TOML or JSON; without `extends` it has only its own rules and those of `/etc/sandbox/policy.toml`
          --settings <FILE>             Settings of Anthropic's sandbox-runtime (srt) as they are, instead of a policy; docs/settings.md has every key
          --strict                      With `--settings`: refuse unknown keys instead of warning of them
          --preset <NAME>               A built-in policy [default: agent, unless a policy extends another, or `--policy` or `--settings` is given], or destinations or services to allow, beside any policy [possible values: agent, read-only, strict, none, github, gitlab, bitbucket, docker-hub, ghcr, anthropic, openai, gemini, huggingface, npm, pip, cargo, go, maven, debian, ssh-agent, gpg-agent, docker]
          --with-write <PATTERN>        Allow reading and writing
          --read <PATTERN>              Allow reading and executing, no writing
          --hide <PATTERN>              Allow nothing
          --scratch <PATTERN>           Replace by an empty private directory that is gone afterwards
          --make <PATH>                 Allow making and writing a path that need not be there, also in a directory that can only be read
          --protect <GROUP>             Protect the names of this group, too: none of them is written but where a rule names it [possible values: ci]
          --allow <DESTINATION>         Allow connecting to a name, `*.name`, an address or a range, with `:PORT` only there
          --deny <DESTINATION>          Allow no connection there
          --network <ACCESS>            The network that no rule is about: none of it, what a person says, all of it, or the host's [possible values: deny, ask, allow, host]
          --ask                         Ask at the terminal about connections that no rule is about: `--network ask`
          --publish <PORT[:PORT]>       Make a port of the command reachable on the host's loopback; with two, the host's is first
          --with-env <NAME[=VALUE]>     Pass a variable of the environment, or set one
          --chdir <DIR>                 Start in this directory, as if `sandbox` had been started there
          --timeout <DURATION>          End the command after this time, such as `90s` or `1h 30m`: SIGTERM, 2 s later SIGKILL for everything inside
          --user <USER>                 As root: run as this account (name, uid, or UID:GID)
          --write <PATH>                Ask whether this path may be written
          --env <NAME>                  Ask whether this variable is inside
          --connect <HOST[:PORT]|PATH>  Ask whether this may be connected to; port 443 unless it is written. A path is that of a Unix socket
          --os <OS>                     Answer for this operating system; for macOS by the lines of the profile that `sandbox profile` prints [default: this one] [possible values: linux, macos]
          --plan                        Print what is done on this host before a command runs, step by step
          --enforcement                 Print which mechanism holds which part of the policy, and what is not held
          --json                        Answer in JSON, as `docs/json.md` describes it
      -h, --help                        Print help (see more with '--help')

    Examples:
      sandbox explain ~/.aws/credentials .git/hooks/pre-commit
      sandbox explain --write ~/.bashrc --env GITHUB_TOKEN
      sandbox explain --with-write ../shared ../shared/notes.md
      sandbox explain --allow '*.example.com' --connect www.example.com:443
      sandbox explain --connect /run/docker.sock
      sandbox explain --plan --preset strict
      sandbox explain --settings ~/.srt-settings.json .env
      sandbox explain --enforcement
      sandbox explain --os macos .GIT/config

    Exit codes:
      0  everything was answered, whatever the answer is
      125  the policy was refused, or a path cannot be looked at
    ");
    insta::assert_snapshot!(help(&["check", "-h"]), @"
    Tells whether a policy is valid, and what a reviewer would say of it

    Usage: sandbox check [OPTIONS] [FILE]

    Arguments:
      [FILE]  The policy file [default: sandbox.toml]

    Options:
          --json  Answer in JSON, as `docs/json.md` describes it
      -h, --help  Print help (see more with '--help')

    Examples:
      sandbox check
      sandbox check --json ci.toml

    Exit codes:
      0  the policy is valid, and there is nothing to mend
      1  the policy is valid, and there are warnings
      125  the policy is refused
    ");
    insta::assert_snapshot!(help(&["init", "-h"]), @"
    Writes a policy for the project in this directory, `sandbox.toml`

    Usage: sandbox init [OPTIONS]

    Options:
          --print  Print the policy instead of writing it
      -h, --help   Print help (see more with '--help')
    ");
    insta::assert_snapshot!(help(&["trust", "-h"]), @"
    Approves a policy file: what it says, byte for byte, with the files that it extends

    Usage: sandbox trust [OPTIONS] [FILE]

    Arguments:
      [FILE]  The policy file [default: sandbox.toml]

    Options:
          --withdraw  Approve it no longer
      -h, --help      Print help (see more with '--help')
    ");
    insta::assert_snapshot!(help(&["policy", "-h"]), @"
    Shows, compares, changes or formats policies, or prints their schema

    Usage: sandbox policy <COMMAND>

    Commands:
      show    Prints the policy that a command would run under, files and options as one
      diff    Tells what one policy allows and another does not
      add     Adds rules to a policy file; a rule about the same path, destination or variable is replaced
      remove  Removes rules from a policy file
      fmt     Formats a policy file; comments stay where they are
      schema  Prints the JSON Schema of a policy, by which an editor completes and checks it

    Options:
      -h, --help  Print help
    ");
    insta::assert_snapshot!(help(&["policy", "fmt", "-h"]), @"
    Formats a policy file; comments stay where they are

    Usage: sandbox policy fmt [OPTIONS] [FILE]

    Arguments:
      [FILE]  The policy file, TOML [default: sandbox.toml]

    Options:
          --check  Change nothing, and tell by the exit code whether something would be
      -h, --help   Print help

    Exit codes:
      0  the file is in its form
      1  with `--check`: it is not, and was left as it is
      125  it is no policy, or cannot be written
    ");
    insta::assert_snapshot!(help(&["doctor", "-h"]), @"
    Tells what this host can enforce, and the one command that lifts each obstacle

    Usage: sandbox doctor [OPTIONS]

    Options:
          --json  Answer in JSON, as `docs/json.md` describes it
      -h, --help  Print help (see more with '--help')

    Exit codes:
      0  a sandbox starts here
      125  none does
    ");
}
