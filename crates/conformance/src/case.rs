//! The format of the case files.
//!
//! ```toml
//! kind = "files"                       # what the tables of this file are about: there is nothing else yet
//!
//! [[table]]                            # one host, one policy, many attempts
//! name = "a hidden file in a writable directory"
//! policy = { "." = "write", "key" = "hide" }
//! host = { "key" = "file", "link" = { symlink = "key" } }
//! attempts = [
//!   { read = "key", expected = "hidden", reason = "the longer path holds" },
//!   { read = "link", expected = "hidden", reason = "a link is followed" },
//! ]
//! ```
//!
//! Paths are relative to the workspace (`@ws`), or begin with `@outside`, `@home` or `/`; names that are no text are spelled by
//! their bytes (`\xNN`). What a table needs of the system is granted besides.
//!
//! `hide = "assemble"` and `home = PATH` (what `~` means, with the preset `read-only`, so that secrets are hidden) are
//! optional. So is `mounts`, what is mounted on the host before and after the things are made, by place: `{ type = "tmpfs" }`,
//! `{ type = "casefold" }` (a tmpfs in which case does not matter) or `{ second_name_of = PATH }`, with `flags = "ro"`, `"noexec"` or both.
//!
//! Optional for an attempt are `twice = true` (Landlock alone refuses it as well as the mounts), `by_name = true` (only the notifier does), `outside` (what becomes of it
//! without a sandbox, if that is not what tells most: done, or not there where that is expected), and `limit`: why what
//! happens is not what a person might expect of the rules, with `decide = "allow"` or `"deny"` where the rules say something else.

use std::ffi::OsString;
use std::path::PathBuf;

use sandbox_core::{Access, HideBy, Verdict};
use toml::Value;

use self::reader::Reader;
use crate::{Answer, Attempt, Mount};

mod reader;

/// One host and one policy with the attempts that are made there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Table {
    /// What it tests, as a sentence.
    pub name: String,
    /// Rules.
    pub policy: Vec<(OsString, Access)>,
    /// How things are hidden.
    pub hide: HideBy,
    /// What `~` means; the known secrets in it are hidden.
    pub home: Option<OsString>,
    /// What is on the host: hard links last.
    pub host: Vec<(OsString, Thing)>,
    /// What is mounted on the host: second names last.
    pub mounts: Vec<Mount>,
    /// The attempts.
    pub cases: Vec<Case>,
}

/// Something on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Thing {
    /// A directory.
    Directory,
    /// A file with a content of its own.
    File,
    /// A program that ends well.
    Program,
    /// A FIFO.
    Fifo,
    /// A symbolic link that contains this.
    Symlink(OsString),
    /// Another name of this file.
    Hardlink(OsString),
    /// A directory with [`CROWD`] directories `d0`, `d1` … in it, each with a file of this name: more than are lowered one by one.
    Crowd(OsString),
}

/// How many directories are in a [`Thing::Crowd`].
pub const CROWD: usize = 1002;

/// One attempt, and what is expected of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// The attempt, with the paths of the file.
    pub attempt: Attempt,
    /// What has to become of it.
    pub expected: Expected,
    /// What becomes of it without a sandbox.
    pub outside: Expected,
    /// What the rules say, where that is another thing than what happens.
    pub decide: Option<Verdict>,
    /// Why they do, or why what happens is less than a person might expect.
    pub limit: Option<String>,
    /// Landlock alone refuses it as well.
    pub twice: bool,
    /// The notifier alone refuses it.
    pub by_name: bool,
    /// Why it is expected.
    pub reason: String,
}

impl Case {
    /// Whether it is the sandbox that refuses it.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.expected.verdict() == Some(Verdict::Deny) && self.outside == Expected::Allowed
    }
}

