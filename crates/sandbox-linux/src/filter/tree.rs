//! The search for a call's number: a balanced tree of comparisons over ranges of numbers with equal outcome.
//!
//! seccompiler compiles the tests of one case; it compares the numbers one after the other and knows a single outcome
//! besides the default, so the search is ours. What counts is how long the filter takes to *install*, at the start of every
//! command: the kernel compiles it by the instruction, and runs it once for every number, to remember which calls always
//! pass. Afterwards such a call costs the same in any shape.

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

/// Leaves out so many instructions.
fn jump(over: u32) -> sock_filter {
    sock_filter {
        code: JUMP,
        jt: 0,
        jf: 0,
        k: over,
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
        let mut program = Vec::with_capacity(4 * self.sorted.len());
        subtree(&self.sorted, &mut program)?;
        Ok(program)
    }
}

/// Ranges whose answers lie at one place: as many as a conditional jump with its 8 bits can reach over.
const BLOCK: usize = 40;

/// The two halves of some ranges, and the number at which the upper one starts.
fn halves(ranges: &[Range]) -> Option<(&[Range], &[Range], u32)> {
    let (lower, upper) = ranges.split_at(ranges.len() / 2);
    let middle = upper.first().filter(|_| !lower.is_empty())?;
    Some((lower, upper, middle.first))
}

fn subtree(ranges: &[Range], program: &mut Vec<sock_filter>) -> Result<(), FilterError> {
    if let Some((lower, upper, middle)) = halves(ranges)
        && ranges.len() > BLOCK
    {
        // Over this many instructions only the unconditional jump with its 32 bits reaches.
        program.push(jump_if_at_least(middle, 0, 1));
        let at = program.len();
        program.push(jump(0));
        subtree(lower, program)?;
        let over = u32::try_from(program.len() - at - 1).unwrap_or(u32::MAX);
        if let Some(slot) = program.get_mut(at) {
            *slot = jump(over);
        }
        return subtree(upper, program);
    }
    let mut block = Block {
        program,
        open: Vec::new(),
    };
    block.node(ranges)?;
    block.close()
}

/// A part of the tree with its answers behind it.
struct Block<'a> {
    program: &'a mut Vec<sock_filter>,
    /// The jumps that still have to be led to an answer.
    open: Vec<(usize, Branch, Action)>,
}

#[derive(Clone, Copy)]
enum Branch {
    Then,
    Else,
}

impl Block<'_> {
    fn node(&mut self, ranges: &[Range]) -> Result<(), FilterError> {
        let Some((lower, upper, middle)) = halves(ranges) else {
            return ranges.iter().try_for_each(|range| self.leaf(range));
        };
        let at = self.program.len();
        self.program.push(jump_if_at_least(middle, 0, 0));
        match answer_of(lower) {
            Some(action) => self.open.push((at, Branch::Else, action)),
            None => self.node(lower)?,
        }
        if let Some(action) = answer_of(upper) {
            self.open.push((at, Branch::Then, action));
            return Ok(());
        }
        self.lead(at, Branch::Then)?;
        self.node(upper)
    }

    /// The cases of one range, each followed by its answer, and the answer where none holds.
    fn leaf(&mut self, range: &Range) -> Result<(), FilterError> {
        for (tests, action) in &range.decided.cases {
            let tests = case::compile(tests).map_err(|source| FilterError::Rule {
                call: range.call,
                source: Arc::new(source),
            })?;
            self.program.extend(tests);
            self.program.push(answer(*action));
        }
        self.program.push(answer(range.decided.otherwise));
        Ok(())
    }

    /// Leads a branch of the jump at `at` to what comes next.
    fn lead(&mut self, at: usize, branch: Branch) -> Result<(), FilterError> {
        let length = self.program.len();
        let over = u8::try_from(length - at - 1).map_err(|_| FilterError::TooLong { length })?;
        if let Some(jump) = self.program.get_mut(at) {
            match branch {
                Branch::Then => jump.jt = over,
                Branch::Else => jump.jf = over,
            }
        }
        Ok(())
    }

    /// Adds the answers, each once.
    fn close(mut self) -> Result<(), FilterError> {
        while let Some(&(_, _, action)) = self.open.first() {
            let (its, others) = std::mem::take(&mut self.open)
                .into_iter()
                .partition::<Vec<_>, _>(|(_, _, other)| *other == action);
            for (at, branch, _) in its {
                self.lead(at, branch)?;
            }
            self.program.push(answer(action));
            self.open = others;
        }
        Ok(())
    }
}

/// The answer of a single range that asks for no arguments.
fn answer_of(ranges: &[Range]) -> Option<Action> {
    match ranges {
        [range] if range.decided.cases.is_empty() => Some(range.decided.otherwise),
        _ => None,
    }
}
