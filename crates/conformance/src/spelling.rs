//! How names that are not text are spelled in case files: `\xNN` is a byte, `\\` a backslash.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The bytes that a spelling means. `None` for a backslash before anything else.
#[must_use]
pub fn unspelled(text: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else {
            let digits = after.strip_prefix('x')?;
            bytes.push(u8::from_str_radix(digits.get(..2)?, 16).ok()?);
            rest = digits.get(2..)?;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(OsString::from_vec(bytes))
}

/// The spelling of a name.
#[must_use]
pub fn spelled(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('\\', r"\\"));
        text.extend(chunk.invalid().iter().map(|byte| format!(r"\x{byte:02x}")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_spelled_by_their_number() {
        for (spelling, bytes) in [
            ("a b\n", b"a b\n".as_slice()),
            (r"caf\xe9", b"caf\xe9"),
            (r"a\\b", br"a\b"),
        ] {
            let name = OsStr::from_bytes(bytes);
            assert_eq!(unspelled(spelling).unwrap(), name);
            assert_eq!(spelled(name), spelling);
        }
        for bad in [r"a\", r"\n", r"\x1", r"\xzz"] {
            assert_eq!(unspelled(bad), None, "{bad}");
        }
    }
}
