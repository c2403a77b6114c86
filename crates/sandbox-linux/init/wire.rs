//! The messages between caller and init: bytes on a `SOCK_SEQPACKET` socket, or in a memfd where they are too long for it.
//!
//! Pure: no system call, no allocation, no panic. Compiled into the init program and, unchanged, into the library, so that
//! both sides agree. All numbers are in the machine's own byte order: both ends run on the same kernel.

use core::ffi::CStr;

/// The longest message that is sent on the socket itself; longer bodies lie in a sealed memfd whose descriptor comes along.
pub(crate) const INLINE: usize = 32 << 10;

/// The most descriptors of one message (`SCM_MAX_FD`, unix(7)).
pub(crate) const AT_ONCE: usize = 253;
/// The most descriptors that are handed over to one command.
pub(crate) const DESCRIPTORS: usize = 4096;

/// The most trees of the host that are held between being taken and being put somewhere.
pub(crate) const SLOTS: usize = 4096;

/// The most directories of the host that init keeps hold of, to show what is added to them.
pub(crate) const KEPT: usize = 64;

/// Milliseconds between two looks at what is watched: how long what the host has made may be open, unless the kernel tells.
pub(crate) const LOOKS: u64 = 100;

/// The port of the gateway's sockets inside: that of DNS. A command, which has no capability, can't bind it (ip(7)).
pub(crate) const DOOR: u16 = 53;

/// The port of loopback where programs find the gateway as a proxy, which a command can't bind either. Datagrams are brought to
/// the socket at it.
pub(crate) const PROXY: u16 = 880;

/// The mark of what the gateway answers to datagrams, by which it is not taken for the command's.
pub(crate) const ANSWER: u32 = 1;

/// With the port of its destination in the lower half, the mark of a connection that init brings to the gateway, where the kernel does not.
pub(crate) const BROUGHT: u32 = 1 << 16;

/// Standard input, output and error, which every command has.
pub(crate) const STREAMS: usize = 3;

/// First word of a message from the caller.
pub(crate) mod order {
    /// The first steps of the plan, which depend on no rule about files; descriptor: a pidfd of the caller.
    pub(crate) const BEGIN: u32 = 6;
    /// The rest of the plan; descriptor: the memfd of a long body.
    pub(crate) const PLAN: u32 = 1;
    /// The command; descriptors: its 0, 1, 2 (and the memfd of a long body).
    pub(crate) const COMMAND: u32 = 2;
    /// Further descriptors of the command before: how many come along. None: there are no more, and the command is not to be
    /// started.
    pub(crate) const DESCRIPTORS: u32 = 8;
    /// A signal for the command: its number.
    pub(crate) const SIGNAL: u32 = 3;
    /// A signal that the caller received, for the command unless it has received it too: its number, and how often the caller
    /// has heard that the command was stopped.
    pub(crate) const FORWARD: u32 = 5;
    /// A signal of the terminal that the caller received, and does not know whether the command was there by then: its number.
    pub(crate) const KEY: u32 = 9;
    /// A signal for everything inside: its number.
    pub(crate) const KILL: u32 = 4;
    /// Is the command stopped at this moment?
    pub(crate) const STATE: u32 = 7;
    /// What is to be done about a socket in the place of a call that waits: which [`errand`](super::errand), the call's number, a umask,
    /// the address; descriptors: where the call is answered, the socket, and a place.
    pub(crate) const ERRAND: u32 = 10;
    /// The call that an errand is done for has a signal to handle: 0, the call's number.
    pub(crate) const INTERRUPT: u32 = 11;
    /// Further names to watch: how many bytes; descriptor: the memfd in which they lie, as in a [`step::WATCH`](super::step::WATCH).
    pub(crate) const NAMES: u32 = 12;
}

