//! With another program in the place of Apple's, which applies no profile: everything else is what a Mac would have.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::wait::waitpid;
use nix::unistd::{getpgid, getsid};

use super::*;

mod log;

const WRAPPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox-exec");
const PROFILE: &str = "(version 1)\n(deny default)";

/// A command, as far as it is not as always.
struct Case<'a> {
    wrapper: &'a str,
    profile: &'a str,
    programs: Vec<PathBuf>,
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: &'a Path,
    open_files: Option<u64>,
}

fn case<'a>(program: &str, args: &[&str]) -> Case<'a> {
    Case {
        wrapper: WRAPPER,
        profile: PROFILE,
        programs: vec![program.into()],
        args: args.iter().map(Into::into).collect(),
        environment: vec![("PATH".into(), "/usr/bin:/bin".into())],
        directory: Path::new("/"),
        open_files: None,
    }
}

fn sh<'a>(script: &str) -> Case<'a> {
    case("/bin/sh", &["-c", script])
}

impl Case<'_> {
    fn start(&self) -> Result<Child, LaunchError> {
        Start {
            wrapper: Path::new(self.wrapper),
            profile: self.profile,
            programs: &self.programs,
            asked: OsStr::new("asked"),
            args: &self.args,
            environment: &self.environment,
            directory: self.directory,
            stdio: [Stdio::piped(), Stdio::piped(), Stdio::piped()],
            open_files: self.open_files,
        }
        .start()
    }

    /// What it writes, and its status.
    fn run(&self) -> (String, String, ExitStatus) {
        let mut child = self.start().unwrap();
        drop(child.stdin.take());
        let [mut out, mut err] = [String::new(), String::new()];
        (child.stdout.take().unwrap())
            .read_to_string(&mut out)
            .unwrap();
        (child.stderr.take().unwrap())
            .read_to_string(&mut err)
            .unwrap();
        let status = end(&mut child);
        (out, err, status)
    }

    fn says(&self) -> String {
        self.run().0
    }
}

fn end(child: &mut Child) -> ExitStatus {
    let mut fds = [PollFd::new(child.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::NONE).unwrap();
    let report = child.update().unwrap().expect("it was said to have ended");
    ExitStatus::from_raw(report.status)
}

fn line(child: &mut Child) -> String {
    let mut line = Vec::new();
    let out = child.stdout.as_mut().unwrap();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        out.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    String::from_utf8(line).unwrap().trim().to_owned()
}

/// Whether a process runs; one that has ended and that nobody has waited for does not.
fn runs(pid: &str) -> bool {
    let mut ps = Command::new("ps");
    let state = ps.args(["-o", "stat=", "-p", pid]).output().unwrap().stdout;
    state.first().is_some_and(|state| *state != b'Z')
}

/// A signal is sent at once, and has its effect when the kernel comes to it.
fn ends(pid: &str) {
    while runs(pid) {
        thread::yield_now();
    }
}

#[test]
fn streams_and_exit_codes_are_the_program_s() {
    let mut child = sh("cat; echo err >&2; exit 71").start().unwrap();
    assert!(child.update().unwrap().is_none(), "it reads");
    child.stdin.take().unwrap().write_all(b"in").unwrap();
    let [mut out, mut err] = [String::new(), String::new()];
    let _ = child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .unwrap();
    let _ = child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut err)
        .unwrap();
    let status = end(&mut child);
    assert_eq!(
        (out.as_str(), err.as_str(), status.code()),
        ("in", "err\n", Some(71))
    );
    let again = child.update().unwrap().unwrap();
    assert_eq!(ExitStatus::from_raw(again.status), status);
    assert!(again.usage.peak_memory > 64 << 10, "{again:?}");
}

#[test]
fn the_process_is_the_program_s_and_so_is_the_signal_that_ends_it() {
    let mut child = sh("echo $$; kill -9 $$").start().unwrap();
    assert_eq!(line(&mut child), child.id().to_string());
    assert_eq!(end(&mut child).signal(), Some(9));
}

#[test]
fn the_profile_is_handed_over_as_it_is_and_the_program_as_a_path() {
    let mut case = case("/bin/a b", &["-f", "x"]);
    case.wrapper = "/bin/echo";
    case.programs.insert(0, "/no/such".into());
    case.programs.push("/bin/sh".into());
    assert_eq!(case.says(), format!("-p {PROFILE} /bin/sh -f x\n"));
}

