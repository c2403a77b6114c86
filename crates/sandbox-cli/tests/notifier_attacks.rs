//! Invariants 4 and 24: ways past a notifier that only looks at the calls which programs usually make. Each works without one.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::path::Path;
use std::{env, fs};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox_testing::{Host, needs, needs_kernel, tool};

/// The control: the same host with kernel and policy, one mechanism apart.
const WITHOUT: [&str; 2] = ["--lower", "notifier=0"];

/// The payload makes `.envrc` in this way where `control` runs it, and not in a sandbox.
#[track_caller]
fn is_no_way(way: &str) {
    let attacked = Host::new();
    let outcome = attacked.sandbox(["@payload", "name", way]).output();
    assert!(!attacked.has(".envrc"), "{way}: {}", outcome.show());
    let control = Host::new();
    let command = control.sandbox(["@payload", "name", way]);
    command.options(WITHOUT).output();
    assert!(control.has(".envrc"), "the control: {way}");
}

#[test]
fn a_tracer_changes_no_call_after_it_was_decided() {
    is_no_way("traced");
}

/// Its own filter leaves a call that reads to its tracer, who makes one that writes of it.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_filter_of_the_commands_own_hands_no_call_to_a_tracer() {
    is_no_way("filtered");
}

/// The kernel asks the listener of the newest filter that has one to be asked. There is none, and no call is made.
#[test]
fn a_filter_of_the_commands_own_is_not_asked_instead() {
    let attacked = Host::new();
    let outcome = attacked
        .sandbox(["@payload", "name", "unanswered"])
        .output();
    assert_eq!(outcome.text(), format!("errno {}\n", libc::ENOSYS));
    assert!(!attacked.has(".envrc"));
}

#[test]
fn a_program_in_memory_makes_no_protected_name() {
    is_no_way("from-memory");
}

/// Outside of a sandbox it works, on a kernel that has the interface.
#[cfg(target_arch = "x86_64")]
#[test]
fn the_32_bit_interface_makes_no_name() {
    let attacked = Host::new();
    attacked.sandbox(["@payload", "name", "by-32-bit"]).output();
    assert!(!attacked.has(".envrc"));
    let control = Host::new();
    let outcome = control.bare(["@payload", "name", "by-32-bit"]).output();
    assert!(control.has(".envrc") || outcome.signal().is_some());
}

/// What is written there is the command's, and would be obeyed under another name.
#[test]
fn what_a_rule_opens_is_not_moved_to_where_it_is_protected() {
    let script = "echo x > a/.envrc; mv -T a b || { cp -r a b; rm -r a; }";
    let run = |options: &[&str]| {
        let host = Host::new().file("a/.envrc", "");
        let command = host.sandbox(["sh", "-c", script]);
        command
            .rule("@ws/a/.envrc = write")
            .options(options)
            .output();
        host.has("b/.envrc")
    };
    assert!(!run(&[]));
    assert!(run(&WITHOUT));
}

/// Where the host removes what a private directory lies on, its own is there until init has seen that, which is stopped here.
#[test]
fn a_private_directory_that_the_host_removes_is_no_way_to_a_protected_name() {
    let script = "echo ready; while [ ! -e go ]; do :; done
        mkdir target/g; echo x > target/g/config; touch target/.envrc; mv -T target/g .git; echo done";
    let run = |options: &[&str]| {
        let host = Host::new().dir("target");
        let command = host.sandbox(["sh", "-c", script]);
        let mut running = command
            .rule("@ws/target = scratch")
            .options(options)
            .start();
        running.prints("ready");
        let init = init_of(running.pid());
        kill(init, Signal::SIGSTOP).unwrap();
        fs::remove_dir(host.path("target")).unwrap();
        fs::create_dir(host.path("target")).unwrap();
        host.write("go", "");
        running.prints("done");
        kill(init, Signal::SIGCONT).unwrap();
        running.wait();
        [".git/config", "target/.envrc"].map(|path| host.has(path))
    };
    assert_eq!(run(&[]), [false; 2]);
    assert_eq!(run(&WITHOUT), [true; 2]);
}

