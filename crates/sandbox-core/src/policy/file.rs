//! Reading a policy file: bounded, and without waiting for whatever the name turns out to be.

use std::fs::FileType;
use std::io::{self, Read as _};
use std::path::Path;

use super::Policy;
use crate::os::{is_device, is_fifo, open_without_waiting};
use crate::source::Document;
use crate::{PolicyError, PolicyErrors};

/// The size of a policy that nobody writes by hand.
pub(super) const LIMIT: usize = 1 << 20;

/// Reads a policy file.
pub(super) fn read(path: &Path) -> Result<Policy, PolicyErrors> {
    let parse = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Policy::from_toml,
        Some("json") => Policy::from_json,
        _ => {
            return Err(PolicyError::UnknownFormat {
                path: path.to_path_buf(),
            }
            .into());
        }
    };
    parse(&text(path)?, Some(path))
}

/// Reads a file of whatever name.
pub(super) fn text(path: &Path) -> Result<String, PolicyErrors> {
    let cannot_read = |error: io::Error| PolicyError::Read {
        path: path.to_path_buf(),
        source: error.into(),
    };

    let file = open_without_waiting(path).map_err(cannot_read)?;
    let kind = file.metadata().map_err(cannot_read)?.file_type();
    if !kind.is_file() {
        return Err(PolicyError::NotAFile {
            path: path.to_path_buf(),
            found: name_of(kind),
        }
        .into());
    }
    let mut bytes = Vec::new();
    // One byte more than allowed: the size in the metadata may be outdated, and is 0 in procfs.
    file.take(LIMIT as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot_read)?;
    if bytes.len() > LIMIT {
        return Err(PolicyError::TooLarge {
            path: Some(path.to_path_buf()),
        }
        .into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        not_utf8(error.as_bytes(), valid, path).into()
    })
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        _ if kind.is_dir() => "a directory",
        _ if is_fifo(kind) => "a FIFO",
        _ if is_device(kind) => "a device",
        _ => "something else",
    }
}

fn not_utf8(bytes: &[u8], valid: usize, path: &Path) -> PolicyError {
    // The replacement character stands where the first wrong byte does.
    let document = Document::new(&String::from_utf8_lossy(bytes), Some(path));
    let at = document.at(valid..valid + char::REPLACEMENT_CHARACTER.len_utf8());
    PolicyError::not_text(at, "a byte that is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_policy_file_is_refused_without_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir(at("directory.toml")).unwrap();
        std::fs::write(at("large.toml"), "#".repeat(LIMIT + 1)).unwrap();
        std::fs::write(at("largest.toml"), "#".repeat(LIMIT)).unwrap();
        std::fs::write(at("bytes.toml"), b"# \xc3\xa9\n# a\xff\n").unwrap();
        std::fs::write(at("nul.json"), "{}\0").unwrap();
        std::fs::write(at("nul.toml"), "a\0 = 1").unwrap();
        std::fs::write(at("policy.yaml"), "{}").unwrap();
        std::fs::write(at("policy"), "").unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("device.toml")).unwrap();
        std::os::unix::fs::symlink("missing", at("dangling.toml")).unwrap();
        std::os::unix::fs::symlink("loop.toml", at("loop.toml")).unwrap();
        let fifo = std::process::Command::new("mkfifo")
            .arg(at("fifo.toml"))
            .status()
            .unwrap();
        assert!(fifo.success());

        let refusal = |name: &str| match Policy::from_file(at(name)) {
            Ok(_) => "accepted".to_owned(),
            Err(errors) => errors
                .to_string()
                .replace(&*directory.path().to_string_lossy(), "DIR"),
        };
        let table = [
            (
                "directory.toml",
                "`DIR/directory.toml` is a directory, not a policy file",
            ),
            ("fifo.toml", "`DIR/fifo.toml` is a FIFO, not a policy file"),
            (
                "device.toml",
                "`DIR/device.toml` is a device, not a policy file",
            ),
            (
                "missing.toml",
                "cannot read the policy `DIR/missing.toml`: No such file or directory (os error 2)",
            ),
            (
                "dangling.toml",
                "cannot read the policy `DIR/dangling.toml`: No such file or directory (os error 2)",
            ),
            (
                "loop.toml",
                "cannot read the policy `DIR/loop.toml`: Too many levels of symbolic links (os error 40)",
            ),
            (
                "large.toml",
                "the policy `DIR/large.toml` is larger than 1 MiB",
            ),
            ("largest.toml", "accepted"),
            (
                "bytes.toml",
                "DIR/bytes.toml:2: invalid text: a byte that is not UTF-8",
            ),
            ("nul.json", "DIR/nul.json:1: invalid text: a NUL byte"),
            ("nul.toml", "DIR/nul.toml:1: invalid text: a NUL byte"),
            (
                "policy.yaml",
                "the name `DIR/policy.yaml` does not say whether it is TOML or JSON (give it a name that ends in `.toml` or `.json`)",
            ),
            (
                "policy",
                "the name `DIR/policy` does not say whether it is TOML or JSON (give it a name that ends in `.toml` or `.json`)",
            ),
        ];
        for (name, expected) in table {
            assert_eq!(refusal(name), expected);
        }
    }
}
