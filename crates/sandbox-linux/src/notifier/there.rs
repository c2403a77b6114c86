//! Directories that are there already: programs make them without asking, and are answered by the reader.
//!
//! Of the 31,000 calls that `npm ci` of 450 packages has decided, more than half are such a `mkdir` (`docs/performance.md`). Nothing is made or opened for
//! one: the kernel says `EEXIST` before it asks whether the caller may make a name (`filename_create`). It may be told by who has no other rights than the
//! command to look a name up: so without a capability, and from the command's root. And only what the kernel has at hand counts
//! (`RESOLVE_CACHED` of openat2(2)): then nobody waits for a disk, a network or an automounter. All else is the performer's.

use std::os::fd::AsFd;

use super::pin::Pinned;
use super::resolve::{AS_IT_IS, BENEATH, IN_ROOT, NO_MAGIC};
use super::root::Root;
use crate::sys::notify::{open_resolved, without_capabilities};

const CACHED: u64 = 0x20;

/// Whether something is at the place, if that can be said at once.
pub(super) fn is_there(root: &Root, at: &Pinned) -> bool {
    let (start, bound) = match &at.base {
        Some(base) => (base.as_fd(), BENEATH),
        None => (root.as_fd(), IN_ROOT),
    };
    let resolve = NO_MAGIC | CACHED | bound;
    without_capabilities(|| open_resolved(start, &at.path, AS_IT_IS, resolve).is_ok()) == Some(true)
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use nix::fcntl::{OFlag, open};
    use nix::sys::stat::Mode;
    use nix::unistd::geteuid;

    use super::*;

    fn directory(path: &Path) -> std::os::fd::OwnedFd {
        open(path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty()).unwrap()
    }

    /// Whether it is there, from below `root`, and from the directory `within` of it where the path begins there.
    fn finds(root: &Path, within: &str, path: &str) -> bool {
        let pinned = Pinned {
            base: (!path.starts_with('/')).then(|| directory(&root.join(within))),
            path: CString::new(path).unwrap(),
        };
        is_there(&Root::new(directory(root)).unwrap(), &pinned)
    }

    #[test]
    fn what_is_there_is_found_from_the_root_as_any_process_of_the_user_would() {
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "").unwrap();
        fs::write(outer.path().join("outside"), "").unwrap();
        symlink("nowhere", root.join("a/dangling")).unwrap();
        symlink("/a/b", root.join("a/link")).unwrap();
        symlink(outer.path().join("outside"), root.join("a/out")).unwrap();
        // What was looked up a moment ago is at hand.
        let at_hand = || {
            for path in ["a/b", "a/file", "a/dangling", "a/link", "a/out"] {
                fs::symlink_metadata(root.join(path)).unwrap();
            }
        };
        at_hand();
        for (path, expected) in [
            ("/a/b", true),
            ("/a/b/", true),
            ("/a/file", true),
            ("/a/dangling", true),
            ("/a/link", true),
            ("/", true),
            ("b", true),
            ("./link", true),
            ("/a/none", false),
            ("none", false),
            ("/a/none/b", false),
            // What lies above a directory is not found from there; the root has nothing above it.
            ("..", false),
            ("../outside", false),
            ("/../outside", false),
            ("/a/out/", false),
            ("", false),
        ] {
            assert_eq!(finds(&root, "a", path), expected, "{path:?}");
        }
        // Links of procfs lead to what is the reader's own.
        assert!(finds(Path::new("/"), "", "/proc/self/fd"));
        assert!(!finds(Path::new("/"), "", "/proc/self/cwd/."));
        // Nobody finds more than any process of this user: root neither.
        let closed = root.join("a");
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        if geteuid().is_root() {
            fs::symlink_metadata(closed.join("b")).unwrap();
        }
        assert!(!finds(&root, "", "/a/b"));
        fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
        at_hand();
        assert!(finds(&root, "", "/a/b"), "control");
    }
}
