//! The f32 numbers of all rows: in memory, or in a file that is mapped, which the system keeps in memory as far as there
//! is room.
//!
//! Memory for many of them is the system's own, not the allocator's, which would keep it after a catalog was replaced.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};

use memmap2::{MmapMut, MmapOptions};

use crate::bytes::{numbers_of, numbers_of_mut};
use crate::pages::{ask_for_huge_pages, ask_for_huge_pages_later};

/// Numbers, one after the other.
#[derive(Debug)]
pub struct Numbers(Place);

#[derive(Debug)]
enum Place {
    Allocated(Vec<f32>),
    Memory(MmapMut),
    File(MmapMut),
}

impl Numbers {
    /// Zeros for so many rows of so many numbers, in huge pages where the system has them.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn zeros(rows: usize, dimension: usize) -> io::Result<Self> {
        let bytes = rows.saturating_mul(dimension).saturating_mul(size_of::<f32>());
        let memory = MmapMut::map_anon(bytes)?;
        ask_for_huge_pages_later(&memory);
        Ok(Self(Place::Memory(memory)))
    }

    /// What is in a file that nobody else writes to: so many rows of so many numbers.
    ///
    /// # Errors
    /// It is shorter, or cannot be mapped.
    #[expect(unsafe_code, reason = "a mapped file")]
    pub fn mapped(file: &File, rows: usize, dimension: usize) -> io::Result<Self> {
        let bytes = rows.saturating_mul(dimension).saturating_mul(size_of::<f32>());
        if file.metadata()?.len() < bytes as u64 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file is shorter than its rows"));
        }
        // SAFETY: the file is as long as what is mapped, and by the caller's promise nobody changes it.
        let map = unsafe { MmapOptions::new().len(bytes).map_mut(file)? };
        Ok(Self(Place::File(map)))
    }

    /// Asks for huge pages for what is in memory.
    pub(crate) fn ask_for_huge_pages(&self) {
        match &self.0 {
            Place::Allocated(numbers) => ask_for_huge_pages(numbers),
            Place::Memory(map) => ask_for_huge_pages(map),
            Place::File(_) => {}
        }
    }

    /// Bytes that they take in memory and that the system cannot take back.
    pub(crate) fn memory_bytes(&self) -> usize {
        match &self.0 {
            Place::Allocated(_) | Place::Memory(_) => size_of_val(&self[..]),
            Place::File(_) => 0,
        }
    }
}

impl Default for Numbers {
    fn default() -> Self {
        Vec::new().into()
    }
}

impl From<Vec<f32>> for Numbers {
    fn from(numbers: Vec<f32>) -> Self {
        Self(Place::Allocated(numbers))
    }
}

impl Deref for Numbers {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        match &self.0 {
            Place::Allocated(numbers) => numbers,
            Place::Memory(map) | Place::File(map) => numbers_of(map),
        }
    }
}

impl DerefMut for Numbers {
    fn deref_mut(&mut self) -> &mut [f32] {
        match &mut self.0 {
            Place::Allocated(numbers) => numbers,
            Place::Memory(map) | Place::File(map) => numbers_of_mut(map),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_file_are_written_and_read_as_those_in_memory() {
        let path = std::env::temp_dir().join(format!("numbers-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_len(24).unwrap();
        let mut mapped = Numbers::mapped(&file, 3, 2).unwrap();
        let mut memory = Numbers::zeros(3, 2).unwrap();
        assert_eq!(mapped[..], memory[..]);
        for numbers in [&mut mapped, &mut memory] {
            numbers[2..4].copy_from_slice(&[1.5, -0.0]);
        }
        let bits = |numbers: &Numbers| numbers.iter().map(|number| number.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&mapped), bits(&memory));
        assert_eq!((mapped.memory_bytes(), memory.memory_bytes()), (0, 24));
        assert_eq!(Numbers::from(vec![0.0; 6]).memory_bytes(), 24);
        assert_eq!(Numbers::zeros(0, 2).unwrap().len(), 0);
        assert!(Numbers::mapped(&file, 4, 2).is_err());
        assert!(Numbers::zeros(usize::MAX, 2).is_err());
    }
}
