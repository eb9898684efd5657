//! Sessions of commands that change a root, beside what apk-tools 3.0.6 said and left.
//!
//! The recordings are in `fixtures/recorded/apk-3.0.6/roots/`, one file for a session: each command line, its output, its
//! errors behind `! `, its exit code in brackets; in the end the log and everything below the root. With
//! `APK_OSTREE_APK3` the real apk is asked again, and must still say the same; `APK_OSTREE_RECORD=1` writes down what it
//! says. Only root may make owners and devices, so that an ordinary user compares nothing.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fixtures::forge::{Forge, Key, Repository, Script};
use fixtures::peer::{self, Peer};

use crate::apk::VERSION;
use crate::pair::{Answer, apk_ostree};

/// Name and lines. A line that begins with `$` is a shell's. `PLACE` is the directory of the session.
const SESSIONS: &[(&str, &str)] = &[
    (
        "log",
        "add --initdb --no-scripts base
         add --no-scripts nosuch
         -q add --no-scripts tool
         -v del --no-scripts tool
         -s add --no-scripts tool
         update
         --logfile=no del --no-scripts base
         --no-logfile add --no-scripts base
         info -e base",
    ),
    (
        "no-log",
        "--no-logfile --no-cache add --initdb --no-scripts base
         --logfile=no del --no-scripts base",
    ),
    ("nothing-came-of-it", "add --initdb --no-scripts nosuch"),
    (
        "progress",
        "--progress --progress-fd 5 add --initdb --no-scripts base large
         --progress add --no-scripts tool=1-r0
         --progress=yes -q --progress-fd 5 upgrade --no-scripts
         --progress --progress-fd 5 -s del large
         --progress --no-progress del --no-scripts large
         --progress=auto add --no-scripts large
         --progress --progress-fd 5 del --no-scripts large tool
         --progress add --no-scripts nosuch
         --progress --progress-fd 5 fix --no-scripts base nosuch",
    ),
    (
        "hooks",
        "add --initdb --no-scripts base
         $mkdir -p root/etc/apk/commit_hooks.d root/lib/apk/commit_hooks.d
         $touch root/etc/apk/commit_hooks.d/b root/etc/apk/commit_hooks.d/.hidden
         $touch root/lib/apk/commit_hooks.d/a root/lib/apk/commit_hooks.d/b
         fix --no-commit-hooks
         -q fix --no-commit-hooks
         fix --no-scripts
         fix --commit-hooks --no-scripts
         fix --no-commit-hooks -s",
    ),
    (
        "talkative",
        "-v add --initdb --no-scripts base
         -v -v add --no-scripts tool=1-r0 deep
         -v -v -v add --no-scripts tool=2-r0
         -v -v del --no-scripts deep
         -v -v -v fix --no-scripts --reinstall base
         -v -v -q -q -q add --no-scripts nosuch
         -q -q del --no-scripts tool",
    ),
    (
        "interactive",
        "-i add --initdb --no-scripts base
         <n -i add --no-scripts tool
         <y -i add --no-scripts tool=1-r0
         <no -i upgrade --no-scripts
         <Yes -i upgrade --no-scripts
         <x -i fix --no-scripts --reinstall base
         <n -i -s del tool
         <n --no-interactive del --no-scripts tool
         <n -i --interactive=auto add --no-scripts tool
         <n -v del --no-scripts tool
         <n -i fix --no-scripts",
    ),
    (
        "cache",
        "add --initdb --no-scripts base
         cache
         cache nonsense
         cache sync
         cache download nosuch
         --no-cache cache clean
         --cache-dir nowhere cache clean
         $cp other/x86_64/alone-1-r0.apk alone.apk; touch -d @1234567890 alone.apk
         --root-tmpfs add --no-scripts alone.apk
         --cache-packages add --no-scripts alone.apk
         $mkdir -p root/seen; cp -a root/var/cache/apk/alone* root/seen; touch root/var/cache/apk/junk
         --cache-packages -v -v cache clean -s
         --cache-packages -v -v cache clean
         --cache-packages fix --no-scripts --reinstall alone
         fix --no-scripts --reinstall alone
         $mkdir root/etc/apk/cache
         add --no-scripts other/x86_64/single-1-r0.apk
         $cp -a root/etc/apk/cache root/seen/2
         -v -v cache clean
         fix --no-scripts --reinstall single
         -v -v fix --no-scripts --reinstall single
         $mkdir -p root/etc/apk/cache/full/x
         -v -v cache download
         cache --latest --available --upgrade --ignore-conflict --add-dependencies sync base
         $cp root/etc/apk/cache/single* root/seen/again
         $for f in root/etc/apk/cache/single*; do head -c 300 $f >cut; tail -c +301 $f | tr a b >>cut; cp cut $f; done
         fix --no-scripts --reinstall single
         -v -v cache purge
         fix --no-scripts --reinstall single
         $test -e root/seen/again",
    ),
    (
        "cache-offline",
        "--no-network add --initdb --no-scripts base
         $mkdir -p c root/c; cp repo/x86_64/deep-1-r0.apk repo/x86_64/large-1-r0.apk .
         $cp repo/x86_64/APKINDEX.tar.gz root/c/APKINDEX.$(printf http://nowhere.invalid/x/x86_64/APKINDEX.tar.gz | sha256sum | cut -c1-8).tar.gz
         $mv repo/x86_64/APKINDEX.tar.gz away
         $h=$(tar xOzf away APKINDEX | awk '/^C:/ {c=$1} /^P:deep/ {print substr(c, 5)}' | base64 -d | od -An -tx1 | tr -d ' \\n' | cut -c1-8); cp deep-1-r0.apk root/c/deep-1-r0.$h.apk
         --no-network --cache-dir c -X http://nowhere.invalid/x add --no-scripts deep
         --no-network --cache-dir c -X http://nowhere.invalid/x add --no-scripts large
         --no-network --cache-dir c -X http://nowhere.invalid/x -v -v cache clean
         --no-network --cache-dir c -X http://nowhere.invalid/x cache download
         --no-network --cache-dir c -X http://nowhere.invalid/x fix --no-scripts --reinstall deep
         --no-network --cache-dir c -X http://nowhere.invalid/x del --no-scripts deep
         --no-network --cache-dir c -X http://nowhere.invalid/x -v -v cache clean
         --no-network --cache-dir c -X http://nowhere.invalid/x policy deep
         --no-network --cache-dir PLACE/c -v -v cache purge",
    ),
    (
        "options",
        "--timeout 5 --no-check-certificate --wait 2x add --initdb --no-scripts base
         --sync --cache-max-age 7 -U add --no-scripts tool
         --sync=auto --preserve-env --force-refresh --no-pretty-print del --no-scripts tool
         --sync=maybe fix
         fix --directory-permissions --no-scripts
         $chmod 700 root/usr root/usr/bin
         $rm -r root/var/empty
         fix --directory-permissions -s
         fix --directory-permissions --no-scripts
         fix -x --no-scripts
         fix -u --no-scripts base
         fix -d -r --no-scripts tool
         fix -d -u -r --no-scripts base",
    ),
];

fn repository(dir: &Path) {
    let package = |name, version| {
        Forge::package(name, version)
            .arch("x86_64")
            .builddate(1_700_000_000)
    };
    let noise: Vec<u8> = (0..300_000_u32)
        .map(|at| u8::try_from((at.wrapping_mul(2_654_435_761) >> 13) & 0xff).unwrap())
        .collect();
    let scripts = |forge: Forge| {
        let all = [
            Script::PreInstall,
            Script::PostInstall,
            Script::PreUpgrade,
            Script::PostUpgrade,
            Script::PreDeinstall,
            Script::PostDeinstall,
        ];
        all.into_iter()
            .fold(forge, |forge, kind| forge.script(kind, "#!/bin/sh\n"))
    };
    let trigger =
        |forge: Forge, globs| forge.script(Script::Trigger, "#!/bin/sh\n").triggers(globs);
    Repository::new("x86_64")
        .add(
            package("base", "1-r0")
                .dir("usr")
                .dir("usr/bin")
                .dir("var")
                .dir("var/empty")
                .file("usr/bin/base", "base\n")
                .file("etc/base.conf", "conf\n"),
        )
        .add(scripts(
            package("tool", "1-r0").file("usr/bin/tool", "one\n"),
        ))
        .add(scripts(
            package("tool", "2-r0").file("usr/bin/tool", "two\n"),
        ))
        .add(package("large", "1-r0").file("usr/share/large", noise))
        .add(trigger(
            package("watch-bin", "1-r0").file("w/bin", ""),
            "/usr/bin",
        ))
        .add(trigger(
            package("a-watch", "1-r0").file("w/a", ""),
            "/nope /us*",
        ))
        .add(trigger(
            package("watch-more", "1-r0").file("w/more", ""),
            "+/opt/* /srv",
        ))
        .add(
            package("watch-mute", "1-r0")
                .file("w/mute", "")
                .triggers("/usr/bin"),
        )
        .add(package("deep", "1-r0").file("opt/x/y/z", "z\n"))
        .write(&dir.join("repo"), &Key::demo())
        .unwrap();
    Repository::new("x86_64")
        .add(package("alone", "1-r0").file("usr/alone", "alone\n"))
        .add(package("single", "1-r0").file("usr/single", "single\n"))
        .write(&dir.join("other"), &Key::demo())
        .unwrap();
    crate::apk::copy_dir(&fixtures::path("demo/keys"), &dir.join("keys"));
}

fn ours(place: &Path) -> Command {
    let mut command = apk_ostree(place);
    command.arg("apk");
    command
}

fn theirs(apk: &Peer, place: &Path) -> Command {
    let mut command = apk.command();
    command.current_dir(place);
    command
}

/// A command line with what all of them have; lines for the progress go into a file of their own.
fn prepare(mut program: Command, place: &Path, line: &str) -> (Command, Option<String>) {
    let (input, line) = match line.strip_prefix('<').and_then(|rest| rest.split_once(' ')) {
        Some((input, line)) => (Some(format!("{input}\n")), line),
        None => (None, line),
    };
    program
        .args([
            "--root",
            "root",
            "--root-tmpfs=no",
            "--arch",
            "x86_64",
            "--keys-dir",
        ])
        .arg(place.join("keys"))
        .arg("-X")
        .arg(place.join("repo"))
        .args(line.split_whitespace());
    for (name, value) in [
        ("APK_CONFIG", "/dev/null"),
        ("LANG", "C"),
        ("TERM", "vt100"),
    ] {
        program.env(name, value);
    }
    (program, input)
}

fn run(program: Command, place: &Path, line: &str) -> String {
    let (program, input) = prepare(program, place, line);
    fs::write(place.join("in"), input.unwrap_or_default()).unwrap();
    fs::write(place.join("fd"), "").unwrap();
    // A shell opens file 5.
    let mut shell = Command::new("sh");
    shell.args(["-c", "exec \"$0\" \"$@\" <in 5>fd"]);
    shell.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.current_dir(place);
    let answer = Answer::of(shell);
    // Only ours says more than apk.
    let errors = answer.stderr.lines().filter(|line| !is_more(line));
    let errors = errors.map(|line| format!("! {line}\n"));
    let told = fs::read_to_string(place.join("fd")).unwrap();
    let told: String = told.lines().map(|line| format!("5 {line}\n")).collect();
    format!(
        "$ apk {line}\n{}{}{told}[{}]\n",
        answer.stdout.replace('\x1b', "ESC"),
        errors.collect::<String>(),
        answer
            .code
            .map_or("killed".to_owned(), |code| code.to_string())
    )
}

fn is_more(line: &str) -> bool {
    line.starts_with("detail: ") || line.starts_with("hint: ")
}

/// The log without command lines, times and versions.
fn log(place: &Path) -> String {
    let Ok(text) = fs::read_to_string(place.join("root/var/log/apk.log")) else {
        return "no log\n".to_owned();
    };
    let lines = text.lines().filter(|line| !is_more(line)).map(|line| {
        if let Some((_, when)) = line
            .strip_prefix("Running `")
            .and_then(|rest| rest.split_once("` at "))
        {
            let digits = when.replace(|c: char| c.is_ascii_digit(), "0");
            format!("Running at {digits}\n")
        } else if let Some(rest) = line
            .strip_prefix("apk-")
            .filter(|rest| rest.contains(", compiled for "))
        {
            format!("VERSION{}\n", &rest[rest.find(',').unwrap()..])
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

fn transcript(name: &str, lines: &str, program: impl Fn(&Path) -> Command) -> String {
    let scratch = fixtures::scratch(name);
    let place = scratch.path();
    fs::create_dir(place.join("root")).unwrap();
    repository(place);
    let mut said = String::new();
    for line in lines.lines().map(str::trim) {
        let line = &*line.replace("PLACE", place.to_str().unwrap());
        match line.strip_prefix('$') {
            Some(shell) => {
                let mut command = Command::new("sh");
                let done = command.args(["-c", shell]).current_dir(place).status();
                assert!(done.unwrap().success(), "{shell}");
            }
            None => said += &run(program(place), place, line),
        }
    }
    let root = place.join("root");
    let listing = fixtures::listing::of(&root).unwrap();
    let listing = listing.lines().filter(|line| {
        !line.starts_with("lib/apk/db/lock\t") && !line.starts_with("var/log/apk.log\t")
    });
    let listing: String = listing.map(|line| format!("{line}\n")).collect();
    let text = format!("{said}\n# log\n{}\n# root\n{listing}", log(place));
    text.replace(place.to_str().unwrap(), "PLACE")
}

fn path(name: &str) -> PathBuf {
    fixtures::root().join(format!("recorded/apk-{VERSION}/roots/{name}.txt"))
}

#[test]
fn we_say_and_leave_what_apk_did() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for (name, lines) in SESSIONS {
        let ours = transcript(name, lines, ours);
        crate::pair::similar(&ours, &fs::read_to_string(path(name)).unwrap(), name);
    }
}

#[test]
fn the_real_apk_still_says_and_leaves_it() {
    let apk = peer::apk3().filter(|apk| apk.version() == VERSION);
    let (true, Some(apk)) = (rustix::process::geteuid().is_root(), apk) else {
        return;
    };
    for (name, lines) in SESSIONS {
        let said = transcript(name, lines, |place| theirs(&apk, place));
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            fs::write(path(name), &said).unwrap();
        }
        crate::pair::similar(&said, &fs::read_to_string(path(name)).unwrap(), name);
    }
}

/// Somebody else has the lock, and keeps it.
#[test]
fn a_lock_is_waited_for_and_given_up_in_the_words_of_apk() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = fixtures::scratch("locked");
    let place = scratch.path();
    fs::create_dir(place.join("root")).unwrap();
    repository(place);
    let ask = |program: Command, line: &str| Answer::of(prepare(program, place, line).0);
    assert_eq!(
        ask(ours(place), "add --initdb --no-scripts base").code,
        Some(0)
    );
    let lock = fs::File::create(place.join("root/lib/apk/db/lock")).unwrap();
    lock.lock().unwrap();
    for (line, waited, words) in [
        (
            "add --no-scripts tool",
            "",
            "Resource temporarily unavailable",
        ),
        (
            "--wait 1 del --no-scripts base",
            "Waiting for repository lock\n",
            "Interrupted system call",
        ),
    ] {
        let mut programs = vec![ours(place)];
        let apk = peer::apk3().filter(|apk| apk.version() == VERSION);
        programs.extend(apk.map(|apk| theirs(&apk, place)));
        for program in programs {
            let answer = ask(program, line);
            assert_eq!(
                (answer.code, answer.stdout.as_str()),
                (Some(99), ""),
                "{line}"
            );
            let said = format!(
                "{waited}ERROR: Unable to lock database: {words}\nERROR: Failed to open apk database: {words}\n"
            );
            assert_eq!(answer.stderr, said, "{line}");
        }
    }
}

/// What is kept has the time of the package's file; apk means to do that, and loses it.
#[test]
fn a_kept_package_keeps_its_time() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = fixtures::scratch("kept");
    let place = scratch.path();
    fs::create_dir_all(place.join("root/etc/apk/cache")).unwrap();
    repository(place);
    let file = place.join("other/x86_64/alone-1-r0.apk");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
    let opened = fs::File::options().write(true).open(&file).unwrap();
    opened.set_modified(time).unwrap();
    let line = format!("add --initdb --no-scripts {}", file.display());
    let (command, _) = prepare(ours(place), place, &line);
    Answer::of(command).success();
    let entries = fs::read_dir(place.join("root/etc/apk/cache")).unwrap();
    let kept: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].metadata().unwrap().modified().unwrap(), time);
    assert_eq!(fs::read(&kept[0]).unwrap(), fs::read(file).unwrap());
}

