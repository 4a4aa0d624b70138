//! Numbers in sentences for people.

/// The number with the words that fit it: `counted(1, "follower has", "followers have")` is "1 follower has".
#[must_use]
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let words = [0, 1, 2].map(|number| counted(number, "follower has", "followers have"));
        assert_eq!(words, ["0 followers have", "1 follower has", "2 followers have"]);
    }
}
