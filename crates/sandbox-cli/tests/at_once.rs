//! Invariants 4, 24 and 33: calls that come at once are what they would be one after the other.

use sandbox_testing::Host;

/// They have descriptors of the caller.
#[test]
fn a_bounded_number_of_calls_waits_at_once() {
    let answers = |calls: u32, refused: u32| {
        let host = Host::new();
        let script = format!(
            "mkfifo f; for p in $(seq {calls}); do (true > f && echo yes || echo no) >> answers 2> /dev/null & done
            while [ $(grep -c no answers) -lt {refused} ]; do :; done; exec 9<> f; wait; cat answers"
        );
        let outcome = host.sandbox(["sh", "-c", &script]).output();
        outcome.succeeds();
        let count = |word| outcome.text().lines().filter(|line| *line == word).count();
        (count("yes"), count("no"))
    };
    let (yes, no) = answers(60, 20);
    assert!(yes >= 32 && yes + no == 60, "{yes} {no}");
    assert_eq!(answers(20, 0), (20, 0), "the control");
}
