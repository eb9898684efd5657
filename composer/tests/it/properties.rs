//! What must hold of every solution, whatever was asked for; and how much work strange indexes make.

use std::collections::BTreeSet;

use apk_format::{Dependency, Record};
use composer::resolve::{
    Installed, Operation, Preference, Problem, Repository, RequestOptions, ResolveError, Solution,
    Universe, WORK_BASE,
};
use fixtures::seed::Random;
use fixtures::solver::Case;

use crate::resolve::{Listed, parse_package, parse_packages};

/// A case as records; its repositories lose their tags, so that every package can be chosen.
struct Made {
    repositories: Vec<Vec<Record>>,
    world: Vec<Dependency>,
}

impl Made {
    fn new(number: u64) -> Made {
        let [repositories, ..] = Case::new(77, number).row();
        let lists = repositories.split("||").map(|text| {
            let text = text.trim();
            let text = match text.strip_prefix('@') {
                Some(tagged) => tagged.split_once(' ').map_or("", |(_, text)| text),
                None => text,
            };
            let listed = parse_packages(text).into_iter();
            listed.map(|listed: Listed<'_>| listed.record).collect()
        });
        let mut random = Random::new(number);
        let repositories: Vec<Vec<Record>> = lists.collect();
        let names: BTreeSet<String> = repositories
            .iter()
            .flatten()
            .map(|record| record.name.to_string())
            .collect();
        let names: Vec<String> = names.into_iter().collect();
        let count = 1 + random.below(4);
        let world: BTreeSet<String> = (0..count).map(|_| random.pick(&names).clone()).collect();
        let world = world.iter().map(|name| Dependency::any(name)).collect();
        Made {
            repositories,
            world,
        }
    }

    fn universe(&self) -> Universe<'_> {
        let repositories = self.repositories.iter().map(|records| Repository {
            records,
            ..Repository::default()
        });
        Universe {
            repositories: repositories.collect(),
            architectures: vec!["aarch64"],
            ..Universe::default()
        }
    }
}

/// Installs a world where nothing is.
fn install<'a>(
    universe: &Universe<'a>,
    world: &'a [Dependency],
) -> Result<Solution<'a>, ResolveError> {
    Problem::new(universe, world)?.resolve(Operation::default(), RequestOptions::default())
}

fn chosen<'a>(solution: &Solution<'a>) -> Vec<&'a Record> {
    let changes = solution.changes.iter();
    changes
        .filter_map(|change| change.new.map(|new| new.record))
        .collect()
}

fn title(record: &Record) -> String {
    format!("{}-{} {}", record.name, record.version, record.identity)
}

fn titles(records: &[&Record]) -> Vec<String> {
    records.iter().map(|record| title(record)).collect()
}

/// The versions under which a package has a name; `None` inside for no version.
fn versions<'r>(record: &'r Record, name: &str) -> Vec<Option<&'r apk_format::Version>> {
    let mut found = Vec::new();
    if record.name == *name {
        found.push(Some(&record.version));
    }
    let provides = record.provides.iter().filter(|one| one.name == *name);
    found.extend(provides.map(|one| one.version.as_ref()));
    found
}

/// Whether a dependency is met by what is chosen. A package may refuse names that it has itself.
fn is_met(wanted: &Dependency, by: Option<&Record>, chosen: &[&Record]) -> bool {
    let matches = |record: &Record| {
        let named = versions(record, &wanted.name);
        named
            .into_iter()
            .map(|version| {
                let identity = Some(&record.identity);
                wanted.satisfied_by(identity, version)
            })
            .collect::<Vec<bool>>()
    };
    let mut others = chosen
        .iter()
        .filter(|one| !wanted.conflict || by.is_none_or(|by| by.identity != one.identity));
    if wanted.conflict {
        others.all(|one| matches(one).into_iter().all(|met| met))
    } else {
        others.any(|one| matches(one).into_iter().any(|met| met))
    }
}

#[test]
fn a_solution_meets_every_dependency_and_refusal() {
    let mut solved = 0;
    for number in 0..4000 {
        let made = Made::new(number);
        let Ok(solution) = install(&made.universe(), &made.world) else {
            continue;
        };
        solved += 1;
        let chosen = chosen(&solution);
        for wanted in &made.world {
            assert!(is_met(wanted, None, &chosen), "{number}: world {wanted}");
        }
        for record in &chosen {
            for wanted in record.depends.iter() {
                let who = title(record);
                assert!(
                    is_met(wanted, Some(record), &chosen),
                    "{number}: {who} {wanted}"
                );
            }
        }
        let names: BTreeSet<&str> = chosen.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(
            names.len(),
            chosen.len(),
            "{number}: two packages of one name"
        );
        for record in &chosen {
            for owned in record.provides.iter().filter(|one| one.version.is_some()) {
                let others = chosen.iter().filter(|one| one.identity != record.identity);
                let shared = others.filter(|one| !versions(one, &owned.name).is_empty());
                assert_eq!(
                    shared.count(),
                    0,
                    "{number}: {} owns {}",
                    title(record),
                    owned.name
                );
            }
        }
    }
    assert!(solved > 1000, "{solved}");
}

