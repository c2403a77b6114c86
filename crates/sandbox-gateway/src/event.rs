//! What happened at a door, as the caller is told.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sandbox_core::{Destination, RuleRef, Verdict, ascii_json, escaped};
use serde_json::{Value, json};

use crate::processes::Process;

/// A connection that has ended, or a connection or a name that was denied.
///
/// A command that is denied more often than anybody reads is told of less often; [`omitted`](Self::omitted) counts the rest.
///
/// ```
/// use sandbox_gateway::{Event, Options};
///
/// let options = Options::default().on_event(|event: &Event| println!("{}", event.to_json()));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Event {
    /// When it began.
    pub time: SystemTime,
    /// The name that was asked for; the address only where there was none.
    pub destination: Destination,
    /// The port; none where only a name was asked for.
    pub port: Option<u16>,
    /// The address that was dialled.
    pub address: Option<IpAddr>,
    /// Where it came in.
    pub door: Door,
    /// The process inside that made it: the one that had its socket when that was looked for, a moment later. `None` where that was
    /// closed by then, several have it, or it can't be found out; always where only a name was asked for, or it came from outside.
    pub process: Option<Process>,
    /// Whether it was allowed.
    pub verdict: Verdict,
    /// The rule that said so; `None` where no rule speaks of it.
    pub rule: Option<RuleRef>,
    /// The line of `[network.rules]` that would allow it, if there is one.
    pub remedy: Option<String>,
    /// Bytes from the command.
    pub sent: u64,
    /// Bytes to the command.
    pub received: u64,
    /// How long it took.
    pub duration: Duration,
    /// How it ended.
    pub end: End,
    /// Denials before this one that nobody was told of.
    pub omitted: u64,
}

/// Where a connection came in.
///
/// ```
/// use sandbox_gateway::Door;
///
/// assert_eq!(Door::Capture.to_string(), "capture");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Door {
    /// It was made without knowledge of any proxy.
    Capture,
    /// The HTTP proxy.
    Http,
    /// The SOCKS proxy.
    Socks,
    /// A question about a name.
    Dns,
    /// Datagrams of UDP.
    Udp,
    /// A published port: from outside.
    Publish,
}

/// How a connection ended.
///
/// ```
/// use sandbox_gateway::End;
///
/// let end = End::Mismatch("TLS is for `evil.example`".to_owned());
/// assert_eq!((end.word(), end.detail()), ("mismatch", Some("TLS is for `evil.example`")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// Both sides were done, or one of them broke it off.
    Closed,
    /// It was denied.
    Denied,
    /// It was denied because nobody answered the question in time.
    Unanswered,
    /// It was denied because what it said inside is another destination than the one that it was made to.
    Mismatch(String),
    /// It came by a door on the host's loopback and did not show the sandbox's secret: who knows whose it is. Its destination is that
    /// door.
    Unauthenticated,
    /// It was denied by rules that came while it was open.
    Withdrawn,
    /// The name has no addresses.
    Unresolved,
    /// Nobody answered at the address, or the upstream proxy refused; why.
    Unreachable(String),
    /// Nobody answered in time.
    TimedOut,
    /// Nothing passed for too long.
    Idle,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Capture => "capture",
            Self::Http => "http",
            Self::Socks => "socks",
            Self::Dns => "dns",
            Self::Udp => "udp",
            Self::Publish => "publish",
        })
    }
}

impl End {
    /// A word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Denied => "denied",
            Self::Unanswered => "unanswered",
            Self::Mismatch(_) => "mismatch",
            Self::Unauthenticated => "unauthenticated",
            Self::Withdrawn => "withdrawn",
            Self::Unresolved => "unresolved",
            Self::Unreachable(_) => "unreachable",
            Self::TimedOut => "timed-out",
            Self::Idle => "idle",
        }
    }

    /// What there is to say beyond the word.
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::Mismatch(detail) | Self::Unreachable(detail) => Some(detail),
            _ => None,
        }
    }
}

impl Event {
    /// `HOST:PORT`, or `HOST`.
    pub fn target(&self) -> String {
        target(&self.destination, self.port)
    }

