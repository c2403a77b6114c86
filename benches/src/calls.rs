//! Programs that do little else than one system call, again and again.

use std::fs::{self, File};

use crate::{Error, Project};

/// How often each file is asked for by one process.
const PASSES: usize = 5;

/// Does one system call for every file of the current directory's project, and again; or creates and removes as many, each once.
///
/// # Errors
///
/// [`Error::Prepare`] for the first that fails.
pub fn calls(call: &str, files: usize) -> Result<(), Error> {
    if call == "create" {
        return create(files);
    }
    let paths: Vec<_> = (0..files).map(Project::file).collect();
    for path in (0..PASSES).flat_map(|_| &paths) {
        let done = match call {
            "stat" => fs::metadata(path).map(|_| ()),
            _ => File::open(path).map(drop),
        };
        done.map_err(|source| Error::Prepare {
            path: path.into(),
            source,
        })?;
    }
    Ok(())
}

fn create(files: usize) -> Result<(), Error> {
    for number in 0..files {
        let path = format!("target/new-{number}");
        let done = File::create_new(&path).and_then(|_| fs::remove_file(&path));
        done.map_err(|source| Error::Prepare {
            path: path.into(),
            source,
        })?;
    }
    Ok(())
}
