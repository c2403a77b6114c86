//! Licences, sources and duplicates of everything that is linked or runs in the build.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::run::{Error, cargo, line, read};
use crate::spdx;

/// What may be linked into a program under MIT OR Apache-2.0 without further duties than to name it.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception", // the exception only takes duties away
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0", // tables of Unicode's
    "Unlicense",   // public domain
    "Zlib",
];

/// Crates that may be there twice, each with its reason.
const TWICE: &[(&str, &str)] = &[
    (
        "syn",
        "proc macros move to the next major version one by one; nothing of it is linked",
    ),
    (
        "getrandom",
        "the older one is that of ring, which rustls could use; neither is built",
    ),
];

pub(crate) fn check() -> Result<(), Error> {
    let mut command = cargo();
    command.args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ]);
    let output = read(&mut command)?;
    let metadata: Value = serde_json::from_slice(&output).map_err(|source| Error::Json {
        command: line(&command),
        source,
    })?;
    let packages = metadata
        .get("packages")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let wrong = findings(packages);
    println!("{} packages, {} wrong", packages.len(), wrong.len());
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::Dependencies(wrong))
    }
}

fn findings(packages: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut versions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        let text = |key| package.get(key).and_then(Value::as_str).unwrap_or_default();
        let (name, source) = (text("name"), text("source"));
        versions.entry(name).or_default().push(text("version"));
        if source.is_empty() {
            continue; // a member of the workspace
        }
        if !(source.starts_with("registry+") && source.ends_with("/crates.io-index")) {
            wrong.push(format!("{name}: comes from `{source}`, not from crates.io"));
        }
        if !spdx::permits(text("license"), LICENCES) {
            wrong.push(format!("{name}: licence `{}`", text("license")));
        }
    }
    for (name, versions) in versions {
        if versions.len() > 1 && !TWICE.iter().any(|(known, _)| *known == name) {
            wrong.push(format!("{name}: {} at once", versions.join(" and ")));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let registry = "registry+https://example.org/crates.io-index";
        let package = |name: &str, version: &str, source: &str, license: &str| serde_json::json!({ "name": name, "version": version, "source": source, "license": license });
        let packages = [
            serde_json::json!({ "name": "ours", "version": "0.1.0", "source": null, "license": null }),
            package("good", "1.0.0", registry, "MIT OR Apache-2.0"),
            package("copyleft", "1.0.0", registry, "GPL-3.0-only"),
            package("forked", "1.0.0", "git+https://example.org/forked", "MIT"),
            package("double", "1.0.0", registry, "MIT"),
            package("double", "2.0.0", registry, "MIT"),
            package("syn", "2.0.0", registry, "MIT"),
            package("syn", "3.0.0", registry, "MIT"),
        ];
        assert_eq!(
            findings(&packages),
            [
                "copyleft: licence `GPL-3.0-only`",
                "forked: comes from `git+https://example.org/forked`, not from crates.io",
                "double: 1.0.0 and 2.0.0 at once",
            ]
        );
    }
}