/// Everything chosen is wanted by somebody, or has installed itself; and taking a name out of the world of an installed
/// system leaves nothing behind that is not.
#[test]
fn nothing_unneeded_stays() {
    let mut compared = 0;
    for number in 0..3000 {
        let made = Made::new(number);
        let universe = made.universe();
        let Ok(solution) = install(&universe, &made.world) else {
            continue;
        };
        let there = chosen(&solution);
        needed(number, &made, &there, &made.world);
        for gone in &made.world {
            let name = gone.name.as_str();
            let universe = Universe {
                installed: there
                    .iter()
                    .map(|record| Installed {
                        record,
                        tag: None,
                        replaces: &[],
                    })
                    .collect(),
                ..universe.clone()
            };
            let names = [name];
            let delete = Operation::Delete {
                names: &names,
                with_dependants: false,
            };
            let deleted = Problem::new(&universe, &made.world)
                .unwrap()
                .resolve(delete, RequestOptions::default());
            let Ok(deleted) = deleted else {
                continue;
            };
            let rest = chosen(&deleted);
            needed(number, &made, &rest, &deleted.world);
            compared += 1;
        }
    }
    assert!(compared > 1000, "{compared}");
}

/// Every package can be reached from the world.
///
/// But for what apk lets in by the way: a build without install_if of a name that has another build with one is listed
/// as if its conditions held, if it was chosen for somebody who was not.
#[track_caller]
fn needed(number: u64, made: &Made, there: &[&Record], world: &[Dependency]) {
    let all = || made.repositories.iter().flatten();
    let by_the_way = there.iter().filter(|record| {
        let mut others = all().filter(|one| one.name == record.name);
        record.install_if.is_empty() && others.any(|one| !one.install_if.is_empty())
    });
    let mut wanted = world.to_vec();
    wanted.extend(by_the_way.map(|record| Dependency::any(&record.name)));
    let system = composer::why::System::new(there.to_vec(), &wanted);
    for (at, record) in there.iter().enumerate() {
        let known = !system.chains(at).is_empty();
        assert!(
            known,
            "{number}: nothing wants {record:?} of {there:?} in {wanted:?}"
        );
    }
}

/// The order of the world file, and of packages of different names and providers, changes nothing.
#[test]
fn order_of_the_world_never_matters() {
    for number in 0..2000 {
        let made = Made::new(number);
        let universe = made.universe();
        let first = install(&universe, &made.world).map(|one| titles(&chosen(&one)));
        let mut random = Random::new(number);
        let mut world = made.world.clone();
        for last in (1..world.len()).rev() {
            world.swap(last, random.below(last + 1));
        }
        let second = install(&universe, &world).map(|one| titles(&chosen(&one)));
        match (first, second) {
            (Ok(first), Ok(second)) => assert_eq!(first, second, "{number}"),
            (Err(first), Err(second)) => assert_eq!(first.to_string(), second.to_string()),
            (first, second) => panic!("{number}: {first:?} {second:?}"),
        }
    }
}

/// Where no two packages compete for a name, the order of the index changes nothing but the order of packages that
/// install themselves at the same moment.
#[test]
fn order_of_the_index_matters_only_among_equals() {
    for number in 0..2000 {
        let mut made = Made::new(number);
        let mut seen = BTreeSet::new();
        for records in &mut made.repositories {
            records.retain(|record| {
                let names = record.provides.iter().map(|one| one.name.to_string());
                let names: BTreeSet<String> = names.chain([record.name.to_string()]).collect();
                let free = names.iter().all(|name| !seen.contains(name));
                if free {
                    seen.extend(names);
                }
                free
            });
        }
        let set = |made: &Made| {
            let solution = install(&made.universe(), &made.world);
            solution
                .ok()
                .map(|one| titles(&chosen(&one)).into_iter().collect::<BTreeSet<_>>())
        };
        let first = set(&made);
        for records in &mut made.repositories {
            records.reverse();
        }
        made.repositories.reverse();
        assert_eq!(first, set(&made), "{number}");
    }
}

// --- how much work there is ---------------------------------------------------------

/// How many steps it takes to install one name of an index.
fn steps(records: &[Record], name: &str) -> u64 {
    let universe = Universe {
        repositories: vec![Repository {
            records,
            ..Repository::default()
        }],
        ..Universe::default()
    };
    let wanted = [Dependency::any(name)];
    let add = Operation::Add {
        wanted: &wanted,
        preference: Preference::Installed,
    };
    let mut problem = Problem::new(&universe, &[]).unwrap();
    match problem.resolve(add, RequestOptions::default()) {
        Ok(solution) => solution.steps,
        Err(error) => panic!("{error}"),
    }
}

fn package(text: &str) -> Record {
    parse_package(text).record
}

