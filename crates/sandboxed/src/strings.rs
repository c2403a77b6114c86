//! Strings for the kernel: bytes without a NUL, and an error that says which one had it.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::Error;

/// `text` as the kernel takes it.
pub(crate) fn c_string(what: &'static str, text: &OsStr) -> Result<CString, Error> {
    CString::new(text.as_bytes()).map_err(|_| Error::Nul {
        what,
        text: text.to_owned(),
    })
}

/// `NAME=value` as the kernel takes it.
pub(crate) fn variable(name: OsString, value: &OsStr) -> Result<CString, Error> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(Error::VariableName { name });
    }
    let mut bytes = name.into_vec();
    bytes.reserve_exact(value.len() + 2);
    bytes.push(b'=');
    bytes.extend_from_slice(value.as_bytes());
    CString::new(bytes).map_err(|error| Error::Nul {
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
            error.to_string(),
            "an argument contains a NUL byte: `a\\0b`"
        );
    }
}
