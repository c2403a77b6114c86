#[cfg_attr(target_arch = "x86_64", path = "tests/x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "tests/aarch64.rs")]
mod architecture;
mod machine;
mod rules;

use std::collections::HashSet;

use libc::{SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, SECCOMP_RET_USER_NOTIF};
use proptest::prelude::*;

use self::machine::{Attempted, run};
use super::case::{Decided, Entry, Unless};
use super::*;
use crate::raw::nr;

/// The number of a call is not the test's business: it names calls as the table does.
fn entry(name: &str) -> Entry {
    table::entries()
        .find(|entry| entry.call.name() == name)
        .unwrap_or_else(|| panic!("`{name}` is not in the table"))
}

fn options(features: &[Feature]) -> FilterOptions {
    FilterOptions {
        signal_scope: true,
        notifier: false,
        sockets: false,
        features: features.iter().copied().collect(),
    }
}

fn filter(features: &[Feature]) -> Filter {
    Filter::compile(&options(features)).unwrap()
}

fn ask(filter: &Filter, number: u32, args: [u64; 6]) -> u32 {
    run(
        filter.instructions(),
        &Attempted {
            arch: table::AUDIT_ARCH,
            number,
            args,
        },
    )
}

/// Arguments as a program writes them; negative ones as the register holds them.
fn args(given: &[i64]) -> [u64; 6] {
    let mut args = [0; 6];
    for (register, value) in args.iter_mut().zip(given) {
        *register = value.cast_unsigned();
    }
    args
}

/// What the table says, without a tree and without BPF.
fn look_up(options: &FilterOptions, number: u32, args: &[u64; 6]) -> u32 {
    let Some(entry) = table::entries().find(|entry| entry.call.number() == number) else {
        return Action::Errno(ENOSYS).verdict();
    };
    let Decided { cases, otherwise } = entry.decide(options);
    cases
        .iter()
        .find(|(tests, _)| tests.iter().all(|test| test.holds(args)))
        .map_or(otherwise, |(_, action)| *action)
        .verdict()
}

const ALLOW: u32 = SECCOMP_RET_ALLOW;

fn errno(errno: i32) -> u32 {
    SECCOMP_RET_ERRNO | u32::try_from(errno).unwrap()
}

#[test]
fn a_feature_opens_what_it_names_and_nothing_else() {
    let plain = filter(&[]);
    for (feature, names) in [
        (
            Feature::IoUring,
            &["io_uring_setup", "io_uring_enter", "io_uring_register"][..],
        ),
        (Feature::Keyring, &["keyctl", "add_key", "request_key"]),
        (Feature::Perf, &["perf_event_open"]),
        (Feature::Userfaultfd, &["userfaultfd"]),
    ] {
        let opened = filter(&[feature]);
        for entry in table::entries() {
            let (before, after) = (
                ask(&plain, entry.call.number(), [0; 6]),
                ask(&opened, entry.call.number(), [0; 6]),
            );
            let expected = if names.contains(&entry.call.name()) {
                ALLOW
            } else {
                before
            };
            assert_eq!(after, expected, "{feature}: {}", entry.call.name());
        }
    }
}

