//! Matrices of queries in NumPy's format. The header is read here first: what it declares has to fit the file, as memory
//! is taken by it, and what is not a float32 matrix is told how to become one.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

use ndarray::Array2;
use ndarray_npy::ReadNpyExt;
use nearline_contract::clip;

use super::output::CliError;

const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read; NumPy's own limit.
const HEADER_MAX_BYTES: u64 = 10_000;

/// Whether a file begins as NumPy's do. Of a pipe the first bytes can be read only once: they are left.
pub(super) fn is_array(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    path.is_file() && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == MAGIC
}

/// A float32 matrix.
pub(super) fn matrix(path: &Path) -> Result<Array2<f32>, CliError> {
    let what = path.display().to_string();
    let refused = |why: String| CliError::Other(format!("{what}: {why}"));
    let mut file = File::open(path).map_err(CliError::io(&what))?;
    let bytes = file.metadata().map_err(CliError::io(&what))?.len();
    check(&mut file, bytes).map_err(refused)?;
    file.rewind().map_err(CliError::io(&what))?;
    let needed = "a float32 matrix of queries x dimension is needed";
    Array2::<f32>::read_npy(BufReader::new(file)).map_err(|error| refused(format!("{needed}: {error}")))
}

/// Checks the header of a file of so many bytes.
fn check(mut file: impl Read, bytes: u64) -> Result<(), String> {
    let mut start = [0; 8];
    if file.read_exact(&mut start).is_err() || !start.starts_with(MAGIC) {
        return Err("it is not a NumPy array (.npy)".into());
    }
    let mut length = [0; 4];
    let length_bytes = if start[6] == 1 { 2 } else { 4 };
    file.read_exact(&mut length[..length_bytes]).map_err(|_| "it ends within its header".to_owned())?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > HEADER_MAX_BYTES {
        return Err(format!("its header is damaged: it claims to be {length} bytes long"));
    }
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).map_err(|error| error.to_string())?;
    let header = String::from_utf8_lossy(&header);
    let after = |name: &str| header.split_once(&format!("'{name}':")).map(|(_, rest)| rest.trim_start());
    let damaged = || format!("its header is damaged: `{}`", clip(&header));
    let kind = after("descr").ok_or_else(damaged)?;
    check_type(kind)?;
    let shape = after("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')')).ok_or_else(damaged)?.0;
    let sides = shape.split(',').map(str::trim).filter(|side| !side.is_empty()).map(str::parse::<u64>);
    let sides: Vec<u64> = sides.collect::<Result<_, _>>().map_err(|_| damaged())?;
    let declared = match sides[..] {
        [rows, columns] => rows.checked_mul(columns).and_then(|count| count.checked_mul(4)),
        [count] => {
            return Err(format!("it is one row of {count} numbers (1-D): save array.reshape(1, -1) for one query"));
        }
        _ => {
            let count = sides.len();
            return Err(format!("it has {count} dimensions: save it with two, queries x dimension"));
        }
    };
    let held = bytes.saturating_sub(8 + length_bytes as u64 + length);
    if declared != Some(held) {
        let shape = clip(shape);
        return Err(format!("it is cut or damaged: its header declares ({shape}) float32, {held} bytes follow"));
    }
    Ok(())
}

/// Checks the type of the numbers, as the header writes it.
fn check_type(kind: &str) -> Result<(), String> {
    let Some(name) = kind.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(name, _)| name) else {
        return Err("its elements have several fields: save a float32 matrix".into());
    };
    let known = match name {
        "<f4" => return Ok(()),
        ">f4" => "big-endian float32",
        "<f2" | ">f2" => "float16",
        "<f8" | ">f8" => "float64",
        "|O" => "Python objects",
        other => other,
    };
    Err(format!("its elements are {}: save array.astype(\"float32\")", clip(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(kind: &str, shape: &str, data: usize) -> Vec<u8> {
        let header = format!("{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [MAGIC, &[1, 0], &length, header.as_bytes(), &vec![0; data]].concat()
    }

    fn fault(bytes: &[u8]) -> String {
        check(bytes, bytes.len() as u64).unwrap_err()
    }

    #[test]
    fn a_float32_matrix_that_is_whole_is_taken() {
        for shape in ["(2, 3)", "(2,3)", "(6, 1)"] {
            let bytes = npy("'<f4'", shape, 24);
            assert_eq!(check(&bytes[..], bytes.len() as u64), Ok(()));
        }
    }

    #[test]
    fn a_shape_that_the_file_cannot_hold_takes_no_memory() {
        for shape in ["(4000000000, 384)", "(18446744073709551615, 384)", "(2, 4)", "(2, 2)"] {
            assert!(fault(&npy("'<f4'", shape, 24)).contains("cut or damaged"), "{shape}");
        }
        assert!(fault(&npy("'<f4'", "(99999999999999999999, 3)", 24)).contains("header is damaged"));
        assert!(fault(&[MAGIC, &[2, 0], &u32::MAX.to_le_bytes()].concat()).contains("header is damaged"));
        assert!(fault(&[MAGIC, &[1, 0], &[4, 0], b"oops"].concat()).contains("header is damaged: `oops`"));
        assert!(fault(b"PK\x03\x04 a zip").contains("is not a NumPy array"));
    }

    #[test]
    fn a_matrix_is_read_in_either_order_and_a_huge_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("q");
        let wanted = ndarray::array![[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]];
        for matrix in [wanted.clone(), wanted.t().as_standard_layout().to_owned().reversed_axes()] {
            ndarray_npy::write_npy(&path, &matrix).unwrap();
            assert!(is_array(&path));
            assert_eq!(super::matrix(&path).unwrap(), wanted);
        }
        std::fs::write(&path, npy("'<f4'", "(40000000000, 384)", 24)).unwrap();
        assert!(super::matrix(&path).unwrap_err().to_string().contains("cut or damaged"));
    }

    #[test]
    fn another_type_or_shape_is_told_how_to_become_the_right_one() {
        for (kind, named) in [("'<f2'", "float16"), ("'<f8'", "float64"), ("'>f4'", "big-endian"), ("'<i8'", "<i8")] {
            let fault = fault(&npy(kind, "(2, 3)", 24));
            assert!(fault.contains(named) && fault.contains("array.astype(\"float32\")"), "{fault}");
        }
        assert!(fault(&npy("[('a', '<f4')]", "(2,)", 8)).contains("several fields"));
        assert!(fault(&npy("'<f4'", "(6,)", 24)).contains("array.reshape(1, -1)"));
        assert!(fault(&npy("'<f4'", "(1, 2, 3)", 24)).contains("3 dimensions"));
        assert!(fault(&npy("'<f4'", "()", 4)).contains("0 dimensions"));
    }
}
