//! The words and numbers of a policy that are not about one path or name.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::{MacOptions, Source};

/// A policy that is built in.
///
/// ```
/// use sandbox_core::Preset;
///
/// assert_eq!(Preset::ReadOnly.to_string(), "read-only");
/// assert_eq!(Preset::ALL.len(), 4);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Preset {
    /// Reads everything but secrets, writes the current directory and a private `/tmp`, no network, no secret variables.
    Agent,
    /// Like `Agent`, but writes nothing of the host.
    ReadOnly,
    /// Reads only the system and the current directory, writes the current directory and a private `/tmp`.
    Strict,
    /// No rule at all: nothing is readable. The start for a policy that spells out everything.
    None,
}

/// A set of destinations that is built in: a service, at all names that it is reached at, or what a package manager asks. Each of them is
/// allowed unless the policy itself has a rule about the same.
///
/// What package managers ask is what the person has configured them to ask, by variables and by files that no command under the policy
/// could have written; where nothing says so, their own registry.
///
/// ```
/// use sandbox_core::DestinationPreset;
///
/// assert_eq!(DestinationPreset::DockerHub.to_string(), "docker-hub");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DestinationPreset {
    /// GitHub, as git and its API reach it.
    Github,
    /// GitLab's own service.
    Gitlab,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Docker's registry of images.
    DockerHub,
    /// GitHub's registry of images.
    Ghcr,
    /// Anthropic's models.
    Anthropic,
    /// `OpenAI`'s models.
    Openai,
    /// Google's Gemini models, by their key.
    Gemini,
    /// Hugging Face: models, data sets, inference.
    Huggingface,
    /// What npm asks.
    Npm,
    /// What pip and uv ask.
    Pip,
    /// What cargo asks.
    Cargo,
    /// What Go asks for modules.
    Go,
    /// What Maven asks.
    Maven,
    /// What apt asks.
    Debian,
}

/// Names that are protected in every writable directory only where a policy asks for it, since to write them is ordinary work.
///
/// ```
/// use sandbox_core::ProtectedGroup;
///
/// assert_eq!(ProtectedGroup::Ci.to_string(), "ci");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProtectedGroup {
    /// What a CI runs by itself once it is pushed: `.github/workflows`, `.gitlab-ci.yml`, `Jenkinsfile` and the like.
    Ci,
}

/// A service of the person's that is reached by a Unix socket, with what programs read to talk to it. A rule of the policy itself about
/// the same path replaces that of a preset.
///
/// ```
/// use sandbox_core::SocketPreset;
///
/// assert_eq!(SocketPreset::SshAgent.to_string(), "ssh-agent");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketPreset {
    /// The ssh agent, with `known_hosts` and `config`.
    SshAgent,
    /// The gpg agent, with the public keys.
    GpgAgent,
    /// Docker's daemon. Whoever reaches it is root on this machine.
    Docker,
}

/// How much of the network the command has.
///
/// ```
/// use sandbox_core::Network;
///
/// assert_eq!(Network::default().to_string(), "deny");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Network {
    /// A network of its own; of other destinations only what a rule allows.
    #[default]
    Deny,
    /// As `Deny`, and a person is asked about what no rule names.
    Ask,
    /// A network of its own; every destination but closed addresses and what a rule denies.
    Allow,
    /// The host's network, not isolated at all.
    Host,
}

/// A set of mechanisms that enforces a policy.
///
/// ```
/// use sandbox_core::Tier;
///
/// assert_eq!(Tier::Landlock.to_string(), "landlock");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tier {
    /// Namespaces and mounts, with Landlock and seccomp as second layers.
    Namespaces,
    /// Landlock and seccomp alone.
    Landlock,
}

/// How hidden paths are kept out of what the command sees.
///
/// ```
/// use sandbox_core::HideBy;
///
/// assert_eq!(HideBy::default().to_string(), "cover");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum HideBy {
    /// A cover over the name: fast; when the host replaces or makes the name, it is covered again a moment later.
    #[default]
    Cover,
    /// A directory with something hidden is assembled from what is not: slower to start, and there is no such moment.
    Assemble,
}

