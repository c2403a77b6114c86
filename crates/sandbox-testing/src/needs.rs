//! What a test needs from its machine. Something that is missing is said loudly, and fails in CI.

use std::{env, fs, io::Write, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

/// Whether a condition holds; where it does not, says so, and fails where `CI` is set.
///
/// ```no_run
/// # use sandbox_testing::{needs, tool};
/// if !needs("npm", tool("npm").is_some()) { return; }
/// ```
#[track_caller]
pub fn needs(what: &str, present: bool) -> bool {
    assert!(
        present || env::var_os("CI").is_none(),
        "CI must provide {what}"
    );
    present || skip(what)
}

/// Whether the tests run as root; CI runs them as both users, so this is no failure there.
pub fn needs_root() -> bool {
    is_root() || skip("root")
}

/// Whether the tests run as an ordinary user, to whom modes of files mean something; CI runs them as both.
pub fn needs_ordinary_user() -> bool {
    !is_root() || skip("an ordinary user")
}

/// Whether the kernel has something that it may well lack, in CI too.
pub fn needs_kernel(what: &str, present: bool) -> bool {
    present || skip(what)
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Past the test harness, which would keep it for failures.
fn skip(what: &str) -> bool {
    drop(std::io::stderr().write_all(format!("skipped: needs {what}\n").as_bytes()));
    false
}

/// Finds a program on `PATH` that this user may execute.
pub fn tool(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|path| {
            fs::metadata(path)
                .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        })
}

/// The directory of the toolchain that cargo's own proxies would choose, which need a home.
pub fn toolchain() -> Option<PathBuf> {
    let output = Command::new("rustc")
        .args(["--print", "sysroot"])
        .output()
        .ok()?;
    let root = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    output.status.success().then(|| root.join("bin"))
}
