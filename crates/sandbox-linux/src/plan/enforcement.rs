//! The report: which part of the policy is held, by which mechanisms, and what is not held.
//!
//! It is made from the same view and facts as the plan. A part that one mechanism alone holds says so by naming one.

use std::collections::BTreeSet;
use std::path::Path;

use sandbox_core::{Access, Enforcement, Held, Limits, escaped};

use super::Connectivity;
use crate::filter::Feature;
use crate::landlock::{REFER_ABI, SCOPE_ABI};
use crate::notifier::{DELAY, Names};
use crate::view::{Node, View};
use crate::wire::LOOKS;

/// The most paths that one line of the report names.
const NAMED: usize = 4;

/// Of what a plan holds.
pub(super) fn of(
    view: &View,
    landlock_abi: u32,
    connectivity: &Connectivity,
    (bounds, by_numbers): (&Limits, bool),
    names: Option<&Names>,
) -> Enforcement {
    let notifier = names.is_some_and(Names::are_decided);
    let landlock = landlock_abi >= REFER_ABI;
    let scopes = landlock_abi >= SCOPE_ABI;
    let assembled = *view.root() == Node::Assembled;
    let with_landlock = |first, second| {
        if landlock {
            vec![first, second]
        } else {
            vec![first]
        }
    };

    let mut parts = vec![
        writes(landlock_abi, with_landlock("mount namespace", "Landlock")),
        Held::new(
            "hidden paths",
            if assembled {
                with_landlock("mount namespace", "Landlock")
            } else {
                vec!["mount namespace"]
            },
        ),
        Held::new(
            "protected paths",
            if notifier {
                vec!["notifier", "mount namespace"]
            } else {
                vec!["mount namespace"]
            },
        ),
        sockets(names),
        network(connectivity, names),
        abstract_sockets(*connectivity == Connectivity::Host, scopes),
        Held::new(
            "processes",
            if scopes {
                vec!["pid namespace", "Landlock scope"]
            } else {
                vec!["pid namespace", "seccomp"]
            },
        ),
        Held::new("lifetime", vec!["pid namespace", "pidfd of the caller"]),
        Held::new(
            "privileges",
            vec!["no capabilities", "no_new_privs", "user namespace"],
        ),
        Held::new("system calls", vec!["seccomp"]),
        Held::new("devices", with_landlock("private /dev", "nodev mounts")),
        Held::new(
            "IPC, names",
            vec!["ipc and uts namespaces", "session keyring"],
        ),
        Held::new("environment", vec!["the caller"]),
    ];
    if let Some(names) = names {
        opened(&mut parts, names);
    }
    unheld_files(&mut parts, view, assembled, notifier);
    limits(&mut parts, bounds, by_numbers);
    Enforcement::new(parts)
}

/// A file of the host that is handed over as a standard stream lies on the host's own mount: there Landlock alone holds.
fn writes(landlock_abi: u32, mechanisms: Vec<&'static str>) -> Held {
    let held = Held::new("writes", mechanisms);
    match landlock_abi {
        ..REFER_ABI => held.but("a standard stream that is open for reading, if its file is not visible inside: no Landlock"),
        REFER_ABI => held.but("cutting off a standard stream that is open for reading, if its file is not visible inside (Landlock before ABI 3)"),
        _ => held,
    }
}

fn network(connectivity: &Connectivity, names: Option<&Names>) -> Held {
    let held = Held::new("network", connectivity.mechanisms());
    match connectivity {
        Connectivity::Host => held.but("the policy leaves the command on the host's network"),
        Connectivity::Alone => held,
        Connectivity::Gateway { datagrams, .. } => {
            let mut held = held.but(
                "that `connect` fails where a connection is denied: the gateway accepts first, then decides, and resets it",
            );
            let proxies =
                "every connection but those to the proxies of `HTTP_PROXY` and `ALL_PROXY`";
            let without = "if this kernel has no transparent proxy in nf_tables";
            // Init connects in the command's place then.
            held.beyond.push(if names.is_some_and(Names::are_sockets_decided) {
                format!("the port that `getpeername` tells, {without}; {proxies}, if `/proc/sys` can't be written either")
            } else {
                format!("{proxies}, {without}")
            });
            if datagrams.is_some() {
                held.beyond.push(
                    "every datagram of UDP but questions about names, on such a kernel".to_owned(),
                );
            }
            held
        }
    }
}

fn sockets(names: Option<&Names>) -> Held {
    let Some(names) = names else {
        return Held::new("sockets by path", Vec::new())
            .but("a command can connect to a socket of the host whose path it can see: hide it");
    };
    if !names.are_sockets_decided() {
        return Held::new("sockets by path", Vec::new())
            .but("the policy lets a command connect to every socket that it can see");
    }
    let mut held = Held::new("sockets by path", vec!["notifier"]);
    if names.allows(Feature::UnixDatagram) {
        held = held.but("datagrams to a socket whose path it can see: `unix-datagram` is allowed");
    }
    if names.allows(Feature::IoUring) {
        held = held.but("connections to such a socket by `io_uring`, which is allowed");
    }
    held
}

