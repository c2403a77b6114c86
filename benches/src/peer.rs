//! bubblewrap with the isolation that ours has, as far as it can: it has no system call filter of its own and no Landlock, so it does less.

use std::path::Path;
use std::process::Command;

use sandboxed::Preset;

use crate::Home;

/// What a deny-by-default view needs of `/etc`, as in the preset `strict`.
const ETC: &[&str] = &[
    "/etc/alternatives",
    "/etc/group",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/resolv.conf",
    "/etc/ssl",
];

/// Links to `/usr` on every distribution of today.
const MERGED: &[(&str, &str)] = &[
    ("usr/bin", "/bin"),
    ("usr/sbin", "/sbin"),
    ("usr/lib", "/lib"),
    ("usr/lib64", "/lib64"),
];

/// A `bwrap` command line that ends before the command.
#[must_use]
pub fn bwrap(preset: Preset, home: &Path) -> Command {
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]);
    if preset == Preset::Strict {
        command.args(["--ro-bind", "/usr", "/usr"]);
        for (target, link) in MERGED {
            command.args(["--symlink", target, link]);
        }
        for path in ETC {
            command.args(["--ro-bind-try", path, path]);
        }
    } else {
        command.args(["--ro-bind", "/", "/"]);
    }
    command.args([
        "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/run",
    ]);
    let workspace = home.join("project");
    if preset != Preset::Strict {
        for secret in Home::secrets() {
            let path = home.join(secret.name);
            if secret.name == secret.file {
                command.arg("--ro-bind").arg("/dev/null").arg(path);
            } else {
                command.arg("--tmpfs").arg(path);
            }
        }
    }
    command
        .arg("--bind")
        .arg(&workspace)
        .arg(&workspace)
        .arg("--chdir")
        .arg(&workspace)
        .arg("--");
    command
}
