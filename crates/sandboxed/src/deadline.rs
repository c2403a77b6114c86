//! The time limit of a command: first asked to end, then made to.

use std::time::{Duration, Instant};

/// How long a command has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// When init ends everything by itself: whoever waits may have been stopped, and then carries nothing out.
#[cfg(any(backend = "linux", test))]
pub(crate) fn last_resort(limit: Duration) -> Duration {
    limit
        .saturating_add(GRACE)
        .saturating_add(Duration::from_secs(1))
}

/// The time limit of one command and how far it has been carried out.
#[derive(Debug)]
pub(crate) struct Deadline {
    limit: Duration,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running { until: Instant },
    Asked { until: Instant },
    Killed,
}

/// What has to be done, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The limit is reached: ask the command to end.
    Ask,
    /// The grace is over: end everything.
    Kill,
}

impl Deadline {
    /// `None` for a limit so far away that the clock cannot express it.
    pub(crate) fn new(limit: Duration, now: Instant) -> Option<Self> {
        let until = now.checked_add(limit)?;
        Some(Self {
            limit,
            phase: Phase::Running { until },
        })
    }

    /// When [`due`](Self::due) has the next answer.
    pub(crate) fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { until } | Phase::Asked { until } => Some(until),
            Phase::Killed => None,
        }
    }

    /// What is due at `now`; each answer is given once.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Due> {
        match self.phase {
            Phase::Running { until } if until <= now => {
                self.phase = now
                    .checked_add(GRACE)
                    .map_or(Phase::Killed, |until| Phase::Asked { until });
                Some(Due::Ask)
            }
            Phase::Asked { until } if until <= now => {
                self.phase = Phase::Killed;
                Some(Due::Kill)
            }
            Phase::Running { .. } | Phase::Asked { .. } | Phase::Killed => None,
        }
    }

    /// The limit.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// The limit, if it was reached before the command ended. One that was `killed` after the grace, while nobody here looked
    /// at the clock, was init's last resort.
    pub(crate) fn reached(&self, now: Instant, killed: bool) -> Option<Duration> {
        let reached = match self.phase {
            Phase::Running { until } => killed && now.saturating_duration_since(until) > GRACE,
            Phase::Asked { .. } | Phase::Killed => true,
        };
        reached.then_some(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_asks_once_and_kills_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut deadline = Deadline::new(Duration::from_secs(3), start).unwrap();
        for (second, due, next, reached) in [
            (0, None, Some(3), false),
            (2, None, Some(3), false),
            (4, Some(Due::Ask), Some(6), true),
            (5, None, Some(6), true),
            (6, Some(Due::Kill), None, true),
            (9, None, None, true),
        ] {
            assert_eq!(deadline.due(at(second)), due, "after {second} s");
            assert_eq!(deadline.next(), next.map(at), "after {second} s");
            let told = deadline.reached(at(second), false);
            assert_eq!(told.is_some(), reached, "after {second} s");
        }
    }

    #[test]
    fn what_was_killed_while_nobody_looked_has_reached_it() {
        let start = Instant::now();
        let limit = Duration::from_secs(3);
        let deadline = Deadline::new(limit, start).unwrap();
        assert_eq!(last_resort(limit), Duration::from_secs(6));
        for (second, killed, reached) in [
            (2, true, false),
            (4, true, false),
            (6, true, true),
            (6, false, false),
        ] {
            let told = deadline.reached(start + Duration::from_secs(second), killed);
            assert_eq!(told.is_some(), reached, "{second} s, {killed}");
        }
    }

    #[test]
    fn a_limit_beyond_the_clock_is_none() {
        assert!(Deadline::new(Duration::MAX, Instant::now()).is_none());
    }
}
