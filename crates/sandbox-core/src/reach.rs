//! What a command could change for those after it: where its policy must not lie.

use std::path::Path;

use crate::decide::protection;
use crate::files::FileRules;
use crate::resolve::{Resolved, Resolver, resolve};
use crate::ruleset::resolve_files;
use crate::{Access, Context, Policy, PolicyErrors, PolicyFile, place};

/// Where the list of approved policies is in a home: a protected path of the table.
const APPROVALS: &str = ".local/state/sandbox";

/// The places that the rules of a policy let the command write.
///
/// Protected names count as such places: a name is protected where it exists, and the last command may have made it.
///
/// ```
/// use sandbox_core::{Context, Policy, Reach};
///
/// let reach = Reach::of(&Policy::default().read("/").write("/usr/lib"), &Context::new("/"))?;
/// assert!(reach.changes("/usr/lib/x/sandbox.toml".as_ref()));
/// assert!(!reach.changes("/usr/share/sandbox.toml".as_ref()));
/// # Ok::<(), sandbox_core::PolicyErrors>(())
/// ```
#[derive(Clone, Debug)]
pub struct Reach(FileRules);

impl Reach {
    /// The places of a policy.
    ///
    /// # Errors
    ///
    /// What is wrong with its rules about files.
    pub fn of(policy: &Policy, context: &Context) -> Result<Self, PolicyErrors> {
        let mut problems = policy.problems.clone();
        let files = resolve_files(policy, context, &Resolver::default(), &mut problems);
        problems.retain(|problem| !problem.is_of_nothing_to_write());
        if problems.is_empty() {
            Ok(Self(files))
        } else {
            Err(PolicyErrors(problems))
        }
    }

    /// Whether the command could change what a path leads to: write the place, or a link on the way, or rename a directory
    /// above one of them. Of a path that cannot be followed nobody knows.
    pub fn changes(&self, path: &Path) -> bool {
        resolve(path).map_or(true, |resolved| can_change(&self.0, &resolved))
    }

    /// Whether the command could change what is in this directory, which says what is approved.
    ///
    /// Its usual place in a home is a protected path. What holds that is there at the root of a writable tree, so only
    /// there does it count; and only where the directory exists, which the caller has seen.
    pub fn changes_approvals(&self, directory: &Path) -> bool {
        if !self.changes(directory) {
            return false;
        }
        let Ok(resolved) = resolve(directory) else {
            return true;
        };
        let (access, rule) = self.0.access(&resolved.path);
        let is_protected = rule.is_some_and(|rule| {
            access == Access::Write
                && rule.is_literal()
                && rule.path().join(APPROVALS) == resolved.path
                && protection(&self.0, &resolved.path).is_some()
        });
        // The tree itself may lie in another one that can be written, and be renamed there.
        let is_inner = rule
            .and_then(|rule| place::above(rule.path()))
            .is_some_and(|above| {
                place::upwards(above).any(|above| self.0.access(above).0 == Access::Write)
            });
        !is_protected || is_inner || !resolved.links.is_empty()
    }

    /// Whether the command could change a policy file or one that it extends. One with a second name can be changed under
    /// that.
    pub fn changes_file(&self, file: &PolicyFile) -> bool {
        file.read_parts()
            .iter()
            .any(|part| part.names > 1 || self.changes(&part.path))
    }
}

/// Whether a command could change what a path leads to, under these rules.
pub(crate) fn can_change(files: &FileRules, resolved: &Resolved) -> bool {
    let links = resolved.links.iter().map(|(link, _)| link.as_path());
    links
        .chain([resolved.path.as_path()])
        .flat_map(place::upwards)
        .any(|place| files.access(place).0 == Access::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_in_reach_by_its_place_its_parents_its_links_and_its_names() {
        let directory = tempfile::tempdir().unwrap();
        let root = resolve(directory.path()).unwrap().path;
        let at = |name: &str| root.join(name);
        for name in ["open", "closed", "open/inner"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        for name in ["open/inner/p.toml", "closed/p.toml", "closed/two.toml"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::hard_link(at("closed/two.toml"), at("open/two.toml")).unwrap();
        std::os::unix::fs::symlink(at("closed/p.toml"), at("open/link.toml")).unwrap();
        std::os::unix::fs::symlink(at("open"), at("closed/way")).unwrap();
        let policy = Policy::new()
            .read("/")
            .write(at("open"))
            .read(at("open/inner"));
        let reach = Reach::of(&policy, &Context::new(&root)).unwrap();
        for (name, expected) in [
            ("closed/p.toml", false),
            // Read-only itself, in a directory that can be renamed.
            ("open/inner/p.toml", true),
            ("open/link.toml", true),
            ("closed/way/inner/p.toml", true),
            ("closed/two.toml", true),
        ] {
            let file = PolicyFile::read(at(name)).unwrap();
            assert_eq!(reach.changes_file(&file), expected, "{name}");
        }
        assert!(!reach.changes(&at("closed/missing")));
    }

    #[test]
    fn the_list_of_approvals_is_protected_at_the_root_of_a_writable_home() {
        let directory = tempfile::tempdir().unwrap();
        let home = resolve(directory.path()).unwrap().path;
        let list = home.join(APPROVALS);
        std::fs::create_dir_all(&list).unwrap();
        let base = || Policy::new().read("/");
        for (policy, expected) in [
            (base(), false),
            (base().write(&home), false),
            (base().write(home.join(".local")), true),
            (base().write(&home).write(home.join(".local")), true),
            (base().write(&home).write(&list), true),
            (base().write(place::above(&home).unwrap()), true),
            (
                base().write(place::above(&home).unwrap()).write(&home),
                true,
            ),
            (base().write_matching(format!("{}/*", home.display())), true),
        ] {
            let reach = Reach::of(&policy, &Context::new("/")).unwrap();
            assert_eq!(reach.changes_approvals(&list), expected, "{policy}");
        }
    }
}
