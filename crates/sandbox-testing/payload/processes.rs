//! Processes that want to stay, and processes that report what reaches them.

use super::raw;
use std::{
    ffi::c_int,
    io::{Read, Write},
};

const SIGKILL: c_int = 9;
const SIGSTOP: c_int = 19;

/// Says `ready`, then waits for the end.
pub(crate) fn wait() {
    ready();
    forever();
}

fn ready() {
    let mut output = std::io::stdout();
    // The reader may be gone: that is no reason to end.
    drop(output.write_all(b"ready\n"));
    drop(output.flush());
}

fn forever() -> ! {
    loop {
        raw::pause();
    }
}

/// Runs `body` in a child that never returns, and lets it run on its own.
fn child(body: impl FnOnce()) -> c_int {
    match raw::fork() {
        0 => {
            body();
            forever();
        }
        pid => pid,
    }
}

/// Starts a process of every kind that a careless supervisor leaves behind, says `ready`, and waits.
pub(crate) fn brood() {
    child(|| ());
    child(ignore_all);
    child(|| {
        raw::setsid();
        ignore_all();
    });
    child(|| {
        raw::setpgid(0, 0);
        raw::raise(SIGSTOP);
    });
    // Stopped by its tracer, which is stopped, too.
    child(|| {
        child(|| {
            raw::trace_me();
            raw::raise(SIGSTOP);
        });
        raw::raise(SIGSTOP);
    });
    orphan();
    ready();
    forever();
}

/// Leaves a daemon behind and ends.
pub(crate) fn daemon() {
    orphan();
    ready();
}

/// Forks twice with a session in between: the grandchild belongs to nobody.
fn orphan() {
    let middle = raw::fork();
    if middle == 0 {
        raw::setsid();
        child(|| {
            ignore_all();
            for fd in 0..3 {
                raw::close(fd);
            }
        });
        raw::_exit(0);
    }
    raw::wait(middle);
}

fn ignore_all() {
    for signal in (1..=64).filter(|signal| ![SIGKILL, SIGSTOP, 32, 33].contains(signal)) {
        raw::ignore(signal);
    }
}

/// Doubles itself, generation after generation, in sessions of their own; then waits.
pub(crate) fn bomb(words: &[String]) {
    let generations = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(4);
    for _ in 0..generations {
        if raw::fork() == 0 {
            raw::setsid();
        }
    }
    ignore_all();
    ready();
    forever();
}

/// Chains of processes each of which ends as soon as it has started the next one, in sessions of their own: more zombies than
/// a slow init can reap. Says `ready`, and ends if there is a second word.
pub(crate) fn chains(words: &[String]) {
    let count = words
        .first()
        .and_then(|word| word.parse().ok())
        .unwrap_or(4);
    for _ in 0..count {
        if raw::fork() == 0 {
            raw::setsid();
            loop {
                if raw::fork() > 0 {
                    raw::_exit(0);
                }
            }
        }
    }
    ready();
    if words.len() < 2 {
        forever();
    }
}

/// Ignores signals, says `ready`, and waits.
pub(crate) fn ignore(words: &[String]) {
    numbers(words).into_iter().for_each(raw::ignore);
    ready();
    forever();
}

fn numbers(words: &[String]) -> Vec<c_int> {
    words.iter().filter_map(|word| word.parse().ok()).collect()
}

/// Prints the number of each of these signals as it arrives, until SIGTERM or the last one given has arrived.
pub(crate) fn print_signals(words: &[String]) {
    let signals = numbers(words);
    let mut source = raw::signal_file(&signals);
    ready();
    loop {
        // `struct signalfd_siginfo` is 128 bytes long and begins with the number.
        let mut info = [0_u8; 128];
        if source.read_exact(&mut info).is_err() {
            return;
        }
        let number = c_int::from(info.first().copied().unwrap_or(0));
        println!("signal {number}");
        if signals.last() == Some(&number) {
            return;
        }
    }
}

/// Ends by a signal, with a core file if the limits let it.
pub(crate) fn die(words: &[String]) {
    raw::allow_core_files();
    for signal in numbers(words) {
        raw::default_action(signal);
        raw::raise(signal);
    }
}

/// Traces a child of its own, as a debugger does: reads its memory, lets it go on, sees its exit.
pub(crate) fn trace_child() {
    static WORD: std::ffi::c_long = 0x5EC2;
    let pid = raw::fork();
    if pid == 0 {
        if !raw::trace_me() {
            raw::_exit(1);
        }
        raw::raise(SIGSTOP);
        raw::_exit(7);
    }
    raw::wait(pid);
    let word = raw::peek(pid, (&raw const WORD).addr());
    println!("memory {}", if word == WORD { "read" } else { "not read" });
    raw::resume(pid);
    println!("status {}", raw::wait(pid) >> 8);
}
