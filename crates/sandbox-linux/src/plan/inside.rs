//! What one path is inside, and which mechanisms hold what is refused there: the plan's answer to a question about a path.
//!
//! Rules say what a command may do with the *host's* file. `/dev` and `/proc` are the sandbox's own whatever they say, and
//! a name that does not exist is not held by anything; so an answer needs both.

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use sandbox_core::{above, is_within, upwards};

use super::{DEVICE_LINKS, DEVICES, Plan, Step};
use crate::landlock::REFER_ABI;
use crate::notifier::Names;
use crate::view::{LiveKind, Node};

/// What a path is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Inside {
    /// The host's own file or directory.
    Host {
        /// Whether it can be changed.
        writable: bool,
    },
    /// A private directory, or in one: nothing of the host.
    Scratch,
    /// A directory that is put together: what is visible of the host's is in it.
    Assembled,
    /// Nothing of the host's can be seen there.
    Hidden,
    /// A device, terminal or link of the private `/dev`, or one of the host's that was put there.
    Device,
    /// The private `/dev` itself, or its directory of terminals.
    Devices,
    /// A name that the private `/dev` does not have.
    NoDevice,
    /// The sandbox's own `/proc`.
    Processes,
}

impl Inside {
    /// A word for it that does not change.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host { writable: false } => "read-only",
            Self::Host { writable: true } => "writable",
            Self::Scratch => "scratch",
            Self::Assembled => "assembled",
            Self::Hidden => "hidden",
            Self::Device => "device",
            Self::Devices => "devices",
            Self::NoDevice => "no-device",
            Self::Processes => "processes",
        }
    }

    /// Whether something can be read there; `None` where the rules alone say so.
    #[must_use]
    pub const fn is_readable(self) -> Option<bool> {
        match self {
            Self::Device | Self::Devices | Self::Processes => Some(true),
            Self::NoDevice => Some(false),
            Self::Host { .. } | Self::Scratch | Self::Assembled | Self::Hidden => None,
        }
    }

    /// Whether something can be written there; `None` where the rules alone say so.
    #[must_use]
    pub const fn is_writable(self) -> Option<bool> {
        match self {
            Self::Device => Some(true),
            Self::Devices | Self::NoDevice | Self::Processes => Some(false),
            Self::Host { .. } | Self::Scratch | Self::Assembled | Self::Hidden => None,
        }
    }
}

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host { writable: false } => "the host's, read-only",
            Self::Host { writable: true } => "the host's, writable",
            Self::Scratch => "private and empty, gone afterwards",
            Self::Assembled => "put together from what is visible of the host's, read-only",
            Self::Hidden => "hidden",
            Self::Device => "a device of the sandbox's own /dev",
            Self::Devices => "the sandbox's own /dev, read-only",
            Self::NoDevice => "the sandbox's own /dev, which has no such device",
            Self::Processes => "the sandbox's own /proc, read-only",
        })
    }
}

