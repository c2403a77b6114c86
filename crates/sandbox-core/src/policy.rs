//! What a person writes: rules, not yet resolved.
//!
//! A setter never fails. What cannot be meant (a path with a NUL byte, a limit of nothing) is kept as a problem and
//! reported, all of it at once, by [`Ruleset::resolve`](crate::Ruleset::resolve): a chain of calls stays readable, and
//! no rule is ever dropped in silence.

mod choice;
mod decode;
mod duration;
mod entry;
mod file;
mod import;
mod layer;
mod load;
mod network;
mod node;
mod parse;
mod print;
mod schema;
mod spelled;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use choice::{
    DestinationPreset, HideBy, Limits, MacOption, Network, Preset, ProtectedGroup, SocketPreset,
    System, Tier,
};
pub(crate) use entry::{
    DestinationEntry, FileEntry, Grant, VariableEntry, VariableRule, by_key, of_last_layers,
};
pub(crate) use file::read_regular;
pub use import::Imported;
pub(crate) use import::{Role, Settings};
pub use layer::Distrust;
pub(crate) use layer::{Bound, Reason};
pub use load::PolicyFile;
pub(crate) use load::tidy;
pub use schema::policy_schema;

use crate::source::Document;
use crate::{Access, MacOptions, PolicyError, PolicyErrors, PublishedPort, Source, Upstream};

/// Rules about files, network, environment, limits and system, as a person writes them.
///
/// Paths take `~`, patterns also `${HOME}`, `${CWD}` and `${TMPDIR}`; relative ones start at the current directory, those
/// of a policy file at the file's. Their order never matters: of two rules with the same key the one holds that grants
/// less. What a [`layer`](Self::layer) on top says replaces the same key, and so do the rules of a later preset.
///
/// ```
/// use sandbox_core::{Network, Policy, Preset};
///
/// let policy = Policy::preset(Preset::Agent)
///     .write("../shared")
///     .hide_matching("**/*.pem")
///     .network(Network::Host)
///     .set("CI", "1");
/// # let text = policy.to_string();
/// # assert!(Policy::from_toml(&text, None).is_ok(), "{text}");
/// ```
///
/// The same, from a file:
///
/// ```
/// # use sandbox_core::Policy;
/// let policy = Policy::from_toml(r#"
///     extends = ["agent"]
///
///     [files]
///     "../shared" = "write"
///     "**/*.pem"  = "hide"
///
///     [network]
///     default = "host"
///
///     [environment]
///     CI = { set = "1" }
/// "#, None)?;
/// # Ok::<(), sandbox_core::PolicyErrors>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Policy {
    pub(crate) presets: Vec<(Preset, Source)>,
    /// Each once.
    pub(crate) protected: BTreeMap<ProtectedGroup, Source>,
    /// Those of lower layers first.
    pub(crate) files: Vec<FileEntry>,
    pub(crate) network: Option<(Network, Source)>,
    /// Each once.
    pub(crate) destination_presets: Vec<(DestinationPreset, Source)>,
    pub(crate) destinations: Vec<DestinationEntry>,
    /// Each once.
    pub(crate) socket_presets: Vec<(SocketPreset, Source)>,
    pub(crate) published: Vec<(PublishedPort, Source)>,
    pub(crate) upstream: Option<(Upstream, Source)>,
    pub(crate) environment: Vec<VariableEntry>,
    pub(crate) limits: Limits,
    pub(crate) system: System,
    /// Rules of another sandbox's settings.
    pub(crate) settings: Option<Arc<Settings>>,
    /// What a setter could not understand.
    pub(crate) problems: Vec<PolicyError>,
    /// Those of its own rules that no later layer widens.
    fixed: Option<Box<Self>>,
    /// What it may not grant more than.
    pub(crate) bounds: Vec<Bound>,
    /// How many layers lie below the rules that the setters write.
    top: usize,
    /// Whose rules the setters write.
    origin: Source,
}

impl Policy {
    /// A policy without any rule: nothing can be read, and so nothing executed.
    pub fn new() -> Self {
        Self::default()
    }

