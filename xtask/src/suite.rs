//! The test suite, counted.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::{env, thread};

use crate::run::{Error, FEATURES, cargo, line, read};
use crate::tally::Tally;

/// The test command as it stands, counted.
pub(crate) fn test() -> Result<Tally, Error> {
    let toolchain = sysroot()?.join("bin");
    let mut command = cargo();
    command
        .args(["test", "--locked", "--no-fail-fast"])
        .args(selection())
        .args(FEATURES)
        .env("PATH", path_from(&toolchain));
    concluded(&mut command)
}

/// Which packages are tested: where the host's facts are lowered, the one whose tests run the program. No other looks at that.
pub(crate) fn selection() -> &'static [&'static str] {
    match env::var_os("SANDBOX_TEST_LOWER") {
        Some(_) => &["--package", "sandbox-cli"],
        None => &["--workspace"],
    }
}

/// The count of a command that runs tests, and ends as they do.
pub(crate) fn concluded(command: &mut Command) -> Result<Tally, Error> {
    let (mut tally, status) = counted(command)?;
    // A build that failed, or a harness that died, has left no count.
    if !status.success() && tally.failed == 0 {
        tally.failed = 1;
    }
    Ok(tally)
}

/// The toolchain itself: rustup's stand-ins on `PATH` ask for a home that the tests don't have.
pub(crate) fn sysroot() -> Result<PathBuf, Error> {
    let mut command = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let output = read(command.args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output).trim_end()))
}

pub(crate) fn path_from(first: &Path) -> std::ffi::OsString {
    const SYSTEM: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let mut path = first.as_os_str().to_owned();
    path.push(":");
    path.push(SYSTEM);
    path
}

/// Runs it, passing on what it prints, and counts.
pub(crate) fn counted(command: &mut Command) -> Result<(Tally, ExitStatus), Error> {
    let name = line(command);
    println!("$ {name}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Start {
            command: name.clone(),
            source,
        })?;
    let errors = child.stderr.take();
    let stderr = thread::spawn(move || {
        errors.map_or(Ok(Tally::default()), |pipe| tally(pipe, &mut io::stderr()))
    });
    let stdout = child
        .stdout
        .take()
        .map_or(Ok(Tally::default()), |pipe| tally(pipe, &mut io::stdout()));
    let failed = |source| Error::Output {
        command: name.clone(),
        source,
    };
    let status = child.wait().map_err(failed)?;
    let mut total = stdout.map_err(failed)?;
    total += stderr
        .join()
        .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        .map_err(failed)?;
    Ok((total, status))
}

fn tally(pipe: impl Read, copy: &mut impl io::Write) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut lines = BufReader::new(pipe);
    let mut bytes = Vec::new();
    while lines.read_until(b'\n', &mut bytes)? != 0 {
        copy.write_all(&bytes)?;
        tally.line(String::from_utf8_lossy(&bytes).trim_end());
        bytes.clear();
    }
    Ok(tally)
}
