//! Where threads that stand back run: on the CPU of whoever calls.
//!
//! They may be apart from the beginning, and the kernel takes them apart again and again: it gives a CPU that has nothing to do what waits
//! on another one. Then each call wakes that CPU up and the caller's again, which takes longer than all the rest.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, gettid};

use super::pin::Thread;

/// The threads that answer, and whom.
#[derive(Debug, Default)]
pub(super) struct Affinity {
    /// Who called last.
    caller: AtomicU32,
    threads: Mutex<Vec<Pid>>,
}

impl Affinity {
    /// The calling thread is one of them, as long as it has this.
    pub(super) fn join(&self) -> Member<'_> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(gettid());
        Member(self)
    }

    pub(super) fn called_by(&self, thread: Thread) {
        self.caller.store(thread.0, Ordering::Relaxed);
    }

    /// How many of them want to run.
    pub(super) fn waiting(&self) -> usize {
        let mut waiting = 0;
        self.each(|thread| {
            let stat = stat(thread);
            waiting += usize::from(stat.is_some_and(|stat| wants_to_run(&stat)));
        });
        waiting
    }

    /// Their numbers are theirs meanwhile. It waits for none of them, which may not run for long.
    fn each(&self, act: impl FnMut(Pid)) {
        let threads = self.threads.try_lock();
        threads
            .iter()
            .flat_map(|threads| threads.iter().copied())
            .for_each(act);
    }
}

/// That a thread is one of those that answer.
pub(super) struct Member<'a>(&'a Affinity);

impl Drop for Member<'_> {
    fn drop(&mut self) {
        let threads = self.0.threads.lock();
        let mut threads = threads.unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| *thread != gettid());
    }
}

/// What the one that watches them knows.
pub(super) struct Place<'a> {
    affinity: &'a Affinity,
    /// Where this thread may run.
    all: Option<CpuSet>,
    /// Where they run.
    at: Option<usize>,
}

impl<'a> Place<'a> {
    pub(super) fn of(affinity: &'a Affinity) -> Self {
        Self {
            affinity,
            all: sched_getaffinity(Pid::from_raw(0)).ok(),
            at: None,
        }
    }

    /// Brings them to where the last caller ran. Where they may not run there, they are as fast as they are.
    pub(super) fn follow(&mut self) {
        let caller = self.affinity.caller.load(Ordering::Relaxed);
        let cpu = stat(Pid::from_raw(caller.cast_signed())).and_then(|stat| processor(&stat));
        let mut there = CpuSet::new();
        if cpu != self.at && cpu.is_some_and(|cpu| there.set(cpu).is_ok()) {
            self.at = cpu;
            self.bring(&there);
        }
    }

    /// Lets them run anywhere: somebody may need that CPU for long.
    pub(super) fn let_go(&mut self) {
        self.at = None;
        if let Some(all) = self.all {
            self.bring(&all);
        }
    }

    fn bring(&self, there: &CpuSet) {
        self.affinity.each(|thread| {
            let _ = sched_setaffinity(thread, there);
        });
    }
}

/// What procfs says of a thread, from the third field on (`proc_pid_stat(5)`): the program's name may have anything in it.
fn stat(thread: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{thread}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, fields)| fields.to_owned())
}

fn wants_to_run(stat: &str) -> bool {
    stat.starts_with('R')
}

/// The CPU that it ran on last.
fn processor(stat: &str) -> Option<usize> {
    stat.split(' ').nth(39 - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;

    /// What a thread says of itself that has joined, is brought somewhere by `act`, and leaves.
    fn is_brought(affinity: &Affinity, act: impl FnOnce()) -> CpuSet {
        let (joined, has_joined) = channel();
        let (brought, has_been) = channel::<()>();
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                let _member = affinity.join();
                joined.send(()).unwrap();
                has_been.recv().unwrap();
                sched_getaffinity(Pid::from_raw(0)).unwrap()
            });
            has_joined.recv().unwrap();
            act();
            brought.send(()).unwrap();
            thread.join().unwrap()
        })
    }

    #[test]
    fn threads_follow_the_one_that_called_last_until_they_are_let_go() {
        thread::spawn(|| {
            let this = Pid::from_raw(0);
            let all = sched_getaffinity(this).unwrap();
            for cpu in (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap()) {
                let affinity = Affinity::default();
                let mut place = Place::of(&affinity);
                let mut one = CpuSet::new();
                one.set(cpu).unwrap();
                sched_setaffinity(this, &one).unwrap();
                affinity.called_by(Thread(gettid().as_raw().cast_unsigned()));
                assert_eq!(is_brought(&affinity, || place.follow()), one);
                assert_eq!(is_brought(&affinity, || place.let_go()), all);
                assert!(affinity.threads.lock().unwrap().is_empty());
                // Nobody called whom there is a place of.
                affinity.called_by(Thread(u32::MAX >> 1));
                sched_setaffinity(this, &all).unwrap();
                assert_eq!(is_brought(&affinity, || place.follow()), all);
            }
        })
        .join()
        .unwrap();
    }

    #[test]
    fn what_procfs_says_is_understood() {
        let rest: Vec<_> = (4..=52).map(|field| field.to_string()).collect();
        assert_eq!(processor(&format!("S {}", rest.join(" "))), Some(39));
        assert_eq!(processor("S 1"), None);
        let this = stat(gettid()).unwrap();
        assert!(wants_to_run(&this));
        assert!(processor(&this).is_some());
        assert!(stat(Pid::from_raw(i32::MAX)).is_none());
    }
}