/// What is expected of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// It is done.
    Allowed,
    /// It is refused.
    Denied,
    /// Nothing of it is to be seen, whether it seems to be there or not.
    Hidden,
    /// There is no such name, though no rule is against it.
    Missing,
    /// A directory is listed without some of its names.
    Partial,
}

impl Expected {
    /// Whether an answer is what is expected.
    #[must_use]
    pub fn admits(self, answer: Answer) -> bool {
        match self {
            Self::Allowed => answer == Answer::Allowed,
            Self::Denied => answer == Answer::Denied,
            Self::Hidden => matches!(answer, Answer::Denied | Answer::Missing | Answer::Empty),
            Self::Missing => answer == Answer::Missing,
            Self::Partial => answer == Answer::Partial,
        }
    }

    /// What the rules have to say; `None` where either will do.
    #[must_use]
    pub fn verdict(self) -> Option<Verdict> {
        match self {
            Self::Allowed | Self::Missing => Some(Verdict::Allow),
            Self::Denied | Self::Hidden => Some(Verdict::Deny),
            Self::Partial => None,
        }
    }
}

/// Reads the tables of a file.
///
/// # Errors
///
/// What is wrong, and where. A key that is not known is.
pub fn tables(text: &str) -> Result<Vec<Table>, String> {
    let file: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let mut file = Reader::new("the file", file);
    match file.string("kind")?.as_str() {
        "files" => {}
        other => return Err(file.wrong(&format!("unknown kind `{other}`"))),
    }
    let tables = file.array("table")?;
    file.end()?;
    tables.into_iter().map(table).collect()
}

fn table(value: Value) -> Result<Table, String> {
    let mut table = Reader::of("a table", value)?;
    let name = table.string("name")?;
    table.rename(&name);
    let hide = match table.optional("hide")?.as_deref() {
        None => HideBy::Cover,
        Some("assemble") => HideBy::Assemble,
        Some(other) => return Err(table.wrong(&format!("unknown way to hide `{other}`"))),
    };
    let home = table.optional_path("home")?;
    let mut policy = Vec::new();
    for (rule, access) in table.map("policy")? {
        let access = match access.as_str() {
            Some("hide") => Access::Hide,
            Some("read") => Access::Read,
            Some("write") => Access::Write,
            Some("scratch") => Access::Scratch,
            _ => return Err(table.wrong(&format!("unknown access {access}"))),
        };
        policy.push((table.spelled(&rule)?, access));
    }
    let mut host = Vec::new();
    for (place, thing) in table.map("host")? {
        host.push((table.spelled(&place)?, self::thing(&name, thing)?));
    }
    host.sort_by_key(|(_, thing)| matches!(thing, Thing::Hardlink(_)));
    let mut mounts = Vec::new();
    for (place, mount) in table.optional_map("mounts")? {
        mounts.push(self::mount(&name, table.spelled(&place)?.into(), mount)?);
    }
    mounts.sort_by_key(|mount| mount.second_name_of.is_some());
    let cases = table.array("attempts")?.into_iter();
    let cases = cases.map(|case| self::case(&name, case));
    let cases = cases.collect::<Result<_, _>>()?;
    table.end()?;
    Ok(Table {
        name,
        policy,
        hide,
        home,
        host,
        mounts,
        cases,
    })
}

fn thing(table: &str, value: Value) -> Result<Thing, String> {
    if let Some(text) = value.as_str() {
        return match text {
            "dir" => Ok(Thing::Directory),
            "file" => Ok(Thing::File),
            "program" => Ok(Thing::Program),
            "fifo" => Ok(Thing::Fifo),
            other => Err(format!("{table}: unknown thing `{other}`")),
        };
    }
    let mut named = Reader::of(table, value)?;
    let names = (
        named.optional_path("symlink")?,
        named.optional_path("hardlink")?,
        named.optional_path("crowd")?,
    );
    let thing = match names {
        (Some(target), None, None) => Thing::Symlink(target),
        (None, Some(other), None) => Thing::Hardlink(other),
        (None, None, Some(name)) => Thing::Crowd(name),
        _ => return Err(named.wrong("a link is symbolic or hard, and a crowd is none")),
    };
    named.end()?;
    Ok(thing)
}

