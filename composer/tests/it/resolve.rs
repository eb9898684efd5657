//! The solver against what the real apk 3.0.6 made of small repositories, each showing one rule, of others made up at
//! random, and of worlds over a real index.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is the report"
)]

use std::hash::{DefaultHasher, Hash, Hasher};

use apk_format::dependency::split_name_version;
use apk_format::{Dependency, Digest, Index, KeyRing, Provide, Record, Trust, Version};
use composer::resolve::{
    Change, ChangeKind, Chosen, Complaint, Installed, MissingName, Operation, PackageProblem,
    Preference, Repository, Request, ResolveError, Solution, Universe, resolve,
};

/// One line of `fixtures/vectors/solver-examples.tsv`; its notation is described in `fixtures/README.md`.
pub(crate) struct Example<'a> {
    number: &'a str,
    repositories: Vec<(Option<&'a str>, Vec<Listed<'a>>)>,
    installed: Vec<Listed<'a>>,
    world: Vec<Dependency>,
    request: &'a str,
    expected: &'a str,
}

/// A package, and the tag it is installed with.
pub(crate) struct Listed<'a> {
    pub(crate) record: Record,
    pub(crate) tag: Option<&'a str>,
}

#[test]
fn worked_examples_come_out_as_with_apk() {
    assert_eq!(compare_table("vectors/solver-examples.tsv"), 166);
}

#[test]
fn recorded_cases_come_out_as_with_apk() {
    assert_eq!(compare_table("recorded/apk-3.0.6/solver-cases.tsv"), 250);
}

/// Solves every row of a table, and gives their number.
fn compare_table(path: &str) -> usize {
    let text = fixtures::text(path);
    let examples: Vec<Example<'_>> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(Example::parse)
        .collect();
    let mut failures = String::new();
    for example in &examples {
        let actual = example.run();
        if actual != example.expected {
            failures += &format!(
                "{}: {actual}\n  expected {}\n",
                example.number, example.expected
            );
        }
    }
    assert!(failures.is_empty(), "\n{failures}");
    examples.len()
}

/// Random worlds over a real index of 5,004 packages.
#[test]
fn worlds_over_a_real_index_come_out_as_with_apk() {
    let Some(shared) = fixtures::shared() else {
        return;
    };
    let file = std::fs::read(shared.join("data/APKINDEX-3.17-main-aarch64.tar.gz")).unwrap();
    let index = Index::read(&file[..], &KeyRing::new(), Trust::AllowUntrusted).unwrap();
    let universe = Universe {
        repositories: vec![Repository {
            tag: None,
            records: &index.records,
            ..Repository::default()
        }],
        architectures: vec!["aarch64"],
        ..Universe::default()
    };
    let text = fixtures::text("recorded/apk-3.0.6/solver-worlds.tsv");
    let mut compared = 0;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let wanted: Vec<Dependency> = columns[0]
            .split(' ')
            .map(|word| word.parse().unwrap())
            .collect();
        let (count, lines) = world_lines(&universe, &wanted);
        assert_eq!(
            (
                count.as_str(),
                Digest::sha1(lines.as_bytes()).to_hex().as_str()
            ),
            (columns[1], columns[2]),
            "{line}\n{lines}"
        );
        compared += 1;
    }
    assert_eq!(compared, 150);
}

/// The number and the lines that apk would print, in the form of `solver-worlds.tsv`.
fn world_lines(universe: &Universe<'_>, wanted: &[Dependency]) -> (String, String) {
    match resolve(universe, &add(wanted)) {
        Ok(solution) => {
            let packages = solution
                .effective()
                .map(|change| change.new.unwrap().record);
            let lines =
                packages.map(|record| format!("Installing {} ({})\n", record.name, record.version));
            (solution.effective().count().to_string(), lines.collect())
        }
        Err(ResolveError::Unsatisfiable(reasons)) => {
            let report = format!("{reasons}\n");
            (
                format!("!{}", reasons.errors),
                report.split_once('\n').unwrap().1.to_owned(),
            )
        }
        Err(error) => panic!("{error}"),
    }
}

