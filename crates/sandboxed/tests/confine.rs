//! Commands that were built for `std`: what is kept of them, and what `std` does not show.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::unistd::{Pid, getpgrp};
use sandbox_testing::{Host, State, marked, marker, until};
use sandboxed::{Error, LaunchError, Policy, Preset, Sandbox};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
};

/// Everything readable, the workspace of this host writable.
fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap()
}

fn text(output: Result<sandboxed::Output, Error>) -> String {
    String::from_utf8(output.unwrap().stdout).unwrap()
}

#[test]
fn program_arguments_variables_directory_and_status_are_kept() {
    let host = Host::new().dir("below");
    let sandbox = sandbox(&host);
    let script = r#"printf '%s|' "$0" "$@" "$SET" "${HOME-none}"; pwd; exit 9"#;
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "zero", "", "two words", "\u{fc}\n"])
        .env("SET", "a=b c")
        .env_remove("HOME")
        .current_dir(host.path("below"));
    let inside = sandbox.confine(&command).output().unwrap();
    let outside = command.output().unwrap();
    assert_eq!(inside.status.code(), Some(9));
    assert_eq!(std::process::Output::from(inside), outside);
    for (script, code, signal) in [("exit 0", Some(0), None), ("kill -9 $$", None, Some(9))] {
        let mut command = Command::new("/bin/sh");
        let status = sandbox.confine(command.args(["-c", script])).status();
        let status = status.unwrap();
        assert_eq!((status.code(), status.signal()), (code, signal));
    }
}

#[test]
fn it_is_confined_and_left_as_it_was() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut command = Command::new("sh");
    command.args(["-c", "echo x > \"$0\""]);
    command
        .arg(host.path("@outside/made"))
        .stderr(Stdio::null());
    let before = format!("{command:?}");
    assert!(!sandbox.confine(&command).status().unwrap().success());
    assert!(!host.has("@outside/made"));
    assert_eq!(format!("{command:?}"), before);
    assert!(command.status().unwrap().success());
    assert!(host.has("@outside/made"), "control");
}

/// `std` does not show that the environment was cleared. What the command then has is the policy's, and no more.
#[test]
fn a_cleared_environment_is_the_policys() {
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(OsString, OsString)> {
        pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    };
    let outside = pairs(&[
        ("PATH", "/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("GITHUB_TOKEN", "SECRET"),
    ]);
    let sandbox = Sandbox::builder()
        .environment(outside)
        .build(&Policy::preset(Preset::ReadOnly))
        .unwrap();
    let variables = |text: String| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let policys = variables(text(sandbox.command("/usr/bin/env").output()));
    assert!(!policys.iter().any(|line| line.contains("SECRET")));

    let mut command = Command::new("/usr/bin/env");
    command.env("GONE", "1").env_clear().env("ONLY", "this");
    let only = BTreeSet::from(["ONLY=this".to_owned()]);
    let inside = variables(text(sandbox.confine(&command).output()));
    assert_eq!(inside, &policys | &only);
    // The way to what was meant.
    let set = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut confined = sandbox.confine(&command);
    confined.env_clear().envs(set);
    assert_eq!(variables(text(confined.output())), only);
}

#[test]
fn what_std_does_not_show_is_the_default() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo $0"])
        .arg0("another")
        .stdout(Stdio::null());
    assert_eq!(text(sandbox.confine(&command).output()), "sh\n");
    assert_eq!(
        text(sandbox.confine(&command).arg0("another").output()),
        "another\n"
    );
    #[expect(unsafe_code, reason = "what must not run")]
    // SAFETY: it does nothing at all.
    unsafe {
        command.pre_exec(|| Err(std::io::ErrorKind::Other.into()));
    }
    command.spawn().unwrap_err();
    assert_eq!(text(sandbox.confine(&command).output()), "sh\n");

    let marker = marker();
    let mut command = Command::new(host.payload());
    command.args(["wait", &marker]).process_group(0);
    let mut confined = sandbox.confine(&command);
    let mut child = confined.stdout(sandboxed::Stdio::null()).spawn().unwrap();
    until("it runs", || marked(&marker).len() == 1);
    let group = State::of(marked(&marker)[0]).unwrap().group;
    assert_eq!(Pid::from_raw(group), getpgrp());
    child.kill().unwrap();
    let _ = child.wait().unwrap();
}

/// `std` keeps another string in its place, and an error for when it is spawned: so must we.
#[test]
fn a_nul_is_an_error_here_too() {
    let host = Host::new();
    let sandbox = sandbox(&host);
    let mut directory = Command::new("true");
    directory.current_dir("/\0");
    let mut argument = Command::new("true");
    argument.arg("a\0b");
    let mut variable = Command::new("true");
    variable.env("A", "a\0b");
    for (command, expected) in [
        (Command::new("tr\0ue"), "the program's name"),
        (argument, "an argument"),
        (directory, "the working directory"),
        (variable, "a variable"),
    ] {
        let mut command = command;
        let confined = sandbox.confine(&command).status();
        assert!(
            matches!(confined, Err(Error::Nul { what, .. }) if what == expected),
            "{confined:?}"
        );
        command.status().unwrap_err();
    }
}

/// As of any program: the `PATH` inside, and the directory of the command.
#[test]
fn a_program_is_found_as_inside() {
    let host = Host::new()
        .script("here/tool", "#!/bin/sh\necho here\n")
        .script("tool", "#!/bin/sh\necho top\n");
    let sandbox = Sandbox::builder()
        .context(sandboxed::Context::new(host.path("@ws")))
        .build(&Policy::preset(Preset::ReadOnly).write(host.path("@ws")))
        .unwrap();
    let run = |change: &dyn Fn(&mut Command)| {
        let mut command = Command::new("./tool");
        change(&mut command);
        text(sandbox.confine(&command).output())
    };
    assert_eq!(run(&|_| {}), "top\n");
    // Also where a relative directory is meant.
    for directory in [host.path("here"), "here".into()] {
        assert_eq!(
            run(&|command| {
                command.current_dir(&directory);
            }),
            "here\n"
        );
    }
    let mut command = Command::new("tool");
    command.env("PATH", host.path("here"));
    assert_eq!(text(sandbox.confine(&command).output()), "here\n");
    let missing = sandbox.confine(&Command::new("tool")).status();
    assert!(
        matches!(missing, Err(Error::Launch(LaunchError::Exec { .. }))),
        "{missing:?}"
    );
}
