use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use sandbox_core::{Context, Network, Policy, Preset};

use super::*;
use crate::Lowering;
use crate::view::Cover;

/// The plan of a policy that needs nothing of this machine but its root directory.
fn plan(policy: &Policy, facts: &HostFacts) -> Result<Plan, Unenforceable> {
    let ruleset = Ruleset::resolve(policy, &Context::new("/")).expect("the policy is right");
    Plan::compile(&ruleset, facts)
}

/// The plan without the filter's numbers, which the architecture decides.
fn shown(plan: &Plan) -> String {
    const FILTER: &str = "read the filter: ";
    let short = |line: &str| match line.split_once(FILTER) {
        Some((number, _)) => format!("{number}{FILTER}[summary]"),
        None => line.to_owned(),
    };
    plan.to_string()
        .lines()
        .map(short)
        .collect::<Vec<_>>()
        .join("\n")
}

fn hidden_root() -> Policy {
    Policy::preset(Preset::None)
}

#[test]
fn an_assembled_root_contains_nothing_of_the_host() {
    let plan = plan(&hidden_root(), &HostFacts::complete()).unwrap();
    insta::assert_snapshot!(shown(&plan), @"
     1. clone init with its own user mount pid ipc uts namespaces
     2. map the user into the sandbox: uid 1000, gid 1000
     3. make a network of its own
     4. bring up the loopback interface
     5. cut the mounts off from the host's
     6. take /dev/null (read-only,nosuid,noexec)
     7. take /dev/zero (read-only,nosuid,noexec)
     8. take /dev/full (read-only,nosuid,noexec)
     9. take /dev/random (read-only,nosuid,noexec)
    10. take /dev/urandom (read-only,nosuid,noexec)
    11. take /dev/tty (read-only,nosuid,noexec)
    12. make the sandbox's own /proc (read-only,nosuid,nodev,noexec)
    13. make the sandbox's own /dev (nosuid,noexec) with null zero full random urandom tty pts fd stdin stdout stderr ptmx
    14. make the sandbox's own /dev/pts
    15. make a private root
    16. make the directory /proc
    17. make the directory /dev
    18. show /proc
    19. show /dev
    20. put the devices over their file system at /dev
    21. show /dev/null
    22. show /dev/zero
    23. show /dev/full
    24. show /dev/random
    25. show /dev/urandom
    26. show /dev/tty
    27. show /dev/pts
    28. make the directory /dev/shm
    29. mount a private directory at /dev/shm (mode 1777, nosuid,nodev)
    30. make read-only /dev
    31. make read-only /
    32. enter the private root
    33. lock the mounts together
    34. make a Landlock ruleset for Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym | Refer | Truncate | IoctlDev; 2 scopes; the notifier alone: MakeSock
    35. grant by Landlock /: ReadDir
    36. grant by Landlock /dev: Execute | WriteFile | ReadFile | ReadDir | Truncate | IoctlDev
    37. grant by Landlock /dev/shm: Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo | MakeSym | Refer | Truncate | IoctlDev
    38. grant by Landlock /proc: Execute | ReadFile | ReadDir
    39. grant by Landlock the sandbox's own message queues: WriteFile | ReadFile
    40. set a limit: 1 core file bytes
    41. read the filter: [summary]
    ");
}

#[test]
fn a_live_root_is_restricted_before_anything_is_put_over_it() {
    let plan = plan(
        &Policy::preset(Preset::None).read("/"),
        &HostFacts::complete(),
    )
    .unwrap();
    insta::assert_snapshot!(shown(&plan), @"
     1. clone init with its own user mount pid ipc uts namespaces
     2. map the user into the sandbox: uid 1000, gid 1000
     3. make a network of its own
     4. bring up the loopback interface
     5. cut the mounts off from the host's
     6. take /dev/null (read-only,nosuid,noexec)
     7. take /dev/zero (read-only,nosuid,noexec)
     8. take /dev/full (read-only,nosuid,noexec)
     9. take /dev/random (read-only,nosuid,noexec)
    10. take /dev/urandom (read-only,nosuid,noexec)
    11. take /dev/tty (read-only,nosuid,noexec)
    12. make the sandbox's own /proc (read-only,nosuid,nodev,noexec)
    13. make the sandbox's own /dev (nosuid,noexec) with null zero full random urandom tty pts fd stdin stdout stderr ptmx
    14. make the sandbox's own /dev/pts
    15. make the file system read-only inside (read-only,nosuid,nodev)
    16. show /proc
    17. show /dev
    18. put the devices over their file system at /dev
    19. show /dev/null
    20. show /dev/zero
    21. show /dev/full
    22. show /dev/random
    23. show /dev/urandom
    24. show /dev/tty
    25. show /dev/pts
    26. make the directory /dev/shm
    27. mount a private directory at /dev/shm (mode 1777, nosuid,nodev)
    28. make read-only /dev
    29. lock the mounts together
    30. make a Landlock ruleset for Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym | Refer | Truncate | IoctlDev; 2 scopes; the notifier alone: MakeSock
    31. grant by Landlock /: Execute | ReadFile | ReadDir
    32. grant by Landlock /dev: Execute | WriteFile | ReadFile | ReadDir | Truncate | IoctlDev
    33. grant by Landlock /dev/shm: Execute | WriteFile | ReadFile | ReadDir | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo | MakeSym | Refer | Truncate | IoctlDev
    34. grant by Landlock /proc: Execute | ReadFile | ReadDir
    35. grant by Landlock the sandbox's own message queues: WriteFile | ReadFile
    36. set a limit: 1 core file bytes
    37. read the filter: [summary]
    ");
}

#[test]
fn a_lesser_host_gets_fewer_mechanisms_and_the_report_says_so() {
    let debian_12 = HostFacts::complete().lowered(&"linux-6.1".parse::<Lowering>().unwrap());
    let plan = plan(&hidden_root().network(Network::Host), &debian_12).unwrap();
    insta::assert_snapshot!(plan.enforcement().to_string(), @"
    writes           mount namespace + Landlock
                     not held: cutting off a standard stream that is open for reading, if its file is not visible inside (Landlock before ABI 3)
    hidden paths     mount namespace + Landlock
    protected paths  mount namespace
                     not held: names that do not exist yet, or lie below the top directory of a writable tree; what the host replaces, for the moment until the watch has seen it
    sockets by path  notifier
    network          not held
                     not held: the policy leaves the command on the host's network
    abstract sockets not held
                     not held: on the host's network this kernel's Landlock (before ABI 6) does not keep the command off them
    processes        pid namespace + seccomp
    lifetime         pid namespace + pidfd of the caller
    privileges       no capabilities + no_new_privs + user namespace
    system calls     seccomp
    devices          private /dev + nodev mounts
    IPC, names       ipc and uts namespaces + session keyring
    environment      the caller
    ");
}

#[test]
fn what_the_host_could_undo_or_make_is_watched() {
    let policy = hidden_root().read("/").hide("/no such name");
    let plan = plan(&policy, &HostFacts::complete()).unwrap();
    let last = plan.steps().last().unwrap();
    assert_eq!(last.to_string(), "watch names: 1 in 1 directories");
    let cover = Step::Cover {
        path: "/no such name".into(),
        cover: Cover::File,
    };
    let watch = |is_copy| Step::Watch {
        names: Watched::new(std::slice::from_ref(&cover)).unwrap(),
        is_copy,
    };
    assert_eq!(*last, watch(false));
    // An init that joins another has its own mounts to look after.
    assert_eq!(joining(plan.steps()).last(), Some(&watch(true)));
}

#[test]
fn secrets_of_macos_are_not_waited_for() {
    let mut context = Context::new("/");
    context.home = Some("/usr/share".into());
    let ruleset = Ruleset::resolve(&Policy::preset(Preset::ReadOnly), &context).unwrap();
    let plan = Plan::compile(&ruleset, &HostFacts::complete()).unwrap();
    let names = |step: &Step| match step {
        Step::Watch { names, .. } => names.steps().collect(),
        _ => Vec::new(),
    };
    let watched: Vec<Step> = plan.steps().iter().flat_map(names).collect();
    let is_watched = |path: &str| {
        let path = Some(Path::new(path));
        watched.iter().any(|step| step.path() == path)
    };
    assert!(!is_watched("/usr/share/Library/Cookies"));
    assert!(is_watched("/usr/share/.aws"), "control");
}

#[test]
fn protected_names_that_the_host_may_yet_make_are_watched_later() {
    let tree = tempfile::tempdir().unwrap();
    let at = |path: &str| tree.path().join(path);
    for directory in ["a/.vscode", "b/plain"] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    let policy = hidden_root()
        .read("/")
        .write(at("a"))
        .write(at("a/.mcp.json"))
        .read(at("a/locked"))
        .read(at("b"));
    let watched = later_names(&policy);
    for (path, expected) in [
        ("a/.idea", true),
        ("a/.config/fish", true),
        ("a/locked", true),
        // It is there, and in the plan.
        ("a/.vscode", false),
        // The rules open it; nothing can be made there; git writes it anew.
        ("a/.mcp.json", false),
        ("b/.idea", false),
        ("a/.git/config", false),
    ] {
        assert_eq!(watched.contains(&at(path)), expected, "{path}");
    }
    // Each directory once, the outer ones first.
    let directories: Vec<_> = watched.iter().map(|path| path.parent()).collect();
    let mut each = directories.clone();
    each.dedup();
    let depths = each.iter().map(|path| path.unwrap().components().count());
    assert!(depths.is_sorted());
    assert_eq!(each.iter().collect::<BTreeSet<_>>().len(), each.len());
}

/// Landlock keeps commands themselves from writing around what is opened, and from making anything.
#[test]
fn around_an_opening_only_the_notifier_may_write() {
    let tree = tempfile::tempdir_in("/var/tmp").unwrap();
    let policy = hidden_root()
        .read("/")
        .write_if_exists(tree.path().join("new"));
    let plan = plan(&policy, &HostFacts::complete()).unwrap();
    let granted = plan.steps().iter().find_map(|step| match step {
        Step::GrantOpening { path, rights, own } => Some((path, *rights, *own)),
        _ => None,
    });
    let (path, rights, own) = granted.unwrap();
    assert_eq!(path, tree.path());
    // `LANDLOCK_ACCESS_FS_REMOVE_DIR`, `…_REMOVE_FILE`; `…_WRITE_FILE`, `…_MAKE_DIR`, `…_MAKE_REG` (landlock(7)).
    assert_eq!(own, 1 << 4 | 1 << 5);
    assert_eq!(
        rights & (1 << 1 | 1 << 7 | 1 << 8),
        1 << 1 | 1 << 7 | 1 << 8
    );
}

#[test]
fn no_more_than_some_trees_are_watched_later() {
    let tree = tempfile::tempdir().unwrap();
    let root = |number: usize| tree.path().join(format!("tree-{number:02}"));
    let mut policy = hidden_root().read("/");
    for number in 0..20 {
        fs::create_dir(root(number)).unwrap();
        policy = policy.write(root(number));
    }
    let watched = later_names(&policy);
    for number in 0..20 {
        let is_watched = watched.contains(&root(number).join(".idea"));
        assert_eq!(is_watched, number < 16, "{number}");
    }
}

fn later_names(policy: &Policy) -> Vec<PathBuf> {
    let ruleset = Ruleset::resolve(policy, &Context::new("/")).expect("the policy is right");
    let view = View::compile(ruleset.files()).unwrap();
    let steps: Vec<_> = later(&ruleset, &view, &[]).unwrap().steps().collect();
    let is_rebind = |step: &Step| matches!(step, Step::Rebind { attributes, .. } if *attributes == MountAttributes::of_tree(false));
    assert!(steps.iter().all(is_rebind));
    let paths = steps.iter().filter_map(Step::path);
    paths.map(Path::to_owned).collect()
}

#[test]
fn what_is_watched_is_told_as_it_was_given() {
    let at = |path: &str| path.into();
    let names = [
        Step::Cover {
            path: at("/a"),
            cover: Cover::Directory,
        },
        Step::Close { path: at("/b") },
        Step::Open { path: at("/c") },
        Step::Rebind {
            path: at("/home/ana/c"),
            attributes: MountAttributes::READ_ONLY,
        },
        Step::Scratch {
            path: at("/home/ana/d"),
            mode: 0o1777,
            apart: true,
            attributes: MountAttributes::WRITABLE,
        },
        Step::Cover {
            path: at("/home/ana/e f/\n"),
            cover: Cover::EmptyFile,
        },
        Step::Cover {
            path: at("/home/ana/c"),
            cover: Cover::File,
        },
    ];
    let watched = Watched::new(&names).unwrap();
    assert_eq!(watched.steps().collect::<Vec<_>>(), names);
    assert_eq!(format!("{watched:?}"), format!("{names:?}"));
    assert_eq!(Watched::new(&[]).unwrap().steps().count(), 0);
    let nul = Step::Close { path: at("/a\0b") };
    let refused = Watched::new(&[nul]);
    assert!(matches!(refused, Err(Unenforceable::Nul { .. })));
}

#[test]
fn what_the_host_adds_is_followed_where_no_rule_can_be_about_it() {
    // Neither below `/tmp` nor a home: what the presets say of these is no concern here.
    let host = tempfile::tempdir_in("/var")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let root = sandbox_core::resolve(host.path()).unwrap().path;
    let at = |path: &str| root.join(path);
    fs::create_dir_all(at("d/way")).unwrap();
    for file in ["d/key", "d/plain", "d/way/key"] {
        fs::write(at(file), "").unwrap();
    }
    let rules = |root: Policy| {
        let hidden = ["d/key", "d/later", "d/way/key"];
        let policy = hidden
            .into_iter()
            .fold(root, |policy, name| policy.hide(at(name)));
        policy.hide_by(sandbox_core::HideBy::Assemble)
    };
    let live = rules(hidden_root().read("/"));
    let plan_of = |policy: &Policy| plan(policy, &HostFacts::complete()).unwrap();
    let of_directory = |plan: &[Step]| -> Vec<String> {
        let is_about = |step: &&Step| {
            matches!(
                step,
                Step::Keep { .. } | Step::Follow { .. } | Step::Scratch { .. }
            ) || matches!(step, Step::Grant { path, .. } if path.starts_with(&root))
        };
        let shown = plan.iter().filter(is_about).map(Step::to_string);
        shown
            .map(|line| line.replace(&*root.to_string_lossy(), "@"))
            .collect()
    };
    let plan = plan_of(&live);
    let private = "mount a private directory at @/d (mode 755, nosuid,nodev)";
    // What may be removed has no grant of its own: a further init would look for it.
    let own = [
        "keep hold of the host's directory below @/d",
        "grant by Landlock @/d: ReadDir",
        "follow what the host adds to directories (read-only,nosuid,nodev): @/d @/d/way",
    ];
    let shm = "mount a private directory at /dev/shm (mode 1777, nosuid,nodev)";
    assert_eq!(
        of_directory(plan.steps()),
        [&[shm, private][..], &own].concat()
    );
    // An init that joins another has its own mounts to add to.
    assert_eq!(of_directory(&joining(plan.steps())), own);
    let Some(Step::Follow { directories, .. }) = plan.steps().last() else {
        panic!("{plan}")
    };
    let fixed: Vec<_> = directories
        .iter()
        .map(|it| (&*it.below, &*it.fixed))
        .collect();
    assert_eq!(
        fixed,
        [
            (
                Path::new(""),
                &["key", "later", "way"].map(OsString::from)[..]
            ),
            (Path::new("way"), &[OsString::from("key")][..]),
        ]
    );
    // A pattern that could match a new name, and a root of which only parts are shown.
    let pattern = live
        .clone()
        .hide_matching(root.join("**/*.pem").to_string_lossy().as_ref());
    let parts = rules(hidden_root().read(at("d")));
    for policy in [pattern, parts, hidden_root().read("/").hide(at("d/key"))] {
        let is_about = |step: &Step| matches!(step, Step::Keep { .. } | Step::Follow { .. });
        assert!(!plan_of(&policy).steps().iter().any(is_about));
    }
}

#[test]
fn a_host_without_namespaces_is_refused_with_what_lifts_it() {
    let facts =
        HostFacts::complete().lowered(&"user.max_user_namespaces=0".parse::<Lowering>().unwrap());
    let error = plan(&hidden_root(), &facts).unwrap_err();
    assert!(matches!(error, Unenforceable::Host { .. }), "{error}");
    assert!(error.remedy().is_some());
}

#[test]
fn every_limit_of_the_policy_is_a_step() {
    let policy = hidden_root().memory(1 << 30).processes(7).open_files(9);
    let plan = plan(&policy, &HostFacts::complete()).unwrap();
    let bounds: Vec<_> = plan
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Limit { resource, bound } => Some((*resource, *bound)),
            _ => None,
        })
        .collect();
    let expected = [
        (Resource::Core, 1),
        (Resource::Data, 1 << 30),
        (Resource::Processes, 7),
        (Resource::OpenFiles, 9),
    ];
    assert_eq!(bounds, expected);
}

#[test]
fn root_is_bound_by_the_numbers_of_processes() {
    let numbers = |facts: &HostFacts| {
        let policy = hidden_root().memory(1 << 30).processes(7).open_files(9);
        let plan = plan(&policy, facts).unwrap();
        let mut steps = plan.steps().iter();
        let below = steps.find_map(|step| match step {
            Step::Numbers { below } => Some(*below),
            _ => None,
        });
        let report = plan.enforcement().to_string();
        assert_eq!(below.is_some(), report.contains("root may have 300 more"));
        assert_eq!(below.is_none(), report.contains("does not bind root"));
        let each_once = "limits           rlimit + pid namespace\n";
        assert_eq!(below.is_some(), report.contains(each_once), "{report}");
        below
    };
    let mut root = HostFacts::complete();
    root.uid = 0;
    assert_eq!(numbers(&root), Some(7 + 300 + 8));
    // There it would be a bound of the whole machine.
    assert_eq!(numbers(&root.lowered(&"linux-6.13".parse().unwrap())), None);
    assert_eq!(numbers(&HostFacts::complete()), None);
}
