//! A build service: jobs of strangers in a queue, worker threads that take them, a sandbox for each job's directory.
//!
//! `cargo run -p sandboxed --example build_service` has four: one builds, one floods, one never ends, one spies on another.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use sandboxed::{Policy, Preset, Sandbox, Stdio};
use std::{env, fs, path::Path, sync::Mutex, thread, time::Duration};
use std::{error::Error, io::Read};

/// Nobody's output fills our memory: this much of it is kept.
const KEPT: u64 = 1000;
const JOBS: [(&str, &str); 4] = [
    ("good", "echo built > artifact && cat artifact"),
    ("flood", "exec yes"),
    ("hang", "sleep 1000"),
    ("spy", "cat ../good/artifact || echo saw nothing"),
];

fn main() -> Result<(), Box<dyn Error>> {
    // In the home: `/tmp` is private inside, where a job would not find its directory.
    let home = env::home_dir().ok_or("there is no home")?;
    let service = home.join(format!("build-service-{}", std::process::id()));
    let queue = Mutex::new(JOBS.into_iter());
    thread::scope(|scope| {
        for _worker in 0..2 {
            scope.spawn(|| {
                // A statement of its own: the lock is free again while the job runs.
                let next = || queue.lock().ok().and_then(|mut jobs| jobs.next());
                while let Some((name, script)) = next() {
                    match build(&service, name, script) {
                        Ok(line) => println!("{name}: {line}"),
                        Err(error) => println!("{name}: not built: {error}"),
                    }
                }
            });
        }
    });
    Ok(fs::remove_dir_all(&service)?)
}

fn build(service: &Path, name: &str, script: &str) -> Result<String, Box<dyn Error>> {
    let directory = service.join(name);
    fs::create_dir_all(&directory)?;
    let policy = Policy::preset(Preset::ReadOnly)
        .hide(service) // the most specific rule wins: of all the jobs' directories it sees its own
        .write(&directory)
        .memory(512 << 20)
        .time(Duration::from_secs(1));
    let sandbox = Sandbox::new(&policy)?;
    let mut child = sandbox
        .command("sh")
        .args(["-c", script])
        .current_dir(&directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()?;
    let mut output = String::new();
    if let Some(stdout) = child.stdout.take() {
        // One that says nothing keeps us no longer than its time: init has the limit, too.
        stdout.take(KEPT).read_to_string(&mut output)?;
    } // Here the pipe is closed: who still writes ends by SIGPIPE, as with `head`.
    let status = child.wait()?; // returns when nothing of the job is left
    let first = output.lines().next().unwrap_or("").escape_debug();
    Ok(format!("{status}, {} bytes: {first}", output.len()))
}

#[cfg(test)]
#[test]
fn every_job_gets_what_it_deserves() {
    let service = env::home_dir().unwrap().join("build-service-test");
    let [good, flood, hang, spy] = JOBS.map(|(name, script)| build(&service, name, script));
    fs::remove_dir_all(&service).unwrap();
    assert_eq!(good.unwrap(), "exit status: 0, 6 bytes: built");
    assert_eq!(flood.unwrap(), "signal: 13 (SIGPIPE), 1000 bytes: y");
    assert!(hang.unwrap().contains("(time limit of 1s reached)"));
    assert_eq!(spy.unwrap(), "exit status: 0, 12 bytes: saw nothing");
}
