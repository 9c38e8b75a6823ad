//! The modules of a crate and what each of their files names, followed to the file that defines it.
//!
//! Names are looked up as the compiler does, without its knowledge of types: methods and fields are not seen, and of
//! `Enum::Variant` or `Type::new` the type alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use quote::ToTokens as _;
use syn::{Item, Visibility};

use crate::names::{CRATES, Import, Names, Path, has_test_attribute, imports, plain};

/// Source texts by their place in the crate: `src/lib.rs`.
pub(crate) type Sources = BTreeMap<String, String>;

/// Which file names what of which other: (namer, definer) to the items' names.
pub(crate) type Edges = BTreeMap<(String, String), BTreeSet<String>>;

/// The libraries and binaries of a package.
#[derive(Debug, Default)]
pub(crate) struct CrateMap {
    modules: Vec<Module>,
    /// By the name that other crates call it.
    libraries: HashMap<String, usize>,
}

#[derive(Debug)]
struct Module {
    file: String,
    /// Where the files of its child modules are: `src/catalog`.
    folder: String,
    parent: Option<usize>,
    scope: HashMap<String, Vec<Binding>>,
    globs: Vec<Path>,
    /// All that its code names, but for re-exports.
    paths: Vec<Path>,
}

#[derive(Debug)]
enum Binding {
    Item,
    Module(usize),
    Import(Path),
}

/// What a path leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Item {
        file: String,
        name: String,
    },
    Module(usize),
    /// Of another crate, or built in.
    External(Path),
}

/// A path, and what it leads to. A name may be several things: a type and a function.
#[derive(Debug)]
pub(crate) struct Named<'a> {
    pub(crate) file: &'a str,
    pub(crate) targets: Vec<Target>,
    /// The files of the modules that it leads through.
    pub(crate) through: BTreeSet<String>,
}

impl CrateMap {
    /// Reads a package from its roots: `src/lib.rs`, `src/main.rs`, `src/bin/*.rs`. `name` is the library's.
    pub(crate) fn read(name: &str, sources: &Sources) -> Self {
        let mut map = Self::default();
        for file in sources.keys() {
            let in_bin = file.strip_prefix("src/bin/").is_some_and(|rest| !rest.contains('/'));
            if in_bin || matches!(file.as_str(), "src/lib.rs" | "src/main.rs") {
                let folder = file.rsplit_once('/').expect("is in src/").0;
                let root = map.read_file(file, folder, None, sources);
                if file == "src/lib.rs" {
                    map.libraries.insert(name.to_owned(), root);
                }
            }
        }
        map
    }

    fn read_file(&mut self, file: &str, folder: &str, parent: Option<usize>, sources: &Sources) -> usize {
        let parsed = syn::parse_file(&sources[file]).unwrap_or_else(|error| panic!("{file}: {error}"));
        self.read_items(parsed.items, file, folder, parent, sources)
    }

    fn read_items(
        &mut self,
        items: Vec<Item>,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        sources: &Sources,
    ) -> usize {
        let module = self.modules.len();
        self.modules.push(Module {
            file: file.into(),
            folder: folder.into(),
            parent,
            scope: HashMap::new(),
            globs: Vec::new(),
            paths: Vec::new(),
        });
        for item in items {
            match item {
                Item::Mod(child) if !has_test_attribute(&child.attrs) => {
                    let name = plain(&child.ident);
                    let id = self.read_child(module, &name, child.content.map(|(_, items)| items), sources);
                    self.bind(module, name, Binding::Module(id));
                }
                Item::Use(item) if !has_test_attribute(&item.attrs) => {
                    let exported = !matches!(item.vis, Visibility::Inherited);
                    for import in imports(&item) {
                        self.import(module, import, exported);
                    }
                }
                Item::Mod(_) | Item::Use(_) => {}
                item => {
                    let mut names = Names::default();
                    names.add(item.to_token_stream());
                    if let Some(name) = defined(&item) {
                        self.bind(module, name, Binding::Item);
                    }
                    self.modules[module].paths.append(&mut names.paths);
                    for import in names.imports {
                        self.import(module, import, false);
                    }
                }
            }
        }
        module
    }

