//! Which network the commands have.

use std::ops::RangeInclusive;

use sandbox_core::{Network, NetworkRules};

/// What of a network the commands have.
///
/// ```
/// use sandbox_core::{NetworkRules, Policy};
/// use sandbox_linux::Connectivity;
///
/// let rules = NetworkRules::of(&Policy::default().allow("localhost:5432"));
/// assert_eq!(Connectivity::of(&rules), Connectivity::Gateway { loopback: vec![5432..=5432] });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a network, the host's, or a door")]
pub enum Connectivity {
    /// A loopback interface of their own, and nothing beyond.
    Alone,
    /// The host's network.
    Host,
    /// A network of their own, in which every connection comes to the gateway's sockets.
    Gateway {
        /// Ports of loopback that are the host's.
        loopback: Vec<RangeInclusive<u16>>,
    },
}

impl Connectivity {
    /// What these rules need.
    #[must_use]
    pub fn of(rules: &NetworkRules) -> Self {
        if rules.unnamed() == Network::Host {
            Self::Host
        } else if rules.needs_gateway().is_none() {
            Self::Alone
        } else {
            Self::Gateway {
                loopback: rules.loopback_ports(),
            }
        }
    }

    /// What keeps the commands from what is denied.
    #[must_use]
    pub fn mechanisms(&self) -> Vec<&'static str> {
        match self {
            Self::Host => Vec::new(),
            Self::Alone => vec!["network namespace", "seccomp"],
            Self::Gateway { .. } => vec!["network namespace", "seccomp", "gateway"],
        }
    }

    /// Whether a network that was made for these rules does for others.
    ///
    /// ```
    /// use sandbox_linux::Connectivity;
    ///
    /// let gateway = |loopback: &[_]| Connectivity::Gateway { loopback: loopback.to_vec() };
    /// assert!(gateway(&[5000..=5999]).does_for(&gateway(&[5432..=5432])));
    /// assert!(gateway(&[]).does_for(&Connectivity::Alone));
    /// assert!(!gateway(&[]).does_for(&gateway(&[5432..=5432])));
    /// assert!(!Connectivity::Alone.does_for(&gateway(&[])));
    /// ```
    #[must_use]
    pub fn does_for(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gateway { .. }, Self::Alone) => true,
            (Self::Gateway { loopback: has }, Self::Gateway { loopback: needs }) => {
                let is_there = |needed: &RangeInclusive<u16>| {
                    has.iter()
                        .any(|ports| ports.contains(needed.start()) && ports.contains(needed.end()))
                };
                needs.iter().all(is_there)
            }
            _ => self == other,
        }
    }
}
