//! What install scripts and triggers do, as far as their commands tell.
//!
//! | class | commands |
//! |---|---|
//! | accounts | `adduser`, `addgroup`, `useradd`, `usermod`, … |
//! | links | `ln`, `busybox --install`, `update-alternatives` |
//! | service | `rc-update`, `rc-service`, `systemctl` |
//! | cache | `update-ca-certificates`, `ldconfig`, `fc-cache`, `glib-compile-schemas`, … |
//! | kernel | `depmod`, `mkinitfs`, `update-extlinux`, `grub-mkconfig`, … |
//! | other | a command that is none of these, and changes something or may |
//!
//! A script has every class of which it has a command; one without any has none: it says or tests something only.
//! Nothing is run. Commands are found by their place in a line, so a word in a text or in a here-document may be taken
//! for one: the classes are for people who decide what to do about a script, not a proof.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

/// What a script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Adds, changes or removes users or groups.
    Accounts,
    /// Makes links.
    Links,
    /// Enables or runs services.
    Service,
    /// Makes something again out of files that packages bring.
    Cache,
    /// Makes kernel modules known, an initial RAM disk or a boot configuration.
    Kernel,
    /// Anything else.
    Other,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Class::Accounts => "accounts",
            Class::Links => "links",
            Class::Service => "service",
            Class::Cache => "cache",
            Class::Kernel => "kernel",
            Class::Other => "other",
        })
    }
}

/// What stands after `#!`, without spaces around it; `None` for a program that is no script.
#[must_use]
pub fn interpreter(body: &[u8]) -> Option<String> {
    let line = body
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line.get(..LINE_LIMIT).unwrap_or(line)).into_owned();
    Some(line.trim().to_owned())
}

/// The classes of a script. One for another interpreter than a shell is of class [`Class::Other`].
#[must_use]
pub fn classes(body: &[u8]) -> BTreeSet<Class> {
    let interpreter = interpreter(body).unwrap_or_default();
    let mut words = interpreter.split_whitespace();
    let program = base(words.next().unwrap_or_default());
    let program = match program {
        "busybox" | "env" => base(words.next().unwrap_or_default()),
        program => program,
    };
    if !SHELLS.contains(&program) {
        return BTreeSet::from([Class::Other]);
    }
    let text = String::from_utf8_lossy(body);
    let text = text.replace("\\\n", " ");
    let lines = text.lines().skip(1).map(without_comment);
    lines
        .flat_map(commands)
        .filter_map(|words| class(&words))
        .collect()
}

const SHELLS: [&str; 5] = ["sh", "ash", "bash", "dash", "ksh"];
const LINE_LIMIT: usize = 256;

fn without_comment(line: &str) -> &str {
    if line.starts_with('#') {
        return "";
    }
    line.find(" #")
        .or_else(|| line.find("\t#"))
        .and_then(|at| line.get(..at))
        .unwrap_or(line)
}

/// The simple commands of a line, each as its words; assignments and words of the shell's grammar are left out.
fn commands(line: &str) -> impl Iterator<Item = Vec<&str>> {
    let parts = line.split([';', '|', '&', '(', ')', '`', '{', '}']);
    parts.filter_map(|part| {
        let mut words = part
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '\'']));
        let first = words.find(|word| !is_grammar(word))?;
        Some(std::iter::once(first).chain(words).collect())
    })
}

