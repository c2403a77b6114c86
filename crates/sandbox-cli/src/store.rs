//! The list of approved policies: one file, read and replaced as a whole.
//!
//! Whoever could write it could approve anything: it is refused where it, or the directory that it lies in, belongs to
//! somebody else or can be written by others. Both are opened without following a link, and looked at by descriptor.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg, OFlag, openat, renameat};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};
use sandbox_core::Approvals;

use crate::failure::Failure;

/// More policies than a person approves.
const LIMIT: u64 = 4 << 20;
/// The list while it is written.
const NEXT: &str = "trust.next";

/// The list as it was read.
#[derive(Debug)]
pub(crate) struct Store(Option<Approvals>);

impl Store {
    /// Reads the list. Where there is none, nothing is approved.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else {
            return Ok(Self(None));
        };
        match open_directory(path) {
            Ok(directory) => Ok(Self(read(&directory?, path)?)),
            Err(error) if is_absence(&error) => Ok(Self(None)),
            Err(error) => Err(failed("read", path, error)),
        }
    }

    /// What is approved.
    pub(crate) fn approvals(&self) -> Option<&Approvals> {
        self.0.as_ref()
    }

    /// Changes the list, while nobody else does.
    pub(crate) fn change<T>(
        path: &Path,
        change: impl FnOnce(&mut Approvals) -> T,
    ) -> Result<T, Failure> {
        let cannot = |error: io::Error| failed("write", path, error);
        if let Some(above) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(above)
                .map_err(cannot)?;
        }
        let directory = open_directory(path).map_err(cannot)??;
        let directory = Flock::lock(directory, FlockArg::LockExclusive)
            .map_err(|(_, errno)| cannot(errno.into()))?;
        let mut approvals = read(&directory, path)?.unwrap_or_default();
        let answer = change(&mut approvals);
        write(&directory, path, &approvals.to_bytes()).map_err(cannot)?;
        Ok(answer)
    }
}

/// The directory of the list, if it is ours alone.
fn open_directory(path: &Path) -> io::Result<Result<File, Failure>> {
    let directory = path.parent().unwrap_or(path);
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(directory)?;
    Ok(own(&file, directory).map(|()| file))
}

