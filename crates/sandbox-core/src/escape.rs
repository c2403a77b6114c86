//! Bytes of others (paths, names, values) made fit for a terminal or a log: a control character in them can neither
//! move the cursor, nor hide text, nor begin a line of its own.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::path::Path;

/// Text whose `Display` shows what is not printable as `\u{1b}`, `\n` or, where it is not UTF-8, `\xff`.
///
/// ```
/// use sandbox_core::escaped;
///
/// assert_eq!(escaped("plain é \"text\"").to_string(), "plain é \"text\"");
/// assert_eq!(escaped("a\u{1b}[2J\nb").to_string(), "a\\u{1b}[2J\\nb");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a OsStr);

/// Makes text of others printable.
pub fn escaped<S: AsRef<OsStr> + ?Sized>(text: &S) -> Escaped<'_> {
    Escaped(text.as_ref())
}

/// Makes a path printable.
pub(crate) fn escaped_path(path: &Path) -> Escaped<'_> {
    Escaped(path.as_os_str())
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.as_encoded_bytes().utf8_chunks() {
            // `escape_debug` knows what is printable (bidirectional overrides are not), but quotes what is harmless.
            for piece in chunk.valid().split_inclusive(['"', '\'', '\\']) {
                let (plain, quoted) = match piece.char_indices().next_back() {
                    Some((at, '"' | '\'' | '\\')) => piece.split_at(at),
                    _ => (piece, ""),
                };
                write!(f, "{}", plain.escape_debug())?;
                f.write_str(quoted)?;
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// A string as TOML spells it, on one line and with nothing unprintable in it.
///
/// ```
/// assert_eq!(sandbox_core::toml_string("a \"b\"\n"), r#""a \"b\"\u000A""#);
/// ```
#[must_use]
pub fn toml_string(text: &str) -> String {
    let mut string = String::with_capacity(text.len() + 2);
    string.push('"');
    for character in text.chars() {
        let code = u32::from(character);
        // Writing to a string does not fail.
        let _ = match character {
            '"' | '\\' => write!(string, "\\{character}"),
            '\'' => string.write_char(character),
            _ if character.escape_debug().count() == 1 => string.write_char(character),
            _ if code <= 0xffff => write!(string, "\\u{code:04X}"),
            _ => write!(string, "\\U{code:08X}"),
        };
    }
    string.push('"');
    string
}

/// JSON with everything escaped that is not printable ASCII: fit for a terminal, and one line. Beyond it there are only strings.
///
/// ```
/// assert_eq!(sandbox_core::ascii_json("\"a\u{9b}\u{1f600}\""), r#""a\u009b\ud83d\ude00""#);
/// ```
#[must_use]
pub fn ascii_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            text.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_unprintable_is_left() {
        let table = [
            ("", ""),
            ("/home/ana/Übung 1", "/home/ana/Übung 1"),
            ("it's \"q\" \\ b", "it's \"q\" \\ b"),
            (
                "\0\u{7}\u{1b}\u{7f}\u{9b}",
                "\\0\\u{7}\\u{1b}\\u{7f}\\u{9b}",
            ),
            ("a\u{202e}b\u{2066}c", "a\\u{202e}b\\u{2066}c"),
            ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ];
        for (text, expected) in table {
            assert_eq!(escaped(text).to_string(), expected);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_shown_in_hex() {
        use crate::os::OsStrExt as _;
        assert_eq!(
            escaped(OsStr::from_bytes(b"a\xff\xfe/b\xc3")).to_string(),
            "a\\xff\\xfe/b\\xc3"
        );
    }
}
