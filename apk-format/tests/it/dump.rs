//! The text of ADB files, beside what `apk adbdump` prints.

use apk_format::KeyRing;
use apk_format::adb::dump::{DumpError, Format, dump};
use apk_format::adb::value::Value;
use apk_format::adb::writer::ValueWriter;
use apk_format::adb::{block::Schema, compression::Compression, file::FileWriter};

const SAMPLES: [&str; 8] = [
    "x86_64/hello-1.0-r0.apk",
    "x86_64/plain3-2.0-r1.apk",
    "x86_64/Packages.adb",
    "Packages-spec.adb",
    "hello-two-signatures-zstd.apk",
    "hello-deflate6.apk",
    "hello-compat-rc9.apk",
    "tiny-unsigned.apk",
];

const FORMATS: [(Format, &str); 2] = [(Format::Yaml, "yaml"), (Format::Json, "json")];

fn keys() -> KeyRing {
    let mut keys = KeyRing::new();
    for name in ["sample-rsa.key.pub", "sample-ec.key.pub"] {
        let pem = fixtures::bytes(format!("samples/keys/{name}"));
        keys.add(name, &pem).unwrap();
    }
    keys
}

fn text(bytes: &[u8], format: Format) -> Result<Vec<u8>, DumpError> {
    let mut text = Vec::new();
    dump(bytes, &mut text, format, &keys())?;
    Ok(text)
}

#[track_caller]
fn same(ours: &[u8], theirs: &[u8], what: &str) {
    let (ours, theirs) = (
        ours.escape_ascii().to_string(),
        theirs.escape_ascii().to_string(),
    );
    let lines = ours.split("\\n").zip(theirs.split("\\n"));
    for (ours, theirs) in lines {
        assert_eq!(ours, theirs, "{what}");
    }
    assert_eq!(ours.len(), theirs.len(), "{what}");
}

#[test]
fn samples_are_printed_as_recorded() {
    for sample in SAMPLES {
        let bytes = fixtures::bytes(format!("samples/v3/{sample}"));
        let name = sample.rsplit('/').next().unwrap();
        for (format, extension) in FORMATS {
            let recorded = match (name, format) {
                ("hello-1.0-r0.apk" | "Packages.adb", Format::Yaml) => {
                    format!("samples/v3/x86_64/{name}.dump.txt")
                }
                _ => format!("recorded/apk-3.0.6/adbdump/{name}.{extension}"),
            };
            same(
                &text(&bytes, format).unwrap(),
                &fixtures::bytes(recorded),
                sample,
            );
        }
    }
}

/// A file of whatever values.
fn file(schema: Schema, values: impl FnOnce(&mut ValueWriter) -> Value) -> Vec<u8> {
    let mut writer = ValueWriter::new();
    let root = values(&mut writer);
    let values = writer.finish(root).unwrap();
    let file = FileWriter::start(Vec::new(), Compression::None, schema, &values, &[]).unwrap();
    file.finish().unwrap()
}

/// Values that no package has, but a text must be found for.
fn strange() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 16] = [
        b"-x",
        b"it's",
        b"a: b",
        b"a #b",
        b"a#b",
        b"two\n\nlines\n",
        b"tab\there",
        b"quote\"s",
        b"back\\slash",
        b"\xff\xfe",
        &[b'x'; 79],
        &[b'x'; 80],
        b"\r",
        b" lead",
        b"? what",
        b"`",
    ];
    let mut files = vec![
        file(Schema::INDEX, |w| {
            let packages: Vec<Value> = texts
                .iter()
                .map(|text| {
                    let text = w.blob(text);
                    let (long, longer) = (w.blob(&[0xab; 128]), w.blob(&[0xab; 129]));
                    let number = w.int(1 << 40);
                    w.object(&[
                        text,
                        text,
                        long,
                        text,
                        text,
                        Value::NULL,
                        text,
                        Value::NULL,
                        text,
                        longer,
                        number,
                    ])
                })
                .collect();
            let packages = w.object(&packages);
            w.object(&[Value::NULL, packages])
        }),
        file(Schema(0x1234_5678), |w| w.blob(b"x")),
        file(Schema::PACKAGE, |_| Value::NULL),
        file(Schema::PACKAGE, |w| {
            // Values of other kinds than they should be, and empty arrays.
            let number = w.int(7);
            let text = w.blob(b"text");
            let info = w.object(&[
                number, number, number, number, number, number, number, number, number, number,
                text, text,
            ]);
            let element = w.array(&[number]);
            let empty = w.object(&[Value::from_word(0x8000_0000), element]);
            w.object(&[info, empty, text, number, text])
        }),
    ];
    for matching in 0..32 {
        files.push(file(Schema::INDEX, |w| {
            let (name, version, matching) = (w.blob(b"name"), w.blob(b"1"), w.int(matching));
            let (bare, versioned) = (
                w.object(&[name, Value::NULL, matching]),
                w.object(&[name, version, matching]),
            );
            let long = w.blob(&[b'x'; 252]);
            let (long, nameless) = (
                w.object(&[long, version, matching]),
                w.object(&[Value::NULL, version, matching]),
            );
            let list = w.array(&[bare, versioned, long, nameless]);
            let mut slots = [Value::NULL; 15];
            slots[14] = list;
            let package = w.object(&slots);
            let packages = w.array(&[package]);
            w.object(&[Value::NULL, packages])
        }));
    }
    files.push(file(Schema::PACKAGE, |w| {
        let blobs: [&[u8]; 6] = [
            b"user.a\0",
            b"user.b\0v",
            b"none",
            b"\0v",
            &[b"user.c\0".as_slice(), &[1; 124]].concat(),
            &[b"user.d\0".as_slice(), &[1; 125]].concat(),
        ];
        let xattrs: Vec<Value> = blobs.iter().map(|blob| w.blob(blob)).collect();
        let xattrs = w.array(&xattrs);
        let mode = w.int(0);
        let acl = w.object(&[mode, Value::NULL, Value::NULL, xattrs]);
        let dir = w.object(&[Value::NULL, acl]);
        let dirs = w.array(&[dir]);
        w.object(&[Value::NULL, dirs])
    }));
    files
}

#[test]
fn the_real_program_prints_the_same() {
    let Some(apk) = fixtures::peer::apk3() else {
        return;
    };
    let dir = fixtures::scratch("dump");
    let path = dir.path().join("file");
    let samples = SAMPLES.map(|name| fixtures::bytes(format!("samples/v3/{name}")));
    for (at, bytes) in samples.into_iter().chain(strange()).enumerate() {
        std::fs::write(&path, &bytes).unwrap();
        for (format, name) in FORMATS {
            let mut command = apk.command();
            command
                .arg("--keys-dir")
                .arg(fixtures::path("samples/keys"));
            command.args(["adbdump", "--format", name]).arg(&path);
            let theirs = apk.finish(command);
            same(
                &text(&bytes, format).unwrap(),
                &theirs.stdout,
                &format!("file {at} as {name}"),
            );
        }
    }
}
