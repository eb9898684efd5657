//! Laws that hold for every input: what is written is read back, and no bytes make a reader panic.

use std::io::{self, Read};
use std::sync::LazyLock;

use apk_format::{
    Dependency, Dialect, Digest, Index, InstalledDb, KeyRing, Package, PackageInfo, Provide,
    ScriptArchive, Triggers, Trust, Version, World, stanza,
};
use fixtures::forge::{Forge, Forged, Key, Repository, Script};
use proptest::prelude::*;
use proptest::sample::Index as Position;

const RECORD: &str = "C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\nP:a\nV:1-r0\nA:x86_64\nS:1\nI:2\nT:t\nU:u\nL:l\no:o\nm:m\n\
    t:3\nc:c\nk:4\nD:d>=1 !e\np:p=1 cmd:q\ni:a b\nr:old<2\nq:9\ns:tag\nf:fs\nF:etc\nM:0:1:700\nR:f\na:0:0:4755\n\
    Z:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=\n\n";

const INFO: &str = "# c\npkgname = a\npkgver = 1\nsize = 4\ndepend = b c\nprovides = v=1\ntriggers = /a\n\
    datahash = e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n";

fn version() -> impl Strategy<Value = String> {
    "[0-9]{1,3}(\\.[0-9]{1,3}){0,3}[a-z]?(_(alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]{0,2}){0,2}(~[0-9a-f]{1,4})?(-r[0-9]{1,2})?"
}

/// Texts that are nearly versions.
fn odd_version() -> impl Strategy<Value = String> {
    prop_oneof![version(), "[0-9a-c._~r-]{0,8}", ".*"]
}

fn atom() -> impl Strategy<Value = String> {
    let op = prop_oneof![
        Just("<"),
        Just("<="),
        Just("="),
        Just(">="),
        Just(">"),
        Just("~"),
        Just("<~"),
        Just(">~")
    ];
    let constraint =
        proptest::option::of((op, version()).prop_map(|(op, version)| format!("{op}{version}")));
    (
        "!?",
        "[a-z][a-z0-9:._/-]{0,8}",
        "(@[a-z]{1,3})?",
        constraint,
    )
        .prop_map(|(conflict, name, tag, rest)| {
            format!("{conflict}{name}{tag}{}", rest.unwrap_or_default())
        })
}

/// A list of atoms, some of which are malformed.
fn list() -> impl Strategy<Value = String> {
    let odd = "[ !<>=~@a-c0-9]{0,6}";
    let atoms = prop_oneof![4 => atom(), 1 => odd];
    proptest::collection::vec(atoms, 0..5).prop_map(|atoms| atoms.join(" "))
}

