//! Something about each of the last so many numbers: what repeats a recent message must know of it.

use std::collections::VecDeque;

/// Values for a stretch of numbers that moves on; those that were not set have the default.
#[derive(Debug, Clone)]
pub(crate) struct Window<T> {
    first: u64,
    values: VecDeque<T>,
    capacity: usize,
}

impl<T: Copy + Default> Window<T> {
    /// Remembers the `capacity` numbers up to the highest one that was set.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { first: 0, values: VecDeque::new(), capacity }
    }

    /// The value of a number; `None` if it is too far back.
    pub(crate) fn get(&self, number: u64) -> Option<T> {
        let offset = number.checked_sub(self.first)?;
        Some(self.values.get(offset as usize).copied().unwrap_or_default())
    }

    /// Sets the value of a number, unless it is too far back.
    pub(crate) fn set(&mut self, number: u64, value: T) {
        let Some(mut offset) = number.checked_sub(self.first) else { return };
        while offset as usize >= self.capacity {
            self.values.pop_front();
            self.first += 1;
            offset -= 1;
        }
        while self.values.len() <= offset as usize {
            self.values.push_back(T::default());
        }
        self.values[offset as usize] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_numbers_are_remembered() {
        let mut window = Window::new(3);
        window.set(1, 'b');
        window.set(0, 'a');
        assert_eq!([0, 1, 2].map(|number| window.get(number)), [Some('a'), Some('b'), Some('\0')]);
        window.set(4, 'e');
        assert_eq!([1, 2, 4, 5].map(|number| window.get(number)), [None, Some('\0'), Some('e'), Some('\0')]);
        window.set(1, 'x');
        assert_eq!(window.get(1), None);
        window.set(1_000, 'z');
        assert_eq!((window.get(997), window.get(998), window.get(1_000)), (None, Some('\0'), Some('z')));
    }
}
