//! Keys, checked once at the edge.

use thiserror::Error;

/// The longest key, in bytes of UTF-8.
pub const KEY_BYTES_MAX: usize = 512;

/// A key that is known to be good: 1 to [`KEY_BYTES_MAX`] bytes of UTF-8 without control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key<'a>(&'a str);

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidKey {
    /// The text is empty.
    #[error("the key is empty")]
    Empty,
    /// The text has more than [`KEY_BYTES_MAX`] bytes.
    #[error("the key has {bytes} bytes, at most {KEY_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The bytes are not UTF-8.
    #[error("the key is not UTF-8")]
    NotUtf8,
    /// The text holds a control character (U+0000–U+001F, U+007F–U+009F).
    #[error("the key holds a control character")]
    ControlCharacter,
}

impl<'a> Key<'a> {
    /// Checks `text`.
    ///
    /// # Errors
    /// [`InvalidKey`] names the first rule that `text` breaks.
    pub fn parse(text: &'a str) -> Result<Self, InvalidKey> {
        if text.is_empty() {
            return Err(InvalidKey::Empty);
        }
        if text.len() > KEY_BYTES_MAX {
            return Err(InvalidKey::TooLong { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidKey::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// Checks raw bytes.
    ///
    /// # Errors
    /// [`InvalidKey`] names the first rule that `bytes` break.
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self, InvalidKey> {
        Self::parse(std::str::from_utf8(bytes).map_err(|_| InvalidKey::NotUtf8)?)
    }

    /// The text of the key.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_of_a_key() {
        let longest = "k".repeat(KEY_BYTES_MAX);
        for good in ["a", "a/b", "ключ", "with space", "+", longest.as_str()] {
            assert_eq!(Key::parse(good).map(Key::as_str), Ok(good));
        }
        assert_eq!(Key::parse(""), Err(InvalidKey::Empty));
        assert_eq!(Key::parse(&"k".repeat(513)), Err(InvalidKey::TooLong { bytes: 513 }));
        for bad in ["a\nb", "\0", "\u{7f}", "\u{85}"] {
            assert_eq!(Key::parse(bad), Err(InvalidKey::ControlCharacter), "{bad:?}");
        }
        assert_eq!(Key::from_bytes(b"\xff"), Err(InvalidKey::NotUtf8));
    }
}
