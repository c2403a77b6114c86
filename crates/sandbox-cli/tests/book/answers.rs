//! Tables that say what a policy means: a path or a `$VARIABLE`, and its access.

use std::path::Path;

use serde_json::Value;

use crate::session::Session;

/// `sandbox explain` says of the policy what every row says. A table is about paths or about variables.
#[track_caller]
pub(crate) fn are_given(session: &mut Session, place: &str, policy: &Path, rows: &[&str]) {
    assert!(!rows.is_empty(), "{place}: no table follows");
    let policy = policy.display();
    // The reader wrote it.
    let (printed, approved) = session.type_line(&format!("sandbox trust '{policy}'"));
    assert!(approved, "{place}: {printed}");

    let mut line = format!("sandbox explain --policy '{policy}' --json");
    for row in rows {
        let name = cell(row, 1);
        let question = if name.starts_with('$') {
            name.replace('$', " --env ")
        } else {
            // A pattern to a shell.
            format!(" {}", name.replace('[', "\\["))
        };
        line.push_str(&question);
    }
    let (printed, _) = session.type_line(&line);
    let said = serde_json::from_str::<Value>(&printed).ok();
    let answers = said
        .as_ref()
        .and_then(|said| said.get("answers")?.as_array());
    let answers = answers.unwrap_or_else(|| panic!("{place}: {printed}"));
    let by_row: Vec<_> = answers.chunks(answers.len() / rows.len()).collect();
    assert_eq!(by_row.len(), rows.len(), "{place}: {printed}");
    for (row, answer) in rows.iter().zip(by_row) {
        assert_eq!(access(answer), cell(row, 2), "{place}: {row}\n{answer:#?}");
    }
}

fn cell(row: &str, at: usize) -> &str {
    let cell = row.split('|').nth(at).unwrap_or_default();
    cell.trim().trim_matches('`')
}

/// The access that the answers about reading and writing come from, or what becomes of a variable.
fn access(answers: &[Value]) -> &'static str {
    let is = |answer: &Value, key: &str, value: &str| {
        answer.get(key).and_then(Value::as_str) == Some(value)
    };
    let allows = |answer: &Value| is(answer, "verdict", "allow");
    match answers {
        [variable] if !allows(variable) => "drop",
        [variable] if variable.get("set").is_some_and(Value::is_string) => "set",
        [_] => "pass",
        [_, write] if allows(write) && is(write, "inside", "scratch") => "scratch",
        [_, write] if allows(write) => "write",
        [read, _] if allows(read) => "read",
        _ => "hide",
    }
}
