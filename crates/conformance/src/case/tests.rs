use super::*;

fn with(line: &str) -> Result<Vec<Table>, String> {
    tables(&format!(
        "kind = 'files'\n[[table]]\nname = 'a table'\npolicy = {{ '.' = 'read' }}\nhost = {{}}\n{line}"
    ))
}

#[test]
fn a_table_is_read() {
    let line = r"attempts = [{ rename = 'a\xff', to = 'b', expected = 'denied', reason = 'why' }]";
    let tables = with(line).unwrap();
    let case = &tables[0].cases[0];
    assert_eq!(case.attempt.verb(), "rename");
    assert_eq!(case.expected, Expected::Denied);
    assert_eq!(tables[0].policy, [(".".into(), Access::Read)]);
}

#[test]
fn what_is_not_known_is_an_error() {
    let attempt = "read = 'a', expected = 'hidden', reason = 'why'";
    for (line, message) in [
        ("attempts = []\nother = 1", "a table: unknown key `other`"),
        (
            &format!("attempts = [{{ {attempt}, other = 1 }}]"),
            "a table: why: unknown key `other`",
        ),
        (
            &format!("attempts = [{{ {attempt}, to = 'b' }}]"),
            "a table: why: unknown key `to`",
        ),
        (
            &format!("attempts = [{{ {attempt}, write = 'a' }}]"),
            "a table: why: one attempt a line",
        ),
        (
            &format!("attempts = [{{ {attempt}, decide = 'allow' }}]"),
            "a table: why: `decide` needs a `limit`",
        ),
        (
            "attempts = [{ read = 'a', expected = 'hidden' }]",
            "a table: `reason` is missing",
        ),
        (
            "attempts = [{ read = 'a', expected = 'gone', reason = 'why' }]",
            "a table: why: `gone` is nothing to expect",
        ),
        (
            "attempts = []\nmounts = { 'm' = { flags = 'ro' } }",
            "a table: a mount is a file system or a second name",
        ),
        (
            "attempts = []\nmounts = { 'm' = { type = 'tmpfs', flags = 'ro,suid' } }",
            "a table: unknown flag `suid`",
        ),
    ] {
        assert_eq!(with(line).unwrap_err(), message);
    }
    let other = "kind = 'network'\ntable = []";
    assert_eq!(
        tables(other).unwrap_err(),
        "the file: unknown kind `network`"
    );
}
