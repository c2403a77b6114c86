//! The text of a rule about destinations, a line, and a destination: one spelling of each, and a rule is about nothing else
//! than it says.

use sandbox_core::{
    Attempt, Context, Destination, DestinationPattern, Policy, Ruleset, Source, Verdict,
};

use crate::halves;

const PORT: u16 = 443;

pub(crate) fn destination(input: &[u8]) {
    let (rule, destination) = halves(input, b'\n');
    let (Ok(rule), Ok(text)) = (str::from_utf8(rule), str::from_utf8(destination)) else {
        return;
    };
    let _ = Destination::with_port(text);
    let destination: Option<Destination> = text.parse().ok();
    if let Some(destination) = &destination {
        assert_eq!(destination.to_string().parse().as_ref(), Ok(destination));
        assert!(DestinationPattern::exactly(destination, PORT).matches(destination, PORT));
    }
    let pattern: DestinationPattern = match rule.parse() {
        Ok(pattern) => pattern,
        Err(problem) => {
            assert!(!problem.to_string().is_empty());
            return;
        }
    };
    assert_eq!(pattern.to_string().parse().as_ref(), Ok(&pattern));
    let Some(destination) = destination else {
        return;
    };
    let policy = Policy::default().allow(rule);
    let Ok(ruleset) = Ruleset::resolve(&policy, &Context::new("/")) else {
        panic!("a pattern of its own is refused: {rule:?}");
    };
    let decision = ruleset.decide(&Attempt::connect(destination.clone(), PORT));
    let is_about = pattern.matches(&destination, PORT);
    let is_closed = decision
        .rule
        .is_some_and(|rule| rule.source == Source::Closed);
    assert_eq!(
        decision.verdict == Verdict::Allow,
        is_about && !is_closed,
        "{rule:?} {text:?}"
    );
}
