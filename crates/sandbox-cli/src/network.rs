//! The network of a command that runs, as far as people have to do with it: what they are told, are asked, and change.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use sandbox_core::resolve;
use sandboxed::{Builder, Changes, Child, Network, Policy, Sandbox};

use crate::args::{Setting, Watching};
use crate::ask::{Asking, asking};
use crate::control::Control;
use crate::failure::Failure;
use crate::log::Place;
use crate::traffic::Traffic;
use crate::{host, render};

/// What there is of it.
pub(crate) struct Watch {
    traffic: Arc<Traffic>,
    asking: Option<Asking>,
    control: Option<Control>,
}

impl Watch {
    /// What was asked for, and the builder of a sandbox that has to do with it.
    pub(crate) fn new(
        watching: &Watching,
        setting: &Setting,
        policy: &Policy,
        directory: &Path,
        mut builder: Builder,
    ) -> Result<(Self, Builder), Failure> {
        let traffic = Arc::new(Traffic::new(watching, directory)?);
        let control = watching
            .control_fd
            .map(|number| Control::new(number, policy.clone()))
            .transpose()?;
        let told = Arc::clone(&traffic);
        builder = builder.on_network(move |event| told.tell(event));
        if watching.log_network.is_none() && watching.events.is_none() {
            builder = builder.without_processes();
        }
        let told = Arc::clone(&traffic);
        builder = builder.on_denial(move |event| told.deny(event));
        if watching.events.is_none() {
            builder = host::at_no_cost(builder);
        }
        let mut asked = None;
        if policy.network_access() == Network::Ask || control.is_some() {
            if !host::ASKS {
                return Err(Failure::NoQuestions);
            }
            // The person's own policy, in which an answer is kept, holds under these alone.
            let keeps =
                setting.policy.is_none() && setting.settings.is_none() && setting.user.is_none();
            let (counter, asking) = asking(keeps)?;
            builder = builder.on_request(move |question| counter.put(question));
            asked = Some(asking);
        }
        let watch = Self {
            traffic,
            asking: asked,
            control,
        };
        Ok((watch, builder))
    }

    /// Says of a log that the command could write.
    pub(crate) fn warn(sandbox: &Sandbox, watching: &Watching, directory: &Path) {
        for (of, log) in [
            ("the network's", &watching.log_network),
            ("the events'", &watching.events),
        ] {
            let Some(Place::File(log)) = log else {
                continue;
            };
            let Ok(found) = resolve(&directory.join(log)) else {
                continue;
            };
            if host::can_write(sandbox, &found.path) {
                render::note(&format!("{of} log is a file that the command can change"));
            }
        }
    }

    /// What there is to wait for.
    pub(crate) fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let asking = self.asking.iter().flat_map(Asking::fds);
        asking.chain(self.control.as_ref().map(AsFd::as_fd))
    }

    /// When to go on, if nothing comes before.
    pub(crate) fn wake_at(&self) -> Option<Instant> {
        self.asking.as_ref().and_then(Asking::wake_at)
    }

    /// Goes on, after something has come or time has passed.
    pub(crate) fn go_on(&mut self, child: &Child, sandbox: &Sandbox) {
        if let Some(asking) = &mut self.asking {
            asking.go_on(child);
        }
        if let Some(control) = &mut self.control
            && !control.obey(sandbox)
        {
            self.control = None;
        }
    }

    /// Whether the command has stopped for a question.
    pub(crate) fn has_stopped(&mut self, child: &Child) -> bool {
        let asking = self.asking.as_mut();
        asking.is_some_and(|asking| asking.has_stopped(child))
    }

    /// A signal has come, or the command's time is up: no question stands in the way. After Ctrl-C none is put any more.
    pub(crate) fn withdraw(&mut self, child: &Child, is_interrupt: bool) {
        if let Some(asking) = &mut self.asking {
            if is_interrupt {
                asking.close(child);
            } else {
                asking.withdraw(child);
            }
        }
    }

    /// The sandbox has ended: tells what was denied, and what it has changed.
    pub(crate) fn end(self, changes: &Changes) {
        drop(self.asking);
        self.traffic.tell_changed(changes);
        self.traffic.tell_denied();
    }
}
