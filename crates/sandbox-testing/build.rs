//! Compiles the payload, so that each test executable carries it and runs as any user, from any place, without a compiler.

#![expect(
    clippy::expect_used,
    reason = "a build script's only way to fail is to end"
)]

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=payload");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let [system, architecture] = ["CARGO_CFG_TARGET_OS", "CARGO_CFG_TARGET_ARCH"]
        .map(|name| env::var(name).expect("cargo sets it"));
    if system != "linux" || !matches!(architecture.as_str(), "x86_64" | "aarch64") {
        return;
    }
    let output = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("payload");
    let mut compile = Command::new(env::var_os("RUSTC").expect("cargo sets it"));
    compile
        .args(["--edition=2024", "--crate-name=payload", "payload/main.rs"])
        .args(["-Copt-level=1", "-Cstrip=symbols", "-Cpanic=abort"])
        .arg("--target")
        .arg(env::var_os("TARGET").expect("cargo sets it"))
        .arg("-o")
        .arg(output);
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = std::ffi::OsString::from("-Clinker=");
        option.push(linker);
        compile.arg(option);
    } else if env::var_os("TARGET") != env::var_os("HOST") {
        // For another system without a linker for it, as in `cargo check`: an object, which nothing can run.
        compile.arg("--emit=obj");
    }
    let status = compile.status().expect("cargo's compiler runs");
    assert!(status.success(), "the payload does not compile");
}
