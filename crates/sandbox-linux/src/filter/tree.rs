//! The search for a call's number: a balanced tree of comparisons over ranges of numbers with equal outcome.
//!
//! seccompiler compiles the tests of one case; it compares the numbers one after the other and knows a single outcome
//! besides the default, so the search is ours. A tree is what counts when a filter is *installed* (the kernel then
//! runs it once for every number, to remember which calls always pass); afterwards such a call costs the same in any shape.

use std::sync::Arc;

use seccompiler::sock_filter;

use super::FilterError;
use super::case::{self, Action, Call, Decided};

/// Offset of the call's number in `struct seccomp_data`.
pub(super) const NUMBER: u32 = 0;
/// Offset of the architecture in `struct seccomp_data`.
pub(super) const ARCHITECTURE: u32 = 4;

// `BPF_LD | BPF_W | BPF_ABS` and its like (linux/filter.h); libc has the parts as 32-bit words, the instruction takes 16.
const LOAD: u16 = 0x20;
pub(super) const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_AT_LEAST: u16 = 0x35;
const RETURN: u16 = 0x06;

/// Loads a word of `struct seccomp_data`.
pub(super) fn load(offset: u32) -> sock_filter {
    sock_filter {
        code: LOAD,
        jt: 0,
        jf: 0,
        k: offset,
    }
}

/// Compares the accumulator; `then` or `or_else` instructions are left out.
pub(super) fn jump_if_equal(value: u32, then: u8, or_else: u8) -> sock_filter {
    sock_filter {
        code: JUMP_EQUAL,
        jt: then,
        jf: or_else,
        k: value,
    }
}

/// Compares the accumulator, unsigned; `then` or `or_else` instructions are left out.
pub(super) fn jump_if_at_least(value: u32, then: u8, or_else: u8) -> sock_filter {
    sock_filter {
        code: JUMP_AT_LEAST,
        jt: then,
        jf: or_else,
        k: value,
    }
}

/// Ends the program.
pub(super) fn answer(action: Action) -> sock_filter {
    sock_filter {
        code: RETURN,
        jt: 0,
        jf: 0,
        k: action.verdict(),
    }
}

/// Outcomes by number, without a gap: each range ends where the next one starts.
pub(super) struct Ranges {
    unknown: Decided,
    sorted: Vec<Range>,
    next: u32,
}

struct Range {
    first: u32,
    decided: Decided,
    /// For an error: the call that the range starts with.
    call: &'static str,
}

impl Ranges {
    /// Starts with every number unknown.
    pub(super) fn new(unknown: Decided) -> Self {
        Self {
            unknown,
            sorted: Vec::new(),
            next: 0,
        }
    }

    /// Adds a call; they come in the order of their numbers.
    pub(super) fn push(&mut self, call: Call, decided: Decided) {
        if call.number() > self.next {
            self.extend(self.next, self.unknown.clone(), "unknown");
        }
        self.extend(call.number(), decided, call.name());
        self.next = call.number() + 1;
    }

    fn extend(&mut self, first: u32, decided: Decided, call: &'static str) {
        if self
            .sorted
            .last()
            .is_none_or(|range| range.decided != decided)
        {
            self.sorted.push(Range {
                first,
                decided,
                call,
            });
        }
    }

    /// The tree; it expects the number in the accumulator.
    pub(super) fn into_program(mut self) -> Result<Vec<sock_filter>, FilterError> {
        self.extend(self.next, self.unknown.clone(), "unknown");
        subtree(&self.sorted)
    }
}

fn subtree(ranges: &[Range]) -> Result<Vec<sock_filter>, FilterError> {
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let Some(middle) = upper.first() else {
        return Ok(Vec::new());
    };
    if lower.is_empty() {
        return leaf(middle);
    }
    let (lower, upper) = (subtree(lower)?, subtree(upper)?);
    let mut program = Vec::with_capacity(2 + lower.len() + upper.len());
    if let Ok(length) = u8::try_from(lower.len()) {
        program.push(jump_if_at_least(middle.first, length, 0));
    } else {
        // A conditional jump has 8 bits; the unconditional one has 32. A program that does not fit even there is far too long.
        let length = u32::try_from(lower.len()).map_err(|_| FilterError::TooLong {
            length: lower.len(),
        })?;
        program.push(jump_if_at_least(middle.first, 0, 1));
        program.push(sock_filter {
            code: JUMP,
            jt: 0,
            jf: 0,
            k: length,
        });
    }
    program.extend(lower);
    program.extend(upper);
    Ok(program)
}

/// The cases of one range, each followed by its answer, and the answer where none holds.
fn leaf(range: &Range) -> Result<Vec<sock_filter>, FilterError> {
    let mut program = Vec::new();
    for (tests, action) in &range.decided.cases {
        program.extend(case::compile(tests).map_err(|source| FilterError::Rule {
            call: range.call,
            source: Arc::new(source),
        })?);
        program.push(answer(*action));
    }
    program.push(answer(range.decided.otherwise));
    Ok(program)
}
