//! Random calls answer as they do without a notifier, and without a sandbox: the errno, and what is there afterwards.

#![expect(clippy::unwrap_used, reason = "a test's way to fail is to panic")]

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use sandbox_testing::{Answer, Calls, Host, needs, tool};

const HERE: &str = "-100";
/// How many sequences, and calls in each.
const SEEDS: u64 = 12;
const LENGTH: usize = 60;

/// Xorshift: a failure can be run again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all.get(self.below(all.len())).copied().unwrap()
    }

    /// A path; mostly one of a few, so that calls meet. All lie in the workspace: one of the three runs is not confined.
    fn path(&mut self, odd: bool) -> String {
        const PLAIN: &[&str] = &[
            "s:a",
            "s:b",
            "s:c",
            "s:d",
            "s:d/a",
            "s:d/b",
            "s:d/sub",
            "s:d/sub/c",
            "s:link",
            "s:loop",
            "s:dangling",
            "s:fifo",
            "s:way",
            "s:way/a",
            "s:way/sub/../b",
            "s:./a",
            "s:d/../b",
            "s:../ws/a",
            "s:../ws/d/b",
            "x:ff00",
            "s:d//b",
            "s:/proc/self/cwd/c",
            "s:/proc/thread-self/cwd/d/b",
        ];
        const ODD: &[&str] = &[
            "s:a/",
            "s:d/",
            "s:missing/x",
            "s:a/x",
            "s:.",
            "s:..",
            "s:",
            "s:loop/x",
            "s:d/./sub/",
            "s:dangling/",
            "s:way/",
            "0",
            "0x7ffffffff000",
            "x:64ff2ffe00",
        ];
        match self.below(12) {
            _ if !odd => self.of(PLAIN).to_owned(),
            0 => format!("s:{}", "n".repeat(256)),
            1 => format!("s:{}a", "./".repeat(2047)),
            2 => format!("s:{}ab", "./".repeat(2047)),
            _ => self.of(ODD).to_owned(),
        }
    }

    /// What a link points to, which leads nowhere else.
    fn target(&mut self, odd: bool) -> &'static str {
        let odd: &[&str] = if odd { &["s:", "0"] } else { &[] };
        let all = [
            &["s:a", "s:b", "s:d", "s:d/sub", "s:nowhere", "s:loop"],
            odd,
        ]
        .concat();
        self.of(&all)
    }

    fn directory(&mut self, odd: bool) -> &'static str {
        // Result 1 is a directory, result 2 a file.
        self.of(if odd {
            &["r:2", "999", "-1"]
        } else {
            &[HERE, HERE, HERE, "r:1"]
        })
    }

    /// A call of which at most one argument is odd: which of two faults is told first is not what this is about.
    fn call(&mut self, calls: Calls) -> Calls {
        // FIFOs are opened without waiting.
        const FLAGS: &[&str] = &[
            "0x801", "0x802", "0x841", "0x842", "0x8c1", "0x8c2", "0xa01", "0xa41", "0x20801",
            "0x20841", "0x10801", "0x410802", "0x410801", "0xc01", "0x1841", "0x200841", "0x803",
            "0x80841",
        ];
        const IMPOSSIBLE: &[&str] = &["0x10841", "0x4108c2"];
        let mut odd = [false; 5];
        if let Some(one) = odd.get_mut(self.below(12)) {
            *one = true;
        }
        let [first, second, third, fourth, flags] = odd;
        let (directory, path) = (self.directory(first), self.path(second));
        let (other, to) = (self.directory(third), self.path(fourth));
        let (path, to) = (path.as_str(), to.as_str());
        match self.below(13) {
            0..=2 => {
                let all = if flags { IMPOSSIBLE } else { FLAGS };
                let flags = self.of(all);
                calls.call(
                    libc::SYS_openat,
                    [
                        directory,
                        path,
                        flags,
                        self.of(&["0x1b6", "0x1ff", "0x180"]),
                    ],
                )
            }
            3 => calls.call(
                libc::SYS_mkdirat,
                [directory, path, self.of(&["0x1ff", "0x1c0", "0x3ed"])],
            ),
            4 => {
                let kinds: &[&str] = if flags {
                    &["0xc1b6"]
                } else {
                    &["0x11b6", "0x81b6", "0x1b6"]
                };
                calls.call(libc::SYS_mknodat, [directory, path, self.of(kinds), "0"])
            }
            5 => calls.call(libc::SYS_symlinkat, [self.target(flags), other, to]),
            6 => {
                let flags: &[&str] = if flags {
                    &["0x1000", "0x77"]
                } else {
                    &["0", "0", "0x400"]
                };
                calls.call(
                    libc::SYS_linkat,
                    [directory, path, other, to, self.of(flags)],
                )
            }
            7 | 8 => {
                let flags: &[&str] = if flags {
                    &["3", "6", "8"]
                } else {
                    &["0", "0", "1", "2"]
                };
                calls.call(
                    libc::SYS_renameat2,
                    [directory, path, other, to, self.of(flags)],
                )
            }
            9 => {
                let lengths: &[&str] = if flags {
                    &["-1", "0x7fffffffffffffff"]
                } else {
                    &["0", "5", "70000"]
                };
                calls.call(libc::SYS_truncate, [path, self.of(lengths)])
            }
            10 => calls.call(
                libc::SYS_unlinkat,
                [directory, path, self.of(&["0", "0x200"])],
            ),
            11 => calls.call(libc::SYS_umask, [self.of(&["0x12", "0x3f", "0"])]),
            _ => calls.call(
                libc::SYS_chdir,
                [self.of(&["s:d", "s:.", "s:../ws", "s:d/sub"])],
            ),
        }
    }
}

