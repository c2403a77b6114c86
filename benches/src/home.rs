//! A home as people have it: full of files, with credentials among them and a project in it.

use std::fs;
use std::path::{Path, PathBuf};

use sandboxed::Context;
use tempfile::TempDir;

use crate::Error;

/// How many entries the home has.
const ENTRIES: usize = 150;

/// A credential in the home.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Secret {
    /// What is hidden, relative to the home.
    pub name: &'static str,
    /// The file below it that holds the credential; the same where the file itself is hidden.
    pub file: &'static str,
}

/// Twenty, directories and files mixed as in life; all of them are hidden by the presets.
const SECRETS: [Secret; 20] = [
    tree(".ssh", ".ssh/id_ed25519"),
    tree(".gnupg", ".gnupg/secring.gpg"),
    tree(".aws", ".aws/credentials"),
    tree(".azure", ".azure/accessTokens.json"),
    tree(".kube", ".kube/config"),
    tree(".config/gcloud", ".config/gcloud/credentials.db"),
    tree(".password-store", ".password-store/mail.gpg"),
    tree(
        ".local/share/keyrings",
        ".local/share/keyrings/login.keyring",
    ),
    tree(".mozilla", ".mozilla/firefox/logins.json"),
    tree(
        ".config/google-chrome",
        ".config/google-chrome/Default/Cookies",
    ),
    file(".docker/config.json"),
    file(".config/gh/hosts.yml"),
    file(".netrc"),
    file(".npmrc"),
    file(".pypirc"),
    file(".git-credentials"),
    file(".cargo/credentials.toml"),
    file(".vault-token"),
    file(".pgpass"),
    file(".my.cnf"),
];

const fn tree(name: &'static str, file: &'static str) -> Secret {
    Secret { name, file }
}

const fn file(name: &'static str) -> Secret {
    Secret { name, file: name }
}

/// A home, gone when dropped.
#[derive(Debug)]
pub struct Home {
    directory: TempDir,
}

impl Home {
    /// Makes one in the caller's home: `/tmp` is private in the presets, so what lies there proves nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Prepare`].
    pub fn new() -> Result<Self, Error> {
        let parent = std::env::home_dir().unwrap_or_else(|| PathBuf::from("/var/tmp"));
        let directory = tempfile::Builder::new()
            .prefix("sandbox-bench.")
            .tempdir_in(&parent)
            .map_err(|source| Error::Prepare {
                path: parent,
                source,
            })?;
        let home = Self { directory };
        for secret in SECRETS {
            home.put(secret.file, "SECRET\n")?;
        }
        home.put("project/README", "A project.\n")?;
        let present = fs::read_dir(home.path())
            .map(Iterator::count)
            .unwrap_or_default();
        for number in present..ENTRIES {
            home.put(format!("file-{number}"), "An ordinary file.\n")?;
        }
        Ok(home)
    }

    /// The home itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The project in it, the only place that commands may write to.
    #[must_use]
    pub fn workspace(&self) -> PathBuf {
        self.path().join("project")
    }

    /// Writes a file of it, and makes the directories that it lies in.
    ///
    /// # Errors
    ///
    /// [`Error::Prepare`].
    pub fn put(&self, name: impl AsRef<Path>, content: &str) -> Result<(), Error> {
        let path = self.path().join(name);
        let failed = |source| Error::Prepare {
            path: path.clone(),
            source,
        };
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .map_err(failed)?;
        fs::write(&path, content).map_err(failed)
    }

    /// What a policy is resolved for when somebody with this home works in the project.
    #[must_use]
    pub fn context(&self) -> Context {
        let mut context = Context::new(self.workspace());
        context.home = Some(self.path().to_owned());
        context.homes = vec![self.path().to_owned()];
        context
    }

    /// Every credential in a home, whoever made it.
    #[must_use]
    pub const fn secrets() -> &'static [Secret] {
        &SECRETS
    }
}