    /// A policy that starts from a built-in one.
    pub fn preset(preset: Preset) -> Self {
        Self::new().extends(preset)
    }

    /// Reads a policy from a file, TOML or JSON by the ending of its name, with the files that it extends.
    ///
    /// Relative paths in it start at the directory that the file was named in, also where the name is a symbolic link.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not a regular one, is larger than 1 MiB, or is wrong in one place or several: all of
    /// them are reported.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, PolicyErrors> {
        PolicyFile::read(path).map(PolicyFile::into_policy)
    }

    /// Reads a policy from TOML. `file` is the name that errors show, and its directory is where relative paths start.
    /// A text extends presets only.
    ///
    /// # Errors
    ///
    /// The text is not TOML, or has an unknown key, a wrong type or a value that cannot be meant: all of them are
    /// reported, with their places.
    pub fn from_toml(text: &str, file: Option<&Path>) -> Result<Self, PolicyErrors> {
        Self::from_text(text, file, parse::toml)
    }

    /// Reads a policy from JSON of the same shape; strict JSON, without comments or trailing commas.
    ///
    /// ```
    /// use sandbox_core::Policy;
    ///
    /// let policy = Policy::from_json(r#"{ "extends": ["agent"], "files": { "..": "read" } }"#, None)?;
    /// # Ok::<(), sandbox_core::PolicyErrors>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`from_toml`](Self::from_toml).
    pub fn from_json(text: &str, file: Option<&Path>) -> Result<Self, PolicyErrors> {
        Self::from_text(text, file, parse::json)
    }

    fn from_text(
        text: &str,
        file: Option<&Path>,
        parse: parse::Parser,
    ) -> Result<Self, PolicyErrors> {
        load::text(Self::decode(text, file, parse)?)
    }

    fn decode(
        text: &str,
        file: Option<&Path>,
        parse: parse::Parser,
    ) -> Result<decode::Decoded, PolicyErrors> {
        let (document, absolute) = document(text, file)?;
        if text.starts_with('\u{feff}') {
            let reason = "a byte order mark, which UTF-8 does without";
            return Err(PolicyError::not_text(document.at(0..3), reason).into());
        }
        let root = parse(text, &document)?;
        decode::decode(&root, &document, absolute.as_deref().and_then(Path::parent))
    }

    /// Says where the rules come from that the following setters write; [`Source::Library`] until then.
    pub fn source(mut self, source: Source) -> Self {
        self.origin = source;
        self
    }

    /// Adds the rules of a preset. Rules of this policy replace those of a preset with the same key.
    pub fn extends(mut self, preset: Preset) -> Self {
        self.presets.push((preset, self.origin.clone()));
        self
    }

    /// Tells what is wrong with it as far as that shows without a host: what a setter was given that can't be meant.
    /// [`Ruleset::resolve`](crate::Ruleset::resolve) finds this and the rest.
    ///
    /// ```
    /// use sandbox_core::Policy;
    ///
    /// assert!(Policy::new().read("/usr").check().is_ok());
    /// assert!(Policy::new().read("").check().is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// All that was found.
    pub fn check(&self) -> Result<(), PolicyErrors> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(PolicyErrors(self.problems.clone()))
        }
    }
}

/// A text within its limits, and the absolute path of its file.
fn document(
    text: &str,
    file: Option<&Path>,
) -> Result<(Arc<Document>, Option<PathBuf>), PolicyErrors> {
    if text.len() > file::LIMIT {
        return Err(PolicyError::TooLarge {
            path: file.map(Path::to_path_buf),
        }
        .into());
    }
    // The file was named from where this process is, which need not be where the command will be.
    let absolute = file.map(std::path::absolute).transpose();
    let absolute = absolute.map_err(|error| PolicyError::Read {
        path: file.map(Path::to_path_buf).unwrap_or_default(),
        source: error.into(),
    })?;
    let document = Document::new(text, file);
    if let Some(nul) = text.find('\0') {
        return Err(PolicyError::not_text(document.at(nul..nul + 1), "a NUL byte").into());
    }
    Ok((document, absolute))
}

