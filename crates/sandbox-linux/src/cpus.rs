//! Where init runs while its caller is busy with the policy: on another CPU, if there is one.
//!
//! Both could work at the same time. But the scheduler likes to leave a new process where its parent runs; a CPU of a virtual
//! machine that sleeps looks taken to it. So the two took turns, and a first command took a fifth longer.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::inits::Init;

/// The CPUs that the calling thread may run on, of which a child of it has had less since a moment.
#[derive(Debug)]
pub(crate) struct Cpus {
    all: CpuSet,
    since: Instant,
}

impl Cpus {
    /// Keeps `init` away from the CPU that the calling thread runs on; nothing if there is no other for it.
    pub(crate) fn leave_to_others(init: &Init) -> Option<Self> {
        let child = number_of(init)?;
        let all = sched_getaffinity(Pid::from_raw(0)).ok()?;
        let mut others = all;
        others.unset(sched_getcpu().ok()?).ok()?;
        // An empty set is refused.
        sched_setaffinity(child, &others).ok()?;
        let since = Instant::now();
        Some(Self { all, since })
    }

    /// Whether `init` may run on all of them again. One that waits for its turn where others are busy comes here first: the
    /// caller is about to wait for it.
    pub(crate) fn give_back(&self, init: &Init) -> bool {
        let Some(child) = number_of(init) else {
            return false;
        };
        if self.is_kept_waiting(child) {
            let _ = bring_here(child);
        }
        sched_setaffinity(child, &self.all).is_ok()
    }

    /// Whether it had the processor less than half of the time. If it had nothing more to do, that is no harm.
    fn is_kept_waiting(&self, child: Pid) -> bool {
        let clock = ClockId::pid_cpu_clock_id(child);
        let time = clock.and_then(ClockId::now);
        time.is_ok_and(|time| Duration::from(time) < self.since.elapsed() / 2)
    }
}

fn bring_here(child: Pid) -> nix::Result<()> {
    let mut here = CpuSet::new();
    here.set(sched_getcpu()?)?;
    sched_setaffinity(child, &here)
}

/// If it has ended, and the caller has reaped it, its number may be another's by now.
fn number_of(init: &Init) -> Option<Pid> {
    init.is_alive()
        .then(|| Pid::from_raw(init.id().cast_signed()))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::process::{Child, Command};

    use super::*;
    use crate::sys;

    /// A process that stands for an init.
    fn stand_in() -> (Child, Init) {
        let child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.id().cast_signed();
        let control = File::open("/dev/null").unwrap();
        let init = Init::new(pid, sys::pidfd(pid).unwrap(), control.into(), false);
        (child, init)
    }

    #[test]
    fn a_child_runs_elsewhere_for_a_while() {
        let mine = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let count = |set: &CpuSet| {
            (0..CpuSet::count())
                .filter(|cpu| set.is_set(*cpu) == Ok(true))
                .count()
        };
        let (mut child, init) = stand_in();
        let pid = number_of(&init).unwrap();
        let kept_away = Cpus::leave_to_others(&init);
        let apart = sched_getaffinity(pid).unwrap();
        let given_back = kept_away.as_ref().map(|cpus| cpus.give_back(&init));
        let together = sched_getaffinity(pid).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!kept_away.as_ref().is_some_and(|cpus| cpus.give_back(&init)));
        assert!(Cpus::leave_to_others(&init).is_none());
        if count(&mine) == 1 {
            assert!(kept_away.is_none());
        } else {
            assert_eq!(count(&apart), count(&mine) - 1);
            assert_eq!(given_back, Some(true));
        }
        assert_eq!(together, mine);
    }
}
