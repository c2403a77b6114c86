//! Carries out one step of the plan. Decides nothing: what a step does is all in its fields.

use core::ffi::CStr;

use super::follow::{Follow, Kept};
use super::lock::locked_copy;
use super::mend::Names;
use super::numbers::{bound_numbers, map_ids};
use super::place::{self, Own};
use super::raw::{Errno, Result};
use super::serve::Stack;
use super::sys::{self, Fd};
use super::watch::Watch;
use super::wire::{ANSWER, Answer, DOOR, KEPT, PROXY, Reader, SLOTS, answer, cover, door, step};

/// Mount attributes (`mount_setattr(2)`).
const NOSUID_NOEXEC: u64 = 2 | 8;
const RDONLY: u64 = 1;
const MS_PRIVATE: u64 = 1 << 18;

/// The most file systems of the sandbox's own.
const PRIVATE: usize = 256;
/// In the place of a tree that the host has removed.
const GONE: Fd = Fd(-2);
/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` (landlock(7)).
const ABSTRACT: u64 = 1;
/// The longest path (`PATH_MAX`).
const PATH: usize = 4096;
/// The most resource limits of a command.
pub(crate) const LIMITS: usize = 8;

/// What the steps leave behind for each command's own child.
pub(crate) struct Confinement {
    /// The mount namespace of the commands.
    pub(crate) mounts: Fd,
    pub(crate) ruleset: Fd,
    pub(crate) filter: &'static [u8],
    /// Whether the filter asks the caller's notifier.
    pub(crate) has_listener: bool,
    pub(crate) limits: [(u32, u64); LIMITS],
    pub(crate) limit_count: usize,
    /// The caller's soft bound on open files; init needs more where many trees are put into place.
    pub(crate) open_files: u64,
}

/// The state between steps.
pub(crate) struct Builder<'a> {
    stack: &'a Stack,
    /// The root that we started with: where trees are taken from.
    host: Fd,
    /// The root of the view: where everything is put.
    view: Fd,
    slots: [Fd; SLOTS],
    /// The device numbers of the file systems that were made for this sandbox.
    private: [u64; PRIVATE],
    private_count: usize,
    /// Where covers and private directories are made.
    own: Own,
    /// The `/proc` of this pid namespace, and the mounts of this process as it lists them.
    processes: Fd,
    mounts: Fd,
    /// What is watched: groups of steps, each about the names in one directory; in a view that is a copy.
    watched: Reader<'static>,
    is_copy: bool,
    /// Directories of the host below private ones, and what is followed in them.
    kept: [Kept; KEPT],
    followed: Reader<'static>,
    /// Why the kernel did not do the last request about the network, which is to bring connections to the gateway; 0 if it did.
    missing: Errno,
    /// Whether a connection can tell where it was to go instead.
    can_bring: bool,
    /// The gateway's sockets, in the order of [`door`].
    doors: [Fd; door::ALL.len()],
    /// The Landlock ruleset of the notifier's performer, and the rights that no command has beside it.
    performer: Fd,
    performed: u64,
    scopes: u64,
    pub(crate) confinement: Confinement,
}

impl<'a> Builder<'a> {
    /// With a stack for a child.
    pub(crate) fn new(stack: &'a Stack) -> Result<Self> {
        let confinement = Confinement {
            mounts: Fd::NONE,
            ruleset: Fd::NONE,
            filter: &[],
            has_listener: false,
            limits: [(0, 0); LIMITS],
            limit_count: 0,
            open_files: sys::set_open_files(u64::MAX)?,
        };
        let root = sys::open_root()?;
        Ok(Self {
            stack,
            host: root,
            view: root,
            slots: [Fd::NONE; SLOTS],
            private: [0; PRIVATE],
            private_count: 0,
            own: Own::NONE,
            processes: Fd::NONE,
            mounts: Fd::NONE,
            watched: Reader(&[]),
            is_copy: false,
            kept: [Kept::NONE; KEPT],
            followed: Reader(&[]),
            missing: Errno(0),
            can_bring: false,
            doors: [Fd::NONE; door::ALL.len()],
            performer: Fd::NONE,
            performed: 0,
            scopes: 0,
            confinement,
        })
    }

    /// Carries out the step `code` with its `fields`.
    pub(crate) fn apply(&mut self, code: u32, fields: &mut Reader<'static>) -> Result<()> {
        self.dispatch(code, fields).unwrap_or(Err(Errno::INVAL))
    }

    /// `None` where a field is missing.
    fn dispatch(&mut self, code: u32, fields: &mut Reader<'static>) -> Option<Result<()>> {
        Some(match code {
            step::MAP_IDS => map_ids(fields.u32()?, fields.u32()?),
            step::NETWORK => sys::unshare_network(),
            step::NETLINK => {
                let (protocol, may_fail) = (fields.u32()?, fields.u32()? != 0);
                let asked = sys::netlink(protocol, fields.0);
                self.missing = asked.err().unwrap_or(Errno(0));
                if may_fail { Ok(()) } else { asked }
            }
            step::DOORS => self.open_doors(fields.u32()? != 0),
            step::PRIVATE => sys::mount_setattr(self.host, 0, MS_PRIVATE, true),
            step::TAKE => self.take(
                fields.u32()?,
                fields.u64()?,
                fields.u32()? != 0,
                fields.string()?,
            ),
            step::RESTRICT => sys::mount_setattr(self.host, fields.u64()?, 0, true),
            step::NEW_ROOT => self.new_root(),
            step::PUT => self.put(fields.u32()?, fields.string()?),
            step::REBIND => {
                let attributes = fields.u64()?;
                self.at(fields.string()?, |place| place::rebind(attributes, place))
            }
            step::SCRATCH => {
                let (attributes, mode) = (fields.u64()?, fields.u32()?);
                let view = self.view;
                place::at(view, fields.string()?, |place| {
                    self.own.scratch(attributes, mode, place)
                })
            }
            step::SCRATCH_APART => {
                let (attributes, mode) = (fields.u64()?, fields.u32()?);
                let path = fields.string()?;
                place::scratch_apart(attributes, mode)
                    .and_then(|mount| self.remember(mount))
                    .and_then(|mount| self.at(path, |place| place::attach(mount, place)))
            }
            step::COVER => {
                let kind = fields.u32()?;
                self.at(fields.string()?, |place| self.own.cover(kind, place))
            }
            step::KEEP => {
                let slot = fields.u32()?;
                self.keep(slot, fields.string()?)
            }
            step::DIRECTORY => {
                let mode = fields.u32()?;
                let make = |place, name: &CStr| sys::mkdir(place, name, mode);
                ignore_existing(self.in_private(fields.string()?, make))
            }
            step::FILE => {
                let mode = fields.u32()?;
                let make = |place, name: &CStr| sys::create(place, name, mode, b"");
                ignore_existing(self.in_private(fields.string()?, make))
            }
            step::SYMLINK => {
                let target = fields.string()?;
                self.in_private(fields.string()?, |place, name| {
                    sys::symlink(target, place, name)
                })
            }
            step::PROC => {
                let slot = fields.u32()?;
                self.processes(slot, fields.u64()?)
            }
            step::DEVPTS => {
                let options = [(c"ptmxmode", c"0666"), (c"mode", c"0620")];
                let slot = fields.u32()?;
                self.make(slot, c"devpts", &options, NOSUID_NOEXEC)
                    .map(drop)
            }
            step::DEVICES => self.devices(fields.u32()?, fields.u64()?, fields),
            step::HOSTS => self.hosts(fields.0),
            step::RAISE => self.raise(fields.string()?),
            step::FREEZE => self.freeze(fields.string()?),
            step::ENTER_ROOT => self.enter_root(),
            step::LOCK => self.lock(),
            step::LANDLOCK => self.landlock(fields)?,
            step::GRANT => self.grant(fields.u64()?, !self.performed, fields.string()?),
            step::GRANT_OPENING => self.grant(fields.u64()?, fields.u64()?, fields.string()?),
            step::GRANT_QUEUES => self.grant_queues(fields.u64()?),
            step::LIMIT => self.limit(fields.u32()?, fields.u64()?),
            step::NUMBERS => bound_numbers(fields.u32()?),
            step::FILTER => {
                self.confinement.has_listener = fields.u32()? != 0;
                self.confinement.filter = fields.0;
                Ok(())
            }
            step::WATCH => {
                self.is_copy = fields.u32()? != 0;
                self.watched = *fields;
                Ok(())
            }
            step::FOLLOW => {
                self.followed = *fields;
                Ok(())
            }
            _ => Err(Errno::INVAL),
        })
    }

    fn open_doors(&mut self, datagrams: bool) -> Result<()> {
        // A connection's mark is then the accepted socket's, too (kernel, `networking/ip-sysctl.rst`).
        self.can_bring = self.missing != Errno(0)
            && sys::write_file(c"/proc/sys/net/ipv4/tcp_fwmark_accept", b"1").is_ok();
        let [streams, names, proxies, received, v4, v6] = &mut self.doors;
        *streams = sys::listener(DOOR)?;
        *names = sys::bound(sys::SOCK_DGRAM, DOOR)?;
        *proxies = sys::listener(PROXY)?;
        if datagrams {
            *received = sys::bound(sys::SOCK_DGRAM, PROXY)?;
            *v4 = sys::sender(sys::AF_INET, ANSWER)?;
            *v6 = sys::sender(sys::AF_INET6, ANSWER)?;
        }
        Ok(())
    }

    /// Hands the gateway's sockets and the performer's ruleset to the caller, once: it serves them.
    pub(crate) fn hand_over_doors(&mut self) -> Result<()> {
        let performer = core::mem::replace(&mut self.performer, Fd::NONE);
        if performer != Fd::NONE {
            let answer = Answer {
                kind: answer::PERFORMER,
                ..Answer::default()
            };
            sys::send_with(super::CONTROL, &answer, performer)?;
            sys::close(performer)?;
        }
        for (socket, value) in self.doors.iter_mut().zip(door::ALL) {
            let socket = core::mem::replace(socket, Fd::NONE);
            if socket == Fd::NONE {
                continue;
            }
            let answer = Answer {
                kind: answer::DOOR,
                value,
                errno: self.missing.0,
                detail: self.can_bring.into(),
                ..Answer::default()
            };
            sys::send_with(super::CONTROL, &answer, socket)?;
            sys::close(socket)?;
        }
        Ok(())
    }

    fn take(&mut self, slot: u32, attributes: u64, may_be_gone: bool, path: &CStr) -> Result<()> {
        let tree = match place::at(self.host, path, sys::clone_tree) {
            Err(Errno::NOENT) if may_be_gone => return self.hold(slot, GONE),
            other => other?,
        };
        sys::mount_setattr(tree, attributes, 0, true)?;
        self.hold(slot, tree)
    }

    fn hold(&mut self, slot: u32, mount: Fd) -> Result<()> {
        let slot = self.slots.get_mut(slot as usize).ok_or(Errno::INVAL)?;
        *slot = mount;
        Ok(())
    }

    fn put(&mut self, slot: u32, path: &CStr) -> Result<()> {
        match *self.slots.get(slot as usize).ok_or(Errno::INVAL)? {
            // The mount point stays as it was made: empty.
            GONE => Ok(()),
            tree => {
                let attached = self.at(path, |place| sys::attach(tree, place));
                // What the host has removed since it was taken cannot be mounted. Only what is read may be gone.
                let is_gone = attached == Err(Errno::NOENT) && sys::is_read_only(tree)?;
                sys::close(tree)?;
                if is_gone { Ok(()) } else { attached }
            }
        }
    }

    fn at<T>(&self, path: &CStr, act: impl FnOnce(Fd) -> Result<T>) -> Result<T> {
        place::at(self.view, path, act)
    }

    /// A file system of the sandbox's own, and remembered as such.
    fn new_mount(
        &mut self,
        kind: &CStr,
        options: &[(&CStr, &CStr)],
        attributes: u64,
    ) -> Result<Fd> {
        self.remember(sys::new_mount(kind, options, attributes)?)
    }

    fn remember(&mut self, mount: Fd) -> Result<Fd> {
        let [device, _] = sys::identity(mount)?;
        let slot = self
            .private
            .get_mut(self.private_count)
            .ok_or(Errno::INVAL)?;
        *slot = device;
        self.private_count = self.private_count.wrapping_add(1);
        Ok(mount)
    }

    /// Makes something at `path`, but only in a file system of the sandbox's own: a confined process of another sandbox may
    /// meanwhile have moved a directory on the way, and what was mounted there with it.
    fn in_private(&self, path: &CStr, make: impl FnOnce(Fd, &CStr) -> Result<()>) -> Result<()> {
        let mut buffer = [0; PATH];
        let (directory, name) = split(path, &mut buffer).ok_or(Errno::INVAL)?;
        let mut private = self.private.iter().take(self.private_count);
        self.at(directory, |place| {
            let [device, _] = sys::identity(place)?;
            if !private.any(|private| *private == device) {
                return Err(Errno::XDEV);
            }
            make(place, name)
        })
    }

    fn new_root(&mut self) -> Result<()> {
        const NOSUID_NODEV: u64 = 2 | 4;
        let root = self.new_mount(c"tmpfs", &[(c"mode", c"0755")], NOSUID_NODEV)?;
        // Over the old root, where it can be entered; `host` still refers to what lies below it.
        sys::attach(root, self.host)?;
        self.view = root;
        Ok(())
    }

    fn enter_root(&mut self) -> Result<()> {
        sys::fchdir(self.view)?;
        sys::pivot_root_here()
    }

    fn lock(&mut self) -> Result<()> {
        self.confinement.mounts = locked_copy(self.view, self.processes, self.stack)?;
        sys::close(self.processes)
    }

    fn freeze(&self, path: &CStr) -> Result<()> {
        self.at(path, |place| sys::mount_setattr(place, RDONLY, 0, false))
    }

    /// Makes a file system of the sandbox's own that waits under a number.
    fn make(
        &mut self,
        slot: u32,
        kind: &CStr,
        options: &[(&CStr, &CStr)],
        attributes: u64,
    ) -> Result<Fd> {
        let mount = self.new_mount(kind, options, attributes)?;
        self.hold(slot, mount)?;
        Ok(mount)
    }

    fn processes(&mut self, slot: u32, attributes: u64) -> Result<()> {
        let processes = self.make(slot, c"proc", &[], attributes)?;
        // Both before anything can hide them. Init is process 1.
        self.processes = sys::open_place(processes, c".")?;
        self.mounts = sys::open_list(processes, c"1/mounts")?;
        Ok(())
    }

    /// The private `/dev`, by steps for which [`DEVICES`] is the root, and beside it what is mounted elsewhere.
    fn devices(
        &mut self,
        slot: u32,
        attributes: u64,
        contents: &mut Reader<'static>,
    ) -> Result<()> {
        let root = self.make(slot, c"tmpfs", &[(c"mode", c"0755")], attributes)?;
        sys::mkdir(root, DEVICES, 0o755)?;
        let devices = sys::open_place(root, DEVICES)?;
        let view = core::mem::replace(&mut self.view, devices);
        while let Some((code, mut fields)) = contents.step() {
            self.apply(code, &mut fields)?;
        }
        self.view = view;
        sys::close(devices)?;
        let [file, directory, empty] = COVERS;
        sys::create(root, file, 0, b"")?;
        sys::mkdir(root, directory, 0)?;
        sys::create(root, empty, 0o444, b"")?;
        self.own.root = sys::open_place(root, c".")?;
        for (cover, name) in self.own.covers.iter_mut().zip(COVERS) {
            *cover = sys::open_place(root, name)?;
        }
        Ok(())
    }

    /// Makes the node for covers that is no empty one.
    fn hosts(&mut self, table: &[u8]) -> Result<()> {
        const NAME: &CStr = c"hosts";
        sys::create(self.own.root, NAME, 0o444, table)?;
        let covers = &mut self.own.covers;
        let node = covers.get_mut(cover::HOSTS as usize).ok_or(Errno::INVAL)?;
        *node = sys::open_place(self.own.root, NAME)?;
        Ok(())
    }

    /// Mounts the [`DEVICES`] of what lies at `path` over that: what lies beside them is out of everybody's reach, and stays.
    fn raise(&self, path: &CStr) -> Result<()> {
        self.at(path, |place| {
            place::attach(place::at(place, DEVICES, sys::clone_tree)?, place)
        })
    }

    fn keep(&mut self, slot: u32, path: &CStr) -> Result<()> {
        let slot = self.kept.get_mut(slot as usize).ok_or(Errno::INVAL)?;
        *slot = Kept::take(self.view, path, &self.own)?;
        Ok(())
    }

    /// `None` where a field is missing.
    fn landlock(&mut self, fields: &mut Reader<'static>) -> Option<Result<()>> {
        let words = fields.u32()? as usize;
        let rights = [fields.u64()?, fields.u64()?, fields.u64()?];
        self.performed = fields.u64()?;
        let rulesets = rights.get(..words).zip(rights.get(..1));
        Some(rulesets.ok_or(Errno::INVAL).and_then(|(all, files)| {
            self.confinement.ruleset = sys::landlock_create(all)?;
            self.scopes = all.get(2).copied().unwrap_or(0);
            if self.performed != 0 {
                // It signals nobody, and connects to nothing.
                self.performer = sys::landlock_create(files)?;
            }
            Ok(())
        }))
    }

    /// Grants rights to the performer, and to commands those that are their `own`.
    fn grant(&self, rights: u64, own: u64, path: &CStr) -> Result<()> {
        let granted = self.at(path, |place| {
            if self.performer != Fd::NONE {
                sys::landlock_grant(self.performer, place, rights)?;
            }
            match rights & own {
                // A rule that grants nothing is none (landlock_add_rule(2)).
                0 => Ok(()),
                own => sys::landlock_grant(self.confinement.ruleset, place, own),
            }
        });
        match granted {
            // In a view that is a copy the host may have taken it away meanwhile: then there is nothing to grant.
            Err(Errno::NOENT) => Ok(()),
            granted => granted,
        }
    }

    /// Queues are files of a file system that is mounted nowhere, so that no grant at a path holds for them. A kernel without
    /// that file system has no queues.
    fn grant_queues(&self, rights: u64) -> Result<()> {
        let queues = match sys::new_mount(c"mqueue", &[], NOSUID_NOEXEC) {
            Err(Errno::NODEV) => return Ok(()),
            other => other?,
        };
        sys::landlock_grant(self.confinement.ruleset, queues, rights)?;
        sys::close(queues)
    }

    fn limit(&mut self, resource: u32, bound: u64) -> Result<()> {
        let confinement = &mut self.confinement;
        let slot = confinement
            .limits
            .get_mut(confinement.limit_count)
            .ok_or(Errno::INVAL)?;
        *slot = (resource, bound);
        confinement.limit_count = confinement.limit_count.wrapping_add(1);
        Ok(())
    }

    /// Closes what only the steps needed; what is left to do is to watch.
    pub(crate) fn finish(&self) -> Result<Watch> {
        if self.performer != Fd::NONE && self.scopes & ABSTRACT != 0 {
            // It connects in commands' place, whose scope is not its own. Without rights about files it can go on to mount.
            let scope = sys::landlock_create(&[0, 0, ABSTRACT])?;
            sys::landlock_restrict(scope)?;
            sys::close(scope)?;
        }
        if self.view != self.host {
            sys::close(self.host)?;
        }
        let follow = Follow::new(self.view, &self.kept, self.followed)?;
        let names = Names::new(self.view, self.own, self.watched, self.is_copy)?;
        Watch::new(names, follow, self.mounts, self.is_copy)
    }
}

/// The private `/dev`, and beside it the nodes for covers, by kind: [`cover::FILE`], `DIRECTORY`, `EMPTY`.
const DEVICES: &CStr = c"devices";
const COVERS: [&CStr; 3] = [c"file", c"directory", c"empty"];

/// The directory and the name of a path, the former in `buffer`.
fn split<'a>(path: &'a CStr, buffer: &'a mut [u8; PATH]) -> Option<(&'a CStr, &'a CStr)> {
    let bytes = path.to_bytes();
    let slash = bytes.iter().rposition(|byte| *byte == b'/');
    let directory = bytes.get(..slash.unwrap_or(0))?;
    let name = path
        .to_bytes_with_nul()
        .get(slash.map_or(0, |slash| slash.wrapping_add(1))..)?;
    // The rest of the buffer is zero, and so ends the string.
    for (slot, byte) in buffer.iter_mut().take(PATH - 1).zip(directory) {
        *slot = *byte;
    }
    if directory.len() >= PATH {
        return None;
    }
    Some((
        CStr::from_bytes_until_nul(buffer).ok()?,
        CStr::from_bytes_with_nul(name).ok()?,
    ))
}

/// A mount point that is there already will do.
fn ignore_existing(result: Result<()>) -> Result<()> {
    match result {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_at_its_last_slash() {
        for (path, expected) in [
            (c"a/b/c", (c"a/b", c"c")),
            (c"a", (c"", c"a")),
            (c"a/b", (c"a", c"b")),
        ] {
            assert_eq!(split(path, &mut [0; PATH]), Some(expected));
        }
        let long = std::ffi::CString::new(vec![b'a'; 2 * PATH]).unwrap();
        assert_eq!(
            split(
                &std::ffi::CString::new([long.as_bytes(), b"/b"].concat()).unwrap(),
                &mut [0; PATH]
            ),
            None
        );
    }
}
