//! What needs a nightly toolchain: the fuzz targets, each for a while, and the pure tests in Miri.
//!
//! Nothing else depends on it: what is missing is skipped and said so. The kept inputs run in the test command as well.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::documents::files_of;
use crate::run::{Error, run};
use crate::suite::concluded;
use crate::tally::Tally;

/// Each file in it is a target; `sandbox-fuzz` tests that all are built.
const TARGETS: &str = "fuzz/fuzz_targets";
/// Seconds for all targets together.
const SECONDS: u64 = 60;
/// Whoever sets it to a number gets the same inputs each time.
const SEED: &str = "SANDBOX_FUZZ_SEED";
/// Bytes of an input, seconds for one of them, and MiB of memory.
const BOUNDS: [&str; 3] = ["-max_len=2000", "-timeout=20", "-rss_limit_mb=2048"];

/// Modules of `sandbox-core` whose tests need neither files nor much time: Miri is a hundred times slower.
const PURE: [&str; 10] = [
    "access::",
    "caches::",
    "error::",
    "escape::",
    "pattern::",
    "place::",
    "protected::",
    "remedy::",
    "size::",
    "source::",
];

/// What of them compiles patterns, is run very often, or shows the system's words, which are others in Miri.
const LEFT_OUT: [&str; 7] = [
    "patterns_of_any_size",
    "globs_",
    "longest_matching",
    "what_it_could_match",
    "protected_names_are",
    "could_be_a_typing_error",
    "system_s_answer",
];

/// Fuzzes each target for its part of so many seconds. What is found is left in `fuzz/artifacts`.
pub(crate) fn fuzz(seconds: Option<&str>) -> Result<Tally, Error> {
    let seconds = seconds.map_or(Ok(SECONDS), |text| text.parse().map_err(|_| Error::NoTask))?;
    if !is_there("fuzz") {
        return Ok(Tally::skipped(
            "a nightly toolchain and cargo-fuzz: `rustup toolchain install nightly`, `cargo install cargo-fuzz`",
        ));
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let targets = targets(&root)?;
    let count = u64::try_from(targets.len()).unwrap_or(1).max(1);
    let each = format!("-max_total_time={}", (seconds / count).max(1));
    // To libFuzzer, 0 is chance.
    let seed = env::var(SEED).unwrap_or_else(|_| "0".to_owned());
    let seed = format!("-seed={seed}");
    let mut total = Tally::default();
    for target in &targets {
        // What the fuzzer finds on its way goes to the first corpus.
        let found = root.join("target/fuzz").join(target);
        std::fs::create_dir_all(&found).map_err(|source| Error::Prepare {
            path: found.clone(),
            source,
        })?;
        let mut command = nightly();
        command
            .current_dir(&root)
            // No sanitizer: there is nothing unsafe in what is fuzzed.
            .args(["fuzz", "run", "--fuzz-dir", "fuzz", "-s", "none", target])
            .arg(&found)
            .arg(Path::new("fuzz/corpus").join(target))
            .args(["--", &each, &seed, "-print_final_stats=0", "-verbosity=0"])
            .args(BOUNDS);
        match run(&mut command) {
            Ok(()) => total.passed += 1,
            Err(Error::Failed { .. }) => total.failed += 1,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// The names of all targets.
fn targets(root: &Path) -> Result<Vec<String>, Error> {
    let files = files_of(&root.join(TARGETS), "rs")?;
    let names = files.iter().filter_map(|file| file.file_stem()?.to_str());
    Ok(names.map(str::to_owned).collect())
}

/// Runs the pure tests in Miri.
pub(crate) fn miri() -> Result<Tally, Error> {
    if !is_there("miri") {
        return Ok(Tally::skipped(
            "a nightly toolchain with Miri: `rustup toolchain install nightly --component miri,rust-src`",
        ));
    }
    let mut command = nightly();
    command
        .args(["miri", "test", "-p", "sandbox-core", "--lib", "--locked"])
        .args(["--target-dir", "target/miri", "--"])
        .args(PURE)
        .args(LEFT_OUT.iter().flat_map(|name| ["--skip", name]))
        // The laws ask for the current directory.
        .env("MIRIFLAGS", "-Zmiri-disable-isolation")
        .env("PROPTEST_CASES", "4")
        .env("INSTA_UPDATE", "no");
    concluded(&mut command)
}

/// The cargo of another toolchain than the one that runs us.
fn nightly() -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]);
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_cargo(name)) {
        command.env_remove(name);
    }
    command
}

fn is_of_cargo(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    name == "CARGO"
        || name.starts_with("CARGO_PKG_")
        || name.starts_with("RUSTC")
        || name == "RUSTUP_TOOLCHAIN"
}

fn is_there(subcommand: &str) -> bool {
    let mut command = nightly();
    command.args([subcommand, "--version"]);
    let quiet = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::{has_unit_tests, read};

    /// What is named and not there would be left out in silence.
    #[test]
    fn what_miri_runs_and_leaves_out_is_there() {
        let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sandbox-core");
        let mut texts = String::new();
        for module in PURE.map(|name| name.trim_end_matches("::")) {
            assert!(has_unit_tests(&core, module).unwrap(), "{module}");
            for file in [
                core.join(format!("src/{module}.rs")),
                core.join(format!("src/{module}/tests.rs")),
            ] {
                if file.is_file() {
                    texts.push_str(&read(file).unwrap());
                }
            }
        }
        for name in LEFT_OUT {
            let is_there = texts.split("fn ").any(|function| {
                function
                    .split('(')
                    .next()
                    .is_some_and(|it| it.contains(name))
            });
            assert!(is_there, "{name}");
        }
    }
}