impl Plan {
    /// What a path is inside. It is absolute, and no link leads to it.
    ///
    /// ```
    /// use sandbox_core::{Context, Policy, Preset, Ruleset};
    /// use sandbox_linux::{HostFacts, Inside, Plan};
    ///
    /// let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
    /// let plan = Plan::compile(&ruleset, &HostFacts::complete())?;
    /// assert_eq!(plan.inside("/dev/null".as_ref()), Inside::Device);
    /// assert_eq!(plan.inside("/dev/sda".as_ref()), Inside::NoDevice);
    /// assert_eq!(plan.inside("/usr".as_ref()), Inside::Host { writable: false });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn inside(&self, path: &Path) -> Inside {
        match self.view.node_of(path) {
            Some((
                _,
                Node::Live {
                    kind: LiveKind::Device,
                    ..
                },
            )) => Inside::Device,
            Some((_, Node::Live { writable, .. })) => Inside::Host {
                writable: *writable || self.is_opened(path),
            },
            Some((_, Node::Scratch)) => Inside::Scratch,
            Some((_, Node::Link { .. })) => Inside::Host { writable: false },
            Some((_, Node::Devices)) if is_device_directory(path) => Inside::Devices,
            Some((_, Node::Devices)) if is_own_device(path) => Inside::Device,
            Some((_, Node::Devices)) => Inside::NoDevice,
            Some((_, Node::Processes)) => Inside::Processes,
            Some((_, Node::Assembled)) if self.is_put_together(path) => Inside::Assembled,
            Some((at, Node::Assembled)) if self.is_added(at, path) => {
                Inside::Host { writable: false }
            }
            Some((_, Node::Cover(_) | Node::Assembled)) | None => Inside::Hidden,
        }
    }

    /// What holds that a path can't be read; none if nothing does.
    #[must_use]
    pub fn holds_reading(&self, path: &Path) -> Vec<&'static str> {
        match self.view.node_of(path) {
            Some((_, Node::Cover(_))) => vec!["mount namespace: a cover"],
            Some((at, Node::Assembled)) if self.is_added(at, path) => Vec::new(),
            // What was not put in is neither mounted nor granted, unless a grant lies above.
            Some((at, Node::Assembled)) => self.with_landlock(
                "mount namespace: not put in",
                upwards(at).skip(1).all(|above| !self.is_granted(above)),
            ),
            Some((_, Node::Devices)) if self.inside(path) == Inside::NoDevice => {
                self.with_landlock("private /dev", true)
            }
            None => self.with_landlock("mount namespace: not put in", true),
            // Nothing is there yet.
            Some((_, Node::Live { .. })) if self.is_watched(path) => {
                vec!["the watch, once the host makes it"]
            }
            _ => Vec::new(),
        }
    }

    /// What holds that a path can't be written; none if nothing does.
    #[must_use]
    pub fn holds_writing(&self, path: &Path) -> Vec<&'static str> {
        let is_in_made = |names: &Arc<Names>| names.denies_in_made(path);
        match self.view.node_of(path) {
            // The mount is writable by then.
            Some(_) if self.names.as_ref().is_some_and(is_in_made) => vec!["notifier: by name"],
            Some((
                at,
                Node::Live {
                    writable: false, ..
                },
            )) => {
                // Landlock has no denial: a grant of writing above holds here too.
                let alone = upwards(at).skip(1).any(|above| {
                    matches!(
                        self.view.node(above),
                        Some(Node::Live { writable: true, .. } | Node::Scratch)
                    )
                });
                let openings = self
                    .names
                    .as_ref()
                    .map_or(&[][..], |names| names.openings());
                let is_opened = openings.iter().any(|it| is_within(path, &it.directory));
                self.with_landlock("mount namespace: read-only", !alone && !is_opened)
            }
            Some((_, Node::Link { .. })) => self.with_landlock("mount namespace: read-only", true),
            Some((at, Node::Assembled))
                if self.is_put_together(path) || self.is_added(at, path) =>
            {
                self.with_landlock("mount namespace: read-only", true)
            }
            Some((_, Node::Devices | Node::Processes)) => {
                self.with_landlock("mount namespace: read-only", true)
            }
            // What the rules deny in a writable tree is a name.
            Some((_, Node::Live { writable: true, .. }))
                if self.names.as_ref().is_some_and(|names| names.denies(path)) =>
            {
                vec!["notifier: by name"]
            }
            _ => self.holds_reading(path),
        }
    }

    /// What holds that the socket at a path can't be connected to; none if nothing does. No mount does where it can be seen.
    #[must_use]
    pub fn holds_socket(&self, path: &Path) -> Vec<&'static str> {
        match self.holds_reading(path) {
            nothing if nothing.is_empty() && self.names.is_some() => vec!["notifier"],
            hidden => hidden,
        }
    }

    /// Whether it may be made where its mount is read-only.
    fn is_opened(&self, path: &Path) -> bool {
        let names = self.names.as_ref();
        names.is_some_and(|names| names.opened(path).next().is_some())
    }

    fn with_landlock(&self, first: &'static str, landlock: bool) -> Vec<&'static str> {
        let second = (landlock && self.landlock_abi >= REFER_ABI).then_some("Landlock");
        std::iter::once(first).chain(second).collect()
    }

    /// Whether the path, or something above it, is a name that is covered when the host makes it.
    fn is_watched(&self, path: &Path) -> bool {
        let names = self.steps.iter().filter_map(|step| match step {
            Step::Watch { names, .. } => Some(names.steps()),
            _ => None,
        });
        let names = names.flatten();
        let mut covered = names.filter(|step| matches!(step, Step::Cover { .. }));
        covered.any(|step| step.path().is_some_and(|name| is_within(path, name)))
    }

    /// Whether a path in a private directory is one itself: it is on the way to what was put there.
    fn is_put_together(&self, path: &Path) -> bool {
        self.view.nodes().any(|(node, _)| is_within(node, path))
    }

    /// Whether what the host makes at this path, which is not there, is put into the directory that was put together around
    /// it.
    fn is_added(&self, directory: &Path, path: &Path) -> bool {
        let below = path.strip_prefix(directory).ok();
        let Some(name) = below.and_then(|below| below.components().next()) else {
            return false;
        };
        let followed = self.steps.iter().flat_map(|step| match step {
            Step::Follow { directories, .. } => directories.as_slice(),
            _ => &[],
        });
        let mut here = followed.filter(|it| it.path == directory);
        // In any case of its letters, as init has it.
        let is_fixed = |fixed: &OsString| fixed.eq_ignore_ascii_case(name.as_os_str());
        here.any(|it| !it.fixed.iter().any(is_fixed))
    }

    /// Whether Landlock lets something be read at all below this very path.
    fn is_granted(&self, path: &Path) -> bool {
        matches!(
            self.view.node(path),
            Some(Node::Live { .. } | Node::Scratch)
        )
    }
}

fn is_device_directory(path: &Path) -> bool {
    ["/dev", "/dev/pts"]
        .iter()
        .any(|directory| path.as_os_str() == *directory)
}

/// Whether every private `/dev` has this: a node, a link, or a terminal.
fn is_own_device(path: &Path) -> bool {
    let dev = Path::new("/dev");
    if is_within(path, "/dev/pts".as_ref()) {
        return true;
    }
    let mut names = DEVICES
        .into_iter()
        .chain(DEVICE_LINKS.iter().map(|(name, _)| *name));
    above(path) == Some(dev) && names.any(|name| path == dev.join(name))
}

#[cfg(test)]
mod tests;
