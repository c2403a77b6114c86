//! A program that runs `wc` on a file, before and after: one line more, and another word before `command`.
//!
//! `cargo run -p sandboxed --example replace_command -- FILE`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use sandboxed::{Policy, Preset, Sandbox};

/// As it was: `wc` can do whatever this program can.
fn before(file: &str) -> Result<String, Box<dyn std::error::Error>> {
    let output = std::process::Command::new("wc")
        .args(["-l", file])
        .output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// Confined: it reads, and does nothing else. All but the first two lines is the same.
fn after(file: &str) -> Result<String, Box<dyn std::error::Error>> {
    let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly))?; // keep it: further commands start three times as fast
    let output = sandbox.command("wc").args(["-l", file]).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or("/etc/passwd".to_owned());
    print!("before: {}after:  {}", before(&file)?, after(&file)?);
    Ok(())
}

#[cfg(test)]
#[test]
fn both_say_the_same() {
    let lines = after("/etc/passwd").unwrap();
    assert!(lines.ends_with(" /etc/passwd\n"), "{lines}");
    assert_eq!(lines, before("/etc/passwd").unwrap());
}
