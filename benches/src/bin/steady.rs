//! A command that runs for a while and does little but system calls, outside and inside: what a filter, mounts and Landlock cost per call.
//!
//! `steady [--rounds N] [--files N] [--repeat N]`. Needs `git` and `find`, and for the last job a Rust toolchain that may be executed.

#![expect(clippy::print_stdout, reason = "its output is the table")]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use benches::{Contender, Error, Home, interleave, micros, ratio, start};
use lexopt::prelude::*;
use sandboxed::{Context, Policy, Preset, Sandbox};

struct Options {
    rounds: usize,
    files: usize,
    /// How often one job is done within one command, so that starting it doesn't count.
    repeat: usize,
}

/// Each is done again and again by one shell; the share of the repetitions that it takes to get a time worth measuring.
const JOBS: [(&str, &str, usize); 4] = [
    ("find", "find . -size +0 -newermt 2000-01-01 >/dev/null", 1),
    ("git status", "git status --porcelain >/dev/null", 1),
    (
        "start processes",
        "/bin/true && /bin/true && /bin/true && /bin/true && /bin/true",
        1,
    ),
    (
        BUILD,
        "cd crate && rm -rf target && cargo build -q --offline",
        20,
    ),
];
const BUILD: &str = "cargo build";
const BUILD_SHARE: usize = 20;

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|options| run(&options));
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        rounds: 11,
        files: 20_000,
        repeat: 20,
    };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => options.rounds = words.value()?.parse()?,
            Long("files") => options.files = words.value()?.parse()?,
            Long("repeat") => options.repeat = words.value()?.parse()?,
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), Error> {
    let home = Home::new()?;
    let workspace = home.workspace();
    fill(&workspace, options.files)?;
    let toolchain = toolchain();
    let path = match &toolchain {
        Some(programs) => format!("/usr/bin:/bin:{}", programs.display()),
        None => "/usr/bin:/bin".to_owned(),
    };
    let sandbox = sandbox(&home, &path)?;
    println!(
        "{} files; median ms of {} interleaved rounds, {} repetitions each, {} of `{BUILD}`\n",
        options.files,
        options.rounds,
        options.repeat,
        options.repeat.div_ceil(BUILD_SHARE)
    );
    println!("{:<18}{:>10}{:>10}{:>8}", "", "outside", "inside", "ratio");
    for (name, job, share) in JOBS {
        if name == BUILD && toolchain.is_none() {
            println!("NOT MEASURED: {name}: there is no toolchain that may be executed");
            continue;
        }
        let script = format!(
            "i=0; while [ $i -lt {} ]; do {{ {job}; }} || exit 1; i=$((i+1)); done",
            options.repeat.div_ceil(share)
        );
        let mut contenders = [
            Contender::new("outside", || {
                start(name, outside(&home, &path).args(["-c", &script]))
            }),
            Contender::new("inside", || {
                let status = sandbox.command("/bin/sh").args(["-c", &script]).status()?;
                if status.success() {
                    Ok(())
                } else {
                    Err(Error::Confined { contender: name })
                }
            }),
        ];
        interleave(&mut contenders, options.rounds)?;
        let [outside, inside] = contenders
            .each_ref()
            .map(|contender| micros(contender.median()));
        println!(
            "{name:<18}{:>10}{:>10}{:>8.3}",
            outside / 1000,
            inside / 1000,
            ratio(inside, outside)
        );
    }
    println!("\n(goal: ratio ≤ 1.02)");
    Ok(())
}

/// Directories of a hundred files, as a repository of which everything is committed.
fn fill(workspace: &Path, files: usize) -> Result<(), Error> {
    for number in 0..files {
        let directory = workspace.join(format!("d{}", number / 100));
        let path = directory.join(format!("f{number}"));
        let failed = |source| Error::Prepare {
            path: path.clone(),
            source,
        };
        if number % 100 == 0 {
            std::fs::create_dir_all(&directory).map_err(failed)?;
        }
        std::fs::write(&path, format!("file {number}\n")).map_err(failed)?;
    }
    let author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"];
    add_crate(&workspace.join("crate"))?;
    for words in [
        &["init", "-q"][..],
        // It would go on in the background, and take files away from under `find`.
        &["config", "gc.auto", "0"],
        &["add", "."],
        &["commit", "-q", "-m", "files"],
    ] {
        start(
            "git",
            Command::new("git")
                .args(author)
                .args(words)
                .current_dir(workspace),
        )?;
    }
    Ok(())
}

/// A library of many functions, with nothing to fetch.
fn add_crate(directory: &Path) -> Result<(), Error> {
    let mut code = String::new();
    for number in 0..300 {
        let _ = writeln!(
            code,
            "pub fn f{number}(n: u64) -> String {{ format!(\"{{:?}}\", (0..n).map(|m| m ^ {number}).collect::<Vec<_>>()) }}"
        );
    }
    let manifest = "[package]\nname = \"bench\"\nedition = \"2021\"\n";
    for (name, text) in [("Cargo.toml", manifest), ("src/lib.rs", &code)] {
        let path = directory.join(name);
        let failed = |source| Error::Prepare {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(path.parent().unwrap_or(directory)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
    }
    Ok(())
}

/// Where `cargo` itself is, without rustup, which would want its own directories.
fn toolchain() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = String::from_utf8(output.ok()?.stdout).ok()?;
    let programs = Path::new(sysroot.trim_end()).join("bin");
    let version = Command::new(programs.join("cargo")).arg("-V").output();
    version
        .is_ok_and(|output| output.status.success())
        .then_some(programs)
}

fn sandbox(home: &Home, path: &str) -> Result<Sandbox, Error> {
    let mut context = Context::new(home.workspace());
    context.home = Some(home.path().to_owned());
    context.homes = vec![home.path().to_owned()];
    let variables = [("HOME", home.path().as_os_str()), ("PATH", path.as_ref())];
    let variables = variables.map(|(name, value)| (name.into(), value.to_owned()));
    Ok(Sandbox::builder()
        .context(context)
        .environment(variables)
        .build(&Policy::preset(Preset::Agent))?)
}

fn outside(home: &Home, path: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", path)
        .current_dir(home.workspace())
        .stdin(Stdio::null());
    command
}
