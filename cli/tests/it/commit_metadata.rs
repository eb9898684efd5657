//! What stands beside the tree in a commit, compared with the real tool.

use crate::pair::Pair;
use std::fs;

/// A pair with a repository and an empty directory `t`.
fn pair(label: &str) -> Option<Pair> {
    let pair = Pair::with_repository(label, "archive")?;
    pair.in_both(|dir| fs::create_dir(dir.join("t")).unwrap());
    Some(pair)
}

/// Texts that are values.
const VALUES: &[&str] = &[
    "true",
    "false",
    " \t\r\n 5 \n",
    "5",
    "-5",
    "+5",
    "-+5",
    "--0",
    "-",
    "0",
    "-0",
    "010",
    "0x1F",
    "0X1f",
    "-0x10",
    "2147483647",
    "-2147483648",
    "1.5",
    "1.",
    ".5",
    "-.5e-3",
    "1e3",
    "0.1",
    "1e100",
    "1e17",
    "123456789012345678.0",
    "1234567890123456.0",
    "1e-4",
    "1e-5",
    "-0.0",
    "0x1.8",
    "0x.8p4",
    "-0x1e",
    "inf",
    "-inf",
    "+inf",
    "-infinity",
    "nan",
    "1.7976931348623157e308",
    "2.2250738585072014e-308",
    "1e-400",
    "double 5",
    "double 0x10",
    "double -7",
    "boolean true",
    "byte 7",
    "byte 255",
    "byte 0x41",
    "int16 -32768",
    "int16 32767",
    "uint16 65535",
    "int32 5",
    "handle 5",
    "handle -2147483648",
    "uint32 4294967295",
    "int64 -9223372036854775808",
    "int64 9223372036854775807",
    "uint64 18446744073709551615",
    "string 'x'",
    "objectpath '/'",
    "objectpath '/a/b_C9'",
    "signature ''",
    "signature 'a{sv}(ii)v'",
    "int64 uint64 5",
    "@x @t 5",
    "''",
    "\"\"",
    "'it\\'s'",
    "\"it's\"",
    "'a\"b'",
    "\"both ' and \\\"\"",
    "'\\a\\b\\f\\n\\r\\t\\v\\\\\\q\\0'",
    "'line\\\nbreak'",
    "'new\nline'",
    "'\\u00e9\\u20ac\\U0001F600'",
    "'é€😀'",
    "'\\u0001\\u001f\\u007f\\u0085\\u00ad\\u200b\\u2028\\ufeff\\ufffe\\U000e0001'",
    "'\\ue000'",
    "b''",
    "b'abc'",
    "b\"it's\"",
    "b'a\"b'",
    "b'\\a\\b\\f\\n\\r\\t\\v\\\\\\q'",
    "b'\\1\\12\\123\\1234\\377'",
    "b'\\777'",
    "b'a\\0b'",
    "b'\\8'",
    "b'line\\\nbreak'",
    "b'é'",
    "[1, 2, 3]",
    "[1, 2.5]",
    "[1,byte 2]",
    "[byte 1, 2]",
    "[byte 0x41, 0]",
    "[byte 0x41, 0, 0]",
    "[[1], []]",
    "[[], [1]]",
    "[[], [[]], [[byte 1]]]",
    "['a', 'b']",
    "['/a', objectpath '/b']",
    "[b'a', b'b']",
    "[b'a', []]",
    "[b'a', [1, 2]]",
    "[true, false]",
    "[(1, 'a'), (2, 'b')]",
    "[(1, []), (byte 2, ['x'])]",
    "[<1>, <'a'>]",
    "[1, nothing]",
    "[nothing, 1]",
    "[just 1, 2]",
    "[1, just just 2]",
    "[nothing, just nothing, @mmi 5]",
    "[@mi 1, nothing, 2]",
    "@ai []",
    "@a{sv} {}",
    "@a{sv} []",
    "@aay []",
    "@ay []",
    "@a(say) []",
    "@(ii) (1,2)",
    "@(i) (1,)",
    "@mi nothing",
    "@mi 5",
    "@mi just 5",
    "@mmi just nothing",
    "@mmmi just just nothing",
    "@mmi 5",
    "@ms 'x'",
    "@m() ()",
    "@mas []",
    "just 5",
    "just 'x'",
    "just just 5",
    "()",
    "(1,)",
    "(1,2)",
    "(1, 'a', [true], <5>, (byte 1,))",
    "((), ())",
    "<5>",
    "<<5>>",
    "<@as []>",
    "[<(1,)>, <[<'x'>]>]",
    "{'a': 1}",
    "{'a': 1, 'b': 2}",
    "{'a': <1>, 'b': <'x'>}",
    "{'a': 1, 'b': int64 2}",
    "{'a': int64 1, 'b': 2}",
    "{1: 'a', 2: 'b'}",
    "{true: 1}",
    "{byte 1: {'x': (1, <2>)}}",
    "{'/a': 1, objectpath '/b': 2}",
    "{'a', 1}",
    "[{'a', 1}, {'b', 2}]",
    "[{'a': 1}, {}]",
    "@a{ss} {'a': 'b'}",
    "@a{s(ii)} {'a': (1, 2), 'b': (3, 4)}",
    "@a{sas} {'a': []}",
    "@{sv} {'a', <1>}",
    "[@a{sv} {}, {'k': <1>}]",
    "@am(ii) [(1,2), nothing]",
    "@aai [[1],[],[2,3]]",
    "( 1 , 2 )",
    "[ 1 , 2 ]",
    "{ 'a' : 1 , 'b' : 2 }",
    "< 1 >",
];