fn abstract_sockets(host_network: bool, scopes: bool) -> Held {
    match (host_network, scopes) {
        (false, true) => Held::new("abstract sockets", vec!["network namespace", "Landlock scope"]),
        (false, false) => Held::new("abstract sockets", vec!["network namespace"]),
        (true, true) => Held::new("abstract sockets", vec!["Landlock scope"]),
        (true, false) => Held::new("abstract sockets", Vec::new())
            .but("on the host's network this kernel's Landlock (before ABI 6) does not keep the command off them"),
    }
}

/// Where names may be made in directories that can't be written.
fn opened(parts: &mut [Held], names: &Names) {
    let openings = names.openings().iter();
    let directories: BTreeSet<&Path> = openings.map(|it| it.directory.as_path()).collect();
    let directories: Vec<_> = directories.into_iter().collect();
    let writes = parts.iter_mut().find(|held| held.part == "writes");
    if let (Some(held), Some(paths)) = (writes, named(&directories)) {
        held.beyond.push(format!(
            "in {paths} what goes by the name of a file that a rule lets be made there: removing, renaming, mode, times"
        ));
        held.not_held.push(format!(
            "in {paths} removing, by Landlock as well: the mounts alone"
        ));
    }
}

/// What this version does not hold about files, and the paths of this policy for which that matters.
fn unheld_files(parts: &mut [Held], view: &View, assembled: bool, notifier: bool) {
    let unheld: Vec<&Path> = view
        .unheld()
        .iter()
        .map(|missing| missing.path.as_path())
        .collect();
    for held in parts {
        let crowded: Vec<&Path> = match held.part {
            "hidden paths" => view.crowded(Access::Hide).collect(),
            "writes" => view.crowded(Access::Read).collect(),
            _ => Vec::new(),
        };
        held.beyond.extend(named(&crowded).map(|paths| {
            format!("all of {paths}, since patterns match more than 1000 paths there")
        }));
        match held.part {
            "hidden paths" if !assembled => {
                held.not_held.push(format!(
                    "what the host makes or replaces at a hidden name, for a moment: until the watch has seen it, {LOOKS} ms where the processors are not busy"
                ));
                held.not_held.push(
                    "a hidden name in a directory that the host has renamed, once it replaces that name there"
                        .to_owned(),
                );
            }
            "protected paths" if notifier => {
                held.not_held.push(
                    "the removal of names below the top directory of a writable tree, and their modes, times and attributes there"
                        .to_owned(),
                );
                held.not_held.push(format!(
                    "the same at the top of what the host makes after the start: in a command's first {} ms and until the watch has seen it, of names that only their end tells, of those in `.git`, and in writable trees beyond the sixteenth",
                    DELAY.as_millis()
                ));
            }
            "protected paths" => {
                held.not_held.push(
                    "names that do not exist yet, or lie below the top directory of a writable tree; what the host replaces, for the moment until the watch has seen it"
                        .to_owned(),
                );
                held.not_held.extend(named(&unheld).map(|paths| {
                    format!("`read` rules for what does not exist yet, or is a link: {paths}")
                }));
            }
            _ => {}
        }
    }
}

/// These paths, the first of them by name.
fn named(paths: &[&Path]) -> Option<String> {
    let named: Vec<_> = paths
        .iter()
        .take(NAMED)
        .map(|path| format!("`{}`", escaped(path)))
        .collect();
    let more = paths.len().saturating_sub(NAMED);
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    (!named.is_empty()).then(|| format!("{}{rest}", named.join(", ")))
}

fn limits(parts: &mut Vec<Held>, limits: &Limits, by_numbers: bool) {
    let mut held = Held::new("limits", Vec::new());
    if limits.memory.is_some() {
        held.mechanisms.push("rlimit");
        held.not_held
            .push("memory: bounded for each process, not for all together".to_owned());
    }
    if limits.processes.is_some() {
        held.mechanisms.push("rlimit");
        let not_held = if by_numbers {
            "processes: root may have 300 more (with very many processors 8 for each), and as many with each command at the same time"
        } else {
            "processes: the bound counts all of the user's, and does not bind root"
        };
        held.not_held.push(not_held.to_owned());
    }
    if limits.open_files.is_some() {
        held.mechanisms.push("rlimit");
    }
    if by_numbers {
        held.mechanisms.push("pid namespace");
    }
    if limits.time.is_some() {
        held.mechanisms.push("the caller's clock");
    }
    held.mechanisms.dedup();
    if !held.mechanisms.is_empty() {
        parts.push(held);
    }
}
