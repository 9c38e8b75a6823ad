//! Files of jobs as `enqueue`, `run` and `search` read them: the whole file, cut into jobs with their places.

use std::io::Read;
use std::path::Path;

use nearline_contract::lines::{self, Place};

use super::output::CliError;

/// A job as it is written in its file.
pub(super) struct Job {
    pub(super) place: Place,
    pub(super) body: String,
}

/// The jobs of a file, `-`: of standard input. There is at least one.
pub(super) fn read(path: &Path) -> Result<Vec<Job>, CliError> {
    let is_input = path.as_os_str() == "-";
    let what = if is_input { "standard input".to_owned() } else { path.display().to_string() };
    let bytes = if is_input {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map(|_| bytes)
    } else {
        std::fs::read(path)
    };
    let bytes = bytes.map_err(CliError::io(&what))?;
    let jobs = lines::jobs(&bytes).map_err(|error| CliError::Other(format!("{what}: {error}")))?;
    Ok(jobs.into_iter().map(|job| Job { place: job.place, body: job.body.to_owned() }).collect())
}

/// Most ranges of numbers that are listed.
const RANGES_MAX: usize = 20;

/// Places as people look them up: `lines 3, 7-9`. They come in order.
pub(super) fn list(places: impl IntoIterator<Item = Place>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    let mut noun = "line";
    for place in places {
        let number = place.element.unwrap_or(place.line);
        noun = if place.element.is_some() { "job" } else { "line" };
        match ranges.last_mut() {
            Some((_, end)) if *end + 1 == number => *end = number,
            _ => ranges.push((number, number)),
        }
    }
    let range =
        |&(start, end): &(usize, usize)| if start == end { start.to_string() } else { format!("{start}-{end}") };
    let shown: Vec<String> = ranges.iter().take(RANGES_MAX).map(range).collect();
    let plural = if matches!(ranges[..], [(start, end)] if start == end) { "" } else { "s" };
    let more = if ranges.len() > RANGES_MAX { ", ..." } else { "" };
    format!("{noun}{plural} {}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_listed_in_ranges() {
        let lines = |numbers: &[usize]| list(numbers.iter().map(|&line| Place { line, element: None }));
        assert_eq!(lines(&[3, 7, 8, 9, 12]), "lines 3, 7-9, 12");
        assert_eq!(lines(&[4]), "line 4");
        assert_eq!(list([Place { line: 1, element: Some(2) }, Place { line: 1, element: Some(3) }]), "jobs 2-3");
        let odd: Vec<usize> = (0..100).map(|number| number * 2 + 1).collect();
        assert!(lines(&odd).ends_with("39, ..."), "{}", lines(&odd));
    }
}
