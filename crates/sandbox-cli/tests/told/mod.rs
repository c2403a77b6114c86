//! What `--events` and the lines at the end tell.

use std::fs;

use sandbox_testing::{Host, Outcome};
use serde_json::Value;

/// Where the events are written to.
pub(crate) const EVENTS: &str = "@policies/events";

/// What was written there of denials, or of all else; it is taken away.
pub(crate) fn events_of(host: &Host, is_one: fn(&Value) -> bool) -> Vec<Value> {
    let text = host.read(EVENTS);
    fs::remove_file(host.path(EVENTS)).unwrap();
    assert!(
        text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n')),
        "{text}"
    );
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.filter(is_one).collect()
}

/// Whether an event is a denial.
pub(crate) fn is_denial(event: &Value) -> bool {
    event.get("operation").is_some()
}

/// The lines that are ours.
pub(crate) fn told(outcome: &Outcome) -> Vec<String> {
    let errors = outcome.errors();
    let ours = errors.lines().filter(|line| line.starts_with("sandbox: "));
    ours.map(str::to_owned).collect()
}