/// What an [`order::ERRAND`] is about.
pub(crate) mod errand {
    /// The longest address (`struct sockaddr_storage`).
    pub(crate) const ADDRESS: usize = 128;
    /// Connect to the address.
    pub(crate) const CONNECT: u32 = 0;
    /// Connect to the gateway's door at the address, whose port the connection's mark tells.
    pub(crate) const CONNECT_DOOR: u32 = 5;
    /// Connect to the socket that the place is.
    pub(crate) const CONNECT_TO: u32 = 1;
    /// Bind to the address.
    pub(crate) const BIND: u32 = 2;
    /// Bind to the last name of the address, in the place.
    pub(crate) const BIND_IN: u32 = 3;
    /// Bind to the address, a path to a name in the place, of plain names alone.
    pub(crate) const BIND_AT: u32 = 4;
    /// Make a pair of sockets of sequenced packets, with the flags that come in the place of the umask, and tell their numbers in the
    /// memory that comes in the place of the socket, at the word that the address is.
    pub(crate) const PAIR: u32 = 6;
    /// Mount a directory over itself, so that it can be written: the path, which lies in the memfd that comes in the place of the socket, and
    /// is as long as the number that comes in the place of the umask says. Whether that is done or not, the call has done what it was made for.
    pub(crate) const WRITABLE: u32 = 7;
}

/// First word of an [`Answer`].
pub(crate) mod answer {
    /// A step of the plan failed: its index, or [`NO_STEP`](super::NO_STEP); error number.
    pub(crate) const STEP: u32 = 1;
    /// The command could not be started: [`stage`](super::stage), error number.
    pub(crate) const START: u32 = 2;
    /// The command's program runs: its process id inside; descriptor: the master of its terminal, if it has one.
    pub(crate) const STARTED: u32 = 3;
    /// The command was stopped by a signal: its number.
    pub(crate) const STOPPED: u32 = 4;
    /// The answer to a question for the state: 1 if the command is stopped, 0 if it is not.
    pub(crate) const STATE: u32 = 6;
    /// The command has ended and nothing that it started is left: wait status, resource usage.
    pub(crate) const ENDED: u32 = 5;
    /// A socket for the gateway: which [`door`](super::door), error number if connections are not brought there, 1 if init can bring them then;
    /// descriptor: the socket. Before the answer to the first command.
    pub(crate) const DOOR: u32 = 7;
    /// Descriptor: the Landlock ruleset of the notifier's performer. Before the answer to the first command.
    pub(crate) const PERFORMER: u32 = 8;
    /// Descriptor: where the calls of the command are answered that its filter does not decide. Before its program runs, and from its
    /// own child.
    pub(crate) const LISTENER: u32 = 9;
}

/// Which socket comes with an [`answer::DOOR`].
pub(crate) mod door {
    /// A listener for connections to every address and port.
    pub(crate) const STREAMS: i32 = 0;
    /// Datagrams to port [`DOOR`](super::DOOR) of every address.
    pub(crate) const NAMES: i32 = 1;
    /// A listener for connections to port [`PROXY`](super::PROXY) of loopback.
    pub(crate) const PROXIES: i32 = 2;
    /// Datagrams to all other ports of every address.
    pub(crate) const DATAGRAMS: i32 = 3;
    /// Sends IPv4 packets whose header is the sender's own.
    pub(crate) const PACKETS_V4: i32 = 4;
    /// The same for IPv6.
    pub(crate) const PACKETS_V6: i32 = 5;
    pub(crate) const ALL: [i32; 6] = [STREAMS, NAMES, PROXIES, DATAGRAMS, PACKETS_V4, PACKETS_V6];
}

/// What failed is init's own memory, and no step.
pub(crate) const NO_STEP: i32 = -1;

/// What an [`answer::START`] was doing.
pub(crate) mod stage {
    pub(crate) const MESSAGE: u32 = 0;
    pub(crate) const CLONE: u32 = 1;
    pub(crate) const DESCRIPTORS: u32 = 2;
    pub(crate) const DIRECTORY: u32 = 3;
    pub(crate) const KEYRING: u32 = 4;
    pub(crate) const LIMITS: u32 = 5;
    pub(crate) const SIGNALS: u32 = 6;
    pub(crate) const CAPABILITIES: u32 = 7;
    pub(crate) const LANDLOCK: u32 = 8;
    pub(crate) const FILTER: u32 = 9;
    pub(crate) const EXEC: u32 = 10;
    /// Its numbers for descriptors lie within its limit of open files.
    pub(crate) const NUMBERS: u32 = 11;
    pub(crate) const GROUP: u32 = 12;
    pub(crate) const VIEW: u32 = 13;
    pub(crate) const TERMINAL: u32 = 14;
}

