//! Counting what ran, from what the test harness prints.

use std::fmt;
use std::ops::AddAssign;

use crate::run::Error;

/// What ran so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// Tests that found something missing and said so, which the harness counts as passed, and those left out by name.
    /// Counted as passed, too.
    pub(crate) skipped: usize,
    /// Harnesses that reached their end.
    pub(crate) suites: usize,
}

impl Tally {
    /// Takes up one printed line.
    pub(crate) fn line(&mut self, line: &str) {
        if line.contains("skipped: needs") {
            self.skipped += 1;
        } else if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let before = counts
                    .split(what)
                    .next()
                    .and_then(|text| text.rsplit(' ').next());
                before.and_then(|number| number.parse().ok()).unwrap_or(0)
            };
            let left_out = count(" filtered out");
            self.passed += count(" passed") + left_out;
            self.skipped += left_out;
            self.failed += count(" failed");
            self.suites += 1;
        }
    }

    /// Says that something is missing, and counts it.
    pub(crate) fn skipped(what: &str) -> Self {
        println!("skipped: needs {what}");
        Self {
            passed: 1,
            skipped: 1,
            ..Self::default()
        }
    }

    /// Prints the count, the last line of a task.
    pub(crate) fn conclude(self) -> Result<(), Error> {
        println!("{self}");
        if self.failed == 0 {
            Ok(())
        } else {
            Err(Error::Tests(self.failed))
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.suites += other.suites;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
            ..
        } = self;
        write!(
            f,
            "{} passed, {failed} failed, {skipped} skipped",
            passed.saturating_sub(*skipped)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_and_skips_are_counted() {
        let mut tally = Tally::default();
        for line in [
            "running 5 tests",
            "skipped: needs root",
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
            "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 2 filtered out; finished in 0.00s",
            "the test result: ok. 100 passed; 0 failed",
        ] {
            tally.line(line);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 18,
                failed: 3,
                skipped: 3,
                suites: 2
            }
        );
        assert_eq!(tally.to_string(), "15 passed, 3 failed, 3 skipped");
    }
}