/// Each line is a change; what scripts apk ran for it is in `recorded/apk-3.0.6/roots/scripts.txt`.
const CHANGES: &[&str] = &[
    "add --initdb base tool=1-r0 watch-bin a-watch watch-more watch-mute",
    "add tool=2-r0",
    "add deep",
    "del deep",
    "fix --reinstall tool",
    "fix --reinstall base watch-more",
    "add large",
    "del watch-bin",
    "del tool",
    "upgrade",
    "add tool=1-r0 deep",
    "del base",
];

/// The scripts that apk says it runs; they end at once, because there is no shell in the root.
fn executed(stdout: &str) -> String {
    let lines = stdout.lines().map(str::trim_start);
    let names = lines.filter_map(|line| line.strip_prefix("Executing "));
    names.collect::<Vec<_>>().join(", ")
}

/// The scripts for which ours refuses.
fn refused(answer: &Answer) -> String {
    let names = answer.stderr.trim_end().rsplit_once("goes on without: ");
    names.map_or(String::new(), |(_, names)| names.to_owned())
}

fn scripts(ask: impl Fn(&Path, &str) -> String, program: impl Fn(&Path) -> Command) -> String {
    let scratch = fixtures::scratch("scripts");
    let place = scratch.path();
    fs::create_dir(place.join("root")).unwrap();
    repository(place);
    let mut said = String::new();
    for line in CHANGES {
        said += &format!("{line}: {}\n", ask(place, line));
        let (mut command, _) = prepare(program(place), place, &format!("--no-scripts {line}"));
        let done = command.stdout(Stdio::null()).process_group(0).status();
        assert!(done.unwrap().success(), "{line}");
    }
    said
}

