//! `--user`: as root, becoming somebody else before anything else is done.

#[cfg(backend = "linux")]
mod assume;

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User, geteuid};
use sandboxed::Context;

#[cfg(backend = "linux")]
pub(crate) use self::assume::assume;
use crate::failure::Failure;

/// The account that this process has become.
#[derive(Debug)]
pub(crate) struct Account {
    uid: u32,
    home: PathBuf,
    /// What name services know besides: the home of the account that has the uid, whatever `--user` says of a home.
    known: Option<PathBuf>,
    variables: [(&'static str, OsString); 4],
}

impl Account {
    /// Makes true what a context says about the account. Its homes are added to what is there: a uid may have several
    /// accounts, and one without an account may own what another home holds.
    pub(crate) fn describe(self, context: &mut Context) {
        context.uid = self.uid;
        context.add_homes_of(self.uid);
        let before = context.home.replace(self.home.clone());
        // Root's home is hidden as a whole from everybody whose own it is not.
        let before = before.filter(|home| !home.starts_with("/root"));
        let homes = [Some(self.home), self.known, before];
        context.homes.extend(homes.into_iter().flatten());
        let variables = self
            .variables
            .into_iter()
            .map(|(name, value)| (name.into(), value));
        context.variables.extend(variables);
    }
}

/// Becomes the account that `--user` names: not on macOS, where the groups of a process are not a person's by that alone.
#[cfg(backend = "macos")]
pub(crate) fn assume(name: &str) -> Result<Option<Account>, Failure> {
    if !geteuid().is_root() {
        return Err(Failure::UserNeedsRoot);
    }
    let name = name.to_owned();
    Err(match User::from_name(&name) {
        Ok(Some(_)) => Failure::Become {
            name,
            source: std::io::ErrorKind::Unsupported.into(),
        },
        Ok(None) | Err(_) => Failure::NoAccount { name },
    })
}

/// Refuses to run as root in somebody else's directory: what root makes there the owner could not change afterwards, and
/// what the owner left there would run as root.
pub(crate) fn refuse_foreign(directory: &Path) -> Result<(), Failure> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = match std::fs::metadata(directory) {
        Ok(metadata) => metadata.uid(),
        Err(source) => {
            return Err(Failure::Directory {
                path: directory.to_owned(),
                source,
            });
        }
    };
    if owner == 0 {
        return Ok(());
    }
    let owner = match User::from_uid(Uid::from_raw(owner)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("{owner}:{owner}"),
    };
    Err(Failure::ForeignDirectory {
        directory: directory.to_owned(),
        owner,
    })
}