/// A chain deeper than a thread's stack could follow: the first package needs all others, the last one comes first.
#[test]
fn depth_costs_no_stack() {
    const DEPTH: usize = 50_000;
    let records: Vec<Record> = (0..DEPTH)
        .map(|at| {
            let mut record = parse_package(&format!("p{at}-1")).record;
            record.depends = (at + 1 < DEPTH)
                .then(|| Dependency::any(&format!("p{}", at + 1)))
                .into_iter()
                .collect();
            record
        })
        .collect();
    let universe = Universe {
        repositories: vec![Repository {
            tag: None,
            records: &records,
            ..Repository::default()
        }],
        ..Universe::default()
    };
    let wanted = [Dependency::any("p0")];
    let solution = resolve(&universe, &add(&wanted)).unwrap();
    let names = solution
        .changes
        .iter()
        .map(|change| change.new.unwrap().record.name.as_str());
    assert!(names.eq(records.iter().rev().map(|record| record.name.as_str())));
}

#[test]
fn report_is_wrapped_like_that_of_apk_and_hints_name_what_is_near() {
    let repository = parse_repository(
        "busybox-1 d:v; busybox-2 d:v; x1-1 p:v; x2-1 p:v; x3-1 p:v; x4-1 p:v; x5-1 p:v; x6-1 p:v; x7-1 p:v",
    );
    let records: Vec<Record> = repository
        .1
        .into_iter()
        .map(|listed| listed.record)
        .collect();
    let universe = Universe {
        repositories: vec![Repository {
            tag: None,
            records: &records,
            ..Repository::default()
        }],
        ..Universe::default()
    };
    let wanted: Vec<Dependency> = ["busybox=1", "busibox>2"]
        .iter()
        .map(|word| word.parse().unwrap())
        .collect();
    let Err(ResolveError::Unsatisfiable(reasons)) = resolve(&universe, &add(&wanted)) else {
        panic!("this has no solution");
    };
    assert_eq!(reasons.errors, 3);
    assert_eq!(
        reasons.to_string(),
        "unable to select packages:\n  \
           busibox (no such package):\n    \
             required by: world[busibox>2]\n  \
           v (virtual):\n    \
             note: please select one of the 'provided by'\n          packages explicitly\n    \
             provided by: x1 x2 x3 x4 x5 x6 x7\n    \
             required by: busybox-1[v]"
    );
    assert_eq!(
        reasons.hints().collect::<Vec<_>>(),
        [r#"instead of "busibox" there is busybox"#]
    );
}

pub(crate) fn add(wanted: &[Dependency]) -> Request<'_> {
    Request {
        world: &[],
        operation: Operation::Add {
            wanted,
            preference: Preference::Installed,
        },
        ..Request::default()
    }
}

impl<'a> Example<'a> {
    fn parse(line: &'a str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        let [number, repositories, state, request, expected, _, _] = columns[..] else {
            panic!("not seven columns: {line}");
        };
        Example::new(number, [repositories, state, request], expected)
    }

    pub(crate) fn new(
        number: &'a str,
        [repositories, state, request]: [&'a str; 3],
        expected: &'a str,
    ) -> Self {
        let (installed, world) = parse_state(state);
        Example {
            number,
            repositories: repositories.split("||").map(parse_repository).collect(),
            installed,
            world,
            request,
            expected,
        }
    }

    pub(crate) fn run(&self) -> String {
        let records: Vec<(Option<&str>, Vec<Record>)> = self
            .repositories
            .iter()
            .map(|(tag, listed)| {
                (
                    *tag,
                    listed.iter().map(|listed| listed.record.clone()).collect(),
                )
            })
            .collect();
        let universe = Universe {
            repositories: records
                .iter()
                .map(|(tag, records)| Repository {
                    tag: *tag,
                    records,
                    ..Repository::default()
                })
                .collect(),
            installed: self
                .installed
                .iter()
                .map(|listed| Installed {
                    record: &listed.record,
                    tag: listed.tag,
                    replaces: &[],
                })
                .collect(),
            architectures: vec!["aarch64"],
            ..Universe::default()
        };
        let words: Vec<&str> = self
            .request
            .split(' ')
            .filter(|word| !word.is_empty())
            .collect();
        let (verb, options, operands) = split_request(&words);
        let wanted: Vec<Dependency> = if verb == "add" {
            operands.iter().map(|word| word.parse().unwrap()).collect()
        } else {
            Vec::new()
        };
        let request = Request {
            world: &self.world,
            operation: operation(verb, &options, &operands, &wanted),
            ..Request::default()
        };
        match resolve(&universe, &request) {
            Ok(solution) => print_solution(&solution, self.expected.contains("[r")),
            Err(error) if self.expected.is_empty() => print_counted(&error),
            Err(error) => print_error(&error),
        }
    }
}

