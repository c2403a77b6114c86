//! Where a program without a slash in its name is looked for: in the `PATH` *inside*, never in the caller's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Searched where the environment inside has no `PATH`.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The paths that may be `program`, in the order in which they are tried, as `execvp(3)` has it.
///
/// A name with a slash is used as it is: a relative one then starts in the directory inside. An empty element of `path`
/// means that directory, too.
pub(crate) fn candidates(program: &OsStr, path: Option<&OsStr>) -> Vec<PathBuf> {
    if program.is_empty() || program.as_bytes().contains(&b'/') {
        return vec![program.into()];
    }
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    std::env::split_paths(path)
        .map(|directory| {
            if directory.as_os_str().is_empty() {
                Path::new(".").join(program)
            } else {
                directory.join(program)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_searched_and_paths_are_not() {
        for (program, path, expected) in [
            ("ls", Some("/a:/b"), vec!["/a/ls", "/b/ls"]),
            ("ls", Some("/a::b"), vec!["/a/ls", "./ls", "b/ls"]),
            ("ls", Some(""), vec!["./ls"]),
            (
                "ls",
                None,
                vec!["/usr/local/bin/ls", "/usr/bin/ls", "/bin/ls"],
            ),
            ("./ls", Some("/a"), vec!["./ls"]),
            ("bin/ls", Some("/a"), vec!["bin/ls"]),
            ("/bin/ls", Some("/a"), vec!["/bin/ls"]),
            ("", Some("/a"), vec![""]),
        ] {
            let found = candidates(OsStr::new(program), path.map(OsStr::new));
            assert_eq!(
                found,
                expected.iter().map(PathBuf::from).collect::<Vec<_>>(),
                "{program} in {path:?}"
            );
        }
    }
}
