//! The numbers of categories where rows were changed: by first appearance among the rows that live, as if the index had
//! been built of them. Each layer keeps its own numbers, and is told which are meant.

/// A category without a live row, or without a row in the layer.
const NONE: u32 = u32::MAX;

/// How a layer numbers the categories of an index.
#[derive(Debug)]
pub(crate) struct LayerCategories {
    /// For each number of the layer that of the index, or `NONE`.
    of_index: Vec<u32>,
    /// For each number of the index that of the layer, or `NONE`.
    in_layer: Vec<u32>,
}

impl LayerCategories {
    /// How many categories the layer has.
    pub(crate) fn count(&self) -> u32 {
        self.of_index.len() as u32
    }

    /// The layer's number of a category; `None` if it has no row of it.
    pub(crate) fn in_layer(&self, category: u32) -> Option<u32> {
        some(self.in_layer[category as usize])
    }

    /// The number of one of the layer's categories in the index; `None` if none of its rows lives.
    pub(crate) fn in_index(&self, category: u32) -> Option<u32> {
        some(self.of_index[category as usize])
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.of_index.as_slice()) + size_of_val(self.in_layer.as_slice())
    }
}

/// The categories of an index, by the numbers that its changes know: those of the base, and new ones after them.
#[derive(Debug)]
pub(crate) struct Numbering {
    /// For each category.
    known: Vec<u32>,
    /// For each known number that of the index, or `NONE`.
    numbers: Vec<u32>,
}

impl Numbering {
    /// Numbers the categories of live rows, which come in catalog order, with known numbers below `known`.
    pub(crate) fn new(of_rows: impl Iterator<Item = u32>, known: u32) -> Self {
        let mut numbering = Self { known: Vec::new(), numbers: vec![NONE; known as usize] };
        for category in of_rows {
            let number = &mut numbering.numbers[category as usize];
            if *number == NONE {
                *number = numbering.known.len() as u32;
                numbering.known.push(category);
            }
        }
        numbering
    }

    pub(crate) fn count(&self) -> u32 {
        self.known.len() as u32
    }

    /// The known number of a category.
    pub(crate) fn known(&self, category: u32) -> u32 {
        self.known[category as usize]
    }

    /// The number of a known category; `None` if there is none, or no live row of it.
    pub(crate) fn number(&self, known: u32) -> Option<u32> {
        self.numbers.get(known as usize).copied().and_then(some)
    }

    /// How a layer numbers them that has, by its own number, these known categories.
    pub(crate) fn of_layer(&self, known: impl Iterator<Item = u32>) -> LayerCategories {
        let of_index: Vec<u32> = known.map(|known| self.numbers[known as usize]).collect();
        let mut in_layer = vec![NONE; self.known.len()];
        for (number, &category) in (0..).zip(&of_index) {
            if category != NONE {
                in_layer[category as usize] = number;
            }
        }
        LayerCategories { of_index, in_layer }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(self.known.as_slice()) + size_of_val(self.numbers.as_slice())
    }
}

fn some(number: u32) -> Option<u32> {
    (number != NONE).then_some(number)
}
