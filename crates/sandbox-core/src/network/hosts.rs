//! The names that a machine knows by itself (hosts(5)), and which of them stand as they are where the gateway answers for names.
//!
//! Whoever reads such a table asks nobody else, and connects to an address: a rule by name would not hold. So what the gateway
//! answers for is not in the table inside; the gateway looks into the host's.

use std::fmt::Write as _;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;

use super::NetworkRules;
use crate::os::{open_without_waiting, own_name};
use crate::{Destination, Name, Network, Verdict};

const TABLE: &str = "/etc/hosts";
/// How much of the table is looked at: some block a hundred thousand names by one, after those that are needed.
const LONGEST_TABLE: u64 = 64 << 10;

/// What a machine knows of names by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// Its own name.
    pub(crate) own: String,
    /// Its table of names.
    pub(crate) table: String,
}

impl Hosts {
    /// Those of this machine; what can't be read, or is not there, is empty.
    pub(crate) fn of_this_machine() -> Self {
        Self {
            own: own_name().unwrap_or_default(),
            table: read(TABLE.as_ref()),
        }
    }

    /// The table as it is inside: what means the machine itself, since programs insist on that, and names about which no rule says
    /// anything, at an address that a rule allows.
    pub(crate) fn inside(&self, rules: &NetworkRules) -> String {
        let mut table = String::new();
        for line in self.table.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else {
                continue;
            };
            let mut names: Vec<&str> = words.collect();
            let means_itself = address.to_canonical().is_loopback()
                || names
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(&self.own));
            if !means_itself {
                let is_reached = rules.allows_somewhere(&address.into());
                names.retain(|name| is_reached && rules.leaves_alone(name));
            }
            if !names.is_empty() {
                let _ = writeln!(table, "{address} {}", names.join(" "));
            }
        }
        table
    }
}

impl NetworkRules {
    /// Whether a destination is reached at some port by a rule, and is not without one.
    fn allows_somewhere(&self, destination: &Destination) -> bool {
        let is_allowed = |port| self.connect(destination, port).verdict == Verdict::Allow;
        self.default == Network::Deny && self.ports_of(destination).into_iter().any(is_allowed)
    }

    /// Whether no rule is about a name.
    fn leaves_alone(&self, name: &str) -> bool {
        let name = name.parse::<Name>().map(Destination::from);
        name.is_ok_and(|name| self.about(&name).is_empty())
    }
}

/// As many whole lines as are looked at.
fn read(path: &Path) -> String {
    let mut table = Vec::new();
    // What has been read until an error is as good as without that.
    let _ = open_without_waiting(path)
        .and_then(|file| file.take(LONGEST_TABLE).read_to_end(&mut table));
    if table.len() as u64 >= LONGEST_TABLE {
        let end = table.iter().rposition(|byte| *byte == b'\n');
        table.truncate(end.unwrap_or_default());
    }
    String::from_utf8_lossy(&table).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Policy, Ruleset};

    #[test]
    fn what_the_gateway_answers_for_is_not_in_the_table() {
        let lines = [
            "# 10.1.1.1 comment",
            "127.0.0.1\tlocalhost db.internal # x",
            "::ffff:127.0.0.1 mapped",
            "::1 ip6-localhost",
            "10.1.1.1 db.internal other.internal",
            "10.1.1.2 BOX x.internal",
            "10.1.1.3 denied.internal a_b *.odd",
            "8.8.8.8 far.internal",
            "10.1.1.1",
            "fe80::1%eth0 zone.internal",
            "nonsense word",
        ];
        let always =
            "127.0.0.1 localhost db.internal\n::ffff:127.0.0.1 mapped\n::1 ip6-localhost\n";
        let own = "10.1.1.2 BOX x.internal\n";
        let deny = Policy::default();
        let private = deny.clone().allow("10.0.0.0/8:443");
        for (policy, between, after) in [
            (deny.clone().allow("db.internal"), "", ""),
            (deny.clone().network(Network::Allow), "", ""),
            (deny.clone().network(Network::Ask), "", ""),
            (deny.clone().allow("8.8.8.8"), "", "8.8.8.8 far.internal\n"),
            (
                private.clone().allow("*.internal").deny("denied.internal"),
                "",
                "10.1.1.3 a_b\n",
            ),
            (
                private.deny("denied.internal:443"),
                "10.1.1.1 db.internal other.internal\n",
                "10.1.1.3 a_b\n",
            ),
        ] {
            let mut context = Context::new("/");
            context.hosts = Hosts {
                own: "box".to_owned(),
                table: lines.join("\n"),
            };
            let ruleset = Ruleset::resolve(&policy, &context).unwrap();
            let expected = format!("{always}{between}{own}{after}");
            assert_eq!(ruleset.network_rules().hosts(), expected, "{policy:?}");
        }
    }

    #[test]
    fn a_table_is_read_as_far_as_it_is_looked_at() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "127.0.0.1 localhost\n".repeat(10_000);
        std::fs::write(&file, &text).unwrap();
        let read = read(file.path());
        assert!(text.starts_with(&read) && read.ends_with(" localhost"));
        assert!(read.len() as u64 > LONGEST_TABLE / 2 && read.len() as u64 <= LONGEST_TABLE);
        assert_eq!(super::read("/none".as_ref()), "");
    }
}
