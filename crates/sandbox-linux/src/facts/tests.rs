use std::path::Path;

use super::*;

/// A current Debian or Fedora, asked by an ordinary user.
fn open_host() -> Reading {
    Reading {
        release: "6.18.44-amd64".to_owned(),
        max_user_namespaces: Some(96365),
        memfd_noexec: Some(0),
        landlock_abi: 7,
        seccomp: true,
        uid: 1000,
        gid: 1000,
        ..Reading::default()
    }
}

fn root(reading: Reading) -> Reading {
    Reading {
        uid: 0,
        gid: 0,
        sys_admin: true,
        setfcap: true,
        ..reading
    }
}

fn refusal(reading: &Reading) -> Option<NamespaceRefusal> {
    match reading.user_namespaces() {
        UserNamespaces::Available => None,
        UserNamespaces::Forbidden { why } => Some(why),
    }
}

#[test]
fn this_host_is_read() {
    let facts = HostFacts::detect();
    assert!(
        facts.kernel >= KernelVersion { major: 5, minor: 0 },
        "{facts}"
    );
    assert_eq!(facts.uid, nix::unistd::geteuid().as_raw());
}

#[test]
fn a_release_is_a_version() {
    for (release, expected) in [
        ("6.18.44-fc-v657", "6.18"),
        ("6.1.0-31-amd64", "6.1"),
        ("5.15.153.1-microsoft-standard-WSL2", "5.15"),
        ("7.0-rc3", "7.0"),
        ("7", "7.0"),
        ("", "0.0"),
        ("unknown", "0.0"),
        ("99999999999.1", "0.1"),
    ] {
        assert_eq!(
            KernelVersion::of_release(release).to_string(),
            expected,
            "{release}"
        );
    }
}

#[test]
fn settings_bind_those_without_capabilities() {
    let open = open_host();
    let none_left = Reading {
        max_user_namespaces: Some(0),
        ..open.clone()
    };
    let debian = Reading {
        unprivileged_userns_clone: Some(0),
        ..open.clone()
    };
    let ubuntu = Reading {
        apparmor_restrict_unprivileged_userns: Some(1),
        apparmor_label: Some("unconfined".to_owned()),
        ..open.clone()
    };
    let profiled = Reading {
        apparmor_label: Some("sandbox (unconfined)".to_owned()),
        ..ubuntu.clone()
    };
    let unreadable = Reading {
        apparmor_label: None,
        ..ubuntu.clone()
    };
    for (reading, as_user, as_root) in [
        (open, None, None),
        (
            none_left,
            Some(NamespaceRefusal::MaxUserNamespaces),
            Some(NamespaceRefusal::MaxUserNamespaces),
        ),
        (
            debian,
            Some(NamespaceRefusal::UnprivilegedUsernsClone),
            None,
        ),
        (ubuntu, Some(NamespaceRefusal::AppArmor), None),
        (profiled, None, None),
        (unreadable, Some(NamespaceRefusal::AppArmor), None),
    ] {
        assert_eq!(refusal(&reading), as_user, "{reading:?}");
        assert_eq!(refusal(&root(reading.clone())), as_root, "{reading:?}");
    }
}

#[test]
fn memory_files_follow_the_sysctl() {
    for (sysctl, expected) in [
        (None, MemfdExec::Allowed),
        (Some(0), MemfdExec::Allowed),
        (Some(1), MemfdExec::NeedsFlag),
        (Some(2), MemfdExec::Forbidden),
        (Some(3), MemfdExec::Forbidden),
    ] {
        let reading = Reading {
            memfd_noexec: sysctl,
            ..open_host()
        };
        assert_eq!(HostFacts::from_reading(&reading).memfd_exec, expected);
    }
}

#[test]
fn only_root_needs_setfcap() {
    let without = |reading: Reading| {
        HostFacts::from_reading(&Reading {
            setfcap: false,
            ..reading
        })
        .can_map_root
    };
    assert!(without(open_host()));
    assert!(!without(root(open_host())));
    assert!(HostFacts::from_reading(&root(open_host())).can_map_root);
}

#[test]
fn numbers_of_processes_are_bound_where_a_namespace_has_a_bound() {
    for (release, can_write_proc, expected) in [
        ("6.14.0", true, true),
        ("6.13.9", true, false),
        ("6.18.1", false, false),
    ] {
        let reading = Reading {
            release: release.to_owned(),
            can_write_proc,
            ..open_host()
        };
        assert_eq!(HostFacts::from_reading(&reading).pid_max, expected);
    }
}

#[test]
fn a_kernel_version_brings_its_landlock() {
    for (kernel, abi) in [
        ("5.12", 0),
        ("5.13", 1),
        ("5.15", 1),
        ("6.1", 2),
        ("6.8", 4),
        ("6.12", 6),
        ("6.18", 7),
        ("9.9", 7),
    ] {
        let lowering: Lowering = format!("linux-{kernel}").parse().unwrap();
        assert_eq!(
            HostFacts::complete().lowered(&lowering).landlock_abi,
            abi,
            "linux-{kernel}"
        );
    }
}