#[test]
fn values_in_text_form_are_read_as_by_glib() {
    let Some(pair) = pair("values") else { return };
    let pairs: Vec<String> = VALUES
        .iter()
        .enumerate()
        .map(|(number, text)| format!("--add-metadata=k{number:03}={text}"))
        .collect();
    let mut args = vec!["commit", "--repo=r", "-b", "main", "t"];
    args.extend(pairs.iter().map(String::as_str));
    let commit = pair.same(&args);
    // Byte-swapped or not, the integers are told apart from each other.
    let raw = pair.same(&["show", "--repo=r", "--raw", "-B", "main"]);
    pair.same(&["show", "--repo=r", "--raw", "main"]);
    assert_eq!(
        (commit.code, raw.code),
        (Some(0), Some(0)),
        "{}",
        commit.stderr
    );
    for (number, text) in VALUES.iter().enumerate() {
        let key = format!("--print-metadata-key=k{number:03}");
        let printed = pair.ask_us(&["show", "--repo=r", "-B", &key, "main"]);
        assert_eq!(printed.code, Some(0), "{text}: {}", printed.stderr);
    }
    pair.same_success(&["fsck", "--repo=r"]);
}

/// Texts that are none.
const FAULTS: &[&str] = &[
    "",
    " ",
    "foo",
    "x",
    "X",
    "n",
    "nope",
    "just",
    "justice",
    "infinity",
    "true false",
    "5 6",
    "5,",
    "é",
    "?",
    "%i",
    "_",
    "'",
    "'abc",
    "\"abc'",
    "'abc\\",
    "b'abc",
    "b'abc\\",
    "b",
    "'\\u12'",
    "'\\u123g'",
    "'\\u0000'",
    "'ab\\U0001f60'",
    "[",
    "[1",
    "[1,",
    "[1 2]",
    "[,1]",
    "[1,,2]",
    "[1,]",
    "]",
    "(",
    "(1",
    "(1)",
    "(1,2",
    "(1 2)",
    "(1,2,)",
    "(1,,2)",
    "<",
    "<1",
    "<>",
    "<1,2>",
    "{",
    "{'a'",
    "{'a'}",
    "{'a':",
    "{'a':1",
    "{'a',1",
    "{'a',1,2}",
    "{'a':1,}",
    "{'a':1,'b'}",
    "{'a':1 'b':2}",
    "[]",
    "{}",
    "[[], []]",
    "nothing",
    "just nothing",
    "just []",
    "(1, [])",
    "<[]>",
    "  [ <1>, <[ ]> ]",
    "[1, 'a']",
    "[1, true]",
    "['a', 'b', 1]",
    "[1, 2, [3]]",
    "[(1,2), (1,2,3)]",
    "[(1,'a'), (1,2)]",
    "[{'a':1}, {1:1}]",
    "[byte 1, int16 2]",
    "[1, 2.5, byte 1]",
    "[@ai [], @as []]",
    "{[1]: 2}",
    "{<1>: 2}",
    "{(1,): 2}",
    "{just 'a': 2}",
    "{@ms 'a': 2}",
    "{1: 2, 'a': 3}",
    "{'a': 1, 'b': 'x'}",
    "{'a': 'x', 'b': 1}",
    "{'a': 'x', 'b': 1.5}",
    "{'a': [1], 'b': 5}",
    "{'a': 1, 'b': true}",
    "{'a': byte 1, 'b': 256}",
    "{'a', 1, 'b', 2}",
    "@",
    "@z 5",
    "@a",
    "@ii 5",
    "@* 5",
    "@? 5",
    "@r ()",
    "@a* []",
    "@a{?*} {}",
    "@a{*s} {}",
    "@a{vs} {}",
    "@i",
    "@i 'x'",
    "@s 5",
    "@i 1.5",
    "@i [1]",
    "@i true",
    "@ai 5",
    "@as [1]",
    "@(ii) (1,2,3)",
    "@(ii) (1,2,3,4)",
    "@(iii) (1,2)",
    "@ay 'x'",
    "@as b'x'",
    "@v 5",
    "@i <5>",
    "@a{sv} {'a': 5}",
    "@as {}",
    "@{sv} {}",
    "@a{sv} {'a', <1>}",
    "@i just 5",
    "@mi just just 5",
    "@mi 'x'",
    "@(i)(5,)x",
    "@ai[1]",
    "uint32",
    "uint32 -1",
    "uint32 4294967296",
    "int32 2147483648",
    "int32 -2147483649",
    "2147483648",
    "byte 256",
    "byte -1",
    "int16 32768",
    "uint16 65536",
    "handle 2147483648",
    "int64 9223372036854775808",
    "int64 -9223372036854775809",
    "uint64 -1",
    "18446744073709551616",
    "uint64 18446744073709551616",
    "byte 'x'",
    "byte 1.5",
    "byte just 5",
    "08",
    "0x",
    "0xg",
    "1a",
    "+",
    ".",
    "..",
    "1.2.3",
    "1e",
    "1e+",
    "--5",
    "+-5",
    "-a",
    "1E3",
    "1e400",
    "-1e400",
    "1e-310",
    "double 'x'",
    "double 1x",
    "objectpath ''",
    "objectpath 'a'",
    "objectpath '/a/'",
    "objectpath '//'",
    "objectpath '/a-b'",
    "objectpath 5",
    "signature 'z'",
    "signature 'a'",
    "signature 'mi'",
    "signature '('",
    "signature 'i)(i'",
    "signature ')('",
    "string 5",
    "boolean 1",
    "bool true",
    "Uint32 5",
    "uint32x 5",
];

