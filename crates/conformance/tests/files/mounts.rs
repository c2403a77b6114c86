//! Cases with mounts of the host, which their test makes in a mount namespace of its own: as an ordinary user in a user namespace of
//! its own, too, so that the sandbox is one in another's.

use std::process::Command;

use sandbox_testing::{alone_by, is_root, needs, needs_kernel, needs_root, tool};

use crate::agree;

const AS_ROOT: &[&str] = &["--mount"];
const AS_USER: &[&str] = &["--user", "--map-current-user", "--keep-caps", "--mount"];

#[test]
fn mounts() {
    let options = if is_root() { AS_ROOT } else { AS_USER };
    in_a_namespace(options, "mounts::cases");
}

#[test]
#[ignore = "mounts in its own namespace: run by `mounts`"]
fn cases() {
    agree("mounts", include_str!("../../cases/files/mounts.toml"));
}

/// The kernel tells by this file that it has such directories (Documentation/filesystems/tmpfs.rst).
const CASEFOLD: &str = "/sys/fs/tmpfs/features/casefold";

#[test]
fn casefold() {
    let is_there = std::fs::symlink_metadata(CASEFOLD).is_ok();
    if needs_kernel(
        "a kernel with CONFIG_UNICODE for directories in which case does not matter",
        is_there,
    ) && needs_root()
        && needs("chattr", tool("chattr").is_some())
    {
        in_a_namespace(AS_ROOT, "mounts::casefold_cases");
    }
}

#[test]
#[ignore = "mounts in its own namespace: run by `casefold`"]
fn casefold_cases() {
    agree("casefold", include_str!("../../cases/files/casefold.toml"));
}

fn in_a_namespace(options: &[&str], name: &str) {
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(options);
        unshare
    };
    let status = unshare().arg("true").status();
    let can_start = status.is_ok_and(|status| status.success());
    if needs(&format!("unshare {}", options.join(" ")), can_start) {
        alone_by(unshare(), name);
    }
}
