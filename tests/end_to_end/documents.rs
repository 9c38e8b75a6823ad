//! The commands that the documents show: each is one that the programs take, and the README's first steps work.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use clap::Command;
use clap::error::ErrorKind;

use crate::world::{World, stderr};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Stands for whatever a document leaves to its reader.
const PLACEHOLDER: &str = "s3://bucket/prefix";
/// What loadgen is told of a deployment.
const SETTINGS: [&str; 4] = ["--queue-url", "https://sqs.example.com/1/jobs", "--results-table", "records"];

fn programs() -> [Command; 3] {
    [nearline::cli::definition(), loadgen::definition().name("loadgen"), devstack::commands::definition()]
}

/// The documents that show commands: their names and texts.
fn documents() -> Vec<(String, String)> {
    let folder = |name: &str| std::fs::read_dir(Path::new(ROOT).join(name)).unwrap();
    let files = folder("docs").chain(folder("")).chain(folder("examples")).chain(folder("findings"));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    paths.iter().map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    text.match_indices(&fence[..])
        .map(|(at, _)| {
            let rest = &text[at + fence.len() - 1..];
            &rest[1..=rest.find("\n```").unwrap()]
        })
        .collect()
}

/// The commands of a script as their words: enough of a shell for the documents. Variables and what follows `<` or `>`
/// are left to the reader.
fn commands(script: &str) -> Vec<Vec<String>> {
    let (mut commands, mut words) = (Vec::new(), Vec::new());
    let (mut word, mut quote, mut is_word) = (String::new(), None, false);
    let script = without_documents(script).replace("\\\n", " ");
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('\''), _) => word.push(c),
            (None, '\'' | '"') => (quote, is_word) = (Some(c), true),
            (_, '$') => {
                while chars.next_if(|c| c.is_alphanumeric() || "_({".contains(*c)).is_some() {}
                (word, is_word) = (word + PLACEHOLDER, true);
            }
            (Some(_), _) => word.push(c),
            (None, '#') if !is_word => while chars.next_if(|&c| c != '\n').is_some() {},
            (None, ' ' | '\n' | ';' | '|' | '&' | '(' | ')' | '<' | '>') => {
                if std::mem::take(&mut is_word) {
                    words.push(std::mem::take(&mut word));
                }
                match c {
                    ' ' => {}
                    '<' | '>' => words.push(c.to_string()),
                    _ => commands.push(std::mem::take(&mut words)),
                }
            }
            (None, _) => (word, is_word) = (word + c.encode_utf8(&mut [0; 4]), true),
        }
    }
    commands.push(words);
    commands.into_iter().map(program_and_arguments).filter(|words| !words.is_empty()).collect()
}

/// Without what `<<'EOF'` puts into files.
fn without_documents(script: &str) -> String {
    let mut end = None;
    let mut kept = String::new();
    for line in script.lines() {
        if end.is_some() {
            end = end.filter(|end| *end != line);
            continue;
        }
        end = line.split_once("<<'").and_then(|(_, rest)| rest.split('\'').next());
        kept += line.split("<<").next().unwrap_or_default();
        kept.push('\n');
    }
    kept
}

/// Without variables that are set before the program, redirections, and the folders of the program.
fn program_and_arguments(words: Vec<String>) -> Vec<String> {
    let is_set = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_alphanumeric() || c == '_'))
    };
    let mut kept: Vec<String> = Vec::new();
    let mut words = words.into_iter().skip_while(is_set);
    while let Some(word) = words.next() {
        if word == "<" || word == ">" { drop(words.next()) } else { kept.push(word) }
    }
    if let Some(program) = kept.first_mut() {
        *program = program.rsplit('/').next().unwrap_or_default().to_owned();
    }
    kept
}

