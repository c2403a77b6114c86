//! Unix sockets that may be connected to without a right to write: only settings of another sandbox say so. In a policy of ours a
//! socket is a file, and to connect takes `write`.

use std::path::PathBuf;

use crate::decide::{Decision, RuleRef, Verdict, decide_path, follow, is_resolved};
use crate::files::{FileRule, FileRules};
use crate::{Access, Ruleset, Source, place};

/// The sockets at a path and below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SocketRule {
    pub(crate) path: PathBuf,
    /// As it was written.
    pub(crate) text: String,
    pub(crate) source: Source,
}

/// Whether the socket at a path may be connected to.
pub(crate) fn decide(files: &FileRules, path: &std::path::Path) -> Decision {
    let written = decide_path(files, path, Access::Write);
    if written.verdict == Verdict::Allow || !is_resolved(path) {
        return written;
    }
    let path = follow(files, path);
    let mut rules = files.sockets.iter();
    match rules.find(|rule| place::is_within(&path, &rule.path)) {
        Some(rule) if files.access(&path).0 != Access::Hide => Decision::new(
            Verdict::Allow,
            Some(RuleRef::new(rule.text.clone(), rule.source.clone())),
            None,
        ),
        _ => written,
    }
}

impl Ruleset {
    /// Whether each Unix socket that can be seen may be connected to, wherever it is.
    ///
    /// ```
    /// # use sandbox_core::{Context, Policy, Ruleset};
    /// let ruleset = Ruleset::resolve(&Policy::new().write("/"), &Context::new("/srv")).unwrap();
    /// // Some names are protected.
    /// assert!(!ruleset.opens_each_socket());
    /// ```
    #[must_use]
    pub fn opens_each_socket(&self) -> bool {
        let files = self.files();
        let root = std::path::Path::new("/");
        let is_open = |rule: &FileRule| {
            matches!(
                rule.access(),
                Access::Write | Access::Scratch | Access::Hide
            )
        };
        files.sockets.iter().any(|rule| rule.path == root)
            || files.asked.is_nothing()
                && files.access(root).0 == Access::Write
                && files.iter().all(is_open)
    }
}

/// Those of one policy that another one does not let a command connect to, where its rule `counts`.
pub(crate) fn wider<'a>(
    files: &'a FileRules,
    least: &'a FileRules,
    counts: &'a dyn Fn(Option<&FileRule>) -> bool,
) -> impl Iterator<Item = &'a SocketRule> {
    files.sockets.iter().filter(move |socket| {
        let known = |other: &SocketRule| place::is_within(&socket.path, &other.path);
        // Below a directory there may be any rule, and what a pattern from above matches.
        let may_match =
            |rule: &FileRule| rule.glob.is_some() && place::is_within(&socket.path, rule.path());
        let below = least.iter().filter(|rule| {
            (place::is_within(rule.path(), &socket.path) || may_match(rule))
                && rule.access() != Access::Write
        });
        let (access, rule) = least.access(&socket.path);
        let is_denied = access != Access::Write && counts(rule);
        let mut below = below.map(Some);
        !least.sockets.iter().any(known) && (is_denied || below.any(counts))
    })
}

#[cfg(test)]
mod tests {
    use crate::{Context, Imported, Policy, Preset, Ruleset};

    /// Of what a managed policy fixes, a pattern counts that begins above the directory.
    #[test]
    fn a_directory_of_sockets_is_wider_than_a_pattern_from_above() {
        let ruleset = |policy: &Policy| Ruleset::resolve(policy, &Context::new("/srv")).unwrap();
        let least = ruleset(&Policy::new().write("/").read_matching("/**/docker.sock"));
        for (sockets, expected) in [
            (r#""/run""#, true),
            (r#""/run/docker.sock""#, true),
            ("", false),
        ] {
            let text = format!(
                r#"{{"network": {{"allowedDomains": [], "deniedDomains": [], "allowUnixSockets": [{sockets}]}}, "filesystem": {{"denyRead": [], "allowWrite": ["/"], "denyWrite": []}}}}"#
            );
            let settings = Imported::from_settings(&text, None).unwrap();
            let files = ruleset(&settings.policy);
            let wider = super::wider(files.files(), least.files(), &|rule| rule.is_some()).count();
            assert_eq!(wider > 0, expected, "{sockets}");
        }
    }

    #[test]
    fn all_are_open_only_where_no_rule_can_shut_one() {
        let opens = |policy: &Policy| {
            let ruleset = Ruleset::resolve(policy, &Context::new("/srv")).unwrap();
            ruleset.opens_each_socket()
        };
        for preset in Preset::ALL {
            assert!(!opens(&Policy::preset(*preset)), "{preset}");
        }
        // Some names are protected.
        assert!(!opens(&Policy::new().write("/")));
        let settings = |more: &str, filesystem: &str| {
            let text = format!(
                r#"{{"network": {{"allowedDomains": [], "deniedDomains": []{more}}}, "filesystem": {{"denyRead": [], "allowWrite": ["/"], "denyWrite": []{filesystem}}}}}"#
            );
            opens(&Imported::from_settings(&text, None).unwrap().policy)
        };
        assert!(!settings("", ""));
        assert!(!settings(r#", "allowUnixSockets": ["/srv"]"#, ""));
        assert!(settings(r#", "allowUnixSockets": ["/"]"#, ""));
        assert!(settings(r#", "allowAllUnixSockets": true"#, ""));
        assert!(settings("", r#", "disabled": true"#));
    }
}
