//! What the benchmarks share.
//!
//! Absolute times move with the load of the machine, so everything that is compared runs in the same minute: one run of each contender a
//! round, the first of a round another one each time, medians over the rounds. Only ratios are worth quoting.

#![cfg(backend)]

mod caller;
mod calls;
mod error;
mod home;
mod landstrip;
mod peer;
mod project;
mod rounds;

pub use self::caller::{again, grow, pin, status};
pub use self::calls::calls;
pub use self::error::{Error, start, succeed};
pub use self::home::{Home, Secret};
pub use self::landstrip::Landstrip;
pub use self::peer::Bwrap;
pub use self::project::Project;
pub use self::rounds::{Contender, interleave, micros, ratio, rounds};

use std::env;
use std::path::PathBuf;

/// The binary that is measured: `SANDBOX_BIN`, else the one beside the benchmark.
#[must_use]
pub fn sandbox_binary() -> PathBuf {
    env::var_os("SANDBOX_BIN").map_or_else(
        || {
            env::current_exe()
                .unwrap_or_default()
                .with_file_name("sandbox")
        },
        PathBuf::from,
    )
}
