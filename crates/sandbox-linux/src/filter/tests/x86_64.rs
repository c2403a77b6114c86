//! x86-64: what only its table has.

use std::ops::Range;

use libc::EPERM;

use super::rules::check;
use super::*;

/// `create_module`, `get_kernel_syms`, `query_module` (gone since 2.6), and the numbers that x86-64 left out.
pub(super) const UNUSED: &[Range<u32>] = &[174..175, 177..179, 337..424];

#[test]
fn one_line_says_what_the_filter_does() {
    insta::assert_snapshot!(filter(&[]), @"allow 289 calls · by arguments 21 · EOPNOTSUPP 2 · EPERM 51 · ENOSYS everything else (308 instructions)");
    insta::assert_snapshot!(filter(&[Feature::Perf, Feature::Nested]), @"allow 308 calls · by arguments 19 · EOPNOTSUPP 2 · EPERM 35 · ENOSYS everything else · nested opened · perf opened (295 instructions)");
    let some =
        Filter::refusals().filter(|refusal| ["chmod", "bpf", "unshare"].contains(&refusal.call));
    let lines: Vec<_> = some.map(|refusal| refusal.to_string()).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    bpf · EPERM · runs programs in the kernel; verifier bugs are privilege escalations
    chmod · EPERM · setuid or setgid bits in the mode: the file would lend its owner's rights to whoever runs it on the host · opened by `set-id`
    unshare · EPERM · CLONE_NEW*: like clone · opened by `nested`
    ");
}

#[test]
fn older_forms_of_the_calls_are_no_way_around() {
    check(
        &filter(&[]),
        &[
            ("chmod", &[0, 0o4755], EPERM),
            ("chmod", &[0, 0o755], 0),
            ("creat", &[0, 0o4755], EPERM),
            ("creat", &[0, 0o755], 0),
            ("open", &[0, 0o101, 0o4755], EPERM),
            ("open", &[0, 0o101, 0o755], 0),
            ("open", &[0, 0, 0o4755], 0),
            ("mknod", &[0, 0o20_666, 0x103], EPERM),
            ("mknod", &[0, 0o104_755, 0], EPERM),
            ("mknod", &[0, 0o10_644, 0], 0),
            ("fork", &[], 0),
            ("vfork", &[], 0),
            ("iopl", &[3], EPERM),
            ("modify_ldt", &[1], EPERM),
        ],
    );
}
