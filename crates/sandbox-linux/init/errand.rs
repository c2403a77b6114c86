//! What is done about a socket in a command's place: to connect it, to bind it to a path, and to make a pair. The other side then sees a
//! process of the sandbox, and not the caller; and a pair is in the sandbox's network. And a directory is mounted that was made in one
//! which can't be written.
//!
//! Each errand has a child of its own, since it may wait as long as a command likes: for a server that accepts nobody. The child
//! answers the call itself, and ends with the command. It decides nothing: of a path it gets what it leads to.

use core::ffi::CStr;

use super::entry::clone_on;
use super::place;
use super::raw::{Errno, Result, check};
use super::serve::{Stack, is_end};
use super::sys::{self, Fd};
use super::wire::errand::ADDRESS;
use super::wire::{BROUGHT, DOOR, Reader, errand};

/// How many children a command has at most: more calls than that wait for nobody, and hear that they would have to.
const AT_ONCE: usize = 256;
const STACK: usize = 16 << 10;
/// The longest order: two words, the number of the call, the umask, the address.
pub(crate) const ORDER: usize = 8 + 8 + 4 + ADDRESS;
/// The most descriptors of one: where the call is answered, the socket (or the memory of whoever calls), and a place.
pub(crate) const FDS: usize = 3;
/// How the address of a Unix socket begins, on both architectures, and where its path does.
const FAMILY: &[u8; PATH] = b"\x01\0";
const PATH: usize = 2;
/// The number of a child's standard input, under which it has the place: by the link of procfs it is reached from nowhere else.
const PLACE: i32 = 0;
const TO_PLACE: &[u8] = b"\x01\0/proc/self/fd/0";
/// Where `/proc` is in a root that is made for one path, under a name that no path has; and the place there.
const PROCESSES: &CStr = c"\x01";
const PLACE_AT: &CStr = c"/\x01/self/fd/0";

/// The children, and the stacks for them: none before the first.
pub(crate) struct Errands {
    children: &'static mut [Child],
    stacks: &'static mut [u8],
}

struct Child {
    /// 0 for none.
    pid: i32,
    errand: Errand,
}

struct Errand {
    code: u32,
    call: u64,
    umask: u32,
    listener: Fd,
    socket: Fd,
    place: Fd,
    /// With room for a NUL behind it.
    address: [u8; ADDRESS + 1],
    length: usize,
}

impl Errands {
    pub(crate) fn new() -> Self {
        Self {
            children: &mut [],
            stacks: &mut [],
        }
    }

    /// Starts a child for what an order says.
    pub(crate) fn start(&mut self, code: u32, mut order: Reader<'_>, fds: [Fd; FDS]) {
        if let (Some(call), Some(umask)) = (order.u64(), order.u32()) {
            let started = self.start_child(code, call, umask, order.0, fds);
            if let Err(errno) = started {
                let [listener, ..] = fds;
                let is_done = code == errand::WRITABLE;
                // Whoever is gone hears nothing.
                let _ = sys::answer_call(listener, call, if is_done { Ok(()) } else { Err(errno) });
            }
        }
        for fd in fds.into_iter().take_while(|fd| *fd != Fd::NONE) {
            let _ = sys::close(fd);
        }
    }

    fn start_child(
        &mut self,
        code: u32,
        call: u64,
        umask: u32,
        address: &[u8],
        [listener, socket, place]: [Fd; FDS],
    ) -> Result<()> {
        const CLONE_VM_SIGCHLD: usize = 0x100 | 0x11;
        if self.children.is_empty() {
            let memory = sys::map(Fd::NONE, AT_ONCE * (STACK + size_of::<Child>()))?;
            let (stacks, memory) = memory
                .split_at_mut_checked(AT_ONCE * STACK)
                .ok_or(Errno::INVAL)?;
            // SAFETY: page-aligned, zeroed, and not otherwise referred to; a child is numbers, of which none is invalid.
            let (_, children, _) = unsafe { memory.align_to_mut() };
            (self.children, self.stacks) = (children, stacks);
        }
        let stacks = self.stacks.chunks_exact_mut(STACK);
        let children = self.children.iter_mut().zip(stacks);
        let mut free = children.filter(|(child, _)| child.pid == 0);
        let (child, stack) = free.next().ok_or(Errno::AGAIN)?;
        let stack = Stack(stack.as_mut_ptr_range().end);
        child.errand = Errand {
            code,
            call,
            umask,
            listener,
            socket,
            place,
            address: [0; ADDRESS + 1],
            length: address.len(),
        };
        for (slot, byte) in child.errand.address.iter_mut().zip(address) {
            *slot = *byte;
        }
        let errand = (&raw mut child.errand).cast();
        // SAFETY: the stack and the errand are nobody else's until this child is gone, and stay where they are as long as init lives.
        let pid = check(unsafe { clone_on(CLONE_VM_SIGCHLD, stack.0, run, errand) });
        child.pid = pid.map_err(|_| Errno::AGAIN)? as i32;
        Ok(())
    }

