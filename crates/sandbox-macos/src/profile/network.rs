//! The network: the gateway's ports, what the policy names of the host's loopback, and Unix sockets.

use std::net::{Ipv4Addr, Ipv6Addr};

use sandbox_core::{Attempt, Destination, Name, Network, Ruleset, Source, Verdict};

use super::rows::FEW;
use super::sbpl::{Filter, Line, Statement};
use super::spelling;
use super::{Facts, ProfileError, text};

/// So many ports of the loopback are written out; more are reached by way of the gateway.
const MAX_PORTS: usize = 64;
/// A comment is not written again with more bytes.
const LONG: usize = 200;
const OUT: &[&str] = &["network-outbound"];
const IN: &[&str] = &["network-bind", "network-inbound"];
const BIND: &[&str] = &["network-bind"];

pub(super) fn statements(
    ruleset: &Ruleset,
    facts: &Facts,
    writing: &[Statement],
) -> Result<Vec<Statement>, ProfileError> {
    let mut statements = Vec::new();
    let rules = ruleset.network_rules();
    if ruleset.network() == Network::Host {
        let why = "network = host: nothing is between the command and the network";
        let asks = "/private/var/run/mDNSResponder".to_owned();
        let asks = Filter::Socket("remote", Box::new(Filter::Literal(asks)));
        statements.push(Statement::allow(
            OUT,
            vec![
                ip("remote", "*:*", why),
                Line::new(asks, "names are looked up there"),
            ],
        ));
        statements.push(Statement::allow(IN, vec![ip("local", "*:*", why)]));
    } else if rules.needs_gateway().is_some() {
        let ports = facts.gateway.iter();
        let ports = ports.map(|port| ip("remote", &format!("localhost:{port}"), "the gateway"));
        statements.extend(some(OUT, ports.collect()));
        let named = loopback_ports(ruleset).into_iter();
        let why = "a rule names the port";
        let named = named.map(|port| ip("remote", &format!("localhost:{port}"), why));
        statements.extend(some(OUT, named.collect()));
    }
    let mut published = Vec::new();
    for (port, source) in rules.published() {
        if port.host() != Some(port.inside()) {
            return Err(ProfileError::Published {
                port: *port,
                at: source.clone(),
            });
        }
        let address = format!("localhost:{}", port.inside());
        let why = format!("publish = {port} ({source})");
        published.push(ip("local", &address, &why));
    }
    statements.extend(some(IN, published));
    if let Some(source) = &ruleset.macos().local_binding {
        let why = source.to_string();
        statements.push(Statement::allow(IN, vec![ip("local", "*:*", &why)]));
        statements.push(Statement::allow(
            OUT,
            vec![ip("remote", "localhost:*", &why)],
        ));
    }
    let sockets = sockets(ruleset, writing)?;
    if !sockets.is_empty() {
        let domain = Line::new(
            Filter::Plain("(socket-domain AF_UNIX)"),
            "for the paths below",
        );
        statements.push(Statement::allow(&["system-socket"], vec![domain]));
        statements.extend(sockets);
    }
    Ok(statements)
}

/// The ports of the host's loopback that commands connect to by themselves, past the gateway: those that rules allow. None of them if they
/// are many, so that the gateway decides.
///
/// ```
/// use sandbox_core::{Context, Policy, Ruleset};
///
/// let policy = Policy::default().allow("localhost:5000-5002").deny("localhost:5001");
/// let ruleset = Ruleset::resolve(&policy, &Context::new("/"))?;
/// assert_eq!(sandbox_macos::loopback_ports(&ruleset), [5000, 5002]);
/// # Ok::<(), sandbox_core::PolicyErrors>(())
/// ```
#[must_use]
pub fn loopback_ports(ruleset: &Ruleset) -> Vec<u16> {
    // A profile can't tell these apart.
    let all = [
        "localhost".parse::<Name>().map(Destination::from).ok(),
        Some(Ipv4Addr::LOCALHOST.into()),
        Some(Ipv6Addr::LOCALHOST.into()),
    ];
    let is_allowed = |port: &u16| {
        let mut is_allowed = false;
        for destination in all.iter().flatten() {
            let decision = ruleset.decide(&Attempt::connect(destination.clone(), *port));
            let rule = decision.rule.filter(|rule| rule.source != Source::Closed);
            if rule.is_some_and(|rule| rule.verdict == Some(Verdict::Deny)) {
                return false;
            }
            is_allowed |= decision.verdict == Verdict::Allow;
        }
        is_allowed
    };
    let ranges = ruleset.network_rules().loopback_ports();
    let mut ports: Vec<u16> = ranges.into_iter().flatten().collect();
    ports.sort_unstable();
    ports.dedup();
    ports.retain(is_allowed);
    if ports.len() > MAX_PORTS {
        ports.clear();
    }
    ports
}

/// A socket that can be written can be connected to, unless other settings say which can.
fn sockets(ruleset: &Ruleset, writing: &[Statement]) -> Result<Vec<Statement>, ProfileError> {
    let mut statements = Vec::new();
    let is_any = writing.iter().any(|statement| statement.allows);
    if !ruleset.macos().imported && is_any {
        for statement in writing {
            let mut statement = statement.clone();
            let are_many = statement.lines.len() > FEW;
            for line in &mut statement.lines {
                if are_many || line.why.len() > LONG {
                    "as in writing".clone_into(&mut line.why);
                }
            }
            let [out, bind] = on_both_sides(statement.allows, &statement.lines);
            // To bind makes a file, which is denied as any other.
            statements.push(out);
            statements.extend(statement.allows.then_some(bind));
        }
    }
    let mut named = Vec::new();
    for (path, written, source) in ruleset.files().sockets() {
        for path in spelling::allowed(text(path, source)?) {
            named.push(Line::new(
                Filter::Subpath(path),
                format!("{written} ({source})"),
            ));
        }
    }
    if !named.is_empty() {
        statements.extend(on_both_sides(true, &named));
    }
    Ok(statements)
}

fn on_both_sides(allows: bool, lines: &[Line]) -> [Statement; 2] {
    [(OUT, "remote"), (BIND, "local")].map(|(operations, side)| {
        let of_side =
            |it: &Line| Line::new(Filter::Socket(side, Box::new(it.filter.clone())), &it.why);
        Statement::new(allows, operations, lines.iter().map(of_side).collect())
    })
}

fn some(operations: &'static [&'static str], lines: Vec<Line>) -> Option<Statement> {
    (!lines.is_empty()).then(|| Statement::allow(operations, lines))
}

fn ip(side: &'static str, address: &str, why: &str) -> Line {
    Line::new(Filter::Ip(side, address.to_owned()), why)
}
