//! The forms in which apk prints structured answers: its own, JSON, YAML.
//!
//! A writer is told what comes, piece by piece, and decides on indentation and separators. The shapes are apk's, byte
//! for byte: a list of objects whose values are texts, numbers or lists of texts, or a list of texts.

mod json;
mod plain;
mod yaml;

use composer::inventory::field::{Field, Value};

pub(super) use json::Json;
pub(super) use plain::Plain;
pub(super) use yaml::Yaml;

/// One of the forms.
pub(super) trait Form {
    /// An object begins.
    fn object(&mut self);
    /// A list begins; `count` says how many items it will have, if that is known.
    fn list(&mut self, count: Option<usize>);
    /// The object or list that began last ends.
    fn end(&mut self);
    /// The next value is that of this field.
    fn key(&mut self, field: Field);
    /// A text.
    fn string(&mut self, text: &str);
    /// A number.
    fn number(&mut self, number: u64);
    /// All that was written.
    fn finish(self: Box<Self>) -> String;
}

/// Which form was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// apk's own.
    #[default]
    Plain,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// Reads the value of `--format`.
    pub(super) fn from_name(name: &str) -> Option<Format> {
        match name {
            "default" => Some(Format::Plain),
            "json" => Some(Format::Json),
            "yaml" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// A writer of this form.
    pub(super) fn form(self) -> Box<dyn Form> {
        match self {
            Format::Plain => Box::<Plain>::default(),
            Format::Json => Box::<Json>::default(),
            Format::Yaml => Box::<Yaml>::default(),
        }
    }
}

/// Writes the fields of an object.
pub(super) fn fields(form: &mut dyn Form, fields: &[(Field, Value)]) {
    for (field, value) in fields {
        form.key(*field);
        match value {
            Value::Text(text) => form.string(text),
            Value::Number(number) => form.number(*number),
            Value::Counted(texts) => list(form, Some(texts.len()), texts),
            Value::Found(texts) => list(form, None, texts),
        }
    }
}

/// Writes a list of texts.
pub(super) fn list(form: &mut dyn Form, count: Option<usize>, texts: &[String]) {
    form.list(count);
    texts.iter().for_each(|text| form.string(text));
    form.end();
}
