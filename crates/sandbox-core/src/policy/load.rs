//! A policy file with the files that it extends: each read where it is named, and what was read is what is used.
//!
//! Presets come first, in their order; then the files, in theirs; then the rules of the file itself. The same key in a
//! later one replaces the earlier one.

use std::path::{Component, Path, PathBuf};

use super::decode::{Decoded, Extended};
use super::file::{self, Contents};
use super::{Policy, Preset};
use crate::problem::ExtendsProblem;
use crate::{Location, PolicyError, PolicyErrors, Source};

/// Files below one another: a person follows fewer.
const DEPTH: usize = 8;
/// Files altogether. Each could name many, and each of those as many again.
const FILES: usize = 64;

/// A policy file as it was read, with those that it extends.
///
/// ```
/// # let directory = tempfile::tempdir().unwrap();
/// # let path = directory.path().join("sandbox.toml");
/// # std::fs::write(&path, "extends = ['agent']\n").unwrap();
/// use sandbox_core::PolicyFile;
///
/// let file = PolicyFile::read(&path)?;
/// assert_eq!(file.parts().count(), 1);
/// assert!(file.policy().check().is_ok());
/// # Ok::<(), sandbox_core::PolicyErrors>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PolicyFile {
    policy: Policy,
    parts: Vec<Part>,
}

/// One file of several.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// Absolute.
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) names: u64,
}

/// How a file is read.
pub(super) type Reader<'a> = &'a dyn Fn(&Path) -> Result<Contents, PolicyError>;

impl PolicyFile {
    /// Reads a policy file and those that it extends.
    ///
    /// # Errors
    ///
    /// As for [`Policy::from_file`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self, PolicyErrors> {
        load(path.as_ref(), &file::contents)
    }

    /// Reads it as if the file had this text, with those that the text extends.
    ///
    /// # Errors
    ///
    /// As for [`Policy::from_file`].
    pub fn with_text(path: impl AsRef<Path>, text: &str) -> Result<Self, PolicyErrors> {
        let contents = Contents {
            bytes: text.into(),
            names: 1,
        };
        load_contents(path.as_ref(), contents, &file::contents)
    }

    /// What they say together.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What they say together.
    pub fn into_policy(self) -> Policy {
        self.policy
    }

    /// The file itself, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.parts.first().map_or(Path::new(""), |part| &part.path)
    }

    /// The files, absolute, that which was asked for first.
    pub fn parts(&self) -> impl Iterator<Item = &Path> {
        self.parts.iter().map(|part| part.path.as_path())
    }

    pub(crate) fn read_parts(&self) -> &[Part] {
        &self.parts
    }
}

/// Reads a policy file and those that it extends.
pub(super) fn load(path: &Path, read: Reader<'_>) -> Result<PolicyFile, PolicyErrors> {
    load_contents(path, read(path)?, read)
}

fn load_contents(
    path: &Path,
    contents: Contents,
    read: Reader<'_>,
) -> Result<PolicyFile, PolicyErrors> {
    let mut load = Load {
        read,
        way: Vec::new(),
        parts: Vec::new(),
    };
    let policy = load.file(path, contents)?;
    Ok(PolicyFile {
        policy,
        parts: load.parts,
    })
}

/// The policy of a text, which has no directory that another file could be named from.
pub(super) fn text(decoded: Decoded) -> Result<Policy, PolicyErrors> {
    let (mut presets, mut errors) = (Vec::new(), Vec::new());
    for item in decoded.extends {
        match item {
            Extended::Preset(preset, source) => presets.push((preset, source)),
            Extended::File(file, at) => {
                let problem = ExtendsProblem::Text;
                errors.push(PolicyError::Extends { at, file, problem });
            }
        }
    }
    if errors.is_empty() {
        Ok(with_presets(decoded.policy, presets))
    } else {
        Err(PolicyErrors(errors))
    }
}

struct Load<'a> {
    read: Reader<'a>,
    /// The files that are being read, each named by the one before.
    way: Vec<PathBuf>,
    parts: Vec<Part>,
}

impl Load<'_> {
    fn file(&mut self, path: &Path, contents: Contents) -> Result<Policy, PolicyErrors> {
        let decoded = file::decode(&contents.bytes, path)?;
        let absolute = tidy(path).map_err(|error| PolicyError::Read {
            path: path.to_owned(),
            source: error.into(),
        })?;
        self.parts.push(Part {
            path: absolute.clone(),
            bytes: contents.bytes,
            names: contents.names,
        });
        self.way.push(absolute);
        let (mut presets, mut below, mut errors) = (Vec::new(), Policy::new(), Vec::new());
        for item in decoded.extends {
            match item {
                Extended::Preset(preset, source) => presets.push((preset, source)),
                Extended::File(name, at) => match self.extended(path, name, at) {
                    Ok(policy) => {
                        let mut policy = policy.settle();
                        // What it fixes stands on its own presets and those before it, whatever comes later.
                        for bound in &mut policy.bounds {
                            bound.policy.presets.splice(..0, presets.iter().cloned());
                        }
                        presets.append(&mut policy.presets);
                        below = below.layer(policy);
                    }
                    Err(found) => errors.extend(found),
                },
            }
        }
        self.way.pop();
        if errors.is_empty() {
            Ok(with_presets(below.layer(decoded.policy), presets))
        } else {
            Err(PolicyErrors(errors))
        }
    }

    fn extended(&mut self, by: &Path, file: String, at: Location) -> Result<Policy, PolicyErrors> {
        let path = by.parent().unwrap_or(Path::new("")).join(&file);
        let problem = match tidy(&path) {
            Ok(absolute) if self.way.contains(&absolute) => Some(ExtendsProblem::Loop),
            _ if self.way.len() > DEPTH => Some(ExtendsProblem::Deep { limit: DEPTH }),
            _ if self.parts.len() >= FILES => Some(ExtendsProblem::Many { limit: FILES }),
            _ => None,
        };
        if let Some(problem) = problem {
            return Err(PolicyError::Extends { at, file, problem }.into());
        }
        match (self.read)(&path) {
            Ok(contents) => self.file(&path, contents),
            Err(error) => {
                let problem = ExtendsProblem::Read(Box::new(error));
                Err(PolicyError::Extends { at, file, problem }.into())
            }
        }
    }
}

fn with_presets(mut policy: Policy, presets: Vec<(Preset, Source)>) -> Policy {
    policy.presets = presets;
    policy
}

/// One spelling of a path. A link on the way makes it another file: whoever goes round by links meets the limit of depth.
pub(crate) fn tidy(path: &Path) -> std::io::Result<PathBuf> {
    let absolute = std::path::absolute(path)?;
    let mut tidy = PathBuf::new();
    for component in absolute.components() {
        match component {
            Component::ParentDir => {
                tidy.pop();
            }
            _ => tidy.push(component),
        }
    }
    Ok(tidy)
}

#[cfg(test)]
mod tests;
