//! What exists where there is no backend: a refusal.

use std::convert::Infallible;

use sandbox_core::{Policy, PolicyErrors};

/// Never exists on this platform.
#[derive(Debug)]
#[must_use]
pub struct Sandbox(Infallible);

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy has errors.
    #[error(transparent)]
    Policy(#[from] PolicyErrors),
    /// There is no backend for this operating system.
    #[error("there is no sandbox for {}", std::env::consts::OS)]
    Unsupported,
}

impl Sandbox {
    /// Refuses.
    ///
    /// # Errors
    ///
    /// Always [`Error::Unsupported`].
    pub fn new(_: &Policy) -> Result<Self, Error> {
        Err(Error::Unsupported)
    }
}
