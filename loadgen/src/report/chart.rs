//! Line charts over the time of a run, as SVG whose colours are the page's.
//!
//! Every value is drawn as it is: where there are more values than pixels, lines lie on each other, but nothing is
//! averaged away.

use std::fmt::{self, Write as _};

use super::text::{escaped, number};

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// Most lines across, and about as many down.
const TICKS_MAX: f64 = 6.0;

/// Values over time; a gap is a gap in the line.
#[derive(Debug)]
pub(super) struct Line {
    pub name: &'static str,
    /// Names the colour and stroke, as the page's style has them.
    pub class: &'static str,
    pub values: Vec<Option<f64>>,
}

/// Several lines over the same instants.
#[derive(Debug)]
pub(super) struct Chart {
    pub title: &'static str,
    /// What the values are in; a part of each label.
    pub unit: &'static str,
    /// Whether the axis is logarithmic; values below a tenth of a unit are drawn as that.
    pub logarithmic: bool,
    /// Seconds from the start of the run, one for each value.
    pub instants: Vec<f64>,
    /// Where a stage ends.
    pub marks: Vec<f64>,
    pub lines: Vec<Line>,
}

/// The range of the values, and where lines go across.
#[derive(Debug, PartialEq)]
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    logarithmic: bool,
}

/// Least value of a logarithmic axis.
const LOG_MIN: f64 = 0.1;

impl Axis {
    fn new(low: f64, high: f64, logarithmic: bool) -> Self {
        if logarithmic {
            let (from, to) = (low.max(LOG_MIN).log10().floor(), high.max(10.0 * LOG_MIN).log10().ceil());
            let to = to.max(from + 1.0);
            let ticks = (from as i32..=to as i32).map(|power| 10_f64.powi(power)).collect();
            return Self { low: 10_f64.powf(from), high: 10_f64.powf(to), ticks, logarithmic };
        }
        let step = nice_step(high.max(1e-9) / TICKS_MAX);
        let count = (high / step).ceil().max(1.0);
        Self {
            low: 0.0,
            high: step * count,
            ticks: (0..=count as u32).map(|tick| f64::from(tick) * step).collect(),
            logarithmic,
        }
    }

    /// From 0 at the bottom to 1 at the top.
    fn position(&self, value: f64) -> f64 {
        if self.logarithmic {
            let value = value.max(self.low);
            (value / self.low).log10() / (self.high / self.low).log10()
        } else {
            value / self.high
        }
    }
}

/// The least of 1, 2 and 5 times a power of ten that is not below `least`.
fn nice_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= least * 0.999).unwrap_or(least)
}

/// Seconds between two marks on the time axis.
fn time_step(duration: f64) -> f64 {
    let steps =
        [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0];
    steps.into_iter().find(|step| duration / step <= 12.0).unwrap_or(86_400.0)
}

/// `90` as `1:30`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

