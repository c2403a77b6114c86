//! What a command's environment has that the policy does not give.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};

use crate::strings::{BadString, variable};

/// Variables that are set and removed on top of what the policy gives.
#[derive(Default)]
pub(crate) struct Changes {
    clear: bool,
    /// `None` removes.
    variables: BTreeMap<OsString, Option<OsString>>,
}

impl Changes {
    /// Nothing of what the policy gives.
    pub(crate) fn cleared() -> Self {
        Self {
            clear: true,
            variables: BTreeMap::new(),
        }
    }

    pub(crate) fn set(&mut self, name: &OsStr, value: &OsStr) {
        self.variables
            .insert(name.to_owned(), Some(value.to_owned()));
    }

    pub(crate) fn remove(&mut self, name: &OsStr) {
        self.variables.insert(name.to_owned(), None);
    }

    /// The variables inside.
    pub(crate) fn variables<'a>(
        &'a self,
        given: &'a [(OsString, OsString)],
    ) -> impl Iterator<Item = (&'a OsString, &'a OsString)> {
        let kept = given
            .iter()
            .filter(|(name, _)| !self.clear && !self.variables.contains_key(name));
        let set = self
            .variables
            .iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)));
        kept.map(|(name, value)| (name, value)).chain(set)
    }

    /// The variables inside as the kernel takes them, and the value of `PATH` among them.
    pub(crate) fn apply(
        &self,
        given: &[(OsString, OsString)],
    ) -> Result<(Vec<CString>, Option<OsString>), BadString> {
        let (mut strings, mut path) = (Vec::new(), None);
        for (name, value) in self.variables(given) {
            strings.push(variable(name.clone(), value)?);
            if name == "PATH" {
                path = Some(value.clone());
            }
        }
        Ok((strings, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(changes: &Changes) -> (Vec<String>, Option<OsString>) {
        let given = [("A", "1"), ("PATH", "/bin")].map(|(name, value)| (name.into(), value.into()));
        let (strings, path) = changes.apply(&given).unwrap();
        (
            strings
                .into_iter()
                .map(|string| string.into_string().unwrap())
                .collect(),
            path,
        )
    }

    fn changes(clear: bool, variables: &[(&str, Option<&str>)]) -> Changes {
        Changes {
            clear,
            variables: variables
                .iter()
                .map(|(name, value)| (name.into(), value.map(Into::into)))
                .collect(),
        }
    }

    #[test]
    fn what_the_command_sets_comes_on_top_of_what_the_policy_gives() {
        for (changes, expected, path) in [
            (changes(false, &[]), vec!["A=1", "PATH=/bin"], Some("/bin")),
            (
                changes(false, &[("A", Some("2"))]),
                vec!["PATH=/bin", "A=2"],
                Some("/bin"),
            ),
            (
                changes(false, &[("A", None), ("PATH", Some("/x"))]),
                vec!["PATH=/x"],
                Some("/x"),
            ),
            (changes(false, &[("PATH", None)]), vec!["A=1"], None),
            (changes(true, &[("B", Some(""))]), vec!["B="], None),
        ] {
            assert_eq!(
                apply(&changes),
                (
                    expected.iter().map(ToString::to_string).collect(),
                    path.map(OsString::from)
                )
            );
        }
    }

    #[test]
    fn what_the_kernel_would_cut_off_or_misread_is_an_error() {
        assert!(matches!(
            changes(false, &[("A=B", Some("1"))]).apply(&[]),
            Err(BadString::VariableName { .. })
        ));
        assert!(matches!(
            changes(false, &[("", Some("1"))]).apply(&[]),
            Err(BadString::VariableName { .. })
        ));
        assert!(matches!(
            changes(false, &[("A", Some("1\0"))]).apply(&[]),
            Err(BadString::Nul { .. })
        ));
    }
}
