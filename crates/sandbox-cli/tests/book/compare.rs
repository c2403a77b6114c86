//! Whether what was printed is what a page shows. `…` stands for anything in a line; alone, for any number of lines.

/// Whether these lines are those.
pub(crate) fn is_like(shown: &[&str], printed: &[&str]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((&"…", rest)) => (0..=printed.len()).any(|skipped| {
            let left = printed.get(skipped..).unwrap_or_default();
            is_like(rest, left)
        }),
        Some((first, rest)) => printed
            .split_first()
            .is_some_and(|(line, others)| is_line(first, line) && is_like(rest, others)),
    }
}

fn is_line(shown: &str, printed: &str) -> bool {
    let Some((start, rest)) = shown.split_once('…') else {
        return shown == printed;
    };
    let Some(printed) = printed.strip_prefix(start) else {
        return false;
    };
    printed
        .char_indices()
        .map(|(at, _)| at)
        .chain([printed.len()])
        .any(|at| is_line(rest, printed.get(at..).unwrap_or_default()))
}

#[test]
fn only_what_is_left_out_may_be_anything() {
    for (shown, printed, expected) in [
        ("", "", true),
        ("a", "a", true),
        ("a", "", false),
        ("", "a", false),
        ("a", "ab", false),
        ("a…", "ab", true),
        ("a…", "b", false),
        ("…b", "a", false),
        ("a…b…c", "a1b2b3c", true),
        ("a…b…c", "a1c", false),
        ("a|…", "a", true),
        ("a|…|d", "a|b|c|d", true),
        ("a|…|d", "a|b|c", false),
        ("…|b", "a|b|c", false),
    ] {
        let lines = |text: &'static str| {
            let lines: Vec<_> = text.split('|').filter(|line| !line.is_empty()).collect();
            lines
        };
        assert_eq!(
            is_like(&lines(shown), &lines(printed)),
            expected,
            "{shown} {printed}"
        );
    }
}
