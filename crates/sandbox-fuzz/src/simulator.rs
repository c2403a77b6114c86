//! The decision against what the plan does: any rules over any small tree of the host, which is made and removed.

/// Every attempt that the tree allows without a sandbox.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) fn simulator(input: &[u8]) {
    use conformance::{Tree, random::Random};

    let tree = Tree::default();
    if let Some(case) = Random::of_bytes(input).place(&tree) {
        assert_eq!(case.agrees(&case.attempts()), Ok(()));
    }
}

/// Elsewhere there is no plan.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(crate) fn simulator(_: &[u8]) {}