fn is_grammar(word: &str) -> bool {
    const GRAMMAR: [&str; 16] = [
        "if", "then", "else", "elif", "fi", "do", "done", "while", "until", "!", "time", "exec",
        "command", "esac", "", "eval",
    ];
    let assignment = word.split_once('=').is_some_and(|(name, _)| {
        let mut characters = name.chars();
        characters
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    GRAMMAR.contains(&word) || assignment
}

/// The class of a command; none if it only tests, says or steers.
fn class(words: &[&str]) -> Option<Class> {
    // `busybox depmod` is `depmod`, however often it is said.
    let applet = |pair: &[&str]| {
        let [command, applet] = pair else {
            return false;
        };
        base(command) == "busybox" && !applet.starts_with('-')
    };
    let skipped = words.windows(2).take_while(|pair| applet(pair)).count();
    let (first, rest) = words.get(skipped..)?.split_first()?;
    let command = base(first);
    // A label of `case`, a redirection, an option of a command that began in the line before.
    if !command.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    if matches!(command, "busybox" | "bbsuid" | "busybox-extras") && rest.contains(&"--install") {
        return Some(Class::Links);
    }
    let known = KNOWN
        .iter()
        .find(|(_, commands)| commands.contains(&command));
    match known {
        Some((class, _)) => Some(*class),
        None if HARMLESS.contains(&command) => None,
        None => Some(Class::Other),
    }
}

fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

const KNOWN: [(Class, &[&str]); 5] = [
    (
        Class::Accounts,
        &[
            "addgroup", "adduser", "chpasswd", "delgroup", "deluser", "groupadd", "groupdel",
            "groupmod", "passwd", "useradd", "userdel", "usermod",
        ],
    ),
    (Class::Links, &["link", "ln", "update-alternatives"]),
    (
        Class::Service,
        &["rc-service", "rc-update", "service", "systemctl"],
    ),
    (
        Class::Cache,
        &[
            "create-cracklib-dict",
            "fc-cache",
            "gdk-pixbuf-query-loaders",
            "gio-querymodules",
            "glib-compile-schemas",
            "gtk-query-immodules-2.0",
            "gtk-query-immodules-3.0",
            "gtk-update-icon-cache",
            "install-info",
            "ldconfig",
            "makewhatis",
            "mandb",
            "mkfontdir",
            "mkfontscale",
            "mktexlsr",
            "texhash",
            "udevadm",
            "update-ca-certificates",
            "update-desktop-database",
            "update-mime-database",
            "update-pciids",
            "xmlcatalog",
        ],
    ),
    (
        Class::Kernel,
        &[
            "depmod",
            "dracut",
            "extlinux",
            "grub-install",
            "grub-mkconfig",
            "kernel-hooks",
            "mkinitfs",
            "mkinitramfs",
            "modprobe",
            "update-extlinux",
            "update-grub",
            "update-kernel",
        ],
    ),
];

/// Commands that change nothing by themselves.
const HARMLESS: [&str; 30] = [
    "[", "basename", "break", "case", "cat", "cd", "continue", "cut", "dirname", "echo", "exit",
    "export", "false", "for", "getent", "grep", "id", "in", "local", "printf", "pwd", "read",
    "readlink", "return", "set", "shift", "test", "true", "umask", "which",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_classes(body: &str, expected: &[Class]) {
        let found: Vec<Class> = classes(body.as_bytes()).into_iter().collect();
        assert_eq!(found, expected, "{body}");
    }

    #[test]
    fn commands_tell_the_class() {
        use Class::{Accounts, Cache, Kernel, Links, Other, Service};
        for (body, expected) in [
            ("#!/bin/sh\nexit 0\n", &[][..]),
            (
                "#!/bin/sh\naddgroup -S -g 42 shadow 2>/dev/null\nexit 0\n",
                &[Accounts],
            ),
            ("#!/bin/sh\nbusybox busybox depmod x\n", &[Kernel]),
            ("#!/bin/sh\n/bin/busybox --install -s\n", &[Links]),
            ("#!/bin/sh\n# ln -s a b\necho 'x' # depmod\n", &[]),
            (
                "#!/bin/busybox sh\nif [ -x a ]; then /usr/sbin/update-ca-certificates --fresh; fi\n",
                &[Cache],
            ),
            (
                "#!/bin/sh\nfor d in \"$@\"; do\n\tdepmod $d || true\ndone\nrc-update add x\n",
                &[Service, Kernel],
            ),
            (
                "#!/bin/sh\nA=1 mkinitfs \\\n -o x && rm -f y\n",
                &[Kernel, Other],
            ),
            ("#!/usr/bin/lua\nos.remove('x')\n", &[Other]),
            ("\u{7f}ELF", &[Other]),
        ] {
            assert_classes(body, expected);
        }
    }

    #[test]
    fn the_interpreter_stands_in_the_first_line() {
        assert_eq!(
            interpreter(b"#! /bin/sh -e \nx").as_deref(),
            Some("/bin/sh -e")
        );
        assert_eq!(interpreter(b"#!").as_deref(), Some(""));
        assert_eq!(interpreter(b"/bin/sh"), None);
    }
}
