//! What init reads: the steps of a plan, and a command.

use crate::wire::{CommandHead, Reader, STREAMS};

/// Steps that hold steps lie no deeper than this in a plan, however long.
const MAX_DEPTH: usize = 8;

pub(crate) fn plan(input: &[u8]) {
    steps(Reader(input), 0);
    command(input);
}

/// Every field of every step, in whatever order init could ask for it. Bytes are used up at least as fast as steps come.
fn steps(whole: Reader<'_>, depth: usize) {
    let mut rest = whole;
    loop {
        let before = rest.0.len();
        let Some((_, fields)) = rest.step() else {
            break;
        };
        assert!(rest.0.len() < before, "a step takes no bytes");
        assert!(fields.0.len() <= before - rest.0.len());
        let mut words = fields;
        while words.u32().is_some() {}
        let mut long = fields;
        while long.u64().is_some() {}
        let mut strings = fields;
        while let Some(string) = strings.string() {
            let length = string.count_bytes();
            assert!(fields.0.len() > length);
        }
        let mut mixed = fields;
        let _ = (mixed.u32(), mixed.u64(), mixed.string());
        for inner in [fields, words, mixed] {
            if depth < MAX_DEPTH && inner.0.len() < before {
                steps(inner, depth + 1);
            }
        }
    }
    assert!(rest.0.is_empty(), "a plan is read to its end");
}

fn command(input: &[u8]) {
    let mut rest = Reader(input);
    if let Some(head) = CommandHead::read(&mut rest) {
        let (mut numbers, mut opened_at) = (head.numbers, head.opened_at);
        for _ in 0..head.descriptors {
            assert!(numbers.u32().is_some(), "a descriptor has no number");
        }
        for _ in 0..head.descriptors + STREAMS {
            assert!(opened_at.string().is_some(), "a descriptor has no place");
        }
        assert_eq!(opened_at.0.len(), rest.0.len());
        assert!(head.directory.count_bytes() < input.len());
    }
}
