//! Where a repository may be, and what may be fetched from there.
//!
//! git takes very much for an address: `ext::sh -c …` and `x://…` are programs, `-oProxyCommand=…` was one. Here only what is plain is one.
//! A path is a repository whose own hooks a push runs: those are protected where the command can write, whatever it is called.

/// Transports that are no program but git's own (`transport_get` of its `transport.c`), and ssh.
const TRANSPORTS: [&str; 4] = ["https://", "http://", "ssh://", "git://"];

/// Whether a repository may be there: on a host, or at a path of this machine.
pub(super) fn is_address(value: &[u8]) -> bool {
    let is_path = ["/", "./", "../"]
        .iter()
        .any(|start| value.starts_with(start.as_bytes()));
    if is_path {
        return !value.iter().any(u8::is_ascii_control);
    }
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\`<>{}|".contains(byte);
    if !value.iter().all(is_plain) || value.windows(2).any(|pair| pair == b"::") {
        return false;
    }
    let transport = TRANSPORTS
        .iter()
        .find_map(|transport| value.strip_prefix(transport.as_bytes()));
    if let Some(rest) = transport {
        let is_slash = |byte: &u8| matches!(byte, b'/' | b'?' | b'#');
        let end = rest.iter().position(is_slash).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        return is_host(host) && !hides_a_line(path);
    }
    if let Some(path) = value.strip_prefix(b"file://") {
        // git decodes these.
        return path.starts_with(b"/") && !path.contains(&b'%');
    }
    // `host:path`, where no slash comes before the colon (`url_is_local_not_ssh`).
    let is_end = |byte: &u8| matches!(byte, b':' | b'/');
    match value.iter().position(is_end) {
        Some(end) if value.get(end) == Some(&b':') => {
            let (host, path) = value.split_at(end);
            is_host(host) && !path.starts_with(b"://")
        }
        _ => false,
    }
}

/// Name and port, perhaps behind a user's name and password.
fn is_host(host: &[u8]) -> bool {
    let is_named = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-:[]".contains(byte);
    let (user, name) = match host.iter().rposition(|byte| *byte == b'@') {
        Some(at) => (host.get(..at), host.get(at + 1..)),
        None => (None, Some(host)),
    };
    let name = name.unwrap_or_default();
    // Such a host or user is an option to ssh, or the start of one.
    let is_option = |text: &[u8]| text.is_empty() || text.starts_with(b"-");
    !is_option(name)
        && name.iter().all(is_named)
        && user.is_none_or(|user| !is_option(user) && !user.contains(&b'@') && !hides_a_line(user))
}

/// The end of a line, encoded: what is decoded is sent to helpers line by line (CVE-2020-5260).
fn hides_a_line(text: &[u8]) -> bool {
    let is_hidden = |code: &[u8]| {
        ["%0a", "%0d", "%00"]
            .iter()
            .any(|hidden| code.eq_ignore_ascii_case(hidden.as_bytes()))
    };
    text.windows(3).any(is_hidden)
}

/// A name of a remote that is nothing else: no path, no address, no option.
pub(super) fn is_name_of_remote(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-/".contains(byte);
    !matches!(name.first(), None | Some(b'-' | b'.' | b'/'))
        && name.iter().all(is_plain)
        && !name.windows(2).any(|pair| pair == b"..")
}

/// What is fetched is kept apart from the person's own branches: otherwise the next fetch would replace them.
pub(super) fn is_fetched(refspec: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && *byte != b'\\';
    let refspec = refspec.strip_prefix(b"+").unwrap_or(refspec);
    let mut sides = refspec.split(|byte| *byte == b':');
    let (source, target, more) = (sides.next(), sides.next(), sides.next());
    let is_apart = |target: &[u8]| {
        ["refs/remotes/", "refs/tags/"]
            .iter()
            .any(|apart| target.starts_with(apart.as_bytes()))
    };
    refspec.iter().all(is_plain)
        && source.is_some_and(|source| !source.starts_with(b"-") && !source.is_empty())
        && target.is_none_or(is_apart)
        && more.is_none()
}
