//! Rules, a destination, what is decided, and by which rule: `+` allows, `-` denies, `~` allows UDP as well. Nothing else is
//! reached. What a backend does with these is to be the same.

use super::{connect, policy, ruleset};
use crate::{Network, Verdict};

const CLOSED: Verdict = Verdict::Deny;

#[rustfmt::skip]
const CASES: &[(&[&str], &str, Verdict, &str)] = &[
    // What a rule is about.
    (&["+a.example"], "a.example:443", Verdict::Allow, "a.example"),
    (&["+a.example"], "A.EXAMPLE.:443", Verdict::Allow, "a.example"),
    (&["+a.example"], "b.a.example:443", Verdict::Deny, ""),
    (&["+a.example"], "evila.example:443", Verdict::Deny, ""),
    (&["+*.a.example"], "a.example:443", Verdict::Deny, ""),
    (&["+*.a.example"], "c.b.a.example:443", Verdict::Allow, "*.a.example"),
    (&["+xn--bcher-kva.example"], "b\u{fc}cher.example:443", Verdict::Allow, "xn--bcher-kva.example"),
    (&["+a.example:443"], "a.example:80", Verdict::Deny, ""),
    (&["+8.8.8.8"], "0x08080808:53", Verdict::Allow, "8.8.8.8"),
    (&["+8.8.8.8"], "[::ffff:8.8.8.8]:53", Verdict::Allow, "8.8.8.8"),
    (&["+0x08080808"], "8.8.8.8:53", Verdict::Allow, "0x08080808"),
    (&["+[::ffff:8.8.8.8]"], "8.8.8.8:53", Verdict::Allow, "[::ffff:8.8.8.8]"),
    // The most specific holds, and a tie goes to the denial.
    (&["-api.example", "+*.example:443"], "api.example:443", Verdict::Deny, "api.example"),
    (&["+api.example", "-*.example:443"], "api.example:443", Verdict::Allow, "api.example"),
    (&["-*.a.example", "+*.example"], "b.a.example:443", Verdict::Deny, "*.a.example"),
    (&["+*.a.example", "-*.example"], "b.a.example:443", Verdict::Allow, "*.a.example"),
    (&["+a.example", "-a.example:443"], "a.example:443", Verdict::Deny, "a.example:443"),
    (&["-a.example", "+a.example:443"], "a.example:443", Verdict::Allow, "a.example:443"),
    (&["-a.example:1-1000", "+a.example:443"], "a.example:443", Verdict::Allow, "a.example:443"),
    (&["-a.example:1-500", "+a.example:400-899"], "a.example:443", Verdict::Deny, "a.example:1-500"),
    (&["+8.0.0.0/8", "-8.8.0.0/16"], "8.8.8.8:443", Verdict::Deny, "8.8.0.0/16"),
    (&["-8.0.0.0/8", "+8.8.0.0/16"], "8.8.8.8:443", Verdict::Allow, "8.8.0.0/16"),
    (&["+8.0.0.0/8:443", "-8.8.0.0/16"], "8.8.8.8:443", Verdict::Deny, "8.8.0.0/16"),
    (&["~a.example", "-a.example:53"], "a.example:53", Verdict::Deny, "a.example:53"),
    // The loopback, by name and by address.
    (&["+localhost:5432"], "localhost:5432", Verdict::Allow, "localhost:5432"),
    (&["+localhost:5432"], "127.0.0.1:5432", Verdict::Allow, "localhost:5432"),
    (&["+localhost:5432"], "2130706433:5432", Verdict::Allow, "localhost:5432"),
    (&["+localhost:5432"], "[::1]:5432", Verdict::Allow, "localhost:5432"),
    (&["+localhost:5432"], "127.0.0.2:5432", CLOSED, "127.0.0.0/8"),
    (&["+localhost:5432"], "127.0.0.1:5433", CLOSED, "127.0.0.0/8"),
    (&["+localhost:5432", "-127.0.0.1"], "127.0.0.1:5432", Verdict::Deny, "127.0.0.1"),
    (&["-localhost:5432", "+127.0.0.1"], "127.0.0.1:5432", Verdict::Allow, "127.0.0.1"),
    (&["+127.0.0.0/8"], "127.0.0.53:53", Verdict::Allow, "127.0.0.0/8"),
    (&["+*.localhost"], "a.localhost:80", Verdict::Allow, "*.localhost"),
    // Closed addresses: opened by what lies in them alone.
    (&["+0.0.0.0/0"], "10.0.0.1:443", CLOSED, "10.0.0.0/8"),
    (&["+8.0.0.0/6"], "10.0.0.1:443", CLOSED, "10.0.0.0/8"),
    (&["+10.0.0.0/8"], "10.0.0.1:443", Verdict::Allow, "10.0.0.0/8"),
    (&["+10.0.0.0/8:443"], "10.0.0.1:80", CLOSED, "10.0.0.0/8"),
    (&["+169.254.0.0/16"], "169.254.1.1:80", Verdict::Allow, "169.254.0.0/16"),
    (&["+169.254.0.0/16"], "169.254.169.254:80", CLOSED, "169.254.169.254/32"),
    (&["+169.254.169.254"], "169.254.169.254:80", Verdict::Allow, "169.254.169.254"),
    (&["+100.64.0.0/10"], "100.100.100.200:80", CLOSED, "100.100.100.200/32"),
    (&["+::/0"], "[fd00::1]:443", CLOSED, "fc00::/7"),
    (&["+fd00::/8"], "[fd00::1]:443", Verdict::Allow, "fd00::/8"),
    (&["+fd00::/8"], "[fd00:ec2::254]:80", CLOSED, "fd00:ec2::/32"),
    (&["+64:ff9b::/96"], "[64:ff9b::8.8.8.8]:443", Verdict::Allow, "64:ff9b::/96"),
    (&["+64:ff9b::/96"], "[64:ff9b::10.0.0.1]:443", CLOSED, "64:ff9b::a00:0/104"),
    (&["+64:ff9b::a00:0/104"], "[64:ff9b::10.0.0.1]:443", Verdict::Allow, "64:ff9b::a00:0/104"),
    (&["+10.0.0.0/8"], "[::10.0.0.1]:443", CLOSED, "::/96"),
    (&["+10.0.0.0/8"], "[2002:a00:1::]:443", CLOSED, "2002::/16"),
];

#[test]
fn every_case_is_decided_as_it_says() {
    for (rules, destination, verdict, by) in CASES {
        let found = connect(&ruleset(&policy(Network::Deny, rules)), destination);
        assert_eq!(
            found,
            (*verdict, (*by).to_owned()),
            "{rules:?} {destination}"
        );
    }
}
