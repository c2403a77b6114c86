//! A test of the tests: plans with a fault, each of which some case has to catch.

use std::fmt::Write;

use conformance::case::tables;
use conformance::table::{Caught, Ready};
use sandbox_linux::{Cover, MountAttributes, Step};

use crate::THEMES;

/// Makes a fault at the step with this index; nothing where the step is none that can have it.
type Fault = fn(&mut Vec<Step>, usize) -> Option<()>;

/// Each fault in words.
const FAULTS: &[(&str, Fault)] = &[
    ("a cover is left out", |steps, at| {
        matches!(steps.get(at)?, Step::Cover { .. }).then(|| drop(steps.remove(at)))
    }),
    ("a cover lies over the wrong name", |steps, at| {
        let Step::Cover { path, .. } = steps.get_mut(at)? else {
            return None;
        };
        let name = path.file_name()?.to_owned();
        let neighbour = std::fs::read_dir(path.parent()?).ok()?.flatten();
        let mut neighbours = neighbour.filter(|other| other.file_name() != name);
        *path = neighbours.next()?.path();
        Some(())
    }),
    ("a cover can be read", |steps, at| {
        match steps.get_mut(at)? {
            // It hides as well, but is not what a command is to see.
            Step::Cover { path, cover } if *cover == Cover::Directory => {
                let path = path.clone();
                let attributes = writable(steps)?;
                steps[at] = Step::Scratch {
                    apart: false,
                    path,
                    mode: 0o755,
                    attributes,
                };
                Some(())
            }
            _ => None,
        }
    }),
    ("a tree is not put into its place", |steps, at| {
        matches!(steps.get(at)?, Step::Put { .. }).then(|| drop(steps.remove(at)))
    }),
    ("two trees are put into each other's places", |steps, at| {
        let others = steps.iter().enumerate().skip(at + 1);
        let other = others
            .filter(|(_, step)| matches!(step, Step::Put { .. }))
            .map(|(other, _)| other)
            .next()?;
        let Step::Put { slot: first, .. } = steps[at] else {
            return None;
        };
        let Step::Put { slot: second, .. } = steps[other] else {
            return None;
        };
        for (at, new) in [(at, second), (other, first)] {
            if let Step::Put { slot, .. } = &mut steps[at] {
                *slot = new;
            }
        }
        Some(())
    }),
    ("a read-only tree is taken writable", |steps, at| {
        let writable = writable(steps)?;
        match steps.get_mut(at)? {
            Step::Take { attributes, .. } if attributes.is_read_only() => *attributes = writable,
            _ => return None,
        }
        Some(())
    }),
    ("a writable tree is taken read-only", |steps, at| {
        let read_only = read_only(steps)?;
        match steps.get_mut(at)? {
            Step::Take { attributes, .. } if !attributes.is_read_only() => *attributes = read_only,
            _ => return None,
        }
        Some(())
    }),
    ("nothing can be executed in a tree", |steps, at| {
        let data = no_exec(steps)?;
        match steps.get_mut(at)? {
            Step::Take { attributes, .. } if !attributes.is_no_exec() => *attributes = data,
            _ => return None,
        }
        Some(())
    }),
    ("a tree is taken from the directory above", |steps, at| {
        match steps.get_mut(at)? {
            Step::Take { path, .. } => *path = path.parent()?.to_owned(),
            _ => return None,
        }
        Some(())
    }),
    ("the host's tree is not restricted", |steps, at| {
        matches!(steps.get(at)?, Step::Restrict { .. }).then(|| drop(steps.remove(at)))
    }),
    (
        "the host's tree is restricted before copies are taken",
        |steps, at| {
            if !matches!(steps.get(at)?, Step::Restrict { .. }) {
                return None;
            }
            let restrict = steps.remove(at);
            let first = steps
                .iter()
                .position(|step| matches!(step, Step::Take { .. }))?;
            steps.insert(first, restrict);
            Some(())
        },
    ),
    ("the host's tree stays writable", |steps, at| {
        let writable = writable(steps)?;
        match steps.get_mut(at)? {
            Step::Restrict { attributes } => *attributes = writable,
            _ => return None,
        }
        Some(())
    }),
    (
        "a read-only tree in a writable one is left out",
        |steps, at| {
            match steps.get(at)? {
                Step::Rebind { attributes, .. } if attributes.is_read_only() => {
                    drop(steps.remove(at));
                }
                _ => return None,
            }
            Some(())
        },
    ),
    (
        "a read-only tree in a writable one is writable",
        |steps, at| {
            let writable = writable(steps)?;
            match steps.get_mut(at)? {
                Step::Rebind { attributes, .. } if attributes.is_read_only() => {
                    *attributes = writable;
                }
                _ => return None,
            }
            Some(())
        },
    ),
    ("a directory that has to stay is not held", |steps, at| {
        match steps.get(at)? {
            Step::Rebind { attributes, .. } if !attributes.is_read_only() => drop(steps.remove(at)),
            _ => return None,
        }
        Some(())
    }),
    ("a directory that has to stay is read-only", |steps, at| {
        let read_only = read_only(steps)?;
        match steps.get_mut(at)? {
            Step::Rebind { attributes, .. } if !attributes.is_read_only() => {
                *attributes = read_only;
            }
            _ => return None,
        }
        Some(())
    }),
    ("a private directory is left out", |steps, at| {
        matches!(steps.get(at)?, Step::Scratch { .. }).then(|| drop(steps.remove(at)))
    }),
    ("a private directory is read-only", |steps, at| {
        let read_only = read_only(steps)?;
        match steps.get_mut(at)? {
            Step::Scratch { attributes, .. } => *attributes = read_only,
            _ => return None,
        }
        Some(())
    }),
    ("two neighbouring steps change places", |steps, at| {
        let is_placing = |step: &Step| {
            matches!(
                step,
                Step::Scratch { .. } | Step::Rebind { .. } | Step::Put { .. }
            )
        };
        if !is_placing(steps.get(at)?) || !is_placing(steps.get(at + 1)?) {
            return None;
        }
        steps.swap(at, at + 1);
        Some(())
    }),
    ("a directory on the way is not made", |steps, at| {
        matches!(steps.get(at)?, Step::Directory { .. }).then(|| drop(steps.remove(at)))
    }),
    ("a link of a rule is not made", |steps, at| {
        matches!(steps.get(at)?, Step::Link { .. }).then(|| drop(steps.remove(at)))
    }),
    ("a link of a rule leads elsewhere", |steps, at| {
        match steps.get_mut(at)? {
            Step::Link { target, .. } => *target = "/".into(),
            _ => return None,
        }
        Some(())
    }),
    ("an assembled directory can be written", |steps, at| {
        matches!(steps.get(at)?, Step::Freeze { .. }).then(|| drop(steps.remove(at)))
    }),
    ("the private root is not entered", |steps, at| {
        matches!(steps.get(at)?, Step::EnterRoot).then(|| drop(steps.remove(at)))
    }),
    ("Landlock grants more", |steps, at| {
        let all = handled(steps)?;
        match steps.get_mut(at)? {
            Step::Grant { rights, .. } if *rights & 2 == 0 => *rights = all,
            _ => return None,
        }
        Some(())
    }),
    ("Landlock grants above the path", |steps, at| {
        match steps.get_mut(at)? {
            Step::Grant { path, .. } => *path = path.parent()?.to_owned(),
            _ => return None,
        }
        Some(())
    }),
    ("a grant is left out", |steps, at| {
        matches!(steps.get(at)?, Step::Grant { .. }).then(|| drop(steps.remove(at)))
    }),
    ("Landlock handles reading alone", |steps, at| {
        match steps.get_mut(at)? {
            Step::Landlock { files, .. } => *files &= 0b1101,
            _ => return None,
        }
        Some(())
    }),
];