/// A figure with title and legend.
impl fmt::Display for Chart {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = || self.lines.iter().flat_map(|line| line.values.iter().flatten().copied());
        let high = values().fold(0.0, f64::max);
        let low = values().fold(f64::INFINITY, f64::min).min(high);
        let axis = Axis::new(low, high, self.logarithmic);
        let duration = self.instants.last().copied().unwrap_or_default().max(1.0);
        let x = |second: f64| LEFT + second / duration * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - axis.position(value) * (HEIGHT - TOP - BOTTOM);
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);

        writeln!(out, "<figure>\n<figcaption><b>{}</b> <span class=\"legend\">", self.title)?;
        for line in &self.lines {
            write!(
                out,
                "<span class=\"{}\"><svg viewBox=\"0 0 22 8\" class=\"key\" aria-hidden=\"true\">",
                line.class
            )?;
            writeln!(out, "<path d=\"M0 4H22\"/></svg>{}</span>", escaped(line.name))?;
        }
        writeln!(out, "</span></figcaption>")?;
        let names = self.lines.iter().map(|line| line.name).collect::<Vec<_>>().join(", ");
        writeln!(
            out,
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{} over time: {names}\" \
             data-left=\"{LEFT}\" data-right=\"{right}\" data-duration=\"{duration}\">",
            self.title
        )?;
        for tick in &axis.ticks {
            let at = y(*tick);
            writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>")?;
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" class=\"end\">{}{}</text>",
                LEFT - 6.0,
                at + 4.0,
                number(*tick),
                self.unit
            )?;
        }
        let step = time_step(duration);
        for tick in (0..).map(|index| f64::from(index) * step).take_while(|second| *second <= duration) {
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" class=\"middle\">{}</text>",
                x(tick),
                HEIGHT - 8.0,
                clock(tick)
            )?;
        }
        for mark in self.marks.iter().filter(|mark| **mark < duration) {
            let at = x(*mark);
            writeln!(out, "<path class=\"mark\" d=\"M{at:.1} {TOP}V{bottom}\"/>")?;
        }
        for line in &self.lines {
            let mut path = String::new();
            let mut pen_down = false;
            for (second, value) in self.instants.iter().zip(&line.values) {
                match value {
                    Some(value) => {
                        let command = if pen_down { 'L' } else { 'M' };
                        write!(path, "{command}{:.1} {:.1}", x(*second), y(*value))?;
                        // A lone value has no line: a dot of no length, with round ends.
                        if !pen_down {
                            path.push_str("h0");
                        }
                        pen_down = true;
                    }
                    None => pen_down = false,
                }
            }
            writeln!(out, "<path class=\"line {}\" d=\"{path}\"/>", line.class)?;
        }
        writeln!(out, "<path class=\"cursor\" d=\"M0 {TOP}V{bottom}\"/>\n</svg>")?;
        self.write_values(out)?;
        writeln!(out, "</figure>")
    }
}

impl Chart {
    /// The values for the page's script, which shows those under the pointer.
    fn write_values(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|line| {
                let rounded = |value: &Option<f64>| value.map(|value| (value * 100.0).round() / 100.0);
                serde_json::json!({"name": line.name, "values": line.values.iter().map(rounded).collect::<Vec<_>>()})
            })
            .collect();
        let data = serde_json::json!({"unit": self.unit, "instants": self.instants, "lines": lines});
        writeln!(out, "<script type=\"application/json\">{data}</script>\n<output></output>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_ticks() {
        assert_eq!(Axis::new(3.0, 47.0, false).ticks, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(Axis::new(0.0, 0.0, false).position(0.0).to_bits(), 0.0_f64.to_bits());
        assert_eq!(Axis::new(0.0, 1_600.0, false).high.to_bits(), 2_000.0_f64.to_bits());
    }

    #[test]
    fn a_logarithmic_axis_spans_whole_powers() {
        let axis = Axis::new(25.0, 4_300.0, true);
        assert_eq!(axis.ticks, [10.0, 100.0, 1_000.0, 10_000.0]);
        assert!((axis.position(1_000.0) - 2.0 / 3.0).abs() < 1e-9);
        assert!(axis.position(0.0).abs() < 1e-9, "what is too small lies on the axis");
        assert_eq!(Axis::new(0.0, 0.0, true).ticks, [0.1, 1.0]);
    }

    #[test]
    fn numbers_are_grouped_and_times_are_clocks() {
        assert_eq!(
            [0.1, 12.345, 999.6, 1_500.0, 1_234_567.0, -1_000.0].map(number),
            ["0.1", "12.35", "1,000", "1,500", "1,234,567", "-1,000"]
        );
        assert_eq!([0.0, 90.0, 3_725.0].map(clock), ["0:00", "1:30", "1:02:05"]);
    }

    #[test]
    fn a_gap_in_the_values_is_a_gap_in_the_line() {
        let line = Line { name: "p99", class: "high", values: vec![Some(10.0), Some(20.0), None, Some(40.0)] };
        let chart = Chart {
            title: "Times",
            unit: " ms",
            logarithmic: false,
            instants: vec![0.0, 1.0, 2.0, 3.0],
            marks: vec![2.0],
            lines: vec![line],
        };
        let svg = chart.to_string();
        let path = svg.split("class=\"line high\" d=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
        assert!(svg.contains("class=\"mark\"") && svg.contains(">p99</span>") && svg.contains("40 ms"), "{svg}");
    }
}