#[test]
fn every_command_that_the_documents_show_is_one_that_its_program_takes() {
    let (programs, mut tried) = (programs(), [0; 3]);
    for (name, text) in documents() {
        for words in blocks(&text, "sh").into_iter().flat_map(commands) {
            let Some(at) = programs.iter().position(|program| program.get_name() == words[0]) else { continue };
            let parse = |words: &[String]| programs[at].clone().try_get_matches_from(words);
            let taken = parse(&words).or_else(|error| match error.kind() {
                // What comes from the environment otherwise.
                ErrorKind::MissingRequiredArgument => parse(&[&words[..], &SETTINGS.map(str::to_owned)].concat()),
                _ => Err(error),
            });
            assert!(taken.is_ok(), "{name}: `{}`: {}", words.join(" "), taken.unwrap_err());
            tried[at] += 1;
        }
    }
    assert!(tried[0] > 40 && tried[1] > 8, "the commands are not found: {tried:?}");
}

#[test]
fn every_flag_that_the_text_of_the_documents_names_is_there() {
    let mut tried = 0;
    for (name, text) in documents() {
        let prose = text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n");
        for code in prose.split('`').skip(1).step_by(2) {
            let mut words =
                code.split(|c: char| c.is_whitespace() || "[],|;".contains(c)).filter(|word| !word.is_empty());
            let first = words.next();
            let Some(mut command) = programs().into_iter().find(|program| Some(program.get_name()) == first) else {
                continue;
            };
            for word in words {
                if let Some(subcommand) = command.find_subcommand(word).cloned() {
                    command = subcommand;
                } else if let Some(flag) = word.strip_prefix("--") {
                    let flag = flag.split('=').next().unwrap_or_default();
                    let is_known = command.get_arguments().any(|argument| argument.get_long() == Some(flag));
                    assert!(is_known || flag == "help" || flag == "version", "{name}: `{code}`: --{flag}");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 20, "the flags are not found: {tried}");
}

#[test]
fn commands_are_read_as_a_shell_reads_them() {
    let script =
        "A=1 bin/nearline x --a 'b c' \"$D/e\" # f\ncat > g <<'EOF'\nnearline h\nEOF\n(i; j) | k >l \\\n  m &\n";
    let expected: [&[&str]; 5] =
        [&["nearline", "x", "--a", "b c", "s3://bucket/prefix/e"], &["cat"], &["i"], &["j"], &["k", "m"]];
    assert_eq!(commands(script), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_steps_of_the_readme_work_as_they_stand_there() {
    const SECTION: &str = "\n## Try it by hand\n";
    const PATIENCE: Duration = Duration::from_secs(150);
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let (_, section) = readme.split_once(SECTION).unwrap();
    let (up, steps) = blocks(section, "sh")[0].split_once("\n\n").unwrap();
    assert!(up.starts_with("make up "), "{up}");

    // What `make up` leaves behind, where the steps look for it.
    let world = World::start().await;
    let binaries = Path::new(env!("CARGO_BIN_EXE_nearline")).parent().unwrap();
    assert!(binaries.join("loadgen").exists(), "loadgen is not built: cargo build --workspace");
    let link = |from: &Path, to: &str| std::os::unix::fs::symlink(from, world.path(to)).unwrap();
    std::fs::create_dir_all(world.path("target")).unwrap();
    std::fs::create_dir_all(world.path(".devstack")).unwrap();
    link(binaries, "target/debug");
    link(&Path::new(ROOT).join("examples"), "examples");
    let settings: Vec<String> = world.env().iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    world.write(".devstack/env", settings.concat());
    // `kill %1` asks the worker to drain: it has to end well.
    world.write("steps.sh", format!("set -e\n{steps}\nwait $!\n"));

    let mut shell = tokio::process::Command::new("bash");
    shell.arg("steps.sh").current_dir(world.folder.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let shell = shell.spawn().unwrap();
    let group = format!("-{}", shell.id().unwrap());
    let done = tokio::time::timeout(PATIENCE, shell.wait_with_output()).await;
    // Nothing that it started stays, whatever happened.
    let _ = std::process::Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let done = done.expect("the steps end in time").unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}\n{}", stderr(&done));
    for expected in [r#""request_id":"first""#, r#""status":"SUCCEEDED""#, "Waterproof", "failed 0"] {
        assert!(said.contains(expected), "`{expected}` is not in {said}");
    }
}