/// An index of a size, for one shape: what it looks like, and what to ask for is `a0`.
type Shape = (&'static str, fn(usize) -> Vec<Record>);

const SHAPES: [Shape; 8] = [
    ("a chain", |size| {
        (0..size)
            .map(|at| package(&format!("a{at}-1 d:a{}", (at + 1) % size)))
            .collect()
    }),
    ("providers of each other in a circle", |size| {
        (0..size)
            .map(|at| package(&format!("a{at}-1 p:a{}=1", (at + size - 1) % size + size)))
            .chain([package("a0-2 d:a1")])
            .collect()
    }),
    ("install_if in a circle", |size| {
        (0..size)
            .map(|at| package(&format!("a{at}-1 i:a{}", (at + size - 1) % size)))
            .collect()
    }),
    ("install_if of all on one", |size| {
        (0..size)
            .map(|at| package(&format!("a{at}-1 i:a0")))
            .collect()
    }),
    ("two ways at each of many crossings", |size| {
        (0..size / 3)
            .flat_map(|at| {
                let next = at + 1;
                let way = |name: char| {
                    format!(
                        "{name}{at}-1 p:v{at}={} d:v{next}",
                        if name == 'x' { 1 } else { 2 }
                    )
                };
                [
                    if at == 0 {
                        "a0-1 d:v0".to_owned()
                    } else {
                        format!("b{at}-1")
                    },
                    if next == size / 3 {
                        format!("x{at}-1 p:v{at}=1")
                    } else {
                        way('x')
                    },
                    if next == size / 3 {
                        format!("y{at}-1 p:v{at}=2")
                    } else {
                        way('y')
                    },
                ]
            })
            .map(|text| package(&text))
            .collect()
    }),
    ("one package with many names, all wanted", |size| {
        let names: Vec<String> = (0..size).map(|at| format!("n{at}")).collect();
        vec![
            package(&format!("a0-1 d:{}", names.join(","))),
            package(&format!("b-1 p:{}", names.join("=1,") + "=1")),
        ]
    }),
    (
        "two packages with the same many names, all wanted",
        |size| {
            let names: Vec<String> = (0..size).map(|at| format!("n{at}")).collect();
            vec![
                package(&format!("a0-1 d:{}", names.join(","))),
                package(&format!("b-1 p:{}", names.join("=1,") + "=1")),
                package(&format!("c-1 p:{}", names.join("=2,") + "=2")),
            ]
        },
    ),
    ("many providers of one name", |size| {
        (0..size)
            .map(|at| package(&format!("p{at}-1 p:v k:{}", at % 1000 + 1)))
            .chain([package("a0-1 d:v")])
            .collect()
    }),
];

/// Ten times as much takes no more than twelve times the steps.
#[test]
fn strange_indexes_take_steps_in_proportion_to_their_size() {
    for (what, make) in SHAPES {
        let (few, many) = (steps(&make(1000), "a0"), steps(&make(10_000), "a0"));
        assert!(many <= 12 * few, "{what}: {few} steps, then {many}");
        assert!(many < 40 * 10_000, "{what}: {many} steps");
    }
}

/// An index of 100,000 packages takes no more than 40 steps for each, whatever it looks like.
#[test]
fn huge_strange_indexes_take_steps_in_proportion_too() {
    const SIZE: usize = 100_000;
    for (what, make) in SHAPES {
        let taken = steps(&make(SIZE), "a0");
        assert!(taken < 40 * SIZE as u64, "{what}: {taken} steps");
    }
}

/// 100,000 entries of a world, as many operands: each is looked up once.
#[test]
fn huge_worlds_take_steps_in_proportion_to_their_size() {
    const SIZE: usize = 100_000;
    let names: Vec<String> = (0..SIZE).map(|at| format!("p{at}")).collect();
    let records: Vec<Record> = names
        .iter()
        .map(|name| package(&format!("{name}-1")))
        .collect();
    let universe = Universe {
        repositories: vec![Repository {
            records: &records,
            ..Repository::default()
        }],
        ..Universe::default()
    };
    let world: Vec<Dependency> = names.iter().map(|name| Dependency::any(name)).collect();
    let operands: Vec<&str> = names.iter().skip(1).map(String::as_str).collect();
    for (operation, left) in [
        (
            Operation::Add {
                wanted: &world,
                preference: Preference::Installed,
            },
            SIZE,
        ),
        (
            Operation::Delete {
                names: &operands,
                with_dependants: false,
            },
            1,
        ),
    ] {
        let mut problem = Problem::new(&universe, &world).unwrap();
        let solution = problem
            .resolve(operation, RequestOptions::default())
            .unwrap();
        assert_eq!(solution.changes.len(), left);
        assert_eq!(solution.world.len(), left);
        assert!(
            solution.steps < 40 * SIZE as u64,
            "{} steps",
            solution.steps
        );
    }
}

/// Where apk would be busy for hours, there is an end.
#[test]
fn there_is_an_end_to_it() {
    let count = 300;
    let all: Vec<String> = (0..count).map(|at| format!("a{at}")).collect();
    let records: Vec<Record> = all
        .iter()
        .map(|name| package(&format!("{name}-1 d:{}", all.join(","))))
        .collect();
    let taken = steps(&records, "a0");
    assert!(taken < WORK_BASE, "{taken}");
}
