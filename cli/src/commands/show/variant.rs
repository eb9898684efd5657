//! Any file as a GVariant of a type that the user names.

use std::fs::File;
use std::io::Read;

use ostree_store::gvariant::{Type, Value};

use crate::console::Console;
use crate::failure::{Failure, Within};

/// The largest file that is read, in bytes: as for metadata objects.
const MAX_SIZE: u64 = 128 << 20;

pub(super) fn print(of: &str, path: &str, console: &mut Console) -> Result<(), Failure> {
    // ostree aborts where the type is none, and shows broken values as if they were empty.
    let of: Type = of.parse()?;
    let file = File::open(path).within(format_args!("openat({path})"))?;
    let mut bytes = Vec::new();
    let read = file.take(MAX_SIZE + 1).read_to_end(&mut bytes);
    read.within(format_args!("cannot read {path}"))?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(Failure::new(format_args!("{path} is larger than 128 MiB")));
    }
    let value = Value::parse(&of, &bytes).within(path)?;
    console.line(value.byteswapped())
}
