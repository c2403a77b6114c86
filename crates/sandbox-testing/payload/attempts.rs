//! Attempts on files, given on standard input: verb, path, other path, each ended by a zero byte. For each an answer, ended
//! likewise: `ok SEEN` with the content of a file or the names of a directory, or `errno NUMBER`.

use std::{
    ffi::OsStr,
    fs,
    fs::OpenOptions,
    io::{self, Read, Write},
    os::unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    path::Path,
    process::{Command, Stdio},
};

/// `O_NONBLOCK`: nobody is at the other end of a FIFO.
const NONBLOCK: i32 = 0o4000;
/// Another thread of the caller may still have the file open for writing (execve(2)).
const TEXT_BUSY: i32 = 26;

/// Makes attempts until the input ends.
pub(crate) fn make() {
    let mut input = io::stdin().lock();
    while let Some(words) = words(&mut input) {
        let [verb, path, to] = words.each_ref().map(Vec::as_slice);
        let answer = match attempt(verb, path_of(path), path_of(to)) {
            Ok(seen) => [b"ok ".as_slice(), &seen, b"\0"].concat(),
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(-1);
                format!("errno {errno}\0").into_bytes()
            }
        };
        let mut output = io::stdout().lock();
        if output.write_all(&answer).and(output.flush()).is_err() {
            return;
        }
    }
}

fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn words(input: &mut impl Read) -> Option<[Vec<u8>; 3]> {
    let mut words = [const { Vec::new() }; 3];
    for word in &mut words {
        let mut byte = [0];
        loop {
            input.read_exact(&mut byte).ok()?;
            if byte == [0] {
                break;
            }
            word.extend_from_slice(&byte);
        }
    }
    Some(words)
}

fn attempt(verb: &[u8], path: &Path, to: &Path) -> io::Result<Vec<u8>> {
    match verb {
        b"read" => {
            let mut content = Vec::new();
            let mut options = OpenOptions::new();
            let mut file = options.read(true).custom_flags(NONBLOCK).open(path)?;
            file.read_to_end(&mut content)?;
            return Ok(content);
        }
        b"list" => {
            let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
            let names: Vec<_> = names.collect::<io::Result<_>>()?;
            return Ok(names.join(OsStr::new("/")).as_bytes().to_vec());
        }
        b"execute" => execute(path)?,
        b"write" => {
            let mut options = OpenOptions::new();
            let mut file = options.append(true).custom_flags(NONBLOCK).open(path)?;
            file.write_all(b"written inside\n")?;
        }
        b"create" => {
            OpenOptions::new().write(true).create_new(true).open(path)?;
        }
        b"delete" if fs::symlink_metadata(path)?.is_dir() => fs::remove_dir(path)?,
        b"delete" => fs::remove_file(path)?,
        b"rename" => fs::rename(path, to)?,
        other => panic!("unknown attempt {other:?}"),
    }
    Ok(Vec::new())
}

fn execute(path: &Path) -> io::Result<()> {
    loop {
        let status = Command::new(path).stdout(Stdio::null()).status();
        match status {
            Err(error) if error.raw_os_error() == Some(TEXT_BUSY) => std::thread::yield_now(),
            Ok(status) => {
                assert!(status.success(), "{}: {status}", path.display());
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}