fn mount(table: &str, at: PathBuf, value: Value) -> Result<Mount, String> {
    let mut mount = Reader::of(table, value)?;
    let second_name_of = mount.optional_path("second_name_of")?.map(PathBuf::from);
    let folds_case = match (mount.optional("type")?.as_deref(), &second_name_of) {
        (Some("tmpfs"), None) | (None, Some(_)) => false,
        (Some("casefold"), None) => true,
        _ => return Err(mount.wrong("a mount is a file system or a second name")),
    };
    let (mut read_only, mut no_exec) = (false, false);
    for flag in mount
        .optional("flags")?
        .unwrap_or_default()
        .split_terminator(',')
    {
        match flag {
            "ro" => read_only = true,
            "noexec" => no_exec = true,
            other => return Err(mount.wrong(&format!("unknown flag `{other}`"))),
        }
    }
    mount.end()?;
    Ok(Mount {
        at,
        second_name_of,
        read_only,
        no_exec,
        folds_case,
    })
}

fn case(table: &str, value: Value) -> Result<Case, String> {
    let mut case = Reader::of(table, value)?;
    let reason = case.string("reason")?;
    case.rename(&format!("{table}: {reason}"));
    let attempt = attempt(&mut case)?;
    let expected = case.string("expected")?;
    let expected = self::expected(&case, &expected)?;
    let outside = match case.optional("outside")? {
        Some(outside) => self::expected(&case, &outside)?,
        // What is refused has to be possible: else nothing was tested.
        None if expected == Expected::Missing => Expected::Missing,
        None => Expected::Allowed,
    };
    let decide = match case.optional("decide")?.as_deref() {
        None => None,
        Some("allow") => Some(Verdict::Allow),
        Some("deny") => Some(Verdict::Deny),
        Some(other) => return Err(case.wrong(&format!("unknown verdict `{other}`"))),
    };
    let limit = case.optional("limit")?;
    if decide.is_some() && limit.is_none() {
        return Err(case.wrong("`decide` needs a `limit`"));
    }
    let (twice, by_name) = (case.flag("twice")?, case.flag("by_name")?);
    case.end()?;
    Ok(Case {
        attempt,
        expected,
        outside,
        decide,
        limit,
        twice,
        by_name,
        reason,
    })
}

fn expected(case: &Reader, word: &str) -> Result<Expected, String> {
    Ok(match word {
        "allowed" => Expected::Allowed,
        "denied" => Expected::Denied,
        "hidden" => Expected::Hidden,
        "missing" => Expected::Missing,
        "partial" => Expected::Partial,
        other => return Err(case.wrong(&format!("`{other}` is nothing to expect"))),
    })
}

fn attempt(case: &mut Reader) -> Result<Attempt, String> {
    let mut attempt = None;
    for verb in [
        "read", "list", "execute", "write", "create", "delete", "rename",
    ] {
        let Some(path) = case.optional_path(verb)? else {
            continue;
        };
        let path = path.into();
        let this = match verb {
            "read" => Attempt::Read(path),
            "list" => Attempt::List(path),
            "execute" => Attempt::Execute(path),
            "write" => Attempt::Write(path),
            "create" => Attempt::Create(path),
            "delete" => Attempt::Delete(path),
            _ => {
                let to = case.optional_path("to")?;
                let to = to.ok_or_else(|| case.wrong("a rename has a `to`"))?;
                Attempt::Rename(path, to.into())
            }
        };
        if attempt.replace(this).is_some() {
            return Err(case.wrong("one attempt a line"));
        }
    }
    attempt.ok_or_else(|| case.wrong("nothing is attempted"))
}

#[cfg(test)]
mod tests;
