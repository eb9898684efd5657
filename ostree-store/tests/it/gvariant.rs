//! Our GVariant against an independent reader of the same format, over random values.

use gvariant::{Marker, Structure, gv};
use ostree_store::checksum::{Checksum, CommitId, DirMetaId, DirTreeId, FileId};
use ostree_store::gvariant::{Dict, Type, Value};
use ostree_store::object::{Commit, DirTree, Name};
use proptest::prelude::*;

use crate::vectors::rows;

fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9é ~_-]{1,300}".prop_map(|text| Name::new(&text).unwrap())
}

fn checksum() -> impl Strategy<Value = Checksum> {
    any::<[u8; 32]>().prop_map(Checksum::from_bytes)
}

fn tree() -> impl Strategy<Value = DirTree> {
    let files = prop::collection::btree_map(name(), checksum().prop_map(FileId::new), 0..40);
    let pair = (
        checksum().prop_map(DirTreeId::new),
        checksum().prop_map(DirMetaId::new),
    );
    let dirs = prop::collection::btree_map(name(), pair, 0..40);
    (files, dirs).prop_map(|(files, mut dirs)| {
        dirs.retain(|name, _| !files.contains_key(name));
        DirTree { files, dirs }
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<u8>().prop_map(Value::Byte),
        any::<u32>().prop_map(Value::Uint32),
        any::<i64>().prop_map(Value::Int64),
        "[a-z']{0,400}".prop_map(Value::Str),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        prop::collection::vec("[a-z]{0,9}", 0..30).prop_map(Value::strings),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Tuple),
            inner
                .clone()
                .prop_map(|child| Value::Variant(Box::new(child))),
            prop::collection::vec(inner.clone(), 0..6).prop_map(|values| {
                let boxed = values
                    .into_iter()
                    .map(|value| Value::Variant(Box::new(value)));
                Value::Array(Type::Basic(b'v'), boxed.collect())
            }),
            inner.prop_map(|child| Value::Maybe(child.type_of(), Some(Box::new(child)))),
        ]
    })
}

proptest! {
    #[test]
    fn dirtrees_mean_the_same_to_both(tree in tree()) {
        let bytes = tree.encode();
        prop_assert_eq!(&DirTree::parse(&bytes).unwrap(), &tree);
        let data = gvariant::aligned_bytes::copy_to_align(&bytes);
        let (files, dirs) = gv!("(a(say)a(sayay))").cast(data.as_ref()).to_tuple();
        let theirs: Vec<(String, Vec<u8>)> = files
            .iter()
            .map(|entry| entry.to_tuple())
            .map(|(name, file)| (name.to_str().to_owned(), file.to_vec()))
            .collect();
        let ours: Vec<(String, Vec<u8>)> =
            tree.files.iter().map(|(name, file)| (name.to_string(), file.checksum().as_bytes().to_vec())).collect();
        prop_assert_eq!(theirs, ours);
        prop_assert_eq!(dirs.iter().count(), tree.dirs.len());
    }

    #[test]
    fn values_survive_a_round_trip(value in value()) {
        let bytes = value.encode();
        prop_assert_eq!(&Value::parse(&value.type_of(), &bytes).unwrap(), &value);
    }

    #[test]
    fn commits_mean_the_same_to_both(
        values in prop::collection::vec(("[a-z.]{1,20}", value()), 0..6),
        parent in prop::option::of(checksum()),
        subject in "[a-z \n]{0,300}",
        timestamp in any::<i64>(),
        root in (checksum(), checksum()),
    ) {
        let mut metadata = Dict::default();
        values.iter().for_each(|(key, value)| metadata.push(key.as_str(), value.clone()));
        let commit = Commit {
            metadata,
            parent: parent.map(CommitId::new),
            related: Vec::new(),
            subject: subject.clone(),
            body: String::new(),
            timestamp,
            root_tree: DirTreeId::new(root.0),
            root_meta: DirMetaId::new(root.1),
        };
        let bytes = commit.encode();
        prop_assert_eq!(&Commit::parse(&bytes).unwrap(), &commit);
        let data = gvariant::aligned_bytes::copy_to_align(&bytes);
        let theirs = gv!("(a{sv}aya(say)sstayay)").cast(data.as_ref()).to_tuple();
        prop_assert_eq!(theirs.0.iter().count(), values.len());
        prop_assert_eq!(theirs.1, parent.as_ref().map_or(&[][..], |parent| parent.as_bytes()));
        prop_assert_eq!(theirs.3.to_str(), subject);
        prop_assert_eq!(i64::from_be(theirs.5.cast_signed()), timestamp);
        prop_assert_eq!(theirs.6, root.0.as_bytes());
    }

    #[test]
    fn random_bytes_are_refused_or_normal(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..4_usize) {
        let of: Type = ["(a(say)a(sayay))", "a{sv}", "(uuua(ayay))", "v"][kind].parse().unwrap();
        if let Ok(value) = Value::parse(&of, &bytes) {
            prop_assert_eq!(value.encode(), bytes);
        }
    }
}

/// The order that GLib's hash table gave for each list of keys.
#[test]
fn keys_come_in_the_order_of_glibs_hash_table() {
    for row in rows("gvariantdict_key_order") {
        let keys = |field: &str| -> Vec<String> {
            let keys = row[field].as_array().unwrap().iter();
            keys.map(|key| key.as_str().unwrap().to_owned()).collect()
        };
        let mut dict = Dict::default();
        for key in keys("insert") {
            dict.push(key, "");
        }
        let dict = dict.in_hash_order();
        let order: Vec<&str> = dict.iter().map(|(key, _)| key).collect();
        assert_eq!(order, keys("order"), "{row}");
    }
}
