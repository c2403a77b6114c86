//! `sandbox doctor`: what this host can enforce, and what lifts each obstacle.

mod facilities;

use std::fmt::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use sandbox_core::escaped;
use sandboxed::{Enforcement, Error, HostFacts, LaunchError, Policy, Preset, Sandbox, Stdio};
use serde_json::{Map, Value, json};

use self::facilities::{FACILITIES, Facility};
use crate::args::Doctor;
use crate::failure::Failure;
use crate::host::lowered;
use crate::{exit, json, render};

const PRESENT: Style = AnsiColor::Green.on_default();
const MISSING: Style = AnsiColor::Red.on_default();

/// Prints the facts, the facilities, and whether a sandbox really starts; the exit code says the last.
pub(crate) fn doctor(doctor: &Doctor) -> Result<ExitCode, Failure> {
    let facts = lowered(&doctor.lower);
    let started = start(facts.clone());
    if doctor.json {
        json::print(object(&facts, &started))?;
    } else {
        render::answer(&text(&facts, &started))?;
    }
    match started {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            let _ = render::failure(&error.into());
            Ok(exit::OURS.into())
        }
    }
}

fn text(facts: &HostFacts, started: &Result<Enforcement, Error>) -> String {
    let mut text = format!("{facts}\n\n");
    let obstacles = facts.obstacles();
    for facility in FACILITIES {
        let (style, word) = if facility.is_present(facts) {
            (PRESENT, "present")
        } else {
            (MISSING, "missing")
        };
        let _ = writeln!(
            text,
            "{style}{word}{style:#}  {}: {}",
            facility.name, facility.purpose
        );
        if facility.is_present(facts) {
            continue;
        }
        let _ = writeln!(text, "         without it: {}", facility.without);
        if let Some(obstacle) = facility.obstacle(&obstacles) {
            let _ = writeln!(text, "         why:  {}", escaped(&obstacle.reason));
            let _ = writeln!(
                text,
                "         help: {}",
                escaped(&obstacle.remedy.to_string())
            );
        }
    }
    match started {
        Ok(enforcement) => {
            let _ = write!(
                text,
                "\nA sandbox starts here, in the tier `namespaces`. What holds the preset `read-only`:\n\n{enforcement}\n"
            );
        }
        Err(_) => text.push_str("\nNo sandbox starts here.\n"),
    }
    text
}

fn object(facts: &HostFacts, started: &Result<Enforcement, Error>) -> Map<String, Value> {
    let obstacles = facts.obstacles();
    let facility = |facility: &Facility| {
        let is_present = facility.is_present(facts);
        let obstacle = facility.obstacle(&obstacles).filter(|_| !is_present);
        json!({
            "name": facility.name,
            "present": is_present,
            "purpose": facility.purpose,
            "without": facility.without,
            "reason": obstacle.map(|obstacle| obstacle.reason.clone()),
            "remedy": obstacle.map(|obstacle| obstacle.remedy.to_string()),
        })
    };
    let facilities: Vec<_> = FACILITIES.iter().map(facility).collect();
    json::object([
        ("kernel", facts.kernel.to_string().into()),
        ("landlock_abi", facts.landlock_abi.into()),
        ("uid", facts.uid.into()),
        ("gid", facts.gid.into()),
        ("facilities", facilities.into()),
        ("starts", started.is_ok().into()),
        (
            "error",
            started.as_ref().err().map(ToString::to_string).into(),
        ),
        (
            "enforcement",
            started.as_ref().map_or(Value::Null, json::enforcement),
        ),
    ])
}

/// Starts a sandbox in fact: settings can be read, a filter around us cannot.
fn start(facts: HostFacts) -> Result<Enforcement, Error> {
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
        Ok(_) | Err(Error::Launch(LaunchError::Exec { .. })) => Ok(sandbox.enforcement()),
        Err(error) => Err(error),
    }
}
