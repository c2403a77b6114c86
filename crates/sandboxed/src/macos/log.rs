//! What the kernel's reports of denials are to whoever is told of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use sandbox_core::{Decision, Event, NameOf, Process, Verdict};
use sandbox_macos::{Tag, Violation, Watch};

use super::Error;
use crate::denials::Teller;

/// A report comes a moment later than the denial. Nothing says which was the last.
const MOMENT: Duration = Duration::from_millis(300);
/// Why something is denied that the rules allow.
const BEYOND: &str = "macOS is asked about names alone, and denies more than the rule says";

/// The log, while somebody is told.
#[derive(Debug)]
pub(crate) struct Log {
    _watch: Watch,
}

impl Log {
    pub(crate) fn read(program: &Path, tag: Tag, teller: &Arc<Teller>) -> Result<Self, Error> {
        let teller = Arc::clone(teller);
        let watch = Watch::start(program, tag, move |violation| tell(&teller, &violation));
        let watch = watch.map_err(|source| Error::Log { source })?;
        Ok(Self { _watch: watch })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Then the watch ends.
        thread::sleep(MOMENT);
    }
}

fn tell(teller: &Teller, violation: &Violation) {
    let Some((operation, attempt)) = violation.attempt() else {
        return;
    };
    let is_new = |operation, attempt| {
        let decided = teller.ruleset().decide(&attempt);
        let is_beyond = decided.verdict == Verdict::Allow;
        let decision = if is_beyond {
            Decision::denied(None, None)
        } else {
            let there = |path: &Path| path.symlink_metadata().is_ok();
            let remedy = match &attempt {
                sandbox_core::Attempt::Write { path } => {
                    teller
                        .ruleset()
                        .opens(path, operation, NameOf::Directory, there)
                }
                _ => decided.remedy,
            };
            Decision::denied(decided.rule, remedy)
        };
        let mut event = Event::new(operation, attempt, decision, SystemTime::now());
        event.detail = is_beyond.then(|| BEYOND.to_owned());
        let program = PathBuf::from(&violation.program);
        event.process = Some(Process::new(violation.pid, Some(program)));
        event
    };
    for _ in 0..violation.count.min(MOST) {
        teller.add(operation, attempt.clone(), is_new);
    }
}

/// A report stands for so many at most.
const MOST: u64 = 1000;
