//! Interleaved rounds and their medians.

use std::time::{Duration, Instant};
use std::{fmt, fs, thread};

use lexopt::prelude::*;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, waitpid};

use crate::Error;

/// Something that is timed against others.
#[non_exhaustive]
pub struct Contender<'a> {
    /// Its name in the table.
    pub name: &'static str,
    run: Box<dyn FnMut() -> Result<Duration, Error> + 'a>,
    times: Vec<Duration>,
}

impl<'a> Contender<'a> {
    /// A contender whose time is that of `run`.
    pub fn new(name: &'static str, mut run: impl FnMut() -> Result<(), Error> + 'a) -> Self {
        Self::timed(name, move || {
            let start = Instant::now();
            run().map(|()| start.elapsed())
        })
    }

    /// A contender that tells its own time.
    pub fn timed(name: &'static str, run: impl FnMut() -> Result<Duration, Error> + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
            times: Vec::new(),
        }
    }

    /// Runs it once, to see whether it does.
    ///
    /// # Errors
    ///
    /// Its own.
    pub fn attempt(&mut self) -> Result<(), Error> {
        (self.run)().map(drop)
    }

    /// The median of all rounds.
    #[must_use]
    pub fn median(&self) -> Duration {
        self.quantile(2)
    }

    /// Quarter `number` of all rounds: 1 and 3 are the quartiles, between which half of them lie.
    #[must_use]
    pub fn quantile(&self, number: usize) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let at = sorted.len().saturating_mul(number) / 4;
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender")
            .field("name", &self.name)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

/// How many rounds `[--rounds N]` says, the only option of a benchmark, if it says any.
///
/// # Errors
///
/// There is something else on the command line.
pub fn rounds(unless_said: usize) -> Result<usize, Error> {
    let mut rounds = unless_said;
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => rounds = words.value()?.parse()?,
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(rounds)
}

/// Runs every contender once a round. Two rounds before the first are thrown away: caches fill, and a broken contender shows at once.
///
/// # Errors
///
/// The first of a contender; there is no result then.
pub fn interleave(contenders: &mut [Contender<'_>], rounds: usize) -> Result<(), Error> {
    const THROWN_AWAY: usize = 2;
    // Without it the processes that a contender leaves behind are nobody's whom we could wait for.
    let _ = set_child_subreaper(true);
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    let mut state = 1;
    for round in 0..rounds + THROWN_AWAY {
        shuffle(&mut order, &mut state);
        for at in &order {
            let Some(contender) = contenders.get_mut(*at) else {
                continue;
            };
            let before = children();
            let time = (contender.run)()?;
            settle(before);
            if round >= THROWN_AWAY {
                contender.times.push(time);
            }
        }
    }
    Ok(())
}

/// Into an order in which everybody follows everybody else in their turn: whoever always came after the same one would always pay
/// for what the kernel still has to clean up after that. `state` is that of a generator of random numbers, the same in each run.
fn shuffle(order: &mut [usize], state: &mut u64) {
    for last in (1..order.len()).rev() {
        // Knuth's MMIX constants; the upper half is the random one.
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = usize::try_from(*state >> 32).unwrap_or(0);
        order.swap(last, random % (last + 1));
    }
}

/// Waits until there are no more children than `before`: bubblewrap returns before its first process inside has ended, and
/// whoever comes next would pay for that.
fn settle(before: usize) {
    while children() > before {
        let _ = waitpid(None, Some(WaitPidFlag::WNOHANG));
        thread::yield_now();
    }
}

/// Without those inits of ours that wait for the next command.
fn children() -> usize {
    let list = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    let waits = |pid: &&str| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.starts_with(b"sandbox-init")
    };
    list.split_whitespace().filter(|pid| !waits(pid)).count()
}

/// Whole microseconds, for tables.
#[must_use]
pub fn micros(time: Duration) -> i128 {
    i128::try_from(time.as_micros()).unwrap_or(i128::MAX)
}

/// For tables: of times in microseconds, or of rates.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures of a few digits, printed with two or three"
)]
#[must_use]
pub fn ratio(part: i128, whole: i128) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contenders_take_turns_and_keep_their_places() {
        let order = std::cell::RefCell::new(String::new());
        let note = |name: &'static str| {
            let order = &order;
            Contender::new(name, move || {
                order.borrow_mut().push_str(name);
                Ok(())
            })
        };
        let mut contenders = [note("a"), note("b"), note("c")];
        interleave(&mut contenders, 2).unwrap();
        assert!(
            contenders
                .iter()
                .all(|contender| contender.times.len() == 2)
        );
        drop(contenders);
        let order = order.into_inner();
        for round in order.as_bytes().chunks(3) {
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, b"abc");
        }
        assert_ne!(order.get(..3), order.get(3..6), "{order}");
    }

    #[test]
    fn the_median_is_the_middle() {
        let mut contender = Contender::new("a", || Ok(()));
        assert_eq!(contender.median(), Duration::ZERO);
        contender.times = [9, 1, 5].map(Duration::from_micros).to_vec();
        assert_eq!(micros(contender.median()), 5);
    }
}