// --- reading the notation -------------------------------------------------------

fn parse_repository(text: &str) -> (Option<&str>, Vec<Listed<'_>>) {
    let text = text.trim();
    match text.strip_prefix('@') {
        Some(text) => {
            let (tag, packages) = text.split_once(' ').unwrap_or((text, ""));
            (Some(tag), parse_packages(packages))
        }
        None => (None, parse_packages(text)),
    }
}

fn parse_state(text: &str) -> (Vec<Listed<'_>>, Vec<Dependency>) {
    let (installed, world) = match text.split_once("world ") {
        Some((installed, world)) => (installed, world),
        None => (text, ""),
    };
    let installed = installed.trim().strip_prefix("inst ").unwrap_or_default();
    let world = world
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().unwrap())
        .collect();
    (parse_packages(installed), world)
}

pub(crate) fn parse_packages(text: &str) -> Vec<Listed<'_>> {
    text.split(';')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(parse_package)
        .collect()
}

pub(crate) fn parse_package(text: &str) -> Listed<'_> {
    let mut words = text.split(' ');
    let (name, version) = split_name_version(words.next().unwrap()).unwrap();
    let mut record = Record::new(identity(text), name, Version::lenient(version));
    record.installed_size = 1;
    record.arch = Some("noarch".into());
    let mut tag = None;
    for word in words {
        let (field, value) = word.split_once(':').unwrap();
        let list = value.replace(',', " ");
        match field {
            "d" => (record.depends, record.uninstallable) = parse_depends(&list),
            "p" => record.provides = Provide::parse_list(&list).0.into(),
            "i" => record.install_if = Dependency::parse_list(&list).0.into(),
            "k" => record.provider_priority = value.parse().unwrap(),
            "A" => record.arch = Some(value.into()),
            "I" => record.installed_size = value.parse().unwrap(),
            "s" => tag = Some(value),
            "h" => {}
            _ => panic!("unknown field in {text:?}"),
        }
    }
    Listed { record, tag }
}

fn parse_depends(
    list: &str,
) -> (
    apk_format::Atoms<Dependency>,
    Option<apk_format::Uninstallable>,
) {
    let (good, malformed) = Dependency::parse_list(list);
    (
        good.into(),
        malformed
            .into_iter()
            .next()
            .map(apk_format::Uninstallable::Dependency),
    )
}

/// Equal for equal descriptions; the tag under which a package is installed is no part of it.
fn identity(text: &str) -> Digest {
    let mut hasher = DefaultHasher::new();
    for word in text.split(' ').filter(|word| !word.starts_with("s:")) {
        word.hash(&mut hasher);
    }
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&hasher.finish().to_be_bytes());
    Digest::Sha1(bytes)
}

fn split_request<'a>(words: &[&'a str]) -> (&'a str, Vec<&'a str>, Vec<&'a str>) {
    let (verb, rest) = match words {
        [verb @ ("add" | "upgrade" | "del" | "fix"), rest @ ..] => (*verb, rest),
        all => ("add", all),
    };
    let (options, operands) = rest.iter().partition(|word| word.starts_with("--"));
    (verb, options, operands)
}

fn operation<'a>(
    verb: &str,
    options: &[&str],
    operands: &'a [&'a str],
    wanted: &'a [Dependency],
) -> Operation<'a> {
    let has = |option| options.contains(&option);
    match verb {
        "add" => {
            let preference = match (has("--upgrade"), has("--latest")) {
                (true, _) => Preference::Upgrade,
                (_, true) => Preference::Latest,
                _ => Preference::Installed,
            };
            Operation::Add { wanted, preference }
        }
        "upgrade" => {
            let (available, latest, prune) = (has("--available"), has("--latest"), has("--prune"));
            let (only, ignore) = if has("--ignore") {
                (&[][..], operands)
            } else {
                (operands, &[][..])
            };
            Operation::Upgrade {
                only,
                ignore,
                available,
                latest,
                prune,
            }
        }
        "del" => Operation::Delete {
            names: operands,
            with_dependants: has("--rdepends"),
        },
        _ => Operation::Fix {
            names: operands,
            reinstall: has("--reinstall"),
            upgrade: has("--upgrade"),
            with_dependencies: has("--depends"),
        },
    }
}

// --- writing the notation -------------------------------------------------------

