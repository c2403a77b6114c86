//! Only one call is older than what every architecture has.

use super::{Call, Row, at};

#[rustfmt::skip]
pub(super) const CALLS: &[Row] = &[
    Row { number: libc::SYS_renameat, read: |[from, old, to, new, ..]| Call::Rename { from: at(from, old), to: at(to, new), flags: 0 } },
];
