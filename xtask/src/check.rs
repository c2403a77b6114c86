//! Everything that a change must pass.

use std::process::Command;

use crate::run::{Error, FEATURES, cargo, run};
use crate::{api, book, documents, licences, suite};

type Check = (&'static str, fn() -> Result<(), Error>);

/// Cheap ones first. All of them run, so that one push shows all that is wrong.
const CHECKS: &[Check] = &[
    ("fmt", || run(cargo().args(["fmt", "--all", "--check"]))),
    ("licences", licences::check),
    ("documents", documents::check),
    ("book", book::check),
    ("clippy", || {
        run(cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked"])
            .args(FEATURES)
            .args(["--", "-D", "warnings"]))
    }),
    ("doc", || run(strict_doc(&mut cargo()))),
    ("api", api::check),
    ("test", || suite::test()?.conclude()),
];

pub(crate) fn all() -> Result<(), Error> {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        if let Err(error) = check() {
            eprintln!("error: {name}: {error}");
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Checks(failed))
    }
}

fn strict_doc(cargo: &mut Command) -> &mut Command {
    cargo
        .args([
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
            "--locked",
        ])
        .args(FEATURES)
        .env("RUSTDOCFLAGS", "-D warnings")
}
