//! The hash tables of resolving.

use std::collections::{HashMap, HashSet};

/// A table by path or name. A start looks up a thousand of them, and with the hash of the standard library spends a third of
/// its resolving on that. This one withstands chosen names less: they come from a directory listing or the text of a policy,
/// which are bounded, and its keys are random as well.
pub(crate) type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A set of paths or names, with the same hash.
pub(crate) type Set<K> = HashSet<K, foldhash::fast::RandomState>;
