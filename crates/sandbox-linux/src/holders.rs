//! Which process of a sandbox has a socket in the sandbox's network.
//!
//! The kernel says which inode the socket with these addresses is (`diagnosis`); whoever has that open is found in `/proc`
//! (`search`), among the descendants of the sandbox's inits. A process can keep itself from being found, and hand its socket to another one
//! that is willing, but nobody else is taken for it: what counts is the descriptor itself, and the inode's number is the kernel's.

mod diagnosis;
mod search;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Weak;

use self::diagnosis::{Diagnosis, Transport};
use crate::WayIn;
use crate::inits::Inits;

/// The longest path of a program that is told.
const LONGEST: usize = 1024;

/// The sockets in the network of a sandbox, and who has them. It does not keep the sandbox.
///
/// ```
/// # use sandbox_core::{Context, Policy, Preset, Ruleset};
/// # use sandbox_linux::{HostFacts, Plan, Prepared};
/// # let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &Context::new("/"))?;
/// # let plan = Plan::compile(&ruleset, &HostFacts::detect())?;
/// let prepared = Prepared::new(&plan)?;
/// let holders = prepared.way_in().holders();
/// assert!(holders.is_err());                                 // there is no network before the first command
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Holders {
    diagnosis: Diagnosis,
    inits: Weak<Inits>,
}

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// Its number where the caller is.
    pub pid: u32,
    /// The program that it runs, by the path that this has inside; none where that is longer than 1,024 bytes or can't be found
    /// out. The bytes are the command's.
    pub program: Option<PathBuf>,
}

impl WayIn {
    /// The sockets in the sandbox's network.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect), but for those of `connect(2)`.
    pub fn holders(&self) -> io::Result<Holders> {
        let diagnosis = Diagnosis::new(&*self.init()?)?;
        let inits = Weak::clone(&self.0);
        Ok(Holders { diagnosis, inits })
    }
}

impl Holders {
    /// The inode of the socket inside by which a connection from `inside` to `other` was made; none if it has been closed. The
    /// kernel is asked once.
    #[must_use]
    pub fn stream(&self, inside: SocketAddr, other: SocketAddr) -> Option<u64> {
        self.diagnosis.inode(Transport::Tcp, inside, other)
    }

    /// The same of a socket for datagrams, which must be connected: otherwise it is not certain which one has sent.
    #[must_use]
    pub fn datagrams(&self, inside: SocketAddr, other: SocketAddr) -> Option<u64> {
        self.diagnosis.inode(Transport::Udp, inside, other)
    }

    /// Who has each of these inodes: none where no process has, or several do. That takes as long as there are processes inside, and
    /// descriptors of theirs; where there are too many of them it is not known of any.
    ///
    /// Processes that can't be looked at, because they have forbidden it to all but root, are passed over.
    #[must_use]
    pub fn of(&self, inodes: &[u64]) -> Vec<Option<Holder>> {
        let inits = self.inits.upgrade();
        let roots = inits.map(|inits| inits.ids()).unwrap_or_default();
        search::holders(&roots, inodes)
    }
}
