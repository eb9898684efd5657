//! `keygen`: a key pair to sign packages and indexes with.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use apk_format::PrivateKey;
use apk_format::signature::Curve;
use apk_format::signature::rand_core::OsRng;
use clap::{Args, ValueEnum};

use crate::console::Console;
use crate::failure::Failure;

/// Make a key pair to sign packages and indexes with
///
/// Writes NAME.rsa, which only its owner can read, and NAME.rsa.pub, which belongs into etc/apk/keys of systems that
/// shall trust it. Nothing is overwritten. An EC key (NAME.ec, NAME.ec.pub) signs v3 packages and indexes only.
#[derive(Args, Debug)]
pub(crate) struct KeygenArgs {
    /// Name of the key, as in a path without its ending
    #[arg(value_name = "NAME", default_value = "apk-ostree")]
    name: PathBuf,
    /// Length of the key
    #[arg(long, value_name = "BITS", default_value_t = 4096, value_parser = clap::value_parser!(u16).range(2048..=4096))]
    bits: u16,
    /// Make an EC key on this curve instead
    #[arg(long, value_name = "CURVE", conflicts_with = "bits")]
    ec: Option<CurveName>,
}

/// A curve on the command line.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum CurveName {
    P256,
    P384,
    P521,
}

impl From<CurveName> for Curve {
    fn from(name: CurveName) -> Curve {
        match name {
            CurveName::P256 => Curve::P256,
            CurveName::P384 => Curve::P384,
            CurveName::P521 => Curve::P521,
        }
    }
}

pub(crate) fn run(args: &KeygenArgs, console: &mut Console) -> Result<(), Failure> {
    let with = |ending: &str| {
        let mut path = args.name.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let (private, public) = match args.ec {
        None => (with(".rsa"), with(".rsa.pub")),
        Some(_) => (with(".ec"), with(".ec.pub")),
    };
    for path in [&private, &public] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(
                Failure::new(format_args!("{} is there already", path.display()))
                    .hint("give another NAME, or remove the key if nothing was signed with it"),
            );
        }
    }
    let name = public.file_name().unwrap_or_default().to_string_lossy();
    let key = match args.ec {
        None => PrivateKey::generate_rsa(&name, args.bits.into(), &mut OsRng)?,
        Some(curve) => PrivateKey::generate_ec(&name, curve.into(), &mut OsRng),
    };
    write(&private, 0o600, &key.private_pem()?)?;
    if let Err(failure) = write(&public, 0o644, &key.public_pem()?) {
        let _ = fs::remove_file(&private); // half a pair is of no use
        return Err(failure);
    }
    console.line(private.display())?;
    console.line(public.display())
}

/// Writes a file that must not be there.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(mode).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(|error| {
        Failure::from(error).within(format_args!("cannot write {}", path.display()))
    })
}
