//! Parts of the kernel that a policy may open again, each by its name.

use std::fmt;
use std::str::FromStr;

use super::FilterError;

/// A part of the kernel that the filter refuses unless the policy's `[system]` allows it.
///
/// ```
/// use sandbox_linux::filter::Feature;
///
/// let perf: Feature = "perf".parse()?;
/// assert_eq!(perf.opens(), "perf_event_open");
/// # Ok::<(), sandbox_linux::filter::FilterError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Feature {
    /// `io_uring`.
    IoUring,
    /// Kernel keyrings.
    Keyring,
    /// Namespaces and mounts inside.
    Nested,
    /// Address-space randomization switched off by `personality(2)`.
    NoAslr,
    /// Performance events.
    Perf,
    /// Setuid and setgid bits.
    SetId,
    /// Unix datagram sockets.
    UnixDatagram,
    /// Page faults handled by a program.
    Userfaultfd,
}

/// One feature: its name in a policy, what it opens, and what the person gives up.
struct Row(Feature, &'static str, &'static str, &'static str);

const FEATURES: &[Row] = &[
    Row(
        Feature::IoUring,
        "io-uring",
        "io_uring_setup, io_uring_enter, io_uring_register",
        "the part of the kernel with most privilege escalations of its years; its operations pass no filter",
    ),
    Row(
        Feature::Keyring,
        "keyring",
        "add_key, request_key, keyctl",
        "keys of the account become reachable by number; a request may start a helper program on the host",
    ),
    Row(
        Feature::Nested,
        "nested",
        "namespaced clone and unshare, setns, the mount family, pivot_root, chroot, sethostname, openat2",
        "a user namespace has every capability over its own objects, and with them most of the kernel's attack surface",
    ),
    Row(
        Feature::NoAslr,
        "no-aslr",
        "personality(ADDR_NO_RANDOMIZE)",
        "programs inside may run at fixed addresses, as debuggers and some sanitizers want",
    ),
    Row(
        Feature::Perf,
        "perf",
        "perf_event_open",
        "a long history of kernel bugs; counters observe other work on the same processor",
    ),
    Row(
        Feature::SetId,
        "set-id",
        "setuid and setgid bits in chmod, open, creat and mknod",
        "a file left behind can lend its owner's rights to another user of the host (without it, setgid directories can't be made by chmod either)",
    ),
    Row(
        Feature::UnixDatagram,
        "unix-datagram",
        "socket and socketpair of AF_UNIX with SOCK_DGRAM",
        "a datagram may be sent to any socket of the host whose path can be written, without a connection that could be decided",
    ),
    Row(
        Feature::Userfaultfd,
        "userfaultfd",
        "userfaultfd",
        "stops the kernel at a chosen page fault, which makes exploits of its races reliable",
    ),
];

impl Feature {
    /// Every feature, in the order of their names.
    pub const ALL: &[Self] = &[
        Self::IoUring,
        Self::Keyring,
        Self::Nested,
        Self::NoAslr,
        Self::Perf,
        Self::SetId,
        Self::UnixDatagram,
        Self::Userfaultfd,
    ];

    /// Every name, in the same order.
    pub const NAMES: &[&str] = &[
        "io-uring",
        "keyring",
        "nested",
        "no-aslr",
        "perf",
        "set-id",
        "unix-datagram",
        "userfaultfd",
    ];

    /// The name in a policy.
    pub fn name(self) -> &'static str {
        self.row().map_or("", |row| row.1)
    }

    /// The calls that it opens.
    pub fn opens(self) -> &'static str {
        self.row().map_or("", |row| row.2)
    }

    /// What is given up by it.
    pub fn warning(self) -> &'static str {
        self.row().map_or("", |row| row.3)
    }

    fn row(self) -> Option<&'static Row> {
        FEATURES.iter().find(|row| row.0 == self)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Feature {
    type Err = FilterError;

    fn from_str(name: &str) -> Result<Self, FilterError> {
        match FEATURES.iter().find(|row| row.1 == name) {
            Some(row) => Ok(row.0),
            None => Err(FilterError::UnknownFeature {
                name: name.to_owned(),
                nearest: nearest(name),
            }),
        }
    }
}

/// The known name with the fewest edits, if it is close enough to have been meant.
fn nearest(name: &str) -> Option<&'static str> {
    FEATURES
        .iter()
        .map(|row| (strsim::damerau_levenshtein(name, row.1), row.1))
        .min()
        .filter(|(edits, known)| *edits <= known.len().div_ceil(3))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_has_its_row() {
        let names: Vec<_> = Feature::ALL.iter().map(|feature| feature.name()).collect();
        assert_eq!(names, Feature::NAMES);
        assert_eq!(Feature::ALL.len(), FEATURES.len());
        for feature in Feature::ALL {
            assert_eq!(feature.name().parse::<Feature>().unwrap(), *feature);
            assert!(!feature.opens().is_empty() && !feature.warning().is_empty());
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_nearest_one() {
        for (name, expected) in [
            ("iouring", Some("io-uring")),
            ("prf", Some("perf")),
            ("user-faultfd", Some("userfaultfd")),
            ("bpf", None),
            ("", None),
        ] {
            match name.parse::<Feature>() {
                Err(FilterError::UnknownFeature { nearest, .. }) => {
                    assert_eq!(nearest, expected, "{name}");
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        insta::assert_snapshot!("a`\n".parse::<Feature>().unwrap_err(), @r"unknown kernel feature `a`\n`");
    }
}
