//! Names and the addresses that stand for them inside.
//!
//! An address never comes to mean another name while the sandbox lives: a program may have kept it. So nothing is forgotten,
//! and the table is bounded instead. Where a name's place is depends on a key that nobody inside knows, so that no two names
//! can be made to meet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sandbox_core::Name;

use crate::bounds;

/// 198.18.0.0/15 (RFC 2544), whose first addresses are the sandbox's own.
const FIRST_V4: u32 = 0xc612_0000;
/// `fd73:616e:6462:6f78::/64` (RFC 4193).
const FIRST_V6: u128 = 0xfd73_616e_6462_6f78_0000_0000_0000_0000;
/// Places in the smaller range.
const PLACES: u32 = 1 << 17;
/// Those below are not a name's: the network's own address, and the sandbox's.
const RESERVED: u32 = 16;

/// What an address stands for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is outside of the ranges: an address.
    Itself,
    /// A name.
    Name(Name),
    /// It is in the ranges, and no name has it.
    Nothing,
}

/// Which address stands for which name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    key: RandomState,
    at: HashMap<u32, Name>,
}

/// The two addresses that stand for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

impl Names {
    /// The addresses of a name; none when there are too many names.
    pub(crate) fn addresses(&mut self, name: &Name) -> Option<Pair> {
        let places = PLACES - RESERVED;
        let hash = self.key.hash_one(name) % u64::from(places);
        let start = u32::try_from(hash).unwrap_or_default();
        let mut candidates = (0..places).map(|step| RESERVED + (start + step) % places);
        // Nothing is ever taken out, so it has the first place that was free for it.
        let place = candidates.find(|place| self.at.get(place).is_none_or(|it| it == name))?;
        let is_full = self.at.len() >= bounds::NAMES;
        match self.at.entry(place) {
            Entry::Vacant(_) if is_full => return None,
            Entry::Vacant(free) => {
                free.insert(name.clone());
            }
            Entry::Occupied(_) => {}
        }
        Some(pair(place))
    }

    /// What an address in its one form stands for.
    pub(crate) fn meaning(&self, address: IpAddr) -> Meaning {
        let place = match address {
            IpAddr::V4(address) => {
                let offset = u32::from(address).wrapping_sub(FIRST_V4);
                (offset < PLACES).then_some(Some(offset))
            }
            IpAddr::V6(address) => {
                let offset = u128::from(address).wrapping_sub(FIRST_V6);
                (offset >> 64 == 0).then_some(u32::try_from(offset).ok())
            }
        };
        match place {
            None => Meaning::Itself,
            Some(place) => {
                let name = place.and_then(|place| self.at.get(&place));
                name.map_or(Meaning::Nothing, |name| Meaning::Name(name.clone()))
            }
        }
    }
}

fn pair(place: u32) -> Pair {
    Pair {
        v4: Ipv4Addr::from(FIRST_V4 + place),
        v6: Ipv6Addr::from(FIRST_V6 + u128::from(place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_stand_for_their_name_alone() {
        let mut names = Names::default();
        let count = bounds::NAMES;
        let pairs: Vec<Pair> = (0..count)
            .map(|number| {
                names
                    .addresses(&name(&format!("n{number}.example")))
                    .unwrap()
            })
            .collect();
        assert_eq!(names.addresses(&name("one-more.example")), None);
        for (number, pair) in pairs.iter().enumerate() {
            let name = name(&format!("n{number}.example"));
            assert_eq!(names.meaning(pair.v4.into()), Meaning::Name(name.clone()));
            assert_eq!(names.meaning(pair.v6.into()), Meaning::Name(name.clone()));
            assert_eq!(names.addresses(&name), Some(*pair));
        }
    }

    #[test]
    fn an_address_of_the_ranges_is_never_an_address() {
        let names = Names::default();
        for (address, expected) in [
            ("198.17.255.255", Meaning::Itself),
            ("198.18.0.0", Meaning::Nothing),
            ("198.18.0.1", Meaning::Nothing),
            ("198.19.255.255", Meaning::Nothing),
            ("198.20.0.0", Meaning::Itself),
            ("fd73:616e:6462:6f77:ffff:ffff:ffff:ffff", Meaning::Itself),
            ("fd73:616e:6462:6f78::", Meaning::Nothing),
            ("fd73:616e:6462:6f78:ffff:ffff:ffff:ffff", Meaning::Nothing),
            ("fd73:616e:6462:6f79::", Meaning::Itself),
            ("8.8.8.8", Meaning::Itself),
            ("::1", Meaning::Itself),
        ] {
            assert_eq!(
                names.meaning(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
    }

    #[test]
    fn nobody_foresees_the_place_of_a_name() {
        let places: Vec<_> = (0..8)
            .map(|_| Names::default().addresses(&name("example.com")))
            .collect();
        assert!(places.iter().any(|place| *place != places[0]));
    }
}
