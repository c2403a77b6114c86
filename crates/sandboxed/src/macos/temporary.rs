//! The private directory that stands in the place of those that presets have private: Seatbelt shows all programs the same files.
//!
//! Its name can't be guessed and only its owner enters it. Another sandbox of the same person's that can write what lies around it can
//! reach it; presets let none.

use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, File, remove_dir_all};
use std::io::{self, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use sandbox_core::{Access, Ruleset};

/// What presets have private, and set variables to.
const PRIVATE: &str = "/tmp";

/// A directory that is removed with everything in it.
#[derive(Debug)]
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    /// Makes one in `around`, if the policy has private directories.
    pub(crate) fn of(ruleset: &Ruleset, around: &Path) -> io::Result<Option<Self>> {
        let anchors = ruleset.files().anchors().iter();
        if !anchors.into_iter().any(|it| it.access == Access::Scratch) {
            return Ok(None);
        }
        let mut random = [0; 8];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let around = sandbox_core::resolve(around).map_err(io::Error::other)?;
        let name = format!("sandbox-{:016x}", u64::from_ne_bytes(random));
        let path = around.path.join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Some(Self(path)))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Has the variables by which presets name their private directory name this one.
    pub(crate) fn rename(&self, variables: &mut [(OsString, OsString)]) {
        for (_, value) in variables {
            let rest = value.as_bytes().strip_prefix(PRIVATE.as_bytes());
            if let Some(rest) = rest.filter(|rest| matches!(rest, [] | [b'/', ..])) {
                let mut path = self.0.clone().into_os_string().into_vec();
                path.extend_from_slice(OsStr::from_bytes(rest).as_bytes());
                *value = OsString::from_vec(path);
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It follows no link. What the owner may not remove stays: nobody is there to be told.
        let _ = remove_dir_all(&self.0);
    }
}
