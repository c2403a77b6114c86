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
        let seed = u64::from(now.subsec_nanos()) << 20 | u64::from(std::process::id());
        Self::seeded(seed, longest)
    }

    /// The sequence that belongs to this seed.
    pub fn seeded(seed: u64, longest: Duration) -> Self {
        Self {
            seed,
            // Neighbours are to be far apart (splitmix64), and the state of xorshift never 0.
            state: (seed ^ seed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9) | 1,
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

    /// One of them.
    #[track_caller]
    pub fn choose<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let at = self.below(u64::try_from(from.len()).unwrap());
        from.get(usize::try_from(at).unwrap()).unwrap()
    }

    /// Lets a random time pass.
    pub fn pass(&mut self) {
        let longest = u64::try_from(self.longest.as_micros()).unwrap_or(u64::MAX);
        std::thread::sleep(Duration::from_micros(self.below(longest)));
    }
}
