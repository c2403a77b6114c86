//! What a rule about a path grants.

use std::fmt;

/// What a rule about a path grants.
///
/// ```
/// use sandbox_core::Access;
///
/// assert!(Access::Hide.rank() < Access::Read.rank());
/// assert_eq!(Access::Scratch.rank(), Access::Read.rank());
/// assert_eq!(Access::Write.to_string(), "write");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// No content, listing or metadata below can be read; the name itself may be visible.
    Hide,
    /// Content and listings can be read, programs executed; nothing changes.
    Read,
    /// Reads the host; writes are kept aside and never reach it.
    Overlay,
    /// Everything: create, change, rename, delete.
    Write,
    /// Replaced by an empty private directory, gone afterwards.
    Scratch,
}

impl Access {
    /// Every access, least first; `Scratch` last.
    pub const ALL: [Self; 5] = [
        Self::Hide,
        Self::Read,
        Self::Overlay,
        Self::Write,
        Self::Scratch,
    ];

    /// The words that a policy uses, in the same order.
    pub(crate) const WORDS: &[&str] = &["hide", "read", "overlay", "write", "scratch"];

    /// The order in which the lower access wins a tie. `Scratch` replaces what is there, so it has no place of its own
    /// in that order and counts as `Read`.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Hide => 0,
            Self::Read | Self::Scratch => 1,
            Self::Overlay => 2,
            Self::Write => 3,
        }
    }

    /// Least first. Of `read` and `scratch`, equal in rank, `read` holds.
    pub(crate) const fn precedence(self) -> (u8, bool) {
        (self.rank(), matches!(self, Self::Scratch))
    }

    /// The word that a policy uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hide => "hide",
            Self::Read => "read",
            Self::Overlay => "overlay",
            Self::Write => "write",
            Self::Scratch => "scratch",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_the_order_of_the_accesses() {
        assert_eq!(Access::ALL.map(Access::as_str), Access::WORDS);
    }

    #[test]
    fn less_is_granted_by_the_lower_rank() {
        assert!(
            Access::ALL.is_sorted_by_key(|access| if *access == Access::Scratch {
                u8::MAX
            } else {
                access.rank()
            })
        );
    }
}
