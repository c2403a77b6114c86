//! Hundreds of megabytes through the standard streams, of which none is lost, doubled or changed.

use sandboxed::{Policy, Preset, Sandbox, Stdio};
use std::io::{Read, Write};

const MIB: usize = 1 << 20;
const BYTES: usize = 256 * MIB;

/// A sequence that does not repeat (splitmix64), so that nothing can stand in another one's place.
struct Sequence(u64);

impl Sequence {
    fn fill(&mut self, bytes: &mut [u8]) {
        for word in bytes.chunks_exact_mut(8) {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            word.copy_from_slice(&(mixed ^ mixed >> 27).to_ne_bytes());
        }
    }
}

#[test]
fn what_goes_in_comes_out() {
    let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap();
    let mut child = sandbox
        .command("cat")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut sequence = Sequence(1);
            let mut piece = vec![0; MIB];
            for _ in 0..BYTES / MIB {
                sequence.fill(&mut piece);
                stdin.write_all(&piece).unwrap();
            }
        });
        let mut sequence = Sequence(1);
        let (mut expected, mut piece) = (vec![0; MIB], vec![0; MIB]);
        for number in 0..BYTES / MIB {
            sequence.fill(&mut expected);
            stdout.read_exact(&mut piece).unwrap();
            assert!(piece == expected, "MiB {number}");
        }
        assert_eq!(stdout.read(&mut piece).unwrap(), 0, "and nothing more");
    });
    assert!(child.wait().unwrap().success());
}

/// The caller collects both at once, and the command ends before all of it is read.
#[test]
fn what_is_collected_is_whole() {
    let sandbox = Sandbox::new(&Policy::preset(Preset::ReadOnly)).unwrap();
    let script = format!(
        "head -c {BYTES} /dev/zero & head -c {} /dev/zero | tr '\\0' e >&2; wait",
        BYTES / 2
    );
    let output = sandbox
        .command("sh")
        .args(["-c", &script])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert_eq!(
        (output.stdout.len(), output.stderr.len()),
        (BYTES, BYTES / 2)
    );
    assert!(output.stdout.iter().all(|byte| *byte == 0));
    assert!(output.stderr.iter().all(|byte| *byte == b'e'));
}
