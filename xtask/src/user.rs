//! The test suite as another user than the one who calls.
//!
//! Much of the confinement differs between root and an ordinary user, so CI runs everything as both. The other user need not be able to
//! read this directory, cargo's cache or the toolchain (root's home is closed): what is needed is built here and copied to a place of its own.

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::unistd::User;
use serde_json::Value;
use tempfile::TempDir;

use crate::run::{Error, FEATURES, cargo, line, read, run};
use crate::suite::{counted, path_from, selection, sysroot};
use crate::tally::Tally;

/// What tests read from the environment, beside what an account has.
const PASSED: &[&str] = &[
    "CI",                 // a missing tool is a failure
    "SANDBOX_TEST_LOWER", // the fact that is lowered
    "RUST_BACKTRACE",
    // How long, with which random numbers, and how often.
    "SANDBOX_STRESS_SECONDS",
    "SANDBOX_STRESS_SEED",
    "SANDBOX_STRESS_COMMANDS",
    "SANDBOX_CONFORMANCE_CASES",
    "SANDBOX_CONFORMANCE_SEED",
    "PROPTEST_RNG_SEED",
];

/// All tests but the documentation's (rustdoc runs those itself) as `name`, counted.
pub(crate) fn test_as(name: &str) -> Result<Tally, Error> {
    let user = User::from_name(name)
        .ok()
        .flatten()
        .ok_or_else(|| Error::NoUser(name.to_owned()))?;
    let built = Built::of_workspace()?;
    let place = Place::new(&user.dir)?;
    let sandbox = place.copy(&built.sandbox)?;
    let toolchain = place.toolchain(&user)?;

    let mut total = Tally::default();
    for test in &built.tests {
        let mut command = Command::new(place.copy(test)?);
        command
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .current_dir(&user.dir)
            .env_clear()
            .envs(
                PASSED
                    .iter()
                    .filter_map(|name| Some((name, env::var_os(name)?))),
            )
            .env("HOME", &user.dir)
            .env("USER", &user.name)
            .env("LOGNAME", &user.name)
            .env("PATH", path_from(&toolchain))
            .env("SANDBOX_BIN", &sandbox)
            // Snapshots are inline: nothing is looked up there, and cargo isn't asked where it is.
            .env("INSTA_WORKSPACE_ROOT", place.0.path())
            .env("INSTA_UPDATE", "no");
        println!("# as {name}:");
        let (mut tally, status) = counted(&mut command)?;
        if tally.suites == 0 || (!status.success() && tally.failed == 0) {
            eprintln!(
                "error: `{}` ended without a result: {status}",
                line(&command)
            );
            tally.failed += 1;
        }
        total += tally;
    }
    Ok(total)
}

/// What cargo built for the tests.
struct Built {
    tests: Vec<PathBuf>,
    sandbox: PathBuf,
}

impl Built {
    fn of_workspace() -> Result<Self, Error> {
        let mut command = cargo();
        command.args([
            "test",
            "--locked",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ]);
        command.args(selection()).args(FEATURES);
        let messages = read(&mut command)?;
        let mut tests = Vec::new();
        let mut sandbox = None;
        for message in messages
            .split(|byte| *byte == b'\n')
            .filter(|message| !message.is_empty())
        {
            let message: Value = serde_json::from_slice(message).map_err(|source| Error::Json {
                command: line(&command),
                source,
            })?;
            let Some(executable) = message.get("executable").and_then(Value::as_str) else {
                continue;
            };
            if message.pointer("/profile/test") == Some(&Value::Bool(true)) {
                tests.push(PathBuf::from(executable));
            } else if message.pointer("/target/name").and_then(Value::as_str) == Some("sandbox") {
                sandbox = Some(PathBuf::from(executable));
            }
        }
        Ok(Self {
            tests,
            sandbox: sandbox.ok_or(Error::NoBinary)?,
        })
    }
}

/// A directory that everybody can read, gone afterwards.
pub(crate) struct Place(TempDir);

impl Place {
    /// In `parent`, the user's home: temporary directories are empty inside a sandbox.
    pub(crate) fn new(parent: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Prepare {
            path: parent.to_owned(),
            source,
        };
        let directory = tempfile::Builder::new()
            .prefix("sandbox-tests.")
            .tempdir_in(parent)
            .map_err(failed)?;
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).map_err(failed)?;
        Ok(Self(directory))
    }

    pub(crate) fn copy(&self, file: &Path) -> Result<PathBuf, Error> {
        let copy = self.0.path().join(file.file_name().unwrap_or_default());
        let failed = |source| Error::Prepare {
            path: copy.clone(),
            source,
        };
        fs::copy(file, &copy).map_err(failed)?;
        fs::set_permissions(&copy, Permissions::from_mode(0o755)).map_err(failed)?;
        Ok(copy)
    }

    /// Where `user` finds cargo and rustc: tests build things inside.
    fn toolchain(&self, user: &User) -> Result<PathBuf, Error> {
        let sysroot = sysroot()?;
        let mut probe = Command::new(sysroot.join("bin/rustc"));
        probe
            .arg("--version")
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .current_dir("/")
            .stdout(Stdio::null());
        if probe.status().is_ok_and(|status| status.success()) {
            return Ok(sysroot.join("bin"));
        }
        let copy = self.0.path().join("rust");
        fs::create_dir(&copy).map_err(|source| Error::Prepare {
            path: copy.clone(),
            source,
        })?;
        for part in ["bin", "lib"] {
            let part = sysroot.join(part);
            // Hard links take no space and no time, but don't cross file systems.
            let linked = run(Command::new("cp")
                .args(["--archive", "--link"])
                .arg(&part)
                .arg(&copy));
            if linked.is_err() {
                run(Command::new("cp")
                    .args(["--archive", "--force"])
                    .arg(&part)
                    .arg(&copy))?;
            }
        }
        Ok(copy.join("bin"))
    }
}
