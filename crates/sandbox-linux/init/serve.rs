//! The command: starts it, passes signals on, waits for it, ends what it left behind, and reports.

use super::confine::{Command, child};
use super::descriptors::Handed;
use super::entry::{VFORK, clone_on};
use super::errand::{self, Errands};
use super::raw::{Errno, Result};
use super::steps::{Builder, Confinement};
use super::sys::{self, Fd, Poll};
use super::terminal::Terminal;
use super::watch::Watch;
use super::wire::{Answer, CommandHead, Reader, answer, order, stage};

/// Signals whose arrival at init is noted: those that a person sends to a process group, and that end a program.
const NOTED: [i32; 11] = [1, 2, 3, 10, 12, 15, 18, 20, 21, 22, 28];
/// `si_code` of a signal that the kernel sent: a terminal's, for example.
const SI_KERNEL: i32 = 0x80;

/// Milliseconds after which init tries again to tell what there was no room for.
const SOON: i32 = 10;

/// What init listens to.
pub(crate) struct Ears {
    pub(crate) control: Fd,
    /// A pidfd: readable once the caller has ended.
    pub(crate) caller: Fd,
    /// A signalfd of `SIGCHLD` and [`NOTED`].
    pub(crate) signals: Fd,
}

impl Ears {
    /// Blocks the signals and opens the descriptor that reads them. All others stay at their default, which pid 1 ignores.
    pub(crate) fn open(control: Fd, caller: Fd) -> Result<Self> {
        let mask = NOTED
            .iter()
            .fold(sys::signal_bit(sys::SIGCHLD), |mask, signal| {
                mask | sys::signal_bit(*signal)
            });
        // For children that have a handler, and for who asks to be told of changes.
        let others = [sys::INTERRUPT, sys::SIGIO].map(sys::signal_bit);
        sys::set_signal_mask(others.iter().fold(mask, |mask, other| mask | other))?;
        Ok(Self {
            control,
            caller,
            signals: sys::signalfd(mask)?,
        })
    }
}

/// The memory in which the command's child runs until it has become the program.
pub(crate) struct Stack(pub(crate) *mut u8);

/// Waits for a message of the caller. Meanwhile no command runs, but what the kernel tells of is mended: the view may still be
/// looked at, by a descriptor that a command has passed on.
pub(crate) fn idle(ears: &Ears, watch: &mut Watch) {
    loop {
        let [mounts, _] = watch.poll();
        let mut fds = [Poll::new(ears.control), Poll::new(ears.caller), mounts];
        let waited = sys::poll(&mut fds, sys::FOR_EVER);
        let [control, caller, mounts] = fds;
        match waited {
            Ok(_) if mounts.is_exceptional() => {
                require(watch.settle(true, ears.caller, ears.signals));
            }
            Ok(_) | Err(Errno::INTR) => {}
            // The next call says why.
            Err(_) => return,
        }
        if control.readable() || control.broken() || caller.readable() {
            return;
        }
    }
}

/// Starts the command in `message` and stays until nothing of it is left. Nothing of it stays with init either: the next
/// command finds it as it was.
pub(crate) fn serve(
    ears: &Ears,
    builder: &mut Builder<'_>,
    watch: &mut Watch,
    errands: &mut Errands,
    message: &[u8],
    mut handed: Handed<'_>,
    stack: &Stack,
) -> Answer {
    let mut reader = Reader(message);
    let Some(head) = CommandHead::read(&mut reader) else {
        let _ = handed.close();
        return refuse(Errno::INVAL);
    };
    let received = handed.receive(ears, watch, head.descriptors);
    // Not before: it leaves numbers free, and what comes ascends. Whoever does not get them is gone.
    let _ = builder.hand_over_doors();
    let confinement = &builder.confinement;
    let received = received.and_then(|()| handed.prepare(head.numbers, head.opened_at));
    require(watch.look_before_start(ears.caller, ears.signals));
    // What came while nothing ran is about nothing that runs.
    while sys::next_signal(ears.signals).is_some() {}
    let terminal = received
        .map_err(|errno| (stage::DESCRIPTORS, errno))
        .and_then(|()| terminal(&head, &handed));
    let slave = |terminal: &Option<Terminal>| terminal.as_ref().map_or(Fd::NONE, |it| it.slave);
    let started = terminal
        .as_ref()
        .map_err(|failed| *failed)
        .and_then(|terminal| start(confinement, &head, reader, &handed, slave(terminal), stack));
    let terminal = terminal.ok().flatten();
    let closed = handed.close();
    let pid = match (started, closed) {
        (Ok(pid), Ok(())) => pid,
        (Err((stage, errno)), _) => {
            if let Some(terminal) = terminal {
                terminal.close();
            }
            handed.hand_back();
            watch.note_end();
            return failed_start(stage, errno);
        }
        // A pipe that stays open with init would have no end.
        (Ok(_), Err(_)) => sys::exit(123),
    };
    let runs = Answer {
        kind: answer::STARTED,
        value: pid,
        ..Answer::default()
    };
    // If the caller can't be told, it is gone, and so are we soon.
    let _ = match &terminal {
        Some(terminal) => sys::send_with(ears.control, &runs, terminal.master),
        None => sys::send(ears.control, &runs, true),
    };
    if let Some(terminal) = terminal {
        // It ends when the command has no more of it, and is hung up when the caller has none.
        terminal.close();
    }
    let deadline = (head.time != 0).then(|| sys::milliseconds().saturating_add(head.time));
    let service = Service {
        ears,
        watch,
        errands,
        pid,
        deadline,
        group_signals: 0,
        terminal_signals: 0,
        stop_is_new: false,
        stops_told: 0,
        is_stopped: false,
        is_asked: false,
    };
    let answer = service.until_all_have_ended();
    handed.hand_back();
    answer
}

