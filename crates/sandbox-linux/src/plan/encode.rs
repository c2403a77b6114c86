//! Steps as init reads them (`init/wire.rs`): code, length, fields.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Followed, MountAttributes, Step, Unenforceable};
use crate::Cover;
use crate::wire::{Reader, SLOTS, cover, step};

/// All steps, one after the other.
pub(crate) fn steps(steps: &[Step]) -> Result<Vec<u8>, Unenforceable> {
    let mut bytes = Vec::with_capacity(steps.len() * 48);
    all(&mut bytes, steps)?;
    bytes.shrink_to_fit();
    Ok(bytes)
}

fn all(bytes: &mut Vec<u8>, steps: &[Step]) -> Result<(), Unenforceable> {
    steps
        .iter()
        .try_for_each(|step| one(bytes, step.code(), |fields| write(fields, step)))
}

/// One step: what is written lies behind its code and its length.
fn one(
    bytes: &mut Vec<u8>,
    code: u32,
    write: impl FnOnce(&mut Fields<'_>) -> Result<(), Unenforceable>,
) -> Result<(), Unenforceable> {
    bytes.extend(code.to_ne_bytes());
    let at = bytes.len();
    bytes.extend([0; 4]);
    let start = bytes.len();
    write(&mut Fields(bytes))?;
    let length = u32::try_from(bytes.len() - start).map_err(|_| Unenforceable::TooLarge)?;
    if let Some(slot) = bytes.get_mut(at..start) {
        slot.copy_from_slice(&length.to_ne_bytes());
    }
    Ok(())
}

struct Fields<'a>(&'a mut Vec<u8>);

impl Fields<'_> {
    fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_ne_bytes());
        self
    }

    fn identity(&mut self, identity: [u64; 4]) -> &mut Self {
        identity.into_iter().fold(self, Self::u64)
    }

    fn string(&mut self, string: &OsStr) -> Result<&mut Self, Unenforceable> {
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
    fn path(&mut self, path: &Path) -> Result<(), Unenforceable> {
        self.string(path.strip_prefix("/").unwrap_or(path).as_os_str())
            .map(drop)
    }
}

fn followed(fields: &mut Fields<'_>, directory: &Followed) -> Result<(), Unenforceable> {
    one(fields.0, step::FOLLOWED, |group| {
        group.u32(directory.slot).identity(directory.identity);
        group.string(directory.below.as_os_str())?;
        let count = u32::try_from(directory.taken.len());
        group.u32(count.map_err(|_| Unenforceable::TooLarge)?);
        directory.taken.iter().for_each(|taken| {
            group.identity(*taken);
        });
        let mut fixed = directory.fixed.iter();
        fixed.try_for_each(|name| group.string(name).map(drop))
    })
}

fn write(fields: &mut Fields<'_>, step: &Step) -> Result<(), Unenforceable> {
    match step {
        Step::MapIds { uid, gid } => {
            fields.u32(*uid).u32(*gid);
        }
        Step::Take {
            path,
            slot,
            attributes,
            may_be_gone,
        } => {
            if *slot as usize >= SLOTS {
                return Err(Unenforceable::TooLarge);
            }
            let fields = fields.u32(*slot).u64(attributes.0);
            fields.u32((*may_be_gone).into()).path(path)?;
        }
        Step::Restrict { attributes } => {
            fields.u64(attributes.0);
        }
        Step::Put { path, slot } | Step::Keep { path, slot } => fields.u32(*slot).path(path)?,
        Step::Directory { path } => fields.u32(0o755).path(path)?,
        Step::File { path } => fields.u32(0o644).path(path)?,
        Step::Link { path, target } => fields.string(target.as_os_str())?.path(path)?,
        Step::Proc { slot, attributes } => {
            fields.u32(*slot).u64(attributes.0);
        }
        Step::Devices {
            slot,
            attributes,
            contents,
        } => {
            fields.u32(*slot).u64(attributes.0);
            all(fields.0, contents)?;
        }
        Step::Terminals { slot: number } | Step::Numbers { below: number } => {
            fields.u32(*number);
        }
        Step::Freeze { path } | Step::Raise { path } => fields.path(path)?,
        Step::Landlock {
            files: rights,
            scopes,
            performed,
        } => {
            // As many words of `struct landlock_ruleset_attr` as the ABI knows: file, network, scope rights.
            fields
                .u32(if scopes.is_some() { 3 } else { 1 })
                .u64(*rights)
                .u64(0)
                .u64(scopes.unwrap_or(0))
                .u64(*performed);
        }
        Step::Grant { path, rights } => fields.u64(*rights).path(path)?,
        Step::GrantOpening { path, rights, own } => fields.u64(*rights).u64(*own).path(path)?,
        Step::GrantQueues { rights } => {
            fields.u64(*rights);
        }
        Step::Limit { resource, bound } => {
            fields.u32(resource.number()).u64(*bound);
        }
        Step::Hosts { table } => fields.0.extend(table.as_bytes()),
        Step::Filter(filter) => {
            fields.u32(filter.notifies().into());
            fields.0.extend(filter.to_bytes());
        }
        Step::Rebind { path, .. }
        | Step::Scratch { path, .. }
        | Step::Close { path }
        | Step::Open { path }
        | Step::Cover { path, .. } => {
            mount(fields, step).path(path)?;
        }
        Step::Watch { names, is_copy } => {
            fields.u32((*is_copy).into());
            fields.0.extend(names.as_bytes());
        }
        Step::Follow {
            attributes,
            most,
            directories,
        } => {
            fields.u64(attributes.0).u32(*most);
            directories
                .iter()
                .try_for_each(|directory| followed(fields, directory))?;
        }
        Step::Netlink(request) => {
            let protocol = fields.u32(request.protocol());
            protocol.u32(request.may_fail().into());
            fields.0.extend(request.to_bytes());
        }
        Step::Doors { datagrams } => {
            fields.u32((*datagrams).into());
        }
        Step::Network | Step::Private | Step::NewRoot | Step::EnterRoot | Step::Lock => {}
    }
    Ok(())
}

