//! Landlock's part: rights that are denied unless a rule at the node, or on the way up from it, grants them.

use std::collections::BTreeMap;

use super::{Layers, Node, Place, Simulator};

/// File rights (`landlock(7)`, include/uapi/linux/landlock.h).
pub(super) mod right {
    pub(in super::super) const EXECUTE: u64 = 1;
    pub(in super::super) const WRITE_FILE: u64 = 1 << 1;
    pub(in super::super) const READ_FILE: u64 = 1 << 2;
    pub(in super::super) const READ_DIR: u64 = 1 << 3;
    pub(in super::super) const REMOVE_DIR: u64 = 1 << 4;
    pub(in super::super) const REMOVE_FILE: u64 = 1 << 5;
    pub(in super::super) const MAKE_DIR: u64 = 1 << 7;
    pub(in super::super) const MAKE_REG: u64 = 1 << 8;
    pub(in super::super) const MAKE_FIFO: u64 = 1 << 10;
    pub(in super::super) const MAKE_SYM: u64 = 1 << 12;
    pub(in super::super) const REFER: u64 = 1 << 13;
}

#[derive(Clone, Debug)]
pub(super) struct Landlock {
    pub(super) handled: u64,
    /// What the notifier does in the command's place.
    pub(super) performed: u64,
    pub(super) grants: BTreeMap<Node, u64>,
}

impl Landlock {
    pub(super) const fn new(handled: u64, performed: u64) -> Self {
        Self {
            handled,
            performed,
            grants: BTreeMap::new(),
        }
    }

    /// Whether a notifier decides about names, and not about sockets alone.
    pub(super) const fn makes_names(&self) -> bool {
        self.performed & right::MAKE_REG != 0
    }
}

impl Simulator<'_> {
    /// Everything that may be done at a place.
    pub(super) fn rights(&self, place: &Place) -> u64 {
        let Some(landlock) = &self.landlock else {
            return u64::MAX;
        };
        if self.layers == Layers::Mounts {
            return u64::MAX;
        }
        let mut granted = !landlock.handled;
        let mut place = place.clone();
        loop {
            granted |= landlock.grants.get(&place.node).copied().unwrap_or(0);
            // What a mount lies over is not asked, only what is above that.
            while place.node == self.mount(&place).root {
                match &self.mount(&place).at {
                    Some(at) if place != self.root => place = at.clone(),
                    _ => return granted,
                }
            }
            match place.node.parent() {
                Some(node) => place.node = node,
                None => return granted,
            }
        }
    }
}
