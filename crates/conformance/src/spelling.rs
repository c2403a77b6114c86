//! How names that are not text are spelled in case files: `\xNN` is a byte, `\\` a backslash.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// The bytes that a spelling means. `None` for a backslash before anything else.
pub(crate) fn unspelled(text: &str) -> Option<OsString> {
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

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn bytes_that_are_no_text_are_spelled_by_their_number() {
        for (spelling, bytes) in [
            ("a b\n", b"a b\n".as_slice()),
            (r"caf\xe9", b"caf\xe9"),
            (r"a\\b", br"a\b"),
        ] {
            assert_eq!(unspelled(spelling).unwrap().as_bytes(), bytes);
        }
        for bad in [r"a\", r"\n", r"\x1", r"\xzz"] {
            assert_eq!(unspelled(bad), None, "{bad}");
        }
    }
}
