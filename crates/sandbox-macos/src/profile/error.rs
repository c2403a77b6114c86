//! What a profile can't say.

use std::path::{Path, PathBuf};

use sandbox_core::{Access, PublishedPort, Source, escaped};

/// Why there is no profile for a policy.
///
/// ```
/// use sandbox_core::{Context, Policy, Ruleset};
/// use sandbox_macos::{Facts, Profile, ProfileError};
///
/// let policy = Policy::default().read("/").scratch("/usr");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
/// let error = Profile::compile(&ruleset, &Facts::default()).unwrap_err();
/// assert!(matches!(error, ProfileError::Access { .. }));
/// assert!(error.remedy().is_some());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Every program sees the same files: one can't be replaced for one of them.
    #[error("macOS has no `{access}` for `{}` ({at})", escaped(.path))]
    Access {
        /// What the rule grants.
        access: Access,
        /// Where.
        path: PathBuf,
        /// Where it was written.
        at: Source,
    },
    /// A profile is text that people read.
    #[error("`{}` has a character that a profile cannot show ({at})", escaped(.path))]
    NotText {
        /// The path.
        path: PathBuf,
        /// Where it was written.
        at: Source,
    },
    /// Seatbelt takes no text of more than 1,024 bytes.
    #[error("`{}` is too long for a profile ({at})", escaped(.path))]
    TooLong {
        /// The path, or where the pattern lies.
        path: PathBuf,
        /// Where it was written.
        at: Source,
    },
    /// A class that dialects of regular expressions disagree about.
    #[error("the pattern `{}` cannot be said in a profile ({at})", escaped(.text))]
    Pattern {
        /// Its directory, resolved, and what follows.
        text: String,
        /// Where it was written.
        at: Source,
    },
    /// All services at once, or a name that none has.
    #[error("`{}` names no service of macOS ({at})", escaped(.name))]
    Service {
        /// As it was written.
        name: String,
        /// Where it was written.
        at: Source,
    },
    /// A command binds the host's own port: there is no other one inside.
    #[error(
        "macOS has no port inside that differs from the host's: `publish = [\"{port}\"]` ({at})"
    )]
    Published {
        /// The port.
        port: PublishedPort,
        /// Where it was written.
        at: Source,
    },
}

impl ProfileError {
    /// Of rules that are written together, the longest is the one that is too long.
    pub(super) fn longest<'a>(rules: impl Iterator<Item = (&'a Path, &'a Source)>) -> Self {
        let longest = rules.max_by_key(|(path, _)| path.as_os_str().len());
        let (path, at) = longest
            .map(|(path, at)| (path.to_owned(), at.clone()))
            .unwrap_or_default();
        Self::TooLong { path, at }
    }

    /// What to change, if that is known.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Access { access: Access::Overlay, .. } => {
                Some("grant `write` there, or `read`".to_owned())
            }
            Self::Access { .. } => Some(
                "grant `write` there, or leave the rule out: the variable `TMPDIR` names a private directory".to_owned(),
            ),
            Self::TooLong { .. } | Self::NotText { .. } => Some("write the rule about a directory above it".to_owned()),
            Self::Pattern { .. } => Some("write a class without `-`, `]`, `[`, `^` and `\\`".to_owned()),
            Self::Service { .. } => {
                Some("write the whole name, or its beginning with one `*` at the end".to_owned())
            }
            Self::Published { port, .. } => {
                Some(format!("have the command listen at the host's port, and write that alone: `publish = [\"{}\"]`", port.host().unwrap_or(port.inside())))
            }
        }
    }
}
