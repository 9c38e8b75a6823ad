//! What is embedded of a row: text with the names of columns in braces, such as `{title}. {description}`.

use std::str::FromStr;

/// A template; its columns by name, or by whatever names were resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template<C = String> {
    pieces: Vec<Piece<C>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece<C> {
    Literal(String),
    Column(C),
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = vec![Piece::Literal(String::new())];
        let push = |pieces: &mut Vec<Piece<String>>, piece: char| match pieces.last_mut() {
            Some(Piece::Literal(literal)) => literal.push(piece),
            _ => pieces.push(Piece::Literal(piece.into())),
        };
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '{' | '}' if rest.peek() == Some(&character) => {
                    rest.next();
                    push(&mut pieces, character);
                }
                '{' => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            Some('}') => break,
                            Some(character) => name.push(character),
                            None => return Err(format!("--text: a brace opens and does not close in `{text}`")),
                        }
                    }
                    if name.trim().is_empty() {
                        return Err(format!("--text: braces without a column's name in `{text}`"));
                    }
                    pieces.push(Piece::Column(name.trim().to_owned()));
                }
                '}' => return Err(format!("--text: a brace closes that was not opened in `{text}` (write }}}})")),
                character => push(&mut pieces, character),
            }
        }
        if !pieces.iter().any(|piece| matches!(piece, Piece::Column(_))) {
            return Err(format!("--text must name a column in braces, such as '{{title}}', was `{text}`"));
        }
        Ok(Self { pieces })
    }
}

impl<C> Template<C> {
    /// The same template with other names of its columns; `None`: there is no such column, so it contributes nothing.
    pub(super) fn resolve<D, E>(&self, mut column: impl FnMut(&C) -> Result<Option<D>, E>) -> Result<Template<D>, E> {
        let pieces = self.pieces.iter().map(|piece| match piece {
            Piece::Literal(literal) => Ok(Piece::Literal(literal.clone())),
            Piece::Column(name) => Ok(column(name)?.map_or(Piece::Literal(String::new()), Piece::Column)),
        });
        Ok(Template { pieces: pieces.collect::<Result<_, E>>()? })
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &C> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Literal(_) => None,
            Piece::Column(column) => Some(column),
        })
    }
}

impl Template<usize> {
    /// The text of a row; `None` if all its cells are empty.
    pub(super) fn fill(&self, mut cell: impl FnMut(usize) -> Option<String>) -> Option<String> {
        let (mut text, mut has_any) = (String::new(), false);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Column(column) => {
                    if let Some(value) = cell(*column) {
                        has_any = true;
                        text.push_str(&value);
                    }
                }
            }
        }
        has_any.then(|| text.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(template: &str, cells: &[(&str, &str)]) -> Option<String> {
        let template: Template = template.parse().unwrap();
        let position = |name: &String| cells.iter().position(|(cell, _)| cell == name).map(Some).ok_or(());
        let resolved = template.resolve(position).unwrap();
        resolved.fill(|column| Some(cells[column].1.to_owned()).filter(|text| !text.is_empty()))
    }

    #[test]
    fn columns_stand_in_braces() {
        let cells = [("title", "Mug"), ("description", "Blue"), ("none", "")];
        assert_eq!(fill("{title}. {description}", &cells).unwrap(), "Mug. Blue");
        assert_eq!(fill("{{{ title }}} {none}", &cells).unwrap(), "{Mug}");
        assert_eq!(fill("about {none}", &cells), None);
    }

    #[test]
    fn what_is_no_template_says_why() {
        for (text, why) in [
            ("title", "must name a column in braces"),
            ("{title", "does not close"),
            ("title}", "was not opened"),
            ("{ }", "without a column's name"),
        ] {
            let error = text.parse::<Template>().unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
