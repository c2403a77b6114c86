//! Terminals: taken and described.

use super::raw;
use std::{
    ffi::{OsString, c_int},
    fs::File,
    io::Read,
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

const TIOCGWINSZ: u64 = 0x5413;
const SIGWINCH: c_int = 28;

/// Makes the terminal on descriptor 0 that of a new session, and becomes the command.
///
/// Runs outside: it is how a test gives the sandbox a terminal.
pub(crate) fn take_and_run(command: &[OsString]) -> ExitCode {
    raw::setsid();
    // The tests may run in the background of a script, which ignores the keys' signals.
    [2, 3].into_iter().for_each(raw::default_action);
    if !raw::take_terminal(0) {
        println!("no terminal: {}", raw::errno());
        return ExitCode::FAILURE;
    }
    if let Some((program, args)) = command.split_first() {
        let error = Command::new(program).args(args).exec();
        println!("cannot run: {error}");
    }
    ExitCode::FAILURE
}

/// Prints which descriptors are terminals, and whether `/dev/tty` opens.
pub(crate) fn describe() {
    let terminals: Vec<bool> = (0..3).map(|fd| raw::isatty(fd) == 1).collect();
    println!("terminals {terminals:?}");
    match File::options().read(true).write(true).open("/dev/tty") {
        Ok(_) => println!("/dev/tty opens"),
        Err(error) => println!("/dev/tty: errno {}", error.raw_os_error().unwrap_or(0)),
    }
    println!("size {}", size());
}

fn size() -> String {
    let mut buffer = [0; 64];
    match raw::control(0, TIOCGWINSZ, &mut buffer) {
        Ok(_) => {
            let [rows, _, columns, ..] = buffer;
            format!("{rows}x{columns}")
        }
        Err(errno) => format!("errno {errno}"),
    }
}

/// Prints the size of the terminal, and again after each change.
pub(crate) fn print_sizes() {
    let mut source = raw::signal_file(&[SIGWINCH]);
    let mut info = [0; 128];
    println!("size {}", size());
    while source.read_exact(&mut info).is_ok() {
        println!("size {}", size());
    }
}