#[test]
fn the_environment_is_what_is_given_and_nothing_else() {
    let outside = Command::new("env").output().unwrap().stdout;
    assert!(outside.windows(5).any(|it| it == b"PATH="), "the control");
    let mut case = case("/usr/bin/env", &[]);
    case.environment = vec![("A".into(), "1 = 2".into()), ("B".into(), "".into())];
    assert_eq!(case.says(), "A=1 = 2\nB=\n");
}

#[test]
fn no_descriptor_is_inherited_but_the_streams() {
    let null = File::open("/dev/null").unwrap();
    let inheritable = |least| {
        let number = fcntl(&null, FcntlArg::F_DUPFD(least)).unwrap();
        #[expect(unsafe_code, reason = "nix gives a number")]
        // SAFETY: it was made a line above, and is nobody else's.
        unsafe {
            OwnedFd::from_raw_fd(number)
        }
    };
    let held = [3, 100, 200].map(inheritable);
    let numbers = held
        .each_ref()
        .map(|fd| fd.as_raw_fd().to_string())
        .join(" ");
    let script = format!("for n in {numbers}; do [ -e /dev/fd/$n ] && echo $n; done");
    let outside = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert_eq!(
        String::from_utf8(outside.stdout).unwrap().lines().count(),
        3
    );
    assert_eq!(sh(&script).says(), "");
    let streams = "for n in 0 1 2; do [ -e /dev/fd/$n ] && echo $n; done";
    assert_eq!(sh(streams).says(), "0\n1\n2\n");
}

#[test]
fn it_has_a_session_of_its_own_which_no_terminal_belongs_to() {
    let mut child = sh("echo; (: </dev/tty) 2>/dev/null && echo tty; cat")
        .start()
        .unwrap();
    line(&mut child);
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    assert_eq!(getsid(Some(pid)), Ok(pid));
    assert_eq!(getpgid(Some(pid)), Ok(pid));
    drop(child.stdin.take());
    assert!(end(&mut child).success());
    let mut rest = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut rest)
        .unwrap();
    assert_eq!(rest, "");
}

#[test]
fn what_it_left_ends_with_it_however_it_ends() {
    const DEAF: &str = "trap '' TERM INT HUP; sleep 1000 >/dev/null 2>&1 & echo $!;";
    for (script, action) in [
        (" exit 0", None),
        (" cat", Some("kill")),
        (" cat", Some("drop")),
    ] {
        let mut child = sh(&format!("{DEAF}{script}")).start().unwrap();
        let left = line(&mut child);
        match action {
            None => assert!(end(&mut child).success()),
            Some("kill") => {
                assert!(runs(&left), "the control");
                child.kill().unwrap();
                assert_eq!(end(&mut child).signal(), Some(9));
                child.kill().unwrap();
            }
            Some(_) => {
                assert!(runs(&left), "the control");
                drop(child);
            }
        }
        ends(&left);
    }
}

#[test]
fn a_signal_is_for_the_program_or_for_its_group() {
    let script = "sleep 1000 >/dev/null 2>&1 & trap 'echo heard' USR1; echo $!; \
                  while kill -0 $! 2>/dev/null; do wait $!; done";
    for all in [false, true] {
        let mut child = sh(script).start().unwrap();
        let other = line(&mut child);
        let number = Signal::SIGUSR1 as i32;
        if all {
            child.signal_all(number).unwrap();
            ends(&other);
        } else {
            child.signal(number).unwrap();
        }
        assert_eq!(line(&mut child), "heard");
        assert_eq!(runs(&other), !all);
    }
    let child = sh("cat").start().unwrap();
    assert!(child.signal(0).is_err() && child.signal(1000).is_err());
}

#[test]
fn a_blocked_signal_of_the_caller_s_is_not_blocked_inside() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.thread_block().unwrap();
    let (out, _, status) = sh("kill -TERM $$; echo alive").run();
    assert!(SigSet::thread_get_mask().unwrap().contains(Signal::SIGTERM));
    assert_eq!((out.as_str(), status.signal()), ("", Some(15)));
}

#[test]
fn open_files_are_limited_and_the_limit_cannot_be_raised() {
    let mut case = sh("ulimit -n; ulimit -H -n; ulimit -n 65 2>/dev/null || echo no");
    let without = case.says();
    assert!(!without.starts_with("64\n"), "{without}");
    case.open_files = Some(64);
    assert_eq!(case.says(), "64\n64\nno\n");
}

