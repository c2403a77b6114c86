//! What it costs that each new name is decided: the same work outside, inside without the notifier, and inside with it.
//!
//! `notifier [--rounds N] [--files N] [--job NAME] [--pin]`. `--job NAME` measures only the jobs with NAME in their name. Needs `tar`, `git`, `make`, `cc`, `node`, `npm` and a Rust toolchain that may be executed; a job
//! whose program is missing is not measured, and the benchmark fails in the end. `--pin` keeps all of it on one CPU, which leaves out
//! what it costs to wake another one up. `landstrip`, which decides by name as well, is measured beside them where it is on `PATH`.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::cell::Cell;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use benches::{
    Contender, Error, Home, Landstrip, Project, calls, interleave, micros, pin, ratio, start,
    succeed,
};
use lexopt::prelude::*;
use sandboxed::{HostFacts, Lowering, Policy, Preset, Sandbox};

struct Options {
    rounds: usize,
    files: usize,
    is_pinned: bool,
    /// What the name of a job has in it.
    job: String,
    /// The system call that this process does little else than.
    calls: Option<String>,
}

/// What one shell does in the project: its name, a script, and how much longer it may take with the notifier than without.
///
/// What is made lies in a directory of its own each time, and stays until the end: ext4 skips inodes that have just been freed one by
/// one, and removing what was made would measure that.
///
/// What is done to the repository as it is comes first: `checkout` has its index speak of other files.
const JOBS: [(&str, &str, f64); 16] = [
    ("git status", "git status --porcelain >$OUT/status", 1.1),
    (
        "git commit",
        "echo x >>d0/f0 && git -c user.name=bench -c user.email=bench@localhost commit -qam x",
        1.1,
    ),
    (
        "git switch, five",
        "git checkout -q five && git checkout -q -",
        1.1,
    ),
    (
        "git switch, few",
        "git checkout -q few && git checkout -q -",
        1.1,
    ),
    (
        "git switch, all",
        "git checkout -q all && git checkout -q -",
        1.1,
    ),
    (
        "100 settings",
        // Not at the top, where without the notifier they are read-only.
        "git init -q $OUT/in && n=0; while [ $n -lt 100 ]; do git -C $OUT/in config user.name n$n || exit 1; n=$((n+1)); done",
        1.1,
    ),
    (
        "create, unlink",
        "target/work --files $FILES --calls create",
        4.0,
    ),
    ("untar", "tar -xf target/files.tar -C $OUT", 3.0),
    (
        "git checkout",
        "git --work-tree=$OUT checkout -qf HEAD -- .",
        3.0,
    ),
    ("npm-like", "node target/npm.js $OUT", 1.15),
    (
        "npm install",
        "cp target/packages/package.json $OUT && cd $OUT && npm install --offline --no-audit --no-fund --silent --cache cache",
        1.15,
    ),
    (
        "cargo build",
        "cd crate && cargo build -q --offline --target-dir ../$OUT",
        1.05,
    ),
    ("make -j2", "make -sj2 -f target/Makefile OUT=$OUT", 1.05),
    (
        "spawn",
        "n=0; while [ $n -lt 300 ]; do /bin/true || exit 1; n=$((n+1)); done",
        1.0,
    ),
    ("stat", "target/work --files $FILES --calls stat", 1.0),
    ("open", "target/work --files $FILES --calls open", 1.0),
];

/// Branches that differ in five files, in 45 and in all.
const BRANCHES: &str = "\
commit() { git -c user.name=bench -c user.email=bench@localhost commit -qam $1 && git checkout -q -; }
git checkout -qb five && for f in d0/f[1-5]; do echo five >>$f; done
commit five || exit 1
git checkout -qb few && for f in d0/f?[02468]; do echo few >>$f; done
commit few || exit 1
git checkout -qb all && for f in d*/f*; do echo all >>$f; done; commit all
";

/// As an installer does it: ten packages at a time, twenty files each, one of which is renamed.
const NPM: &str = "\
const fs = require('fs/promises'), out = process.argv[2];
const files = async dir => {
  await fs.mkdir(dir + '/lib', { recursive: true });
  const file = n => fs.writeFile(dir + (n & 1 ? '/lib/f' : '/f') + n + '.js', 'x'.repeat(500 + 100 * n));
  await Promise.all([...Array(20).keys()].map(file));
  await fs.rename(dir + '/f0.js', dir + '/index.js');
};
(async () => {
  for (let n = 0; n < 250; n += 10)
    await Promise.all([...Array(10).keys()].map(m => files(out + '/node_modules/package' + (n + m))));
})();
";

