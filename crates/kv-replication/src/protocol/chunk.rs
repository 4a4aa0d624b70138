//! How much of a state or of a log goes into one message.

use kv_core::Entry;

/// Fills a chunk up to both limits; whether everything has found room. A single entry above the limit of bytes still
/// travels, alone.
pub(crate) fn fill<'a>(
    chunk: &mut Vec<Entry>,
    entries: impl Iterator<Item = &'a Entry>,
    entries_max: usize,
    bytes_max: usize,
) -> bool {
    let mut bytes = 0;
    for entry in entries {
        bytes += entry.frame().len();
        if chunk.len() == entries_max || (bytes > bytes_max && !chunk.is_empty()) {
            return false;
        }
        chunk.push(entry.clone());
    }
    true
}

#[cfg(test)]
mod tests {
    use kv_core::{Command, Epoch};

    use super::*;

    #[test]
    fn a_chunk_takes_what_fits_and_at_least_one_entry() {
        let entries: Vec<Entry> = (1..=3).map(|it| Command::no_op().into_entry(Epoch::ZERO, it)).collect();
        let bytes = entries.iter().map(|entry| entry.frame().len()).sum();
        let filled = |entries_max, bytes_max| {
            let mut chunk = Vec::new();
            let is_all = fill(&mut chunk, entries.iter(), entries_max, bytes_max);
            (chunk.len(), is_all)
        };
        assert_eq!(filled(3, bytes), (3, true));
        assert_eq!(filled(2, bytes), (2, false));
        assert_eq!(filled(3, bytes - 1), (2, false));
        assert_eq!(filled(3, 1), (1, false));
    }
}
