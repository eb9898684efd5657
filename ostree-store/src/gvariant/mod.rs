//! GVariant in its normal form, as much of it as OSTree's objects use.
//!
//! All metadata objects are one serialized GVariant, little-endian container format. A value has exactly one
//! normal form: offsets of minimal width and in order, zero padding, strings of UTF-8 that end in their only NUL,
//! booleans 0 or 1, nothing left over. The writers here give only that form; the readers refuse every other one,
//! because two readers that repair a value differently see two different trees.
//!
//! | container | bytes |
//! |---|---|
//! | array of fixed-size elements | the elements |
//! | array of variable-size elements | elements, each aligned; then one end offset per element |
//! | tuple, dict entry | members, each aligned; then the end offsets of the variable-size members but the last member, in reverse order |
//! | variant | the child, one zero byte, the child's type string |
//!
//! The offsets of one container are all 1, 2, 4 or 8 bytes wide: the smallest width that can hold the container's
//! whole size, the offsets included.
//!
//! Source: the GVariant specification, and files written by ostree.

mod hash_order;
mod parse;
mod reader;
mod text;
mod value;
mod writer;

pub(crate) use parse::c_double;
pub use parse::{TextError, TextFault};
pub use reader::NotNormal;
pub(crate) use reader::{Span, TupleReader};
pub use value::{Dict, Type, TypeError, Value};
pub(crate) use writer::{ArrayWriter, TupleWriter};

/// How deep values may nest: as deep as GLib lets them. Without a limit a hostile type string could exhaust the stack.
pub(crate) const MAX_DEPTH: usize = 128;

/// How many values one variant may hold, together with the letters of their types. An empty array inside an array takes one byte there
/// and some fifty in memory; the largest package lists have a hundred thousand texts, and the list of the sizes of all
/// objects (`ostree.sizes`) has one value for each.
pub(crate) const MAX_VALUES: usize = 1_000_000;

/// The width of framing offsets in a container whose members take `body` bytes and that needs `count` offsets.
fn offset_width(body: usize, count: usize) -> usize {
    let fits = |width: usize, max: usize| {
        body.checked_add(count * width)
            .is_some_and(|total| total <= max)
    };
    if fits(1, 0xff) {
        1
    } else if fits(2, 0xffff) {
        2
    } else if fits(4, 0xffff_ffff) {
        4
    } else {
        8
    }
}

/// How many zero bytes bring `position` to a multiple of `align` (a power of two).
const fn padding(position: usize, align: usize) -> usize {
    position.wrapping_neg() & (align - 1)
}
