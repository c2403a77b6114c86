//! The host's own resolver, which only names that are allowed are put to.
//!
//! It can't be interrupted and may hang as long as it likes: each question has a thread, of which there are so many, and nobody
//! waits for one longer than its bound.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox_core::Name;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::bounds;
use crate::flights::{Flights, on_thread};
use crate::services::{self, Found};

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The name's addresses, at least one, each in its one form.
    Found(Rc<[IpAddr]>),
    /// There is no such name, or it has no address.
    Nothing,
    /// The resolver could not find out.
    Failed,
    /// Nobody knows yet.
    Late,
}

/// Asks the host's resolver.
pub(crate) struct Resolver {
    /// A file like hosts(5), which is asked instead.
    hosts: Option<PathBuf>,
    /// Name servers that are asked for services instead of the host's.
    pub(crate) servers: Option<Vec<SocketAddr>>,
    slots: Arc<Semaphore>,
    under_way: Flights<Name, Lookup>,
    answers: Rc<RefCell<Answers>>,
}

/// Those that name addresses, each of some time ago.
#[derive(Default)]
struct Answers(HashMap<Name, (Instant, Lookup)>);

impl Resolver {
    pub(crate) fn new(hosts: Option<PathBuf>) -> Self {
        // Who has such a file wants nobody else asked.
        let servers = hosts.is_some().then(Vec::new);
        Self {
            hosts,
            servers,
            slots: Arc::new(Semaphore::new(bounds::LOOKUPS)),
            under_way: Flights::default(),
            answers: Rc::default(),
        }
    }

    /// The addresses of a name, of a question that was put a short time ago if there was one.
    pub(crate) async fn lookup(&self, name: &Name, patience: Duration) -> Lookup {
        if let Some(answer) = self.answers.borrow().get(name) {
            return answer;
        }
        let start = || {
            let (hosts, slots) = (self.hosts.clone(), Arc::clone(&self.slots));
            let (asked, name, answers) = (name.clone(), name.clone(), Rc::clone(&self.answers));
            async move {
                let found = on_thread(&slots, move || match hosts {
                    None => resolve(&asked),
                    Some(hosts) => named_in(&hosts, &asked),
                });
                let answer = match found.await {
                    Ok(Ok(addresses)) => answer(addresses),
                    Ok(Err(error)) if is_temporary(&error) => Lookup::Failed,
                    Ok(Err(_)) => Lookup::Nothing,
                    Err(_) => Lookup::Failed,
                };
                // Remembered here, since nobody may wait for it any more.
                if let Lookup::Found(_) = answer {
                    answers.borrow_mut().remember(name, answer.clone());
                }
                answer
            }
        };
        let flight = self.under_way.join(name.clone(), start);
        match timeout(patience, flight).await {
            Ok(answer) => answer.unwrap_or(Lookup::Failed),
            Err(_) => Lookup::Late,
        }
    }

    /// Where a service is; it is a name with a service and a protocol before it.
    pub(crate) async fn services(&self, service: String) -> Found {
        let servers = self.servers.clone();
        let found = on_thread(&self.slots, move || {
            let servers = servers.unwrap_or_else(services::name_servers);
            services::look_up(&servers, &service)
        });
        match timeout(bounds::QUESTION, found).await {
            Ok(Ok(found)) => found,
            _ => Found::Failed,
        }
    }
}

impl Answers {
    fn get(&self, name: &Name) -> Option<Lookup> {
        let (at, answer) = self.0.get(name)?;
        (at.elapsed() < bounds::ANSWER_LIFE).then(|| answer.clone())
    }

    fn remember(&mut self, name: Name, answer: Lookup) {
        if self.0.len() >= bounds::ANSWERS {
            let is_good = |at: &Instant| at.elapsed() < bounds::ANSWER_LIFE;
            self.0.retain(|_, (at, _)| is_good(at));
        }
        if self.0.len() < bounds::ANSWERS {
            self.0.insert(name, (Instant::now(), answer));
        }
    }
}

