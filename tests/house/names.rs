//! The paths that a piece of source names, read from its tokens: also those inside of macros, but nothing that a
//! comment or a string says, and nothing that is compiled for tests alone.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::UseTree;

/// `["crate", "fault", "Fault"]`
pub(crate) type Path = Vec<String>;

/// What starts a path that the compiler looks up among the crates alone, as in `use ::time`.
pub(crate) const CRATES: &str = "::";

/// One name that a `use` brings.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) path: Path,
    /// What it is called from then on; `_` too.
    pub(crate) name: String,
    pub(crate) glob: bool,
}

/// What a piece of source names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) paths: Vec<Path>,
    /// Of `use` declarations in function bodies.
    pub(crate) imports: Vec<Import>,
}

impl Names {
    pub(crate) fn add(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            if is_attribute(&tokens[at..]) && is_test_only(&tokens[at + 1]) {
                at = after_item(&tokens, at);
                continue;
            }
            match token {
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Ident(ident) if ident == "use" => {
                    // `impl Trait + use<'a>` is no declaration.
                    let end = at + tokens[at..].iter().take_while(|token| !is_punct(token, ';')).count();
                    let declaration = tokens[at..].iter().take(end - at + 1).cloned().collect();
                    if let Ok(item) = syn::parse2::<syn::ItemUse>(declaration) {
                        self.imports.extend(imports(&item));
                        at = end;
                    }
                }
                TokenTree::Ident(ident) if starts_path(&tokens[..at]) => {
                    let mut path = vec![plain(ident)];
                    while let [first, second, TokenTree::Ident(next), ..] = &tokens[at + 1..]
                        && is_double_colon(first, second)
                    {
                        path.push(plain(next));
                        at += 3;
                    }
                    self.paths.push(path);
                }
                _ => {}
            }
            at += 1;
        }
    }
}

/// The names that a declaration brings, one by one.
pub(crate) fn imports(item: &syn::ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    let start = if item.leading_colon.is_some() { vec![CRATES.to_owned()] } else { Vec::new() };
    add_imports(&item.tree, &start, &mut found);
    found
}

fn add_imports(tree: &UseTree, before: &[String], found: &mut Vec<Import>) {
    let path = |ident| [before, &[plain(ident)]].concat();
    match tree {
        UseTree::Path(part) => add_imports(&part.tree, &path(&part.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| add_imports(tree, before, found)),
        UseTree::Glob(_) => found.push(Import { path: before.into(), name: "*".into(), glob: true }),
        UseTree::Name(last) if last.ident == "self" => {
            let name = before.last().cloned().unwrap_or_default();
            found.push(Import { path: before.into(), name, glob: false });
        }
        UseTree::Name(last) => found.push(Import { path: path(&last.ident), name: plain(&last.ident), glob: false }),
        UseTree::Rename(last) => {
            let path = if last.ident == "self" { before.into() } else { path(&last.ident) };
            found.push(Import { path, name: plain(&last.rename), glob: false });
        }
    }
}

/// Whether an item with these attributes is compiled for tests alone.
pub(crate) fn has_test_attribute(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let tokens = quote::ToTokens::to_token_stream(attribute).into_iter().nth(1);
        tokens.is_some_and(|group| is_test_only(&group))
    })
}

/// A name without `r#`.
pub(crate) fn plain(ident: &proc_macro2::Ident) -> String {
    let name = ident.to_string();
    name.strip_prefix("r#").map(str::to_owned).unwrap_or(name)
}

/// Not a method, a field, a lifetime, or the rest of a path.
fn starts_path(before: &[TokenTree]) -> bool {
    match before {
        [.., first, second] if is_double_colon(first, second) => false,
        [.., first, second] if is_punct(second, '.') => is_punct(first, '.'),
        [.., last] => !is_punct(last, '\'') && !is_punct(last, '.'),
        [] => true,
    }
}

fn is_attribute(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [hash, TokenTree::Group(group), ..]
        if is_punct(hash, '#') && group.delimiter() == Delimiter::Bracket)
}

/// `[cfg(test)]`, also with further conditions; not one that the product may meet.
fn is_test_only(attribute: &TokenTree) -> bool {
    let TokenTree::Group(attribute) = attribute else { return false };
    let mut tokens = attribute.stream().into_iter();
    let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(condition))) = (tokens.next(), tokens.next()) else {
        return false;
    };
    let mut names = Names::default();
    names.add(condition.stream());
    let says = |word: &str| names.paths.iter().any(|path| path == &[word]);
    name == "cfg" && says("test") && !says("not") && !says("any")
}

/// Behind the item, field or statement whose attributes start here.
fn after_item(tokens: &[TokenTree], mut at: usize) -> usize {
    while is_attribute(&tokens[at..]) {
        at += 2;
    }
    let (mut depth, mut bounds) = (0, false);
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => break,
            TokenTree::Ident(ident) if ident == "where" => bounds = true,
            TokenTree::Punct(punct) => match punct.as_char() {
                ';' => break,
                ',' if depth == 0 && !bounds => break,
                '<' => depth += 1,
                '>' if !is_punct(&tokens[at - 2], '-') && !is_punct(&tokens[at - 2], '=') => depth -= 1,
                _ => {}
            },
            _ => {}
        }
    }
    at
}

fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}

fn is_double_colon(first: &TokenTree, second: &TokenTree) -> bool {
    is_punct(second, ':')
        && matches!(first, TokenTree::Punct(punct) if punct.as_char() == ':' && punct.spacing() == Spacing::Joint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(source: &str) -> Names {
        let mut names = Names::default();
        names.add(source.parse().unwrap());
        names
    }

    fn paths(source: &str) -> Vec<String> {
        names(source).paths.iter().filter(|path| path.len() > 1).map(|path| path.join("::")).collect()
    }

    #[test]
    fn paths_are_found_in_types_calls_and_macros() {
        let source = "fn f<'a>(x: &'a a::A) -> b::B<c::C> { x.d(e::f::<g::G>()); log!(\"{}\", h::i(0..j::K)); }";
        assert_eq!(paths(source), ["a::A", "b::B", "c::C", "e::f", "g::G", "h::i", "j::K"]);
    }

    #[test]
    fn comments_strings_methods_and_lifetimes_name_nothing() {
        let source = "/* a::A */ x.y(\"b::B\") 'c // d::D";
        assert_eq!(names(source).paths, [["x"]]);
    }

    #[test]
    fn what_is_compiled_for_tests_is_left_out() {
        let source = "#[cfg(test)] fn f<A, B>() -> a::A where A: b::B, B: c::C { d::D } \
            struct S { #[cfg(test)] x: HashMap<e::E, f::F>, y: g::G } \
            #[cfg(all(test, unix))] #[inline] const X: h::H = 1; \
            #[cfg(not(test))] fn i() -> i::I {}";
        assert_eq!(paths(source), ["g::G", "i::I"]);
    }

    #[test]
    fn a_use_tree_is_taken_apart() {
        let found = names("fn f() { use a::{self, b::{C, D as E}, f::*}; g::H; }");
        let shown: Vec<_> = found.imports.iter().map(|import| (import.path.join("::"), import.name.as_str())).collect();
        let expected = [("a", "a"), ("a::b::C", "C"), ("a::b::D", "E"), ("a::f", "*")];
        assert_eq!(shown, expected.map(|(path, name)| (path.to_owned(), name)));
        assert!(found.paths.contains(&vec!["g".into(), "H".into()]));
    }
}
