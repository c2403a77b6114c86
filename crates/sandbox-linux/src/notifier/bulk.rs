//! Long runs of calls, of whoever unpacks or checks out: answered by threads that stand back.
//!
//! A call wakes the reader, the performer and its own thread again, and to wake up another CPU that sleeps takes longer than all the rest.
//! Where a thread of the class `SCHED_IDLE` runs, the kernel takes the CPU for an idle one (sched(7)): whoever such a thread wakes goes on there,
//! and in its place. But beside busy CPUs these threads hardly run, and no ordinary user can give them back their class. So a long run gets threads
//! of its own, while the one that answers otherwise watches them and the machine, and goes on itself as soon as they are not fast any more, or
//! would not be. Calls that come at once need several performers, each on a CPU of its own, and none of this.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::affinity::Place;
use super::listen::Reader;
use super::{Counts, spawn};
use crate::sys::notify::stand_back;

/// So many calls in so short a time are a long run: 200 µs each, which is slower than it is without. In tests all are, so that races meet
/// each change of the threads.
const RUN: usize = if cfg!(test) { 16 } else { 256 };
const AT_MOST: Duration = Duration::from_millis(if cfg!(test) { 3_600_000 } else { 50 });
/// How long a look lasts, and how many calls have to be done by its end. Whoever looks more often takes the threads apart.
const LOOK: Duration = Duration::from_millis(10);
const AT_LEAST: usize = 40;
/// Where one of so many calls found all performers at work, several are better. In tests none begins so, but each ends.
const SEVERAL: usize = 8;
/// How long none of it is tried again where they fell behind.
const REST: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1000 });

/// Whether more threads want to run than there are CPUs, and this one, on the whole machine (`proc_loadavg(5)`). Then one that stands back may
/// not run for seconds, and hold up whoever waits for what it has locked in the kernel. Those that do are not counted: whoever they wake goes
/// on in their place, so that they want to run most of the time.
fn is_crowded(standing_back: impl FnOnce() -> usize) -> bool {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let is_more = |aside| {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        is_more(&load, cpus + 1 + aside)
    };
    // Tests have all CPUs busy, and look how the threads change.
    !cfg!(test) && is_more(0) && is_more(standing_back())
}

/// Whether `/proc/loadavg` tells of more threads that want to run, or is not understood.
fn is_more(load: &str, threads: usize) -> bool {
    let runnable = load.split(['/', ' ']).nth(3);
    let runnable = runnable.and_then(|count| count.parse::<usize>().ok());
    runnable.is_none_or(|count| count > threads)
}

/// How many calls were done at a moment, and how many of them came at once.
#[derive(Clone, Copy)]
struct Sum {
    done: usize,
    at_once: usize,
}

impl Sum {
    fn of(counts: &Counts) -> Self {
        Self {
            done: counts.done(),
            at_once: counts.at_once.load(Ordering::Relaxed),
        }
    }

    fn since(self, before: Self) -> Self {
        Self {
            done: self.done.wrapping_sub(before.done),
            at_once: self.at_once.wrapping_sub(before.at_once),
        }
    }

    const fn needs_several(self) -> bool {
        self.at_once > self.done / SEVERAL
    }
}

/// How fast calls are done.
pub(super) struct Pace {
    /// What was done when this run began, and when that was.
    before: Sum,
    since: Instant,
    /// When a long run counts again.
    rests_until: Option<Instant>,
}

impl Pace {
    pub(super) fn new(counts: &Counts) -> Self {
        Self {
            before: Sum::of(counts),
            since: Instant::now(),
            rests_until: None,
        }
    }

    /// Whether it was a long run up to now, for which there are other threads.
    pub(super) fn is_long_run(&mut self, counts: &Counts) -> bool {
        let sum = Sum::of(counts);
        let run = sum.since(self.before);
        if run.done < RUN {
            return false;
        }
        let now = Instant::now();
        let is_fast = now - self.since < AT_MOST;
        (self.before, self.since) = (sum, now);
        let is_one_by_one = cfg!(test) || !run.needs_several();
        is_fast
            && is_one_by_one
            && self.rests_until.is_none_or(|until| now >= until)
            && !is_crowded(|| 0)
    }