/// The terminal that the command is to have.
fn terminal(
    head: &CommandHead<'_>,
    handed: &Handed<'_>,
) -> core::result::Result<Option<Terminal>, (u32, Errno)> {
    if head.terminal == 0 {
        return Ok(None);
    }
    let (rows, columns) = ((head.terminal >> 16) as u16, head.terminal as u16);
    Terminal::open(rows, columns, head.on_terminal, handed)
        .map(Some)
        .map_err(|errno| (stage::TERMINAL, errno))
}

/// The answer to a command that can't be read.
pub(crate) fn refuse(errno: Errno) -> Answer {
    failed_start(stage::MESSAGE, errno)
}

fn failed_start(stage: u32, errno: Errno) -> Answer {
    Answer {
        kind: answer::START,
        value: stage as i32,
        errno: errno.0,
        ..Answer::default()
    }
}

/// Starts the program; returns when it runs. `strings` are those that follow the `head` in its message.
fn start(
    confinement: &Confinement,
    head: &CommandHead<'_>,
    mut strings: Reader<'_>,
    handed: &Handed<'_>,
    terminal: Fd,
    stack: &Stack,
) -> core::result::Result<i32, (u32, Errno)> {
    let counts = [head.programs, head.args, head.environment];
    let tables = Tables::read(&mut strings, counts).map_err(|errno| (stage::MESSAGE, errno))?;
    let [programs, args, environment] = tables.each();
    let mut command = Command {
        confinement,
        handed,
        directory: head.directory,
        umask: head.umask,
        group: head.group,
        terminal,
        ignored_signals: head.ignored_signals,
        programs,
        args,
        environment,
        failed: (0, 0),
    };
    // SAFETY: `stack` is used by nobody else and `child` expects the `Command`, which is not touched until the child is gone.
    let pid = unsafe { clone_on(VFORK, stack.0, child, (&raw mut command).cast()) };
    let pid = super::raw::check(pid).map_err(|errno| (stage::CLONE, errno))? as i32;
    match command.failed {
        (_, 0) => Ok(pid),
        (stage, errno) => {
            // The next command is not to see it. Until then its descriptors may be open, too, though its memory is ours again:
            // vfork ends before they are closed.
            sys::wait_for(pid);
            Err((stage, Errno(errno)))
        }
    }
}

/// Three null-terminated tables of pointers to strings, as execve(2) takes them, one behind the other.
struct Tables {
    memory: &'static mut [u8],
    counts: [usize; 3],
}

impl Tables {
    fn read(strings: &mut Reader<'_>, counts: [usize; 3]) -> Result<Self> {
        let slots = counts.iter().try_fold(0_usize, |sum, count| {
            sum.checked_add(*count)?.checked_add(1)
        });
        let bytes = slots.and_then(|slots| slots.checked_mul(size_of::<usize>()));
        // Fresh memory is zero, so that each table ends in null.
        let memory = sys::map(Fd::NONE, bytes.ok_or(Errno::INVAL)?)?;
        let tables = Self { memory, counts };
        // SAFETY: page-aligned, zeroed, and not otherwise referred to; `usize` has no invalid value.
        let (_, mut rest, _) = unsafe { tables.memory.align_to_mut::<usize>() };
        for count in counts {
            let (table, behind) = rest
                .split_at_mut_checked(count.wrapping_add(1))
                .ok_or(Errno::INVAL)?;
            for slot in table.iter_mut().take(count) {
                let string = strings.string().ok_or(Errno::INVAL)?;
                *slot = string.as_ptr().expose_provenance();
            }
            rest = behind;
        }
        Ok(tables)
    }

