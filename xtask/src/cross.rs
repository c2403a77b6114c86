//! Other systems than this one: what compiles for them, and what an emulator can run of the tests.
//!
//! Nothing else depends on it: where a target or a tool is missing, it is skipped and said so.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

use crate::run::{Error, cargo, run};
use crate::suite::{concluded, sysroot};
use crate::tally::Tally;

/// The target, and what is compiled of each member of the workspace: its tests only where there is a backend.
const COMPILED: &[(&str, &[&str])] = &[
    ("x86_64-pc-windows-gnu", &["--lib", "--bins", "--examples"]),
    (LINTED, &["--lib", "--bins", "--examples"]),
    // Linux without a backend.
    ("i686-unknown-linux-gnu", &["--lib", "--bins", "--examples"]),
    (EMULATED, &["--all-targets"]),
];

/// What nobody here runs is looked at more closely.
const LINTED: &str = "aarch64-apple-darwin";
const EMULATED: &str = "aarch64-unknown-linux-gnu";
/// The linker and the emulator (Debian: gcc-aarch64-linux-gnu, qemu-user).
const TOOLS: [&str; 2] = ["aarch64-linux-gnu-gcc", "qemu-aarch64"];
/// The C library to link with (Debian: libc6-dev-arm64-cross).
const LIBC: &str = "/usr/aarch64-linux-gnu/lib/libc.a";
/// Crates whose unit tests are run.
const TESTED: [&str; 3] = ["sandbox-core", "sandbox-linux", "sandboxed"];
/// Their modules that start sandboxes: the emulator passes system calls on to this machine's kernel, and has neither filters nor Landlock; nor
/// `openat2`, which what lists and looks into directories is about; and its programs are there before they are executed, which who has a socket
/// is about, and what tells that there is none.
const NEED_A_KERNEL: [&str; 9] = [
    "launch::",
    "child::",
    "doors::",
    "holders::",
    "notifier::tests::",
    "notifier::there::",
    "os::listing::",
    "review::tests::what_lies_on_the_way",
    "macos::tests::",
];

/// Compiles for every target, and runs what can be run.
pub(crate) fn check() -> Result<Tally, Error> {
    let installed = sysroot()?.join("lib/rustlib");
    let mut total = Tally::default();
    for (target, parts) in COMPILED {
        total += if is_there(&installed.join(target)) {
            compiles(target, parts)?
        } else {
            Tally::skipped(&format!(
                "the target {target}: `rustup target add {target}`"
            ))
        };
    }
    total += emulated(&installed)?;
    Ok(total)
}

fn compiles(target: &str, parts: &[&str]) -> Result<Tally, Error> {
    let mut command = cargo();
    command
        .arg(if target == LINTED { "clippy" } else { "check" })
        .args(["--workspace", "--locked", "--target", target])
        .args(parts)
        .env("RUSTFLAGS", "-Dwarnings");
    match run(&mut command) {
        Ok(()) => Ok(Tally {
            passed: 1,
            ..Tally::default()
        }),
        Err(Error::Failed { .. }) => Ok(Tally {
            failed: 1,
            ..Tally::default()
        }),
        Err(error) => Err(error),
    }
}

fn emulated(installed: &Path) -> Result<Tally, Error> {
    if env::consts::ARCH == "aarch64" {
        println!("# this machine is {EMULATED}: `cargo xtask test` runs the tests");
        return Ok(Tally::default());
    }
    let missing = TOOLS.into_iter().find(|tool| !is_on_path(tool));
    let missing = missing.or_else(|| (!is_there(Path::new(LIBC))).then_some(LIBC));
    if let Some(missing) = missing {
        return Ok(Tally::skipped(&format!(
            "{missing} for the tests of {EMULATED}"
        )));
    }
    if !is_there(&installed.join(EMULATED)) {
        return Ok(Tally::skipped(&format!("{EMULATED} for its tests")));
    }
    let [linker, emulator] = TOOLS;
    let mut command = cargo();
    command.args(["test", "--lib", "--locked", "--no-fail-fast"]);
    command.args(["--target", EMULATED]);
    command.args(TESTED.iter().flat_map(|name| ["-p", name]));
    command.arg("--");
    command.args(NEED_A_KERNEL.iter().flat_map(|module| ["--skip", module]));
    command
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", linker)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER", emulator)
        // Static: the emulator's way to find libraries lays another tree over this machine's.
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
        // It takes thirty times as long, and the laws don't depend on the machine.
        .env("PROPTEST_CASES", "16")
        .env("INSTA_UPDATE", "no");
    println!(
        "# left out, and counted as skipped: {} need a kernel of that architecture",
        NEED_A_KERNEL.join(" and ")
    );
    concluded(&mut command)
}

fn is_on_path(tool: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|directory| is_there(&directory.join(OsStr::new(tool))))
}

fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(false)
}
