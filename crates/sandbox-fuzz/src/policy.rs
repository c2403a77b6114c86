//! The text of a policy, in both of its forms.

use sandbox_core::{Policy, PolicyErrors};

pub(crate) fn toml(input: &[u8]) {
    parsed(input, |text| Policy::from_toml(text, None));
}

pub(crate) fn json(input: &[u8]) {
    parsed(input, |text| Policy::from_json(text, None));
}

/// A policy reads back as it is printed; an error can be shown.
fn parsed(input: &[u8], parse: impl Fn(&str) -> Result<Policy, PolicyErrors>) {
    let Ok(text) = str::from_utf8(input) else {
        return;
    };
    match parse(text) {
        Ok(policy) => {
            let printed = policy.to_string();
            match Policy::from_toml(&printed, None) {
                Ok(again) => assert_eq!(again.to_string(), printed),
                Err(errors) => panic!("{printed:?} does not read back: {errors}"),
            }
        }
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}