    /// The tables, each with all that lies behind it.
    fn each(&self) -> [&[usize]; 3] {
        // SAFETY: as in `read`.
        let (_, mut rest, _) = unsafe { self.memory.align_to::<usize>() };
        self.counts.map(|count| {
            let table = rest;
            rest = rest.get(count.wrapping_add(1)..).unwrap_or(&[]);
            table
        })
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        // SAFETY: a whole mapping; the program that needed the tables has been executed, or never will.
        unsafe { sys::unmap(self.memory) };
    }
}

/// Ends everything where the policy cannot be held any more.
pub(crate) fn require(held: Result<()>) {
    if held.is_err() {
        sys::exit(super::exit::OPEN);
    }
}

struct Service<'a> {
    ears: &'a Ears,
    watch: &'a mut Watch,
    errands: &'a mut Errands,
    /// The command itself.
    pid: i32,
    /// When everything inside is ended, whatever the caller does: a stopped one can't keep its own clock.
    deadline: Option<u64>,
    /// Signals that init received from a process outside: they went to the process group, so that the command has them too.
    group_signals: u64,
    /// Those that the terminal sent.
    terminal_signals: u64,
    /// The process group was stopped, by a terminal or a process, and nothing is known yet of what that did to the command.
    stop_is_new: bool,
    /// How often the caller was told that the command was stopped.
    stops_told: u32,
    is_stopped: bool,
    /// The caller waits to hear whether it is.
    is_asked: bool,
}

