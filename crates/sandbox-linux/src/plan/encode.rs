//! Steps as init reads them (`init/wire.rs`): code, length, fields.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Step, Unenforceable};
use crate::Cover;
use crate::wire::{cover, step};

/// All steps, one after the other.
pub(crate) fn steps(steps: &[Step]) -> Result<Vec<u8>, Unenforceable> {
    let mut bytes = Vec::with_capacity(steps.len() * 48);
    for step in steps {
        one(&mut bytes, step.code(), &fields(step)?)?;
    }
    Ok(bytes)
}

fn one(bytes: &mut Vec<u8>, code: u32, fields: &Fields) -> Result<(), Unenforceable> {
    let length = u32::try_from(fields.0.len()).map_err(|_| Unenforceable::TooLarge)?;
    bytes.extend(code.to_ne_bytes());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(&fields.0);
    Ok(())
}

#[derive(Default)]
struct Fields(Vec<u8>);

impl Fields {
    fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn string(mut self, string: &OsStr) -> Result<Self, Unenforceable> {
        if string.as_bytes().contains(&0) {
            return Err(Unenforceable::Nul {
                path: string.into(),
            });
        }
        self.0.extend(string.as_bytes());
        self.0.push(0);
        Ok(self)
    }

    /// Relative to the root of the view: init walks from a descriptor of it.
    fn path(self, path: &Path) -> Result<Self, Unenforceable> {
        self.string(path.strip_prefix("/").unwrap_or(path).as_os_str())
    }
}

fn fields(step: &Step) -> Result<Fields, Unenforceable> {
    let new = Fields::default();
    match step {
        Step::MapIds { uid, gid } => Ok(new.u32(*uid).u32(*gid)),
        Step::Take {
            path,
            slot,
            attributes,
            may_be_gone,
        } => new
            .u32(*slot)
            .u64(attributes.0)
            .u32((*may_be_gone).into())
            .path(path),
        Step::Restrict { attributes } => Ok(new.u64(attributes.0)),
        Step::Put { path, slot } => new.u32(*slot).path(path),
        Step::Rebind { path, attributes } => new.u64(attributes.0).path(path),
        Step::Scratch {
            path,
            mode,
            attributes,
        } => new
            .u64(attributes.0)
            .string(OsStr::new(&format!("{mode:04o}")))?
            .path(path),
        Step::Cover { path, cover } => new.u32(cover_code(*cover)).path(path),
        Step::Directory { path } => new.u32(0o755).path(path),
        Step::File { path } => new.u32(0o644).path(path),
        Step::Link { path, target } => new.string(target.as_os_str())?.path(path),
        Step::Proc { slot, attributes } => Ok(new.u32(*slot).u64(attributes.0)),
        Step::Devices {
            slot,
            attributes,
            contents,
        } => {
            let mut fields = new.u32(*slot).u64(attributes.0);
            fields.0.extend(steps(contents)?);
            Ok(fields)
        }
        Step::Terminals { slot } => Ok(new.u32(*slot)),
        Step::Freeze { path } | Step::Raise { path } => new.path(path),
        Step::Landlock { files, scopes } => {
            // As many words of `struct landlock_ruleset_attr` as the ABI knows: file, network, scope rights.
            Ok(new
                .u32(if scopes.is_some() { 3 } else { 1 })
                .u64(*files)
                .u64(0)
                .u64(scopes.unwrap_or(0)))
        }
        Step::Grant { path, rights } => new.u64(*rights).path(path),
        Step::Limit { resource, bound } => Ok(new.u32(resource.number()).u64(*bound)),
        Step::Filter(filter) => Ok(Fields(filter.to_bytes())),
        Step::Watch { names, is_copy } => {
            let mut groups = new.u32((*is_copy).into());
            for (directory, names) in Step::by_directory(names) {
                let mut group = Fields::default().path(directory)?;
                group.0.extend(steps(names)?);
                one(&mut groups.0, step::WITHIN, &group)?;
            }
            Ok(groups)
        }
        Step::Network | Step::Loopback | Step::Private | Step::NewRoot | Step::EnterRoot => Ok(new),
    }
}

const fn cover_code(cover: Cover) -> u32 {
    match cover {
        Cover::File => cover::FILE,
        Cover::Directory => cover::DIRECTORY,
        Cover::EmptyFile => cover::EMPTY,
    }
}
