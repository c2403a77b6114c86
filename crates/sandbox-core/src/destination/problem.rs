//! Why a text is no destination, or none that a rule could be about, and what to write instead.

use crate::remedy::Remedy;

/// Why a text is no destination, or no pattern of destinations.
///
/// ```
/// use sandbox_core::{DestinationPattern, DestinationProblem};
///
/// let problem = "https://example.com/x".parse::<DestinationPattern>().unwrap_err();
/// assert!(matches!(problem, DestinationProblem::Url { .. }));
/// assert_eq!(problem.remedy().unwrap().to_string(), "write `example.com`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationProblem {
    /// Nothing was written.
    #[error("it is empty")]
    Empty,
    /// A name or a label of it is longer than DNS has them.
    #[error("it is too long: a name has at most 253 characters, 63 between two dots")]
    TooLong,
    /// Two dots follow each other, or one stands first.
    #[error("it has nothing between two dots, or before the first")]
    EmptyLabel,
    /// A character that no name contains.
    #[error("it contains a character that is in no name or address")]
    Character,
    /// Neither a name nor an address: a last part that is a number, an A-label that is none.
    #[error("it is neither a name nor an address")]
    NotAHost,
    /// An address where a name was asked for.
    #[error("it is an address, not a name")]
    Address,
    /// An address of a resource.
    #[error("it is a URL; a destination is the name in it")]
    Url {
        /// The destination in it.
        instead: Option<String>,
    },
    /// A path behind a name.
    #[error("it has a path, and a destination is a name or an address")]
    Path {
        /// The destination before it.
        instead: Option<String>,
    },
    /// A user before a name.
    #[error("it has a user, and a destination is a name or an address")]
    User {
        /// The destination behind it.
        instead: Option<String>,
    },
    /// `*` alone.
    #[error("it would be about every destination")]
    Everything,
    /// `*` elsewhere than as the first label.
    #[error("`*` stands for whole names at the front only, as in `*.example.com`")]
    Wildcard {
        /// What was probably meant.
        instead: Option<String>,
    },
    /// `*` before an address.
    #[error("`*` stands before names only; a range of addresses is written as in `10.0.0.0/8`")]
    WildcardAddress,
    /// `*` before a suffix below which anybody registers names.
    #[error("anybody can register a name below `{suffix}`")]
    PublicSuffix {
        /// The suffix.
        suffix: String,
    },
    /// Not a port, or no range of ports.
    #[error(
        "a port is a number from 1 to 65535, a range two with `-` between, the lower one first"
    )]
    Port {
        /// What was probably meant.
        instead: Option<String>,
    },
    /// Not a port that can be published.
    #[error("a published port is written as `3000`, or `8080:3000` with the host's first")]
    Published,
    /// Not an address of a proxy.
    #[error("an upstream proxy is written as `http://proxy.example:3128`")]
    Upstream,
    /// A password in a policy, which the command can read.
    #[error("a name or password does not belong here, where the command may read it")]
    Password,
    /// More than one port.
    #[error("it has more than one port")]
    Ports,
    /// An IPv6 address without brackets, whose last part could be a port.
    #[error("an IPv6 address is in brackets, so that a port can be told from it")]
    Brackets {
        /// With them.
        instead: String,
    },
    /// Brackets that are not closed, or contain something else.
    #[error("in brackets there is one IPv6 address, and behind them at most a port")]
    InBrackets,
    /// A range whose number of bits is none.
    #[error("the bits of a range are a number up to 32, for IPv6 up to 128")]
    Bits,
    /// A range whose address has bits beyond its prefix.
    #[error("the address has bits beyond the first {bits}")]
    HostBits {
        /// The length of the prefix.
        bits: u8,
        /// The range that has this address in it.
        range: String,
        /// The address alone.
        address: String,
    },
}

impl DestinationProblem {
    /// What to write instead, where that is known.
    pub fn remedy(&self) -> Option<Remedy> {
        match self {
            Self::Url { instead }
            | Self::Path { instead }
            | Self::User { instead }
            | Self::Wildcard { instead }
            | Self::Port { instead } => instead.clone().map(Remedy::Write),
            Self::Brackets { instead } => Some(Remedy::Write(instead.clone())),
            Self::HostBits { range, address, .. } => {
                Some(Remedy::Either(Box::new([range.clone(), address.clone()])))
            }
            Self::Everything => Some(Remedy::RemoveOr("default = \"allow\"")),
            Self::PublicSuffix { suffix } => Some(Remedy::Write(format!("*.example.{suffix}"))),
            _ => None,
        }
    }
}
