//! Interleaved rounds and their medians.

use std::time::{Duration, Instant};
use std::{fmt, fs, thread};

use nix::sys::prctl::set_child_subreaper;
use nix::sys::wait::{WaitPidFlag, waitpid};

use crate::Error;

/// Something that is timed against others.
#[non_exhaustive]
pub struct Contender<'a> {
    /// Its name in the table.
    pub name: &'static str,
    run: Box<dyn FnMut() -> Result<(), Error> + 'a>,
    times: Vec<Duration>,
}

impl<'a> Contender<'a> {
    /// A contender whose time is that of `run`.
    pub fn new(name: &'static str, run: impl FnMut() -> Result<(), Error> + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
            times: Vec::new(),
        }
    }

    /// The median of all rounds.
    #[must_use]
    pub fn median(&self) -> Duration {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
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

/// Runs every contender once a round. Two rounds before the first are thrown away: caches fill, and a broken contender shows at once.
///
/// # Errors
///
/// The first of a contender; there is no result then.
pub fn interleave(contenders: &mut [Contender<'_>], rounds: usize) -> Result<(), Error> {
    const THROWN_AWAY: usize = 2;
    // Without it the processes that a contender leaves behind are nobody's whom we could wait for.
    let _ = set_child_subreaper(true);
    for round in 0..rounds + THROWN_AWAY {
        // Another one is first each time: whoever follows the most expensive one would always pay for what that left behind.
        contenders.rotate_left(1);
        for contender in contenders.iter_mut() {
            let before = children();
            let start = Instant::now();
            (contender.run)()?;
            let time = start.elapsed();
            settle(before);
            if round >= THROWN_AWAY {
                contender.times.push(time);
            }
        }
    }
    contenders.rotate_right((rounds + THROWN_AWAY) % contenders.len().max(1));
    Ok(())
}

/// Waits until there are no more children than `before`: bubblewrap returns before its first process inside has ended, and
/// whoever comes next would pay for that.
fn settle(before: usize) {
    while children() > before {
        let _ = waitpid(None, Some(WaitPidFlag::WNOHANG));
        thread::yield_now();
    }
}

fn children() -> usize {
    let list = fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    list.split_whitespace().count()
}

/// Whole microseconds, for tables.
#[must_use]
pub fn micros(time: Duration) -> i128 {
    i128::try_from(time.as_micros()).unwrap_or(i128::MAX)
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
        assert_eq!(
            contenders.each_ref().map(|contender| contender.name),
            ["a", "b", "c"]
        );
        assert!(
            contenders
                .iter()
                .all(|contender| contender.times.len() == 2)
        );
        drop(contenders);
        assert_eq!(order.into_inner(), "bcacababcbca");
    }

    #[test]
    fn the_median_is_the_middle() {
        let mut contender = Contender::new("a", || Ok(()));
        assert_eq!(contender.median(), Duration::ZERO);
        contender.times = [9, 1, 5].map(Duration::from_micros).to_vec();
        assert_eq!(micros(contender.median()), 5);
    }
}
