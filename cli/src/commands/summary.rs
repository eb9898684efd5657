//! `summary`: what a repository offers, written, shown and asked.

use clap::Args;
use ostree_store::gvariant::{Dict, Value};
use ostree_store::repo::{Repo, RepoMode, Summary, SummaryRef};
use serde::Serialize;

use crate::console::Console;
use crate::failure::{Failure, Within};
use crate::size::Size;
use crate::timestamp;

/// Write or show the summary: the refs that the repository offers
#[derive(Args, Debug)]
pub(crate) struct SummaryArgs {
    /// Write the summary anew
    #[arg(long, short)]
    update: bool,
    /// Show it
    // Elsewhere -v is --verbose. Under that name this one takes its place here, as in ostree.
    #[arg(id = "verbose", long = "view", short = 'v', alias = "verbose")]
    view: bool,
    /// Show it as one GVariant
    #[arg(long)]
    raw: bool,
    /// List the keys of its metadata
    #[arg(long)]
    list_metadata_keys: bool,
    /// Show the value under one key of its metadata
    #[arg(long, value_name = "KEY")]
    print_metadata_key: Option<String>,
    /// With --update: more metadata, the value in GVariant's text form
    #[arg(long, short = 'm', value_name = "KEY=VALUE")]
    add_metadata: Vec<String>,
    /// Show it as a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SummaryArgs, repo: &Repo, console: &mut Console) -> Result<(), Failure> {
    if args.update {
        return update(&args.add_metadata, repo);
    }
    if args.json {
        return console.json(&Record::new(&read(repo)?));
    }
    if args.raw {
        return console.line(read(repo)?.to_value().byteswapped());
    }
    if args.view {
        return view(&read(repo)?, console);
    }
    if args.list_metadata_keys {
        let summary = read(repo)?;
        let mut keys: Vec<&str> = summary.metadata.iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        return keys.into_iter().try_for_each(|key| console.line(key));
    }
    if let Some(key) = &args.print_metadata_key {
        let summary = read(repo)?;
        let value = summary.metadata.get(key);
        let value =
            value.ok_or_else(|| Failure::new(format_args!("No such metadata key '{key}'")))?;
        return console.line(value.byteswapped());
    }
    Err(Failure::new(
        "No option specified; use -u to update summary",
    ))
}

fn update(given: &[String], repo: &Repo) -> Result<(), Failure> {
    let additional = additional(given)?;
    let now = timestamp::now();
    repo.commit_collection_metadata(&additional, now)?;
    Ok(repo.regenerate_summary(&additional, now)?)
}

/// What `--add-metadata` gives.
fn additional(given: &[String]) -> Result<Dict, Failure> {
    let mut metadata = Dict::default();
    for pair in given {
        let (key, text) = pair.split_once('=').ok_or_else(|| {
            Failure::new(format_args!("Missing '=' in KEY=VALUE metadata '{pair}'"))
        })?;
        // The two colons are ostree's.
        let value =
            Value::parse_text(text).within(format_args!("Error parsing variant ‘{text}’: "))?;
        metadata.push(key, value);
    }
    Ok(metadata)
}

fn read(repo: &Repo) -> Result<Summary, Failure> {
    let bytes = repo.summary_bytes()?.ok_or_else(|| {
        Failure::new("openat(summary): No such file or directory")
            .hint("`apk-ostree summary -u` writes one")
    })?;
    Summary::parse(&bytes).within("the summary cannot be read")
}

fn view(summary: &Summary, console: &mut Console) -> Result<(), Failure> {
    let own = summary.text("ostree.summary.collection-id");
    for entry in &summary.refs {
        view_ref(own, entry, console)?;
    }
    for (collection, refs) in summary.collections() {
        for entry in &refs {
            view_ref(Some(&collection), entry, console)?;
        }
    }
    for (key, value) in summary.metadata.iter() {
        let value = unfolded(key, value);
        match title(key) {
            Some(title) => console.line(format_args!("{title} ({key}): {value}"))?,
            None => console.line(format_args!("{key}: {value}"))?,
        }
    }
    Ok(())
}

