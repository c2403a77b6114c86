//! What a sandbox costs that nothing runs in, also after many commands.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use nix::unistd::Pid;
use sandbox_testing::{Host, State, until};
use sandboxed::{Child, Policy, Preset, Sandbox, Stdio};
use std::fs;
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One test at a time: each measures this process.
static ALONE: Mutex<()> = Mutex::new(());

/// Everything readable, the workspace of this host writable.
fn sandbox(host: &Host) -> Sandbox {
    let policy = Policy::preset(Preset::ReadOnly).write(host.path("@ws"));
    // What it keeps of the caller's variables depends on who has started the test.
    let path = std::env::var_os("PATH").map(|path| ("PATH".into(), path));
    let builder = Sandbox::builder().environment(path);
    builder.build(&policy).unwrap()
}

/// A command that runs, and ends when it is dropped.
fn running(sandbox: &Sandbox) -> Child {
    let mut command = sandbox.command("sh");
    command.args(["-c", "echo ready; exec cat"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let ready = child.stdout.as_mut().unwrap();
    ready.read_exact(&mut [0; 6]).unwrap();
    child
}

/// Those of this program, with those that sandboxes have in it.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// The number behind `key` in `/proc/PID/FILE`.
fn field(process: impl std::fmt::Display, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(key));
    let mut words = value.unwrap().split_whitespace();
    words.next().unwrap().parse().unwrap()
}

/// Processor time, in ticks, and how often it has slept and was woken.
fn activity(init: u32) -> [u64; 4] {
    let stat = fs::read_to_string(format!("/proc/{init}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let mut ticks = fields.split(' ').skip(11);
    let mut tick = || ticks.next().unwrap().parse().unwrap();
    [
        tick(),
        tick(),
        field(init, "status", "voluntary_ctxt_switches:"),
        field(init, "status", "nonvoluntary_ctxt_switches:"),
    ]
}

/// In KiB: the resident memory of its init, of which it shares some with others, and what it takes in the caller.
#[test]
fn an_idle_sandbox_holds_less_than_300_kib() {
    // So many that what the program takes once is little of it.
    const COUNT: u64 = 60;
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let host = Host::new();
    // Each has made a name, for which it had two threads.
    let make = || {
        let sandbox = sandbox(&host);
        let mut command = sandbox.command("touch");
        let mut child = command.arg(host.path("@ws/made")).spawn().unwrap();
        assert!(child.wait().unwrap().success());
        (sandbox, child.id())
    };
    let of_test = threads();
    // What it has of the program's own file in memory, it has once.
    let in_caller = || field("self", "smaps_rollup", "Anonymous:");
    let first = make();
    let mut child = running(&first.0);
    assert!(threads() > of_test, "control");
    assert!(child.wait().unwrap().success());
    until("none of its threads is left", || threads() == of_test);
    let before = in_caller();
    let sandboxes: Vec<_> = (0..COUNT).map(|_| make()).collect();
    until("none of their threads is left", || threads() == of_test);
    let in_caller = in_caller().saturating_sub(before).div_ceil(COUNT);
    let inits = sandboxes.iter().chain([&first]);
    let mut of_inits: Vec<_> = inits
        .map(|(_, init)| field(init, "status", "VmRSS:"))
        .collect();
    of_inits.sort_unstable();
    println!("inits {of_inits:?} KiB, caller {in_caller} KiB");
    // Where a command was slow, its init was told what to watch besides, and keeps that.
    let of_init = of_inits[of_inits.len() / 2];
    assert!(of_inits[0] > 0, "control");
    assert!(of_init + in_caller < 300, "{of_init} + {in_caller}");
}

/// Nor is it woken: with it lie the inits of commands that ran at the same time.
#[test]
fn an_idle_sandbox_takes_no_processor_time() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let host = Host::new();
    let of_test = threads();
    let sandbox = sandbox(&host);
    let mut children: Vec<_> = (0..4).map(|_| running(&sandbox)).collect();
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let inits: Vec<_> = children.iter().map(Child::id).collect();
    let all = || inits.iter().copied().map(activity).collect::<Vec<_>>();
    // Until then they may tell an init what to watch besides.
    until("none of its threads is left", || threads() == of_test);
    until("each waits for its next command", || {
        let state = |init: &u32| State::of(Pid::from_raw(init.cast_signed()));
        let mut states = inits.iter().filter_map(state);
        states.all(|state| state.letter == 'S')
    });
    let before = all();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(all(), before);
    // Control: what a command takes is seen.
    assert!(sandbox.command("true").status().unwrap().success());
    assert_ne!(all(), before);
}

#[test]
fn nothing_piles_up_in_init() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let host = Host::new();
    let of_test = threads();
    let sandbox = sandbox(&host);
    let input = fs::File::open(host.path("@outside/public")).unwrap();
    let run = || {
        let mut child = sandbox
            .command("cat")
            .stdin(input.try_clone().unwrap())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        assert!(child.wait().unwrap().success());
        child.id()
    };
    let memory = |init: u32| {
        let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap();
        status
            .lines()
            .find(|line| line.starts_with("VmSize"))
            .unwrap()
            .to_owned()
    };
    // Only root may look at the descriptors of a process that is not dumpable.
    let descriptors = |init: u32| {
        fs::read_dir(format!("/proc/{init}/fd"))
            .map(Iterator::count)
            .ok()
    };
    let init = run();
    // The names that it watches besides, which come once.
    let first = memory(init);
    let mut long = sandbox.command("cat");
    let mut long = long.stdin(Stdio::piped()).spawn().unwrap();
    until("they have come", || memory(init) != first);
    drop(long.stdin.take());
    assert!(long.wait().unwrap().success());
    assert_eq!(run(), init);
    until("none of its threads is left", || threads() == of_test);
    let before = (memory(init), descriptors(init));
    for _ in 0..200 {
        assert_eq!(run(), init);
        sandbox.command("/no/such").spawn().unwrap_err();
    }
    assert_eq!((memory(init), descriptors(init)), before);
}
