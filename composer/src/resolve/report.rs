//! The report of a request without a solution: what is missing and who wants it, which packages cannot stand together.
//!
//! ```text
//! unable to select packages:
//!   NAME (no such package):            or NAME (virtual): with note and provided by
//!     required by: world[NAME] PACKAGE-VERSION[NAME>1]
//!   PACKAGE-VERSION:
//!     error, arch, pinned to (which apk has not), depends, masked in, conflicts, breaks, satisfies: each with its items, if there are any
//! ```
//!
//! Lines are wrapped at 50 columns, as apk does where there is no terminal, and go on below the first item.

use std::fmt;

use serde::Serialize;

/// A request without a solution.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsatisfiable {
    /// How many things went wrong, as apk counts them in its exit status.
    pub errors: usize,
    /// What went wrong, in the order of apk's report.
    pub complaints: Vec<Complaint>,
}

/// One block of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "complaint", rename_all = "kebab-case")]
pub enum Complaint {
    /// Something wanted is not there.
    Missing(MissingName),
    /// A package does not fit.
    Package(PackageProblem),
}

/// A name that is wanted and that no chosen package has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MissingName {
    /// The name.
    pub name: String,
    /// Packages that provide it, but would have to be asked for by their own names; empty if there is no such name.
    pub provided_by: Vec<String>,
    /// Who wants it, as `world[dependency]` or `name-version[dependency]`.
    pub required_by: Vec<String>,
    /// Packages with nearly that name, the most similar ones first.
    pub similar: Vec<String>,
}

/// A chosen package that does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackageProblem {
    /// `name-version`.
    pub package: String,
    /// It cannot be installed on any account: it is for another architecture, or its record is faulty.
    pub uninstallable: bool,
    /// The architecture, if it is a foreign one.
    pub foreign_arch: Option<String>,
    /// The build that its name is pinned to, as `name-version`.
    pub pinned: Option<String>,
    /// Dependencies that cannot be read.
    pub malformed_depends: Vec<String>,
    /// The tags of the repositories that have it, when none of them is allowed.
    pub masked_in: Vec<String>,
    /// Chosen packages that have the same names: `name-version` or `name-version[provided]`.
    pub conflicts: Vec<String>,
    /// Dependencies it violates: `world[dependency]` or `name-version[dependency]`.
    pub breaks: Vec<String>,
    /// Dependencies it fulfils, in the same form.
    pub satisfies: Vec<String>,
    /// Other versions there are of it, in the order of reading; given when it breaks something.
    pub other_versions: Vec<String>,
}

impl Unsatisfiable {
    /// What might help, one sentence each: names that are similar, versions that there are.
    pub fn hints(&self) -> impl Iterator<Item = String> {
        self.complaints
            .iter()
            .filter_map(|complaint| match complaint {
                Complaint::Missing(missing) if !missing.similar.is_empty() => Some(format!(
                    "instead of {:?} there is {}",
                    missing.name,
                    missing.similar.join(", ")
                )),
                Complaint::Package(problem) if !problem.other_versions.is_empty() => Some(format!(
                    "besides {} there is {}",
                    problem.package,
                    problem.other_versions.join(", ")
                )),
                _ => None,
            })
    }
}

impl std::error::Error for Unsatisfiable {}

/// The text of apk's report, wrapped as it is where there is no terminal.
impl fmt::Display for Unsatisfiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("unable to select packages:")?;
        if self.complaints.is_empty() {
            f.write_str("\nHuh? Error reporter did not find the broken constraints.")?;
        }
        for complaint in &self.complaints {
            write!(f, "\n{complaint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Complaint::Missing(missing) => missing.fmt(f),
            Complaint::Package(problem) => problem.fmt(f),
        }
    }
}

impl fmt::Display for MissingName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.provided_by.is_empty() {
            write!(f, "  {} (no such package):", self.name)?;
        } else {
            write!(f, "  {} (virtual):", self.name)?;
            let note = "please select one of the 'provided by' packages explicitly";
            write_list(f, "note", note.split(' '))?;
            write_list(f, "provided by", &self.provided_by)?;
        }
        write_list(f, "required by", &self.required_by)
    }
}

impl fmt::Display for PackageProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {}:", self.package)?;
        if self.uninstallable {
            write_list(f, "error", ["uninstallable"])?;
        }
        write_list(f, "arch", &self.foreign_arch)?;
        write_list(f, "pinned to", &self.pinned)?;
        write_list(f, "depends", &self.malformed_depends)?;
        write_list(f, "masked in", &self.masked_in)?;
        write_list(f, "conflicts", &self.conflicts)?;
        write_list(f, "breaks", &self.breaks)?;
        write_list(f, "satisfies", &self.satisfies)
    }
}

const WIDTH: usize = 50;

/// Writes `label: item item …` on lines of limited width, or nothing if there are no items.
fn write_list<T: AsRef<str>>(
    f: &mut fmt::Formatter<'_>,
    label: &str,
    items: impl IntoIterator<Item = T>,
) -> fmt::Result {
    let indent = label.len() + "    : ".len();
    let mut column = 0;
    for item in items {
        let item = item.as_ref();
        if column == 0 {
            write!(f, "\n    {label}: {item}")?;
            column = indent + item.len();
        } else if column + 1 + item.len() >= WIDTH {
            write!(f, "\n{:indent$}{item}", "")?;
            column = indent + item.len();
        } else {
            write!(f, " {item}")?;
            column += 1 + item.len();
        }
    }
    Ok(())
}
