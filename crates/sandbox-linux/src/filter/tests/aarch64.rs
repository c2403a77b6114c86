//! aarch64: what only its table has.

use std::ops::Range;

use super::*;

/// Numbers for other architectures, and those that were left out (`include/uapi/asm-generic/unistd.h` of Linux).
pub(super) const UNUSED: &[Range<u32>] = &[244..260, 295..424];

#[test]
fn one_line_says_what_the_filter_does() {
    insta::assert_snapshot!(filter(&[]), @"allow 255 calls · by arguments 17 · EOPNOTSUPP 2 · EPERM 46 · ENOSYS everything else (283 instructions)");
    insta::assert_snapshot!(filter(&[Feature::Perf, Feature::Nested]), @"allow 274 calls · by arguments 15 · EOPNOTSUPP 2 · EPERM 30 · ENOSYS everything else · nested opened · perf opened (253 instructions)");
    let some =
        Filter::refusals().filter(|refusal| ["fchmodat", "bpf", "unshare"].contains(&refusal.call));
    let lines: Vec<_> = some.map(|refusal| refusal.to_string()).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    bpf · EPERM · runs programs in the kernel; verifier bugs are privilege escalations
    fchmodat · EPERM · setuid or setgid bits in the mode: the file would lend its owner's rights to whoever runs it on the host · opened by `set-id`
    unshare · EPERM · CLONE_NEW*: like clone · opened by `nested`
    ");
}
