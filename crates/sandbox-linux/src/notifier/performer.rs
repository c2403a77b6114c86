//! The performer: a thread that can do nothing that the policy does not grant. It is started when a first call is to be made: commands
//! that make no name go without.
//!
//! A command whose threads or processes call at once has several, since a call may wait for a disk while another one could be made. But only
//! what is decided by its path alone is made beside others: new files and directories, and what is opened. The attack: to have a path, a link on
//! its way, or what makes a directory one of git's changed between the decision and the call. So whatever may change one of these, and
//! whatever depends on more, is made while nothing else is ([`Together::under_way`]).

use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
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
/// How many calls of a command may wait so, and how many are taken up before the first performer, or another one, gets to them: each keeps
/// descriptors of the caller, of which it has few. All others stay with the kernel.
const MOST_WAITING: usize = 32;
const MOST_TAKEN: usize = 4;
const MOST_TAKEN_BESIDE: usize = 1;
/// How often one call may ask for something of its process.
const MOST_ASKED: usize = 4;
/// How many performers there may be where each has a CPU: as many as node has threads for files.
const MOST_PERFORMERS: usize = 4;

/// It has ended by itself: nobody makes calls any more.
pub(super) struct Gone;

/// The performers that there are, and what they are made of.
#[derive(Debug)]
pub(super) struct Performers {
    names: Arc<Names>,
    making: Arc<Making>,
    ruleset: Arc<OwnedFd>,
    errands: Arc<Errands>,
    teller: Option<Teller>,
    orders: Orders,
    counts: Arc<Counts>,
    together: Arc<Together>,
    /// The first has all calls that come one after the other.
    current: Vec<Performer>,
    /// How many there may be, once that was asked.
    most: Option<usize>,
}

/// What they have in common, whichever comes next.
#[derive(Debug, Default)]
struct Together {
    /// Those of all commands that are there.
    gitfiles: Gitfiles,
    /// Held while a call is made: by several, or by one that is alone.
    under_way: RwLock<()>,
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
            together: Arc::default(),
            current: Vec::new(),
            most: None,
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
        // Calls that it had would wait for ever.
        if self.current.iter().any(Performer::has_ended) {
            return Err(Gone);
        }
        match self.next() {
            Ok(performer) => performer.give(job),
            // Another call may find what this one lacked.
            Err(error) => {
                job.answer(Err(errno(&error)));
                Ok(())
            }
        }
    }

    /// The one that has least to do. If all have something, another one is started, where there may be one.
    fn next(&mut self) -> io::Result<&Performer> {
        let least = self.current.iter().map(Performer::left).min();
        if least.is_some_and(|left| left > 0) {
            self.counts.at_once.fetch_add(1, Ordering::Relaxed);
        }
        if least.is_none() || least > Some(0) && self.current.len() < self.most() {
            match self.start() {
                Ok(performer) => self.current.push(performer),
                Err(error) if self.current.is_empty() => return Err(error),
                Err(_) => self.most = Some(self.current.len()),
            }
        }
        let performer = self.current.iter().min_by_key(|it| it.left());
        performer.ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn most(&mut self) -> usize {
        *self.most.get_or_insert_with(|| {
            let cpus = thread::available_parallelism().map_or(1, usize::from);
            // Tests have several on each machine.
            let most = if cfg!(test) { MOST_PERFORMERS } else { cpus };
            most.min(MOST_PERFORMERS)
        })
    }

    /// Ends them, when what they were given is done: no command is left, or another one comes in its place. What waits is given back.
    pub(super) fn end(&mut self) {
        self.current.clear();
    }

    /// The same, when the last command is gone: what it has left to be made is made then.
    pub(super) fn end_all(&mut self) {
        // The one that opened it may have ended with a long run.
        if self.current.is_empty() && !self.together.gitfiles.is_empty() {
            self.current.extend(self.start());
        }
        self.end();
        self.together.gitfiles.forget();
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
        let room = if self.current.is_empty() {
            MOST_TAKEN
        } else {
            MOST_TAKEN_BESIDE
        };
        let (jobs, taken) = sync_channel(room);
        let (confined, is_confined) = channel();
        let (names, ruleset) = (Arc::clone(&self.names), Arc::clone(&self.ruleset));
        let (teller, orders) = (self.teller.clone(), self.orders.clone());
        let (errands, counts) = (Arc::clone(&self.errands), Arc::clone(&self.counts));
        let (together, making) = (Arc::clone(&self.together), Arc::clone(&self.making));
        let left = Arc::new(AtomicUsize::new(0));
        let still_left = Arc::clone(&left);
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
                together: &together,
                left: &still_left,
                waiting: Vec::new(),
                tried: Instant::now(),
            }
            .run(&taken);
        })?;
        let performer = Performer {
            jobs: Some(jobs),
            left,
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
    /// How many calls it was given and has not made.
    left: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Performer {
    fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }

    /// By itself, which it never should.
    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn give(&self, job: Job) -> Result<(), Gone> {
        self.left.fetch_add(1, Ordering::SeqCst);
        let jobs = self.jobs.as_ref().ok_or(Gone)?;
        jobs.send(job).map_err(|_| Gone)
    }
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
    together: &'a Together,
    left: &'a AtomicUsize,
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
                    self.make_gitfiles();
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

    /// Waits for whoever makes one: who reads it next has called before, or calls now.
    fn make_gitfiles(&self) {
        let gitfiles = &self.together.gitfiles;
        if !gitfiles.is_empty() {
            let under_way = self.together.under_way.write();
            let _alone = under_way.unwrap_or_else(PoisonError::into_inner);
            gitfiles.make(self.names, self.making, self.teller.as_ref());
        }
    }

    fn perform(&self, job: &Job) -> (Asked<'_>, Result<Done, Stop>) {
        let perform = |is_alone| {
            let asked = Asked::new(self.names, self.making, self.teller.is_some());
            let gitfiles = &self.together.gitfiles;
            let outcome = perform(&asked, self.errands, gitfiles, job, is_alone);
            (asked, outcome)
        };
        let under_way = &self.together.under_way;
        if job.call.goes_with_others() {
            let _others = under_way.read().unwrap_or_else(PoisonError::into_inner);
            let (asked, outcome) = perform(false);
            if !matches!(outcome, Err(Stop::Alone)) {
                return (asked, outcome);
            }
        }
        let _alone = under_way.write().unwrap_or_else(PoisonError::into_inner);
        perform(true)
    }

    fn make(&mut self, job: Job) {
        self.make_gitfiles();
        let (asked, outcome) = self.perform(&job);
        // Before it is answered: its thread may call again at once.
        self.left.fetch_sub(1, Ordering::SeqCst);
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
            // It was.
            Err(Stop::Alone) => job.answer(Err(Errno::EACCES)),
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
