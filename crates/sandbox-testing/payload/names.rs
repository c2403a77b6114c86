//! Ways to make the name `.envrc` in the current directory, by which nobody might look; and calls that take their time.

use super::raw;
use std::{
    env,
    ffi::{c_int, c_long},
    fs,
    io::Write,
    os::{fd::IntoRawFd, unix::process::CommandExt},
    process::Command,
    sync::atomic::AtomicU64,
    thread,
};

// asm/unistd_64.h and asm-generic/unistd.h.
#[cfg(target_arch = "x86_64")]
const OPENAT: c_long = 257;
#[cfg(not(target_arch = "x86_64"))]
const OPENAT: c_long = 56;
#[cfg(target_arch = "x86_64")]
const SECCOMP: c_long = 317;
#[cfg(not(target_arch = "x86_64"))]
const SECCOMP: c_long = 277;
#[cfg(target_arch = "x86_64")]
const PRCTL: c_long = 157;
#[cfg(not(target_arch = "x86_64"))]
const PRCTL: c_long = 167;
#[cfg(target_arch = "x86_64")]
const MEMFD_CREATE: c_long = 319;
#[cfg(not(target_arch = "x86_64"))]
const MEMFD_CREATE: c_long = 279;

const HERE: c_long = -100;
const CREATE: c_long = 0o101;
const SIGSTOP: c_int = 19;
const NO_NEW_PRIVS: c_long = 38;

/// An ordinary name and a protected one, of one word each.
const PLAIN: u64 = u64::from_ne_bytes(*b"plain\0\0\0");
const PROTECTED: [u8; 8] = *b".envrc\0\0";
static NAME: AtomicU64 = AtomicU64::new(PLAIN);

/// Makes the name by one of the ways, and prints what came of it.
pub(crate) fn make(words: &[String]) {
    let made = match words.first().map(String::as_str) {
        Some("plainly") => open(c".envrc".as_ptr().expose_provenance(), CREATE),
        Some("by-32-bit") => raw::open_as_i386(),
        Some("traced") => by_a_tracer(false),
        Some("filtered") => by_a_tracer(true),
        Some("unanswered") => unanswered(),
        Some("from-memory") => from_memory(),
        other => panic!("unknown way {other:?}"),
    };
    match made {
        Ok(_) => println!("made"),
        Err(errno) => println!("errno {errno}"),
    }
}

fn open(path: usize, flags: c_long) -> Result<c_long, c_int> {
    raw::call(OPENAT, [HERE, address(path), flags, 0o600, 0, 0])
}

fn address(path: usize) -> c_long {
    path.cast_signed() as c_long
}

/// A tracer lets the call begin with another name, or, by a filter of the tracee's own, as a call that only reads.
fn by_a_tracer(by_filter: bool) -> Result<c_long, c_int> {
    const TRACE: u32 = 0x7ff0_0000;
    let name = NAME.as_ptr().expose_provenance();
    let child = raw::fork();
    if child == 0 {
        if by_filter {
            // Nothing but calls that read is left to the tracer: of others the listener is asked first.
            filter(TRACE).unwrap();
        }
        raw::trace_me();
        raw::raise(SIGSTOP);
        let flags = if by_filter { 0 } else { CREATE };
        let opened = open(name, flags);
        raw::_exit(opened.err().unwrap_or(0));
    }
    raw::wait(child);
    if by_filter {
        raw::trace_filters(child);
        raw::resume(child);
    } else {
        raw::resume_to_call(child);
    }
    raw::wait(child);
    raw::poke(child, name, c_long::from_ne_bytes(PROTECTED));
    if by_filter {
        raw::set_third_argument(child, CREATE);
    }
    loop {
        raw::resume(child);
        let status = raw::wait(child);
        // The lower byte is the signal that has ended or stopped it.
        if status.to_le_bytes().first() == Some(&0) {
            return match status >> 8 {
                0 => Ok(0),
                errno => Err(errno),
            };
        }
    }
}

/// A filter that asks a listener which there is not, after the one that has one.
fn unanswered() -> Result<c_long, c_int> {
    const USER_NOTIF: u32 = 0x7fc0_0000;
    filter(USER_NOTIF)?;
    open(c".envrc".as_ptr().expose_provenance(), CREATE)
}

/// Installs a filter that has this answer for `openat`.
fn filter(answer: u32) -> Result<c_long, c_int> {
    let instruction = |code: u16, if_true: u8, if_false: u8, value: u32| {
        u64::from_ne_bytes(
            [
                code.to_ne_bytes().as_slice(),
                &[if_true, if_false],
                &value.to_ne_bytes(),
            ]
            .concat()
            .try_into()
            .unwrap(),
        )
    };
    // The number is the first word of `struct seccomp_data`.
    let program = [
        instruction(0x20, 0, 0, 0),
        instruction(0x15, 0, 1, u32::try_from(OPENAT).unwrap()),
        instruction(0x06, 0, 0, answer),
        instruction(0x06, 0, 0, 0x7fff_0000),
    ];
    let header = [
        program.len() as u64,
        program.as_ptr().expose_provenance() as u64,
    ];
    raw::call(PRCTL, [NO_NEW_PRIVS, 1, 0, 0, 0, 0])?;
    let header = address(header.as_ptr().expose_provenance());
    raw::call(SECCOMP, [1, 0, header, 0, 0, 0])
}

/// The same program once more, executed from memory.
fn from_memory() -> Result<c_long, c_int> {
    let name = address(c"program".as_ptr().expose_provenance());
    let memory = raw::call(MEMFD_CREATE, [name, 0, 0, 0, 0, 0])?;
    let program = fs::read(env::current_exe().unwrap()).unwrap();
    let mut file = raw::file(memory.try_into().unwrap());
    file.write_all(&program).unwrap();
    // What is open for writing is not executed.
    let path = format!("/proc/self/fd/{memory}");
    let reading = fs::File::open(&path).unwrap();
    drop(file);
    let path = format!("/proc/self/fd/{}", reading.into_raw_fd());
    let error = Command::new(path).args(["name", "plainly"]).exec();
    Err(error.raw_os_error().unwrap_or(0))
}

/// Says `ready` and makes names without end, one after the other in each of several threads, by calls that take their time: the way to
/// each goes up and down again so often as a path can say.
pub(crate) fn make_slowly() {
    fs::create_dir("d").unwrap();
    let here = env::current_dir().unwrap();
    let here = here.file_name().unwrap().to_str().unwrap();
    let way = format!("../{here}/{}", "d/../".repeat(700));
    for number in 0..6 {
        let way = way.clone();
        thread::spawn(move || {
            for round in 0.. {
                let path = format!("{way}made-{number}-{round}");
                drop(fs::File::create(&path));
                drop(fs::remove_file(&path));
            }
        });
    }
    println!("ready");
    loop {
        raw::pause();
    }
}