#[test]
fn texts_without_a_value_are_refused_in_glibs_words() {
    let Some(pair) = pair("faults") else { return };
    for text in FAULTS {
        let metadata = format!("--add-metadata=key={text}");
        println!("{text}");
        let answer = pair.same(&["commit", "--repo=r", "-b", "main", &metadata, "t"]);
        assert_eq!(answer.code, Some(1), "{text:?}");
    }
}

/// As deep as it goes, and one deeper.
#[test]
fn values_nest_as_deep_as_in_glib() {
    let Some(pair) = pair("deep") else { return };
    for (open, innermost, close, deepest) in [
        ("[", "1", "]", 120),
        ("(1,", "1", ")", 120),
        ("<", "1", ">", 120),
        ("{'a':", "1", "}", 60),
        ("just ", "1", "", 120),
    ] {
        for depth in [deepest / 2, deepest] {
            let text = [&open.repeat(depth), innermost, &close.repeat(depth)].concat();
            let metadata = format!("--add-metadata=key={text}");
            let args = ["commit", "--repo=r", "-b", "main", &metadata, "t"];
            assert_eq!(pair.same(&args).code, Some(0), "{text}");
            pair.same(&["show", "--repo=r", "--raw", "main"]);
        }
        // ostree writes such a value and cannot read it any more.
        let text = [&open.repeat(127), innermost, &close.repeat(127)].concat();
        let metadata = format!("--add-metadata=key={text}");
        let refused = pair.ask_us(&["commit", "--repo=r", "-b", "main", &metadata, "t"]);
        let words = refused.failure();
        assert!(
            words.starts_with("--add-metadata: not a variant"),
            "{text}: {words}"
        );
    }
    for text in [
        "[".repeat(128) + "1",
        "(1,".repeat(128) + "1",
        format!("@{}i 1", "a".repeat(127)),
        format!("@{}i 1", "a".repeat(128)),
        format!("[@{}i 1]", "a".repeat(127)),
    ] {
        let metadata = format!("--add-metadata=key={text}");
        pair.same(&["commit", "--repo=r", "-b", "main", &metadata, "t"]);
    }
}

/// A root with one kernel in `one`, two in `two`, none in `t`.
fn kernels(pair: &Pair) {
    pair.in_both(|dir| {
        for (root, releases) in [
            ("one", &["6.1"][..]),
            ("two", &["6.1", "6.6"]),
            ("empty", &[]),
        ] {
            let modules = dir.join(root).join("usr/lib/modules");
            fs::create_dir_all(modules.join("no-kernel")).unwrap();
            for release in releases {
                fs::create_dir(modules.join(release)).unwrap();
                fs::write(modules.join(release).join("vmlinuz"), *release).unwrap();
            }
        }
        fs::create_dir(dir.join("file")).unwrap();
        fs::write(dir.join("file/usr"), "").unwrap();
        fs::create_dir_all(dir.join("link/usr/lib")).unwrap();
        std::os::unix::fs::symlink("x", dir.join("link/usr/lib/modules")).unwrap();
    });
}

