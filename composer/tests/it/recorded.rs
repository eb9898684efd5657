//! The solver against thousands of answers of the real apk 3.0.6, kept as fingerprints: requests made up from a seed,
//! every name of a real index, random worlds over it.

use std::fmt::Write as _;

use apk_format::{Dependency, Index, KeyRing, Trust};
use composer::resolve::{Operation, Preference, Problem, Repository, RequestOptions, Universe};
use fixtures::solver::{Case, fingerprint, index_text, names_in, world};

use crate::resolve::{Example, print_counted, print_solution};

/// The fingerprints of a table, and its seed.
fn recorded(kind: &str) -> (u64, Vec<String>) {
    let text = fixtures::text(format!("recorded/apk-3.0.6/solver-{kind}.txt"));
    let (head, rows) = text.split_once('\n').unwrap();
    let seed = head.split_once("seed ").unwrap().1;
    let seed = seed.split_once(':').unwrap().0.parse().unwrap();
    let prints = rows.split_whitespace().map(str::to_owned);
    (seed, prints.collect())
}

/// Compares answers with fingerprints, on all processors, each with what it `make`s once; tells the first that differ.
fn compare<S>(
    expected: &[String],
    make: impl Fn() -> S + Sync,
    answer: impl Fn(&mut S, usize) -> (String, String) + Sync,
) -> Vec<usize> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let part = expected.len().div_ceil(threads);
    let parts: Vec<(usize, &[String])> = (0..).step_by(part).zip(expected.chunks(part)).collect();
    let run = &|(start, prints): (usize, &[String])| {
        let mut made = make();
        let numbered = (start..).zip(prints);
        let differing = numbered.filter_map(|(number, print)| {
            let (shown, actual) = answer(&mut made, number);
            (fingerprint(&actual) != *print).then_some((number, format!("{shown}\n  {actual}")))
        });
        differing.collect::<Vec<_>>()
    };
    let found: Vec<(usize, String)> = std::thread::scope(|scope| {
        let started: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(move || run(part)))
            .collect();
        let ended = started.into_iter().flat_map(|one| one.join().unwrap());
        ended.collect()
    });
    let mut told = String::new();
    for (number, text) in found.iter().take(20) {
        writeln!(told, "{number}: {text}").unwrap();
    }
    eprintln!("{told}");
    found.into_iter().map(|(number, _)| number).collect()
}

#[test]
fn requests_made_up_from_a_seed_come_out_as_with_apk() {
    let (seed, expected) = recorded("cases");
    let differing = compare(
        &expected,
        || (),
        |(), number| {
            let row = Case::new(seed, number as u64).row();
            let [repositories, state, request] = &row;
            let example = Example::new("", [repositories, state, request], "");
            (row.join("\t"), example.run())
        },
    );
    assert_eq!(expected.len(), 8000);
    assert_eq!(differing, OTHER_REPORTS);
}

/// Requests that fail here as there and with as many errors, but with another text.
const OTHER_REPORTS: [usize; 0] = [];

/// All answers of apk about the index of Alpine 3.17, of a kind.
fn over_the_index(kind: &str, wanted: impl Fn(u64, u64, &[&str], &[&str]) -> Vec<String> + Sync) {
    let Some(shared) = fixtures::shared() else {
        return;
    };
    let path = shared.join("data/APKINDEX-3.17-main-aarch64.tar.gz");
    let text = index_text(&path).unwrap();
    let (names, provided) = names_in(&text);
    let file = std::fs::read(&path).unwrap();
    let index = Index::read(&file[..], &KeyRing::new(), Trust::AllowUntrusted).unwrap();
    let universe = Universe {
        repositories: vec![Repository {
            records: &index.records,
            ..Repository::default()
        }],
        architectures: vec!["aarch64"],
        ..Universe::default()
    };
    let (seed, expected) = recorded(kind);
    let worlds: Vec<Vec<Dependency>> = (0..expected.len() as u64)
        .map(|number| {
            let words = wanted(seed, number, &names, &provided);
            words.iter().map(|word| word.parse().unwrap()).collect()
        })
        .collect();
    let differing = compare(
        &expected,
        || Problem::new(&universe, &[]).unwrap(),
        |problem, number| {
            let operation = Operation::Add {
                wanted: &worlds[number],
                preference: Preference::Installed,
            };
            let answer = match problem.resolve(operation, RequestOptions::default()) {
                Ok(solution) => print_solution(&solution, false),
                Err(error) => print_counted(&error),
            };
            (format!("{:?}", worlds[number]), answer)
        },
    );
    assert_eq!(differing, [0; 0]);
}

#[test]
fn every_name_of_a_real_index_comes_out_as_with_apk() {
    over_the_index("names", |_, number, names, _| {
        vec![names[usize::try_from(number).unwrap()].to_owned()]
    });
}

#[test]
fn random_worlds_over_a_real_index_come_out_as_with_apk() {
    over_the_index("worlds", world);
}
