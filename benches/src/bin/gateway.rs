//! What the gateway costs: one stream and small requests through each of its doors next to the same on the host's loopback; the
//! start of a sandbox with rules next to one without; and memory.
//!
//! `gateway [--rounds N] [--mebibytes N] [--piece KIBIBYTES] [--requests N]`. Client and server are this program's own.

#![expect(clippy::print_stdout, reason = "its output is the table")]

#[path = "gateway/client.rs"]
mod client;
#[path = "gateway/server.rs"]
mod server;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use benches::{Contender, Error, interleave, micros, ratio, status, succeed};
use lexopt::prelude::*;
use sandboxed::{Policy, Preset, Sandbox};
use tempfile::NamedTempFile;

use self::client::{Job, Way};
use self::server::NAME;

struct Options {
    rounds: usize,
    mebibytes: u64,
    /// What both ends write and read at once.
    piece: usize,
    requests: u64,
    /// What this process does as the client; none in the process that a person starts.
    client: Option<(Way, Job, u16, u64)>,
}

pub(crate) fn main() -> ExitCode {
    let result = options().and_then(|options| match options.client {
        None => run(&options),
        Some((way, job, port, count)) => {
            let time = client::run(way, job, port, count).map_err(failed)?;
            println!("{}", time.as_nanos());
            Ok(())
        }
    });
    result.map_or_else(|error| error.report(), |()| ExitCode::SUCCESS)
}

fn options() -> Result<Options, Error> {
    let mut options = Options {
        rounds: 20,
        mebibytes: 512,
        piece: 256 << 10,
        requests: 200,
        client: None,
    };
    let mut words = lexopt::Parser::from_env();
    while let Some(word) = words.next()? {
        match word {
            Long("rounds") => options.rounds = words.value()?.parse()?,
            Long("mebibytes") => options.mebibytes = words.value()?.parse()?,
            Long("piece") => options.piece = words.value()?.parse::<usize>()? << 10,
            Long("requests") => options.requests = words.value()?.parse()?,
            Long("client") => {
                let way = words.value()?.parse()?;
                let job = words.value()?.parse()?;
                options.client = Some((way, job, words.value()?.parse()?, words.value()?.parse()?));
            }
            unexpected => return Err(unexpected.unexpected().into()),
        }
    }
    Ok(options)
}

/// A server, and a sandbox that may reach it by name.
struct Place {
    program: PathBuf,
    port: u16,
    with_rules: Policy,
    hosts: NamedTempFile,
    /// Settings of sandbox-runtime, which may reach it as well; none where that is not there.
    srt: Option<NamedTempFile>,
}

fn run(options: &Options) -> Result<(), Error> {
    let program = std::env::current_exe().map_err(failed)?;
    let port = server::start(options.piece).map_err(failed)?;
    let mut hosts = NamedTempFile::new().map_err(failed)?;
    writeln!(hosts, "127.0.0.1 {NAME}").map_err(failed)?;
    let srt = srt().map_err(failed)?;
    if srt.is_none() {
        println!("`srt` is not on PATH: left out\n");
    }
    let without = Policy::preset(Preset::ReadOnly).read(&program);
    let with_rules = without
        .clone()
        .allow(NAME)
        .allow(format!("127.0.0.1:{port}"));
    let place = Place {
        program,
        port,
        with_rules,
        hosts,
        srt,
    };
    // Whatever the caller needs besides is there before its memory is looked at.
    succeed(&mut Sandbox::new(&without)?.command("true"))?;
    outside(&place, Job::Requests, options.requests)?;
    let before = status("self", "RssAnon");
    let sandbox = place.sandbox()?;
    streams(&place, &sandbox, options)?;
    requests(&place, &sandbox, options)?;
    println!(
        "the caller has grown by {} kB (goal < 10240)\n",
        status("self", "RssAnon").saturating_sub(before)
    );
    starts(&place, &without, options.rounds)
}

impl Place {
    fn sandbox(&self) -> Result<Sandbox, Error> {
        let builder = Sandbox::builder().hosts(self.hosts.path());
        Ok(builder.build(&self.with_rules)?)
    }

    fn args(&self, way: Way, job: Job, count: u64) -> [String; 5] {
        let words = [way.to_string(), job.to_string()];
        let [way, job] = words;
        let [port, count] = [self.port.to_string(), count.to_string()];
        ["--client".to_owned(), way, job, port, count]
    }
}

/// What the client says about its time, outside of any sandbox.
fn outside(place: &Place, job: Job, count: u64) -> Result<Duration, Error> {
    let mut command = Command::new(&place.program);
    let output = command
        .args(place.args(Way::Direct, job, count))
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed)?;
    told(output.status.success(), &output.stdout)
}

/// Settings by which sandbox-runtime lets a command reach `localhost`, where that is installed.
fn srt() -> io::Result<Option<NamedTempFile>> {
    let mut version = Command::new("srt");
    let version = version.arg("--version").stdout(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let mut settings = NamedTempFile::with_suffix(".json")?;
    settings.write_all(
        br#"{
            "network": {"allowedDomains": ["localhost"], "deniedDomains": []},
            "filesystem": {"denyRead": [], "allowWrite": [], "denyWrite": []}
        }"#,
    )?;
    Ok(Some(settings))
}

