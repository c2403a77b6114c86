//! The cases about files: the rules, the plan and the kernel agree on each.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test's way to fail is to panic"
)]

mod faults;
mod mounts;
mod random;
mod seatbelt;

use conformance::case::tables;
use conformance::table::Ready;

/// Puts every table of a file to all three.
fn agree(theme: &str, text: &str) {
    let tables = tables(text).unwrap_or_else(|error| panic!("{theme}: {error}"));
    let wrong: Vec<String> = tables
        .iter()
        .flat_map(|table| Ready::of(table).disagreements())
        .collect();
    assert!(wrong.is_empty(), "{theme}:\n{}", wrong.join("\n"));
}

macro_rules! themes {
    ($($theme:ident)*) => {
        const THEMES: &[(&str, &str)] = &[$((
            stringify!($theme),
            include_str!(concat!("../../cases/files/", stringify!($theme), ".toml")),
        )),*];

        $(#[test]
        fn $theme() {
            let theme = stringify!($theme);
            let (_, text) = THEMES.iter().find(|(name, _)| *name == theme).unwrap();
            agree(theme, text);
        })*
    };
}

themes! {
    nesting
    patterns
    ties
    symlinks
    dots
    hardlinks
    missing
    names
    root
    home
    scratch
    assemble
    protected
    special
    crowds
}
