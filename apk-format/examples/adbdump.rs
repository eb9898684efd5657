//! Prints an ADB file as `apk adbdump` does: `adbdump yaml|json FILE [PUBLIC-KEY…]`.

use std::error::Error;
use std::fs::{self, File};

use apk_format::KeyRing;
use apk_format::adb::dump::{Format, dump};

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let format = match words.next().as_deref() {
        Some("yaml") => Format::Yaml,
        Some("json") => Format::Json,
        _ => return Err("the first word is yaml or json".into()),
    };
    let file = words.next().ok_or("the second word is a file")?;
    let mut keys = KeyRing::new();
    for key in words {
        keys.add(&key, &fs::read(&key)?)?;
    }
    Ok(dump(File::open(file)?, std::io::stdout(), format, &keys)?)
}
