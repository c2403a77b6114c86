//! Opens and allocates everything that a launch needs: the plan as bytes, and the init program where it can be executed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::cpus::Cpus;
use crate::filter::Feature;
use crate::inits::{Forks, Init, Inits};
use crate::launch::{begin, send};
use crate::notifier::{Made, Making, Names, OnDenial};
use crate::plan::encode;
use crate::wire::order;
use crate::{Connectivity, Doors, HostFacts, LaunchError, Plan, Step, WayIn, plan, sys};

/// The init program, compiled by `build.rs`.
const IMAGE: &[u8] = include_bytes!(env!("SANDBOX_INIT"));
/// Where a file without a name can be made if memory files may not be executed.
const TEMPORARY: [&str; 3] = ["/dev/shm", "/tmp", "/var/tmp"];

/// A plan, ready to be carried out, and the inits that have carried it out: one serves command after command, and commands at
/// the same time have one each. With this value those end that no command runs in.
///
/// ```
/// use sandbox_core::{Context, Policy, Preset, Ruleset};
/// use sandbox_linux::{HostFacts, Plan, Prepared};
///
/// let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// let plan = Plan::compile(&ruleset, &HostFacts::detect())?;
/// let prepared = Prepared::new(&plan)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Prepared {
    pub(crate) image: OwnedFd,
    /// The first steps as init reads them, and the rest; that only where an init needs it that has not been handed it early. It is
    /// as large as the steps.
    pub(crate) beginning: Vec<u8>,
    pub(crate) plan: OnceLock<Vec<u8>>,
    pub(crate) has_own_network: bool,
    /// What the notifier decides by.
    pub(crate) names: Option<Arc<Names>>,
    /// What it has seen made.
    pub(crate) making: Arc<Making>,
    /// Whom it tells of what it denies.
    pub(crate) on_denial: Option<OnDenial>,
    /// For messages about the step that failed, and to make `joining` from.
    pub(crate) steps: Arc<[Step]>,
    pub(crate) joining: OnceLock<Joining>,
    pub(crate) inits: Arc<Inits>,
    /// What the first init has opened, until it is taken.
    pub(crate) doors: Mutex<Doors>,
    /// Whether connections are to be brought to them ([`Doors::brought`]).
    pub(crate) brings: AtomicBool,
}

/// The steps of an init that joins the first one, and the same as init reads them.
#[derive(Debug)]
pub(crate) struct Joining {
    pub(crate) steps: Vec<Step>,
    pub(crate) bytes: Vec<u8>,
}

/// An init that has begun while the policy is still being resolved: it carries out the first steps, above all that of the
/// network, which takes as long as all the rest, and waits for its plan. Dropping it ends it.
///
/// ```
/// use sandbox_core::{Context, Policy, Preset, Ruleset};
/// use sandbox_linux::{Connectivity, Early, HostFacts, Plan, Prepared};
///
/// let facts = HostFacts::detect();
/// let early = Early::begin(&facts, &Connectivity::Alone)?;
/// let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// let plan = Plan::compile(&ruleset, &facts)?;
/// let prepared = Prepared::with(&plan, early)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct Early {
    image: OwnedFd,
    beginning: Vec<Step>,
    init: Init,
    /// Where it may run when the plan is there.
    cpus: Option<Cpus>,
}

impl Early {
    /// Begins on a host with these `facts`, for a policy that grants so much of the network.
    ///
    /// # Errors
    ///
    /// [`LaunchError`], by what failed.
    pub fn begin(facts: &HostFacts, network: &Connectivity) -> Result<Self, LaunchError> {
        let image = image()?;
        let beginning = plan::beginning(facts, network);
        let init = begin(&image, &encode::steps(&beginning)?)?;
        let cpus = Cpus::leave_to_others(&init);
        Ok(Self {
            image,
            beginning,
            init,
            cpus,
        })
    }
}

impl Prepared {
    /// Prepares `plan`.
    ///
    /// # Errors
    ///
    /// [`LaunchError::Plan`] for a plan that can't be handed to init, [`LaunchError::Image`] if the init program can't be
    /// put where it can be executed.
    pub fn new(plan: &Plan) -> Result<Self, LaunchError> {
        let bytes = encode::steps(plan.rest())?;
        Self::made_of(plan, bytes.into(), image()?, None)
    }