    /// The call has a signal to handle: who waits for a server in its place stops, and answers it. One that does not wait yet is told in vain, and
    /// nobody is where the call has been answered.
    pub(crate) fn interrupt(&self, call: Option<u64>) {
        let mut children = self.children.iter();
        let is_it = |child: &&Child| child.pid != 0 && Some(child.errand.call) == call;
        if let Some(child) = children.find(is_it) {
            let _ = sys::kill(child.pid, sys::INTERRUPT);
        }
    }

    /// There is a wait `status` about the child `pid`.
    pub(crate) fn note(&mut self, pid: i32, status: i32) {
        if is_end(status) {
            let mut children = self.children.iter_mut();
            if let Some(child) = children.find(|child| child.pid == pid) {
                child.pid = 0;
            }
        }
    }

    /// No process is left but init.
    pub(crate) fn note_end(&mut self) {
        for child in &mut *self.children {
            child.pid = 0;
        }
    }
}

/// Lives in init's memory, with descriptors and a directory of its own, and ends.
extern "C" fn run(errand: *mut ()) -> ! {
    // SAFETY: `clone_on` got a pointer to an `Errand`, which nobody changes while this child lives.
    let errand = unsafe { &*errand.cast::<Errand>() };
    // What a command that has ended asked for is not done any more.
    if sys::is_call_waiting(errand.listener, errand.call) {
        let outcome = errand.outcome();
        // Once the command has its answer, what it closes is to be closed. Init and the reader close their copies at about the same time.
        let _ = sys::close(errand.socket);
        let _ = sys::answer_call(errand.listener, errand.call, outcome);
    }
    sys::exit_task(0)
}

