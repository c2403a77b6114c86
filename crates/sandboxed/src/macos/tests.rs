//! The backend as a whole, with programs that apply and report nothing in the place of Apple's. That a profile holds what the rules say
//! is tested where profiles are made.

mod network;

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_core::{Context, Policy, Preset};
use sandbox_macos::LaunchError;

use super::sandbox::Programs;
use super::*;

const SANDBOX_EXEC: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../sandbox-macos/tests/sandbox-exec"
);
const LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sandbox-macos/tests/log");

/// A workspace, and a place for private directories.
struct Place {
    _directory: tempfile::TempDir,
    work: PathBuf,
    around: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("sandbox-test-")
            .tempdir()
            .unwrap();
        let path = sandbox_core::resolve(directory.path()).unwrap().path;
        let [work, around] = ["work", "around"].map(|name| path.join(name));
        fs::create_dir(&work).unwrap();
        fs::create_dir(&around).unwrap();
        Self {
            _directory: directory,
            work,
            around,
        }
    }

    fn builder(&self) -> Builder {
        let mut builder = Sandbox::builder()
            .context(Context::new(&self.work))
            .environment([
                ("PATH".into(), "/usr/bin:/bin".into()),
                ("SECRET".into(), "1".into()),
            ]);
        builder.programs = Programs {
            sandbox_exec: SANDBOX_EXEC.into(),
            log: LOG.into(),
        };
        builder.around = Some(self.around.clone());
        builder
    }

    fn sandbox(&self, policy: &Policy) -> Sandbox {
        self.builder().build(policy).unwrap()
    }

    fn refusal(&self, policy: &Policy) -> Error {
        self.builder().build(policy).unwrap_err()
    }
}

/// Without private directories, which would lie over those of a test.
fn plain() -> Policy {
    Policy::default().read("/").write(".").pass("PATH")
}

fn sh<'a>(sandbox: &'a Sandbox, script: &str) -> Command<'a> {
    let mut command = sandbox.command("sh");
    command.args(["-c", script]);
    command
}

#[test]
fn a_command_has_its_streams_its_directory_and_its_exit_code() {
    let place = Place::new();
    let sandbox = place.sandbox(&plain());
    let output = sh(&sandbox, "pwd; echo err >&2; exit 3").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        output.stdout,
        format!("{}\n", place.work.display()).as_bytes()
    );
    assert_eq!(output.stderr, b"err\n");
    let mut child = sandbox
        .command("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"in").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"in");
    let status = sh(&sandbox, "kill -15 $$").status().unwrap();
    assert_eq!((status.signal(), status.code()), (Some(15), None));
    let mut null = sandbox.command("cat");
    assert_eq!(
        null.stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap()
            .stdout,
        b""
    );
}

#[test]
fn the_environment_is_the_policy_s_and_what_is_set() {
    let place = Place::new();
    let sandbox = place.sandbox(&plain().set("A", "1"));
    let mut env = sandbox.command("env");
    let words = |command: &mut Command<'_>| {
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(" ")
    };
    assert_eq!(words(env.env("B", "2")), "A=1 B=2 PATH=/usr/bin:/bin");
    assert_eq!(words(env.env_remove("A")), "B=2 PATH=/usr/bin:/bin");
    env.env_clear().env("C", "3").env("PATH", "/bin:/usr/bin");
    assert_eq!(words(&mut env), "C=3 PATH=/bin:/usr/bin");
    assert!(matches!(
        env.env("A=B", "").output(),
        Err(Error::VariableName { .. })
    ));
    let mut nul = sandbox.command("env");
    assert!(matches!(
        nul.env("A", "\0").output(),
        Err(Error::Nul { .. })
    ));
    assert!(matches!(
        sandbox.command("env").arg("\0").output(),
        Err(Error::Nul { .. })
    ));
    assert!(matches!(
        sandbox.command("e\0v").output(),
        Err(Error::Nul { .. })
    ));
    assert!(matches!(
        sandbox.command("env").current_dir("\0").output(),
        Err(Error::Nul { .. })
    ));
}

