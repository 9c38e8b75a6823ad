//! Which files a path means.

use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;
use crate::catalog::source::tree::Tree;

fn line(id: &str) -> String {
    format!("{{\"product_id\": \"{id}\", \"category\": \"c\", \"text\": \"x\"}}\n")
}

fn read_noted(path: &Path) -> (Vec<String>, Vec<String>) {
    let (rows, notes) = read_with(path, Mapping::default()).unwrap();
    (ids(&rows).into_iter().map(str::to_owned).collect(), notes)
}

#[test]
fn thousands_of_files_are_open_one_at_a_time() {
    let folder = Folder::new();
    for number in 0..3_000 {
        folder.put(&format!("{}/{number:04}.jsonl", number % 3), line(&number.to_string()));
    }
    let source = Source::new(open(folder.0.path()).unwrap(), Mapping::default(), Dialect::default());
    let open_files = || {
        let open = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        open.filter(|path| path.starts_with(folder.0.path())).count()
    };
    assert_eq!(open_files(), 0);
    let (mut rows, mut most) = (0, 0);
    source
        .read(&mut |_, found: Found<'_>| {
            found.product.unwrap();
            rows += 1;
            if rows % 100 == 0 {
                most = most.max(open_files());
            }
            Ok(())
        })
        .unwrap();
    assert_eq!((rows, most), (3_000, 1));
}

#[test]
fn what_changes_its_kind_between_a_look_and_its_turn_is_an_error() {
    let folder = Folder::new();
    let path = folder.put("a", line("a"));
    let source = Source::new(open(folder.0.path()).unwrap(), Mapping::default(), Dialect::default());
    fs::write(path, "product_id,category,text\na,c,x\n").unwrap();
    let error = source.read(&mut |_, _| Ok(())).unwrap_err().to_string();
    assert_eq!(error, "a: this was JSON and is text now: the source must not change while it is read");
}

#[test]
fn empty_parts_are_passed_over_with_a_note_and_are_an_error_if_there_is_nothing_else() {
    let folder = Folder::new();
    for number in 0..7 {
        folder.put(&format!("part-{number}.csv"), "");
    }
    let error = read(folder.0.path()).unwrap_err();
    assert!(error.contains("all files of the folder are empty"), "{error}");
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()).finish().unwrap();
    folder.put("part-3.csv.gz", packed);
    folder.put("part-4.jsonl", line("a"));
    let (ids, notes) = read_noted(folder.0.path());
    assert_eq!(ids, ["a"]);
    let named = "part-0.csv, part-1.csv, part-2.csv, part-3.csv, part-3.csv.gz and 3 more";
    assert_eq!(notes, [format!("empty files are skipped: {named}")]);
    // As DynamoDB exports a partition without items.
    let empty = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()).finish().unwrap();
    folder.put("export/data/1.json.gz", empty);
    folder.put("export/data/2.json", line("b"));
    let list = ["1.json.gz", "2.json"].map(|name| format!("{{\"dataFileS3Key\": \"x/data/{name}\"}}\n")).concat();
    folder.put("export/manifest-files.json", list);
    let (ids, notes) = read_noted(&folder.0.path().join("export"));
    assert_eq!((ids, notes), (vec!["b".to_owned()], vec!["empty files are skipped: data/1.json.gz".to_owned()]));
    let one = read(&folder.put("one", "")).unwrap_err();
    assert!(one.contains("this is empty: nothing was written to it"), "{one}");
}

#[test]
fn links_in_circles_are_followed_once() {
    let folder = Folder::new();
    folder.put("a/x.jsonl", line("a"));
    folder.put("b/x.jsonl", line("b"));
    symlink("..", folder.0.path().join("a/up")).unwrap();
    symlink("../b", folder.0.path().join("a/side")).unwrap();
    let (ids, notes) = read_noted(folder.0.path());
    assert_eq!(ids, ["b", "a"]);
    assert_eq!(notes, ["links to a folder that is already read are skipped: a/up, b"]);
    symlink("nowhere", folder.0.path().join("c")).unwrap();
    assert!(read(folder.0.path()).unwrap_err().contains("c: No such file"));
}

#[test]
fn pipes_sockets_and_devices_are_refused_at_once() {
    let folder = Folder::new();
    folder.put("a.jsonl", line("a"));
    let pipe = folder.0.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let error = read(folder.0.path()).unwrap_err();
    assert!(error.contains("pipe: is a pipe, a socket or a device"), "{error}");
    fs::remove_file(&pipe).unwrap();
    let manifest = folder.0.path().join("manifest-files.json");
    assert!(Command::new("mkfifo").arg(&manifest).status().unwrap().success());
    assert!(read(folder.0.path()).unwrap_err().contains("is a pipe, a socket or a device"));
    fs::remove_file(&manifest).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(folder.0.path().join("socket")).unwrap();
    assert!(read(folder.0.path()).unwrap_err().contains("is a pipe, a socket or a device"));
    for device in ["/dev/zero", "/dev/null"] {
        assert!(read(Path::new(device)).unwrap_err().contains("is a device"));
    }
    // As a shell makes of <(zcat products.gz).
    let named = pipe.clone();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || fs::write(named, line("piped")).unwrap());
    assert_eq!(ids(&read(&pipe).unwrap()), ["piped"]);
    writer.join().unwrap();
}

#[test]
fn names_that_no_disk_has_together_are_read_each() {
    let folder = Folder::new();
    let names = ["a", "a/b", "a//b", "a/./b", "../a", "a/b/", "/a"];
    let mut tree = Tree::default();
    for (number, name) in names.iter().enumerate() {
        tree.add(name, folder.put(&number.to_string(), line(name)));
    }
    let parts = tree.parts("s3://bucket/prefix", Vec::new()).unwrap();
    let source = Source::new(parts, Mapping::default(), Dialect::default());
    let mut found = Vec::new();
    source
        .read(&mut |place, row| {
            found.push((source.describe(place).to_string(), row.product.unwrap().product_id));
            Ok(())
        })
        .unwrap();
    found.sort();
    let mut expected: Vec<_> = names.iter().map(|name| (format!("{name} line 1"), (*name).to_owned())).collect();
    expected.sort();
    assert_eq!(found, expected);
    for (name, passed) in [("_SUCCESS", true), ("a/.x/b", true), ("./a", false), ("a/../b", false), ("a//b", false)] {
        assert_eq!(Tree::is_passed_over(name), passed, "{name}");
    }
}

#[test]
fn a_folder_below_or_linked_from_one_that_is_read_is_read_too() {
    let (folder, other) = (Folder::new(), Folder::new());
    folder.put("deep/er/a", "x");
    other.put("in/a", "x");
    symlink(other.0.path().join("in"), folder.0.path().join("link")).unwrap();
    let below = |path: PathBuf| reads_below(folder.0.path(), &path).unwrap();
    assert!(below(folder.0.path().to_owned()));
    assert!(below(folder.0.path().join("deep/er")));
    assert!(below(folder.0.path().join("deep/../deep")));
    assert!(below(other.0.path().join("in")));
    assert!(!below(other.0.path().to_owned()));
    assert!(!below(folder.0.path().parent().unwrap().to_owned()));
}
