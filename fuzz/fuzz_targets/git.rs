#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| sandbox_fuzz::run("git", input));