/// Whose process group a command is in.
pub(crate) mod group {
    pub(crate) const CALLERS: u32 = 0;
    pub(crate) const OWN: u32 = 1;
}

/// What init tells the caller; always this size.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) kind: u32,
    pub(crate) value: i32,
    pub(crate) errno: i32,
    pub(crate) detail: i32,
    /// `struct rusage` of the command: two timevals, maximum resident set in KiB, and what follows.
    pub(crate) usage: [i64; 18],
}

impl Answer {
    /// As it lies in memory: both ends run on the same machine.
    #[cfg(not(freestanding))]
    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let kind = from.u32()?;
        let [value, errno, detail] = [from.u32()?, from.u32()?, from.u32()?].map(u32::cast_signed);
        let mut usage = [0; 18];
        for field in &mut usage {
            *field = from.u64()?.cast_signed();
        }
        Some(Self {
            kind,
            value,
            errno,
            detail,
            usage,
        })
    }
}

/// A step of the plan, by its code; the fields that follow the code are named in the comments.
pub(crate) mod step {
    /// uid, gid.
    pub(crate) const MAP_IDS: u32 = 1;
    /// A network namespace of its own.
    pub(crate) const NETWORK: u32 = 24;
    /// netlink protocol, whether it may fail; the rest of the step are messages, of which the kernel acknowledges one.
    pub(crate) const NETLINK: u32 = 2;
    /// whether those for datagrams, too: the gateway's sockets, to be handed to the caller.
    pub(crate) const DOORS: u32 = 33;
    /// Nothing that is mounted here reaches the host, and the other way round.
    pub(crate) const PRIVATE: u32 = 3;
    /// slot, mount attributes, whether it may be gone, path: a copy of a host tree, to be put somewhere.
    pub(crate) const TAKE: u32 = 4;
    /// mount attributes: of the whole tree, in place.
    pub(crate) const RESTRICT: u32 = 5;
    /// A private root, in which the view is assembled.
    pub(crate) const NEW_ROOT: u32 = 6;
    /// slot, path.
    pub(crate) const PUT: u32 = 7;
    /// mount attributes, path: a copy of what is there, over itself.
    pub(crate) const REBIND: u32 = 8;
    /// mount attributes, mode, path: an empty private directory.
    pub(crate) const SCRATCH: u32 = 9;
    /// As [`SCRATCH`]: a file system of its own.
    pub(crate) const SCRATCH_APART: u32 = 31;
    /// kind, path: an empty node over what is there.
    pub(crate) const COVER: u32 = 10;
    /// mode, path.
    pub(crate) const DIRECTORY: u32 = 11;
    /// mode, path.
    pub(crate) const FILE: u32 = 12;
    /// target, path.
    pub(crate) const SYMLINK: u32 = 13;
    /// slot, mount attributes: processes of the sandbox's own, to be put somewhere.
    pub(crate) const PROC: u32 = 14;
    /// slot: terminals of the sandbox's own, to be put somewhere.
    pub(crate) const DEVPTS: u32 = 15;
    /// slot, mount attributes, steps about what is in it: a `/dev` of the sandbox's own, to be put somewhere. The nodes that
    /// covers are copies of lie in it, too.
    pub(crate) const DEVICES: u32 = 16;
    /// The rest of the step is a table of names (hosts(5)), a further node that covers are copies of.
    pub(crate) const HOSTS: u32 = 34;
    /// path: mounts what is in the `/dev` that was put there over it, so that the nodes for covers lie below.
    pub(crate) const RAISE: u32 = 23;
    /// path: makes a private file system read-only.
    pub(crate) const FREEZE: u32 = 17;
    /// The assembled root becomes `/`.
    pub(crate) const ENTER_ROOT: u32 = 18;
    /// The mounts of the commands: a copy, in which nothing comes off.
    pub(crate) const LOCK: u32 = 27;
    /// handled file, network and scope rights; which of the first the notifier's performer alone is granted.
    pub(crate) const LANDLOCK: u32 = 19;
    /// rights, path.
    pub(crate) const GRANT: u32 = 20;
    /// rights of the performer, rights of commands, path.
    pub(crate) const GRANT_OPENING: u32 = 38;
    /// rights: on the message queues of the sandbox's own.
    pub(crate) const GRANT_QUEUES: u32 = 36;
    /// resource, bytes or number: for the commands.
    pub(crate) const LIMIT: u32 = 21;
    /// number: no process of the sandbox's gets one as high.
    pub(crate) const NUMBERS: u32 = 35;
    /// Whether it has a listener; the rest of the step is the program: `struct sock_filter`, one after the other.
    pub(crate) const FILTER: u32 = 22;
    /// Whether to look before the first command already; the rest of the step are [`WITHIN`], outer directories first: what is
    /// done again when the host has undone it.
    pub(crate) const WATCH: u32 = 25;
    /// path of a directory, steps about names in it, which are the last of their fields: [`COVER`], [`REBIND`], [`SCRATCH_APART`],
    /// [`CLOSED`], [`OPENED`].
    pub(crate) const WITHIN: u32 = 26;
    /// name: a [`cover::DIRECTORY`](super::cover::DIRECTORY), unless what was put together is there still.
    pub(crate) const CLOSED: u32 = 32;
    /// name: a directory, if it is there, over itself, so that it can be written.
    pub(crate) const OPENED: u32 = 37;
    /// slot, path: the host's directory below a private one.
    pub(crate) const KEEP: u32 = 28;
    /// mount attributes, the most names; the rest of the step are [`FOLLOWED`].
    pub(crate) const FOLLOW: u32 = 29;
    /// slot, [identity](super::Reader::identity), path below what is kept there, how many identities of what is not to be shown
    /// and these; the rest are the names that stay as they are.
    pub(crate) const FOLLOWED: u32 = 30;
}

