//! What denials of one sandbox are reported under, so that nobody takes them for those of another one.
//!
//! The attack: a program that writes lines like the kernel's to the log. The tag can't be guessed, and is told to no command.

use std::fmt;

/// What denials of one sandbox are reported under in the log of the system.
///
/// ```
/// # #[cfg(unix)] {
/// let tag = sandbox_macos::Tag::random()?;
/// assert_ne!(tag, sandbox_macos::Tag::random()?);
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// A tag of 128 random bits.
    ///
    /// # Errors
    ///
    /// The system has no random numbers.
    #[cfg(unix)]
    pub fn random() -> std::io::Result<Self> {
        use std::io::Read as _;

        let mut bytes = [0; 16];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(format!("sandbox-{:032x}", u128::from_ne_bytes(bytes))))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

// Not the tag itself: who knows it can forge a denial.
impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(..)")
    }
}