/// What it says in that sandbox.
fn in_srt(place: &Place, settings: &Path, job: Job, count: u64) -> Result<Duration, Error> {
    let mut command = Command::new("srt");
    let command = command.arg("--settings").arg(settings).arg(&place.program);
    let output = command
        .args(place.args(Way::Srt, job, count))
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed)?;
    told(output.status.success(), &output.stdout)
}

/// What it says in a sandbox.
fn inside(
    place: &Place,
    sandbox: &Sandbox,
    way: Way,
    job: Job,
    count: u64,
) -> Result<Duration, Error> {
    let mut command = sandbox.command(&place.program);
    let output = command
        .args(place.args(way, job, count))
        .stderr(sandboxed::Stdio::inherit())
        .output()?;
    told(output.status.success(), &output.stdout)
}

fn told(is_success: bool, text: &[u8]) -> Result<Duration, Error> {
    let nanoseconds = str::from_utf8(text)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    match nanoseconds {
        Some(nanoseconds) if is_success => Ok(Duration::from_nanos(nanoseconds)),
        _ => Err(Error::Confined {
            contender: "the client",
        }),
    }
}

fn streams(place: &Place, sandbox: &Sandbox, options: &Options) -> Result<(), Error> {
    let bytes = options.mebibytes << 20;
    let medians = every_way(
        place,
        sandbox,
        &Way::ALL,
        Job::Stream(options.piece),
        bytes,
        options.rounds,
    )?;
    println!(
        "one stream of {} MiB in pieces of {} KiB; median MiB per second of {} interleaved rounds\n",
        options.mebibytes,
        options.piece >> 10,
        options.rounds
    );
    let rate = |time| i128::from(options.mebibytes) * 1_000_000 / micros(time).max(1);
    let direct = medians.first().map_or(0, |(_, time)| rate(*time));
    for (way, time) in medians {
        let rate = rate(time);
        println!("{way:<12}{rate:>10}{:>8.2}", ratio(rate, direct));
    }
    println!("\n(goal: at least 0.70 of direct)\n");
    Ok(())
}

fn requests(place: &Place, sandbox: &Sandbox, options: &Options) -> Result<(), Error> {
    // A request without a ClientHello is what is captured already.
    let ways = [
        Way::Direct,
        Way::Captured,
        Way::Connect,
        Way::Socks,
        Way::Srt,
    ];
    for (job, title) in [
        (Job::Requests, "a request, each by a connection of its own"),
        (Job::Kept, "a request, all by one connection"),
    ] {
        let medians = every_way(place, sandbox, &ways, job, options.requests, options.rounds)?;
        println!("{title}; median µs, and what is added to direct\n");
        let direct = medians.first().map_or(0, |(_, time)| micros(*time));
        for (way, time) in medians {
            let time = micros(time);
            println!("{way:<12}{time:>10}{:>+8}", time - direct);
        }
        println!("\n(goal: less than 300 added)\n");
    }
    Ok(())
}

/// Each of these ways, direct first.
fn every_way(
    place: &Place,
    sandbox: &Sandbox,
    ways: &[Way],
    job: Job,
    count: u64,
    rounds: usize,
) -> Result<Vec<(Way, Duration)>, Error> {
    let contender = |way: &Way| {
        let way = *way;
        Contender::timed(way.name(), move || match (way, &place.srt) {
            (Way::Direct, _) => outside(place, job, count),
            (Way::Srt, Some(settings)) => in_srt(place, settings.path(), job, count),
            _ => inside(place, sandbox, way, job, count),
        })
    };
    let is_there = |way: &&Way| **way != Way::Srt || place.srt.is_some();
    let ways: Vec<_> = ways.iter().filter(is_there).collect();
    let mut contenders: Vec<_> = ways.iter().copied().map(contender).collect();
    interleave(&mut contenders, rounds)?;
    let medians = contenders.iter().map(Contender::median);
    Ok(ways.into_iter().copied().zip(medians).collect())
}

fn starts(place: &Place, without: &Policy, rounds: usize) -> Result<(), Error> {
    let (warm, warm_with) = (Sandbox::new(without)?, place.sandbox()?);
    let cold = |sandbox: &dyn Fn() -> Result<Sandbox, Error>| {
        let start = Instant::now();
        let sandbox = sandbox()?;
        succeed(&mut sandbox.command("true"))?;
        Ok(start.elapsed())
    };
    let mut contenders = [
        Contender::timed("first command", || cold(&|| Ok(Sandbox::new(without)?))),
        Contender::timed("  with rules", || cold(&|| place.sandbox())),
        Contender::new("every further", || succeed(&mut warm.command("true"))),
        Contender::new("  with rules", || succeed(&mut warm_with.command("true"))),
    ];
    let rounds = rounds * 5;
    interleave(&mut contenders, rounds)?;
    println!("starting `true`; median µs of {rounds} interleaved rounds, and what rules add\n");
    for pair in contenders.chunks(2) {
        let medians: Vec<i128> = pair.iter().map(|one| micros(one.median())).collect();
        if let ([without, with_rules], [first, second]) = (pair, medians.as_slice()) {
            println!("{:<16}{first:>8}", without.name);
            println!("{:<16}{second:>8}{:>+8}", with_rules.name, second - first);
        }
    }
    println!("\n(goal: at most 1000 added to a first command, nothing to a further one)\n");
    Ok(())
}

fn failed(source: io::Error) -> Error {
    Error::Start {
        contender: "the client or the server".to_owned(),
        source,
    }
}
