//! Text in the memory of whoever waits: read once, by bounds, and never looked at again.

use std::ffi::CString;

use nix::errno::Errno;

use crate::sys::notify::read_memory;

/// The longest path, with its NUL (`PATH_MAX`).
const LONGEST: usize = 4096;
/// No page is smaller: what lies within one of this size is there as a whole, or not at all.
const PAGE: usize = 4096;

/// The text at `address`, with the errno that the kernel's own reading has (`getname`).
pub(super) fn text(thread: u32, address: u64) -> Result<CString, Errno> {
    read(address, |address, buffer| {
        read_memory(thread, address, buffer)
    })
}

fn read(
    mut address: u64,
    mut memory: impl FnMut(u64, &mut [u8]) -> nix::Result<usize>,
) -> Result<CString, Errno> {
    let mut buffer = [0; LONGEST];
    let mut filled = 0;
    while filled < LONGEST {
        // Up to the end of a page: the text may end there, and the next one be missing.
        let in_page = usize::try_from(address % PAGE as u64).unwrap_or(0);
        let end = LONGEST.min(filled + PAGE - in_page);
        let room = buffer.get_mut(filled..end).unwrap_or_default();
        let wanted = room.len();
        let got = memory(address, room)?;
        let read = buffer.get(filled..filled + got).unwrap_or_default();
        if let Some(length) = read.iter().position(|byte| *byte == 0) {
            let text = buffer.get(..filled + length).unwrap_or_default();
            return CString::new(text).map_err(|_| Errno::EFAULT);
        }
        if got < wanted {
            return Err(Errno::EFAULT);
        }
        filled += got;
        address = address.checked_add(got as u64).ok_or(Errno::EFAULT)?;
    }
    Err(Errno::ENAMETOOLONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory from `start` on, and nothing behind it.
    fn read_of(start: u64, content: &[u8], address: u64) -> Result<CString, Errno> {
        read(address, |address, buffer| {
            let offset = usize::try_from(address - start).unwrap();
            let there = content.get(offset..).filter(|there| !there.is_empty());
            let there = there.ok_or(Errno::EFAULT)?;
            let length = there.len().min(buffer.len());
            buffer[..length].copy_from_slice(&there[..length]);
            Ok(length)
        })
    }

    #[test]
    fn a_text_ends_at_its_nul_or_is_refused_as_the_kernel_does() {
        let long = |length: usize| [vec![b'a'; length], vec![0]].concat();
        assert_eq!(read_of(0, b"abc\0def", 0), Ok(c"abc".into()));
        assert_eq!(read_of(0, b"\0", 0), Ok(c"".into()));
        // The last byte before a page that is missing.
        assert_eq!(read_of(4000, &long(95), 4000).unwrap().count_bytes(), 95);
        assert_eq!(read_of(4000, &[b'a'; 96], 4000), Err(Errno::EFAULT));
        assert_eq!(read_of(0, b"", 0), Err(Errno::EFAULT));
        // Over the end of a page.
        assert_eq!(
            read_of(4000, &long(4095), 4000).unwrap().count_bytes(),
            4095
        );
        assert_eq!(read_of(4000, &long(4096), 4000), Err(Errno::ENAMETOOLONG));
        assert_eq!(read_of(0, &[b'a'; 9000], 0), Err(Errno::ENAMETOOLONG));
    }
}