/// Nine opens of ten read.
#[test]
fn what_makes_a_name_or_writes_by_one_asks_the_notifier() {
    let asked = SECCOMP_RET_USER_NOTIF;
    let notified = |features: &[Feature]| {
        let options = FilterOptions {
            notifier: true,
            ..options(features)
        };
        Filter::compile(&options).unwrap()
    };
    let (plain, set_id) = (notified(&[]), notified(&[Feature::SetId]));
    let garbage = 1 << 40;
    for (flags, mode, expected, with_set_id) in [
        (libc::O_RDONLY, 0, ALLOW, ALLOW),
        (
            libc::O_RDONLY | libc::O_CLOEXEC | libc::O_DIRECTORY | libc::O_NOFOLLOW,
            0o4755,
            ALLOW,
            ALLOW,
        ),
        (libc::O_PATH | libc::O_RDWR | libc::O_CREAT, 0, ALLOW, ALLOW),
        (libc::O_WRONLY, 0, asked, asked),
        (libc::O_RDWR, 0o4755, asked, asked),
        (libc::O_ACCMODE, 0, asked, asked),
        (libc::O_RDONLY | libc::O_TRUNC, 0, asked, asked),
        (libc::O_RDONLY | libc::O_CREAT, 0o644, asked, asked),
        (
            libc::O_WRONLY | libc::O_CREAT,
            0o4755,
            errno(libc::EPERM),
            asked,
        ),
        (libc::O_TMPFILE | libc::O_RDWR, 0o600, asked, asked),
        (
            libc::O_TMPFILE | libc::O_RDWR,
            0o2600,
            errno(libc::EPERM),
            asked,
        ),
    ] {
        let args = [
            0,
            0,
            u64::from(flags.cast_unsigned()) | garbage,
            mode | garbage,
            0,
            0,
        ];
        for (filter, expected) in [(&plain, expected), (&set_id, with_set_id)] {
            let answer = ask(filter, entry("openat").call.number(), args);
            assert_eq!(answer, expected, "{flags:#o} {mode:#o}: {answer:#x}");
        }
    }
    for name in [
        "mkdirat",
        "renameat",
        "renameat2",
        "linkat",
        "symlinkat",
        "truncate",
    ] {
        assert_eq!(
            ask(&plain, entry(name).call.number(), [0; 6]),
            asked,
            "{name}"
        );
    }
    // What takes a name away, or only looks, does not.
    for name in [
        "unlinkat",
        "newfstatat",
        "readlinkat",
        "faccessat",
        "execve",
    ] {
        assert_eq!(
            ask(&plain, entry(name).call.number(), [0; 6]),
            ALLOW,
            "{name}"
        );
    }
}

#[test]
fn nobody_has_to_wait_who_closes_a_copy_of_a_socket() {
    let options = FilterOptions {
        notifier: true,
        ..options(&[])
    };
    let with = Filter::compile(&options).unwrap();
    let number = entry("setsockopt").call.number();
    let linger = [3, 1, 13, 0, 0, 0];
    assert_eq!(ask(&with, number, linger), Action::Pretend.verdict());
    assert_eq!(ask(&filter(&[]), number, linger), ALLOW);
    // `SO_KEEPALIVE`, and what has that number among those of TCP.
    for other in [[3, 1, 9, 0, 0, 0], [3, 6, 13, 0, 0, 0]] {
        assert_eq!(ask(&with, number, other), ALLOW);
    }
}

#[test]
fn other_abis_reach_nothing() {
    let filter = filter(Feature::ALL);
    let x32 = Action::Errno(ENOSYS).verdict();
    for number in 0..600 {
        for arch in [0x4000_0003, 0x4000_0028, 0xc000_00f3, 0] {
            assert_eq!(
                run(
                    filter.instructions(),
                    &Attempted {
                        arch,
                        number,
                        args: [0; 6]
                    }
                ),
                errno(libc::EPERM),
                "{arch:#x}"
            );
        }
        assert_eq!(ask(&filter, number | X32, [0; 6]), x32, "x32 {number}");
        assert_eq!(ask(&filter, number | 0x8000_0000, [0; 6]), x32, "{number}");
    }
    assert_eq!(ask(&filter, u32::MAX, [0; 6]), x32);
}

#[test]
fn a_number_has_one_line() {
    let mut seen = HashSet::new();
    for entry in table::entries() {
        assert!(
            seen.insert(entry.call.number()),
            "`{}` is in the table twice",
            entry.call.name()
        );
    }
}