pub(crate) fn print_solution(solution: &Solution<'_>, with_repository: bool) -> String {
    let changes: Vec<String> = solution
        .effective()
        .map(|change| print_change(change, with_repository))
        .collect();
    if changes.is_empty() {
        "(nothing)".to_owned()
    } else {
        changes.join(", ")
    }
}

fn print_change(change: &Change<'_>, with_repository: bool) -> String {
    let Some(new) = &change.new else {
        return format!("-{}", title(change.old.as_ref().unwrap()));
    };
    let mut text = match change.kind() {
        ChangeKind::Install => title(new),
        ChangeKind::Reinstall => return format!("{} (reinstall)", title(new)),
        ChangeKind::Retag => {
            let tag = new.tag.map(|tag| format!("@{tag}"));
            return format!("{}{} (retag)", title(new), tag.unwrap_or_default());
        }
        kind => {
            let arrow = match kind {
                ChangeKind::Upgrade => "→",
                ChangeKind::Downgrade => "↓",
                ChangeKind::Replace => "⇄",
                _ => "?",
            };
            format!(
                "{} {}{arrow}{}",
                new.record.name,
                change.old.unwrap().record.version,
                new.record.version
            )
        }
    };
    if let Some(tag) = new.tag {
        text += &format!("@{tag}");
    }
    if with_repository {
        text += &format!(" [r{}]", new.offer.unwrap().repository);
    }
    text
}

fn title(chosen: &Chosen<'_>) -> String {
    format!("{}-{}", chosen.record.name, chosen.record.version)
}

/// With apk's exit code, and without warnings.
pub(crate) fn print_counted(error: &ResolveError) -> String {
    let code = match error {
        ResolveError::Unsatisfiable(reasons) => reasons.errors,
        _ => 99,
    };
    let text = print_error(error);
    let text = text.split("ERROR: ").last().unwrap();
    match error {
        ResolveError::Unsatisfiable(_) => text.replacen('✗', &format!("✗{code}"), 1),
        _ => format!("✗{code} ERROR: {text}"),
    }
}

pub(crate) fn print_error(error: &ResolveError) -> String {
    let relations: Vec<String> = match error {
        ResolveError::UnknownTags(unknown) => {
            let warnings = unknown.iter().map(|dependency| {
                format!("✗ WARNING: The repository tag for world dependency '{dependency}' does not exist")
            });
            let end = "ERROR: Not committing changes due to missing repository tags.".to_owned();
            return warnings.chain([end]).collect::<Vec<_>>().join(" ");
        }
        ResolveError::Unsatisfiable(reasons) if reasons.complaints.is_empty() => {
            let text = reasons.to_string();
            vec![text.lines().last().unwrap().trim().to_owned()]
        }
        ResolveError::Unsatisfiable(reasons) => reasons
            .complaints
            .iter()
            .flat_map(print_complaint)
            .collect(),
        other => vec![other.to_string()],
    };
    format!("✗ {}", relations.join("; "))
}

fn print_complaint(complaint: &Complaint) -> Vec<String> {
    match complaint {
        Complaint::Missing(MissingName {
            name,
            provided_by,
            required_by,
            ..
        }) => {
            let note = "note please select one of the 'provided by' packages explicitly";
            if provided_by.is_empty() {
                return vec![format!(
                    "{name} (no such package) required by {}",
                    required_by.join(" ")
                )];
            }
            ["provided by", "required by"]
                .into_iter()
                .zip([provided_by, required_by])
                .fold(
                    vec![format!("{name} (virtual) {note}")],
                    |mut relations, (label, items)| {
                        relations.push(format!("{name} (virtual) {label} {}", items.join(" ")));
                        relations
                    },
                )
        }
        Complaint::Package(problem) => print_problem(problem),
    }
}

fn print_problem(problem: &PackageProblem) -> Vec<String> {
    let error: Vec<String> = problem
        .uninstallable
        .then(|| "uninstallable".to_owned())
        .into_iter()
        .collect();
    let arch: Vec<String> = problem.foreign_arch.clone().into_iter().collect();
    let lists = [
        ("error", &error),
        ("arch", &arch),
        ("depends", &problem.malformed_depends),
        ("masked in", &problem.masked_in),
        ("conflicts", &problem.conflicts),
        ("breaks", &problem.breaks),
        ("satisfies", &problem.satisfies),
    ];
    let given = lists.into_iter().filter(|(_, items)| !items.is_empty());
    given
        .map(|(label, items)| format!("{} {label} {}", problem.package, items.join(" ")))
        .collect()
}