/// The same packages, as npm gets them.
const PACKAGES: &str = "\
mkdir -p target/packages && cd target/packages && mkdir -p package/lib || exit 1
n=0; while [ $n -lt 20 ]; do
  [ $((n % 2)) = 0 ] && at=package/f$n.js || at=package/lib/f$n.js
  head -c $((500 + 100 * n)) /dev/zero | tr '\\0' x >$at; n=$((n+1))
done
all=; n=0; while [ $n -lt 250 ]; do
  printf '{\"name\":\"p%d\",\"version\":\"1.0.0\"}' $n >package/package.json
  tar -czf p$n.tgz package || exit 1
  all=\"$all${all:+,}\\\"p$n\\\":\\\"file:../packages/p$n.tgz\\\"\"; n=$((n+1))
done
printf '{\"name\":\"all\",\"version\":\"1.0.0\",\"dependencies\":{%s}}' \"$all\" >package.json
";

/// Forty objects of one source.
const MAKEFILE: &str = "\
objects := $(foreach n,0 1 2 3,$(foreach m,0 1 2 3 4 5 6 7 8 9,$(OUT)/$n$m.o))
all: $(objects)
$(OUT)/%.o: unit.c
\t@cc -O1 -c -o $@ $<
";

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|options| match &options.calls {
        Some(call) => calls(call, options.files),
        None => run(&options),
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        rounds: 7,
        files: 20_000,
        is_pinned: false,
        job: String::new(),
        calls: None,
    };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => options.rounds = words.value()?.parse()?,
            Long("files") => options.files = words.value()?.parse()?,
            Long("job") => options.job = words.value()?.string()?,
            Long("pin") => options.is_pinned = true,
            Long("calls") => options.calls = Some(words.value()?.string()?),
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), Error> {
    let facts = HostFacts::detect();
    if !facts.notifier {
        return Err(Error::Missing { what: "notifier" });
    }
    let home = Home::new()?;
    let project = Project::fill(&home, options.files)?;
    home.put("project/target/npm.js", NPM)?;
    home.put("project/target/Makefile", MAKEFILE)?;
    let prepare = |name, script| {
        let mut shell = Command::new("/bin/sh");
        let shell = project.place(&mut shell, &project.variables());
        start(name, shell.args(["-c", script]))
    };
    prepare("tar", "tar -cf target/files.tar d*")?;
    prepare("git", BRANCHES)?;
    prepare("tar", PACKAGES)?;
    if options.is_pinned {
        pin()?;
    }
    println!(
        "{} files; median ms of {} interleaved rounds, of starts ten times as many\n",
        options.files, options.rounds
    );
    let peer = Landstrip::for_home(&home)?;
    if peer.is_none() {
        println!("landstrip is not there: `cargo install landstrip`\n");
    }
    println!(
        "{:<18}{:>9}{:>9}{:>9}{:>8}{:>8}{:>11}",
        "", "outside", "without", "with", "ratio", "goal", "landstrip"
    );
    let facts = [facts.lowered(&Lowering::WithoutNotifier), facts];
    let make = |facts: &HostFacts| {
        let sandbox = Sandbox::builder().facts(facts.clone());
        let sandbox = sandbox.context(home.context());
        let sandbox = sandbox.environment(project.variables());
        sandbox.build(&Policy::preset(Preset::Agent))
    };
    let [without_it, with_it] = &facts;
    let (without, with) = (&make(without_it)?, &make(with_it)?);
    let mut result = Ok(());
    let mut keep =
        |row: Result<(), Error>| result = std::mem::replace(&mut result, Ok(())).and(row);
    for job in JOBS.into_iter().filter(|job| job.0.contains(&options.job)) {
        let peer = peer.as_ref();
        keep(work(&project, job, [without, with], peer, options.rounds));
    }
    if !options.job.is_empty() {
        return result;
    }
    let outside = || Contender::new("outside", || start("true", &mut Command::new("/bin/true")));
    let cold = vec![
        outside(),
        Contender::new("without", || {
            succeed(&mut make(without_it)?.command("/bin/true"))
        }),
        Contender::new("with", || succeed(&mut make(with_it)?.command("/bin/true"))),
    ];
    let warm = vec![
        outside(),
        Contender::new("without", || succeed(&mut without.command("/bin/true"))),
        Contender::new("with", || succeed(&mut with.command("/bin/true"))),
    ];
    for (name, mut contenders) in [("first command", cold), ("further command", warm)] {
        contenders.extend(peer.as_ref().map(|peer| {
            Contender::new(Landstrip::NAME, || {
                let mut command = peer.command();
                start(Landstrip::NAME, command.args(["/bin/true"]))
            })
        }));
        keep(row(name, contenders, options.rounds * 10, 1.0));
    }
    println!("\n(ratio: with to without)\n");
    result
}