/// What a [`step::COVER`] looks like.
pub(crate) mod cover {
    pub(crate) const FILE: u32 = 0;
    pub(crate) const DIRECTORY: u32 = 1;
    /// An empty file that can be read, for programs that take an unreadable one for a fatal error.
    pub(crate) const EMPTY: u32 = 2;
    /// The table of names of a [`step::HOSTS`](super::step::HOSTS).
    pub(crate) const HOSTS: u32 = 3;
}

/// Reads fields off the front of a message; `None` once it is too short.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*head))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*head))
    }

    /// What no other file has or had: device, inode, seconds and nanoseconds of when it was made.
    pub(crate) fn identity(&mut self) -> Option<[u64; 4]> {
        Some([self.u64()?, self.u64()?, self.u64()?, self.u64()?])
    }

    pub(crate) fn string(&mut self) -> Option<&'a CStr> {
        let string = CStr::from_bytes_until_nul(self.0).ok()?;
        self.bytes(string.count_bytes().checked_add(1)?)?;
        Some(string)
    }

    /// The next step of a plan: its code and its fields. `None` at the end; what is cut off is a step of code 0, which
    /// nobody knows.
    pub(crate) fn step(&mut self) -> Option<(u32, Self)> {
        if self.0.is_empty() {
            return None;
        }
        let whole = self.clone_step();
        if whole.is_none() {
            self.0 = &[];
        }
        Some(whole.unwrap_or((0, Self(&[]))))
    }

    fn clone_step(&mut self) -> Option<(u32, Self)> {
        let code = self.u32()?;
        let length = self.u32()? as usize;
        Some((code, Self(self.bytes(length)?)))
    }
}

