//! The whole table of `docs/performance.md`: everything is built as it is shipped, and measured one after the other.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::User;
use std::os::unix::process::CommandExt;

use crate::run::{Error, cargo, read, run};
use crate::user::Place;

/// In this order; each prints its own goals.
const BENCHES: &[&str] = &[
    "spawn",
    "rules",
    "callers",
    "concurrent",
    "streams",
    "gateway",
    "walk",
    "watch",
    "work",
    "notifier",
];
/// A workspace of its own, so that nothing of it is in ours.
const PEERS: &str = "benches/peers/Cargo.toml";

/// Measures, as `user` if one is given, who need not be able to read this directory.
pub(crate) fn all(user: Option<&str>) -> Result<(), Error> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    run(cargo().args(["build", "--release", "--locked", "-p", "benches"]))?;
    let sandbox = shipped(&root)?;
    let mut programs: Vec<PathBuf> = BENCHES
        .iter()
        .map(|name| root.join("target/release").join(name))
        .collect();
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--manifest-path"]);
    match run(build.arg(root.join(PEERS))) {
        Ok(()) => programs.push(root.join("benches/peers/target/release/peers")),
        Err(error) => eprintln!("NOT MEASURED: the other libraries: {error}"),
    }
    run(Command::new("uname").arg("-srm"))?;
    // What one cannot run is no reason not to measure the rest; it is a failure all the same.
    let mut measured = Ok(());
    let Some(name) = user else {
        for program in &programs {
            measured = measured.and(run(Command::new(program).env("SANDBOX_BIN", &sandbox)));
        }
        return measured;
    };
    let user = User::from_name(name).ok().flatten();
    let user = user.ok_or_else(|| Error::NoUser(name.to_owned()))?;
    let place = Place::new(&user.dir)?;
    let sandbox = place.copy(&sandbox)?;
    for program in programs {
        let mut command = Command::new(place.copy(&program)?);
        command
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .current_dir(&user.dir)
            .env_clear()
            .env("HOME", &user.dir)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("SANDBOX_BIN", &sandbox);
        measured = measured.and(run(&mut command));
    }
    measured
}

/// The binary as it is shipped: a static one, where the target for it is installed.
fn shipped(root: &Path) -> Result<PathBuf, Error> {
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut libraries = Command::new("rustc");
    libraries.args(["--print", "target-libdir", "--target", &target]);
    let directory = read(&mut libraries)?;
    let directory = PathBuf::from(String::from_utf8_lossy(&directory).trim_end());
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "-p", "sandbox-cli"]);
    if directory.is_dir() {
        run(build.args(["--target", &target]))?;
        return Ok(root.join("target").join(target).join("release/sandbox"));
    }
    eprintln!("NOTE: no target {target} here: the binary is a glibc one, which starts slower");
    run(&mut build)?;
    Ok(root.join("target/release/sandbox"))
}