    fn rest(&mut self) {
        self.rests_until = Some(Instant::now() + REST);
    }
}

/// Has another thread answer, which stands back, until it is not fast any more. `None` if nothing is left to answer.
pub(super) fn answer(mut reader: Reader) -> Option<Reader> {
    let (counts, orders) = (Arc::clone(&reader.counts), reader.performers.orders());
    let is_over = Arc::new(AtomicBool::new(false));
    let until = Arc::clone(&is_over);
    let (give, given) = channel::<Reader>();
    let (give_back, given_back) = channel();
    let thread = spawn("sandbox-bulk", move || {
        let Ok(mut reader) = given.recv() else { return };
        let counts = Arc::clone(&reader.counts);
        let _member = counts.affinity.join();
        // Where it may not, it is as fast as the others.
        let _ = stand_back();
        let goes_on = reader.answer_until(&until);
        if goes_on {
            reader.performers.end();
        }
        let _ = give_back.send(goes_on.then_some(reader));
    });
    let Ok(thread) = thread else {
        reader.pace.rest();
        return Some(reader);
    };
    // The next one is started by that thread, and so of its class.
    reader.performers.end();
    let _ = give.send(reader);
    let (mut sum, mut fell_behind) = (Sum::of(&counts), false);
    let mut place = Place::of(&counts.affinity);
    let reader = loop {
        if !is_over.load(Ordering::SeqCst) {
            place.follow();
        }
        match given_back.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            ended => break ended.ok().flatten(),
        }
        let before = std::mem::replace(&mut sum, Sum::of(&counts));
        let look = sum.since(before);
        let is_slow = look.done < AT_LEAST;
        if is_over.load(Ordering::SeqCst) {
            // A performer that was just being started.
            place.let_go();
        } else if is_slow || look.needs_several() || is_crowded(|| counts.affinity.waiting()) {
            is_over.store(true, Ordering::SeqCst);
            place.let_go();
            fell_behind = is_slow && counts.under_way() != 0;
            orders.ring();
        }
    };
    let _ = thread.join();
    let mut reader = reader?;
    reader.pace = Pace::new(&counts);
    if fell_behind {
        reader.pace.rest();
    }
    Some(reader)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_more_threads_than_there_may_be() {
        for (load, expected) in [
            ("0.20 0.18 0.12 3/80 11206\n", false),
            ("9.00 9.18 9.12 4/80 11206\n", true),
            ("0.20 0.18 0.12", true),
            ("", true),
        ] {
            assert_eq!(is_more(load, 3), expected, "{load}");
        }
        // What the kernel has now is of that form.
        let load = std::fs::read_to_string("/proc/loadavg").unwrap();
        assert!(!is_more(&load, usize::MAX), "{load}");
    }

    #[test]
    fn several_are_better_where_many_calls_come_at_once() {
        for (done, at_once, expected) in [(0, 0, false), (40, 5, false), (40, 6, true)] {
            let sum = Sum { done, at_once };
            assert_eq!(sum.needs_several(), expected, "{done} {at_once}");
        }
        let counts = Counts::default();
        let before = Sum::of(&counts);
        counts.at_once.fetch_add(1, Ordering::SeqCst);
        assert!(Sum::of(&counts).since(before).needs_several());
        assert!(!Sum::of(&counts).since(Sum::of(&counts)).needs_several());
    }

    #[test]
    fn a_long_run_is_many_calls_after_the_rest() {
        let counts = Counts::default();
        let mut pace = Pace::new(&counts);
        assert!(!pace.is_long_run(&counts));
        counts.done.fetch_add(RUN, Ordering::SeqCst);
        assert!(pace.is_long_run(&counts));
        assert!(!pace.is_long_run(&counts));
        pace.rest();
        counts.done.fetch_add(RUN, Ordering::SeqCst);
        pace.rests_until = pace
            .rests_until
            .map(|until| until + Duration::from_hours(1));
        assert!(!pace.is_long_run(&counts));
    }
}
