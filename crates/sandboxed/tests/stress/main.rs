//! Everything at once, for as long as one likes, and then nothing of it is left.
//!
//! | variable | what | default |
//! |---|---|---|
//! | `SANDBOX_STRESS_SECONDS` | how long the mix runs | 5 |
//! | `SANDBOX_STRESS_SEED` | the seed of its random numbers, which a failure prints | random |
//! | `SANDBOX_STRESS_COMMANDS` | how many commands run one after the other | 1000 |
//!
//! Each part runs in a process of its own, whose descriptors, children, threads and memory nobody else changes.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test's way to fail is to panic, and it says with which seed"
)]

mod acts;
mod census;

use acts::{Actor, acts};
use census::{Census, field, resident};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::pthread::{pthread_kill, pthread_self};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use sandbox_testing::{Host, Moments, marked, marker, until};
use sandboxed::{Policy, Preset, Sandbox};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// How many threads act, on however few processors.
const THREADS: usize = 8;
/// The longest of the random pauses: about as long as three commands take.
const LONGEST: Duration = Duration::from_millis(3);

/// By how much resident memory may have grown, in KiB: what the allocator keeps of the busiest moment.
const KEPT: u64 = 4096;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Runs one of the ignored tests in a process of its own, and passes on what it says.
fn by_itself(name: &str) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--test-threads=1"])
        .arg("--nocapture")
        .output()
        .unwrap();
    let (text, errors) = (&output.stdout, &output.stderr);
    let [text, errors] = [text, errors].map(|text| String::from_utf8_lossy(text));
    println!("{text}{errors}");
    let passed = output.status.success() && text.contains("1 passed");
    assert!(passed, "{}", output.status);
}

#[test]
fn threads_forks_signals_limits_and_kills_leave_nothing() {
    by_itself("mix");
}

#[test]
fn two_hundred_sandboxes_at_once_leave_nothing() {
    by_itself("many");
}

#[test]
fn one_command_after_the_other_leaves_nothing() {
    by_itself("sequence");
}

/// Everything readable, the workspace of this host writable.
fn sandbox(host: &Host) -> Sandbox {
    Sandbox::new(&Policy::preset(Preset::ReadOnly).write(host.path("@ws"))).unwrap()
}

/// Says, if it is dropped by a panic, what was being done, and that it is over for all.
struct Note<'a> {
    seed: u64,
    what: String,
    over: &'a AtomicBool,
}

impl Drop for Note<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("SANDBOX_STRESS_SEED={}: {}", self.seed, self.what);
            self.over.store(true, Ordering::Relaxed);
        }
    }
}

/// A mix of everything, in threads that have one sandbox together and now and then another one of their own.
#[test]
#[ignore = "started by `threads_forks_signals_limits_and_kills_leave_nothing`"]
fn mix() {
    let seconds = setting("SANDBOX_STRESS_SECONDS", 5);
    let seed = setting("SANDBOX_STRESS_SEED", Moments::up_to(LONGEST).seed);
    println!("SANDBOX_STRESS_SEED={seed} SANDBOX_STRESS_SECONDS={seconds}");
    // Whoever waits for ever is ended, after what was printed so far.
    nix::unistd::alarm::set(u32::try_from(seconds).unwrap() + 150);
    // What a fork of ours leaves behind is ours.
    set_child_subreaper(true).unwrap();
    interrupt_calls();
    let host = Host::new();
    let run = marker();
    let before = Census::take();
    let fresh = || sandbox(&host);
    let shared = fresh();
    let acts = acts();
    let done: Vec<AtomicU64> = acts.iter().map(|_| AtomicU64::new(0)).collect();
    let (over, warm) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (sender, threads) = mpsc::channel();
    let actor = |thread: usize| Actor {
        host: &host,
        sandbox: shared.clone(),
        moments: Moments::seeded(seed.wrapping_add(thread as u64), LONGEST),
        run: &run,
        fresh: &fresh,
    };
    let act = |actor: &mut _, thread: usize, at: usize| {
        let (name, act) = acts[at];
        let _note = Note {
            seed,
            what: format!("thread {thread}, `{name}`"),
            over: &over,
        };
        act(actor);
        done[at].fetch_add(1, Ordering::Relaxed);
    };
    let mut memory = 0;
    thread::scope(|scope| {
        let handles: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (sender, actor, act, acts) = (sender.clone(), &actor, &act, &acts);
                let (over, warm) = (&over, &warm);
                scope.spawn(move || {
                    sender.send(pthread_self()).unwrap();
                    let mut actor = actor(thread);
                    // Each once, with all that is allocated once.
                    let all: Vec<_> = (0..acts.len()).collect();
                    for at in &all {
                        if !over.load(Ordering::Relaxed) {
                            act(&mut actor, thread, (at + thread) % all.len());
                        }
                    }
                    warm.fetch_add(1, Ordering::Relaxed);
                    while !over.load(Ordering::Relaxed) {
                        let at = *actor.moments.choose(&all);
                        act(&mut actor, thread, at);
                    }
                })
            })
            .collect();
        let _note = Note {
            seed,
            what: "the first thread".to_owned(),
            over: &over,
        };
        let threads: Vec<_> = threads.iter().take(handles.len()).collect();
        until("each thread has done everything once", || {
            over.load(Ordering::Relaxed) || warm.load(Ordering::Relaxed) == handles.len()
        });
        memory = resident();
        let mut moments = Moments::seeded(!seed, LONGEST);
        let end = Instant::now() + Duration::from_secs(seconds);
        while !over.load(Ordering::Relaxed) && Instant::now() < end {
            moments.pass();
            // They are not joined yet, so that each is still the one it was.
            let _ = pthread_kill(*moments.choose(&threads), Signal::SIGUSR2);
            reap_everything();
        }
        over.store(true, Ordering::Relaxed);
        for handle in handles {
            handle.join().unwrap();
        }
    });
    drop(shared);
    for ((name, _), count) in acts.iter().zip(&done) {
        println!("{:>8} {name}", count.load(Ordering::Relaxed));
    }
    until("no child is left", reap_everything);
    assert_eq!(marked(&run), [], "seed {seed}");
    assert_eq!(before.settled(), before, "seed {seed}");
    grew_little(memory, KEPT);
}