#[test]
fn a_program_is_searched_inside_and_never_by_the_wrapper() {
    let place = Place::new();
    let script = |name: &str, text: &str| {
        let path = place.work.join(name);
        fs::write(&path, format!("#!/bin/sh\necho {text}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("mine", "mine");
    script("env", "not env");
    let sandbox = place.sandbox(&plain());
    let says =
        |command: &mut Command<'_>| String::from_utf8(command.output().unwrap().stdout).unwrap();
    assert_eq!(says(&mut sandbox.command("./mine")), "mine\n");
    // An empty element is the directory inside.
    assert_eq!(says(sandbox.command("mine").env("PATH", "")), "mine\n");
    assert_eq!(
        says(sandbox.command("env").env("PATH", ":/usr/bin")),
        "not env\n"
    );
    let kind = |program: &str| match sandbox.command(program).spawn() {
        Err(Error::Launch(LaunchError::Exec { source, .. })) => source.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind("mine"), std::io::ErrorKind::NotFound);
    assert_eq!(kind("."), std::io::ErrorKind::PermissionDenied);
    assert_eq!(kind("./"), std::io::ErrorKind::PermissionDenied);
}

#[test]
fn what_has_no_meaning_inside_is_refused() {
    let place = Place::new();
    fs::create_dir(place.work.join("secret")).unwrap();
    let sandbox = place.sandbox(&plain().hide("secret"));
    let mut command = sandbox.command("true");
    assert!(
        command.process_group(0).status().unwrap().success(),
        "the control"
    );
    let error = command.process_group(7).spawn().unwrap_err();
    assert!(matches!(error, Error::ProcessGroup { group: 7 }) && error.remedy().is_some());
    let error = sandbox.command("true").arg0("other").spawn().unwrap_err();
    assert!(matches!(error, Error::Arg0 { .. }) && error.remedy().is_some());
    let error = sandbox
        .command("true")
        .current_dir("secret")
        .spawn()
        .unwrap_err();
    assert!(matches!(error, Error::HiddenDirectory { .. }) && error.remedy().is_some());
    assert!(
        sandbox
            .command("true")
            .current_dir("..")
            .status()
            .unwrap()
            .success()
    );
    assert!(sandbox.update_network(&plain()).is_err());
}

#[test]
fn what_macos_cannot_hold_is_refused_with_a_remedy() {
    let place = Place::new();
    let file = |text: &str| {
        let path = place.work.join("sandbox.toml");
        fs::write(&path, text).unwrap();
        let policy = Policy::from_file(&path).unwrap();
        let error = place.refusal(&policy);
        let source = std::error::Error::source(&error)
            .map(|it| format!(": {it}"))
            .unwrap_or_default();
        let remedy = error.remedy().expect("each has one");
        format!("{error}{source}\nhelp: {remedy}")
            .replace(&place.work.display().to_string(), "WORK")
    };
    insta::assert_snapshot!([
        file("[files]\n\"/\" = \"read\"\n\"/opt\" = \"scratch\"\n"),
        file("[files]\n\"/\" = \"read\"\n\"/usr\" = \"overlay\"\n"),
        file("[network.rules]\n\"api.example\" = { access = \"allow\", udp = true }\n"),
        file("[network]\npublish = [\"8080:3000\"]\n"),
        file("[limits]\nmemory = \"1GiB\"\n"),
        file("[limits]\nprocesses = 10\n"),
    ].join("\n\n"), @r#"
    macOS has no `scratch` for `/opt` (WORK/sandbox.toml:3)
    help: grant `write` there, or leave the rule out: the variable `TMPDIR` names a private directory

    macOS has no `overlay` for `/usr` (WORK/sandbox.toml:3)
    help: grant `write` there, or `read`

    macOS carries no datagrams to `api.example` (WORK/sandbox.toml:2)
    help: leave `udp` out on macOS, or give the command the host's whole network: `default = "host"` in `[network]`

    macOS has no port inside that differs from the host's: `publish = ["8080:3000"]` (WORK/sandbox.toml:2)
    help: have the command listen at the host's port, and write that alone: `publish = ["8080"]`

    macOS has no limit of memory that is one command's own (`memory` in `[limits]`)
    help: leave `memory` out on macOS

    macOS has no limit of processes that is one command's own (`processes` in `[limits]`)
    help: leave `processes` out on macOS
    "#);
}

#[test]
fn a_profile_that_the_system_does_not_take_is_an_error_of_build() {
    let place = Place::new();
    let error = place.refusal(&plain().hide("/REFUSED"));
    assert!(
        matches!(error, Error::Launch(LaunchError::Profile { .. })),
        "{error}"
    );
    let mut builder = place.builder();
    builder.programs.sandbox_exec = "/no/such".into();
    let error = builder.build(&plain()).unwrap_err();
    assert!(
        matches!(error, Error::Launch(LaunchError::Wrapper { .. })),
        "{error}"
    );
}

#[test]
fn presets_have_a_private_directory_that_ends_with_the_sandbox() {
    let place = Place::new();
    let made = || {
        fs::read_dir(&place.around)
            .unwrap()
            .map(|it| it.unwrap().path())
            .collect::<Vec<_>>()
    };
    let sandbox = place.sandbox(&Policy::preset(Preset::ReadOnly));
    let [private] = made().try_into().unwrap();
    let mode = fs::metadata(&private).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(
        sandbox
            .profile()
            .contains(&format!("(subpath \"{}\")", private.display()))
    );
    let output = sh(
        &sandbox,
        "echo $TMPDIR $GOCACHE; mkdir -p $GOCACHE && ln -s / $TMPDIR/link",
    )
    .output()
    .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        text,
        format!("{0} {0}/.cache/go-build\n", private.display())
    );
    let clone = sandbox.clone();
    drop(sandbox);
    assert_eq!(made(), std::slice::from_ref(&private));
    let child = clone.command("sleep").arg("1000").spawn().unwrap();
    drop(clone);
    assert_eq!(made(), [private]);
    drop(child);
    assert!(made().is_empty());
    let sandbox = place.sandbox(&plain().set("X", "/tmp/x"));
    assert!(made().is_empty(), "nothing is private there");
    assert_eq!(
        sh(&sandbox, "echo $X").output().unwrap().stdout,
        b"/tmp/x\n"
    );
    let mut builder = place.builder();
    builder.around = Some(place.around.join("no"));
    let error = builder
        .build(&Policy::preset(Preset::ReadOnly))
        .unwrap_err();
    assert!(matches!(error, Error::Temporary { .. }) && error.remedy().is_some());
}

#[test]
fn a_time_limit_asks_first_and_then_kills() {
    let place = Place::new();
    let sandbox = place.sandbox(&plain().time(Duration::from_secs(1000)));
    let limit = Duration::from_millis(50);
    let mut child = sandbox
        .command("sleep")
        .arg("1000")
        .timeout(limit)
        .spawn()
        .unwrap();
    assert!(child.wake_at().is_some());
    let status = child.wait().unwrap();
    assert_eq!(
        (status.signal(), status.time_limit(), status.success()),
        (Some(15), Some(limit), false)
    );
    assert!(child.wake_at().is_none());
    // Long enough that it is deaf by then.
    let limit = Duration::from_secs(2);
    let deaf = sh(&sandbox, "trap '' TERM; while :; do sleep 1000; done")
        .timeout(limit)
        .status()
        .unwrap();
    assert_eq!((deaf.signal(), deaf.time_limit()), (Some(9), Some(limit)));
    assert_eq!(sh(&sandbox, "exit 0").status().unwrap().time_limit(), None);
}

#[test]
fn a_group_is_stopped_continued_asked_and_killed() {
    let place = Place::new();
    let sandbox = place.sandbox(&plain());
    let start = |script| {
        let mut child = sh(&sandbox, script)
            .stdout(Stdio::piped())
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut up = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
        child
    };
    let state = |child: &Child| {
        let pid = child.id().to_string();
        let ps = std::process::Command::new("ps")
            .args(["-o", "stat=", "-p", &pid])
            .output()
            .unwrap();
        ps.stdout.first().copied()
    };
    let mut child = start("echo up; read x; exit 4");
    child.pause().unwrap();
    while state(&child) != Some(b'T') {
        std::thread::yield_now();
    }
    assert!(child.try_wait().unwrap().is_none());
    child.resume().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let mut child = start("echo up; cat");
    assert_eq!(
        child.kill_tree(Duration::from_secs(100)).unwrap().signal(),
        Some(15)
    );
    let mut child = start("trap '' TERM; echo up; while :; do sleep 1000; done");
    assert_eq!(child.kill_tree(Duration::ZERO).unwrap().signal(), Some(9));
    for number in [2, 10] {
        let mut child = start("echo up; cat");
        child.forward(number).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(number));
    }
    let mut child = start("echo up; cat");
    child.forward_key(2).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    assert!(child.signal(0).is_err());
    child.kill().unwrap();
}

#[test]
fn a_denial_is_told_with_its_rule_and_remedy_and_the_log_is_read_for_nothing_else() {
    let place = Place::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&told);
    let builder = place
        .builder()
        .on_denial(move |event| events.lock().unwrap().push(event.clone()));
    let sandbox = builder.build(&plain()).unwrap();
    assert!(sandbox.profile().contains("(with message \"sandbox-"));
    assert!(sandbox.command("true").status().unwrap().success());
    drop(sandbox);
    let events = told.lock().unwrap();
    let [event] = events.as_slice() else {
        panic!("{events:?}")
    };
    let text = event.to_string();
    assert_eq!(
        text,
        "create /etc/motd (`/` = read, the program); allowed by \"/etc\" = \"write\""
    );
    assert_eq!(event.process.as_ref().unwrap().to_string(), "7 (touch)");
    let mut builder = place.builder();
    builder.programs.log = "/no/such".into();
    let sandbox = builder.build(&plain()).unwrap();
    assert!(!sandbox.profile().contains("message"));
    let mut builder = place.builder().on_denial(|_| ());
    builder.programs.log = "/no/such".into();
    assert!(matches!(builder.build(&plain()), Err(Error::Log { .. })));
}

#[test]
fn changes_on_the_host_are_told() {
    let place = Place::new();
    let sandbox = place.sandbox(&plain());
    assert!(sandbox.changes().all.is_empty());
    assert!(
        sandbox
            .command("mkdir")
            .arg(".git")
            .status()
            .unwrap()
            .success()
    );
    let changes = sandbox.changes();
    assert_eq!(changes.all.len(), 1, "{changes:?}");
}

#[test]
fn what_is_held_is_said() {
    let place = Place::new();
    let mut policy = plain().time(Duration::from_secs(9));
    policy = policy.network(sandbox_core::Network::Host);
    insta::assert_snapshot!(place.sandbox(&policy).enforcement().to_string(), @r"
    writes           Seatbelt
    hidden paths     Seatbelt
                     not held: second names of files (hard links)
    protected paths  Seatbelt
                     not held: settings that come with dependencies, and repositories put together elsewhere
    sockets          Seatbelt
    network          not held
                     not held: anything: it is the host's
    processes        Seatbelt
    lifetime         process group
                     not held: what leaves the command's session outlives it, confined; the command outlives a caller that is killed
    terminal         session
    descriptors      close-on-exec
    system calls     not held
                     not held: macOS has no filter for them
    IPC, names       Seatbelt
                     not held: shared memory and semaphores of other programs (`ipc-posix`)
    environment      the caller
    limits           the caller's clock
    ");
    let named = place.sandbox(&plain().allow("a.example")).enforcement();
    let network = named.parts().iter().find(|it| it.part == "network");
    let network = network.unwrap();
    assert_eq!(network.mechanisms, ["Seatbelt", "gateway"]);
    assert_eq!((network.not_held.len(), network.beyond.len()), (1, 1));
    let text = format!("{:?}", place.sandbox(&policy));
    assert!(!text.contains("SECRET") && text.contains(&place.work.display().to_string()));
}

#[test]
fn handles_can_be_sent() {
    fn is_sent<T: Send + Sync>() {}
    is_sent::<Sandbox>();
    is_sent::<Command<'_>>();
    is_sent::<Error>();
    is_sent::<Child>();
}
