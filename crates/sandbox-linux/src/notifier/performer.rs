//! The performer: a thread that can do nothing that the policy does not grant. It is started when a first call is to be made: commands
//! that make no name go without.

use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sched::{CloneFlags, unshare};

use super::calls::Call;
use super::denied::{Asked, Denial, Teller};
use super::errand::Errands;
use super::perform::{Done, Gitfiles, perform};
use super::pin::{Held, Own, errno};
use super::resolve::Stop;
use super::{Counts, Job, Making, Names, Order, Orders, spawn};
use crate::sys::notify;

/// How long what would block is left alone until it is tried again.
const PAUSE: Duration = Duration::from_millis(5);
/// How many calls of a command may wait so, and how many are taken up before the performer gets to them: each keeps descriptors of the
/// caller, of which it has few. All others stay with the kernel.
const MOST_WAITING: usize = 32;
const MOST_TAKEN: usize = 4;
/// How often one call may ask for something of its process.
const MOST_ASKED: usize = 4;

/// It has ended by itself: nobody makes calls any more.
pub(super) struct Gone;

/// The performer, while there is one, and what it is made of.
#[derive(Debug)]
pub(super) struct Performers {
    names: Arc<Names>,
    making: Arc<Making>,
    ruleset: Arc<OwnedFd>,
    errands: Arc<Errands>,
    teller: Option<Teller>,
    orders: Orders,
    counts: Arc<Counts>,
    /// Those of all commands that are there, whichever performer comes next.
    gitfiles: Arc<Gitfiles>,
    current: Option<Performer>,
}

impl Performers {
    pub(super) fn new(
        (names, making): (Arc<Names>, Arc<Making>),
        ruleset: Arc<OwnedFd>,
        errands: Arc<Errands>,
        teller: Option<Teller>,
        orders: Orders,
        counts: &Arc<Counts>,
    ) -> Self {
        Self {
            names,
            making,
            ruleset,
            errands,
            teller,
            orders,
            counts: Arc::clone(counts),
            gitfiles: Arc::default(),
            current: None,
        }
    }

    /// Has a call made, which is answered.
    pub(super) fn make(&mut self, job: Job) -> Result<(), Gone> {
        if let Call::Connect(named) | Call::Bind(named) = &job.call
            && let Some(errand) = named.errand(&job.call)
        {
            match self.errands.give(&job, named, errand) {
                Ok(()) => return Ok(()),
                Err(Stop::Answer(errno)) => {
                    job.answer(Err(errno));
                    return Ok(());
                }
                // It waits there.
                Err(_) => {}
            }
        }
        let performer = match &self.current {
            Some(performer) => performer,
            None => match self.start() {
                Ok(performer) => self.current.insert(performer),
                // Another call may find what this one lacked.
                Err(error) => {
                    job.answer(Err(errno(&error)));
                    return Ok(());
                }
            },
        };
        performer
            .jobs
            .as_ref()
            .ok_or(Gone)?
            .send(job)
            .map_err(|_| Gone)
    }

    /// Ends it, when what it was given is done: no command is left, or another one comes in its place. What waits is given back.
    pub(super) fn end(&mut self) {
        self.current = None;
    }

    /// The same, when the last command is gone: what it has left to be made is made then.
    pub(super) fn end_all(&mut self) {
        // The one that opened it may have ended with a long run.
        if self.current.is_none() && !self.gitfiles.is_empty() {
            self.current = self.start().ok();
        }
        self.end();
        self.gitfiles.forget();
    }

    /// Looks at what waits for others; until when nobody has to.
    pub(super) fn look(&self) -> PollTimeout {
        self.errands.look()
    }

    pub(super) fn errands(&self) -> &Errands {
        &self.errands
    }

    /// Whether init is to be told yet what to watch besides.
    pub(super) fn have_names_to_tell(&self) -> bool {
        !self.errands.are_names_told()
    }

    /// Tells it.
    pub(super) fn tell_names(&self) {
        self.errands.tell_names(self.names.later());
    }

    pub(super) fn orders(&self) -> Orders {
        self.orders.clone()
    }

