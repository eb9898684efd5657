//! The vectors that the real ostree made: `fixtures/vectors/ostree-vectors.json`.

use data_encoding::HEXLOWER;
use serde_json::Value as Json;

/// The rows of one table.
#[track_caller]
pub(crate) fn rows(table: &str) -> Vec<Json> {
    let text = std::fs::read_to_string(fixtures::path("vectors/ostree-vectors.json")).unwrap();
    let vectors: Json = serde_json::from_str(&text).unwrap();
    let rows = vectors[table].as_array().unwrap().clone();
    assert!(!rows.is_empty(), "no rows in {table}");
    rows
}

/// A text field of a row.
#[track_caller]
pub(crate) fn text<'a>(row: &'a Json, key: &str) -> &'a str {
    row[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text {key} in {row}"))
}

/// A field of hex digits as bytes; `repeat(HEX,n)` stands for long runs.
#[track_caller]
pub(crate) fn hex(row: &Json, key: &str) -> Vec<u8> {
    let value = text(row, key);
    match value
        .strip_prefix("repeat(")
        .and_then(|rest| rest.strip_suffix(')'))
    {
        Some(run) => {
            let (digits, count) = run.split_once(',').unwrap();
            HEXLOWER
                .decode(digits.as_bytes())
                .unwrap()
                .repeat(count.trim().parse().unwrap())
        }
        None => HEXLOWER.decode(value.as_bytes()).unwrap(),
    }
}