    /// Prepares `plan`, for whose first command an init has begun already: it goes on at once.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with(plan: &Plan, early: Early) -> Result<Self, LaunchError> {
        let bytes = encode::steps(plan.rest())?;
        // One that has begun something else is of no use, nor is one that has failed: the next one says why.
        let goes_on = early.beginning == plan.beginning()
            && early.cpus.is_none_or(|cpus| cpus.give_back(&early.init))
            && send(early.init.as_fd(), order::PLAN, &bytes, &[]).is_ok();
        if goes_on {
            Self::made_of(plan, OnceLock::new(), early.image, Some(early.init))
        } else {
            Self::made_of(plan, bytes.into(), early.image, None)
        }
    }

    /// Has `tell` told of names that the rules deny to make, to move, to write or to connect to, where a notifier decides.
    pub fn on_denial(&mut self, tell: OnDenial) {
        self.on_denial = Some(tell);
    }

    /// What commands have made that a person is told of in the end, where a notifier decides.
    #[must_use]
    pub fn made(&self) -> Made {
        self.making.made()
    }

    /// Whether a notifier decides about what is made on the host, and so has seen all of it.
    #[must_use]
    pub fn sees_what_is_made(&self) -> bool {
        let names = self.names.as_ref();
        // By that files are opened past the filter.
        names.is_some_and(|names| names.are_decided() && !names.allows(Feature::IoUring))
    }

    /// The gateway's sockets, once: after the first command was launched, and again where the sandbox had to be made anew. `None`
    /// where there are no new ones.
    pub fn take_doors(&self) -> Option<Doors> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.is_complete().then(|| std::mem::take(&mut *doors))
    }

    /// A way into the sandbox's network.
    pub fn way_in(&self) -> WayIn {
        WayIn(Arc::downgrade(&self.inits))
    }

    fn made_of(
        plan: &Plan,
        bytes: OnceLock<Vec<u8>>,
        image: OwnedFd,
        begun: Option<Init>,
    ) -> Result<Self, LaunchError> {
        let forks = if plan.has_gateway() {
            Forks::Leave
        } else {
            Forks::Join
        };
        Ok(Self {
            image,
            beginning: encode::steps(plan.beginning())?,
            plan: bytes,
            has_own_network: plan.has_own_network(),
            names: plan.names(),
            making: Arc::default(),
            on_denial: None,
            steps: plan.shared_steps(),
            joining: OnceLock::new(),
            inits: Arc::new(Inits::new(begun, forks)),
            doors: Mutex::default(),
            brings: AtomicBool::default(),
        })
    }
}

fn image() -> Result<OwnedFd, LaunchError> {
    executable_image()
        .and_then(|image| sys::above_stdio(&image))
        .map_err(|source| LaunchError::Image { source })
}

/// A sealed memory file, which nobody can rewrite; where `vm.memfd_noexec` forbids to execute those, a file without a name.
fn executable_image() -> io::Result<OwnedFd> {
    let file = match sys::executable_memfd(true) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => sys::executable_memfd(false),
        other => other,
    };
    match file {
        Ok(file) => seal(file, IMAGE, 0o555),
        Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
            nameless_file().map_err(|_| error)
        }
        Err(error) => Err(error),
    }
}

/// Writes `bytes` into a fresh memory file and seals it.
pub(crate) fn seal(file: OwnedFd, bytes: &[u8], mode: u32) -> io::Result<OwnedFd> {
    let mut file = File::from(file);
    file.write_all(bytes)?;
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
    Ok(file.into())
}

/// The image in a file without a name (`O_TMPFILE`), opened again for reading only: as long as a writable descriptor is
/// open the kernel does not execute it (`ETXTBSY`).
fn nameless_file() -> io::Result<OwnedFd> {
    let mut last = io::Error::from_raw_os_error(libc::EACCES);
    for directory in TEMPORARY {
        let made = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o700)
            .custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC)
            .open(directory);
        match made.and_then(read_only_image) {
            Ok(file) => return Ok(file),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn read_only_image(mut file: File) -> io::Result<OwnedFd> {
    file.write_all(IMAGE)?;
    file.set_permissions(PermissionsExt::from_mode(0o500))?;
    let again = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Ok(again.into())
}