/// The fixed part of a [`order::COMMAND`]; the numbers of the further descriptors follow, and then the strings: directory,
/// where each standard stream and each further descriptor was opened (empty if it is to be taken as it is), programs,
/// arguments, environment.
#[derive(Clone, Copy)]
pub(crate) struct CommandHead<'a> {
    /// Bit n-1: signal n stays ignored.
    pub(crate) ignored_signals: u64,
    /// Milliseconds after which everything inside is ended; 0 for none.
    pub(crate) time: u64,
    pub(crate) umask: u32,
    /// One of [`group`].
    pub(crate) group: u32,
    /// The rows and columns of a terminal of its own, each in half of the word; 0 for none.
    pub(crate) terminal: u32,
    /// Bit n: stream n is that terminal.
    pub(crate) on_terminal: u32,
    /// How many descriptors it has beside the standard streams.
    pub(crate) descriptors: usize,
    pub(crate) programs: usize,
    pub(crate) args: usize,
    pub(crate) environment: usize,
    /// The numbers of those, ascending.
    pub(crate) numbers: Reader<'a>,
    pub(crate) directory: &'a CStr,
    /// Begins with a string for each descriptor.
    pub(crate) opened_at: Reader<'a>,
}

impl<'a> CommandHead<'a> {
    pub(crate) fn read(from: &mut Reader<'a>) -> Option<Self> {
        let (ignored_signals, time) = (from.u64()?, from.u64()?);
        let (umask, group) = (from.u32()?, from.u32()?);
        let (terminal, on_terminal) = (from.u32()?, from.u32()?);
        let [descriptors, programs, args, environment] =
            [from.u32()?, from.u32()?, from.u32()?, from.u32()?].map(|count| count as usize);
        if descriptors > DESCRIPTORS {
            return None;
        }
        let numbers = Reader(from.bytes(descriptors.checked_mul(4)?)?);
        let directory = from.string()?;
        let opened_at = *from;
        for _ in 0..descriptors.checked_add(STREAMS)? {
            from.string()?;
        }
        Some(Self {
            ignored_signals,
            time,
            umask,
            group,
            terminal,
            on_terminal,
            descriptors,
            programs,
            args,
            environment,
            numbers,
            directory,
            opened_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_off_plan_is_an_unknown_step_and_then_the_end() {
        let mut plan = Reader(&[1, 0, 0, 0, 9, 0, 0, 0, b'x']);
        assert_eq!(plan.step().map(|(code, _)| code), Some(0));
        assert!(plan.step().is_none());
    }

    #[test]
    fn a_string_without_its_end_is_none() {
        assert!(Reader(b"abc").string().is_none());
        let mut two = Reader(b"abc\0d\0");
        assert_eq!(
            (two.string(), two.string(), two.string()),
            (Some(c"abc"), Some(c"d"), None)
        );
    }

    #[test]
    fn a_command_head_needs_every_field() {
        let whole = [
            &0u64.to_ne_bytes()[..],
            &0u64.to_ne_bytes(),
            &18u32.to_ne_bytes(),
            &group::OWN.to_ne_bytes(),
            &0x18_0050_u32.to_ne_bytes(),
            &7u32.to_ne_bytes(),
            &1u32.to_ne_bytes(),
            &1u32.to_ne_bytes(),
            &2u32.to_ne_bytes(),
            &3u32.to_ne_bytes(),
            &7u32.to_ne_bytes(),
            b"/\0a\0\0\0b\0",
        ]
        .concat();
        let mut head = CommandHead::read(&mut Reader(&whole)).unwrap();
        assert_eq!((head.group, head.numbers.u32()), (group::OWN, Some(7)));
        assert_eq!((head.terminal, head.on_terminal), (0x18_0050, 7));
        assert_eq!(head.opened_at.string(), Some(c"a"));
        assert_eq!(
            (head.programs, head.args, head.environment, head.directory),
            (1, 2, 3, c"/")
        );
        for length in 0..whole.len() {
            assert!(
                CommandHead::read(&mut Reader(&whole[..length])).is_none(),
                "{length}"
            );
        }
    }
}
