//! Sets `cfg(backend)` where there is something to measure: the systems for which `sandbox-linux` is more than empty.

use std::env::{self, VarError};

fn main() -> Result<(), VarError> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(backend)");
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    if env::var("CARGO_CFG_TARGET_OS")? == "linux"
        && matches!(architecture.as_str(), "x86_64" | "aarch64")
    {
        println!("cargo::rustc-cfg=backend");
    }
    Ok(())
}
