//! The report of a backend: which part of the policy is held, by which mechanisms, and what is not held.

use std::fmt;

/// Which part of the policy is held, by which mechanisms, and what is not held.
///
/// ```
/// use sandbox_core::{Enforcement, Held};
///
/// let writes = Held::new("writes", ["mount namespace", "Landlock"]).but("a standard stream");
/// let enforcement = Enforcement::new(vec![writes]);
/// assert_eq!(enforcement.parts()[0].mechanisms, ["mount namespace", "Landlock"]);
/// let expected = "\
/// writes           mount namespace + Landlock
///                  not held: a standard stream
/// ";
/// assert_eq!(enforcement.to_string(), expected);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Enforcement {
    parts: Vec<Held>,
}

/// One part of the policy.
///
/// ```
/// let network = sandbox_core::Held::new("network", []).but("anything: it is the host's");
/// assert!(network.mechanisms.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// The part.
    pub part: &'static str,
    /// What holds it; none if nothing does.
    pub mechanisms: Vec<&'static str>,
    /// What of it is not held.
    pub not_held: Vec<String>,
    /// What is held that no rule asks for.
    pub beyond: Vec<String>,
}

impl Enforcement {
    /// The report of these parts.
    pub const fn new(parts: Vec<Held>) -> Self {
        Self { parts }
    }

    /// The parts.
    #[must_use]
    pub fn parts(&self) -> &[Held] {
        &self.parts
    }
}

impl Held {
    /// A part that these mechanisms hold.
    #[must_use]
    pub fn new(part: &'static str, mechanisms: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            part,
            mechanisms: mechanisms.into_iter().collect(),
            not_held: Vec::new(),
            beyond: Vec::new(),
        }
    }

    /// But for this.
    #[must_use]
    pub fn but(mut self, not_held: impl Into<String>) -> Self {
        self.not_held.push(not_held.into());
        self
    }

    /// And this, which no rule asks for.
    #[must_use]
    pub fn and(mut self, beyond: impl Into<String>) -> Self {
        self.beyond.push(beyond.into());
        self
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for held in &self.parts {
            let by = match held.mechanisms.as_slice() {
                [] => "not held".to_owned(),
                mechanisms => mechanisms.join(" + "),
            };
            writeln!(f, "{:16} {by}", held.part)?;
            for what in &held.not_held {
                writeln!(f, "{:16} not held: {what}", "")?;
            }
            for what in &held.beyond {
                writeln!(f, "{:16} beyond the rules: {what}", "")?;
            }
        }
        Ok(())
    }
}
