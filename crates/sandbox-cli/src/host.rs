//! What differs between the systems on which `sandbox` runs.

#[cfg(backend = "linux")]
mod linux;
#[cfg(backend = "macos")]
mod macos;

#[cfg(backend = "linux")]
pub(crate) use self::linux::*;
#[cfg(backend = "macos")]
pub(crate) use self::macos::*;