    fn read_child(&mut self, parent: usize, name: &str, inline: Option<Vec<Item>>, sources: &Sources) -> usize {
        let Module { file, folder, .. } = &self.modules[parent];
        let (file, folder) = (file.clone(), format!("{folder}/{name}"));
        if let Some(items) = inline {
            return self.read_items(items, &file, &folder, Some(parent), sources);
        }
        let files = [format!("{folder}.rs"), format!("{folder}/mod.rs")];
        let found = files.iter().find(|file| sources.contains_key(*file));
        let found = found.unwrap_or_else(|| panic!("{file} declares `mod {name};`, and there is no {}", files[0]));
        self.read_file(found, &folder, Some(parent), sources)
    }

    fn bind(&mut self, module: usize, name: String, binding: Binding) {
        self.modules[module].scope.entry(name).or_default().push(binding);
    }

    fn import(&mut self, module: usize, import: Import, exported: bool) {
        if !exported {
            self.modules[module].paths.push(import.path.clone());
        }
        if import.glob {
            self.modules[module].globs.push(import.path);
        } else {
            self.bind(module, import.name, Binding::Import(import.path));
        }
    }

    /// Every path of the crate's code.
    pub(crate) fn named(&self) -> impl Iterator<Item = Named<'_>> {
        self.modules.iter().enumerate().flat_map(move |(id, module)| {
            module.paths.iter().map(move |path| {
                let mut lookup = Lookup { map: self, begun: HashSet::new(), through: BTreeSet::new() };
                let targets = lookup.path(id, path);
                Named { file: &module.file, targets, through: lookup.through }
            })
        })
    }

    /// Which files name items of which others.
    pub(crate) fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        for named in self.named() {
            for target in named.targets {
                if let Target::Item { file, name } = target
                    && file != named.file
                {
                    edges.entry((named.file.into(), file)).or_default().insert(name);
                }
            }
        }
        edges
    }
}

/// The name that an item defines for others to use.
fn defined(item: &Item) -> Option<String> {
    Some(plain(match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    }))
}

struct Lookup<'a> {
    map: &'a CrateMap,
    /// What is being looked up, so that globs of each other end.
    begun: HashSet<(usize, String)>,
    through: BTreeSet<String>,
}

impl Lookup<'_> {
    fn path(&mut self, module: usize, path: &[String]) -> Vec<Target> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let modules = &self.map.modules;
        let start = match first.as_str() {
            "crate" => vec![Target::Module(self.root(module))],
            "self" => vec![Target::Module(module)],
            "super" => modules[module].parent.map(Target::Module).into_iter().collect(),
            CRATES => return vec![Target::External(rest.into())],
            name => match self.name(module, name) {
                found if !found.is_empty() => found,
                _ => match self.map.libraries.get(name) {
                    Some(&library) => vec![Target::Module(library)],
                    None => return vec![Target::External(path.into())],
                },
            },
        };
        start.into_iter().flat_map(|target| self.rest(target, rest)).collect()
    }

    fn rest(&mut self, target: Target, rest: &[String]) -> Vec<Target> {
        let Some((next, after)) = rest.split_first() else { return vec![target] };
        match target {
            Target::Module(module) => {
                self.through.insert(self.map.modules[module].file.clone());
                let found = match next.as_str() {
                    "super" => self.map.modules[module].parent.map(Target::Module).into_iter().collect(),
                    name => self.name(module, name),
                };
                found.into_iter().flat_map(|target| self.rest(target, after)).collect()
            }
            // A variant or an associated item is where its type is.
            item @ Target::Item { .. } => vec![item],
            Target::External(path) => vec![Target::External([&path[..], rest].concat())],
        }
    }

    fn name(&mut self, module: usize, name: &str) -> Vec<Target> {
        if !self.begun.insert((module, name.into())) {
            return Vec::new();
        }
        let Module { file, scope, globs, .. } = &self.map.modules[module];
        let mut found = Vec::new();
        for binding in scope.get(name).into_iter().flatten() {
            match binding {
                Binding::Item => found.push(Target::Item { file: file.clone(), name: name.into() }),
                Binding::Module(child) => found.push(Target::Module(*child)),
                Binding::Import(path) => found.extend(self.path(module, path)),
            }
        }
        if found.is_empty() {
            for glob in globs {
                for target in self.path(module, glob) {
                    if let Target::Module(other) = target {
                        found.extend(self.name(other, name));
                    }
                }
            }
        }
        self.begun.remove(&(module, name.into()));
        found
    }

    fn root(&self, mut module: usize) -> usize {
        while let Some(parent) = self.map.modules[module].parent {
            module = parent;
        }
        module
    }
}
