//! The book and the README are true: every block of commands is run, every policy is one, every answer of a table is given.
//!
//! A page is read from its beginning, by somebody who types what it says. The words behind the language of a fence:
//!
//! | fence | |
//! |---|---|
//! | `console` | lines behind `$ ` are typed, and what is printed is shown below them; `…` is anything |
//! | `console,needs:PROGRAM` | where there is such a program |
//! | `console,not-run:REASON` | not at all; the list below knows it |
//! | `toml` | a policy; with `refused` it is none |
//! | `toml,file:NAME` | … that the reader writes to this file |
//! | `toml,answers` | … of which the next table says what it means: path or `$VARIABLE`, and access |
//!
//! The crates for transcripts (trycmd, snapbox) start the program of a line themselves. These lines are a reader's, with `~`, pipes and
//! redirections, one after the other in a home with secrets and projects, so a shell has to read them.

#![cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#![expect(clippy::panic, reason = "a test's way to fail is to panic")]

mod answers;
mod block;
mod compare;
mod home;
mod session;

use std::fmt::Write;

use block::Block;
use session::Session;

/// A page of the book, and whether it is run.
struct Page {
    /// Below `docs`.
    name: &'static str,
    text: &'static str,
    /// Why none of its blocks is.
    not_run: Option<&'static str>,
}

const fn page(name: &'static str, text: &'static str) -> Page {
    Page {
        name,
        text,
        not_run: None,
    }
}

/// In the order of the summary, the README before it.
const PAGES: &[Page] = &[
    page("../README.md", include_str!("../../../../README.md")),
    page("start.md", include_str!("../../../../docs/start.md")),
    page("policy.md", include_str!("../../../../docs/policy.md")),
    page(
        "destinations.md",
        include_str!("../../../../docs/destinations.md"),
    ),
    page("recipes.md", include_str!("../../../../docs/recipes.md")),
    page("settings.md", include_str!("../../../../docs/settings.md")),
    page("macos.md", include_str!("../../../../docs/macos.md")),
    page("json.md", include_str!("../../../../docs/json.md")),
    page("threats.md", include_str!("../../../../docs/threats.md")),
    Page {
        name: "performance.md",
        text: include_str!("../../../../docs/performance.md"),
        not_run: Some("measures for minutes"),
    },
];

const SUMMARY: &str = include_str!("../../../../docs/SUMMARY.md");

/// Reads a page from its beginning.
#[track_caller]
fn holds(name: &str) {
    let page = PAGES.iter().find(|page| page.name == name);
    let page = page.unwrap_or_else(|| panic!("no page `{name}`"));
    let mut session = Session::new();
    for block in block::blocks(page.text) {
        if block.reason_not_to_run().is_none() {
            session.read(name, &block);
        }
    }
}

#[test]
fn the_readme_is_true() {
    holds("../README.md");
}

#[test]
fn the_start_is_true() {
    holds("start.md");
}

#[test]
fn the_guide_to_policies_is_true() {
    holds("policy.md");
}

#[test]
fn the_recipes_are_true() {
    holds("recipes.md");
}

#[test]
fn the_other_pages_are_true() {
    for page in [
        "destinations.md",
        "settings.md",
        "macos.md",
        "json.md",
        "threats.md",
    ] {
        holds(page);
    }
}

#[test]
fn what_is_not_run_is_known() {
    let mut list = String::new();
    for page in PAGES {
        for block in block::blocks(page.text) {
            let reason = block.reason_not_to_run().or(page.not_run);
            if let (Some(reason), "console") = (reason, block.language) {
                let line = block.lines.first().copied().unwrap_or_default();
                let _ = writeln!(list, "{}: {line}: {reason}", page.name);
            }
        }
    }
    insta::assert_snapshot!(list, @"
    ../README.md: $ cargo install --path crates/sandbox-cli && sandbox run -- git status: needs a registry
    ../README.md: $ sandbox run --allow github.com -- git clone https://github.com/rust-lang/log: needs the network
    ../README.md: $ cargo test --workspace: it is the run
    recipes.md: $ sandbox run --preset npm -- npm ci --ignore-scripts: needs a registry
    recipes.md: $ sandbox run --policy ~/agent.toml --allow api.anthropic.com --env ANTHROPIC_API_KEY -- agent: needs the network
    performance.md: $ cargo xtask bench [USER]: measures for minutes
    performance.md: $ cargo run --release -p benches --bin spawn: measures for minutes
    performance.md: $ cargo run --release -p benches --bin walk: measures for minutes
    performance.md: $ cargo run --release -p benches --bin watch: measures for minutes
    performance.md: $ cargo run --release -p benches --bin notifier: measures for minutes
    performance.md: $ cargo run --release -p benches --bin gateway: measures for minutes
    performance.md: $ cargo run --release -p benches --bin rules: measures for minutes
    performance.md: $ cargo run --release -p benches --bin work: measures for minutes
    ");
}

#[test]
fn every_page_of_the_summary_is_read() {
    let pages = PAGES.iter().map(|page| page.name).skip(1);
    let linked = SUMMARY
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    assert!(pages.eq(linked), "{SUMMARY}");
}

/// What would be a transcript by another name is none that is forgotten.
#[test]
fn every_block_is_of_a_kind_that_is_read() {
    for page in PAGES {
        for Block { language, line, .. } in block::blocks(page.text) {
            assert!(
                ["console", "toml", "json", "rust"].contains(&language),
                "{}:{line}: `{language}`",
                page.name
            );
        }
    }
}
