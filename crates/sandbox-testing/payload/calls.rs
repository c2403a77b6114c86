//! Sequences of raw system calls, given on the command line.
//!
//! `call NUMBER ARG… -- NUMBER ARG…`: one line of output for each, `ok RESULT` or `errno NUMBER`. An argument is a number, or
//! `s:TEXT` (a C string), `z:N` (N zero bytes), `x:HEX` (bytes), `a:N,N,…` (words of 64 bits, each of these forms of
//! number), `r:K` (the result of call K), `p:K,N` (that and N more), `b:K` (the address of the last buffer that was made before call K),
//! `i:OFFSET` (the 32 bits there in the last buffer) or `self` (the process's id).

use super::raw;
use std::ffi::c_long;

/// Carries out the sequence.
pub(crate) fn run(words: &[String]) {
    let mut buffers: Vec<Vec<u8>> = Vec::new();
    let mut results = Vec::new();
    for statement in words.split(|word| word == "--") {
        let mut numbers = statement
            .iter()
            .map(|word| argument(word, &mut buffers, &results))
            .collect::<Vec<_>>()
            .into_iter();
        let number = numbers.next().unwrap_or(-1);
        let result = raw::call(number, std::array::from_fn(|_| numbers.next().unwrap_or(0)));
        match result {
            Ok(value) => println!("ok {value}"),
            Err(errno) => println!("errno {errno}"),
        }
        results.push(result.unwrap_or(-1));
    }
}

fn argument(word: &str, buffers: &mut Vec<Vec<u8>>, results: &[c_long]) -> c_long {
    let (kind, text) = word.split_once(':').unwrap_or(("", word));
    match kind {
        "s" => keep(buffers, [text.as_bytes(), b"\0"].concat()),
        "z" => keep(buffers, vec![0; text.parse().unwrap_or(0)]),
        "x" => keep(buffers, bytes(text)),
        "a" => {
            let words: Vec<c_long> = text
                .split(',')
                .map(|word| argument(word, buffers, results))
                .collect();
            keep(
                buffers,
                words.iter().flat_map(|word| word.to_ne_bytes()).collect(),
            )
        }
        "r" => text
            .parse()
            .ok()
            .and_then(|index: usize| results.get(index))
            .copied()
            .unwrap_or(-1),
        "p" => {
            let (call, more) = text.split_once(',').unwrap_or((text, ""));
            argument(&format!("r:{call}"), buffers, results).wrapping_add(number(more))
        }
        "b" => {
            let back = text.parse::<usize>().unwrap_or(0);
            buffers.iter().rev().nth(back).map_or(0, |buffer| {
                buffer.as_ptr().expose_provenance().cast_signed() as c_long
            })
        }
        "i" => {
            let offset = text.parse::<usize>().unwrap_or(0);
            let found = buffers
                .last()
                .and_then(|buffer| buffer.get(offset..offset + 4));
            found
                .and_then(|four| four.try_into().ok())
                .map_or(-1, |four| c_long::from(i32::from_ne_bytes(four)))
        }
        _ if word == "self" => c_long::from(raw::getpid()),
        _ => number(word),
    }
}

fn keep(buffers: &mut Vec<Vec<u8>>, bytes: Vec<u8>) -> c_long {
    let address = bytes.as_ptr().expose_provenance().cast_signed();
    buffers.push(bytes);
    address as c_long
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    (0..hexadecimal.len() / 2)
        .filter_map(|index| hexadecimal.get(2 * index..2 * index + 2))
        .filter_map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}

fn number(word: &str) -> c_long {
    let parsed = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).map(u64::cast_signed),
        None => word.parse::<i64>(),
    };
    parsed.unwrap_or_else(|_| panic!("not a number: `{word}`"))
}

/// Prints every open descriptor, found by asking for each number.
pub(crate) fn print_descriptors() {
    for fd in 0..=65_535 {
        // Through procfs, but not by listing it: opening the listing is a descriptor of its own.
        if let Ok(target) = std::fs::read_link(format!("/proc/self/fd/{fd}")) {
            println!("{fd} {}", target.display());
        }
    }
}