impl Errand {
    fn outcome(&self) -> Result<()> {
        if self.place != Fd::NONE {
            sys::dup3_on_exec(self.place, PLACE)?;
        }
        let address = self.address.get(..self.length).ok_or(Errno::INVAL)?;
        match self.code {
            errand::CONNECT => self.confined(|| self.connect(address)),
            errand::CONNECT_DOOR => self.connect_door(),
            errand::CONNECT_TO => self.confined(|| self.connect(TO_PLACE)),
            errand::BIND => self.confined(|| sys::bind(self.socket, address)),
            errand::BIND_IN => self.bind_name(),
            errand::BIND_AT => match self.make_way() {
                Ok(()) => self.confined(|| sys::bind(self.socket, address)),
                Err(_) => self.bind_name(),
            },
            errand::PAIR => self.pair(address),
            errand::WRITABLE => {
                let _ = self.make_writable();
                Ok(())
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// Without capabilities, as the command is.
    fn confined(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        sys::drop_capabilities()?;
        sys::umask(self.umask);
        act()
    }

    /// Waits as long as the server lets it, or until the call has a signal to handle. Then the kernel sees to whether it is made again, as it does
    /// itself (signal(7)): never if there was a limit to the time.
    fn connect(&self, address: &[u8]) -> Result<()> {
        sys::interrupt_by(sys::INTERRUPT)?;
        match sys::connect(self.socket, address) {
            Err(Errno::INTR) if !sys::has_send_timeout(self.socket)? => Err(Errno::RESTART),
            outcome => outcome,
        }
    }

    /// Makes a pair, and tells the two numbers. The memory is that of the very process which waits: it was opened before that was made
    /// sure.
    fn pair(&self, address: &[u8]) -> Result<()> {
        let at = Reader(address).u64().ok_or(Errno::INVAL)?;
        let tell = |told| match sys::write_at(self.socket, at, told) {
            Ok(true) => Ok(()),
            _ => Err(Errno::FAULT),
        };
        sys::drop_capabilities()?;
        // What can't be told must not be given: nobody would know of it.
        tell([Fd::NONE; 2])?;
        let ends = sys::packet_pair(self.umask)?;
        let [one, other] = ends.map(|end| {
            let added = sys::add_to_caller(self.listener, self.call, end, self.umask);
            // Who closes one has closed it.
            sys::close(end).and(added)
        });
        tell([one?, other?])
    }

    /// Mounts the directory over itself, with what is mounted in it already.
    fn make_writable(&self) -> Result<()> {
        let bytes = sys::map(self.socket, self.umask as usize)?;
        let path = CStr::from_bytes_until_nul(bytes).map_err(|_| Errno::INVAL);
        let made = path.and_then(|path| place::at(sys::open_root()?, path, place::make_writable));
        // SAFETY: a mapping of this function's own, and `path` is used no more.
        unsafe { sys::unmap(bytes) };
        made
    }

    /// Connects to the gateway's door at the address, which accepts at every one. What mark a connection has only who has a capability says, so the
    /// gateway takes its destination from that and the address; of several calls about one socket at a time it may be the port of another.
    fn connect_door(&self) -> Result<()> {
        let mut address = self.address;
        let [_, _, high, low, ..] = &mut address;
        let port = u16::from_be_bytes([*high, *low]);
        [*high, *low] = DOOR.to_be_bytes();
        sys::set_mark(self.socket, BROUGHT | u32::from(port))?;
        let address = address.get(..self.length).ok_or(Errno::INVAL)?;
        self.confined(|| self.connect(address))
    }

    /// The path, and how much of it is the way to the name.
    fn path(&self) -> Option<(&CStr, usize)> {
        let path = CStr::from_bytes_until_nul(self.address.get(PATH..)?).ok()?;
        let slash = path.to_bytes().iter().rposition(|byte| *byte == b'/');
        Some((path, slash.map_or(0, |at| at.wrapping_add(1))))
    }

    /// Binds to the name in the place, of which alone the address will be.
    fn bind_name(&self) -> Result<()> {
        let (path, way) = self.path().ok_or(Errno::INVAL)?;
        let name = path.to_bytes().get(way..).ok_or(Errno::INVAL)?;
        let mut address = [0; ADDRESS];
        for (slot, byte) in address.iter_mut().zip(FAMILY.iter().chain(name)) {
            *slot = *byte;
        }
        let address = address
            .get(..PATH.wrapping_add(name.len()))
            .ok_or(Errno::INVAL)?;
        sys::fchdir(Fd(PLACE))?;
        self.confined(|| sys::bind(self.socket, address))
    }

    /// Makes a root for this child in which the path leads to the place: the kernel remembers the address as it was given, and its own
    /// way could be moved between the decision and its walk.
    fn make_way(&self) -> Result<()> {
        const MS_PRIVATE: u64 = 1 << 18;
        const NOSUID_NODEV_NOEXEC: u64 = 2 | 4 | 8;
        sys::unshare_mounts()?;
        let root = sys::open_root()?;
        sys::mount_setattr(root, 0, MS_PRIVATE, true)?;
        let at = sys::open_place(root, c"proc")?;
        let processes = sys::clone_tree(at)?;
        let way = sys::new_mount(c"tmpfs", &[], NOSUID_NODEV_NOEXEC)?;
        sys::attach(way, at)?;
        sys::mkdir(way, PROCESSES, 0o700)?;
        sys::attach(processes, sys::open_place(way, PROCESSES)?)?;
        sys::fchdir(way)?;
        sys::pivot_root_here()?;
        let (path, length) = self.path().ok_or(Errno::INVAL)?;
        let bytes = path.to_bytes();
        let mut before = [0_u8; ADDRESS + 1];
        for (index, byte) in bytes.iter().enumerate().take(length) {
            let is_last = index.wrapping_add(1) == length;
            let directory = CStr::from_bytes_until_nul(&before).map_err(|_| Errno::INVAL)?;
            match byte {
                b'/' if index == 0 => {}
                b'/' if is_last => sys::symlink(PLACE_AT, way, relative(directory))?,
                b'/' => sys::mkdir(way, relative(directory), 0o700)?,
                _ => {}
            }
            *before.get_mut(index).ok_or(Errno::INVAL)? = *byte;
        }
        Ok(())
    }
}

/// Without the slash that it begins with.
fn relative(path: &CStr) -> &CStr {
    let bytes = path.to_bytes_with_nul();
    let rest = bytes.strip_prefix(b"/").unwrap_or(bytes);
    CStr::from_bytes_with_nul(rest).unwrap_or(path)
}
