//! What is told while a command runs: a line for each event to whoever asked for a log, and at the end what was denied.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use sandbox_core::ascii_json;
use sandboxed::{Changes, Event, NetworkEvent};

use crate::args::Watching;
use crate::changed;
use crate::denied::Denied;
use crate::failure::Failure;
use crate::json;
use crate::log::Log;
use crate::render;

/// What has happened so far.
#[derive(Debug)]
pub(crate) struct Traffic {
    /// Where the command runs.
    directory: PathBuf,
    network: Option<Log>,
    events: Option<Log>,
    denied: Mutex<Denied>,
}

impl Traffic {
    /// Opens the logs; the command runs in `directory`.
    pub(crate) fn new(watching: &Watching, directory: &Path) -> Result<Self, Failure> {
        let open = |of, place: &Option<_>| {
            let place = place.as_ref();
            place.map(|place| Log::open(of, place)).transpose()
        };
        Ok(Self {
            directory: directory.to_owned(),
            network: open("the network's", &watching.log_network)?,
            events: open("the events'", &watching.events)?,
            denied: Mutex::new(Denied::new(directory)),
        })
    }

    /// Takes note of what happened at the gateway; on its thread.
    pub(crate) fn tell(&self, event: &NetworkEvent) {
        if let Some(log) = &self.network {
            log.write(event.to_json());
        }
    }

    /// Takes note of what was denied.
    pub(crate) fn deny(&self, event: &Event) {
        if let Some(log) = &self.events {
            log.write(ascii_json(&json::event(event).to_string()));
        }
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        denied.add(event);
    }

    /// Tells what has changed on the host.
    pub(crate) fn tell_changed(&self, changes: &Changes) {
        if let Some(log) = &self.events {
            let time = SystemTime::now();
            let told = changes.all.iter().map(|change| json::change(change, time));
            let omitted =
                (changes.omitted > 0).then(|| json::changes_omitted(changes.omitted, time));
            for line in told.chain(omitted) {
                log.write(ascii_json(&line.to_string()));
            }
        }
        for line in changed::lines(changes, &self.directory) {
            render::note(&line);
        }
    }

    /// Prints what was denied.
    pub(crate) fn tell_denied(&self) {
        let denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        for line in denied.lines() {
            render::note(line);
        }
        if denied.has_more() {
            render::note("more was denied: `--events FILE` has more of it");
        }
    }
}
