//! v3 packages and indexes that apk 3.0.6 made, and what it says of them (`fixtures/samples/v3`).

use std::io::Read;

use apk_format::adb::{self, block::Blocks};
use apk_format::{
    Digest, Entry, EntryKind, Index, KeyId, KeyRing, Package, ScriptKind, SignatureError, Trust,
};

const PACKAGES: [&str; 6] = [
    "x86_64/hello-1.0-r0.apk",
    "x86_64/plain3-2.0-r1.apk",
    "hello-two-signatures-zstd.apk",
    "hello-deflate6.apk",
    "hello-compat-rc9.apk",
    "tiny-unsigned.apk",
];

fn bytes(name: &str) -> Vec<u8> {
    fixtures::bytes(format!("samples/v3/{name}"))
}

fn keys(names: &[&str]) -> KeyRing {
    let mut keys = KeyRing::new();
    for name in names {
        let file = fixtures::bytes(format!("samples/keys/{name}"));
        keys.add(name, &file).unwrap();
    }
    keys
}

const EC: &str = "sample-ec.key.pub";
const RSA: &str = "sample-rsa.key.pub";

/// All entries, and the contents of the files among them.
fn entries(name: &str) -> Vec<(Entry, Vec<u8>)> {
    let file = bytes(name);
    let mut package = Package::open(&file[..]).unwrap();
    let mut all = Vec::new();
    while let Some(entry) = package.next_entry().unwrap() {
        let mut content = Vec::new();
        package.read_to_end(&mut content).unwrap();
        all.push((entry, content));
    }
    package.finish().unwrap();
    all
}

#[test]
fn key_ids_are_those_of_apk() {
    let keys = keys(&[EC, RSA]);
    for (name, id) in [
        (EC, "3a8149bf9e3b333fd4377504f73e035a"),
        (RSA, "9fcf0debcbf3d50a442fc5bad205e099"),
    ] {
        assert_eq!(
            keys.id(name).as_ref().map(KeyId::to_string).as_deref(),
            Some(id)
        );
    }
}

#[test]
fn signatures_are_as_apk_says() {
    let (both, ec, rsa) = (keys(&[EC, RSA]), keys(&[EC]), keys(&[RSA]));
    for name in PACKAGES {
        let file = bytes(name);
        let package = Package::open(&file[..]).unwrap();
        let verify = |keys| package.verify_signature(keys, Trust::Required);
        match name {
            "tiny-unsigned.apk" => assert_eq!(verify(&both), Err(SignatureError::Unsigned)),
            "hello-two-signatures-zstd.apk" => {
                assert_eq!(verify(&ec), Ok(Some(EC.into())));
                assert_eq!(verify(&rsa), Ok(Some(RSA.into())));
            }
            _ => {
                assert_eq!(verify(&both), Ok(Some(EC.into())), "{name}");
                let error = verify(&rsa).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "it is signed with \"ADB.3a8149bf9e3b333fd4377504f73e035a\", but the keys loaded are \
                     \"sample-rsa.key.pub (9fcf0debcbf3d50a442fc5bad205e099)\"; add the public key with that id, \
                     under any name"
                );
            }
        }
        assert!(
            package
                .verify_signature(&rsa, Trust::AllowUntrusted)
                .is_ok()
        );
    }
}

#[test]
fn the_index_lists_exactly_these_packages() {
    let keys = keys(&[EC]);
    let index = Index::read(&bytes("x86_64/Packages.adb")[..], &keys, Trust::Required).unwrap();
    assert_eq!(index.description.as_deref(), Some("samples"));
    assert_eq!(index.pkgname_spec, None);
    let files = [
        fixtures::bytes("samples/v2/x86_64/base-1.2.3_rc1-r4.apk"),
        bytes("x86_64/hello-1.0-r0.apk"),
        bytes("x86_64/plain3-2.0-r1.apk"),
    ];
    assert_eq!(index.records.len(), files.len());
    for (record, file) in index.records.iter().zip(files) {
        let package = Package::open(&file[..]).unwrap();
        package.check_identity(&record.identity).unwrap();
        let made = package
            .info()
            .to_record(package.identity(), file.len() as u64);
        assert_eq!(made, *record);
        package.finish().unwrap();
    }
}

#[test]
fn an_index_may_say_where_its_packages_are() {
    let file = bytes("Packages-spec.adb");
    let index = Index::read(&file[..], &keys(&[RSA]), Trust::Required).unwrap();
    let spec = "${arch}/${name}-${version}.${hash:8}.apk";
    assert_eq!(index.pkgname_spec.as_deref(), Some(spec));
    assert_eq!(index.records[0].name, "plain3");
    assert!(Index::read(&file[..], &keys(&[EC]), Trust::Required).is_err());
    assert!(Index::read(&file[..], &keys(&[EC]), Trust::AllowUntrusted).is_ok());
}

#[test]
fn both_identities_are_those_of_the_specification() {
    let file = bytes("x86_64/plain3-2.0-r1.apk");
    let package = Package::open(&file[..]).unwrap();
    assert_eq!(package.identity().to_q1(), "Q1m3fSBSNtYAdCGYcjwQS2UiR/WLc=");
    assert_eq!(
        package.identity().to_hex(),
        "9b77d205236d600742198723c104b652247f58b73c21df93f9751f5c0ba2d38f"
    );
    let unique = package.unique_id().unwrap();
    assert_eq!(unique.to_hex(), "b3774a90f48fb7f4d16f1b70e917afa09442645d");
    let cut = Digest::from_bytes(&package.identity().as_bytes()[..20]).unwrap();
    package.check_identity(&cut).unwrap();
    package.check_identity(&unique).unwrap();
    let error = package.check_identity(&Digest::sha1(b"")).unwrap_err();
    assert!(error.to_string().contains("was wanted"), "{error}");
    for name in PACKAGES {
        let file = bytes(name);
        let package = Package::open(&file[..]).unwrap();
        let mut blocks = Blocks::open(&file[..]).unwrap();
        blocks.next_block().unwrap();
        let values = blocks.payload(1 << 20).unwrap();
        assert_eq!(
            package.unique_id(),
            adb::unique_id(&values).unwrap(),
            "{name}"
        );
        assert_eq!(package.identity(), Digest::sha256(&values));
    }
}

