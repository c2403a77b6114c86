//! The settings that may be changed inside, each with the values that it may have.
//!
//! From git's own documentation (`Documentation/config/*.adoc`). What is not here is frozen, and so is a value that is none of these:
//! `submodule.*.update` may be `!command`, a remote may be a program, a name of a remote may be an address.

use std::collections::BTreeSet;

use super::remote::{is_address, is_fetched, is_name_of_remote};
use super::settings::{Parts, Setting};

/// A setting that names no program, by no value that it may have here.
struct Harmless {
    section: &'static str,
    /// What may be between section and key.
    subsection: Subsection,
    key: &'static str,
    values: Values,
}

/// What may be between section and key.
#[derive(Clone, Copy)]
enum Subsection {
    None,
    /// A name that git itself could have given it.
    Name,
}

/// What a setting may be.
#[derive(Clone, Copy)]
enum Values {
    Boolean,
    Number,
    OneOf(&'static [&'static str]),
    /// A boolean, or one of these.
    BooleanOr(&'static [&'static str]),
    /// A person's name or address, which git quotes wherever it goes.
    Text,
    /// A branch, or the full name of what is merged.
    Branch,
    /// Which objects are left out (`--filter` of git-rev-list(1)).
    Filter,
    /// The name of a remote that has an address, or this repository.
    Remote,
    /// Where a repository is.
    Address,
    /// What is fetched into which names (`<refspec>` of git-fetch(1)).
    Fetched,
}

const fn plain(section: &'static str, key: &'static str, values: Values) -> Harmless {
    Harmless {
        section,
        subsection: Subsection::None,
        key,
        values,
    }
}

const fn named(section: &'static str, key: &'static str, values: Values) -> Harmless {
    Harmless {
        section,
        subsection: Subsection::Name,
        key,
        values,
    }
}

/// Section and key in small letters, as git has them.
#[rustfmt::skip]
const HARMLESS: &[Harmless] = &[
    // What `git init` finds out about the file system, and the form of the repository.
    plain("core", "repositoryformatversion", Values::OneOf(&["0", "1"])),
    plain("core", "filemode", Values::Boolean),
    plain("core", "bare", Values::Boolean),
    plain("core", "symlinks", Values::Boolean),
    plain("core", "ignorecase", Values::Boolean),
    plain("core", "precomposeunicode", Values::Boolean),
    plain("core", "logallrefupdates", Values::BooleanOr(&["always"])),
    plain("core", "autocrlf", Values::BooleanOr(&["input"])),
    plain("core", "sparsecheckout", Values::Boolean),
    plain("core", "sparsecheckoutcone", Values::Boolean),
    plain("index", "sparse", Values::Boolean),
    plain("extensions", "objectformat", Values::OneOf(&["sha1", "sha256"])),
    plain("extensions", "compatobjectformat", Values::OneOf(&["sha1", "sha256"])),
    plain("extensions", "refstorage", Values::OneOf(&["files", "reftable"])),
    plain("extensions", "partialclone", Values::Remote),
    plain("extensions", "preciousobjects", Values::Boolean),
    plain("extensions", "relativeworktrees", Values::Boolean),
    // What it has read then is protected as this file is.
    plain("extensions", "worktreeconfig", Values::Boolean),

    named("remote", "url", Values::Address),
    named("remote", "pushurl", Values::Address),
    named("remote", "fetch", Values::Fetched),
    named("remote", "tagopt", Values::OneOf(&["--no-tags", "--tags"])),
    named("remote", "prune", Values::Boolean),
    named("remote", "prunetags", Values::Boolean),
    named("remote", "skipdefaultupdate", Values::Boolean),
    named("remote", "skipfetchall", Values::Boolean),
    named("remote", "promisor", Values::Boolean),
    named("remote", "partialclonefilter", Values::Filter),
    named("remote", "followremotehead", Values::OneOf(&["never", "create", "warn", "always"])),
    plain("remote", "pushdefault", Values::Remote),

    // `mergeOptions` can name a strategy, which is a program.
    named("branch", "remote", Values::Remote),
    named("branch", "pushremote", Values::Remote),
    named("branch", "merge", Values::Branch),
    named("branch", "rebase", Values::BooleanOr(&["merges"])),

    plain("user", "name", Values::Text),
    plain("user", "email", Values::Text),
    plain("user", "useconfigonly", Values::Boolean),
    plain("author", "name", Values::Text),
    plain("author", "email", Values::Text),
    plain("committer", "name", Values::Text),
    plain("committer", "email", Values::Text),

    plain("submodule", "active", Values::Text),
    named("submodule", "url", Values::Address),
    named("submodule", "active", Values::Boolean),
    named("submodule", "branch", Values::Branch),
    named("submodule", "update", Values::OneOf(&["checkout", "rebase", "merge", "none"])),
    named("submodule", "ignore", Values::OneOf(&["all", "dirty", "untracked", "none"])),
    named("submodule", "fetchrecursesubmodules", Values::BooleanOr(&["on-demand"])),

    plain("pull", "rebase", Values::BooleanOr(&["merges"])),
    plain("pull", "ff", Values::BooleanOr(&["only"])),
    plain("push", "default", Values::OneOf(&["nothing", "current", "upstream", "simple"])),
    plain("push", "autosetupremote", Values::Boolean),
    plain("fetch", "prune", Values::Boolean),
    plain("gc", "auto", Values::Number),
    plain("gc", "autodetach", Values::Boolean),
    plain("maintenance", "auto", Values::Boolean),

    // How git works and what it prints. Not here is what hides a file or a change from who looks (`status.showUntrackedFiles`,
    // `core.untrackedCache`, `diff.ignoreSubmodules`), what checks less (`commit.gpgSign`, `http.sslVerify`), and what runs more
    // than was asked for (`help.autoCorrect`, `submodule.recurse`).
    plain("advice", "detachedhead", Values::Boolean),
    plain("branch", "autosetupmerge", Values::BooleanOr(&["always", "inherit", "simple"])),
    plain("branch", "autosetuprebase", Values::OneOf(&["never", "local", "remote", "always"])),
    plain("color", "ui", Values::BooleanOr(&["auto"])),
    plain("commit", "verbose", Values::Boolean),
    plain("core", "compression", Values::Number),
    plain("core", "eol", Values::OneOf(&["lf", "crlf", "native"])),
    plain("core", "longpaths", Values::Boolean),
    plain("core", "preloadindex", Values::Boolean),
    plain("core", "quotepath", Values::Boolean),
    plain("core", "safecrlf", Values::BooleanOr(&["warn"])),
    plain("diff", "algorithm", Values::OneOf(&["default", "myers", "minimal", "patience", "histogram"])),
    plain("diff", "renames", Values::BooleanOr(&["copies", "copy"])),
    plain("fetch", "parallel", Values::Number),
    plain("fetch", "prunetags", Values::Boolean),
    plain("http", "postbuffer", Values::Number),
    plain("init", "defaultbranch", Values::Branch),
    plain("merge", "autostash", Values::Boolean),
    plain("merge", "conflictstyle", Values::OneOf(&["merge", "diff3", "zdiff3"])),
    plain("merge", "ff", Values::BooleanOr(&["only"])),
    plain("pack", "threads", Values::Number),
    plain("rebase", "autosquash", Values::Boolean),
    plain("rebase", "autostash", Values::Boolean),
    plain("rebase", "updaterefs", Values::Boolean),
    plain("rerere", "enabled", Values::Boolean),

    // git-lfs-config(5): what it writes into every repository that it has to do with.
    plain("lfs", "repositoryformatversion", Values::OneOf(&["0"])),
];

