//! What the options `--info KEY:VALUE` say of the package that is made. Of one key the last counts.

use apk_format::{Dependency, DependencyError, PackageInfo, Provide, Version};

use crate::apk::phrases;
use crate::apk::session::{Code, Session, machine};

/// Whether `KEY:VALUE` names a field that can be said; else what is wrong.
pub(super) fn field(text: &str) -> Result<(&str, &str), String> {
    let (key, value) = text
        .split_once(':')
        .ok_or_else(|| format!("missing key or value: {text}"))?;
    if FIELDS.contains(&key) {
        Ok((key, value))
    } else {
        Err(format!("invalid info field: {key}"))
    }
}

/// All fields, checked in apk's order. What is wrong is told; the error is the reason alone.
pub(super) fn read(session: &mut Session) -> Result<PackageInfo, String> {
    let value = |session: &Session, key| {
        let own = session.own.iter().rev().filter(|(name, _)| *name == "info");
        let mut own = own.filter_map(|(_, said)| field(said.text()).ok());
        own.find(|(known, _)| *known == key)
            .map(|(_, value)| value.to_owned())
    };
    for key in ["name", "version"] {
        if value(session, key).is_none() {
            session
                .out
                .error(format_args!("required info field '{key}' not provided"));
            return Err("Invalid argument".to_owned());
        }
    }
    let mut info = PackageInfo::unopened("", Version::lenient(""));
    info.arch = Some(machine().to_owned());
    for key in FIELDS {
        let Some(value) = value(session, key) else {
            continue;
        };
        if let Err(words) = set(&mut info, key, &value) {
            session.out.error(format_args!(
                "info field '{key}' has invalid value: {words}"
            ));
            session.ended = (words == INVALID).then_some(EINVAL);
            return Err(words);
        }
    }
    Ok(info)
}

fn set(info: &mut PackageInfo, key: &str, value: &str) -> Result<(), String> {
    let text = || value.to_owned();
    match key {
        "name" => info.name = package_name(value)?,
        "version" => {
            let wrong = |_| phrases::VERSION_FORMAT.to_owned();
            info.version = Version::parse(value).map_err(wrong)?;
        }
        "hashes" => hex(value).map(drop)?,
        "description" => info.description = text(),
        "arch" => info.arch = Some(text()),
        "license" => info.license = text(),
        "origin" => info.origin = Some(text()),
        "maintainer" => info.maintainer = Some(text()),
        "url" => info.url = text(),
        "repo-commit" => info.commit = Some(hex(value)?),
        "build-time" => info.build_time = number(value)?,
        "provider-priority" => info.provider_priority = priority(value)?,
        "depends" => info.depends = dependencies(value)?,
        "provides" => {
            dependencies(value)?;
            let provides: Result<_, _> = words(value).map(Provide::parse).collect();
            info.provides = provides.map_err(|_| phrases::DEPENDENCY_FORMAT.to_owned())?;
        }
        "replaces" => info.replaces = dependencies(value)?,
        "install-if" => info.install_if = dependencies(value)?,
        "recommends" => info.recommends = dependencies(value)?,
        "layer" => info.layer = number(value)?,
        "tags" => info.tags = tags(value)?,
        _ => info.replaces_priority = priority(value)?,
    }
    Ok(())
}

fn package_name(text: &str) -> Result<String, String> {
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte);
    if begins && text.bytes().all(is_name) {
        Ok(text.to_owned())
    } else {
        Err("package name is invalid".to_owned())
    }
}

fn number(text: &str) -> Result<u64, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    match text {
        "" => Ok(0),
        _ => number.ok_or_else(|| INVALID.to_owned()),
    }
}

fn priority(text: &str) -> Result<u16, String> {
    let number = number(text)?;
    u16::try_from(number).map_err(|_| format!("{number} is more than {}", u16::MAX))
}

/// Pairs of hex digits, in lower case.
fn hex(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && text.len().is_multiple_of(2) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(INVALID.to_owned())
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([' ', '\n']).filter(|word| !word.is_empty())
}

fn dependencies(text: &str) -> Result<Vec<Dependency>, String> {
    let read: Result<_, DependencyError> = words(text).map(Dependency::parse_untagged).collect();
    read.map_err(|_| phrases::DEPENDENCY_FORMAT.to_owned())
}

fn tags(text: &str) -> Result<Vec<String>, String> {
    let is_tag = |byte: u8| byte.is_ascii_alphanumeric() || b"_+,-./:=[]".contains(&byte);
    if words(text).flat_map(str::bytes).all(is_tag) {
        Ok(words(text).map(str::to_owned).collect())
    } else {
        Err(phrases::ADB_PACKAGE_FORMAT.to_owned())
    }
}

/// What can be said, in the order in which it is checked and written. Sizes are computed.
const FIELDS: [&str; 20] = [
    "name",
    "version",
    "hashes",
    "description",
    "arch",
    "license",
    "origin",
    "maintainer",
    "url",
    "repo-commit",
    "build-time",
    "provider-priority",
    "depends",
    "provides",
    "replaces",
    "install-if",
    "recommends",
    "layer",
    "tags",
    "replaces-priority",
];

/// Behind what the system has a number for, apk's exit code is that number.
const EINVAL: Code = 22;

const INVALID: &str = "Invalid argument";
