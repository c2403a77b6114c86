//! Unix sockets by their paths.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::{
        ffi::OsStrExt,
        net::{UnixListener, UnixStream},
    },
};

/// Connects to each and prints what it is told there.
pub(crate) fn unix(paths: &[OsString]) {
    for path in paths {
        report(UnixStream::connect(path).and_then(|mut stream| {
            let mut text = Vec::new();
            stream.read_to_end(&mut text)?;
            Ok([b"heard ", &*text].concat())
        }));
    }
}

/// Binds a socket to each and prints what it takes for its path.
pub(crate) fn bound(paths: &[OsString]) {
    for path in paths {
        report(UnixListener::bind(path).and_then(|listener| {
            let address = listener.local_addr()?;
            let path = address.as_pathname().ok_or(io::ErrorKind::InvalidData)?;
            Ok(path.as_os_str().as_bytes().to_vec())
        }));
    }
}

fn report(result: io::Result<Vec<u8>>) {
    let line = match result {
        Ok(line) => line,
        Err(error) => format!("failed {}", error.raw_os_error().unwrap_or(0)).into(),
    };
    let _ = io::stdout().write_all(&[&*line, b"\n"].concat());
}
