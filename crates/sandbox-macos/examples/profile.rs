//! Prints the profile that a policy file becomes for commands in the current directory: `profile POLICY [PORT]...`, with the ports at which a
//! gateway serves. `.ci/macos` asks a Mac's kernel about it.

use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;

use sandbox_core::{Context, Policy, Ruleset, own_addresses};
use sandbox_macos::{Facts, Profile};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let file = arguments.next().ok_or("profile POLICY [PORT]...")?;
    let policy = Policy::from_file(Path::new(&file))?;
    let mut context = Context::detect()?;
    context.addresses = own_addresses()?;
    let ruleset = Ruleset::resolve(&policy, &context)?;
    let mut facts = Facts::default();
    facts.gateway = arguments.map(port).collect::<Result<_, _>>()?;
    let profile = Profile::compile(&ruleset, &facts)?;
    std::io::stdout().write_all(profile.to_string().as_bytes())?;
    Ok(())
}

fn port(text: OsString) -> Result<u16, Box<dyn Error>> {
    let text = text.into_string().map_err(|_| "a port is a number")?;
    Ok(text.parse()?)
}
