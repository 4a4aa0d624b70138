//! What a comparison of replicas can come to.

/// What a comparison came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All are equal.
    Equal,
    /// Two of them are known to differ.
    Different,
    /// Neither is known.
    Unknown,
}

impl Verdict {
    /// None if nothing is known.
    pub fn equal(self) -> Option<bool> {
        match self {
            Self::Equal => Some(true),
            Self::Different => Some(false),
            Self::Unknown => None,
        }
    }
}
