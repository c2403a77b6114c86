//! How a line of the table is written.

/// Calls by the constants of their numbers, which `numbers` has.
macro_rules! calls {
    ($($number:ident)*) => { &[$(Call::new(stringify!($number), $crate::filter::table::numbers::$number)),*] };
}

/// Lines of `number errno opened-by "reason"`.
macro_rules! refused {
    ($($number:ident $errno:ident $unless:ident $why:literal;)*) => {
        &[$(Entry {
            call: Call::new(stringify!($number), $crate::filter::table::numbers::$number),
            cases: &[Case { unless: $unless, ..refuse(&[], $errno, $why) }],
        }),*]
    };
}

/// Lines of `number => cases;`.
macro_rules! inspected {
    ($($number:ident => $cases:expr;)*) => {
        &[$(Entry { call: Call::new(stringify!($number), $crate::filter::table::numbers::$number), cases: $cases }),*]
    };
}

/// Numbers that libc does not name on every target; a constant made here takes the place of libc's.
macro_rules! numbers {
    ($($name:ident = $number:literal;)*) => {
        $(#[expect(non_upper_case_globals, reason = "the names are libc's and the kernel's")]
        pub(in super::super) const $name: libc::c_long = $number;)*
    };
}
