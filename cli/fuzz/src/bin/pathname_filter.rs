#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| apk_ostree_fuzz::targets::pathname_filter(bytes));
