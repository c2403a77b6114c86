//! The settings in a file as git reads them: `git_parse_source` of its `config.c`, whose words are "CONFIGURATION FILE" of
//! git-config(1).
//!
//! Every file that is taken here is read by git to the same list. Some that git takes are not taken: a NUL, which ends a text for
//! git and not for others; a carriage return within a line; a byte order mark; settings outside of any section; a section without a name.

/// One setting: the name as `git config --list` shows it, and its value, if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
}

/// A name in its parts: section and key are in small letters, what is between them is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) section: &'a [u8],
    pub(super) subsection: Option<&'a [u8]>,
    pub(super) key: &'a [u8],
}

impl Setting {
    /// Split as git does (`parse_config_key`): at the first and at the last dot.
    pub(super) fn parts(&self) -> Option<Parts<'_>> {
        let is_dot = |byte: &u8| *byte == b'.';
        let first = self.name.iter().position(is_dot)?;
        let last = self.name.iter().rposition(is_dot)?;
        Some(Parts {
            section: self.name.get(..first)?,
            subsection: self.name.get(first + 1..last),
            key: self.name.get(last + 1..)?,
        })
    }
}

/// It is not what git takes for settings, or not for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// All settings of a file, in their order.
pub(super) fn settings(content: &[u8]) -> Result<Vec<Setting>, Unreadable> {
    let is_lone = |pair: &[u8]| matches!(pair, [b'\r', next] if *next != b'\n');
    if content.contains(&0) || content.ends_with(b"\r") || content.windows(2).any(is_lone) {
        return Err(Unreadable);
    }
    let mut reader = Reader {
        rest: content,
        is_at_end: false,
    };
    let mut all = Vec::new();
    let mut section: Option<Vec<u8>> = None;
    loop {
        match reader.next() {
            b'\n' if reader.is_at_end => return Ok(all),
            b'\n' | b' ' | b'\t' => {}
            b'#' | b';' => reader.skip_line(),
            b'[' => section = Some(reader.section()?),
            first if first.is_ascii_alphabetic() => {
                let section = section.as_ref().ok_or(Unreadable)?;
                let mut name = [section, b".".as_slice()].concat();
                name.push(first.to_ascii_lowercase());
                let value = reader.setting(&mut name)?;
                all.push(Setting { name, value });
            }
            _ => return Err(Unreadable),
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    is_at_end: bool,
}

impl Reader<'_> {
    /// The next character. A line may end as on DOS, and the end of the file ends one.
    fn next(&mut self) -> u8 {
        if let [b'\r', b'\n', ..] = self.rest {
            self.rest = self.rest.get(1..).unwrap_or_default();
        }
        if let Some((next, rest)) = self.rest.split_first() {
            self.rest = rest;
            *next
        } else {
            self.is_at_end = true;
            b'\n'
        }
    }

    fn skip_line(&mut self) {
        while self.next() != b'\n' {}
    }

    /// After `[`: the name of a section, and of what is in it.
    fn section(&mut self) -> Result<Vec<u8>, Unreadable> {
        let mut name = Vec::new();
        loop {
            match self.next() {
                _ if self.is_at_end => return Err(Unreadable),
                b']' if !name.is_empty() => return Ok(name),
                space if is_space(space) && !name.is_empty() => {
                    self.subsection(space, &mut name)?;
                    return Ok(name);
                }
                b'.' if !name.is_empty() => name.push(b'.'),
                byte if is_key(byte) => name.push(byte.to_ascii_lowercase()),
                _ => return Err(Unreadable),
            }
        }
    }

    fn subsection(&mut self, mut byte: u8, name: &mut Vec<u8>) -> Result<(), Unreadable> {
        while is_space(byte) {
            if byte == b'\n' {
                return Err(Unreadable);
            }
            byte = self.next();
        }
        if byte != b'"' {
            return Err(Unreadable);
        }
        name.push(b'.');
        loop {
            let byte = match self.next() {
                b'"' => break,
                b'\\' => self.next(),
                byte => byte,
            };
            if byte == b'\n' {
                return Err(Unreadable);
            }
            name.push(byte);
        }
        if self.next() == b']' {
            Ok(())
        } else {
            Err(Unreadable)
        }
    }

    /// After the first letter of a key: the rest of it, which is added to the name, and the value.
    fn setting(&mut self, name: &mut Vec<u8>) -> Result<Option<Vec<u8>>, Unreadable> {
        let mut byte = self.next();
        while is_key(byte) {
            name.push(byte.to_ascii_lowercase());
            byte = self.next();
        }
        while matches!(byte, b' ' | b'\t') {
            byte = self.next();
        }
        match byte {
            b'\n' => Ok(None),
            b'=' => self.value().map(Some),
            _ => Err(Unreadable),
        }
    }

    fn value(&mut self) -> Result<Vec<u8>, Unreadable> {
        let mut value = Vec::new();
        let mut is_quoted = false;
        // Where the spaces begin that are dropped if nothing follows them.
        let mut end: Option<usize> = None;
        loop {
            let byte = self.next();
            match byte {
                b'\n' if is_quoted => return Err(Unreadable),
                b'\n' => break,
                space if is_space(space) && !is_quoted => {
                    if !value.is_empty() {
                        end.get_or_insert(value.len());
                        value.push(space);
                    }
                    continue;
                }
                b'#' | b';' if !is_quoted => {
                    self.skip_line();
                    break;
                }
                b'\\' => match self.next() {
                    b'\n' => {}
                    b't' => value.push(b'\t'),
                    b'b' => value.push(8),
                    b'n' => value.push(b'\n'),
                    itself @ (b'\\' | b'"') => value.push(itself),
                    _ => return Err(Unreadable),
                },
                b'"' => is_quoted = !is_quoted,
                byte => value.push(byte),
            }
            end = None;
        }
        value.truncate(end.unwrap_or(value.len()));
        Ok(value)
    }
}

/// git's own idea of it, whatever the locale.
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

const fn is_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}