#[test]
fn connections_ask_only_where_there_are_sockets_to_decide_about() {
    let asked = SECCOMP_RET_USER_NOTIF;
    for (notifier, sockets, connect, bind) in [
        (false, false, ALLOW, ALLOW),
        (true, false, ALLOW, asked),
        (false, true, asked, asked),
        (true, true, asked, asked),
    ] {
        let options = FilterOptions {
            notifier,
            sockets,
            ..options(&[])
        };
        let filter = Filter::compile(&options).unwrap();
        for (name, expected) in [("connect", connect), ("bind", bind), ("sendto", ALLOW)] {
            let answer = ask(&filter, entry(name).call.number(), [0; 6]);
            assert_eq!(answer, expected, "{name} {notifier} {sockets}");
        }
    }
}

#[test]
fn a_pair_of_datagrams_asks_where_somebody_can_give_another() {
    const UNIX: u64 = 1;
    let asked = SECCOMP_RET_USER_NOTIF;
    let refused = errno(libc::EPERM);
    for (notifier, features, expected) in [
        (false, &[][..], refused),
        (true, &[], asked),
        (false, &[Feature::UnixDatagram], ALLOW),
        (true, &[Feature::UnixDatagram], ALLOW),
    ] {
        let options = FilterOptions {
            notifier,
            ..options(features)
        };
        let filter = Filter::compile(&options).unwrap();
        // Datagrams and raw, which is the same; then streams and sequenced packets.
        for (kind, expected) in [(2, expected), (3, expected), (1, ALLOW), (5, ALLOW)] {
            let kind = kind | u64::from(libc::SOCK_CLOEXEC.cast_unsigned());
            let pair = entry("socketpair").call.number();
            let answer = ask(&filter, pair, [UNIX, kind, 0, 0, 0, 0]);
            assert_eq!(answer, expected, "{kind:#x} {notifier} {features:?}");
            // Without a pair there is nothing to give.
            let single = ask(
                &filter,
                entry("socket").call.number(),
                [UNIX, 2, 0, 0, 0, 0],
            );
            assert_ne!(single, asked);
        }
    }
}

#[test]
fn every_refusal_has_a_reason_and_no_case_is_out_of_reach() {
    for entry in table::entries() {
        let last = entry.cases.len().saturating_sub(1);
        for (index, case) in entry.cases.iter().enumerate() {
            assert!(
                case.action.answer().is_none() || !case.why.is_empty(),
                "`{}` is refused without a reason",
                entry.call.name()
            );
            assert!(
                !case.tests.is_empty()
                    || index == last
                    || matches!(case.unless, Unless::Feature(_)),
                "`{}` has cases after its last",
                entry.call.name()
            );
        }
    }
    assert_eq!(
        Filter::refusals().count(),
        table::entries()
            .flat_map(|entry| entry.cases)
            .filter(|case| case.action.answer().is_some())
            .count()
    );
}

#[test]
fn an_unknown_number_is_answered_enosys() {
    let filter = filter(Feature::ALL);
    let known: HashSet<u32> = table::entries().map(|entry| entry.call.number()).collect();
    for number in (0..2048)
        .filter(|number| !known.contains(number))
        .chain([0x3fff_ffff])
    {
        assert_eq!(
            ask(&filter, number, [0; 6]),
            errno(libc::ENOSYS),
            "{number}"
        );
    }
}

/// What Linux 6.19 has and the table lacks would be a call that nobody has read about.
#[test]
fn every_call_up_to_the_newest_is_classified() {
    let known: HashSet<u32> = table::entries().map(|entry| entry.call.number()).collect();
    let unknown: Vec<u32> = (0..=470).filter(|number| !known.contains(number)).collect();
    let unused: Vec<u32> = architecture::UNUSED.iter().cloned().flatten().collect();
    assert_eq!(unknown, unused);
}

/// Init has no libc; the table's numbers are libc's.
#[test]
fn the_numbers_that_init_has_are_those_of_the_table() {
    let list = nr::BELOW_424.iter().chain(nr::SINCE_424);
    for (name, number) in list {
        let known = entry(&name.to_lowercase()).call.number() as usize;
        assert_eq!(*number, known, "{name}");
    }
}