#[test]
fn what_is_not_there_and_what_cannot_be_executed_are_told_apart() {
    let directory = tempfile::Builder::new()
        .prefix("sandbox-test-")
        .tempdir()
        .unwrap();
    let file = |name: &str, mode| {
        let path = directory.path().join(name);
        std::fs::write(&path, "#!/bin/sh\necho \"$0\"\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    file("plain", 0o644);
    std::fs::create_dir(directory.path().join("-d")).unwrap();
    file("-d/script", 0o755);
    let why = |programs: &[&str]| {
        let mut case = case("", &[]);
        case.directory = directory.path();
        case.programs = programs.iter().map(PathBuf::from).collect();
        match case.start() {
            Ok(child) => {
                drop(child);
                "runs".to_owned()
            }
            Err(LaunchError::Exec { source, .. }) => format!("{:?}", source.kind()),
            Err(other) => other.to_string(),
        }
    };
    for (programs, expected) in [
        (&["./no"][..], "NotFound"),
        (&[""], "NotFound"),
        (&["/etc/passwd/x"], "NotFound"),
        (&["./plain"], "PermissionDenied"),
        (&["./-d"], "PermissionDenied"),
        (&["./plain", "./no"], "PermissionDenied"),
        (&["./plain", "-d/script"], "runs"),
    ] {
        assert_eq!(why(programs), expected, "{programs:?}");
    }
    let mut case = case("-d/script", &[]);
    case.directory = directory.path();
    assert_eq!(case.says(), "./-d/script\n");
    let [plain, no] = ["plain", "no"].map(|name| directory.path().join(name));
    for (directory, kind) in [
        (&plain, io::ErrorKind::NotADirectory),
        (&no, io::ErrorKind::NotFound),
    ] {
        case.directory = directory;
        match case.start() {
            Err(LaunchError::Directory { source, .. }) => assert_eq!(source.kind(), kind),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_too_long_is_told_before_anything_starts() {
    let long = " ".repeat(MOST_PROFILE + 1);
    let mut case = sh("echo ran");
    case.profile = &long;
    let error = case.start().unwrap_err();
    insta::assert_snapshot!(error, @"the profile of the policy has 524289 bytes, and no more than 524288 can be handed over");
    assert!(error.remedy().is_some());
    case.profile = PROFILE;
    assert_eq!(case.says(), "ran\n");
    case.args.push("x".repeat(8 << 20).into());
    assert!(matches!(case.start(), Err(LaunchError::TooLarge)));
}

#[test]
fn a_profile_that_is_not_taken_is_told_before_anything_runs_under_it() {
    let wrapper = Path::new(WRAPPER);
    for (profile, expected) in [
        (PROFILE, None),
        ("HIDDEN", None),
        (
            "REFUSED",
            Some(
                "macOS does not take the profile of the policy: sandbox-exec: profile:1:1: unbound variable: REFUSED",
            ),
        ),
        (
            "NESTED",
            Some(
                "macOS does not take the profile of the policy: sandbox-exec: sandbox_apply: Operation not permitted",
            ),
        ),
    ] {
        let error = probe(wrapper, profile).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), expected, "{profile}");
    }
    let error = probe(Path::new("/no/sandbox-exec"), PROFILE).unwrap_err();
    assert!(matches!(error, LaunchError::Wrapper { .. }), "{error}");
    let error = probe(Path::new("/usr/bin/false"), PROFILE).unwrap_err();
    assert!(error.to_string().contains("exit status: 1"), "{error}");
}

#[test]
fn who_waited_in_our_place_is_an_error_and_not_a_wait_for_ever() {
    let mut child = sh("exit 3").start().unwrap();
    let pid = Pid::from_raw(child.id().try_into().unwrap());
    waitpid(pid, None).unwrap();
    let mut fds = [PollFd::new(child.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::NONE).unwrap();
    let error = child.update().unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ECHILD));
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_of_ours_handles_a_signal() {
    let child = sh("cat").start().unwrap();
    // A thread takes its name when it begins, and those of other tests end.
    let blocked = |name: &str| loop {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let tasks =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
        for task in tasks {
            let word = |key| task.lines().find_map(|line| line.strip_prefix(key));
            if word("Name:\t") == Some(name) {
                let mask = word("SigBlk:\t").unwrap();
                return u64::from_str_radix(mask, 16).unwrap();
            }
        }
        thread::yield_now();
    };
    let terminated = 1 << (Signal::SIGTERM as u64 - 1);
    assert_eq!(blocked("sandbox-wait") & terminated, terminated);
    let own = thread::current().name().unwrap_or_default()[..15].to_owned();
    assert_eq!(blocked(&own) & terminated, 0, "the control");
    drop(child);
}
