//! Options about the network while a command runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{OsStringValueParser, PathBufValueParser, TypedValueParser as _};

use crate::log::Place;

/// What is told of the network while a command runs, and by whom its rules are changed.
#[derive(Debug, Default, Args)]
pub(crate) struct Watching {
    /// Write a line of JSON for each connection and each denial to this file; `-` is standard error
    ///
    /// Lines are added to what is there. docs/json.md describes them.
    #[arg(long, value_name = "FILE", value_parser = PathBufValueParser::new().map(log))]
    pub(crate) log_network: Option<Place>,
    /// Write a line of JSON for each denial, with what would allow it, and for what has changed in the end, to this file or descriptor; `-` is standard error
    ///
    /// Lines are added to what is there. docs/json.md describes them.
    #[arg(long, value_name = "FILE|fd:N", value_parser = OsStringValueParser::new().try_map(events))]
    pub(crate) events: Option<Place>,
    /// Take other rules about the network from this descriptor while the command runs, a socket
    ///
    /// A line of JSON for each change, `{"update_network": {…}}` with a policy's table `network`; a line answers it.
    #[arg(long, value_name = "FD", value_parser = clap::value_parser!(i32).range(3..))]
    pub(crate) control_fd: Option<i32>,
}

/// A file, or standard error.
fn log(path: PathBuf) -> Place {
    if path == Path::new("-") {
        Place::Stderr
    } else {
        Place::File(path)
    }
}

/// The same, or a descriptor.
fn events(place: OsString) -> Result<Place, &'static str> {
    let Some(number) = place.to_str().and_then(|text| text.strip_prefix("fd:")) else {
        return Ok(log(place.into()));
    };
    match number.parse() {
        Ok(number @ 3..) => Ok(Place::Descriptor(number)),
        _ => Err("a descriptor is `fd:3` or higher; a file of that name is `./fd:N`"),
    }
}
