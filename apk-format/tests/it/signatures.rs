//! Who vouches for a package: the rule by which one of several signatures is chosen.

use apk_format::{KeyRing, Package, SignatureError, Trust};
use fixtures::forge::package::Member;
use fixtures::forge::sign::Algorithm;
use fixtures::forge::tar::{Entry, Style, Tar};
use fixtures::forge::{Fault, Forge, Key, gzip};

use crate::ring;

fn verify(bytes: &[u8], keys: &KeyRing, trust: Trust) -> Result<Option<String>, SignatureError> {
    Package::open(bytes).unwrap().verify_signature(keys, trust)
}

fn forge() -> Forge {
    Forge::package("p", "1").file("a", "x")
}

#[test]
fn all_algorithms_verify() {
    let keys = ring(&Key::demo());
    for algorithm in [Algorithm::Rsa, Algorithm::Rsa256, Algorithm::Rsa512] {
        let bytes = forge().build(&Key::demo().with(algorithm));
        assert_eq!(
            verify(&bytes, &keys, Trust::Required),
            Ok(Some("apk-ostree-demo.rsa.pub".to_owned()))
        );
    }
}

#[test]
fn unsigned_and_unknown_pass_only_when_allowed() {
    let unsigned = forge().fault(Fault::Unsigned).build(&Key::demo());
    let keys = ring(&Key::demo());
    let error = verify(&unsigned, &keys, Trust::Required).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it is not signed; it can be used only if untrusted material is allowed"
    );
    assert_eq!(verify(&unsigned, &keys, Trust::AllowUntrusted), Ok(None));

    let foreign = forge().build(&Key::other());
    let error = verify(&foreign, &keys, Trust::Required).unwrap_err();
    assert_eq!(
        error.to_string(),
        "it is signed with \"RSA.apk-ostree-other.rsa.pub\", but the keys loaded are \"apk-ostree-demo.rsa.pub\"; \
         add the public key under exactly that name"
    );
    assert_eq!(verify(&foreign, &keys, Trust::AllowUntrusted), Ok(None));
    let error = verify(&foreign, &KeyRing::new(), Trust::Required).unwrap_err();
    assert!(error.to_string().contains("the keys loaded are none"));
}

#[test]
fn a_bad_signature_by_a_known_key_never_passes() {
    let bytes = forge()
        .fault(Fault::SignedBy(Box::new(Key::other())))
        .build(&Key::demo());
    for trust in [Trust::Required, Trust::AllowUntrusted] {
        let error = verify(&bytes, &ring(&Key::demo()), trust).unwrap_err();
        assert!(
            matches!(&error, SignatureError::Bad { key, .. } if key == "apk-ostree-demo.rsa.pub"),
            "{error}"
        );
    }
}

/// A package whose signature members are made by `sign` from its control member.
fn signed_by(sign: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let forged = forge().forge(&Key::demo());
    let control = forged.member(Member::Control);
    [&sign(control), control, forged.member(Member::Data)].concat()
}

/// One signature member of these entries.
fn member(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut tar = Tar::new(Style::Posix);
    for (name, signature) in entries {
        tar.append(&Entry::file(format!(".SIGN.{name}"), signature.clone()));
    }
    gzip::member(&tar.cut(), gzip::Deflate::Fixed)
}

#[test]
fn the_first_loadable_key_decides() {
    let (demo, other) = (Key::demo(), Key::other());
    let mut both = ring(&demo);
    both.add(other.name(), other.public_pem().as_bytes())
        .unwrap();
    let (demo_name, other_name) = (
        format!("RSA.{}", demo.name()),
        format!("RSA.{}", other.name()),
    );

    let good_then_bad =
        signed_by(|c| member(&[(&demo_name, demo.sign(c)), (&other_name, vec![0; 256])]));
    assert_eq!(
        verify(&good_then_bad, &both, Trust::Required),
        Ok(Some(demo.name().to_owned()))
    );
    let bad_then_good =
        signed_by(|c| member(&[(&demo_name, vec![0; 256]), (&other_name, other.sign(c))]));
    assert!(matches!(
        verify(&bad_then_good, &both, Trust::Required),
        Err(SignatureError::Bad { .. })
    ));
    assert_eq!(
        verify(&bad_then_good, &ring(&other), Trust::Required),
        Ok(Some(other.name().to_owned()))
    );

    let unknown_first = signed_by(|c| {
        let dsa = format!("DSA.{}", demo.name());
        [
            member(&[(&dsa, vec![1]), ("RSA.nobody", vec![2])]),
            member(&[(&demo_name, demo.sign(c))]),
        ]
        .concat()
    });
    assert_eq!(
        verify(&unknown_first, &both, Trust::Required),
        Ok(Some(demo.name().to_owned()))
    );
    let package = Package::open(&unknown_first[..]).unwrap();
    let names = package.signature_names();
    assert_eq!(
        names,
        [
            format!("DSA.{}", demo.name()),
            "RSA.nobody".to_owned(),
            demo_name
        ]
    );
}

#[test]
fn the_first_key_of_a_name_stays() {
    let mut keys = ring(&Key::demo());
    keys.add(Key::demo().name(), Key::other().public_pem().as_bytes())
        .unwrap();
    assert!(verify(&forge().build(&Key::demo()), &keys, Trust::Required).is_ok());
    assert_eq!(
        keys.names().collect::<Vec<_>>(),
        ["apk-ostree-demo.rsa.pub"]
    );
    assert!(keys.add("x", b"nonsense").is_err());
    assert!(keys.add("x", b"\xff").is_err());
}