/// Upper bounds on what the command uses; `None` is the host's own bound.
///
/// ```
/// use sandbox_core::Limits;
///
/// assert_eq!(Limits::default().memory, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processes and threads at once.
    pub processes: Option<u64>,
    /// Open files of one process.
    pub open_files: Option<u64>,
    /// Time until the command and all it started is ended.
    pub time: Option<Duration>,
}

/// What programs may do on macOS beside files and network, of what is denied there by default.
///
/// ```
/// use sandbox_core::MacOption;
///
/// assert_eq!(MacOption::AppleEvents.to_string(), "apple-events");
/// assert!(MacOption::AppleEvents.is_way_out());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MacOption {
    /// Terminals can be made.
    Pty,
    /// The service that checks certificates for programs that do not do it themselves, as those in Go.
    Trustd,
    /// Apple events can be sent.
    AppleEvents,
    /// Programs and documents can be opened, as `open(1)` does.
    Open,
}

impl MacOption {
    /// What is lost by it.
    pub const fn gives(self) -> &'static str {
        match self {
            Self::Pty => {
                "terminals of its own, and those of yours: what is typed in them can be read, and written to them"
            }
            Self::Trustd => {
                "the service that checks certificates, which fetches what a certificate names: a way out for data"
            }
            Self::AppleEvents => {
                "other programs of yours, which do what Apple events tell them, unconfined: a way out of the sandbox"
            }
            Self::Open => {
                "programs and documents, which are opened unconfined: a way out of the sandbox"
            }
        }
    }

    /// Whether a program can be told by it to do something outside.
    pub const fn is_way_out(self) -> bool {
        matches!(self, Self::AppleEvents | Self::Open)
    }
}

/// Kernel features and the weaker tier that the policy accepts.
///
/// ```
/// use sandbox_core::System;
///
/// assert_eq!(System::default().fallback, None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct System {
    /// Accept this tier where a stronger one is not available.
    pub fallback: Option<Tier>,
    /// How hidden paths are kept out.
    pub hide: HideBy,
    /// Features that the default filter refuses and this policy allows, by their name in the filter's table.
    pub features: BTreeMap<String, Source>,
    /// What is allowed on macOS, and says nothing elsewhere.
    pub(crate) macos: MacOptions,
}

impl Limits {
    /// What `later` sets holds.
    pub(super) fn layer(self, later: &Self) -> Self {
        Self {
            memory: later.memory.or(self.memory),
            processes: later.processes.or(self.processes),
            open_files: later.open_files.or(self.open_files),
            time: later.time.or(self.time),
        }
    }
}

impl System {
    /// What `later` sets holds; `hide` only becomes stricter, since its default cannot be told from a choice.
    pub(super) fn layer(mut self, later: Self) -> Self {
        self.features.extend(later.features);
        Self {
            fallback: later.fallback.or(self.fallback),
            hide: later.hide.max(self.hide),
            features: self.features,
            macos: self.macos.layer(later.macos),
        }
    }
}

/// The words of a choice: one list for reading, printing and suggesting.
macro_rules! words {
    ($choice:ident: $($variant:ident = $word:literal),+) => {
        impl $choice {
            /// Every choice.
            pub const ALL: &[Self] = &[$(Self::$variant),+];
            /// The words that a policy uses, in the same order.
            pub(crate) const WORDS: &[&str] = &[$($word),+];

            /// The word that a policy uses.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }
        }

        impl fmt::Display for $choice {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(Preset: Agent = "agent", ReadOnly = "read-only", Strict = "strict", None = "none");
words!(DestinationPreset:
    Github = "github", Gitlab = "gitlab", Bitbucket = "bitbucket", DockerHub = "docker-hub", Ghcr = "ghcr",
    Anthropic = "anthropic", Openai = "openai", Gemini = "gemini", Huggingface = "huggingface",
    Npm = "npm", Pip = "pip", Cargo = "cargo", Go = "go", Maven = "maven", Debian = "debian");
words!(ProtectedGroup: Ci = "ci");
words!(SocketPreset: SshAgent = "ssh-agent", GpgAgent = "gpg-agent", Docker = "docker");
words!(Network: Deny = "deny", Ask = "ask", Allow = "allow", Host = "host");
words!(Tier: Namespaces = "namespaces", Landlock = "landlock");
words!(MacOption: Pty = "pty", Trustd = "trustd", AppleEvents = "apple-events", Open = "open");
words!(HideBy: Cover = "cover", Assemble = "assemble");
