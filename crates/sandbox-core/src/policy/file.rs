//! Reading a policy file: bounded, and without waiting for whatever the name turns out to be.

use std::fs::{File, FileType};
use std::io::{self, Read as _};
use std::path::Path;

use super::Policy;
use super::decode::Decoded;
use super::parse::{self, Parser};
use crate::os::{is_device, is_fifo, names, open_without_waiting, version};
use crate::source::Document;
use crate::{PolicyError, PolicyErrors};

/// The size of a policy that nobody writes by hand.
pub(super) const LIMIT: usize = 1 << 20;

/// A file as it was read: once, by one descriptor.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) bytes: Vec<u8>,
    /// How many names the file has: by another one it may be written where this one's place can't be.
    pub(super) names: u64,
}

/// Reads a policy file of whatever format that is known.
pub(super) fn contents(path: &Path) -> Result<Contents, PolicyError> {
    format(path)?;
    any_contents(path)
}

/// Reads the text of a file of whatever name.
pub(super) fn text(path: &Path) -> Result<String, PolicyErrors> {
    String::from_utf8(any_contents(path)?.bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        not_utf8(error.as_bytes(), valid, path).into()
    })
}

/// Reads a regular file of whatever name, and how many it has.
pub(crate) fn read_regular(path: &Path) -> Result<(Vec<u8>, u64), PolicyError> {
    any_contents(path).map(|contents| (contents.bytes, contents.names))
}

fn any_contents(path: &Path) -> Result<Contents, PolicyError> {
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
        });
    }
    // One byte more than allowed: the size in the metadata may be outdated, and is 0 in procfs.
    let all = |mut file: &File| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        file.by_ref()
            .take(LIMIT as u64 + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match unchanged(&file, all).map_err(cannot_read)? {
        None => Err(PolicyError::Changed {
            path: path.to_path_buf(),
        }),
        Some(bytes) if bytes.len() > LIMIT => Err(PolicyError::TooLarge {
            path: Some(path.to_path_buf()),
        }),
        Some(bytes) => Ok(Contents {
            bytes,
            names: names(&file.metadata().map_err(cannot_read)?),
        }),
    }
}

/// What `read` gives, unless the file is written meanwhile: half of an old policy and half of a new one is neither.
fn unchanged<T>(file: &File, read: impl FnOnce(&File) -> io::Result<T>) -> io::Result<Option<T>> {
    let before = version(&file.metadata()?);
    let content = read(file)?;
    Ok((before == version(&file.metadata()?)).then_some(content))
}

/// What these bytes say, by the name of their file.
pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Decoded, PolicyErrors> {
    let parse = format(path)?;
    let text = str::from_utf8(bytes).map_err(|error| not_utf8(bytes, error.valid_up_to(), path))?;
    Policy::decode(text, Some(path), parse)
}

fn format(path: &Path) -> Result<Parser, PolicyError> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => Ok(parse::toml),
        Some("json") => Ok(parse::json),
        _ => Err(PolicyError::UnknownFormat {
            path: path.to_path_buf(),
        }),
    }
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
    fn a_file_that_is_written_while_it_is_read_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("p.toml");
        std::fs::write(&path, "").unwrap();
        let file = File::open(&path).unwrap();
        assert_eq!(unchanged(&file, |_| Ok(1)).unwrap(), Some(1));
        let written = |_: &File| std::fs::write(&path, "[files]");
        assert_eq!(unchanged(&file, written).unwrap(), None);
        assert_eq!(
            PolicyError::Changed {
                path: "p.toml".into()
            }
            .to_string(),
            "the policy `p.toml` changed while it was read"
        );
    }

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
        std::fs::write(at("bom.toml"), "\u{feff}[files]\n").unwrap();
        std::fs::write(at("bom.json"), "\u{feff}{}").unwrap();
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
                "`DIR/directory.toml` is a directory, not a policy file (name a regular file)",
            ),
            (
                "fifo.toml",
                "`DIR/fifo.toml` is a FIFO, not a policy file (name a regular file)",
            ),
            (
                "device.toml",
                "`DIR/device.toml` is a device, not a policy file (name a regular file)",
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
                "DIR/bytes.toml:2: invalid text: a byte that is not UTF-8 (save it as plain UTF-8 text, without a byte order mark)",
            ),
            (
                "nul.json",
                "DIR/nul.json:1: invalid text: a NUL byte (save it as plain UTF-8 text, without a byte order mark)",
            ),
            (
                "nul.toml",
                "DIR/nul.toml:1: invalid text: a NUL byte (save it as plain UTF-8 text, without a byte order mark)",
            ),
            (
                "bom.toml",
                "DIR/bom.toml:1: invalid text: a byte order mark, which UTF-8 does without (save it as plain UTF-8 text, without a byte order mark)",
            ),
            (
                "bom.json",
                "DIR/bom.json:1: invalid text: a byte order mark, which UTF-8 does without (save it as plain UTF-8 text, without a byte order mark)",
            ),
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
