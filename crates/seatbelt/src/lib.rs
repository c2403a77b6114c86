//! What a Seatbelt profile says to an operation, without a Mac.
//!
//! A profile is text in SBPL, a dialect of Scheme that `sandbox_init(3)` compiles and the kernel then asks about each operation. Apple
//! documents little of it; what is modelled here is what is known of it from Apple's own profiles, which are text, in
//! `/System/Library/Sandbox/Profiles` of every Mac, and from `sandbox-exec(1)`:
//!
//! * A rule is `(allow OPERATION... FILTER... MODIFIER...)`, or the same with `deny`. It applies where one of its filters matches, or
//!   where it has none. `require-all`, `require-any` and `require-not` combine filters.
//! * Operations form a tree, of which wildcards are the inner nodes: `default`, `file*`, `file-write*`, `file-write-unlink`.
//! * The last rule that applies wins.
//! * `define` names what is said more than once, and `param` is what who applies a profile gives (`sandbox-exec -D NAME=VALUE`).
//!
//! In one point that model is not enough: may an earlier rule about `file-write-unlink` be undone by a later one about `file-write*`?
//! [`Profile::decide`] asks both ways ([`Precedence`]), and a profile to which that makes a difference has said nothing. What a test
//! wants of a profile must hold both ways.
//!
//! What is not understood is an error, never passed over: an unknown operation, filter or modifier would be a mistake of ours, which
//! a Mac would refuse, too.
//!
//! ```
//! use seatbelt::{Answer, Profile, Query};
//!
//! let profile = Profile::parse(r#"
//!     (version 1)
//!     (deny default)
//!     (allow file-read* (subpath "/usr"))
//!     (deny file-read* (literal "/usr/secret"))
//! "#)?;
//! assert_eq!(profile.decide("file-read-data", &Query::path("/usr/lib")), Answer::Allow);
//! assert_eq!(profile.decide("file-read-data", &Query::path("/usr/secret")), Answer::Deny);
//! assert_eq!(profile.decide("file-write-data", &Query::path("/usr/lib")), Answer::Deny);
//! # Ok::<(), seatbelt::Error>(())
//! ```

mod define;
mod filter;
mod operation;
mod pattern;
mod profile;
mod query;
mod reader;

pub use profile::{Answer, Precedence, Profile};
pub use query::{Query, Side, VnodeType};
pub use reader::{Error, Position};
