//! What a command used.

use std::time::Duration;

/// What a command used, with the children that it waited for.
///
/// ```
/// assert_eq!(sandbox_core::Usage::default().peak_memory, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Processor time of the programs.
    pub user: Duration,
    /// Processor time of the kernel on their behalf.
    pub system: Duration,
    /// The most memory that one of the processes had, in bytes.
    pub peak_memory: u64,
}

impl Usage {
    /// So much processor time, and bytes of memory.
    #[must_use]
    pub const fn new(user: Duration, system: Duration, peak_memory: u64) -> Self {
        Self {
            user,
            system,
            peak_memory,
        }
    }
}