/// Attributes cannot be made here: those of another step do.
fn attributes(steps: &[Step], is_wanted: fn(MountAttributes) -> bool) -> Option<MountAttributes> {
    steps.iter().find_map(|step| match step {
        Step::Take { attributes, .. }
        | Step::Scratch { attributes, .. }
        | Step::Proc { attributes, .. }
            if is_wanted(*attributes) =>
        {
            Some(*attributes)
        }
        _ => None,
    })
}

fn writable(steps: &[Step]) -> Option<MountAttributes> {
    attributes(steps, |attributes| {
        !attributes.is_read_only() && !attributes.is_no_exec()
    })
}

fn read_only(steps: &[Step]) -> Option<MountAttributes> {
    attributes(steps, MountAttributes::is_read_only)
}

fn no_exec(steps: &[Step]) -> Option<MountAttributes> {
    attributes(steps, MountAttributes::is_no_exec)
}

fn handled(steps: &[Step]) -> Option<u64> {
    steps.iter().find_map(|step| match step {
        Step::Landlock { files, .. } => Some(*files),
        _ => None,
    })
}

/// What catches a fault, wherever in the plans it is made: a case, if there is one.
fn caught(fault: Fault, all: &[Ready<'_>]) -> Option<Caught> {
    let mut refused = None;
    let by_case = all.iter().find_map(|ready| {
        (0..ready.steps.len()).find_map(|at| {
            let mut steps = ready.steps.clone();
            fault(&mut steps, at)?;
            let caught = ready.catch(&steps)?;
            if let Caught::ByCase(_) = caught {
                return Some(caught);
            }
            refused = Some(caught);
            None
        })
    });
    by_case.or(refused)
}

#[test]
fn every_fault_of_a_plan_is_caught_by_a_case() {
    let tables: Vec<_> = THEMES
        .iter()
        .flat_map(|(_, text)| tables(text).unwrap())
        .collect();
    let all: Vec<Ready<'_>> = tables.iter().map(Ready::of).collect();
    for ready in &all {
        assert_eq!(ready.catch(&ready.steps), None, "without a fault");
    }
    let mut report = String::new();
    let mut missed = 0;
    for (name, fault) in FAULTS {
        let by = caught(*fault, &all);
        missed += usize::from(by.is_none());
        let by = match by {
            Some(Caught::ByCase(case)) => case,
            Some(Caught::Refused(why)) => format!("init refuses: {why}"),
            None => "NOT CAUGHT".to_owned(),
        };
        writeln!(report, "{name}: {by}").unwrap();
    }
    println!("{report}");
    assert!(FAULTS.len() >= 20 && missed == 0, "{report}");
}