#[test]
fn bootable_commits_have_their_keys_in_glibs_order() {
    let Some(pair) = pair("bootable") else { return };
    kernels(&pair);
    for args in [
        &["one"][..],
        &["two"],
        &["empty"],
        &["t"],
        &["file"],
        &["--no-bindings", "one"],
        &["--bind-ref=x", "--bind-ref=a", "one"],
        &["--add-metadata-string=ostree.linux=mine", "one"],
        &[
            "--add-metadata-string=a=1",
            "--add-metadata-string=a=2",
            "--add-metadata=a=3",
            "--add-metadata=b=[4]",
            "--add-metadata-string=version=1",
            "--add-metadata=c=<5>",
            "--add-metadata=longer-key=true",
            "--add-metadata=another=@as []",
            "--add-metadata=e=1",
            "--add-metadata=é=1",
            "one",
        ],
    ] {
        pair.same(&[&["commit", "--repo=r", "-b", "main", "--bootable"], args].concat());
        pair.same(&["show", "--repo=r", "--raw", "main"]);
    }
    // The real tool aborts here.
    let link = pair.ask_us(&["commit", "--repo=r", "-b", "main", "--bootable", "link"]);
    assert_eq!(link.failure(), "Not a directory");
}

/// The order of the table in the specification: strings, values, kept keys, bindings.
#[test]
fn metadata_stands_in_the_order_of_its_sources() {
    let Some(pair) = pair("order") else { return };
    let commit = |args: &[&str]| {
        pair.same(&[&["commit", "--repo=r", "-b", "main"], args, &["t"]].concat());
        pair.same(&["show", "--repo=r", "--raw", "main"]);
    };
    commit(&[
        "--add-metadata=z=1",
        "--add-metadata-string=y=2",
        "--add-metadata=x=3",
    ]);
    commit(&[
        "--keep-metadata=x",
        "--add-metadata=x=4",
        "--keep-metadata=z",
        "--add-metadata-string=x=5",
    ]);
    commit(&["--keep-metadata=nope"]);
    commit(&["--keep-metadata=z", "--orphan"]);
    commit(&["--keep-metadata=z", "--parent=none"]);
    commit(&["--add-metadata-string=bad"]);
    commit(&["--add-metadata=bad"]);
    commit(&["--add-metadata-string==x"]);
    commit(&["--add-metadata=bad=foo", "--add-metadata-string=bad"]);
    commit(&["--add-metadata-string=a=1", "--add-metadata-string=a=2"]);
    pair.in_both(|dir| {
        let config = dir.join("r/config");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + "collection-id=org.example.A\n").unwrap();
    });
    commit(&[]);
    commit(&["--no-bindings"]);
    commit(&["--add-metadata-string=ostree.collection-binding=org.example.B"]);
    commit(&["--add-metadata=ostree.ref-binding=5"]);
    commit(&["--orphan", "--bind-ref=b", "--bind-ref=a"]);
    pair.same_success(&["fsck", "--repo=r"]);
}

#[test]
fn detached_metadata_lies_beside_the_commit() {
    let Some(pair) = pair("detached") else { return };
    let commit = |args: &[&str]| {
        let args = [&["commit", "--repo=r", "-b", "main"], args, &["t"]].concat();
        pair.same(&args).stdout.trim_end().to_owned()
    };
    let show = |key: &str| {
        let key = format!("--print-detached-metadata-key={key}");
        pair.same(&["show", "--repo=r", &key, "main"]);
    };
    commit(&[]);
    show("foo");
    let id = commit(&[
        "--add-detached-metadata-string=foo=bar",
        "--add-detached-metadata-string=a=b",
        "--add-detached-metadata-string=a=c",
        "--add-detached-metadata-string==",
    ]);
    for key in ["foo", "a", "", "nope"] {
        show(key);
    }
    let stored = |dir: &std::path::Path| {
        let (prefix, rest) = id.split_at(2);
        let path = dir.join(format!("r/objects/{prefix}/{rest}.commitmeta"));
        (fs::read(&path).unwrap(), fs::metadata(&path).unwrap())
    };
    let (ours, theirs) = (stored(&pair.ours()), stored(&pair.theirs()));
    assert_eq!(ours.0, theirs.0);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(ours.1.permissions().mode(), theirs.1.permissions().mode());
    commit(&["--add-detached-metadata-string=bad"]);
    commit(&["--add-detached-metadata-string=k=v", "--skip-if-unchanged"]);
    show("k");
    // An empty file is an empty dictionary.
    pair.in_both(|dir| {
        let (prefix, rest) = id.split_at(2);
        fs::write(
            dir.join(format!("r/objects/{prefix}/{rest}.commitmeta")),
            "",
        )
        .unwrap();
    });
    show("foo");
    pair.same_success(&["fsck", "--repo=r"]);
}
