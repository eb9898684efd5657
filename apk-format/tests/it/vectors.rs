//! Every row of the version vectors, whose answers come from the real programs.

use std::cmp::Ordering;

use apk_format::{Constraint, Dependency, Op, Version, version};

const ROWS: &str = include_str!("../../../fixtures/vectors/apk-version-vectors.tsv");

#[test]
fn every_row_holds() {
    let mut rows = 0;
    for line in ROWS.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [a, op, b, expected, ..] = fields[..] else {
            panic!("{line:?}")
        };
        let a = a.replace("\\n", "\n").replace("\\t", "\t");
        assert_eq!(answer(&a, op, b), expected, "{line}");
        rows += 1;
    }
    assert_eq!(rows, 1095);
}

fn answer(a: &str, op: &str, b: &str) -> &'static str {
    match op {
        "valid" => truth(Version::parse(a).is_ok()),
        "cmp" | "rawcmp" => match version::compare(a, b, false) {
            Ordering::Less => "<",
            Ordering::Equal => "=",
            Ordering::Greater => ">",
        },
        _ => {
            // Two rows ask for an invalid version, which no dependency text can.
            let (op, version) = (Op::parse(op).unwrap(), Version::lenient(b));
            let constraint = Constraint::Version { op, version };
            let wanted = Dependency {
                constraint,
                ..Dependency::any("name")
            };
            if Version::parse(b).is_ok() {
                assert_eq!(Dependency::parse(&wanted.to_string()).unwrap(), wanted);
            }
            truth(wanted.satisfied_by_version(Some(&Version::lenient(a))))
        }
    }
}

fn truth(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
