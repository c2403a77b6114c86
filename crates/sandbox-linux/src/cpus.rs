//! Where init runs while its caller is busy with the policy: on another CPU, if there is one.
//!
//! Both could work at the same time. But the scheduler likes to leave a new process where its parent runs; a CPU of a virtual
//! machine that sleeps looks taken to it. So the two took turns, and a first command took a fifth longer.

use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};
use nix::time::ClockId;
use nix::unistd::Pid;

/// A child of the calling process, kept away from the CPU that this runs on, and the CPUs that are its own.
#[derive(Debug)]
pub(crate) struct Cpus {
    child: Pid,
    all: CpuSet,
    since: Instant,
}

impl Cpus {
    /// Keeps the child `pid` away from the CPU that the calling thread runs on; nothing if there is no other for it.
    pub(crate) fn leave_to_others(pid: u32) -> Option<Self> {
        let child = Pid::from_raw(pid.cast_signed());
        let all = sched_getaffinity(Pid::from_raw(0)).ok()?;
        let mut others = all;
        others.unset(sched_getcpu().ok()?).ok()?;
        // An empty set is refused.
        sched_setaffinity(child, &others).ok()?;
        let since = Instant::now();
        Some(Self { child, all, since })
    }

    /// Whether the child may run on all of them again. One that waits for its turn where others are busy comes here first: the
    /// caller is about to wait for it.
    pub(crate) fn give_back(&self) -> bool {
        if self.is_kept_waiting() {
            let _ = self.bring_here();
        }
        sched_setaffinity(self.child, &self.all).is_ok()
    }

    /// Whether it had the processor less than half of the time. If it had nothing more to do, that is no harm.
    fn is_kept_waiting(&self) -> bool {
        let clock = ClockId::pid_cpu_clock_id(self.child);
        let time = clock.and_then(ClockId::now);
        time.is_ok_and(|time| Duration::from(time) < self.since.elapsed() / 2)
    }

    fn bring_here(&self) -> nix::Result<()> {
        let mut here = CpuSet::new();
        here.set(sched_getcpu()?)?;
        sched_setaffinity(self.child, &here)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_runs_elsewhere_for_a_while() {
        let mine = sched_getaffinity(Pid::from_raw(0)).unwrap();
        let count = |set: &CpuSet| {
            (0..CpuSet::count())
                .filter(|cpu| set.is_set(*cpu) == Ok(true))
                .count()
        };
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = Pid::from_raw(child.id().cast_signed());
        let kept_away = Cpus::leave_to_others(child.id());
        let apart = sched_getaffinity(pid).unwrap();
        let given_back = kept_away.as_ref().map(Cpus::give_back);
        let together = sched_getaffinity(pid).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        if count(&mine) == 1 {
            assert!(kept_away.is_none());
        } else {
            assert_eq!(count(&apart), count(&mine) - 1);
            assert_eq!(given_back, Some(true));
        }
        assert_eq!(together, mine);
    }
}
