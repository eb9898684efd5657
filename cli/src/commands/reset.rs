//! `reset`: lets a ref mean another commit.

use clap::Args;
use ostree_store::repo::Repo;

use crate::failure::Failure;

/// Let a ref name another commit
#[derive(Args, Debug)]
pub(crate) struct ResetArgs {
    /// The ref, then the commit
    #[arg(value_name = "REF COMMIT")]
    words: Vec<String>,
}

pub(crate) fn run(args: &ResetArgs, repo: &Repo) -> Result<(), Failure> {
    // As in ostree, further words are not looked at.
    let [name, target, ..] = args.words.as_slice() else {
        return Err(Failure::usage("A REF and COMMIT argument is required"));
    };
    if !repo.ref_texts()?.contains_key(name) {
        return Err(Failure::new(format_args!("Invalid ref '{name}'"))
            .hint("`apk-ostree refs` lists the names there are"));
    }
    // Under the lock: a prune must not delete the commit after it was found to be there.
    let transaction = repo.transaction()?;
    let commit = repo.resolve(target)?;
    transaction.set_ref(name.parse()?, Some(commit));
    transaction.publish()?;
    Ok(())
}