#[test]
fn lowering_never_adds() {
    let lowerings: Vec<Lowering> = Lowering::EXAMPLES
        .iter()
        .map(|(_, lowering)| *lowering)
        .chain(["landlock=99", "linux-99.0", "vm.memfd_noexec=1"].map(|fact| fact.parse().unwrap()))
        .collect();
    let mut worst = HostFacts::complete();
    for lowering in &lowerings {
        worst = worst.lowered(lowering);
    }
    for first in &lowerings {
        for second in &lowerings {
            let once = HostFacts::complete().lowered(first);
            let twice = once.lowered(second);
            assert!(twice.kernel <= once.kernel && twice.landlock_abi <= once.landlock_abi);
            assert!(once.seccomp || !twice.seccomp);
            assert!(once.can_map_root || !twice.can_map_root);
            assert!(
                once.user_namespaces == UserNamespaces::Available
                    || twice.user_namespaces == once.user_namespaces
            );
            assert!(
                once.memfd_exec != MemfdExec::Forbidden || twice.memfd_exec == MemfdExec::Forbidden
            );
            assert!(
                once.memfd_exec == MemfdExec::Allowed || twice.memfd_exec != MemfdExec::Allowed
            );
        }
        assert_eq!(worst.lowered(first), worst, "{first:?}");
    }
}

#[test]
fn lowerings_are_understood() {
    for (text, lowering) in Lowering::EXAMPLES {
        assert_eq!(text.parse(), Ok(lowering));
    }
    assert_eq!(
        "vm.memfd_noexec=1".parse(),
        Ok(Lowering::MemfdExec(MemfdExec::NeedsFlag))
    );
    for text in [
        "",
        "linux",
        "linux-6",
        "linux-6.",
        "linux-6.1.2",
        "landlock",
        "landlock=-1",
        "user.max_user_namespaces=5",
        "vm.memfd_noexec=0",
    ] {
        assert_eq!(
            text.parse::<Lowering>(),
            Err(LoweringError {
                fact: text.to_owned()
            }),
            "{text}"
        );
    }
    insta::assert_snapshot!("land\nlock".parse::<Lowering>().unwrap_err(), @r"`land\nlock` is not a fact that can be lowered; known are `linux-6.1`, `landlock=2`, `user.max_user_namespaces=0`, `kernel.unprivileged_userns_clone=0`, `kernel.apparmor_restrict_unprivileged_userns=1`, `vm.memfd_noexec=2`, `seccomp=0`, `notifier=0`, `cap_setfcap=0`");
}

#[test]
fn a_refused_clone_is_remembered() {
    let refused = HostFacts::complete().after_refusal(libc::EPERM);
    assert_eq!(
        refused.user_namespaces,
        UserNamespaces::Forbidden {
            why: NamespaceRefusal::Refused { errno: libc::EPERM }
        }
    );

    let known =
        HostFacts::complete().lowered(&Lowering::UserNamespaces(NamespaceRefusal::AppArmor));
    assert_eq!(
        known.after_refusal(libc::EPERM),
        known,
        "a setting explains more than an errno"
    );
}

