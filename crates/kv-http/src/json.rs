//! JSON, in and out. An error says no more than is known of its cause.

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) const JSON: &str = "application/json";

/// A body is not the object that a path takes.
///
/// It says where the body went wrong, but not in the parser's words: they may hold a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the body must be JSON of the form {expected}; see line {line}, column {column}")]
pub(crate) struct NotTheObject {
    expected: &'static str,
    line: usize,
    column: usize,
}

/// A value is not text, and JSON can hold only text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the value is not UTF-8 and cannot be shown as JSON")]
pub(crate) struct NotText;

/// Something could not be written as JSON. No answer has a reason for that: it is a mistake of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the answer could not be written as JSON")]
pub(crate) struct Unwritable;

/// Reads a JSON object; what it may hold is the type's business.
pub(crate) fn object<'a, T: Deserialize<'a>>(
    body: &'a [u8],
    expected: &'static str,
) -> Result<T, NotTheObject> {
    let parsed = match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|error| (error.line(), error.column())),
        _ => Err((1, 1)), // serde would take an array for the fields in their order
    };
    parsed.map_err(|(line, column)| NotTheObject { expected, line, column })
}

/// A value as JSON shows it.
pub(crate) fn text(value: &[u8]) -> Result<&str, NotText> {
    std::str::from_utf8(value).map_err(|_| NotText)
}

/// Writes an answer.
pub(crate) fn to_json(answer: &impl Serialize) -> Result<Vec<u8>, Unwritable> {
    serde_json::to_vec(answer).map_err(unwritable)
}

/// Writes a part of an answer behind what is there.
pub(crate) fn append_json(out: &mut Vec<u8>, part: &impl Serialize) -> Result<(), Unwritable> {
    serde_json::to_writer(out, part).map_err(unwritable)
}

/// The cause is for the log: it is of no use to a client.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritable(error: serde_json::Error) -> Unwritable {
    tracing::error!(%error, "an answer could not be written as JSON");
    Unwritable
}

#[cfg(test)]
mod tests {
    use serde::Serializer;

    use super::*;

    /// Text, and all the same no JSON.
    struct Impossible;

    impl Serialize for Impossible {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("impossible"))
        }
    }

    #[test]
    fn a_failure_to_write_is_not_blamed_on_the_value() {
        assert_eq!(to_json(&Impossible), Err(Unwritable));
        assert_eq!(append_json(&mut Vec::new(), &Impossible), Err(Unwritable));
        assert_eq!(text(b"\xff"), Err(NotText));
    }

    #[test]
    fn an_error_says_where_and_not_what() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct One {
            #[expect(dead_code, reason = "only whether it is there is looked at")]
            a: u32,
        }
        for (body, line, column) in [
            (&b"{\"a\":1,\n\"s3cret\":2}"[..], 2, 8),
            (b"{\"a\":\"s3cret\"}", 1, 13),
            (b"[1]", 1, 1),
            (b"", 1, 1),
        ] {
            let error = object::<One>(body, "{\"a\": 1}").unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{}", String::from_utf8_lossy(body));
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }
}
