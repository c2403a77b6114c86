//! Every input that is kept passes, and every target has some.

#![cfg(unix)]

include!(concat!(env!("OUT_DIR"), "/corpora.rs"));

#[test]
fn every_kept_input_passes() {
    for (target, name, input) in CORPORA {
        println!("{target}/{name}");
        sandbox_fuzz::run(target, input);
    }
}

#[test]
fn every_target_has_inputs() {
    for (target, _) in sandbox_fuzz::TARGETS {
        let inputs = CORPORA.iter().filter(|(of, ..)| of == target);
        assert!(inputs.count() >= 5, "{target}");
        // It is built for the fuzzer, too.
        let manifest = include_str!("../../../fuzz/Cargo.toml");
        assert!(
            manifest.contains(&format!("name = \"{target}\"")),
            "{target}"
        );
    }
}

/// Cut off anywhere, and with each byte another one: what a fuzzer does first.
#[test]
fn inputs_that_are_slightly_wrong_pass() {
    for (target, _, input) in CORPORA.iter().filter(|(.., input)| input.len() < 200) {
        for at in 0..input.len() {
            let (before, _) = input.split_at(at);
            sandbox_fuzz::run(target, before);
            let mut other = input.to_vec();
            if let Some(byte) = other.get_mut(at) {
                *byte ^= 0x2a;
            }
            sandbox_fuzz::run(target, &other);
        }
    }
}
