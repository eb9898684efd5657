//! Every option of every command of apk-tools 3.0.6 is known here, or refused by name; and no other.
//!
//! `fixtures/recorded/apk-3.0.6/options.tsv` lists them. Each is given in a way that ends the run before anything is
//! done: with a value that it cannot have, or without the one that it needs. What the real apk answers to the same words
//! (`APK_OSTREE_APK3`) shows that the table is right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::apk::{VERSION, our_apk};
use crate::pair::Answer;

/// The commands of apk that change a root, or need its own database.
const NOT_HERE: [&str; 2] = ["convdb", "stats"];

/// Options that are refused, and how they are given.
const REFUSED: [(&str, [&str; 2]); 2] = [
    ("uvol-manager", ["policy", "--uvol-manager=1"]),
    ("overlay-from-stdin", ["add", "--overlay-from-stdin"]),
];

#[derive(Debug)]
struct Row<'t> {
    command: &'t str,
    option: &'t str,
    letters: &'t str,
    kind: &'t str,
}

fn rows(table: &str) -> Vec<Row<'_>> {
    let lines = table.lines().filter(|line| !line.starts_with('#')).skip(1);
    let row = |line| match *str::split(line, '\t').collect::<Vec<_>>() {
        [command, option, letters, kind] => Row {
            command,
            option,
            letters: letters.trim_matches('-'),
            kind,
        },
        _ => panic!("{line}"),
    };
    lines.map(row).collect()
}

/// Words that use an option, and what apk says of them.
fn probes(row: &Row<'_>) -> Vec<(Vec<String>, String)> {
    let command = match row.command {
        "-" => "policy",
        command => command,
    };
    let mut probes = Vec::new();
    let mut probe = |words: &[&str], said: String| {
        let words = std::iter::once(&command).chain(words);
        probes.push((words.map(ToString::to_string).collect(), said));
    };
    let name = row.option;
    match row.kind {
        _ if name == "-" => {}
        "value" => probe(
            &[&format!("--{name}")],
            format!("option '{name}' expects an argument"),
        ),
        // The value is compared with a longer name first: that of a switch of every command.
        "flag" if name == "check" => probe(
            &["--check=x"],
            "invalid argument for option 'check': 'x'".to_owned(),
        ),
        "flag" => probe(
            &[&format!("--{name}=x")],
            format!("option '{name}' does not expect argument (got 'x')"),
        ),
        _ => {
            probe(
                &[&format!("--{name}=x")],
                format!("invalid argument for option '{name}': 'x'"),
            );
            let negated = format!("no-{name}");
            probe(
                &[&format!("--{negated}=x")],
                format!("option '{negated}' does not expect argument (got 'x')"),
            );
        }
    }
    for letter in row.letters.chars().filter(|letter| !"hV".contains(*letter)) {
        let said = match row.kind {
            "value" => format!("option '{letter}' expects an argument"),
            _ => "unrecognized option 'nonsense'".to_owned(),
        };
        let mut words = vec![format!("-{letter}")];
        words.extend((row.kind != "value").then(|| "--nonsense".to_owned()));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        probe(&words, said);
    }
    probes
}

fn assert_refused(answer: &Answer, said: &str, words: &[String]) {
    let line = format!("ERROR: command line: {said}\n");
    assert_eq!((answer.code, &answer.stderr), (Some(1), &line), "{words:?}");
}

#[test]
fn every_option_of_apk_is_known() {
    let table = fixtures::text(format!("recorded/apk-{VERSION}/options.tsv"));
    let dir = Path::new("/");
    let mut count = 0;
    for row in rows(&table) {
        if NOT_HERE.contains(&row.command) {
            continue;
        }
        for (words, said) in probes(&row) {
            assert_refused(&our_apk(dir, &words), &said, &words);
            count += 1;
        }
    }
    assert!(count > 250, "{count} probes");
}

#[test]
fn the_real_apk_knows_them_too() {
    let Some(apk) = fixtures::peer::apk3() else {
        return;
    };
    let table = fixtures::text(format!("recorded/apk-{VERSION}/options.tsv"));
    for row in rows(&table) {
        for (words, said) in probes(&row) {
            let mut command = apk.command();
            command.args(&words).env("APK_CONFIG", "/dev/null");
            assert_refused(&Answer::of(command), &said, &words);
        }
    }
}

#[test]
fn what_is_not_here_is_refused_by_name() {
    let table = fixtures::text(format!("recorded/apk-{VERSION}/options.tsv"));
    let commands: BTreeSet<&str> = rows(&table).iter().map(|row| row.command).collect();
    for command in NOT_HERE {
        assert!(commands.contains(command));
        let answer = our_apk(Path::new("/"), &[command.to_owned()]);
        assert_eq!(answer.code, Some(1));
        let line = format!("ERROR: apk's command '{command}' is not in apk-ostree\n");
        assert_eq!(answer.stderr, line);
    }
    for (option, words) in REFUSED {
        let answer = our_apk(Path::new("/"), &words.map(str::to_owned));
        assert_eq!(answer.code, Some(1));
        let line = format!("ERROR: apk's option '--{option}' is not in apk-ostree\n");
        assert_eq!(answer.stderr, line);
    }
}

/// The help of each command names the options of apk, and none beside.
#[test]
fn the_help_names_the_same_options() {
    let table = fixtures::text(format!("recorded/apk-{VERSION}/options.tsv"));
    let mut expected: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for row in rows(&table) {
        let names = expected.entry(row.command).or_default();
        names.extend(row.letters.chars().map(|letter| format!("-{letter}")));
        if row.option != "-" {
            names.insert(format!("--{}", row.option));
        }
    }
    let global = expected.remove("-").unwrap();
    expected.retain(|command, _| !NOT_HERE.contains(command));
    assert_eq!(expected.len(), 25);
    for (command, mut names) in expected {
        names.extend(global.iter().cloned());
        let answer = our_apk(Path::new("/"), &[command.to_owned(), "--help".to_owned()]);
        assert_eq!(answer.code, Some(0));
        let lines = answer.stdout.lines().filter(|line| line.starts_with("  -"));
        let words = lines.flat_map(|line| line.split([' ', ',']));
        let words = words.filter(|word| word.starts_with('-'));
        let mut found: BTreeSet<String> = words.map(|word| word.replace("[no-]", "")).collect();
        found.remove("--dialect"); // ours alone
        assert_eq!(found, names, "{command}");
    }
}