fn read(directory: &File, path: &Path) -> Result<Option<Approvals>, Failure> {
    let cannot = |error: io::Error| failed("read", path, error);
    // Without O_NONBLOCK a FIFO in its place would hold us.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let mut file = match openat(directory.as_fd(), name(path), flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(nix::errno::Errno::ENOENT) => return Ok(None),
        Err(errno) => return Err(cannot(errno.into())),
    };
    let metadata = file.metadata().map_err(cannot)?;
    if !metadata.is_file() {
        return Err(foreign(path, "is no regular file"));
    }
    own(&file, path)?;
    let mut bytes = Vec::new();
    (&mut file)
        .take(LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > LIMIT {
        return Err(foreign(path, "is larger than 4 MiB"));
    }
    match Approvals::parse(&bytes) {
        Ok(approvals) => Ok(Some(approvals)),
        Err(source) => Err(Failure::CorruptStore {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A file of its own first: whoever reads finds the old list or the next one, whole.
fn write(directory: &File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = directory.as_fd();
    match unlinkat(directory, NEXT, UnlinkatFlags::NoRemoveDir) {
        // Somebody was ended while they wrote.
        Ok(()) | Err(nix::errno::Errno::ENOENT) => {}
        Err(errno) => return Err(errno.into()),
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let mut file = File::from(openat(directory, NEXT, flags, mode)?);
    file.write_all(bytes)?;
    file.sync_all()?;
    renameat(directory, NEXT, directory, name(path))?;
    Ok(())
}

fn name(path: &Path) -> &std::ffi::OsStr {
    path.file_name().unwrap_or(path.as_os_str())
}

/// Refuses what others could have written.
fn own(file: &File, path: &Path) -> Result<(), Failure> {
    let metadata = file
        .metadata()
        .map_err(|error| failed("read", path, error))?;
    if metadata.uid() != geteuid().as_raw() {
        return Err(foreign(path, "belongs to somebody else"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(foreign(path, "can be written by others"));
    }
    Ok(())
}

fn is_absence(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn foreign(path: &Path, what: &'static str) -> Failure {
    Failure::ForeignStore {
        path: path.to_owned(),
        what,
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> Failure {
    Failure::Store {
        action,
        path: PathBuf::from(path),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use sandbox_core::PolicyFile;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_list_is_made_read_and_replaced_and_is_nobody_elses() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("p.toml");
        std::fs::write(&policy, "").unwrap();
        let file = PolicyFile::read(&policy).unwrap();
        let path = directory.path().join("state/sandbox/trust");
        assert!(Store::read(Some(&path)).unwrap().approvals().is_none());
        Store::change(&path, |list| list.approve(&file)).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        // Left by one that was ended.
        std::fs::write(path.with_file_name(NEXT), "rubbish").unwrap();
        let store = Store::read(Some(&path)).unwrap();
        assert_eq!(store.approvals().unwrap().distrust(&file), None);
        assert!(Store::change(&path, |list| list.withdraw(&policy)).unwrap());
        assert!(!Store::change(&path, |list| list.withdraw(&policy)).unwrap());
        assert_eq!(
            std::fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1
        );
    }

    #[test]
    fn what_others_could_have_written_is_refused() {
        let refusal = |make: &dyn Fn(&Path)| {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("sandbox/trust");
            DirBuilder::new()
                .mode(0o700)
                .create(path.parent().unwrap())
                .unwrap();
            std::fs::write(&path, "approved policies 1\n").unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            make(&path);
            let error = Store::read(Some(&path)).unwrap_err();
            let text = format!("{error}; {}", error.remedy().unwrap_or_default());
            text.replace(directory.path().to_str().unwrap(), "DIR")
        };
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        assert_eq!(
            refusal(&|path| std::fs::write(path, "approved policies 1\nx\n").unwrap()),
            "the list of approved policies `DIR/sandbox/trust` is damaged; remove it, and approve again what you have read: `rm DIR/sandbox/trust`"
        );
        assert_eq!(
            refusal(&|path| set(path, 0o620)),
            "`DIR/sandbox/trust`, which says what is approved, can be written by others; remove it, and approve again what you have read: `rm -r DIR/sandbox/trust`"
        );
        assert_eq!(
            refusal(&|path| set(path.parent().unwrap(), 0o702)),
            "`DIR/sandbox`, which says what is approved, can be written by others; remove it, and approve again what you have read: `rm -r DIR/sandbox`"
        );
        // A link in the place of the directory, to one that would do.
        let linked = refusal(&|path| {
            let directory = path.parent().unwrap();
            let other = directory.with_file_name("other");
            std::fs::rename(directory, &other).unwrap();
            symlink(other, directory).unwrap();
        });
        assert!(
            linked.starts_with("cannot read the list of approved policies `DIR/sandbox"),
            "{linked}"
        );
        assert_eq!(
            refusal(&|path| {
                std::fs::remove_file(path).unwrap();
                std::fs::create_dir(path).unwrap();
            }),
            "`DIR/sandbox/trust`, which says what is approved, is no regular file; remove it, and approve again what you have read: `rm -r DIR/sandbox/trust`"
        );
        assert_eq!(
            refusal(&|path| {
                std::fs::remove_file(path).unwrap();
                symlink("/dev/null", path).unwrap();
            }),
            "cannot read the list of approved policies `DIR/sandbox/trust`; "
        );
        if geteuid().is_root() {
            assert_eq!(
                refusal(&|path| std::os::unix::fs::chown(path, Some(1), None).unwrap()),
                "`DIR/sandbox/trust`, which says what is approved, belongs to somebody else; remove it, and approve again what you have read: `rm -r DIR/sandbox/trust`"
            );
        }
    }
}
