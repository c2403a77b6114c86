//! Runs a filter as the kernel would: an interpreter for the few instructions that occur in it.

use seccompiler::sock_filter;

/// One system call, as `struct seccomp_data` shows it to a filter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempted {
    pub(super) arch: u32,
    pub(super) number: u32,
    pub(super) args: [u64; 6],
}

/// The program's answer. Anything that the kernel's checker would refuse is a panic.
pub(super) fn run(program: &[sock_filter], call: &Attempted) -> u32 {
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let instruction = program
            .get(at)
            .expect("a jump or the end leads out of the program");
        let jump = |holds: bool| {
            usize::from(if holds {
                instruction.jt
            } else {
                instruction.jf
            })
        };
        let k = instruction.k;
        at += 1;
        match instruction.code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += usize::try_from(k).unwrap(),
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x35 => at += jump(accumulator >= k),
            0x06 => return k,
            code => panic!("no such instruction: {code:#x}"),
        }
    }
}

impl Attempted {
    /// The word at an offset; the low half of an argument comes first on a little-endian machine.
    fn word(&self, offset: u32) -> u32 {
        assert_eq!(offset % 4, 0, "unaligned load");
        let halves = |value: u64| {
            [
                u32::try_from(value & 0xffff_ffff).unwrap(),
                u32::try_from(value >> 32).unwrap(),
            ]
        };
        let mut words = vec![self.number, self.arch, 0, 0];
        words.extend(self.args.into_iter().flat_map(halves));
        words[usize::try_from(offset / 4).unwrap()]
    }
}
