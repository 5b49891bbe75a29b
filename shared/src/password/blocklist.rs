//! The most common passwords, built in: a check of a new password asks nobody.
//!
//! `blocklist.txt` is sorted and front-coded: a capital letter says how many characters an entry shares with the one
//! before it (A is none), and the rest of it follows. `tools/blocklist.py` makes it; where it comes from is in
//! `blocklist-notice.txt`.
//!
//! Invariant: the list is compared exactly. Nothing that isn't on it is taken for an entry.

use std::cmp::Ordering;

static LIST: &[u8] = include_bytes!("blocklist.txt");

/// What an entry that is spelled out begins with. Among 16 entries at least one is.
const WHOLE: u8 = b'A';

/// Whether `word`, in lower case, is on the list.
pub fn contains(word: &str) -> bool {
    let word = word.as_bytes();
    let mut entries = Entries::from(block(word));
    while let Some(entry) = entries.next() {
        match entry.cmp(word) {
            Ordering::Less => {}
            Ordering::Equal => return true,
            Ordering::Greater => return false,
        }
    }
    false
}

/// The list from the last entry that is spelled out and not behind `word`.
fn block(word: &[u8]) -> &'static [u8] {
    let (mut low, mut high) = (0, LIST.len());
    while high - low > 1 {
        let middle = low.midpoint(high);
        let start = LIST.get(middle..high).and_then(|part| part.iter().position(|byte| *byte == WHOLE));
        let behind = start.and_then(|start| LIST.get(middle + start..));
        match behind {
            Some(behind) if Entries::from(behind).next().is_some_and(|entry| entry <= word) => {
                low = LIST.len() - behind.len();
            }
            _ => high = middle,
        }
    }
    LIST.get(low..).unwrap_or_default()
}

/// The entries from one that is spelled out.
struct Entries {
    rest: &'static [u8],
    entry: Vec<u8>,
}

impl Entries {
    fn from(rest: &'static [u8]) -> Self {
        Self { rest, entry: Vec::new() }
    }

    /// The next entry. No iterator, since each is written over the one before.
    fn next(&mut self) -> Option<&[u8]> {
        let (mark, rest) = self.rest.split_first()?;
        let end = rest.iter().position(u8::is_ascii_uppercase).unwrap_or(rest.len());
        let (own, rest) = rest.split_at(end);
        self.entry.truncate(usize::from(mark.saturating_sub(WHOLE)));
        self.entry.extend_from_slice(own);
        self.rest = rest;
        Some(&self.entry)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// All of it, decoded.
    pub fn all() -> Vec<String> {
        let mut entries = Entries::from(LIST);
        let mut all = Vec::new();
        while let Some(entry) = entries.next() {
            all.push(String::from_utf8(entry.to_vec()).unwrap());
        }
        all
    }

    #[test]
    fn the_list_is_long_sorted_and_in_lower_case() {
        let all = all();
        assert!(all.is_sorted_by(|one, next| one < next));
        assert!(all.iter().filter(|word| word.len() >= 8).count() >= 10_000, "that can be a whole password");
        assert!(all.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase())));
        assert!(LIST.len() <= 100_000, "every function that takes a password carries it");
    }

    #[test]
    fn every_entry_is_found_and_its_neighbours_are_not() {
        let all = all();
        let known: std::collections::BTreeSet<&str> = all.iter().map(String::as_str).collect();
        for word in &all {
            assert!(contains(word), "{word}");
            for near in
                [format!("{word} "), format!("{word}~"), word[1..].to_owned(), word[..word.len() - 1].to_owned()]
            {
                assert_eq!(contains(&near), known.contains(near.as_str()), "{near}");
            }
        }
    }

    #[test]
    fn what_is_before_between_and_behind_all_entries_is_not_found() {
        for word in
            ["", " ", "!", "\0", "A", "Password", "passwordB", "zzzzzzzzzzzzzzzzzz", "~", "\u{e9}", "\u{10ffff}"]
        {
            assert!(!contains(word), "{word:?}");
        }
    }
}
