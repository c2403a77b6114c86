//! The network: the gateway's ports, what the policy names of the host's loopback, and Unix sockets.

use sandbox_core::{Network, Ruleset};

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
        let named = rules.loopback_ports();
        let named: Vec<u16> = named.into_iter().flatten().take(MAX_PORTS + 1).collect();
        let named = named.iter().filter(|_| named.len() <= MAX_PORTS);
        let why = "a rule names the port";
        let named = named.map(|port| ip("remote", &format!("localhost:{port}"), why));
        statements.extend(some(OUT, named.collect()));
    }
    let published = rules.published().iter();
    let published = published.map(|(port, source)| {
        let address = format!("localhost:{}", port.inside());
        ip("local", &address, &format!("publish = {port} ({source})"))
    });
    statements.extend(some(IN, published.collect()));
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