    fn start(&self) -> io::Result<Performer> {
        let (jobs, taken) = sync_channel(MOST_TAKEN);
        let (confined, is_confined) = channel();
        let (names, ruleset) = (Arc::clone(&self.names), Arc::clone(&self.ruleset));
        let (teller, orders) = (self.teller.clone(), self.orders.clone());
        let (errands, counts) = (Arc::clone(&self.errands), Arc::clone(&self.counts));
        let (gitfiles, making) = (Arc::clone(&self.gitfiles), Arc::clone(&self.making));
        let thread = spawn("sandbox-perform", move || {
            let _member = counts.affinity.join();
            let outcome = confine(&ruleset);
            let ends = outcome.is_err();
            if confined.send(outcome).is_err() || ends {
                return;
            }
            Performing {
                names: &names,
                making: &making,
                errands: &errands,
                teller,
                orders: &orders,
                gitfiles: &gitfiles,
                waiting: Vec::new(),
                tried: Instant::now(),
            }
            .run(&taken);
        })?;
        let performer = Performer {
            jobs: Some(jobs),
            thread: Some(thread),
        };
        is_confined.recv().map_err(io::Error::other)??;
        Ok(performer)
    }
}

/// The way to it, and what is left of it.
#[derive(Debug)]
struct Performer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Performer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Gives up what a command has not: capabilities, the caller's umask, and whatever its policy does not grant.
fn confine(ruleset: &OwnedFd) -> io::Result<()> {
    unshare(CloneFlags::CLONE_FS)?;
    notify::drop_capabilities()?;
    notify::enter_domain(ruleset.as_fd())?;
    Ok(())
}

/// What the performer does.
struct Performing<'a> {
    names: &'a Names,
    making: &'a Making,
    errands: &'a Errands,
    teller: Option<Teller>,
    orders: &'a Orders,
    gitfiles: &'a Gitfiles,
    waiting: Vec<Job>,
    tried: Instant,
}

impl Performing<'_> {
    /// Until no command is left, or the reader has ended.
    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            let next = if self.waiting.is_empty() {
                jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                jobs.recv_timeout(PAUSE)
            };
            match next {
                Ok(job) => self.make(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.gitfiles
                        .make(self.names, self.making, self.teller.as_ref());
                    return self.give_back();
                }
            }
            if !self.waiting.is_empty() && self.tried.elapsed() >= PAUSE {
                self.tried = Instant::now();
                self.give_back();
            }
        }
    }

    fn give_back(&mut self) {
        for job in mem::take(&mut self.waiting) {
            self.orders.give(Order::Look(Box::new(job)));
        }
    }

    fn make(&mut self, job: Job) {
        self.gitfiles
            .make(self.names, self.making, self.teller.as_ref());
        let asked = Asked::new(self.names, self.making, self.teller.is_some());
        let outcome = perform(&asked, self.errands, self.gitfiles, &job);
        if let (Some(teller), Err(Stop::Answer(errno))) = (&self.teller, &outcome)
            && let Some(denial) = asked.denial(&job.call, *errno)
        {
            // It is asked while its call waits: afterwards it may be gone.
            let Some(held) = job.held(Own::Process) else {
                return self.orders.give(Order::Ask(Box::new(job), Own::Process));
            };
            let process = match held {
                Held::Process(process) => process.clone(),
                _ => None,
            };
            teller.tell(Denial { process, ..denial });
        }
        match outcome {
            Ok(Done::Nothing) => job.answer(Ok(0)),
            Ok(Done::File(file)) => job.answer_with(&file),
            // It is to be looked at.
            Ok(Done::Passed) => self.orders.ring(),
            Err(Stop::Answer(errno)) => job.answer(Err(errno)),
            Err(Stop::Ask(_)) if job.own.len() >= MOST_ASKED => job.answer(Err(Errno::ELOOP)),
            Err(Stop::Ask(own)) => self.orders.give(Order::Ask(Box::new(job), own)),
            Err(Stop::Wait) => self.wait(job),
        }
    }

    fn wait(&mut self, mut job: Job) {
        if job.seat.is_none() {
            job.seat = job.taken.seat(MOST_WAITING);
        }
        if job.seat.is_some() {
            return self.waiting.push(job);
        }
        job.answer(Err(match job.call {
            Call::Connect(_) | Call::Bind(_) => Errno::EAGAIN,
            _ => Errno::ENOMEM,
        }));
    }
}
