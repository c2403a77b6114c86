//! What a policy is resolved against: the directories, homes and variables of the caller.
//!
//! Everything that resolution takes from the process around it is in one value, so that a test, or a caller that acts
//! for somebody else, can state it instead.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use crate::PolicyError;
use crate::network::hosts::Hosts;
use crate::os::{OsStrExt, own_uid};

/// Bytes of the account file that are looked at: a file beyond that is not one that `getpwent` users would like either.
const ACCOUNTS_BYTES: u64 = 4 << 20;
/// The first uid of people's accounts, as `login.defs` has it everywhere.
const FIRST_PERSON: u32 = 1000;
/// The account that owns nothing; its home does not exist.
const NOBODY: u32 = 65534;

/// What a policy is resolved against.
///
/// ```
/// use sandbox_core::Context;
///
/// let mut context = Context::new("/home/ana/work");
/// context.home = Some("/home/ana".into());
/// assert_eq!(context.variable("HOME".as_ref()).as_deref(), Some("/home/ana".as_ref()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// The directory that `${CWD}` and relative paths mean; absolute.
    pub cwd: PathBuf,
    /// The directory that `~` and `${HOME}` mean.
    pub home: Option<PathBuf>,
    /// Every home whose secrets are hidden: those of the user's accounts; for root, those of all people.
    pub homes: Vec<PathBuf>,
    /// The user on whose behalf the command runs.
    pub uid: u32,
    /// Addresses of the host's interfaces, which are closed like the loopback's. [`detect`](Self::detect) does not look for them; who makes
    /// a sandbox does, and the gateway again.
    pub addresses: Vec<IpAddr>,
    /// What `${NAME}` means.
    pub variables: BTreeMap<OsString, OsString>,
    /// What the host knows of names by itself.
    pub(crate) hosts: Hosts,
}

impl Context {
    /// A context with a current directory and nothing else.
    pub fn new(cwd: impl Into<PathBuf>) -> Self {
        Self {
            cwd: cwd.into(),
            home: None,
            homes: Vec::new(),
            uid: NOBODY,
            addresses: Vec::new(),
            variables: BTreeMap::new(),
            hosts: Hosts::default(),
        }
    }

    /// The context of the calling process.
    ///
    /// A home comes from `HOME`, else from the account. Accounts are read from `/etc/passwd` alone: name services would
    /// mean loading foreign code into the process that links us.
    ///
    /// # Errors
    ///
    /// [`PolicyError::CurrentDirectory`] if the current directory was removed or cannot be reached.
    pub fn detect() -> Result<Self, PolicyError> {
        let cwd = std::env::current_dir()
            .map_err(|error| PolicyError::CurrentDirectory { kind: error.kind() })?;
        let uid = own_uid().unwrap_or(NOBODY);
        let variables: BTreeMap<_, _> = std::env::vars_os().collect();
        let accounts = accounts();
        let own = |account: &&Account| account.uid == uid;
        let account = accounts.iter().find(own).map(|own| own.home.clone());
        let home = variables
            .get(OsStr::new("HOME"))
            .map(PathBuf::from)
            .filter(|home| home.is_absolute());
        let mut homes: Vec<PathBuf> = if uid == 0 {
            let people = |account: &&Account| {
                account.uid == 0 || (account.uid >= FIRST_PERSON && account.uid != NOBODY)
            };
            accounts
                .iter()
                .filter(people)
                .map(|account| account.home.clone())
                .collect()
        } else {
            let own = accounts.iter().filter(own);
            own.map(|account| account.home.clone()).collect()
        };
        homes.retain(|home| is_home(home));
        homes.sort();
        homes.dedup();
        Ok(Self {
            cwd,
            home: home.or(account),
            homes,
            uid,
            addresses: Vec::new(),
            variables,
            hosts: Hosts::default(),
        })
    }

    /// Reads what this machine knows of names by itself, its own and those of hosts(5): some stay inside where the gateway answers
    /// for names. [`detect`](Self::detect) does not; who makes a sandbox does.
    pub fn read_hosts(&mut self) {
        self.hosts = Hosts::of_this_machine();
    }