#[test]
fn the_program_is_short_and_its_bytes_are_the_kernels() {
    for options in [
        FilterOptions::default(),
        options(&[]),
        options(Feature::ALL),
    ] {
        let filter = Filter::compile(&options).unwrap();
        assert!(
            filter.instructions().len() < 700,
            "{}",
            filter.instructions().len()
        );
        let bytes = filter.to_bytes();
        for (bytes, instruction) in bytes.chunks(8).zip(filter.instructions()) {
            assert_eq!(bytes[..2], instruction.code.to_ne_bytes());
            assert_eq!(bytes[2..4], [instruction.jt, instruction.jf]);
            assert_eq!(bytes[4..], instruction.k.to_ne_bytes());
        }
        assert_eq!(
            bytes.len(),
            filter.instructions().len() * size_of::<libc::sock_filter>()
        );
    }
}

/// Numbers from the table and beside it.
fn numbers() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0_u32..480, 1 => any::<u32>(), 1 => (0_u32..480).prop_map(|number| number | X32)]
}

/// Arguments near the constants of the table, with and without garbage in the upper half.
fn arguments() -> impl Strategy<Value = [u64; 6]> {
    let word = prop_oneof![
        4 => 0_u64..20,
        1 => prop::sample::select(vec![0x5412, 0x541c, 0x540a, 0x4b00, 0x5000_9417, 0x4004_9409, 0x801c_581f, 0x4008_6602, 0x8008_6601, 0x4bff, 0x4c00, 0x55ff, 0x56ff, 1024, 1040, 132, 262, 0x4_0000, 0xffff_ffff, 0o4755, 0o2644, 0o101]),
        1 => (0_u32..32).prop_map(|bit| 1 << bit),
        1 => any::<u32>().prop_map(u64::from),
    ];
    let register = (
        word,
        prop_oneof![3 => Just(0_u64), 1 => any::<u32>().prop_map(u64::from)],
    )
        .prop_map(|(word, upper)| word | upper << 32);
    prop::array::uniform6(register)
}

fn any_options() -> impl Strategy<Value = FilterOptions> {
    (
        any::<[bool; 3]>(),
        prop::collection::btree_set(prop::sample::select(Feature::ALL), 0..4),
    )
        .prop_map(
            |([signal_scope, notifier, sockets], features)| FilterOptions {
                signal_scope,
                notifier,
                sockets,
                features,
            },
        )
}

proptest! {
    #[test]
    fn the_program_says_what_the_table_says(options in any_options(), calls in prop::collection::vec((numbers(), arguments()), 64)) {
        let filter = Filter::compile(&options).unwrap();
        for (number, args) in calls {
            prop_assert_eq!(ask(&filter, number, args), look_up(&options, number, &args), "{} {:x?}", number, args);
        }
    }

    #[test]
    fn a_feature_only_ever_allows_more(options in any_options(), number in numbers(), args in arguments()) {
        let wider = FilterOptions { features: Feature::ALL.iter().copied().collect(), signal_scope: true, notifier: options.notifier, sockets: options.sockets };
        if ask(&Filter::compile(&options).unwrap(), number, args) == ALLOW {
            prop_assert_eq!(ask(&Filter::compile(&wider).unwrap(), number, args), ALLOW);
        }
    }

    #[test]
    fn a_notifier_only_ever_allows_less(options in any_options(), number in numbers(), args in arguments()) {
        let [on, off] = [true, false].map(|notifier| {
            let sockets = notifier && options.sockets;
            let options = FilterOptions { notifier, sockets, ..options.clone() };
            ask(&Filter::compile(&options).unwrap(), number, args)
        });
        // A pair of datagrams is refused without one, and with one something else is given (`notifier/pair.rs`).
        let was_refused = libc::c_long::from(number) == libc::SYS_socketpair && off == errno(libc::EPERM);
        prop_assert!(on == off || on == SECCOMP_RET_USER_NOTIF && (off == ALLOW || was_refused), "{} {:x?}: {:#x} instead of {:#x}", number, args, on, off);
    }
}
