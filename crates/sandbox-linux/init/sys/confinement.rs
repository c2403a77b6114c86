//! What a process gives up.

use super::super::raw::{Errno, Result, check, nr, syscall};
use super::{Fd, O_CLOEXEC, to_fd};

fn prctl(option: usize, a: usize, b: usize) -> Result<()> {
    call!(nr::PRCTL, option, a, b, 0, 0; "none of the options used here takes a pointer").map(drop)
}

pub(crate) fn set_dumpable(dumpable: bool) -> Result<()> {
    const PR_SET_DUMPABLE: usize = 4;
    prctl(PR_SET_DUMPABLE, usize::from(dumpable), 0)
}

pub(crate) fn set_no_new_privs() -> Result<()> {
    const PR_SET_NO_NEW_PRIVS: usize = 38;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0)
}

/// Empties the bounding set: no program that is executed from here on gains a capability (capabilities(7)). Those that this
/// process has stay.
pub(crate) fn empty_bounding_set() -> Result<()> {
    const PR_CAPBSET_DROP: usize = 24;
    for capability in 0..64 {
        match prctl(PR_CAPBSET_DROP, capability, 0) {
            Ok(()) => {}
            // The first number that the kernel does not know is the end.
            Err(Errno::INVAL) if capability > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Empties all other sets, the ambient one first.
pub(crate) fn drop_capabilities() -> Result<()> {
    const PR_CAP_AMBIENT: usize = 47;
    const CLEAR_ALL: usize = 4;
    const VERSION_3: u32 = 0x2008_0522;
    prctl(PR_CAP_AMBIENT, CLEAR_ALL, 0)?;
    let (header, none) = ([VERSION_3, 0], [0_u32; 6]);
    call!(nr::CAPSET, header.as_ptr(), none.as_ptr(); "header and data have the sizes of version 3")
        .map(drop)
}

/// A session keyring of its own: that of the caller may hold keys (keyctl(2), `KEYCTL_JOIN_SESSION_KEYRING`).
pub(crate) fn new_session_keyring() -> Result<()> {
    const JOIN_SESSION_KEYRING: usize = 1;
    call!(nr::KEYCTL, JOIN_SESSION_KEYRING, 0; "a null name is an anonymous keyring").map(drop)
}

/// Sets both bounds of `resource`, or less where the hard bound is less.
pub(crate) fn limit(resource: u32, bound: u64) -> Result<()> {
    let mut limits = [0_u64; 2];
    call!(nr::PRLIMIT64, 0, resource, 0, limits.as_mut_ptr(); "`limits` is a struct rlimit64")?;
    let [_, hard] = limits;
    let limits = [bound.min(hard), bound.min(hard)];
    call!(nr::PRLIMIT64, 0, resource, limits.as_ptr(), 0; "`limits` is a struct rlimit64").map(drop)
}

/// `RLIMIT_NOFILE`.
pub(crate) const OPEN_FILES: u32 = 7;

/// The soft bound on open files: numbers of descriptors lie below it.
pub(crate) fn open_files() -> Result<u64> {
    let mut limits = [0_u64; 2];
    call!(nr::PRLIMIT64, 0, OPEN_FILES, 0, limits.as_mut_ptr(); "`limits` is a struct rlimit64")?;
    let [soft, _] = limits;
    Ok(soft)
}

/// Sets the soft bound on open files to `bound`, or to the hard bound if that is less; returns what it was.
pub(crate) fn set_open_files(bound: u64) -> Result<u64> {
    let mut limits = [0_u64; 2];
    call!(nr::PRLIMIT64, 0, OPEN_FILES, 0, limits.as_mut_ptr(); "`limits` is a struct rlimit64")?;
    let [soft, hard] = limits;
    let limits = [bound.min(hard), hard];
    call!(nr::PRLIMIT64, 0, OPEN_FILES, limits.as_ptr(), 0; "`limits` is a struct rlimit64")?;
    Ok(soft)
}

/// An empty Landlock ruleset; `rights` are the handled file, network and scope rights, as many words as the ABI knows.
pub(crate) fn landlock_create(rights: &[u64]) -> Result<Fd> {
    call!(nr::LANDLOCK_CREATE_RULESET, rights.as_ptr(), size_of_val(rights), 0; "`rights` is as long as said").map(to_fd)
}

#[repr(C, packed)]
struct PathBeneath {
    rights: u64,
    place: i32,
}

pub(crate) fn landlock_grant(ruleset: Fd, place: Fd, rights: u64) -> Result<()> {
    const PATH_BENEATH: usize = 1;
    let rule = PathBeneath {
        rights,
        place: place.0,
    };
    call!(nr::LANDLOCK_ADD_RULE, ruleset.arg(), PATH_BENEATH, &raw const rule, 0; "`rule` has the kernel's layout").map(drop)
}

pub(crate) fn landlock_restrict(ruleset: Fd) -> Result<()> {
    call!(nr::LANDLOCK_RESTRICT_SELF, ruleset.arg(), 0; "no pointer").map(drop)
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const u8,
}

/// Installs a filter; `instructions` are `struct sock_filter`, 8 bytes each (seccomp(2)).
pub(crate) fn install_filter(instructions: &[u8]) -> Result<()> {
    install(instructions, 0).map(drop)
}

/// As [`install_filter`], and the descriptor where calls are answered that the filter does not decide. A caller whose call has been
/// taken up by the listener waits for the answer, whatever signal comes but one that kills it: a call that is done and then
/// interrupted would be done once more.
pub(crate) fn install_filter_with_listener(instructions: &[u8]) -> Result<Fd> {
    const NEW_LISTENER: usize = 8;
    const WAIT_KILLABLE_RECV: usize = 32;
    install(instructions, NEW_LISTENER | WAIT_KILLABLE_RECV).map(to_fd)
}

/// Whether a call waits at `listener` still (`seccomp_unotify(2)`).
pub(crate) fn is_call_waiting(listener: Fd, mut call: u64) -> bool {
    const ID_VALID: usize = 0x4008_2102;
    call!(nr::IOCTL, listener.arg(), ID_VALID, &raw mut call; "`call` is the word that is read")
        .is_ok()
}

/// What a call that waits at `listener` returns: 0, or an error.
pub(crate) fn answer_call(listener: Fd, call: u64, outcome: Result<()>) -> Result<()> {
    const SEND: usize = 0xc018_2101;
    let error = outcome.err().map_or(0, |errno| errno.0.wrapping_neg());
    // struct seccomp_notif_resp: the call, the value, the error, and flags.
    let mut response = [call, 0, u64::from(error as u32)];
    call!(nr::IOCTL, listener.arg(), SEND, response.as_mut_ptr(); "`response` has the kernel's layout")
        .map(drop)
}

/// Puts a descriptor into the table of whoever waits at `listener`, and closes it on execution if the flags of the socket say so; its number there.
pub(crate) fn add_to_caller(listener: Fd, call: u64, fd: Fd, flags: u32) -> Result<Fd> {
    const ADD_DESCRIPTOR: usize = 0x4018_2103;
    // struct seccomp_notif_addfd: the call, flags, the descriptor, its number there, and what it gets.
    let flags = u64::from(flags & O_CLOEXEC as u32) << 32;
    let mut added = [call, u64::from(fd.0 as u32) << 32, flags];
    call!(nr::IOCTL, listener.arg(), ADD_DESCRIPTOR, added.as_mut_ptr(); "`added` has the kernel's layout")
        .map(to_fd)
}

fn install(instructions: &[u8], flags: usize) -> Result<usize> {
    const SET_MODE_FILTER: usize = 1;
    // Without it kernels before 5.16 slow every filtered process down by a mitigation against a channel that the mounts and
    // the namespaces are no defence against anyway (seccomp(2), `SECCOMP_FILTER_FLAG_SPEC_ALLOW`).
    const SPEC_ALLOW: usize = 4;
    const INSTRUCTION: usize = 8;
    let Ok(length) = u16::try_from(instructions.len() / INSTRUCTION) else {
        return Err(Errno::INVAL);
    };
    let program = Program {
        length,
        instructions: instructions.as_ptr(),
    };
    call!(nr::SECCOMP, SET_MODE_FILTER, SPEC_ALLOW | flags, &raw const program; "`program` points to that many instructions")
}