/// Replaces, removes and inserts a few bytes.
fn mutated(bytes: &[u8], changes: &[(Position, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (position, change, value) in changes {
        let at = position.index(bytes.len() + 1);
        match change % 3 {
            0 if at < bytes.len() => bytes[at] = *value,
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ => bytes.insert(at, *value),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(Position, u8, u8)>> {
    proptest::collection::vec(any::<(Position, u8, u8)>(), 1..6)
}

/// Reads with every reader of the crate; only panics matter.
fn read_everything(bytes: &[u8]) {
    let _ = Index::read(bytes, &KeyRing::new(), Trust::AllowUntrusted);
    let _ = ScriptArchive::parse(bytes).map(|archive| archive.write(Dialect::Apk2));
    if let Ok(mut package) = Package::open(bytes) {
        let _ = package.verify_signature(&RING, Trust::Required);
        while let Ok(Some(_)) = package.next_entry() {
            let _ = io::copy(&mut (&mut package).take(1000), &mut io::sink());
        }
        let _ = package.finish();
    }
    let text = String::from_utf8_lossy(bytes);
    let _ = PackageInfo::parse(&text);
    let _ = Index::parse_records(&text);
    let _ = World::parse(&text).map(|world| world.write());
    let _ = Digest::parse(&text);
    let _ = Provide::parse(&text);
    stanza::split(&text).take(100).for_each(drop);
    if let Ok(triggers) = Triggers::parse(&text) {
        triggers.entries.iter().for_each(|trigger| {
            let _ = trigger.matches(&text);
        });
    }
}

proptest! {
    #[test]
    fn versions_follow_the_grammar(text in version()) {
        let version = Version::parse(&text).unwrap();
        prop_assert_eq!(version.to_string(), text);
        prop_assert!(version.cmp_fuzzy(&version).is_eq());
    }

    #[test]
    fn versions_are_ordered(texts in proptest::array::uniform3(odd_version())) {
        let [a, b, c] = texts.map(|text| Version::lenient(&text));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        if a <= b && b <= c {
            prop_assert!(a <= c, "{} {} {}", a, b, c);
        }
    }

    #[test]
    fn equal_versions_hash_alike(a in odd_version(), b in odd_version()) {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let (a, b) = (Version::lenient(&a), Version::lenient(&b));
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        prop_assert_eq!(a == b, hasher.hash_one(&a) == hasher.hash_one(&b));
    }

    #[test]
    fn atoms_come_back(text in atom(), provided in proptest::option::of(odd_version())) {
        let dependency = Dependency::parse(&text).unwrap();
        prop_assert_eq!(dependency.to_string(), text);
        let provided = provided.map(|text| Version::lenient(&text));
        let opposite = Dependency { conflict: !dependency.conflict, ..dependency.clone() };
        let holds = dependency.satisfied_by_version(provided.as_ref());
        prop_assert_ne!(holds, opposite.satisfied_by_version(provided.as_ref()));
    }

    #[test]
    fn any_text_is_an_atom_or_not(text in ".*") {
        if let Ok(dependency) = Dependency::parse(&text) {
            let written = dependency.to_string();
            if !written.is_empty() {
                prop_assert_eq!(Dependency::parse(&written).unwrap(), dependency);
            }
        }
        let _ = Version::parse(&text);
        let _ = apk_format::dependency::split_name_version(&text);
    }

    #[test]
    fn digests_come_back(bytes in any::<[u8; 32]>()) {
        let (short, long) = (Digest::from_bytes(&bytes[..20]).unwrap(), Digest::Sha256(bytes));
        prop_assert_eq!(Digest::parse(&short.to_string()).unwrap(), short);
        prop_assert_eq!(Digest::parse(&short.to_x1()).unwrap(), short);
        prop_assert_eq!(Digest::parse(&long.to_string()).unwrap(), long);
        prop_assert_eq!(Digest::parse(&long.to_q1()).unwrap(), short);
    }

    #[test]
    fn worlds_come_back(atoms in proptest::collection::vec(atom(), 0..6)) {
        let world = World::parse(&atoms.join("\n")).unwrap();
        let written = world.write();
        let again = World::parse(&written).unwrap();
        prop_assert_eq!(again.write(), written);
        prop_assert_eq!(again.dependencies.len(), atoms.len());
    }

    /// What a writer makes of a changed record is read back as the same value.
    #[test]
    fn changed_records_come_back(changes in changes()) {
        let bytes = mutated(RECORD.as_bytes(), &changes);
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(database) = InstalledDb::parse(&text) {
            let written = database.write();
            let again = InstalledDb::parse(&written).unwrap();
            prop_assert_eq!(again.write(), written);
        }
        if let Ok(records) = Index::parse_records(&text) {
            let index = Index { records, ..Index::default() };
            let written = index.write_records();
            let records = Index::parse_records(&written).unwrap();
            prop_assert_eq!(Index { records, ..Index::default() }.write_records(), written);
        }
    }

    /// Solvers link outlines and then read fields, place by place.
    #[test]
    fn outlines_say_what_fields_say(
        (depends, provides, install_if) in (list(), list(), list()),
        changes in proptest::collection::vec(any::<(Position, u8, u8)>(), 0..3),
    ) {
        let text = format!("{RECORD}{RECORD}").replacen("D:d>=1 !e", &format!("D:{depends}"), 1);
        let text = text.replacen("p:p=1 cmd:q", &format!("p:{provides}"), 1);
        let text = text.replacen("i:a b", &format!("i:{install_if}"), 1);
        let bytes = mutated(text.as_bytes(), &changes);
        for record in Index::parse_records(&String::from_utf8_lossy(&bytes)).unwrap_or_default() {
            let outline = record.outline();
            let names: Vec<Vec<&str>> = vec![
                outline.depends().collect(),
                outline.install_if().collect(),
            ];
            let provides: Vec<_> = outline.provides().collect();
            let fields = [&record.depends, &record.install_if];
            let wanted: [Vec<&str>; 2] =
                fields.map(|list| list.iter().map(|one| one.name.as_str()).collect());
            prop_assert_eq!(names, Vec::from(wanted));
            let provided = record.provides.iter().map(|one| {
                (one.name.as_str(), one.version.as_ref().map(Version::as_str))
            });
            prop_assert_eq!(provides, provided.collect::<Vec<_>>());
            prop_assert_eq!(outline.identity, record.identity);
            prop_assert_eq!(outline.name, record.name.as_str());
            prop_assert_eq!(outline.version, record.version.as_str());
            prop_assert_eq!(outline.arch, record.arch.as_deref());
            prop_assert_eq!(outline.size, record.size);
            prop_assert_eq!(outline.installed_size, record.installed_size);
            prop_assert_eq!(outline.provider_priority, record.provider_priority);
            prop_assert_eq!(outline.uninstallable, record.uninstallable.as_ref());
            prop_assert_eq!(outline.ignored, &record.ignored[..]);
        }
    }

    #[test]
    fn changed_info_never_panics(changes in changes()) {
        let bytes = mutated(INFO.as_bytes(), &changes);
        if let Ok(info) = PackageInfo::parse(&String::from_utf8_lossy(&bytes)) {
            info.to_record(Digest::sha1(b""), 0).write_index(&mut String::new());
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        read_everything(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Archives are changed before they are compressed, so that the change reaches the tar reader.
    #[test]
    fn changed_archives_never_panic(changes in changes(), member in 0..3_usize) {
        use fixtures::forge::gzip::{Deflate, member as gz};
        let mut archives = ARCHIVES.clone();
        archives[member] = mutated(&archives[member], &changes);
        let file: Vec<u8> = archives.iter().flat_map(|archive| gz(archive, Deflate::Stored)).collect();
        read_everything(&file);
        read_everything(&gz(&archives[member], Deflate::Stored));
        read_everything(&archives[member]);
    }

    #[test]
    fn changed_files_never_pass(changes in changes()) {
        let forged = &*FORGED;
        let good = forged.bytes();
        let changed = mutated(&good, &changes);
        read_everything(&changed);
        let signature = forged.member(fixtures::forge::package::Member::Signature).len();
        let behind = mutated(&good[signature..], &changes);
        if behind != good[signature..] {
            let result = Package::open(&behind[..]).and_then(|package| {
                package.check_identity(&Digest::Sha1(forged.identity()))?;
                package.finish()
            });
            prop_assert!(result.is_err());
        }
    }

    #[test]
    fn changed_indexes_never_panic(changes in changes()) {
        read_everything(&mutated(&INDEX, &changes));
    }
}

fn forge() -> Forge {
    Forge::package("p", "1-r0")
        .depends("a>=1")
        .script(Script::PreInstall, "#!/bin/sh\n")
        .file("etc/f", "content")
        .xattr("user.k", "v")
        .symlink("etc/l", "f")
        .blocking(1)
}

// Signing is slow beside everything else here.
static FORGED: LazyLock<Forged> = LazyLock::new(|| forge().forge(&Key::demo()));
static INDEX: LazyLock<Vec<u8>> =
    LazyLock::new(|| crate::index_of(&Repository::new("x86_64").add(forge())));
static RING: LazyLock<KeyRing> = LazyLock::new(|| crate::ring(&Key::demo()));
static ARCHIVES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(archives);

/// The three archives of a package, uncompressed.
fn archives() -> Vec<Vec<u8>> {
    use fixtures::forge::package::Member;
    let forged = &*FORGED;
    [Member::Signature, Member::Control, Member::Data]
        .iter()
        .map(|member| {
            let mut content = Vec::new();
            flate2::read::GzDecoder::new(forged.member(*member))
                .read_to_end(&mut content)
                .unwrap();
            content
        })
        .collect()
}
