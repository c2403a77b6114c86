//! Why a policy can't be enforced here. Nothing was started.

use std::path::PathBuf;

use sandbox_core::{Access, Tier};

use crate::{FilterError, Obstacle};

/// Why a policy can't be enforced on this host, or by this version. Nothing was started.
///
/// ```
/// use sandbox_core::{Context, Policy, Preset, Ruleset};
/// use sandbox_linux::{HostFacts, Plan, Unenforceable};
///
/// let policy = Policy::preset(Preset::ReadOnly).feature("no-such-feature");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/"))?;
/// let error = Plan::compile(&ruleset, &HostFacts::complete()).unwrap_err();
/// assert!(matches!(error, Unenforceable::Filter(_)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unenforceable {
    /// The host forbids what the sandbox is made of.
    #[error("this host cannot confine a command{}", .obstacles.first().map(|obstacle| format!(": {}", obstacle.reason)).unwrap_or_default())]
    Host {
        /// All that is in the way.
        obstacles: Vec<Obstacle>,
    },
    /// The weaker tier that the policy accepts is not there.
    #[error(
        "this host has no namespaces, and the tier `landlock` is not available in this version"
    )]
    Tier {
        /// The tier.
        tier: Tier,
    },
    /// No node of the view does what the access means.
    #[error("`{access}` cannot be enforced at `{}`", .path.display())]
    Access {
        /// The path of the rule.
        path: PathBuf,
        /// Its access.
        access: Access,
    },
    /// `/dev` and `/proc` are always the sandbox's own.
    #[error("`{}` is always the sandbox's own: `{access}` cannot be enforced there", .path.display())]
    OwnDirectory {
        /// The path of the rule.
        path: PathBuf,
        /// Its access.
        access: Access,
    },
    /// There is no directory over which a private one could be mounted.
    #[error("`{}` is no directory, so that no private one can be put in its place", .path.display())]
    ScratchPlace {
        /// The path of the rule.
        path: PathBuf,
    },
    /// A feature that the filter does not know.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A path with a NUL byte, at which the kernel would cut it off.
    #[error("`{}` contains a NUL byte", .path.display())]
    Nul {
        /// The path.
        path: PathBuf,
    },
    /// More rules than a plan can hold.
    #[error("the policy has too many rules")]
    TooLarge,
}

impl Unenforceable {
    /// What to change, if that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Host { obstacles } => obstacles
                .first()
                .map(|obstacle| obstacle.remedy.to_string()),
            Self::Tier { .. } => {
                Some("`sandbox doctor` says what lifts the restriction".to_owned())
            }
            Self::Access {
                access: Access::Overlay,
                path,
            } => Some(format!(
                "overlays are not available in this version: write `\"{0}\" = \"read\"` or `\"{0}\" = \"write\"`",
                path.display()
            )),
            Self::Access { .. } => {
                Some("write `\"/\" = \"read\"` or `\"/\" = \"hide\"`".to_owned())
            }
            Self::OwnDirectory { path, .. } if path.starts_with("/dev") => {
                Some("name the devices one by one: `\"/dev/kvm\" = \"write\"`".to_owned())
            }
            Self::OwnDirectory { .. } => Some("remove the rule".to_owned()),
            Self::ScratchPlace { path } => {
                Some(format!("create it: `mkdir -p {}`", path.display()))
            }
            Self::Filter(_) | Self::Nul { .. } | Self::TooLarge => None,
        }
    }
}