/// The remotes that have an address in the same file. Any other name of one is an address itself.
pub(super) fn remotes(all: &[Setting]) -> BTreeSet<&[u8]> {
    let remotes = all.iter().filter_map(|setting| {
        let parts = setting.parts()?;
        let is_address = parts.section == b"remote" && parts.key == b"url";
        parts.subsection.filter(|_| is_address)
    });
    remotes.collect()
}

/// Whether it is in the list, with a value that it may have.
pub(super) fn is_harmless(setting: &Setting, remotes: &BTreeSet<&[u8]>) -> bool {
    let Some(parts) = setting.parts() else {
        return false;
    };
    let mut entries = HARMLESS.iter();
    let Some(entry) = entries.find(|entry| entry.is(&parts)) else {
        return false;
    };
    match &setting.value {
        // The name alone is true.
        None => matches!(entry.values, Values::Boolean | Values::BooleanOr(_)),
        Some(value) => entry.values.have(value, remotes),
    }
}

impl Harmless {
    fn is(&self, parts: &Parts<'_>) -> bool {
        let is_named = match (self.subsection, parts.subsection) {
            (Subsection::None, None) => true,
            (Subsection::Name, Some(name)) => is_branch(name),
            _ => false,
        };
        is_named && self.section.as_bytes() == parts.section && self.key.as_bytes() == parts.key
    }
}

impl Values {
    fn have(self, value: &[u8], remotes: &BTreeSet<&[u8]>) -> bool {
        // The words are git's own (`git_parse_maybe_bool_text`).
        let is_boolean = || {
            let words = ["true", "false", "yes", "no", "on", "off", "1", "0", ""];
            words
                .iter()
                .any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
        };
        match self {
            Self::Boolean => is_boolean(),
            Self::Number => !value.is_empty() && value.iter().all(u8::is_ascii_digit),
            Self::OneOf(words) => words.iter().any(|word| value == word.as_bytes()),
            Self::BooleanOr(words) => {
                is_boolean() || words.iter().any(|word| value == word.as_bytes())
            }
            Self::Text => !value.iter().any(u8::is_ascii_control),
            Self::Branch => is_branch(value),
            Self::Filter => {
                let is_plain =
                    |byte: &u8| byte.is_ascii_alphanumeric() || b":=+%._/-".contains(byte);
                !value.starts_with(b"-") && value.iter().all(is_plain)
            }
            Self::Remote => {
                let is_known = || remotes.contains(value) && is_name_of_remote(value);
                value == b"." || is_known() || is_address(value)
            }
            Self::Address => is_address(value),
            Self::Fetched => is_fetched(value),
        }
    }
}

/// A name as git-check-ref-format(1) has it, or nearly: no path that leads upwards, no option, nothing that a terminal obeys.
fn is_branch(name: &[u8]) -> bool {
    let is_odd =
        |byte: &u8| byte.is_ascii_control() || matches!(byte, b' ' | b':' | b'\\' | b'~' | b'^');
    let leads_up = name.windows(2).any(|pair| pair == b"..");
    let starts_oddly = matches!(name.first(), None | Some(b'-' | b'/' | b'.'));
    !starts_oddly && !leads_up && !name.iter().any(is_odd)
}
