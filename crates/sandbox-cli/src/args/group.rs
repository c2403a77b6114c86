//! The names of `--protect`.

use std::sync::LazyLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use sandboxed::ProtectedGroup;

#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupName(pub(crate) ProtectedGroup);

static NAMES: LazyLock<Vec<GroupName>> =
    LazyLock::new(|| ProtectedGroup::ALL.iter().copied().map(GroupName).collect());

impl ValueEnum for GroupName {
    fn value_variants<'a>() -> &'a [Self] {
        &NAMES
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.0.as_str()).help(about(self.0)))
    }
}

const fn about(group: ProtectedGroup) -> &'static str {
    match group {
        ProtectedGroup::Ci => {
            "What a CI runs by itself: .github/workflows, .gitlab-ci.yml, Jenkinsfile and the like"
        }
        _ => "",
    }
}
