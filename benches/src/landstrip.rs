//! landstrip, which decides writes by name as well: a home that can be written but for some names at any depth, and any network.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use crate::{Error, Home};

/// Fewer names than ours, so that it has less to decide. Fields as `landstrip(1)` has them.
const DENIED: &str = r#"["**/.env", "**/.envrc", "**/.vscode", "**/.git/hooks"]"#;

/// `landstrip` and its policy.
#[derive(Debug)]
pub struct Landstrip {
    /// By its whole path: what it runs has another `PATH`.
    program: PathBuf,
    policy: NamedTempFile,
}

impl Landstrip {
    /// How it is called.
    pub const NAME: &str = "landstrip";

    /// With a policy under which this home can be written; `None` where there is no such program on `PATH`.
    ///
    /// # Errors
    ///
    /// [`Error::Prepare`].
    pub fn for_home(home: &Home) -> Result<Option<Self>, Error> {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut places = env::split_paths(&path).map(|place| place.join(Self::NAME));
        let Some(program) = places.find(|program| is_there(program)) else {
            return Ok(None);
        };
        let path = home.path().display();
        let text = format!(
            r#"{{ "filesystem": {{ "allowWrite": ["{path}", "/dev/null"], "denyWrite": {DENIED} }}, "network": {{ "allowNetwork": true }} }}"#
        );
        let written = tempfile::Builder::new()
            .suffix(".json")
            .tempfile()
            .and_then(|policy| std::fs::write(policy.path(), text).map(|()| policy));
        let policy = written.map_err(|source| Error::Prepare {
            path: env::temp_dir(),
            source,
        })?;
        Ok(Some(Self { program, policy }))
    }

    /// A command line that ends before the command.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let policy = OsString::from(self.policy.path());
        command.args(["run".into(), "-p".into(), policy, "--".into()]);
        command
    }
}

fn is_there(program: &Path) -> bool {
    let mut version = Command::new(program);
    let output = version.arg("--version").stdin(Stdio::null()).output();
    output.is_ok_and(|output| output.status.success())
}
