//! The command as its users meet it; where there is a real ostree, beside it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test a panic is the report"
)]

mod apk;
mod apk_apart;
mod apk_audit;
mod apk_extract;
mod apk_extract_hostile;
mod apk_gen;
mod apk_made;
mod apk_made_plan;
mod apk_making;
mod apk_material;
mod apk_mounts;
mod apk_options;
mod apk_packing;
mod apk_plain;
mod apk_purge;
mod apk_race;
mod apk_recommends;
mod apk_roots;
mod apk_roots_committed;
mod apk_seen;
mod apk_sessions;
mod apk_sets;
mod apk_sets_recorded;
mod apk_sets_v3;
mod apk_trouble;
mod apk_unreadable;
mod apk_unwritable;
mod apk_v3;
mod checkout;
mod checksum;
mod commit_changes;
mod commit_links;
mod commit_metadata;
mod commit_sizes;
mod compared;
mod compose;
mod config;
mod consume_killed;
mod damage;
mod diff_special;
mod differential;
mod edge_cases;
mod edge_commit;
mod errors;
mod export;
mod faces;
mod glib_words;
mod hostile;
mod interrupted;
mod json;
mod kill_walk;
mod odd_paths;
mod pair;
mod parent;
mod payload;
mod prune;
mod prune_killed;
mod pull_killed;
mod pull_local;
mod reading;
mod recorded;
mod refs;
mod remote;
mod rootfs;
mod scripts;
mod settings;
mod solve;
mod summary;
mod together;
mod walkthrough;

/// No file of tests may be forgotten here.
#[test]
fn every_file_is_a_module() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it");
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.strip_suffix(".rs").unwrap_or(&name);
        let text = include_str!("main.rs");
        assert!(
            module == "main" || text.contains(&format!("mod {module};")),
            "{name}"
        );
    }
}
