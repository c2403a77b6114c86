//! Destinations that nobody has decided yet are put to a person.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sandbox_core::Destination;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::bounds;
use crate::event::{Door, target};
use crate::flights::{Flights, on_thread};

/// What answers questions. It may wait for a person; it runs on a thread of its own.
pub(crate) type Ask = Arc<dyn Fn(&Question) -> Answer + Send + Sync>;

/// A connection about which no rule says anything.
///
/// ```
/// use sandbox_gateway::{Answer, Options};
///
/// let options = Options::default().ask(|question| match question.port {
///     443 => Answer::AllowOnce,
///     _ => Answer::Deny,
/// });
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Question {
    /// The name that was asked for; the address only where there was none.
    pub destination: Destination,
    /// The port.
    pub port: u16,
    /// Where it came in.
    pub door: Door,
    /// The line of `[network.rules]` that would allow it for good.
    pub remedy: Option<String>,
}

/// What a person says to a [`Question`].
///
/// ```
/// use sandbox_gateway::Answer;
///
/// assert_ne!(Answer::AllowOnce, Answer::Allow);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// This connection is allowed, and others that wait for the same answer.
    AllowOnce,
    /// The destination is allowed as long as the gateway lives.
    Allow,
    /// This connection is denied, and others that wait for the same answer.
    DenyOnce,
    /// The destination is denied as long as the gateway lives.
    Deny,
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&target(&self.destination, Some(self.port)))
    }
}

impl Answer {
    pub(crate) fn allows(self) -> bool {
        matches!(self, Self::AllowOnce | Self::Allow)
    }
}

type Subject = (Destination, u16);

pub(crate) struct Questions {
    ask: Option<Ask>,
    patience: Duration,
    slots: Arc<Semaphore>,
    under_way: Flights<Subject, Answer>,
    settled: Rc<RefCell<HashMap<Subject, Answer>>>,
}

impl Questions {
    pub(crate) fn new(ask: Option<Ask>, patience: Duration) -> Self {
        Self {
            ask,
            patience,
            slots: Arc::new(Semaphore::new(bounds::QUESTIONS)),
            under_way: Flights::default(),
            settled: Rc::default(),
        }
    }

    /// The answer to a question: one that was given before, or that of a person who is asked once however many wait. None
    /// where nobody answers in time.
    pub(crate) async fn put(&self, question: Question) -> Option<Answer> {
        let Some(ask) = &self.ask else {
            return Some(Answer::DenyOnce);
        };
        let subject = (question.destination.clone(), question.port);
        if let Some(answer) = self.settled.borrow().get(&subject) {
            return Some(*answer);
        }
        let start = || {
            let (ask, slots) = (Arc::clone(ask), Arc::clone(&self.slots));
            let (settled, subject) = (Rc::clone(&self.settled), subject.clone());
            async move {
                let answered = on_thread(&slots, move || ask(&question)).await;
                let answer = answered.unwrap_or(Answer::DenyOnce);
                // Remembered here, since nobody may wait for it any more.
                let mut settled = settled.borrow_mut();
                if matches!(answer, Answer::Allow | Answer::Deny) && settled.len() < bounds::SETTLED
                {
                    settled.insert(subject, answer);
                }
                answer
            }
        };
        let answer = self.under_way.join(subject.clone(), start);
        timeout(self.patience, answer).await.ok()?
    }
}
