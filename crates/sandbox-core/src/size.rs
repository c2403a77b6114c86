//! Sizes in bytes, as people write them.
//!
//! Own code, since the readers that exist take `4G` for 4·10⁹ in one place and for 4·2³⁰ in the other: here a unit says
//! which it is, and one that does not is refused.

/// Every unit, largest first, each power of 1024 before the one of 1000.
const UNITS: [(&str, u64); 6] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
];

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotASize {
    /// The number is fine, the unit is not; this is what was probably meant.
    Unit { suggestion: Option<String> },
    /// Not a whole number and a unit.
    Form,
    /// More than 2⁶³ − 1 bytes: no limit at all.
    TooLarge,
}

/// Reads a whole number of bytes with a unit, `512MiB`, or without, `1048576`.
pub(crate) fn parse(text: &str) -> Result<u64, NotASize> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(NotASize::Form)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    if number.is_empty() {
        return Err(NotASize::Form);
    }
    let factor = match UNITS.iter().find(|(name, _)| *name == unit) {
        Some((_, factor)) => *factor,
        None if unit.is_empty() => 1,
        None if unit.starts_with(['.', ',']) => return Err(NotASize::Form),
        None => {
            return Err(NotASize::Unit {
                suggestion: likely_unit(unit).map(|unit| format!("{number}{unit}")),
            });
        }
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or(NotASize::TooLarge)
}

/// `4G`, `4g`, `4gb`, `4Gi`: people and most tools mean the power of 1024.
fn likely_unit(unit: &str) -> Option<&'static str> {
    match unit.to_ascii_lowercase().as_str() {
        "g" | "gi" | "gib" | "gb" => Some("GiB"),
        "m" | "mi" | "mib" | "mb" => Some("MiB"),
        "k" | "ki" | "kib" | "kb" => Some("KiB"),
        _ => None,
    }
}

/// The shortest exact form: `4GiB`, `1500MB`; `None` where only the bare number is exact.
pub(crate) fn format(bytes: u64) -> Option<String> {
    let (unit, factor) = UNITS
        .iter()
        .find(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor))?;
    Some(format!("{}{unit}", bytes / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(suggestion: &str) -> Result<u64, NotASize> {
        Err(NotASize::Unit {
            suggestion: Some(suggestion.to_owned()),
        })
    }

    #[test]
    fn units_mean_one_thing_each() {
        let table = [
            ("0", Ok(0)),
            ("1048576", Ok(1 << 20)),
            ("4GiB", Ok(4 << 30)),
            ("4 GiB", Ok(4 << 30)),
            ("4GB", Ok(4_000_000_000)),
            ("512MiB", Ok(512 << 20)),
            ("1MB", Ok(1_000_000)),
            ("1KiB", Ok(1024)),
            ("1kB", Ok(1000)),
            ("4G", unit("4GiB")),
            ("4g", unit("4GiB")),
            ("4gb", unit("4GiB")),
            ("4Mi", unit("4MiB")),
            ("4KB", unit("4KiB")),
            ("4 apples", Err(NotASize::Unit { suggestion: None })),
            ("4  GiB", Err(NotASize::Unit { suggestion: None })),
            ("1.5GiB", Err(NotASize::Form)),
            ("-1GiB", Err(NotASize::Form)),
            ("+1GiB", Err(NotASize::Form)),
            ("GiB", Err(NotASize::Form)),
            ("", Err(NotASize::Form)),
            ("٤GiB", Err(NotASize::Form)),
            ("9223372036854775807", Ok(i64::MAX as u64)),
            ("9223372036854775808", Err(NotASize::TooLarge)),
            ("99999999999999999999999", Err(NotASize::TooLarge)),
            ("9000000000GiB", Err(NotASize::TooLarge)),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_shortest_exact_form_is_written() {
        let table = [
            (4 << 30, Some("4GiB")),
            (1536 << 20, Some("1536MiB")),
            (1_500_000, Some("1500kB")),
            (1001, None),
            (0, None),
        ];
        for (bytes, expected) in table {
            assert_eq!(format(bytes).as_deref(), expected, "{bytes}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(bytes in 0..=i64::MAX.cast_unsigned()) {
            if let Some(text) = format(bytes) {
                proptest::prop_assert_eq!(parse(&text), Ok(bytes));
            }
        }
    }
}
