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
/// let loopback = vec![5432..=5432];
/// assert_eq!(Connectivity::of(&rules), Connectivity::Gateway { loopback, datagrams: None });
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
        /// The same for datagrams of UDP. `None`: of these only the questions about names come to the gateway, and the kernel
        /// refuses the others.
        datagrams: Option<Vec<RangeInclusive<u16>>>,
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
                datagrams: rules.loopback_ports_of_udp(),
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
    /// let gateway = |loopback: &[_]| Connectivity::Gateway { loopback: loopback.to_vec(), datagrams: None };
    /// assert!(gateway(&[5000..=5999]).does_for(&gateway(&[5432..=5432])));
    /// assert!(gateway(&[]).does_for(&Connectivity::Alone));
    /// assert!(!gateway(&[]).does_for(&gateway(&[5432..=5432])));
    /// assert!(!Connectivity::Alone.does_for(&gateway(&[])));
    /// let with_udp = Connectivity::Gateway { loopback: vec![], datagrams: Some(vec![]) };
    /// assert!(with_udp.does_for(&gateway(&[])) && !gateway(&[]).does_for(&with_udp));
    /// ```
    #[must_use]
    pub fn does_for(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Gateway { .. }, Self::Alone) => true,
            (
                Self::Gateway {
                    loopback,
                    datagrams,
                },
                Self::Gateway {
                    loopback: needed,
                    datagrams: needed_datagrams,
                },
            ) => {
                let does_for_datagrams = match (datagrams, needed_datagrams) {
                    (_, None) => true,
                    (None, Some(_)) => false,
                    (Some(has), Some(needed)) => covers(has, needed),
                };
                covers(loopback, needed) && does_for_datagrams
            }
            _ => self == other,
        }
    }
}

/// Whether each range lies in one of those that there are.
fn covers(has: &[RangeInclusive<u16>], needed: &[RangeInclusive<u16>]) -> bool {
    needed.iter().all(|needed| {
        has.iter()
            .any(|ports| ports.contains(needed.start()) && ports.contains(needed.end()))
    })
}
