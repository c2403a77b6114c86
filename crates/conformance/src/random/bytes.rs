//! Cases from bytes that a fuzzer makes: a head, then things and rules in any order.

use sandbox_core::{Access, HideBy};

use super::{Made, NAMES, PATTERNS, Random, Shape};

/// As many as other random cases have, at most.
const MAX_THINGS: usize = 13;
const MAX_RULES: usize = 6;

const ACCESS: [Access; 4] = [Access::Hide, Access::Read, Access::Write, Access::Scratch];

struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    /// A number below another one, and what the byte holds besides.
    fn below(&mut self, limit: usize) -> Option<(usize, usize)> {
        let byte = usize::from(*self.0.next()?);
        Some((byte % limit, byte / limit))
    }

    /// Up to three names.
    fn path(&mut self) -> Option<Vec<&'static str>> {
        let (more, mut rest) = self.below(3)?;
        let mut names = Vec::new();
        for _ in 0..=more {
            names.push(NAMES[rest % NAMES.len()]);
            rest /= NAMES.len();
        }
        Some(names)
    }

    fn thing(&mut self) -> Option<(Vec<&'static str>, Made)> {
        let path = self.path()?;
        let (kind, up) = self.below(4)?;
        let made = match kind {
            0 => Made::Directory,
            1 => Made::Program,
            2 => {
                let ups = std::iter::repeat_n("..", up % 3);
                Made::Symlink(ups.chain(self.path()?).collect::<Vec<_>>().join("/"))
            }
            _ => Made::File,
        };
        Some((path, made))
    }

    fn rule(&mut self) -> Option<(Shape, Access)> {
        let (shape, access) = self.below(4)?;
        let shape = match shape {
            0 => Shape::Any(self.path()?),
            1 => Shape::Pattern(None, PATTERNS[self.below(PATTERNS.len())?.0]),
            2 => {
                let (pattern, prefix) = self.below(PATTERNS.len())?;
                Shape::Pattern(Some(prefix), PATTERNS[pattern])
            }
            _ => Shape::Path(self.below(usize::MAX)?.0),
        };
        Some((shape, ACCESS[access % ACCESS.len()]))
    }
}

impl Random {
    /// The case that these bytes stand for, however many they are.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut bytes = Bytes(bytes.iter());
        let (head, rest) = bytes.below(3).unwrap_or_default();
        let mut random = Self {
            things: Vec::new(),
            root: (rest % 2 == 1).then_some(Access::Read),
            base: ACCESS[head],
            rules: Vec::new(),
            hide: if rest / 2 % 4 == 1 {
                HideBy::Assemble
            } else {
                HideBy::Cover
            },
        };
        while let Some((kind, _)) = bytes.below(3) {
            if kind == 0 {
                let Some(rule) = bytes.rule() else { break };
                random.rules.push(rule);
            } else {
                let Some(thing) = bytes.thing() else { break };
                random.things.push(thing);
            }
        }
        random.things.truncate(MAX_THINGS);
        random.rules.truncate(MAX_RULES);
        random
    }
}