fn answer(mut addresses: Vec<IpAddr>) -> Lookup {
    for address in &mut addresses {
        *address = address.to_canonical();
    }
    let mut seen = Vec::new();
    addresses.retain(|address| {
        let is_new = !seen.contains(address) && seen.len() < bounds::ADDRESSES;
        if is_new {
            seen.push(*address);
        }
        is_new
    });
    if addresses.is_empty() {
        Lookup::Nothing
    } else {
        Lookup::Found(addresses.into())
    }
}

fn resolve(name: &Name) -> io::Result<Vec<IpAddr>> {
    let found = (name.as_str(), 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

/// What `EAI_AGAIN` is called (`gai_strerror(3)` of glibc, and of musl): the library has no other way to tell it.
fn is_temporary(error: &io::Error) -> bool {
    let text = error.to_string();
    text.contains("Temporary failure") || text.contains("Try again")
}

/// The longest hosts file that is read.
const LONGEST_FILE: u64 = 4 << 20;

fn named_in(hosts: &Path, name: &Name) -> io::Result<Vec<IpAddr>> {
    Ok(addresses_in(&text_of(hosts, LONGEST_FILE)?, name))
}

/// The text of a file, no more of it than so many bytes.
pub(crate) fn text_of(path: &Path, longest: u64) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(longest).read_to_string(&mut text)?;
    Ok(text)
}

/// The addresses that a hosts file (hosts(5)) has for a name.
fn addresses_in(text: &str, name: &Name) -> Vec<IpAddr> {
    let lines = text.lines().filter_map(|line| {
        let line = line.split('#').next()?;
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        let is_named = words.any(|word| word.parse::<Name>().is_ok_and(|word| word == *name));
        is_named.then_some(address)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;
    use tokio::task::{spawn_blocking, yield_now};

    use super::*;
    use crate::tests::run;

    #[test]
    fn hosts_files_are_read_as_resolvers_do() {
        let text = "127.0.0.1 localhost\n# 1.1.1.1 a.example\n10.0.0.1\tA.Example. b # c.example\n\
                    ::1 b\nnonsense b\n10.0.0.2";
        for (name, expected) in [
            ("a.example", vec!["10.0.0.1"]),
            ("b", vec!["10.0.0.1", "::1"]),
            ("c.example", vec![]),
        ] {
            let found = addresses_in(text, &name.parse().unwrap());
            let found: Vec<String> = found.iter().map(IpAddr::to_string).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn an_answer_is_good_that_nobody_waited_for() {
        run(async {
            // A resolver that answers one question, when it is let.
            let directory = tempfile::tempdir().unwrap();
            let hosts = directory.path().join("hosts");
            nix::unistd::mkfifo(&hosts, Mode::S_IRWXU).unwrap();
            let (resolver, name) = (Resolver::new(Some(hosts.clone())), "a.example".parse());
            let name = name.unwrap();
            let ask = || resolver.lookup(&name, Duration::ZERO);
            assert_eq!(ask().await, Lookup::Late);
            let text = "10.0.0.1 a.example";
            let said = spawn_blocking(move || std::fs::write(hosts, text));
            said.await.unwrap().unwrap();
            while Rc::strong_count(&resolver.answers) > 1 {
                yield_now().await;
            }
            let found = Lookup::Found(addresses_in(text, &name).into());
            assert_eq!(ask().await, found);
        });
    }

    #[test]
    fn addresses_are_in_their_one_form_once_and_not_too_many() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        let found: Vec<IpAddr> = addresses(&["::ffff:10.0.0.1", "10.0.0.1", "::1"]);
        let expected: Vec<IpAddr> = addresses(&["10.0.0.1", "::1"]);
        assert_eq!(answer(found), Lookup::Found(expected.into()));
        assert_eq!(answer(Vec::new()), Lookup::Nothing);
        let many = (0..1000).map(|number| std::net::Ipv4Addr::from(number).into());
        let Lookup::Found(found) = answer(many.collect()) else {
            panic!("nothing");
        };
        assert_eq!(found.len(), bounds::ADDRESSES);
    }
}
