//! What worlds came to, to be added up and printed.

use std::collections::BTreeMap;
use std::fmt;

use nearline::fault_plan::Moment;

/// What a world came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) records: u64,
    pub(crate) letters: BTreeMap<String, u64>,
    pub(crate) faults: BTreeMap<(&'static str, Moment, &'static str), u64>,
    pub(crate) kills: u64,
    pub(crate) starts: u64,
    pub(crate) swaps: u64,
    pub(crate) calls: u64,
    pub(crate) digest: u64,
    pub(crate) hours: f64,
    pub(crate) broken: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        let Self { messages, records, letters, faults, kills, starts, swaps, calls, hours, .. } = other;
        self.messages += messages;
        self.records += records;
        self.kills += kills;
        self.starts += starts;
        self.swaps += swaps;
        self.calls += calls;
        self.hours += hours;
        for (code, count) in letters {
            *self.letters.entry(code).or_default() += count;
        }
        for (fault, count) in faults {
            *self.faults.entry(fault).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, records, kills, starts, swaps, calls, hours, .. } = self;
        writeln!(f, "{messages} messages, {records} records, {calls} calls, {hours:.0} hours of the worlds' clocks")?;
        writeln!(f, "  processes started {starts}, killed {kills}; catalogs swapped {swaps}")?;
        let sum = |by: fn(&(&str, Moment, &str)) -> String| {
            let mut sums: BTreeMap<String, u64> = BTreeMap::new();
            self.faults.iter().for_each(|(fault, count)| *sums.entry(by(fault)).or_default() += count);
            sums
        };
        writeln!(f, "  dead letters {:?}", self.letters)?;
        writeln!(f, "  faults by operation {:?}", sum(|(operation, ..)| (*operation).to_owned()))?;
        writeln!(f, "  faults by moment {:?}", sum(|(_, moment, _)| format!("{moment:?}")))?;
        write!(f, "  faults by cause {:?}", sum(|(.., cause)| (*cause).to_owned()))
    }
}