/// Files. A path is literal; in a pattern `*`, `?` and `[a-z]` match within a component, `**` across.
impl Policy {
    /// Grants reading a path and all below: content, listings, execution.
    pub fn read(self, path: impl AsRef<OsStr>) -> Self {
        self.file(path.as_ref(), false, Access::Read, false)
    }

    /// Grants reading what matches.
    pub fn read_matching(self, pattern: impl AsRef<OsStr>) -> Self {
        self.file(pattern.as_ref(), true, Access::Read, false)
    }

    /// Grants reading a path that may be missing.
    pub fn read_if_exists(self, path: impl AsRef<OsStr>) -> Self {
        self.file(path.as_ref(), false, Access::Read, true)
    }

    /// Grants reading, changing, creating and deleting a path and all below. The path has to exist.
    pub fn write(self, path: impl AsRef<OsStr>) -> Self {
        self.file(path.as_ref(), false, Access::Write, false)
    }

    /// Grants writing what matches.
    pub fn write_matching(self, pattern: impl AsRef<OsStr>) -> Self {
        self.file(pattern.as_ref(), true, Access::Write, false)
    }

    /// Grants writing a path that may be missing. Then it can be made, also where the directory around it can only be read.
    pub fn write_if_exists(self, path: impl AsRef<OsStr>) -> Self {
        self.file(path.as_ref(), false, Access::Write, true)
    }

    /// Hides a path and all below. The path is literal: `*` in it is a character; patterns are for
    /// [`hide_matching`](Self::hide_matching).
    pub fn hide(self, path: impl AsRef<OsStr>) -> Self {
        self.file(path.as_ref(), false, Access::Hide, false)
    }

    /// Hides what matches when the policy is resolved; what comes to match later is not hidden.
    pub fn hide_matching(self, pattern: impl AsRef<OsStr>) -> Self {
        self.file(pattern.as_ref(), true, Access::Hide, false)
    }

    /// Replaces a path by an empty private directory.
    pub fn scratch(self, path: impl AsRef<OsStr>) -> Self {
        self.file(path.as_ref(), false, Access::Scratch, false)
    }

    /// Replaces what matches by empty private directories.
    pub fn scratch_matching(self, pattern: impl AsRef<OsStr>) -> Self {
        self.file(pattern.as_ref(), true, Access::Scratch, false)
    }

    /// Shows the host's content of a path, and keeps what is written to it aside.
    pub fn overlay(self, path: impl AsRef<OsStr>) -> Self {
        self.file(path.as_ref(), false, Access::Overlay, false)
    }

    /// Shows the host's content of what matches, and keeps what is written to it aside.
    pub fn overlay_matching(self, pattern: impl AsRef<OsStr>) -> Self {
        self.file(pattern.as_ref(), true, Access::Overlay, false)
    }

    /// Protects the names of a group in every writable directory, as others are without being asked for. No layer on top takes
    /// that back; a rule that names one of them opens it.
    ///
    /// ```
    /// use sandbox_core::{Attempt, Context, Policy, ProtectedGroup, Ruleset, Verdict};
    ///
    /// let policy = Policy::default().read("/").write("/srv").protect(ProtectedGroup::Ci);
    /// let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    /// let attempt = Attempt::write("/srv/a/.github/workflows/ci.yml");
    /// assert_eq!(ruleset.decide(&attempt).verdict, Verdict::Deny);
    /// ```
    pub fn protect(mut self, group: ProtectedGroup) -> Self {
        let source = self.origin.clone();
        self.protected.entry(group).or_insert(source);
        self
    }

    fn file(mut self, text: &OsStr, pattern: bool, access: Access, optional: bool) -> Self {
        let source = self.origin.clone();
        match entry::wrong_path(text) {
            Some(reason) => self.problem_name("path", text, reason),
            None => self.files.push(FileEntry {
                text: text.into(),
                pattern,
                access,
                optional,
                base: None,
                layer: self.top,
                is_instead: false,
                source,
            }),
        }
        self
    }
}

/// Environment, limits, system.
impl Policy {
    /// Passes a variable of the caller's environment; `*` and `?` match several.
    pub fn pass(self, name: impl AsRef<OsStr>) -> Self {
        self.variable(name.as_ref(), VariableRule::Pass)
    }

