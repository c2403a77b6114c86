//! Presets are rules, nothing else: what a person could have written.

pub(crate) mod destinations;
pub(crate) mod packages;
pub(crate) mod sockets;

use std::ffi::OsStr;

use crate::baseline::{BASELINE, RUN};
use crate::caches::CACHES;
use crate::policy::{FileEntry, VariableEntry, VariableRule};
use crate::{Access, Preset, Source};

/// A directory that is the sandbox's own in every preset.
#[rustfmt::skip]
const PRIVATE: &[(&str, &str)] = &[
    ("/tmp", "sockets, locks and leftovers of every user of the host"),
    ("/var/tmp", "like /tmp"),
    ("/run", "sockets of every service of the host"),
    ("/dev/shm", "shared memory of every user of the host"),
];

/// Variables that keep tools from trying what no command may do.
#[rustfmt::skip]
const TOLD: &[(&str, &str, &str)] = &[
    ("TAR_OPTIONS", "--no-same-owner", "GNU tar gives the files of an archive to their owners as root, and fails where it may not"),
];

/// Variables that `strict` passes: what programs need to find themselves, the terminal and the language.
#[rustfmt::skip]
const STRICT_VARIABLES: &[(&str, &str)] = &[
    ("PATH", "where programs are"),
    ("HOME", "where settings are looked for"),
    ("USER", "who runs it"),
    ("LOGNAME", "who runs it"),
    ("SHELL", "which shell scripts start"),
    ("PWD", "the current directory as the shell spells it"),
    ("TERM", "what the terminal can do"),
    ("COLORTERM", "what the terminal can do"),
    ("TERM_PROGRAM", "what the terminal can do"),
    ("TERMINFO", "what the terminal can do"),
    ("TERMINFO_DIRS", "what the terminal can do"),
    ("COLUMNS", "the terminal's width"),
    ("LINES", "the terminal's height"),
    ("NO_COLOR", "the person's wish"),
    ("CLICOLOR", "the person's wish"),
    ("CLICOLOR_FORCE", "the person's wish"),
    ("FORCE_COLOR", "the person's wish"),
    ("LANG", "the language"),
    ("LANGUAGE", "the language"),
    ("LC_*", "the language"),
    ("TZ", "the time zone"),
    ("TZDIR", "where time zones are"),
    ("LOCALE_ARCHIVE", "where languages are on Nix"),
    ("CI", "tools ask no questions under it"),
    ("DEBIAN_FRONTEND", "tools ask no questions under it"),
    ("EDITOR", "what git starts for a message"),
    ("PAGER", "what git shows with"),
    ("CC", "the compiler"),
    ("CXX", "the compiler"),
    ("CFLAGS", "options of the compiler"),
    ("CXXFLAGS", "options of the compiler"),
    ("LDFLAGS", "options of the linker"),
    ("MAKEFLAGS", "options of make"),
    ("PKG_CONFIG_PATH", "where libraries describe themselves"),
    ("JAVA_HOME", "where a toolchain is"),
    ("CARGO_HOME", "where a toolchain is"),
    ("RUSTUP_HOME", "where a toolchain is"),
    ("RUSTUP_TOOLCHAIN", "which toolchain is meant"),
    ("RUSTFLAGS", "options of the compiler"),
    ("CARGO_TARGET_DIR", "where cargo builds"),
    ("CARGO_NET_OFFLINE", "cargo does not try what the network denies"),
    ("GOPATH", "where a toolchain is"),
    ("GOROOT", "where a toolchain is"),
    ("GOFLAGS", "options of go"),
    ("NODE_ENV", "tools build for what it says"),
    ("NODE_PATH", "where modules are"),
    ("NVM_DIR", "where a toolchain is"),
    ("NVM_BIN", "where a toolchain is"),
    ("PYENV_ROOT", "where a toolchain is"),
    ("PYTHONPATH", "where modules are"),
    ("VIRTUAL_ENV", "which environment is active"),
    ("CONDA_PREFIX", "which environment is active"),
    ("SSL_CERT_FILE", "whom TLS believes"),
    ("SSL_CERT_DIR", "whom TLS believes"),
    ("NIX_SSL_CERT_FILE", "whom TLS believes"),
    ("SOURCE_DATE_EPOCH", "reproducible builds"),
];

/// The rules about files.
pub(crate) fn files(preset: Preset) -> Vec<FileEntry> {
    let (root, workspace) = match preset {
        Preset::Agent => (Access::Read, Access::Write),
        Preset::ReadOnly => (Access::Read, Access::Read),
        Preset::Strict => (Access::Hide, Access::Write),
        Preset::None => return Vec::new(),
    };
    let rule = |path: &str, access, optional| FileEntry {
        text: OsStr::new(path).into(),
        pattern: true,
        access,
        optional,
        base: None,
        layer: 0,
        is_instead: false,
        source: Source::Preset(preset),
    };
    let mut rules = vec![rule("/", root, false), rule("${CWD}", workspace, false)];
    rules.extend(
        PRIVATE
            .iter()
            .map(|(path, _)| rule(path, Access::Scratch, true)),
    );
    rules.extend(RUN.iter().map(|entry| rule(entry.path, Access::Read, true)));
    if preset == Preset::Strict {
        rules.extend(
            BASELINE
                .iter()
                .map(|entry| rule(entry.path, Access::Read, true)),
        );
    }
    rules
}

/// The rules about variables.
pub(crate) fn environment(preset: Preset) -> Vec<VariableEntry> {
    let rule = |name: &str, rule| VariableEntry {
        pattern: name.into(),
        rule,
        source: Source::Preset(preset),
    };
    let passed: &[(&str, &str)] = match preset {
        Preset::None => return Vec::new(),
        Preset::Strict => STRICT_VARIABLES,
        Preset::Agent | Preset::ReadOnly => {
            &[("*", "secrets are dropped by rules that weigh more")]
        }
    };
    let passed = passed
        .iter()
        .map(|(name, _)| rule(name, VariableRule::Pass));
    let caches = CACHES.iter().map(|cache| (cache.variable, cache.value));
    let told = TOLD.iter().map(|(name, value, _)| (*name, *value));
    let set = caches.chain(told);
    let set = set.map(|(name, value)| rule(name, VariableRule::Set(value.into())));
    passed.chain(set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_without_rules_grant_nothing() {
        assert!(files(Preset::None).is_empty() && environment(Preset::None).is_empty());
    }

    #[test]
    fn only_the_workspace_is_writable() {
        for preset in [Preset::Agent, Preset::ReadOnly, Preset::Strict] {
            let writable: Vec<_> = files(preset)
                .into_iter()
                .filter(|rule| rule.access == Access::Write)
                .map(|rule| rule.text.to_string_lossy().into_owned())
                .collect();
            let expected: &[&str] = if preset == Preset::ReadOnly {
                &[]
            } else {
                &["${CWD}"]
            };
            assert_eq!(writable, expected, "{preset}");
        }
    }
}