    /// The event as one line of JSON, without the line's end: printable ASCII, fit for a terminal.
    pub fn to_json(&self) -> String {
        let rule = self.rule.as_ref().map(|rule| {
            json!({
                "pattern": rule.pattern,
                "source": rule.source.to_string(),
                "reason": rule.message.as_deref().or(rule.reason),
            })
        });
        let program = self
            .process
            .as_ref()
            .and_then(|process| process.program.as_deref());
        let bytes = |path: &Path| path.as_os_str().as_bytes().to_owned();
        let mut value = json!({
            "time": humantime::format_rfc3339_millis(self.time).to_string(),
            "door": self.door.to_string(),
            "pid": self.process.as_ref().map(|process| process.pid),
            "program": program.map(Path::to_string_lossy),
            "program_bytes": program.filter(|program| program.to_str().is_none()).map(bytes),
            "destination": self.destination.to_string(),
            "port": self.port,
            "address": self.address.map(|address| address.to_string()),
            "verdict": self.verdict.to_string(),
            "rule": rule,
            "remedy": self.remedy,
            "end": self.end.word(),
            "detail": self.end.detail(),
            "sent": self.sent,
            "received": self.received,
            "milliseconds": u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX),
            "omitted": (self.omitted > 0).then_some(self.omitted),
        });
        if let Value::Object(fields) = &mut value {
            fields.retain(|_, value| !value.is_null());
        }
        ascii_json(&value.to_string())
    }
}

/// In one line, fit for a terminal; without the process, which has a line of its own.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.verdict, self.door, self.target())?;
        if self.verdict != Verdict::Allow || self.end != End::Closed {
            write!(f, ": {}", self.end.word())?;
        }
        if let Some(detail) = self.end.detail() {
            write!(f, " ({})", escaped(detail))?;
        }
        if let Some(remedy) = &self.remedy {
            write!(f, "; allowed by {}", escaped(remedy))?;
        }
        Ok(())
    }
}

/// A destination as messages show it.
pub(crate) fn target(destination: &Destination, port: Option<u16>) -> String {
    match (destination, port) {
        (Destination::Address(address), Some(port)) => SocketAddr::new(*address, port).to_string(),
        (Destination::Name(name), Some(port)) => format!("{name}:{port}"),
        (destination, None) => destination.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::time::Duration;

    use super::*;

    fn denied() -> Event {
        Event {
            time: SystemTime::UNIX_EPOCH,
            destination: "good.example".parse().unwrap(),
            port: Some(443),
            address: None,
            door: Door::Capture,
            process: None,
            verdict: Verdict::Deny,
            rule: None,
            remedy: None,
            sent: 1,
            received: 2,
            duration: Duration::from_millis(3),
            end: End::Denied,
            omitted: 0,
        }
    }

    #[test]
    fn a_line_can_be_neither_forged_nor_broken() {
        let event = Event {
            remedy: Some("\"good.example:443\" = \"allow\"".to_owned()),
            end: End::Mismatch("\u{1b}[2J\n{\"verdict\":\"allow\"}\u{9b}\u{1f600}".to_owned()),
            ..denied()
        };
        insta::assert_snapshot!(event.to_json(), @r#"{"destination":"good.example","detail":"\u001b[2J\n{\"verdict\":\"allow\"}\u009b\ud83d\ude00","door":"capture","end":"mismatch","milliseconds":3,"port":443,"received":2,"remedy":"\"good.example:443\" = \"allow\"","sent":1,"time":"1970-01-01T00:00:00.000Z","verdict":"deny"}"#);
        insta::assert_snapshot!(event, @r#"deny capture good.example:443: mismatch (\u{1b}[2J\n{"verdict":"allow"}\u{9b}😀); allowed by "good.example:443" = "allow""#);
    }

    #[test]
    fn neither_can_a_programs_name_do_it() {
        let by = |process| Event {
            process: Some(process),
            ..denied()
        };
        let program = OsStr::from_bytes(b"/tmp/curl\n{\"pid\":1}\x1b[2J\xff");
        let process = Process::new(7, Some(program.into()));
        insta::assert_snapshot!(process, @r#"7 (/tmp/curl\n{"pid":1}\u{1b}[2J\xff)"#);
        insta::assert_snapshot!(by(process).to_json(), @r#"{"destination":"good.example","door":"capture","end":"denied","milliseconds":3,"pid":7,"port":443,"program":"/tmp/curl\n{\"pid\":1}\u001b[2J\ufffd","program_bytes":[47,116,109,112,47,99,117,114,108,10,123,34,112,105,100,34,58,49,125,27,91,50,74,255],"received":2,"sent":1,"time":"1970-01-01T00:00:00.000Z","verdict":"deny"}"#);
        insta::assert_snapshot!(by(Process::new(7, None)).to_json(), @r#"{"destination":"good.example","door":"capture","end":"denied","milliseconds":3,"pid":7,"port":443,"received":2,"sent":1,"time":"1970-01-01T00:00:00.000Z","verdict":"deny"}"#);
    }
}
