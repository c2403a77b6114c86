//! Spellings of one path in several layers.

use super::entry;
use super::{FileEntry, Policy};
use crate::Context;
use crate::pattern::expand;

impl Policy {
    /// This policy without the rules that a later layer replaces by another spelling of their path, so that printed as one
    /// layer it means the same: there the rule that grants less would hold.
    ///
    /// ```
    /// use sandbox_core::{Context, Policy};
    ///
    /// let policy = Policy::new().read("/srv/www").layer(Policy::new().write("/srv/./www"));
    /// let policy = policy.without_replaced(&Context::new("/"));
    /// assert_eq!(policy.to_string(), "[files]\n\"/srv/./www\" = \"write\"\n");
    /// ```
    pub fn without_replaced(mut self, context: &Context) -> Self {
        let key = |entry: &FileEntry| {
            let base = entry.base.as_deref().unwrap_or(&context.cwd);
            let expanded = expand(&entry.text, entry.pattern, base, context);
            let key = expanded.map(|expanded| (expanded.path.into_os_string(), expanded.tail));
            key.map_err(|_| entry.key())
        };
        let by_key = entry::by_key(&self.files, key);
        let files = entry::of_last_layers(self.files, &by_key, |entry| entry.layer);
        self.files = files.into_iter().map(|(entry, _)| entry).collect();
        self
    }
}