/// As much as a caller with a SIGCHLD handler that waits for everything. Whether no child is left.
fn reap_everything() -> bool {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) => return false,
            Err(nix::errno::Errno::ECHILD) => return true,
            Ok(_) | Err(_) => {}
        }
    }
}

fn grew_little(before: u64, most: u64) {
    let after = resident();
    println!("resident memory: {before} KiB, then {after} KiB");
    assert!(after <= before + most, "{before} KiB became {after} KiB");
}

/// From here on a SIGUSR2 ends any call that sleeps, with `EINTR`.
#[expect(unsafe_code, reason = "a signal handler")]
fn interrupt_calls() {
    extern "C" fn nothing(_: i32) {}
    let handler = SigHandler::Handler(nothing);
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing.
    unsafe { sigaction(Signal::SIGUSR2, &action) }.unwrap();
}

/// 200 sandboxes with a thread each, 50 commands in each.
#[test]
#[ignore = "started by `two_hundred_sandboxes_at_once_leave_nothing`"]
fn many() {
    const SANDBOXES: usize = 200;
    const COMMANDS: usize = 50;
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let host = Host::new();
    let run = marker();
    let before = Census::take();
    let all_are_there = Barrier::new(SANDBOXES);
    thread::scope(|scope| {
        for number in 0..SANDBOXES {
            let (host, run, all_are_there) = (&host, &run, &all_are_there);
            scope.spawn(move || {
                let _end = EndOfAll;
                let sandbox = sandbox(host);
                all_are_there.wait();
                for round in 0..COMMANDS {
                    let text = format!("{number} {round}\n");
                    let mut command = sandbox.command("sh");
                    command.args(["-c", "printf %s \"$1\"; exit 3", run, &text]);
                    let output = command.output().unwrap();
                    assert_eq!(output.status.code(), Some(3), "{}", output.status);
                    assert_eq!(output.stdout, text.as_bytes());
                }
                all_are_there.wait();
            });
        }
    });
    assert_eq!(marked(&run), []);
    assert_eq!(before.settled(), before);
}

/// A thread that panics ends the process: the others would wait for it at their barrier.
struct EndOfAll;

impl Drop for EndOfAll {
    fn drop(&mut self) {
        if thread::panicking() {
            std::process::abort();
        }
    }
}

/// One sandbox, one thread, command after command.
#[test]
#[ignore = "started by `one_command_after_the_other_leaves_nothing`"]
fn sequence() {
    let commands = setting("SANDBOX_STRESS_COMMANDS", 1000);
    let host = Host::new();
    let before = Census::take();
    let sandbox = sandbox(&host);
    let run = || {
        let mut child = sandbox.command("true").spawn().unwrap();
        assert!(child.wait().unwrap().success());
        child.id()
    };
    let init = run();
    let pages = || {
        let path = format!("/proc/{init}/status");
        (field(&path, "VmRSS:"), field(&path, "VmSize:"))
    };
    (0..200).for_each(|_| assert_eq!(run(), init));
    let (memory, of_init) = (resident(), pages());
    for _ in 0..commands {
        assert_eq!(run(), init);
    }
    grew_little(memory, 128);
    assert_eq!(pages(), of_init, "resident and virtual memory of init");
    drop(sandbox);
    assert_eq!(before.settled(), before);
}