    /// Drops a variable of the caller's environment; `*` and `?` match several.
    pub fn drop_variable(self, name: impl AsRef<OsStr>) -> Self {
        self.variable(name.as_ref(), VariableRule::Drop)
    }

    /// Sets a variable, whatever the caller's environment has.
    pub fn set(self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variable(name.as_ref(), VariableRule::Set(value.as_ref().to_owned()))
    }

    fn variable(mut self, name: &OsStr, rule: VariableRule) -> Self {
        let source = self.origin.clone();
        match entry::wrong_variable(name, &rule) {
            Some(reason) => self.problem_name("variable", name, reason),
            None => self.environment.push(VariableEntry {
                pattern: name.to_owned(),
                rule,
                source,
            }),
        }
        self
    }

    /// Limits memory, in bytes.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.limits.memory = self.count("memory", bytes);
        self
    }

    /// Limits how many processes and threads there are at once.
    pub fn processes(mut self, count: u64) -> Self {
        self.limits.processes = self.count("processes", count);
        self
    }

    /// Limits how many files one process has open.
    pub fn open_files(mut self, count: u64) -> Self {
        self.limits.open_files = self.count("open_files", count);
        self
    }

    /// Limits the time until the command and all it started is ended; at most 30 days.
    pub fn time(mut self, time: Duration) -> Self {
        match duration::wrong(time) {
            Some(reason) => self.problem_value("time", format!("{time:?}"), reason),
            None => self.limits.time = Some(time),
        }
        self
    }

    fn count(&mut self, key: &'static str, count: u64) -> Option<u64> {
        match entry::wrong_count(count) {
            Some(reason) => {
                self.problem_value(key, count.to_string(), reason);
                None
            }
            None => Some(count),
        }
    }

    /// Accepts this weaker tier where a stronger one is not available.
    pub fn fallback(mut self, tier: Tier) -> Self {
        self.system.fallback = Some(tier);
        self
    }

    /// Allows a kernel feature that the default filter refuses. Whether it exists is for the operating system's part to
    /// say.
    pub fn feature(mut self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        if let Some(reason) = entry::wrong_feature(name) {
            self.problem_name("feature", OsStr::new(name), reason);
        } else {
            let source = self.origin.clone();
            self.system.features.insert(name.to_owned(), source);
        }
        self
    }

    /// Allows something on macOS that is denied there by default. Elsewhere it says nothing.
    ///
    /// ```
    /// use sandbox_core::{MacOption, Policy};
    ///
    /// let policy = Policy::default().macos(MacOption::Pty).mach_lookup("com.example.service");
    /// assert!(policy.to_string().contains("[system.macos]\npty = \"allow\""));
    /// ```
    pub fn macos(mut self, option: MacOption) -> Self {
        let source = self.origin.clone();
        self.system.macos.allowed.insert(option, source);
        self
    }

    /// Lets a service of macOS be asked, by the name that launchd(8) knows; a final `*` stands for the rest of the name. Elsewhere it
    /// says nothing. The service is not confined.
    pub fn mach_lookup(mut self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        if let Some(reason) = entry::wrong_service(name) {
            self.problem_name("service", OsStr::new(name), reason);
        } else {
            let own = MacOptions {
                mach_lookup: vec![(name.to_owned(), self.origin.clone())],
                ..MacOptions::default()
            };
            self.system.macos = self.system.macos.layer(own);
        }
        self
    }

    /// Says how hidden paths are kept out.
    pub fn hide_by(mut self, way: HideBy) -> Self {
        self.system.hide = way;
        self
    }

    fn problem_name(&mut self, kind: &'static str, name: &OsStr, reason: &'static str) {
        let at = self.origin.clone();
        self.problems.push(PolicyError::InvalidName {
            at,
            kind,
            name: name.to_owned(),
            reason,
        });
    }

    fn problem_value(&mut self, key: &'static str, value: String, reason: &'static str) {
        let at = self.origin.clone();
        self.problems.push(PolicyError::InvalidValue {
            at,
            key,
            value,
            reason,
            remedy: None,
        });
    }
}
