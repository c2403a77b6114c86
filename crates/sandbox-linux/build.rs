//! Compiles the init program (`init/`): a freestanding ELF image that the library embeds.
//!
//! Plain `rustc` with the linker that comes with it (`rust-lld`); no C compiler is needed. A panic path in the program is a
//! link error.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

const FLAGS: &[&str] = &[
    "--edition=2024",
    "--crate-name=init",
    "--crate-type=bin",
    "--cfg=freestanding",
    "--check-cfg=cfg(freestanding, test)",
    "-Cpanic=abort",
    "-Copt-level=s",
    "-Clto=fat",
    "-Ccodegen-units=1",
    "-Cstrip=symbols",
    "-Cdebuginfo=0",
    "-Coverflow-checks=off",
    "-Cdebug-assertions=off",
    "-Crelocation-model=static",
    "-Cforce-unwind-tables=no",
    "-Clinker=rust-lld",
    "-Clinker-flavor=ld.lld",
    "-Clink-self-contained=no",
    "-Cdefault-linker-libraries=no",
    "-Clink-arg=--nostdlib",
    "-Clink-arg=--static",
    "-Clink-arg=-zseparate-code",
    // Each page of it is one of every idle sandbox's.
    "-Clink-arg=--icf=all",
    "-Clink-arg=--no-eh-frame-hdr",
    "-Clink-arg=--build-id=none",
    "-Crelro-level=off",
];

/// For which the program is written; the library is empty on others.
const ARCHITECTURES: &[&str] = &["x86_64", "aarch64"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rustc-check-cfg=cfg(freestanding)");
    println!("cargo::rerun-if-changed=init");
    println!("cargo::rerun-if-changed=build.rs");
    let (system, architecture) = (
        env::var("CARGO_CFG_TARGET_OS")?,
        env::var("CARGO_CFG_TARGET_ARCH")?,
    );
    if system != "linux" || !ARCHITECTURES.contains(&architecture.as_str()) {
        return Ok(());
    }
    let image = PathBuf::from(variable("OUT_DIR")?).join("init");
    let status = Command::new(variable("RUSTC")?)
        .args(FLAGS)
        .arg("--target")
        .arg(variable("TARGET")?)
        .arg(PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("init/main.rs"))
        .arg("-o")
        .arg(&image)
        .status()?;
    if !status.success() {
        return Err(format!("the init program could not be compiled: {status}").into());
    }
    println!("cargo::rustc-env=SANDBOX_INIT={}", image.display());
    Ok(())
}

/// A variable that cargo sets.
fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"))
}