fn view_ref(
    collection: Option<&str>,
    entry: &SummaryRef,
    console: &mut Console,
) -> Result<(), Failure> {
    match collection {
        Some(collection) => console.line(format_args!("* ({collection}, {})", entry.name))?,
        None => console.line(format_args!("* {}", entry.name))?,
    }
    console.line(format_args!("    Latest Commit ({}):", Size(entry.size)))?;
    console.line(format_args!("      {}", entry.commit))?;
    for (key, value) in entry.metadata.iter() {
        let value = unfolded(key, value);
        match title(key) {
            Some(title) => console.line(format_args!("    {title} ({key}): {value}"))?,
            None => console.line(format_args!("    {key}: {value}"))?,
        }
    }
    console.line("")
}

/// ostree's words for a key.
fn title(key: &str) -> Option<&'static str> {
    Some(match key {
        "ostree.commit.timestamp" => "Timestamp",
        "ostree.commit.version" => "Version",
        "ostree.static-deltas" => "Static Deltas",
        "ostree.summary.last-modified" => "Last-Modified",
        "ostree.summary.expires" => "Expires",
        "ostree.summary.collection-id" => "Collection ID",
        "ostree.summary.collection-map" => "Collection Map",
        "ostree.summary.mode" => "Repository Mode",
        "ostree.summary.tombstone-commits" => "Has Tombstone Commits",
        _ => return None,
    })
}

/// A value in the words that belong to its key. A value of another type than the key's is shown as it is; ostree
/// reads it as if it were of that type.
fn unfolded(key: &str, value: &Value) -> String {
    match (key, value) {
        (
            "ostree.commit.timestamp" | "ostree.summary.last-modified" | "ostree.summary.expires",
            Value::Uint64(time),
        ) => timestamp::iso8601(time.swap_bytes().cast_signed()),
        ("ostree.commit.version" | "ostree.summary.collection-id", Value::Str(text)) => {
            text.clone()
        }
        ("ostree.summary.mode", Value::Str(mode)) => match RepoMode::named(mode) {
            Some(_) => mode.clone(),
            None if mode == "bare-split-xattrs" => mode.clone(),
            None => format!("Invalid (‘{mode}’)"),
        },
        ("ostree.summary.tombstone-commits", Value::Bool(has)) => {
            if *has { "Yes" } else { "No" }.to_owned()
        }
        ("ostree.summary.collection-map", _) => "(printed above)".to_owned(),
        (_, value) => value.plain().to_string(),
    }
}

/// What `--json` tells.
#[derive(Debug, Serialize)]
struct Record {
    refs: Vec<RefRecord>,
    metadata: Vec<Metadata>,
}

#[derive(Debug, Serialize)]
struct RefRecord {
    /// `null` if the repository has none.
    collection: Option<String>,
    r#ref: String,
    commit: String,
    /// Of the commit object, in bytes.
    size: u64,
    metadata: Vec<Metadata>,
}

#[derive(Debug, Serialize)]
struct Metadata {
    key: String,
    r#type: String,
    text: String,
}

impl Record {
    fn new(summary: &Summary) -> Record {
        let own = summary.text("ostree.summary.collection-id");
        let own = summary.refs.iter().map(|entry| (own, entry));
        let collections = summary.collections();
        let others = collections
            .iter()
            .flat_map(|(id, refs)| refs.iter().map(|entry| (Some(id.as_str()), entry)));
        let record = |(collection, entry): (Option<&str>, &SummaryRef)| RefRecord {
            collection: collection.map(str::to_owned),
            r#ref: entry.name.clone(),
            commit: entry.commit.to_string(),
            size: entry.size,
            metadata: metadata(&entry.metadata),
        };
        Record {
            refs: own.chain(others).map(record).collect(),
            metadata: metadata(&summary.metadata),
        }
    }
}

fn metadata(dict: &Dict) -> Vec<Metadata> {
    let entry = |(key, value): (&str, &Value)| Metadata {
        key: key.to_owned(),
        r#type: value.type_of().to_string(),
        text: value.to_string(),
    };
    dict.iter().map(entry).collect()
}
