//! Strings for the kernel: bytes without a NUL, and an error that says which one had it.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What the kernel would cut off or misread.
#[derive(Debug)]
pub(crate) enum BadString {
    /// A NUL byte is in it.
    Nul { what: &'static str, text: OsString },
    /// It is no name of a variable.
    VariableName { name: OsString },
}

/// `text` as the kernel takes it.
pub(crate) fn c_string(what: &'static str, text: &OsStr) -> Result<CString, BadString> {
    CString::new(text.as_bytes()).map_err(|_| BadString::Nul {
        what,
        text: text.to_owned(),
    })
}

/// `NAME=value` as the kernel takes it.
pub(crate) fn variable(name: OsString, value: &OsStr) -> Result<CString, BadString> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(BadString::VariableName { name });
    }
    let mut bytes = name.into_vec();
    bytes.reserve_exact(value.len() + 2);
    bytes.push(b'=');
    bytes.extend_from_slice(value.as_bytes());
    CString::new(bytes).map_err(|error| BadString::Nul {
        what: "a variable",
        text: OsString::from_vec(error.into_vec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_is_an_error_and_not_an_end() {
        assert_eq!(
            c_string("an argument", OsStr::new("ab"))
                .unwrap()
                .as_c_str(),
            c"ab"
        );
        let error = c_string("an argument", OsStr::new("a\0b")).unwrap_err();
        assert_eq!(
            crate::Error::from(error).to_string(),
            "an argument contains a NUL byte: `a\\0b`"
        );
    }
}
