//! What glibc's allocator says of itself, and what it does when it is asked.

use std::fs;

use crate::Usage;

/// Memory that is no file's, in this file's lines (proc(5)).
const STATUS: &str = "/proc/self/status";

/// None: the system does not say.
pub(crate) fn usage() -> Option<Usage> {
    // SAFETY: it takes nothing, and returns numbers.
    #[allow(unsafe_code)]
    let told = unsafe { libc::mallinfo2() };
    let status = fs::read_to_string(STATUS).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: usize = resident.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(Usage { taken: told.uordblks + told.hblkhd, resident: kib << 10 })
}

/// All pages that are free.
pub(crate) fn give_back() {
    // SAFETY: it takes a number, and leaves alone whatever is in use.
    #[allow(unsafe_code)]
    let _ = unsafe { libc::malloc_trim(0) };
}
