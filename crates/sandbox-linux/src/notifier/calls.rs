//! The calls that the filter sends to the notifier, and what their registers mean: a table.
//!
//! Registers are the caller's, and don't change while it waits. What they point to may change at any time; so here are only
//! addresses, which are read once.

#[cfg_attr(target_arch = "x86_64", path = "calls/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "calls/aarch64.rs")]
mod architecture;

use libc::{AT_FDCWD, c_long};

use super::address::Given;

/// A call that makes, renames or links a name, opens for writing by one, or gives a socket an address or a peer. `P` is a place, first
/// in words of the caller; `T` is a text, `S` a socket with the address.
#[derive(Debug)]
pub(super) enum Call<P, T, S> {
    Open { at: P, flags: i32, mode: u32 },
    MakeDirectory { at: P, mode: u32 },
    MakeNode { at: P, mode: u32, device: u64 },
    MakeLink { target: T, at: P },
    Link { from: P, to: P, flags: i32 },
    Rename { from: P, to: P, flags: u32 },
    Truncate { at: P, length: i64 },
    Connect(S),
    Bind(S),
}

impl<P, T, S> Call<P, T, S> {
    /// Whether it changes nothing that others of its kind are decided by, unless it is about one of git's names: no path, and no link on the way of one.
    pub(super) const fn goes_with_others(&self) -> bool {
        matches!(self, Self::Open { .. } | Self::MakeDirectory { .. })
    }
}

/// A place as registers have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    /// A number of a directory, or `AT_FDCWD`.
    pub(super) directory: i32,
    /// Where the path begins.
    pub(super) path: u64,
    /// Whether the path may be empty: then the descriptor itself is meant.
    pub(super) may_be_empty: bool,
}

/// A text as a register has it: where it begins.
pub(super) type Address = u64;

/// One line of the table.
struct Row {
    number: c_long,
    read: fn([u64; 6]) -> Call<Argument, Address, Given>,
}

/// Those that every architecture has.
#[rustfmt::skip]
const CALLS: &[Row] = &[
    Row { number: libc::SYS_openat,    read: |[dir, path, flags, mode, ..]| Call::Open { at: at(dir, path), flags: int(flags), mode: word(mode) } },
    Row { number: libc::SYS_mkdirat,   read: |[dir, path, mode, ..]| Call::MakeDirectory { at: at(dir, path), mode: word(mode) } },
    Row { number: libc::SYS_mknodat,   read: |[dir, path, mode, dev, ..]| Call::MakeNode { at: at(dir, path), mode: word(mode), device: u64::from(word(dev)) } },
    Row { number: libc::SYS_symlinkat, read: |[target, dir, path, ..]| Call::MakeLink { target, at: at(dir, path) } },
    Row { number: libc::SYS_linkat,    read: |[from, old, to, new, flags, _]| Call::Link { from: maybe_empty(from, old, int(flags)), to: at(to, new), flags: int(flags) } },
    Row { number: libc::SYS_renameat2, read: |[from, old, to, new, flags, _]| Call::Rename { from: at(from, old), to: at(to, new), flags: word(flags) } },
    Row { number: libc::SYS_truncate,  read: |[path, length, ..]| Call::Truncate { at: here(path), length: length.cast_signed() } },
    Row { number: libc::SYS_connect,   read: |[socket, address, length, ..]| Call::Connect(given(socket, address, length, false)) },
    Row { number: libc::SYS_bind,      read: |[socket, address, length, ..]| Call::Bind(given(socket, address, length, true)) },
];

/// What the registers mean; `None` for a call that the filter does not send.
pub(super) fn of(number: i32, args: [u64; 6]) -> Option<Call<Argument, Address, Given>> {
    let mut rows = CALLS.iter().chain(architecture::CALLS);
    let row = rows.find(|row| row.number == c_long::from(number))?;
    Some((row.read)(args))
}

/// The kernel reads the low half of such a register.
#[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
const fn word(register: u64) -> u32 {
    register as u32
}

const fn int(register: u64) -> i32 {
    word(register).cast_signed()
}

const fn at(directory: u64, path: u64) -> Argument {
    Argument {
        directory: int(directory),
        path,
        may_be_empty: false,
    }
}

const fn maybe_empty(directory: u64, path: u64, flags: i32) -> Argument {
    Argument {
        may_be_empty: flags & libc::AT_EMPTY_PATH != 0,
        ..at(directory, path)
    }
}

const fn here(path: u64) -> Argument {
    Argument {
        directory: AT_FDCWD,
        path,
        may_be_empty: false,
    }
}

const fn given(socket: u64, address: u64, length: u64, binds: bool) -> Given {
    Given {
        socket: int(socket),
        address,
        length: int(length),
        binds,
    }
}

impl<P, T, S> Call<P, T, S> {
    /// Replaces the places, texts and sockets by what they stand for.
    pub(super) fn try_map<Q, U, R, E>(
        self,
        mut place: impl FnMut(P) -> Result<Q, E>,
        text: impl FnOnce(T) -> Result<U, E>,
        socket: impl FnOnce(S) -> Result<R, E>,
    ) -> Result<Call<Q, U, R>, E> {
        Ok(match self {
            Self::Open { at, flags, mode } => Call::Open {
                at: place(at)?,
                flags,
                mode,
            },
            Self::MakeDirectory { at, mode } => Call::MakeDirectory {
                at: place(at)?,
                mode,
            },
            Self::MakeNode { at, mode, device } => Call::MakeNode {
                at: place(at)?,
                mode,
                device,
            },
            // In the order of the arguments: of two that can't be read the first says why.
            Self::MakeLink { target, at } => Call::MakeLink {
                target: text(target)?,
                at: place(at)?,
            },
            Self::Link { from, to, flags } => Call::Link {
                from: place(from)?,
                to: place(to)?,
                flags,
            },
            Self::Rename { from, to, flags } => Call::Rename {
                from: place(from)?,
                to: place(to)?,
                flags,
            },
            Self::Truncate { at, length } => Call::Truncate {
                at: place(at)?,
                length,
            },
            Self::Connect(given) => Call::Connect(socket(given)?),
            Self::Bind(given) => Call::Bind(socket(given)?),
        })
    }

    /// Whether the umask counts.
    pub(super) const fn has_mode(&self) -> bool {
        match self {
            Self::Open { flags, .. } => {
                *flags & (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY) != 0
            }
            Self::MakeDirectory { .. } | Self::MakeNode { .. } => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;

    #[test]
    fn what_the_filter_sends_is_in_the_table() {
        let sent = Filter::notified();
        assert!(sent.contains(&libc::SYS_openat));
        // What the reader does with them by itself.
        let others = [libc::SYS_umask, libc::SYS_socketpair];
        assert!(others.iter().all(|it| sent.contains(it)));
        for number in sent.into_iter().filter(|it| !others.contains(it)) {
            assert!(
                of(i32::try_from(number).unwrap(), [0; 6]).is_some(),
                "{number}"
            );
        }
    }

    #[test]
    fn only_the_low_half_of_a_number_counts() {
        let garbage = 7 << 32;
        let minus_100 = u64::from(u32::MAX - 99) | garbage;
        let open = of(
            libc::SYS_openat.try_into().unwrap(),
            [minus_100, 1 << 40, 0o101 | garbage, 0o644 | garbage, 0, 0],
        );
        let Some(Call::Open { at, flags, mode }) = open else {
            panic!("{open:?}")
        };
        assert_eq!((at, flags, mode), (here(1 << 40), 0o101, 0o644));
    }
}