    /// Adds the homes of every account of a user: several names may share a uid, and each can read what is the others'.
    pub fn add_homes_of(&mut self, uid: u32) {
        let own = accounts().into_iter().filter(|account| account.uid == uid);
        let homes = own.map(|account| account.home);
        self.homes.extend(homes.filter(|home| is_home(home)));
        self.homes.sort();
        self.homes.dedup();
    }

    /// What `${NAME}` stands for: `CWD`, `HOME` and `TMPDIR` always mean this context's, every other name the variable.
    pub fn variable(&self, name: &OsStr) -> Option<OsString> {
        match name.as_bytes() {
            b"CWD" => Some(self.cwd.clone().into_os_string()),
            b"HOME" => self.home.clone().map(PathBuf::into_os_string),
            b"TMPDIR" => Some(
                self.variables
                    .get(name)
                    .cloned()
                    .unwrap_or_else(|| "/tmp".into()),
            ),
            _ => self.variables.get(name).cloned(),
        }
    }

    /// Every directory that secrets are looked for in: `~` and the homes, each once, without `/`.
    pub(crate) fn all_homes(&self) -> Vec<&Path> {
        let mut homes: Vec<&Path> = self
            .home
            .iter()
            .chain(&self.homes)
            .map(PathBuf::as_path)
            .filter(|home| is_home(home))
            .collect();
        homes.sort_unstable();
        homes.dedup();
        homes
    }
}

/// Whether a directory is one person's: `/` is the home of many a system account and of nobody's secrets.
fn is_home(path: &Path) -> bool {
    path.is_absolute()
        && path
            .components()
            .any(|component| matches!(component, Component::Normal(_)))
}

struct Account {
    uid: u32,
    home: PathBuf,
}

/// The accounts of `/etc/passwd` (passwd(5)); lines that are not one are skipped, as the C library does.
fn accounts() -> Vec<Account> {
    let mut bytes = Vec::new();
    let read = File::open("/etc/passwd")
        .and_then(|file| file.take(ACCOUNTS_BYTES).read_to_end(&mut bytes));
    if read.is_err() {
        return Vec::new();
    }
    bytes
        .split(|byte| *byte == b'\n')
        .filter_map(account)
        .collect()
}

fn account(line: &[u8]) -> Option<Account> {
    let mut fields = line.split(|byte| *byte == b':');
    let uid = std::str::from_utf8(fields.nth(2)?).ok()?.parse().ok()?;
    let home = PathBuf::from(OsStr::from_bytes(fields.nth(2)?));
    Some(Account { uid, home })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_lines_of_seven_fields() {
        let ana = account(b"ana:x:1000:1000:Ana,,,:/home/ana:/bin/sh").unwrap();
        assert_eq!(
            (ana.uid, ana.home.as_path()),
            (1000, Path::new("/home/ana"))
        );
        for line in [&b""[..], b"ana", b"ana:x:-1:0::/:", b"+::::::", b"ana:x:7"] {
            assert!(account(line).is_none(), "{line:?}");
        }
    }

    #[test]
    fn the_root_directory_is_nobodys_home() {
        let mut context = Context::new("/work");
        context.home = Some("/".into());
        context.homes = vec!["/home/ana".into(), "relative".into(), "/home/ana".into()];
        assert_eq!(context.all_homes(), [Path::new("/home/ana")]);
    }

    #[test]
    fn homes_of_a_user_are_added_to_what_is_there() {
        let mut context = Context::new("/work");
        context.homes = vec!["/home/ana".into()];
        context.add_homes_of(0);
        let root = accounts().into_iter().find(|account| account.uid == 0);
        let root = root.filter(|account| is_home(&account.home));
        assert!(context.homes.contains(&"/home/ana".into()));
        assert!(root.is_none_or(|root| context.homes.contains(&root.home)));
    }

    #[test]
    fn detection_finds_this_process() {
        let context = Context::detect().unwrap();
        assert!(context.cwd.is_absolute());
    }
}
