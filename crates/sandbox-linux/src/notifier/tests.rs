//! Races against the notifier, each of which a naive one loses: what that survives would prove nothing.

mod naive;
#[expect(unsafe_code, reason = "the attacker's own calls, as it likes them")]
mod racer;

use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use sandbox_core::{Context, Policy, Ruleset};
use tempfile::TempDir;

pub(super) use self::naive::answer;
use self::racer::Race;
use crate::launch::tests::in_own_process;
use crate::plan::encode;
use crate::{HostFacts, Plan, Prepared, ProcessGroup, Report, Start, Step};

/// How often a race is run against the notifier, unless `SANDBOX_TEST_ROUNDS` says so; the naive one loses after some hundred.
const ROUNDS: u32 = 20_000;
/// After so many the naive one would have won.
const NAIVE_ROUNDS: u32 = 1_000_000;

/// A right that nobody is granted (`LANDLOCK_ACCESS_FS_MAKE_BLOCK`).
const NOBODYS: u64 = 1 << 11;

fn plan(workspace: &Path) -> Plan {
    let policy = Policy::default().read("/").write(workspace);
    let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    Plan::compile(&ruleset, &HostFacts::detect()).unwrap()
}

/// Decides, and lets the call go on. Its commands may make names, as without a notifier: Landlock is the second lock, and not tested.
fn naively(plan: &Plan) -> Prepared {
    let prepared = Prepared::new(plan).unwrap();
    let mut steps = plan.steps().to_vec();
    for step in &mut steps {
        if let Step::Landlock { performed, .. } = step {
            *performed = NOBODYS;
        }
    }
    let rest = steps.get(plan.beginning().len()..).unwrap();
    Prepared {
        plan: encode::steps(rest).unwrap().into(),
        names: Some(Arc::new(plan.names().unwrap().naive())),
        ..prepared
    }
}

/// This program, as the attacker.
fn attack(prepared: &Prepared, race: Race, workspace: &Path, rounds: u32) -> Report {
    let null = fs::File::open("/dev/null").unwrap();
    let errors = std::io::stderr();
    let exe = std::env::current_exe().unwrap();
    let text = |text: &str| CString::new(text).unwrap();
    let exe = text(exe.to_str().unwrap());
    let start = Start {
        programs: vec![exe.clone()],
        args: vec![
            exe,
            text("notifier::tests::racer"),
            text("--exact"),
            text("--ignored"),
            text("--nocapture"),
        ],
        environment: vec![text(&format!("SANDBOX_TEST_RACE={} {rounds}", race.name()))],
        directory: text(workspace.to_str().unwrap()),
        stdio: [null.as_fd(), null.as_fd(), errors.as_fd()],
        descriptors: Vec::new(),
        process_group: ProcessGroup::Callers,
        terminal: None,
        on_terminal: [false; 3],
        ignored_signals: 0,
        umask: 0o022,
        time: None,
    };
    prepared.launch(&start).unwrap().wait().unwrap()
}

#[test]
#[ignore = "the attacker inside"]
fn racer() {
    racer::run();
}

fn workspace() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The attacker's exit code where it has made what is protected.
const WON: i32 = 42 << 8;

/// How many of git's directories the host has.
const REPOSITORIES: u32 = 2000;

/// What the host has: sockets of ordinary and of protected names, which take whoever comes; git's directories, as far as that matters, and
/// what could be a `HEAD` in each.
fn prepared_for(race: Race) -> TempDir {
    let host = workspace();
    if race == Race::Restore {
        for number in 0..REPOSITORIES {
            let repository = host.path().join(number.to_string());
            fs::create_dir_all(repository.join("objects")).unwrap();
            fs::create_dir(repository.join("hooks")).unwrap();
            fs::write(repository.join("HEAD"), "").unwrap();
            fs::write(repository.join("source"), "").unwrap();
        }
    }
    if race == Race::Connect {
        for name in ["plain", ".envrc"] {
            let listener = UnixListener::bind(host.path().join(name)).unwrap();
            // Ends when the process does.
            thread::spawn(move || while listener.accept().is_ok() {});
        }
    }
    host
}