/// As without a sandbox: a handler runs, and says whether the call goes on.
#[test]
fn a_signal_reaches_whoever_waits_for_a_fifo() {
    let Some(python) = tool("python3") else {
        needs("python3", false);
        return;
    };
    let script = r#"
import os, signal, threading
os.mkfifo("f")
seen = []
def handle(*_):
    seen.append("handled")
    signal.setitimer(signal.ITIMER_REAL, 0.1)
def stop(*_):
    raise TimeoutError
signal.signal(signal.SIGUSR1, handle)
signal.signal(signal.SIGALRM, stop)
try:
    threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
    os.open("f", os.O_WRONLY)
except TimeoutError:
    print(*seen, "interrupted")
signal.siginterrupt(signal.SIGUSR1, False)
signal.signal(signal.SIGUSR1, lambda *_: threading.Thread(target=lambda: os.open("f", os.O_RDONLY)).start())
threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
os.open("f", os.O_WRONLY)
print("opened")
"#;
    let command = || [python.as_os_str(), "-c".as_ref(), script.as_ref()];
    for outcome in [
        Host::new().bare(command()).output(),
        Host::new().sandbox(command()).output(),
    ] {
        outcome.succeeds().stdout("handled interrupted\nopened\n");
    }
}

/// `SANDBOX_TEST_CASELESS` names a directory on a file system that takes `.ENVRC` for `.envrc`: FAT, or ext4 with casefold.
#[test]
fn a_protected_name_is_not_made_in_another_spelling() {
    let directory = env::var_os("SANDBOX_TEST_CASELESS");
    let what = "a file system that does not tell letters apart";
    if !needs_kernel(what, directory.is_some()) {
        return;
    }
    let script = "echo x > .ENVRC; mkdir .VSCODE; mkdir .git; echo x > .GIT/Config; mv -T d .Husky";
    let made = |options: &[&str]| {
        let host = Host::below(Path::new(directory.as_ref().unwrap())).dir("d");
        let command = host.sandbox(["sh", "-c", script]);
        command.options(options).output();
        [".envrc", ".vscode", ".git/config", ".husky"].map(|path| host.has(path))
    };
    assert_eq!(made(&[]), [false; 4]);
    assert_eq!(made(&WITHOUT), [true; 4]);
}

/// The control: here they are names like any other.
#[test]
fn where_letters_are_told_apart_another_spelling_is_another_name() {
    let host = Host::new();
    let script =
        "echo x > .ENVRC; mkdir .VSCODE; mkdir .GIT; echo x > .GIT/Config; mv .ENVRC 'ENVRC~1'";
    host.sandbox(["sh", "-ec", script]).output().succeeds();
}

/// The init of a sandbox, a child of its caller.
fn init_of(caller: Pid) -> Pid {
    let tasks = fs::read_dir(format!("/proc/{caller}/task")).unwrap();
    let children = tasks.flat_map(|task| {
        let children = fs::read_to_string(task.unwrap().path().join("children")).unwrap();
        let pids: Vec<i32> = children.split(' ').flat_map(str::parse).collect();
        pids
    });
    Pid::from_raw(children.max().unwrap())
}

/// The host's link at a protected name stays the host's: where it leads is what a person's tool obeys.
#[test]
fn a_link_at_a_protected_name_is_not_replaced() {
    let leads = |options: &[&str]| {
        let host = Host::new();
        std::os::unix::fs::symlink("settings", host.path(".envrc")).unwrap();
        let command = ["sh", "-c", "echo evil > other; mv -f other .envrc"];
        let outcome = host.sandbox(command).options(options).output();
        let is_link = host.path(".envrc").read_link().is_ok();
        (is_link, outcome.code() == Some(0))
    };
    assert_eq!(leads(&[]), (true, false));
    assert_eq!(leads(&WITHOUT), (false, true), "the control");
}
