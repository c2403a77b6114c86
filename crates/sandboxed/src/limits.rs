//! When the caller's own resource limits are what keeps a command from being started.

use std::io;

use nix::errno::Errno;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use sandbox_linux::LaunchError;

/// What to change about this process's limits, if they are the cause.
pub(crate) fn remedy(error: &LaunchError) -> Option<String> {
    match Errno::from_raw(source(error)?.raw_os_error()?) {
        // The second is `F_DUPFD`'s answer to a number beyond the limit (fcntl(2)).
        errno @ (Errno::EMFILE | Errno::EINVAL) if errno == Errno::EMFILE || few_files() => {
            Some("raise the number of open files: `ulimit -n 1024`".to_owned())
        }
        Errno::ENFILE => {
            Some("the host has too many open files: see `sysctl fs.file-max`".to_owned())
        }
        Errno::EFBIG => Some("raise the size of files: `ulimit -f unlimited`".to_owned()),
        Errno::ENOMEM | Errno::ENOBUFS => Some(memory()),
        _ => None,
    }
}

/// Init and the commands have the limits of this process, and none of what it takes.
fn memory() -> String {
    const STACK_NEEDED: u64 = 64 << 10;
    let is_below = |resource, bound| getrlimit(resource).is_ok_and(|(soft, _)| soft < bound);
    let raise = if is_below(Resource::RLIMIT_STACK, STACK_NEEDED) {
        "raise the size of the stack: `ulimit -s 8192`"
    } else if is_below(Resource::RLIMIT_AS, RLIM_INFINITY) {
        "raise the size of memory: `ulimit -v unlimited`"
    } else if is_below(Resource::RLIMIT_DATA, RLIM_INFINITY) {
        "raise the size of data: `ulimit -d unlimited`"
    } else {
        "free some: the host has none left, or the control group of this process may have no more (`memory.max`)"
    };
    raise.to_owned()
}

/// Whether so few files may be open that no sandbox starts, whatever is open.
fn few_files() -> bool {
    const NEEDED: u64 = 15;
    getrlimit(Resource::RLIMIT_NOFILE).is_ok_and(|(soft, _)| soft < NEEDED)
}

fn source(error: &LaunchError) -> Option<&io::Error> {
    match error {
        LaunchError::Image { source }
        | LaunchError::Prepare { source, .. }
        | LaunchError::Clone { source, .. }
        | LaunchError::Step { source, .. }
        | LaunchError::Confine { source, .. }
        | LaunchError::Exec { source, .. } => Some(source),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_the_callers_is_told_as_such() {
        for (errno, expected) in [
            (Errno::EMFILE, Some("ulimit -n")),
            (Errno::EFBIG, Some("ulimit -f")),
            (Errno::ENFILE, Some("fs.file-max")),
            (Errno::ENOMEM, Some("memory.max")),
            (Errno::EACCES, None),
        ] {
            let error = LaunchError::Prepare {
                action: "make the control socket",
                source: errno.into(),
            };
            let remedy = remedy(&error);
            assert_eq!(remedy.is_some(), expected.is_some(), "{errno}");
            assert!(
                remedy
                    .unwrap_or_default()
                    .contains(expected.unwrap_or_default())
            );
        }
    }
}