fn sequence(seed: u64) -> Calls {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let start = Calls::new()
        .call(libc::SYS_mkdirat, [HERE, "s:d", "0x1ff"])
        .call(libc::SYS_openat, [HERE, "s:d", "0x10000"])
        .call(libc::SYS_openat, [HERE, "s:a", "0x42", "0x1b6"])
        .call(libc::SYS_mkdirat, [HERE, "s:d/sub", "0x1ff"])
        .call(libc::SYS_symlinkat, ["s:d", HERE, "s:way"])
        .call(libc::SYS_symlinkat, ["s:a", HERE, "s:link"])
        .call(libc::SYS_symlinkat, ["s:loop", HERE, "s:loop"])
        .call(libc::SYS_symlinkat, ["s:nowhere", HERE, "s:dangling"])
        .call(libc::SYS_mknodat, [HERE, "s:fifo", "0x11b6", "0"]);
    (0..LENGTH).fold(start, |calls, _| random.call(calls))
}

/// Names, kinds, modes, sizes of files, and numbers of names, below a directory.
fn tree(host: &Host) -> Vec<String> {
    let mut all = Vec::new();
    let mut left = vec![host.path("@ws")];
    while let Some(directory) = left.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let kind = metadata.file_type();
            if kind.is_dir() {
                left.push(path.clone());
            }
            let sizes = if kind.is_file() {
                [metadata.len(), metadata.nlink()]
            } else {
                [0; 2]
            };
            let is_fifo = kind.is_fifo();
            all.push(format!(
                "{} {:o} {sizes:?} {is_fifo}",
                host.shorten(&path.to_string_lossy()),
                metadata.mode()
            ));
        }
    }
    all.sort();
    all
}

