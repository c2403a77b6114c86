//! Sets `cfg(backend)` where there is one, and which as `cfg(backend = "…")`: `linux` for the systems for which `sandbox-linux` is more
//! than empty, `macos`.

use std::env::{self, VarError};

fn main() -> Result<(), VarError> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(backend, values(none(), \"linux\", \"macos\"))");
    let system = env::var("CARGO_CFG_TARGET_OS")?;
    let architecture = env::var("CARGO_CFG_TARGET_ARCH")?;
    let is_64_bit = matches!(architecture.as_str(), "x86_64" | "aarch64");
    if is_64_bit && matches!(system.as_str(), "linux" | "macos") {
        println!("cargo::rustc-cfg=backend");
        println!("cargo::rustc-cfg=backend=\"{system}\"");
    }
    Ok(())
}