impl Service<'_> {
    fn until_all_have_ended(mut self) -> Answer {
        let mut ended = None;
        loop {
            // Each time, not only when there is nothing to reap: processes that fork and end as fast as they are reaped must
            // keep us neither from the caller nor from the deadline.
            let timeout = match sys::wait_any() {
                Err(Errno::CHILD) => {
                    self.watch.note_end();
                    self.errands.note_end();
                    return ended.unwrap_or_default();
                }
                Ok(Some((pid, status, usage))) if pid == self.pid => {
                    if !self.note_stop(status) {
                        ended = Some(Answer {
                            kind: answer::ENDED,
                            value: status,
                            usage,
                            ..Answer::default()
                        });
                    }
                    sys::NO_WAIT
                }
                Ok(Some((pid, status, _))) => {
                    require(self.watch.is_mender(pid, status).map(drop));
                    self.errands.note(pid, status);
                    sys::NO_WAIT
                }
                Ok(None) | Err(_) => {
                    // Here the state is that of this moment.
                    if self.is_asked {
                        self.is_asked = !self.tell(answer::STATE, i32::from(self.is_stopped));
                    }
                    let soon = if self.is_asked { SOON } else { sys::FOR_EVER };
                    earliest([self.rest(), self.watch.rest(), soon])
                }
            };
            if ended.is_some() || self.rest() == sys::NO_WAIT {
                // Reaches every process at once; none of them can fork any more.
                let _ = sys::kill(-1, sys::SIGKILL);
            }
            self.listen(timeout);
        }
    }

    /// Whether the status is about a stop of the command or its end.
    fn note_stop(&mut self, status: i32) -> bool {
        if status == CONTINUED {
            self.is_stopped = false;
            return true;
        }
        let Some(signal) = stop_signal(status) else {
            return false;
        };
        self.is_stopped = true;
        self.note_signals();
        self.group_signals &= !sys::STOPS;
        self.stop_is_new = false;
        // A caller with that many unread asks for the state when it reads them.
        if self.tell(answer::STOPPED, signal) {
            self.stops_told = self.stops_told.wrapping_add(1);
        }
        true
    }

    /// Milliseconds until the deadline.
    fn rest(&self) -> i32 {
        let Some(deadline) = self.deadline else {
            return sys::FOR_EVER;
        };
        let rest = deadline.saturating_sub(sys::milliseconds());
        i32::try_from(rest).unwrap_or(i32::MAX)
    }

    /// Whether the caller was told, or can't be any more. It never waits: a caller that does not read must not keep init from
    /// the deadline.
    fn tell(&self, kind: u32, value: i32) -> bool {
        let answer = Answer {
            kind,
            value,
            ..Answer::default()
        };
        // A caller that is gone is noticed by its pidfd.
        sys::send(self.ears.control, &answer, false) != Err(Errno::AGAIN)
    }

    /// Sleeps until something happens, and does what is to be done about all but the children.
    fn listen(&mut self, timeout: i32) {
        let [mounts, changes] = self.watch.poll();
        let mut fds = [
            Poll::new(self.ears.control),
            Poll::new(self.ears.caller),
            Poll::new(self.ears.signals),
            mounts,
            changes,
        ];
        match sys::poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => sys::exit(121),
        }
        let [control, caller, signals, mounts, _] = fds;
        require(self.watch.look(mounts.is_exceptional()));
        if caller.readable() || (control.broken() && !control.readable()) {
            // The kernel ends everything in this namespace with us.
            sys::exit(120);
        }
        if signals.readable() {
            self.note_signals();
        }
        if control.readable() {
            self.obey();
        }
    }

    fn note_signals(&mut self) {
        while let Some(received) = sys::next_signal(self.ears.signals) {
            if received.signal == sys::SIGCHLD || received.sender != 0 {
                continue;
            }
            let bit = sys::signal_bit(received.signal);
            if received.code == SI_KERNEL {
                self.terminal_signals |= bit;
            } else {
                self.group_signals |= bit;
            }
            // Of a stop and a SIGCONT the later one takes the other away while that is pending (signal(7)).
            if bit & sys::STOPS != 0 {
                self.stop_is_new = true;
            } else if received.signal == sys::SIGCONT {
                self.stop_is_new = false;
            }
        }
    }

    fn obey(&mut self) {
        let mut buffer = [0_u8; errand::ORDER];
        let mut fds = [Fd::NONE; errand::FDS];
        let length = match sys::receive(self.ears.control, &mut buffer, &mut fds, false) {
            Ok(0) => sys::exit(120),
            Ok(length) => length,
            Err(_) => return,
        };
        let mut reader = Reader(buffer.get(..length).unwrap_or(&[]));
        let order = reader;
        match (reader.u32(), reader.u32()) {
            (Some(order::NAMES), _) => {
                self.watch.obey(order, &fds);
                super::close(&fds);
            }
            (Some(order::ERRAND), Some(code)) => self.errands.start(code, reader, fds),
            (Some(order::INTERRUPT), _) => self.errands.interrupt(reader.u64()),
            (Some(order::SIGNAL), Some(signal)) => self.signal(signal as i32),
            (Some(order::FORWARD), Some(signal)) => self.forward(signal as i32, reader.u32()),
            (Some(order::KEY), Some(signal)) => self.forward_key(signal as i32),
            (Some(order::STATE), _) => self.is_asked = true,
            (Some(order::KILL), Some(signal)) => {
                let _ = sys::kill(-1, signal as i32);
            }
            _ => {}
        }
    }

    fn signal(&self, signal: i32) {
        // It may have ended meanwhile; its id is not given to another process before it is waited for.
        let _ = sys::kill(self.pid, signal);
    }

    /// The caller received `signal` from a process. If that was sent to the whole process group, init has got it as well as
    /// the command, if that is still a member: then it is not given to the command a second time.
    fn forward(&mut self, signal: i32, stops_heard: Option<u32>) {
        self.note_signals();
        let bit = sys::signal_bit(signal);
        let to_group = self.group_signals & bit != 0;
        self.group_signals &= !bit;
        // A stop of the group takes a pending SIGCONT away, also from init, which then knows of none. One that the caller
        // received before that stop must not undo it.
        let is_undone =
            signal == sys::SIGCONT && (self.stop_is_new || stops_heard != Some(self.stops_told));
        let is_member = sys::process_group(self.pid) == sys::process_group(0);
        if !((to_group || is_undone) && is_member) {
            self.signal(signal);
        }
    }

    /// The terminal sent `signal` to the whole process group. If init has got it since the command was started, so has that.
    fn forward_key(&mut self, signal: i32) {
        self.note_signals();
        let has_come = self.terminal_signals & sys::signal_bit(signal) != 0;
        let is_member = sys::process_group(self.pid) == sys::process_group(0);
        if !(has_come && is_member) {
            self.signal(signal);
        }
    }
}

/// The earliest of some timeouts.
fn earliest(timeouts: [i32; 3]) -> i32 {
    let bounded = timeouts.into_iter().filter(|timeout| *timeout >= 0);
    bounded.min().unwrap_or(sys::FOR_EVER)
}

/// The wait status of a child that was continued (wait(2)).
const CONTINUED: i32 = 0xffff;

/// Whether a child with this wait status is gone.
pub(crate) fn is_end(status: i32) -> bool {
    status != CONTINUED && stop_signal(status).is_none()
}

/// The signal that stopped a child with this wait status (wait(2)).
fn stop_signal(status: i32) -> Option<i32> {
    (status & 0xff == 0x7f).then_some(status >> 8 & 0xff)
}