#[track_caller]
fn is_lost(race: Race) {
    let host = prepared_for(race);
    let report = attack(
        &naively(&plan(host.path())),
        race,
        host.path(),
        NAIVE_ROUNDS,
    );
    assert_eq!(report.status, WON, "the race is none");

    let host = prepared_for(race);
    let prepared = Prepared::new(&plan(host.path())).unwrap();
    let rounds = std::env::var("SANDBOX_TEST_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let report = attack(&prepared, race, host.path(), rounds);
    assert_eq!(report.status, 0, "{race:?}");
    assert!(!race.is_won(host.path()), "{race:?}");
    let mut inside = fs::read_dir(host.path()).unwrap().flatten();
    assert!(!inside.any(|entry| race.is_won(&entry.path())), "{race:?}");
}

#[test]
fn a_name_that_changes_after_it_was_read_is_not_opened() {
    is_lost(Race::Open);
}

#[test]
fn a_name_that_changes_after_it_was_read_is_not_made_a_directory() {
    is_lost(Race::MakeDirectory);
}

#[test]
fn a_name_that_changes_after_it_was_read_is_not_made_a_link() {
    is_lost(Race::MakeLink);
}

#[test]
fn a_name_that_changes_after_it_was_read_is_not_linked() {
    is_lost(Race::Link);
}

#[test]
fn a_name_that_changes_after_it_was_read_is_not_renamed() {
    is_lost(Race::Rename);
}

#[test]
fn a_directory_that_becomes_a_link_on_the_way_leads_nowhere() {
    is_lost(Race::Parent);
}

#[test]
fn a_directory_that_is_moved_to_a_protected_name_gets_nothing_from_before() {
    is_lost(Race::Move);
}

#[test]
fn two_names_that_are_made_at_once_make_no_git_directory() {
    is_lost(Race::Complete);
}

#[test]
fn what_is_no_git_directory_for_a_moment_gets_no_hook() {
    is_lost(Race::Restore);
}

#[test]
fn a_directory_that_threads_share_counts_as_it_was_when_the_call_began() {
    is_lost(Race::Directory);
}

#[test]
fn a_number_that_another_directory_gets_counts_as_it_was_when_the_call_began() {
    is_lost(Race::Descriptor);
}

/// And all of its calls are made, whether these threads have a CPU or not; also the one that waits meanwhile.
#[test]
fn a_long_run_is_answered_by_threads_that_stand_back() {
    let (start, mut stood_back, is_over) = (Instant::now(), 0, AtomicBool::new(false));
    let mut ends = Vec::new();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        while stood_back < 3 && start.elapsed() < Duration::from_mins(1) {
            let attack = scope.spawn(|| {
                let host = workspace();
                let prepared = Prepared::new(&plan(host.path())).unwrap();
                attack(&prepared, Race::Run, host.path(), 500).status
            });
            while !attack.is_finished() {
                let threads = ["sandbox-bulk", "sandbox-perform"];
                stood_back += u32::from(threads.into_iter().all(stands_back));
            }
            ends.push(attack.join());
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(stood_back >= 3);
    for end in ends {
        assert_eq!(end.unwrap(), 0);
    }
}

/// Whether a thread of this name is of the class of what runs where nothing else would (`proc_pid_stat(5)`).
fn stands_back(name: &str) -> bool {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    threads.flatten().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let Some((before, fields)) = stat.rsplit_once(") ") else {
            return false;
        };
        let policy = fields.split(' ').nth(38);
        before.ends_with(&format!("({name}")) && policy == Some("5")
    })
}

/// Where nobody knows what a file system takes for the same, as here of procfs.
#[test]
fn another_spelling_is_denied_unless_the_directory_tells_them_apart() {
    let host = workspace();
    let names = plan(host.path()).names().unwrap();
    let (known, unknown) = (
        fs::File::open(host.path()).unwrap(),
        fs::File::open("/proc").unwrap(),
    );
    for (name, expected) in [
        (".GIT/hooks/x", false),
        (".EnvRC", false),
        ("README.md", true),
    ] {
        let path = host.path().join(name);
        assert_eq!(names.tell_apart(&path, unknown.as_fd()).is_ok(), expected);
        assert!(names.tell_apart(&path, known.as_fd()).is_ok());
    }
}

/// What the host has put in its place is not, also where that lies in memory.
#[test]
fn a_private_directory_is_in_memory_and_writable() {
    use nix::mount::{MsFlags, mount};
    use nix::sched::{CloneFlags, unshare};
    let host = workspace();
    let at = host.path();
    let policy = Policy::default().read("/").scratch(at);
    let ruleset = Ruleset::resolve(&policy, &Context::new("/")).unwrap();
    let plan = Plan::compile(&ruleset, &HostFacts::detect()).unwrap();
    let names = plan.names().unwrap();
    let connect = |place: &str| {
        let place = fs::File::open(place).unwrap();
        names.connect(&at.join("s"), place.as_fd())
    };
    in_own_process(|| {
        let (none, memory) = (None::<&str>, Some("tmpfs"));
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
        mount(memory, at, memory, MsFlags::empty(), none).unwrap();
        let own = connect(at.to_str().unwrap());
        mount(
            none,
            at,
            none,
            MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
            none,
        )
        .unwrap();
        let read_only = connect(at.to_str().unwrap());
        let elsewhere = connect("/proc");
        own == Ok(()) && [read_only, elsewhere] == [Err(Errno::EACCES); 2]
    });
}

#[test]
fn an_address_that_changes_after_it_was_read_is_not_connected_to() {
    is_lost(Race::Connect);
}

#[test]
fn an_address_that_changes_after_it_was_read_is_not_bound() {
    is_lost(Race::Bind);
}
