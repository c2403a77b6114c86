//! The names of `--preset`.

use std::sync::LazyLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use sandboxed::{DestinationPreset, Preset, SocketPreset};

/// Something that is built in: a policy to begin with, destinations, or services by their sockets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PresetName {
    Policy(Preset),
    Destinations(DestinationPreset),
    Sockets(SocketPreset),
}

static NAMES: LazyLock<Vec<PresetName>> = LazyLock::new(|| {
    let policies = Preset::ALL.iter().copied().map(PresetName::Policy);
    let destinations = DestinationPreset::ALL.iter().copied();
    policies
        .chain(destinations.map(PresetName::Destinations))
        .chain(SocketPreset::ALL.iter().copied().map(PresetName::Sockets))
        .collect()
});

impl ValueEnum for PresetName {
    fn value_variants<'a>() -> &'a [Self] {
        &NAMES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, about) = match self {
            Self::Policy(preset) => (preset.as_str(), about(*preset)),
            Self::Destinations(preset) => (preset.as_str(), preset.about()),
            Self::Sockets(preset) => (preset.as_str(), preset.about()),
        };
        Some(PossibleValue::new(name).help(about))
    }
}

const fn about(preset: Preset) -> &'static str {
    match preset {
        Preset::Agent => {
            "Reads everything but secrets; writes the current directory and a private /tmp; no network"
        }
        Preset::ReadOnly => "Like `agent`, but writes nothing of the host",
        Preset::Strict => {
            "Reads only the system and the current directory; writes the current directory and a private /tmp; no network"
        }
        _ => "Nothing at all",
    }
}