#[test]
fn hello_has_everything() {
    let file = bytes("x86_64/hello-1.0-r0.apk");
    let package = Package::open(&file[..]).unwrap();
    let info = package.info();
    let texts = |list: &[apk_format::Dependency]| -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        (info.name.as_str(), info.version.as_str()),
        ("hello", "1.0-r0")
    );
    assert_eq!(texts(&info.depends), ["!bad", "plain3>=2"]);
    assert_eq!(texts(&info.replaces), ["old<2"]);
    assert_eq!(texts(&info.install_if), ["a=1", "b"]);
    assert_eq!(texts(&info.recommends), ["rec"]);
    let provides: Vec<String> = info.provides.iter().map(ToString::to_string).collect();
    assert_eq!(provides, ["cmd:hello=1.0-r0", "virt"]);
    assert_eq!(info.tags, ["t:one", "two=2"]);
    assert_eq!(info.triggers, ["/usr/bin", "+/usr/share/*"]);
    assert_eq!((info.replaces_priority, info.provider_priority), (3, 9));
    assert_eq!(
        info.commit.as_deref(),
        Some("0123456789abcdef0123456789abcdef01234567")
    );
    assert_eq!((info.build_time, info.installed_size), (1_700_000_000, 10));
    let [script] = package.scripts() else {
        panic!()
    };
    assert_eq!(
        (script.kind, &*script.body),
        (ScriptKind::PostInstall, &b"#!/bin/sh\nexit 0\n"[..])
    );

    let all = entries("x86_64/hello-1.0-r0.apk");
    let paths: Vec<&str> = all.iter().map(|(entry, _)| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "etc",
            "etc/hello.conf",
            "etc/zero",
            "usr",
            "usr/bin",
            "usr/bin/hard",
            "usr/bin/hello",
            "usr/bin/hi",
            "usr/share",
            "usr/share/empty",
            "usr/share/priv"
        ]
    );
    let find = |path: &str| all.iter().find(|(entry, _)| entry.path == path).unwrap();
    let (conf, content) = find("etc/hello.conf");
    assert_eq!(
        (content.as_slice(), &*conf.xattrs["user.k"]),
        (&b"a=1\n"[..], &b"val"[..])
    );
    assert_eq!(
        (conf.mode, &*conf.uname, &*conf.gname),
        (0o644, "root", "root")
    );
    assert_eq!(conf.checksum, Some(Digest::sha256(b"a=1\n")));
    assert_eq!(
        find("usr/bin/hello").0.kind,
        EntryKind::HardLink {
            target: "usr/bin/hard".into()
        }
    );
    let (link, _) = find("usr/bin/hi");
    assert_eq!(
        link.kind,
        EntryKind::Symlink {
            target: "hello".into()
        }
    );
    assert_eq!(link.checksum, Some(Digest::sha256(b"hello")));
    assert_eq!(find("usr/share/priv").0.mode, 0o700);
}

#[test]
fn compression_changes_nothing() {
    let plain = entries("x86_64/hello-1.0-r0.apk");
    for name in ["hello-deflate6.apk", "hello-two-signatures-zstd.apk"] {
        assert_eq!(entries(name), plain, "{name}");
    }
    // Written without `usr`, `usr/share` and the root.
    let less = entries("hello-compat-rc9.apk");
    assert_eq!(less.len(), plain.len() - 2);
}

/// Signatures by other kinds of keys, which the real program made.
#[test]
fn all_kinds_of_keys_verify() {
    let tiny = bytes("tiny-unsigned.apk");
    let (values, data) = tiny.split_at(0x108);
    let vectors = fixtures::text("vectors/adb-signatures.tsv");
    let rows = vectors.lines().filter(|line| !line.starts_with('#'));
    let mut verified = 0;
    for row in rows {
        let [name, public, payload] = row.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let public: Vec<&str> = public
            .as_bytes()
            .chunks(64)
            .map(|line| str::from_utf8(line).unwrap())
            .collect();
        let public = public.join("\n");
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----\n");
        let hex = |at: usize| u8::from_str_radix(&payload[at..at + 2], 16).unwrap();
        let mut payload: Vec<u8> = (0..payload.len()).step_by(2).map(hex).collect();
        let package = |payload: &[u8]| {
            let size = u32::try_from(payload.len() + 4).unwrap();
            let mut block = (1 << 30 | size).to_le_bytes().to_vec();
            block.extend(payload);
            block.resize(block.len().next_multiple_of(8), 0);
            [values, &block, data].concat()
        };
        let mut keys = KeyRing::new();
        keys.add(name, pem.as_bytes()).unwrap();
        let verify = |bytes: &[u8]| {
            let package = Package::open(bytes).unwrap();
            package.verify_signature(&keys, Trust::Required)
        };
        assert_eq!(verify(&package(&payload)), Ok(Some(name.to_owned())));
        *payload.last_mut().unwrap() ^= 1;
        let error = verify(&package(&payload)).unwrap_err();
        assert!(
            matches!(error, SignatureError::Bad { .. }),
            "{name}: {error}"
        );
        verified += 1;
    }
    assert_eq!(verified, 3);
}