#[test]
fn the_scripts_that_apk_would_run_are_named_in_its_order() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let recorded = fixtures::root().join(format!("recorded/apk-{VERSION}/roots/scripts.txt"));
    if let Some(apk) = peer::apk3().filter(|apk| apk.version() == VERSION) {
        let ask = |place: &Path, line: &str| {
            // In a copy of the root, because scripts that fail are remembered.
            let copy = place.join("copy");
            let copied = Command::new("cp")
                .arg("-a")
                .arg(place.join("root"))
                .arg(&copy)
                .status();
            assert!(copied.unwrap().success());
            let (mut command, _) = prepare(theirs(&apk, place), place, line);
            command.args(["--root", "copy"]);
            let said = executed(&Answer::of(command).stdout);
            fs::remove_dir_all(copy).unwrap();
            said
        };
        let theirs = scripts(ask, |place| theirs(&apk, place));
        if std::env::var_os("APK_OSTREE_RECORD").is_some() {
            fs::write(&recorded, &theirs).unwrap();
        }
        crate::pair::similar(&theirs, &fs::read_to_string(&recorded).unwrap(), "theirs");
    }
    let ask = |place: &Path, line: &str| {
        let (command, _) = prepare(ours(place), place, line);
        let answer = Answer::of(command);
        let refused = refused(&answer);
        assert!(
            !refused.is_empty() || answer.code == Some(0),
            "{line}: {}",
            answer.stderr
        );
        refused
    };
    let ours = scripts(ask, ours);
    crate::pair::similar(&ours, &fs::read_to_string(&recorded).unwrap(), "ours");
}

