//! A private piece of host: a home with secrets, a workspace, and a directory that the workspace has no business in.

use crate::{Outcome, Run, Snapshot, run::Confinement};
use std::{
    fs,
    io::Write,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};
use tempfile::TempDir;

/// The hostile program, compiled by the build script.
const PAYLOAD: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/payload"));

/// Secrets that every home has, hidden by the presets: path and content.
const SECRETS: [(&str, &str); 4] = [
    ("~/.ssh/id_rsa", "SECRET ssh key\n"),
    ("~/.aws/credentials", "SECRET aws key\n"),
    ("~/.netrc", "SECRET password\n"),
    ("~/.config/gh/hosts.yml", "SECRET token\n"),
];

/// Writes an executable by another process: a child that another thread of this one starts would have the descriptor until
/// its exec, and what is open for writing anywhere is not executed (`ETXTBSY`, execve(2)).
fn executable(path: &Path, content: &[u8]) {
    let mut tee = Command::new("tee")
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    tee.stdin.take().unwrap().write_all(content).unwrap();
    assert!(tee.wait().unwrap().success());
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A tree of its own for one test, in the account's home, since the presets replace `/tmp` and `/var/tmp` by private
/// directories; removed when dropped.
///
/// | here | path | in rules and arguments |
/// |---|---|---|
/// | the home, with [secrets](Host::secrets) | `~/…` | `@home` |
/// | the workspace, the current directory of commands | relative | `@ws` |
/// | a directory beside it | `@outside/…` | `@outside` |
/// | the hostile program | | `@payload` |
#[derive(Debug)]
pub struct Host {
    root: TempDir,
    policies: AtomicUsize,
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl Host {
    /// Makes the tree.
    pub fn new() -> Self {
        let account = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
        Self::below(&account.expect("the user has an account").dir)
    }

    /// Makes the tree in this directory.
    pub fn below(directory: &Path) -> Self {
        let root = tempfile::Builder::new()
            .prefix("sandbox-test-")
            .tempdir_in(directory)
            .expect("the directory is writable");
        let host = Self {
            root,
            policies: AtomicUsize::new(0),
        };
        for place in ["home", "ws", "outside", "tools", "policies"] {
            fs::create_dir(host.root.path().join(place)).unwrap();
        }
        executable(&host.payload(), PAYLOAD);
        SECRETS
            .iter()
            .fold(host, |host, (path, content)| host.file(path, content))
            .file("@outside/public", "public\n")
    }

    /// The paths of the secrets in the home.
    pub fn secrets(&self) -> impl Iterator<Item = PathBuf> {
        SECRETS.iter().map(|(path, _)| self.path(path))
    }

    /// Writes a file, and makes its parents.
    #[must_use]
    pub fn file(self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    /// Writes an executable file, `@` words in it expanded.
    #[must_use]
    pub fn script(self, path: &str, text: &str) -> Self {
        let place = self.path(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        executable(&place, self.expand(text).as_bytes());
        self
    }

    /// Makes a directory and its parents.
    #[must_use]
    pub fn dir(self, path: impl AsRef<Path>) -> Self {
        fs::create_dir_all(self.path(path)).unwrap();
        self
    }

    /// Makes a symbolic link with exactly this target, `@` words in it expanded.
    #[must_use]
    pub fn symlink(self, path: impl AsRef<Path>, target: &str) -> Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(self.expand(target), path).unwrap();
        self
    }

    /// Sets the mode of a file.
    #[must_use]
    pub fn mode(self, path: impl AsRef<Path>, mode: u32) -> Self {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    /// The place of a path on this machine.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let Some(text) = path.to_str() else {
            return self.root.path().join("ws").join(path);
        };
        let text = match text.strip_prefix('~') {
            Some(rest) => format!("@home{rest}"),
            None => text.to_owned(),
        };
        self.root.path().join("ws").join(self.expand(&text))
    }

    /// Puts real paths in the place of `@home`, `@ws`, `@outside` and `@payload`.
    pub fn expand(&self, text: &str) -> String {
        let root = self.root.path().to_str().unwrap();
        ["home", "ws", "outside", "policies"]
            .iter()
            .fold(text.to_owned(), |text, place| {
                text.replace(&format!("@{place}"), &format!("{root}/{place}"))
            })
            .replace("@payload", &format!("{root}/tools/payload"))
            .replace("@root", root)
    }

    /// The inverse of [`expand`](Self::expand), for snapshots of messages.
    pub fn shorten(&self, text: &str) -> String {
        text.replace(self.root.path().to_str().unwrap(), "@root")
            .replace("@root/home", "@home")
            .replace("@root/ws", "@ws")
            .replace("@root/outside", "@outside")
            .replace("@root/policies", "@policies")
    }

    /// What a tool printed, without the places of this machine.
    pub fn printed(&self, outcome: &Outcome) -> String {
        self.shorten(&outcome.text())
    }

    /// The hostile program.
    pub fn payload(&self) -> PathBuf {
        self.root.path().join("tools/payload")
    }

    /// The content of a file, as the host sees it.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> String {
        let path = self.path(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Writes a file while the test runs, and makes its parents.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Whether something lies there, a dangling link included.
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        match fs::symlink_metadata(self.path(path)) {
            Ok(_) => true,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => panic!("{error}"),
        }
    }

    /// Everything about a tree that a command could have changed.
    pub fn snapshot(&self, path: impl AsRef<Path>) -> Snapshot {
        Snapshot::of(&self.path(path))
    }

    /// Everything but the workspace, and the policies, which the test itself writes.
    pub fn snapshot_outside(&self) -> Snapshot {
        Snapshot::of(self.root.path())
            .without(&self.path("@ws"))
            .without(&self.path("@policies"))
    }

    /// Writes a policy file outside of the workspace, `@` words in it expanded.
    pub fn policy(&self, toml: &str) -> PathBuf {
        let number = self.policies.fetch_add(1, Ordering::Relaxed);
        let path = self.path(format!("@policies/{number}.toml"));
        fs::write(&path, self.expand(toml)).unwrap();
        path
    }

    /// `sandbox run` of this command, with the preset `agent` and no rule yet.
    pub fn sandbox<I>(&self, command: I) -> Run<'_>
    where
        I: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
    {
        Run::new(self, Confinement::Sandbox, command)
    }

    /// The same command without a sandbox: the control of an attack.
    pub fn bare<I>(&self, command: I) -> Run<'_>
    where
        I: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
    {
        Run::new(self, Confinement::None, command)
    }

    /// The binary with these arguments, whatever they are.
    pub fn tool<I>(&self, args: I) -> Run<'_>
    where
        I: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
    {
        Run::new(self, Confinement::Tool, args)
    }

    /// Runs a command with one rule, `PATTERN = ACCESS`, added to the preset `agent`.
    #[track_caller]
    pub fn run<I>(&self, rule: &str, command: I) -> Outcome
    where
        I: IntoIterator<Item: AsRef<std::ffi::OsStr>>,
    {
        self.sandbox(command).rule(rule).output()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        open_up(self.root.path());
    }
}

/// Makes every directory of a tree removable; what fails is left to the removal itself to report.
fn open_up(directory: &Path) {
    drop(fs::set_permissions(
        directory,
        fs::Permissions::from_mode(0o700),
    ));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
