//! `sandbox doctor`: what this host can enforce, and what lifts each obstacle.

use std::fmt::Write as _;
use std::process::ExitCode;

use sandbox_core::escaped;
use sandboxed::{Error, HostFacts, LaunchError, Policy, Preset, Sandbox, Stdio};

use crate::args::Doctor;
use crate::exit;
use crate::failure::Failure;
use crate::render;
use crate::setting::lowered;

/// Prints the facts, the obstacles, and whether a sandbox really starts; the exit code says the last.
pub(crate) fn doctor(doctor: &Doctor) -> Result<ExitCode, Failure> {
    let facts = lowered(&doctor.lower);
    let mut text = format!("{facts}\n\n");
    for obstacle in facts.obstacles() {
        let _ = writeln!(text, "{}: {}", obstacle.part, escaped(&obstacle.reason));
        let _ = writeln!(text, "  so: {}", obstacle.consequence);
        let _ = writeln!(text, "  help: {}\n", escaped(&obstacle.remedy.to_string()));
    }
    let started = start(facts);
    match &started {
        Ok(enforcement) => {
            let _ = write!(
                text,
                "A sandbox starts here, in the tier `namespaces`. What holds the preset `read-only`:\n\n{enforcement}\n"
            );
        }
        Err(_) => text.push_str("No sandbox starts here.\n"),
    }
    render::answer(&text)?;
    match started {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            let _ = render::failure(&error.into());
            Ok(exit::OURS.into())
        }
    }
}

/// Starts a sandbox in fact: settings can be read, a filter around us cannot.
fn start(facts: HostFacts) -> Result<String, Error> {
    let sandbox = Sandbox::builder()
        .facts(facts)
        .build(&Policy::preset(Preset::ReadOnly))?;
    let probe = sandbox
        .command("true")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match probe {
        // Everything was in place when the program was looked for.
        Ok(_) | Err(Error::Launch(LaunchError::Exec { .. })) => {
            Ok(sandbox.enforcement().to_string())
        }
        Err(error) => Err(error),
    }
}
