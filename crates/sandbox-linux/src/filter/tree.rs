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
const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_GREATER: u16 = 0x25;
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

    /// The cases of one range, one after the other.
    fn leaf(&mut self, range: &Range) -> Result<(), FilterError> {
        let Decided { cases, otherwise } = &range.decided;
        if cases.is_empty() {
            self.program.push(answer(*otherwise));
        }
        let mut failed = Failed::default();
        for (tests, action) in cases {
            let tests = case::compile(tests).map_err(|source| FilterError::Rule {
                call: range.call,
                source: Arc::new(source),
            })?;
            all_known(range.call, &tests)?;
            for (at, branch) in failed.jumps {
                self.lead(at, branch)?;
            }
            failed = self.case(&tests, *action, failed.held.unwrap_or_default());
        }
        let last = failed.jumps.into_iter();
        self.open
            .extend(last.map(|(at, branch)| (at, branch, *otherwise)));
        Ok(())
    }

    /// The compiled `tests` of one case, which start with the accumulator as it is `held`.
    fn case(&mut self, tests: &[sock_filter], action: Action, mut held: Held) -> Failed {
        let known = held.brought_about_by(tests);
        let mut failed = Failed::default();
        for (index, instruction) in tests.iter().enumerate().skip(known) {
            held.note(instruction);
            let at = self.program.len();
            self.program.push(instruction.clone());
            if !is_conditional(instruction) {
                continue;
            }
            for (branch, over) in [
                (Branch::Then, instruction.jt),
                (Branch::Else, instruction.jf),
            ] {
                match (index + 1 + usize::from(over)).checked_sub(tests.len()) {
                    None => {}
                    Some(0) => self.open.push((at, branch, action)),
                    Some(_) => failed.add(at, branch, held),
                }
            }
        }
        failed
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

/// The jumps that lead to the next case, and what the accumulator holds after every one of them.
#[derive(Default)]
struct Failed {
    jumps: Vec<(usize, Branch)>,
    held: Option<Held>,
}

impl Failed {
    fn add(&mut self, at: usize, branch: Branch, held: Held) {
        self.jumps.push((at, branch));
        let same = self.held.is_none_or(|others| others == held);
        self.held = Some(if same { held } else { Held::default() });
    }
}

/// What the accumulator holds: a word of the call's data, maybe masked; or nothing that is known. To load it again is one
/// instruction more to install.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Held {
    word: Option<u32>,
    mask: Option<u32>,
}

impl Held {
    fn note(&mut self, instruction: &sock_filter) {
        match instruction.code {
            LOAD => (self.word, self.mask) = (Some(instruction.k), None),
            AND if self.mask.is_none() => self.mask = Some(instruction.k),
            AND => *self = Self::default(),
            _ => {}
        }
    }

    /// How many instructions at the beginning of `program` do nothing but bring this about.
    fn brought_about_by(self, program: &[sock_filter]) -> usize {
        let mut after = Self::default();
        for (length, instruction) in program.iter().enumerate() {
            if after == self {
                return length;
            }
            if !matches!(instruction.code, LOAD | AND) {
                break;
            }
            after.note(instruction);
        }
        0
    }
}

/// What seccompiler emits is known to the last instruction, so that no jump of it is overlooked.
fn all_known(call: &'static str, tests: &[sock_filter]) -> Result<(), FilterError> {
    let is_known = |instruction: &&sock_filter| {
        is_conditional(instruction) || matches!(instruction.code, LOAD | AND)
    };
    match tests.iter().find(|instruction| !is_known(instruction)) {
        Some(&sock_filter { code, .. }) => Err(FilterError::Instruction { call, code }),
        None => Ok(()),
    }
}

fn is_conditional(instruction: &sock_filter) -> bool {
    matches!(instruction.code, JUMP_EQUAL | JUMP_GREATER | JUMP_AT_LEAST)
}

/// The answer of a single range that asks for no arguments.
fn answer_of(ranges: &[Range]) -> Option<Action> {
    match ranges {
        [range] if range.decided.cases.is_empty() => Some(range.decided.otherwise),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_that_is_not_known_is_refused() {
        // `BPF_JMP | BPF_JSET | BPF_K`, `BPF_JMP | BPF_JA`, `BPF_JMP | BPF_JEQ | BPF_X`.
        for code in [0x45, JUMP, 0x1d] {
            let unknown = sock_filter {
                code,
                jt: 1,
                jf: 2,
                k: 3,
            };
            let tests = [load(16), jump_if_equal(1, 0, 1), unknown];
            let refused = Err(FilterError::Instruction { call: "read", code });
            assert_eq!(all_known("read", &tests), refused);
            assert_eq!(all_known("read", &tests[..2]), Ok(()));
        }
    }
}
