//! Becoming somebody else.

use std::ffi::{CString, OsString};
use std::io;
use std::path::PathBuf;

use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setgroups, setuid};

use super::Account;
use crate::failure::Failure;

/// Becomes the account that `--user` names: groups first, since giving up the uid gives up the right to change them.
///
/// # Errors
///
/// If we are not root, there is no such account, or the kernel refuses.
pub(crate) fn assume(name: &str) -> Result<Option<Account>, Failure> {
    if !geteuid().is_root() {
        return Err(Failure::UserNeedsRoot);
    }
    let user = find(name)?;
    if user.uid.is_root() {
        return Ok(None);
    }
    let failed = |errno: nix::Error| Failure::Become {
        name: name.to_owned(),
        source: errno.into(),
    };
    match CString::new(user.name.as_bytes()) {
        Ok(account) if !account.is_empty() => initgroups(&account, user.gid).map_err(failed)?,
        _ => setgroups(&[user.gid]).map_err(failed)?,
    }
    setgid(user.gid).map_err(failed)?;
    setuid(user.uid).map_err(failed)?;
    if setuid(Uid::from_raw(0)).is_ok() {
        // setuid(2) with CAP_SETUID changes all three ids; if one is left, nothing may run.
        return Err(Failure::Become {
            name: name.to_owned(),
            source: io::ErrorKind::PermissionDenied.into(),
        });
    }
    let known = User::from_uid(user.uid).ok().flatten();
    let account = OsString::from(user.name);
    let variables = [
        ("HOME", user.dir.clone().into_os_string()),
        ("USER", account.clone()),
        ("LOGNAME", account),
        ("SHELL", user.shell.into_os_string()),
    ];
    Ok(Some(Account {
        uid: user.uid.as_raw(),
        home: user.dir,
        known: known.map(|user| user.dir),
        variables,
    }))
}

/// A name, a uid that has an account, or `UID:GID`, which needs none.
fn find(name: &str) -> Result<User, Failure> {
    let missing = || Failure::NoAccount {
        name: name.to_owned(),
    };
    if let Some((uid, gid)) = name.split_once(':') {
        let (uid, gid) = (
            uid.parse().map_err(|_| missing())?,
            gid.parse().map_err(|_| missing())?,
        );
        // Root has an account, and its groups are as they are.
        return if uid == 0 {
            Err(missing())
        } else {
            Ok(without_account(Uid::from_raw(uid), Gid::from_raw(gid)))
        };
    }
    let by_uid = || {
        User::from_uid(Uid::from_raw(name.parse().ok()?))
            .ok()
            .flatten()
    };
    User::from_name(name)
        .ok()
        .flatten()
        .or_else(by_uid)
        .ok_or_else(missing)
}

fn without_account(uid: Uid, gid: Gid) -> User {
    User {
        name: String::new(),
        passwd: CString::default(),
        uid,
        gid,
        gecos: CString::default(),
        dir: PathBuf::from("/"),
        shell: PathBuf::from("/bin/sh"),
    }
}