/// What is done again, by the directory in which it is.
pub(super) fn watched(names: &[Step]) -> Result<Vec<u8>, Unenforceable> {
    let mut bytes = Vec::new();
    for names in names.chunk_by(|one, other| one.directory() == other.directory()) {
        let directory = names.first().and_then(Step::directory);
        one(&mut bytes, step::WITHIN, |group| {
            group.path(directory.unwrap_or(Path::new("/")))?;
            names.iter().try_for_each(|step| {
                let name = step.path().map(sandbox_core::name).unwrap_or_default();
                one(group.0, step.code(), |fields| {
                    mount(fields, step).string(name).map(drop)
                })
            })
        })?;
    }
    Ok(bytes)
}

/// What a step mounts over a name, which follows.
fn mount<'a, 'b>(fields: &'a mut Fields<'b>, step: &Step) -> &'a mut Fields<'b> {
    match step {
        Step::Rebind { attributes, .. } => fields.u64(attributes.0),
        Step::Scratch {
            mode, attributes, ..
        } => fields.u64(attributes.0).u32(*mode),
        Step::Cover { cover, .. } => fields.u32(cover_code(*cover)),
        _ => fields,
    }
}

const fn cover_code(cover: Cover) -> u32 {
    match cover {
        Cover::File => cover::FILE,
        Cover::Directory => cover::DIRECTORY,
        Cover::EmptyFile => cover::EMPTY,
        Cover::Hosts => cover::HOSTS,
    }
}

/// What [`watched`] was made from.
pub(super) fn steps_of(watched: &[u8]) -> impl Iterator<Item = Step> {
    let mut groups = Reader(watched);
    let groups = std::iter::from_fn(move || groups.step());
    groups.flat_map(|(_, mut group)| {
        let directory = group.string().unwrap_or_default();
        let directory = Path::new("/").join(OsStr::from_bytes(directory.to_bytes()));
        std::iter::from_fn(move || {
            let (code, mut fields) = group.step()?;
            again(code, &mut fields, &directory)
        })
    })
}

/// As [`mount`] has written it.
fn again(code: u32, fields: &mut Reader<'_>, directory: &Path) -> Option<Step> {
    let path = |fields: &mut Reader<'_>| {
        let name = fields.string()?;
        Some(directory.join(OsStr::from_bytes(name.to_bytes())))
    };
    Some(match code {
        step::REBIND => Step::Rebind {
            attributes: MountAttributes(fields.u64()?),
            path: path(fields)?,
        },
        step::SCRATCH_APART => Step::Scratch {
            attributes: MountAttributes(fields.u64()?),
            mode: fields.u32()?,
            apart: true,
            path: path(fields)?,
        },
        step::COVER => {
            use Cover::{Directory, EmptyFile, File, Hosts};
            let code = fields.u32()?;
            let mut covers = [File, Directory, EmptyFile, Hosts].into_iter();
            Step::Cover {
                cover: covers.find(|cover| cover_code(*cover) == code)?,
                path: path(fields)?,
            }
        }
        step::OPENED => Step::Open {
            path: path(fields)?,
        },
        _ => Step::Close {
            path: path(fields)?,
        },
    })
}
