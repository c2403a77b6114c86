//! Durations, as people write them: `90s`, `10m`, `1h 30m`.

use std::time::Duration;

/// The longest time limit. More is more likely a slip of units than a wish.
const LIMIT: Duration = Duration::from_hours(30 * 24);

const TOO_LONG: &str = "it is more than 30 days";

/// Reads a duration, or says why it is none and what was probably meant.
pub(super) fn parse(text: &str) -> Result<Duration, (&'static str, Option<String>)> {
    // `10M` is ten months to the parser, and ten minutes to people. Of ASCII only: there are capital letters that have no
    // small one, and a text with one of them would be asked about for ever.
    if text.contains(|character: char| character.is_ascii_uppercase()) {
        let lower = text.to_ascii_lowercase();
        let meant = parse(&lower).is_ok().then_some(lower);
        return Err(("units are in lower case", meant));
    }
    match humantime::parse_duration(text) {
        Ok(time) => match wrong(time) {
            None => Ok(time),
            Some(TOO_LONG) => Err((TOO_LONG, Some("30d".to_owned()))),
            Some(reason) => Err((reason, None)),
        },
        Err(humantime::DurationError::NumberOverflow) => Err((TOO_LONG, Some("30d".to_owned()))),
        Err(_) => {
            let seconds = text
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| format!("{text}s"));
            Err((
                "a duration is written as `90s`, `10m` or `1h 30m`",
                seconds.filter(|text| parse(text).is_ok()),
            ))
        }
    }
}

/// Why no time limit can be this.
pub(super) fn wrong(time: Duration) -> Option<&'static str> {
    match time {
        Duration::ZERO => Some("nothing can run in no time"),
        _ if time > LIMIT => Some(TOO_LONG),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_in_lower_case_and_bounded() {
        let form = "a duration is written as `90s`, `10m` or `1h 30m`";
        let table = [
            ("90s", Ok(90)),
            ("10m", Ok(600)),
            ("1h 30m", Ok(5400)),
            ("30d", Ok(30 * 86_400)),
            ("30d 1ns", Err((TOO_LONG, Some("30d")))),
            ("1year", Err((TOO_LONG, Some("30d")))),
            ("99999999999999999999s", Err((TOO_LONG, Some("30d")))),
            ("0s", Err(("nothing can run in no time", None))),
            ("10M", Err(("units are in lower case", Some("10m")))),
            ("10 Parsecs", Err(("units are in lower case", None))),
            ("\u{2111}10m", Err((form, None))),
            ("10\u{1f138}", Err((form, None))),
            ("600", Err((form, Some("600s")))),
            ("", Err((form, None))),
            ("-1s", Err((form, None))),
            ("soon", Err((form, None))),
        ];
        for (text, expected) in table {
            let expected = expected
                .map(Duration::from_secs)
                .map_err(|(reason, meant)| (reason, meant.map(str::to_owned)));
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
