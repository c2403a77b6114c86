//! What only aarch64 has: no call. Its table starts with the `*at` family.

use super::super::case::Entry;
use super::Group;

/// `AUDIT_ARCH_AARCH64` of linux/audit.h: machine 183, 64 bits, little-endian.
pub(in super::super) const AUDIT_ARCH: u32 = 0xc000_00b7;

pub(super) const ALLOWED: &[Group] = &[];
pub(super) const REFUSED: &[Entry] = &[];
pub(super) const INSPECTED: &[Entry] = &[];