#[test]
fn facts_print_as_a_table() {
    insta::assert_snapshot!(HostFacts::complete(), @"
    kernel            6.18
    user namespaces   available
    Landlock          ABI 7
    seccomp           available
    memfd execution   allowed
    account           uid 1000, gid 1000
    ");
    let mut lowest = HostFacts {
        uid: 0,
        gid: 0,
        ..HostFacts::complete()
    };
    for (_, lowering) in Lowering::EXAMPLES {
        lowest = lowest.lowered(&lowering);
    }
    insta::assert_snapshot!(lowest.lowered(&Lowering::LandlockAbi(0)), @"
    kernel            6.1
    user namespaces   forbidden: `user.max_user_namespaces` is 0
    Landlock          missing
    seccomp           missing
    memfd execution   forbidden
    account           uid 0, gid 0, without CAP_SETFCAP
    ");
}

#[test]
fn every_obstacle_has_its_remedy() {
    assert_eq!(HostFacts::complete().obstacles(), []);
    assert_eq!(
        printed(&HostFacts::complete(), "/usr/local/bin/sandbox"),
        ""
    );

    let as_user = Lowering::EXAMPLES.map(|(fact, lowering)| {
        format!(
            "{fact}\n{}",
            printed(
                &HostFacts::complete().lowered(&lowering),
                "/usr/local/bin/sandbox"
            )
        )
    });
    insta::assert_snapshot!(as_user.join(""), @"
    linux-6.1
    Landlock scopes: Landlock ABI 2 has no scopes for signals and abstract sockets
      so:   one mechanism holds what two hold elsewhere
      help: use Linux 6.12 or later
    landlock=2
    Landlock scopes: Landlock ABI 2 has no scopes for signals and abstract sockets
      so:   one mechanism holds what two hold elsewhere
      help: use Linux 6.12 or later
    user.max_user_namespaces=0
    namespaces: this host forbids user namespaces: `user.max_user_namespaces` is 0
      so:   no sandbox starts
      help: `sudo sysctl -w user.max_user_namespaces=10000`
    kernel.unprivileged_userns_clone=0
    namespaces: this host forbids user namespaces: `kernel.unprivileged_userns_clone` is 0
      so:   no sandbox starts
      help: `sudo sysctl -w kernel.unprivileged_userns_clone=1`
    kernel.apparmor_restrict_unprivileged_userns=1
    namespaces: this host forbids user namespaces: `kernel.apparmor_restrict_unprivileged_userns` is 1, and no AppArmor profile allows this program
      so:   no sandbox starts
      help: `echo 'abi <abi/4.0>, profile sandbox /usr/local/bin/sandbox flags=(unconfined) { userns, }' | sudo tee /etc/apparmor.d/sandbox && sudo apparmor_parser -r /etc/apparmor.d/sandbox`
    vm.memfd_noexec=2
    init: `vm.memfd_noexec` is 2: init can't be executed from a memory file
      so:   nothing is weaker: another way is taken
      help: `sudo sysctl -w vm.memfd_noexec=1`
    seccomp=0
    filter: this kernel has no system call filters
      so:   no sandbox starts
      help: use a kernel built with CONFIG_SECCOMP_FILTER
    notifier=0
    notifier: a filter can't have a listener: this kernel is older than 5.19, or another sandbox around this one has it
      so:   protected paths that do not exist yet, and Unix sockets that can be seen, are not held
      help: use Linux 5.19 or later, outside of the other sandbox
    cap_setfcap=0
    ");

    let root = HostFacts {
        uid: 0,
        gid: 0,
        landlock_abi: 0,
        memfd_exec: MemfdExec::Forbidden,
        ..HostFacts::complete()
    };
    insta::assert_snapshot!(printed(&root.lowered(&Lowering::WithoutSetfcap).after_refusal(libc::EPERM), "/sandbox"), @"
    namespaces: this host forbids user namespaces: the kernel refused: Operation not permitted (os error 1)
      so:   no sandbox starts
      help: allow user namespaces in the container around it (Docker: `--security-opt seccomp=PROFILE` with a profile that allows clone and mount)
    namespaces: root without CAP_SETFCAP can't map uid 0 into a user namespace
      so:   no sandbox starts
      help: run as an ordinary user, or give the container CAP_SETFCAP
    Landlock: this kernel has no Landlock, or it was not switched on at boot
      so:   one mechanism holds what two hold elsewhere
      help: add `landlock` to the list of the kernel's boot parameter `lsm=`
    init: `vm.memfd_noexec` is 2: init can't be executed from a memory file
      so:   nothing is weaker: another way is taken
      help: `sysctl -w vm.memfd_noexec=1`
    ");
    insta::assert_snapshot!(printed(&HostFacts::complete().lowered(&Lowering::LandlockAbi(1)), "/sandbox"), @"
    Landlock: Landlock ABI 1 refuses every rename between directories, so it is left off
      so:   one mechanism holds what two hold elsewhere
      help: use Linux 5.19 or later
    ");
    insta::assert_snapshot!(printed(&HostFacts::complete().after_refusal(libc::ENOSPC), "/sandbox"), @"
    namespaces: this host forbids user namespaces: the kernel refused: No space left on device (os error 28)
      so:   no sandbox starts
      help: raise `user.max_user_namespaces`, or nest fewer sandboxes and containers
    ");
}

#[test]
fn a_path_with_a_meaning_of_its_own_enters_no_profile() {
    let facts =
        HostFacts::complete().lowered(&Lowering::UserNamespaces(NamespaceRefusal::AppArmor));
    for path in [
        "/opt/my tools/sandbox",
        "/opt/*/sandbox",
        "/opt/'; reboot '/sandbox",
        "/opt/@{HOME}",
        "/opt/ä",
        "sandbox",
        "",
    ] {
        assert!(!printed(&facts, path).contains("apparmor_parser"), "{path}");
        assert!(printed(&facts, path).contains("sysctl -w"), "{path}");
    }
    assert!(printed(&facts, "/opt/tools-1.0/sand_box+").contains("apparmor_parser"));
}

fn printed(facts: &HostFacts, executable: &str) -> String {
    let obstacles = obstacle::find(facts, Path::new(executable));
    obstacles.iter().map(ToString::to_string).collect()
}