#[test]
fn random_calls_answer_as_they_do_without_a_notifier_and_without_a_sandbox() {
    let mut found = Vec::new();
    for seed in 1..=SEEDS {
        let hosts = [(); 3].map(|()| Host::new());
        let [confined, without, bare] = &hosts;
        let outcomes = [
            confined.sandbox(sequence(seed)).output(),
            without
                .sandbox(sequence(seed))
                .options(["--lower", "notifier=0"])
                .output(),
            bare.bare(sequence(seed)).output(),
        ];
        let [inside, lowered, outside] = outcomes.map(|outcome| Answer::all(&outcome.text()));
        let words: Vec<String> = sequence(seed).into_iter().collect();
        let calls: Vec<_> = words.get(2..).unwrap().split(|word| word == "--").collect();
        assert_eq!(outside.len(), calls.len());
        for (at, call) in calls.iter().enumerate() {
            let answers = [&inside, &lowered, &outside].map(|answers| match answers.get(at) {
                // Which number is free is the process's own affair.
                Some(Answer::Returned(number)) if *number > 2 => "a descriptor".to_owned(),
                Some(answer) => answer.to_string(),
                None => "nothing".to_owned(),
            });
            let [inside, lowered, outside] = &answers;
            // Everything is read and pinned before anything is looked up.
            let is_told_first = ["EBADF", "EFAULT", "ENAMETOOLONG", "ENOTDIR"]
                .contains(&inside.as_str())
                && outside.starts_with('E');
            if inside != outside && !is_told_first || lowered != outside {
                found.push(format!(
                    "seed {seed}, call {at} {call:.60?}: {inside} inside, {lowered} without a notifier, {outside} without a sandbox"
                ));
                break;
            }
        }
        if tree(confined) != tree(bare) {
            found.push(format!(
                "seed {seed}: {:#?} instead of {:#?}",
                tree(confined),
                tree(bare)
            ));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The answers inside and outside are the same, but for descriptors' numbers.
#[track_caller]
fn answers_alike(calls: &Calls) {
    let (confined, bare) = (Host::new(), Host::new());
    let inside = Answer::all(&confined.sandbox(calls.clone()).output().text());
    let outside = Answer::all(&bare.bare(calls.clone()).output().text());
    assert_eq!(inside, outside);
}

/// `struct rlimit` with both bounds below 256.
fn limit(bound: u8) -> String {
    format!("x:{bound:02x}00000000000000{bound:02x}00000000000000")
}

#[test]
fn a_command_without_a_free_descriptor_is_told_so() {
    let calls = Calls::new()
        .call(libc::SYS_prlimit64, ["0", "7", &limit(4), "0"])
        .call(libc::SYS_openat, [HERE, "s:a", "0x41", "0x1b6"])
        .call(libc::SYS_openat, [HERE, "s:a", "1"])
        .call(libc::SYS_close, ["r:1"])
        .call(libc::SYS_openat, [HERE, "s:a", "1"]);
    answers_alike(&calls);
}

/// `SIGXFSZ`, which comes with it, is ignored here.
#[test]
fn a_file_is_not_made_larger_than_its_writer_may() {
    let ignored = format!("x:01{}", "00".repeat(31));
    let calls = Calls::new()
        .call(libc::SYS_rt_sigaction, ["25", &ignored, "0", "8"])
        .call(libc::SYS_openat, [HERE, "s:a", "0x41", "0x1b6"])
        .call(libc::SYS_truncate, ["s:a", "200"])
        .call(libc::SYS_prlimit64, ["0", "1", &limit(100), "0"])
        .call(libc::SYS_truncate, ["s:a", "300"])
        .call(libc::SYS_truncate, ["s:a", "150"])
        .call(libc::SYS_truncate, ["s:a", "160"])
        .call(libc::SYS_truncate, ["s:a", "90"]);
    answers_alike(&calls);
}

/// Threads have it in common: also one that makes nothing itself changes that of the others. A child has its own.
#[test]
fn the_umask_is_that_of_now_whoever_changed_it() {
    let Some(python) = tool("python3") else {
        needs("python3", false);
        return;
    };
    let script = r#"
import os, queue, stat, threading
asked, answered = queue.Queue(), queue.Queue()
def make(name):
    os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o777))
    return stat.S_IMODE(os.stat(name).st_mode)
def maker():
    for name in iter(asked.get, None):
        answered.put(make(name))
threading.Thread(target=maker, daemon=True).start()
def other(name):
    asked.put(name)
    return answered.get()
masks = [0o22, 0o77, 0, 0o27, 0o777, 0o22]
wrong = []
def check(who, mode, mask):
    if mode != 0o777 & ~mask:
        wrong.append("%s: %o under %o" % (who, mode, mask))
for number in range(60):
    mask = masks[number % len(masks)]
    os.umask(mask)
    if number % 3:
        check("other", other("a%d" % number), mask)
        check("other", other("b%d" % number), mask)
    if number % 2:
        check("this", make("c%d" % number), mask)
        check("this", make("d%d" % number), mask)
        check("other", other("e%d" % number), mask)
    child = os.fork()
    if child == 0:
        os.umask(0o70)
        os._exit(make("f%d" % number) != 0o707)
    if os.waitpid(child, 0)[1]:
        wrong.append("child under %o" % mask)
    check("this", make("g%d" % number), mask)
print(wrong)
"#;
    let host = Host::new();
    let command = host.sandbox([python.as_os_str(), "-c".as_ref(), script.as_ref()]);
    command.output().succeeds().stdout("[]\n");
}
