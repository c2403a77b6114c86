//! Numbers that init writes for the kernel: ids of the user namespace, and how many processes there may be.

use super::raw::{Errno, Result};
use super::sys;

/// That a kernel is built for (`NR_CPUS`).
const MOST_PROCESSORS: u32 = 8192;
/// Of the largest number.
const DIGITS: usize = 10;
/// Two numbers, a space behind each, and the count 1.
const MAP_LINE: usize = 2 * DIGITS + 3;

/// One user and one group, each mapped to itself (`user_namespaces(7)`).
pub(crate) fn map_ids(uid: u32, gid: u32) -> Result<()> {
    sys::write_file(c"/proc/self/setgroups", b"deny")?;
    let mut line = [0_u8; MAP_LINE];
    sys::write_file(c"/proc/self/uid_map", map_line(&mut line, uid))?;
    sys::write_file(c"/proc/self/gid_map", map_line(&mut line, gid))
}

/// Keeps the processes of this pid namespace below a number (kernel, `sysctl/kernel.rst`, `pid_max`). A `/proc` of its own is there for
/// that: no other can be written. The kernel takes none below 8 for each processor that there may be: then it is the first that it takes.
pub(crate) fn bound_numbers(below: u32) -> Result<()> {
    let processes = sys::new_mount(c"proc", &[], 0)?;
    let bound = |below| {
        let mut digits = [0; DIGITS];
        let text = decimal(&mut digits, below);
        sys::write_file_at(processes, c"sys/kernel/pid_max", text)
    };
    let mut below = below;
    let mut bounded = bound(below);
    while bounded == Err(Errno::INVAL) && below < MOST_PROCESSORS * 8 {
        below = below.saturating_mul(2);
        bounded = bound(below);
    }
    sys::close(processes)?;
    bounded
}

fn decimal(digits: &mut [u8; DIGITS], number: u32) -> &[u8] {
    let mut rest = number;
    let mut count = 0_usize;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add((rest % 10) as u8);
        rest /= 10;
        count = count.wrapping_add(1);
        if rest == 0 {
            break;
        }
    }
    digits.get(DIGITS.wrapping_sub(count)..).unwrap_or(&[])
}

/// `"<id> <id> 1"`.
fn map_line(line: &mut [u8; MAP_LINE], id: u32) -> &[u8] {
    let mut digits = [0; DIGITS];
    let digits = decimal(&mut digits, id).iter();
    let text = digits.clone().chain(b" ").chain(digits).chain(b" 1");
    let mut length = 0;
    for (slot, byte) in line.iter_mut().zip(text) {
        *slot = *byte;
        length += 1;
    }
    line.get(..length).unwrap_or(&[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_line_names_the_id_twice() {
        for (id, expected) in [
            (0, "0 0 1"),
            (7, "7 7 1"),
            (1000, "1000 1000 1"),
            (u32::MAX, "4294967295 4294967295 1"),
        ] {
            let mut line = [0; MAP_LINE];
            assert_eq!(map_line(&mut line, id), expected.as_bytes());
        }
    }
}
