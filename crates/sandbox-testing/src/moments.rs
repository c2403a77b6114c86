//! Random moments, for tests that kill somebody at each of them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Random delays up to a longest one. The seed is in every message of a failure, if the test prints it.
#[derive(Clone, Copy, Debug)]
pub struct Moments {
    /// Where the sequence began.
    pub seed: u64,
    state: u64,
    longest: Duration,
}

impl Moments {
    /// Starts a sequence of its own.
    pub fn up_to(longest: Duration) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) << 20 | u64::from(std::process::id()) | 1;
        Self {
            seed,
            state: seed,
            longest,
        }
    }

    /// A number below `limit` (xorshift).
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % limit
    }

    /// Lets a random time pass.
    pub fn pass(&mut self) {
        let longest = u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_micros(self.below(longest)));
    }
}