/// Nobody can tell which scripts a package has that cannot be read.
#[test]
fn a_package_that_cannot_be_read_is_not_without_scripts() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = fixtures::scratch("unreadable");
    let place = scratch.path();
    fs::create_dir(place.join("root")).unwrap();
    repository(place);
    for (package, words) in [
        (
            "base-1-r0",
            "package mentioned in index not found (try 'apk update')",
        ),
        ("large-1-r0", "v2 package integrity error"),
    ] {
        let file = place.join(format!("repo/x86_64/{package}.apk"));
        match package {
            "base-1-r0" => fs::remove_file(file).unwrap(),
            _ => drop(fs::copy(place.join("repo/x86_64/deep-1-r0.apk"), file).unwrap()),
        }
        let line = format!(
            "--no-logfile --no-cache add --initdb {}",
            &package[..package.len() - 5]
        );
        let (command, _) = prepare(ours(place), place, &line);
        let answer = Answer::of(command);
        assert_eq!(answer.code, Some(99));
        assert_eq!(answer.stdout, "");
        let first = format!("ERROR: {package}: {words}");
        assert_eq!(answer.stderr.lines().next(), Some(first.as_str()));
        assert!(
            answer.stderr.contains("cannot tell which ones"),
            "{}",
            answer.stderr
        );
        assert_eq!(fs::read_dir(place.join("root")).unwrap().count(), 0);
    }
}