/// One job, each time into a fresh directory.
fn work(
    project: &Project,
    (name, job, goal): (&'static str, &str, f64),
    [without, with]: [&Sandbox; 2],
    peer: Option<&Landstrip>,
    rounds: usize,
) -> Result<(), Error> {
    let variables = with.ruleset().environment();
    let variables = variables.apply(project.variables());
    let outside = |script: &str| {
        let mut command = Command::new("/bin/sh");
        let command = project.place(command.stdin(Stdio::null()), &variables);
        start(name, command.args(["-c", script]))
    };
    let inside = |sandbox: &Sandbox, script: &str| {
        let mut command = sandbox.command("/bin/sh");
        let command = command.args(["-c", script]);
        succeed(command.stdin(sandboxed::Stdio::null()))
    };
    let count = Cell::new(0);
    let directory = name.replace([' ', ','], "-");
    let timed = |run: &dyn Fn(&str) -> Result<(), Error>| {
        count.set(count.get() + 1);
        let out = format!("export OUT=target/{directory}-{}", count.get());
        outside(&format!("{out}; mkdir $OUT"))?;
        let script = format!("{out}; {}", project.script(job, 1));
        let start = Instant::now();
        run(&script)?;
        Ok(start.elapsed())
    };
    let beside = |peer: &Landstrip, script: &str| {
        let mut command = peer.command();
        let command = project.place(command.stdin(Stdio::null()), &variables);
        start(Landstrip::NAME, command.args(["/bin/sh", "-c", script]))
    };
    let timed = &timed;
    let mut contenders = vec![
        Contender::timed("outside", || timed(&outside)),
        Contender::timed("without", || timed(&|script| inside(without, script))),
        Contender::timed("with", || timed(&|script| inside(with, script))),
    ];
    contenders.extend(peer.map(|peer| {
        Contender::timed(Landstrip::NAME, move || {
            timed(&|script| beside(peer, script))
        })
    }));
    row(name, contenders, rounds, goal)
}

/// Measures and prints one line. A peer that can't do the job is left out.
fn row(
    name: &str,
    mut contenders: Vec<Contender<'_>>,
    rounds: usize,
    goal: f64,
) -> Result<(), Error> {
    let mut failed = None;
    if let Some(peer) = contenders.get_mut(3)
        && let Err(error) = peer.attempt()
    {
        failed = Some(error);
        contenders.truncate(3);
    }
    let measured = interleave(&mut contenders, rounds);
    if let Err(error) = &measured {
        println!("{name:<18}NOT MEASURED: {error}");
        return measured;
    }
    let medians = contenders.iter().map(|it| micros(it.median()));
    let medians: Vec<_> = medians.collect();
    if let [outside, without, with, peer @ ..] = &medians[..] {
        let [outside_ms, without_ms, with_ms] =
            [outside, without, with].map(|time| ratio(*time, 1000));
        print!(
            "{name:<18}{outside_ms:>9.1}{without_ms:>9.1}{with_ms:>9.1}{:>8.2}{goal:>8}",
            ratio(*with, *without)
        );
        match (peer, &failed) {
            ([peer, ..], _) => println!("{:>11.1}", ratio(*peer, 1000)),
            ([], Some(error)) => println!("   {error}"),
            ([], None) => println!(),
        }
    }
    Ok(())
}
