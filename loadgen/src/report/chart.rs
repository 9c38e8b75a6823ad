//! Line charts as SVG whose colours are the page's.
//!
//! The lines fill a box of any width; labels stand beside it as text of the page, so that they are as large on a telephone.
//! Every value is drawn as it is: where there are more values than pixels, lines lie on each other, but nothing is
//! averaged away.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use crate::text::clock;

/// What the box is high and wide, in units of the SVG.
const BOX: f64 = 1_000.0;
/// Most lines across, and about as many down.
const TICKS_MAX: f64 = 6.0;
/// Least value of a logarithmic axis.
const LOG_MIN: f64 = 0.1;
/// Further than so many times the greatest value an objective is left out: it would press the lines flat.
const LIMIT_MAX: f64 = 50.0;

/// How the values of an axis are written.
type Label = fn(f64) -> String;

/// Values over the chart's instants; a gap is a gap in the line.
pub(super) struct Line {
    pub name: &'static str,
    pub values: Vec<Option<f64>>,
}

/// Up to four lines over the same axis.
pub(super) struct Chart {
    pub title: &'static str,
    pub logarithmic: bool,
    /// How values are written at the axis, and under the pointer.
    pub tick: Label,
    pub label: Label,
    pub across: Across,
    /// Each is told from the others by colour and dashes: the first four of the page's style.
    pub lines: Vec<Line>,
    /// Objectives, by the values that they allow.
    pub limits: Vec<(String, f64)>,
}

/// What goes from left to right: where values are, and what is written at them and below the axis.
#[derive(Clone, Default)]
pub(super) struct Across {
    /// Of each value, from 0 to 1.
    pub places: Vec<f64>,
    pub names: Vec<String>,
    pub ticks: Vec<(f64, String)>,
    /// Where a stage begins.
    pub marks: Vec<f64>,
    /// The part that is shaded.
    pub shaded: Option<(f64, f64)>,
}

impl Across {
    /// The time of a run, in seconds from its start.
    pub(super) fn time(instants: &[f64], marks: &[f64], shaded: Option<(f64, f64)>) -> Self {
        let duration = instants.last().copied().unwrap_or_default().max(1.0);
        let place = |second: f64| (second / duration).min(1.0);
        let step = time_step(duration);
        let ticks = (0..).map(|index| f64::from(index) * step).take_while(|second| *second <= duration);
        Self {
            places: instants.iter().copied().map(place).collect(),
            names: instants.iter().copied().map(clock).collect(),
            ticks: ticks.map(|second| (place(second), clock(second))).collect(),
            marks: marks.iter().copied().map(place).collect(),
            shaded: shaded.map(|(from, to)| (place(from), place(to))),
        }
    }

    /// Percentiles, each further nine as far from the last as that from the one before.
    pub(super) fn percentiles(percentiles: &[f64]) -> Self {
        let nines = |percentile: f64| -(1.0 - percentile / 100.0).log10();
        // The longest of all stands a little beyond the last percentile that there are values for.
        let last = percentiles.iter().rev().find(|percentile| **percentile < 100.0).copied().map_or(1.0, nines) + 0.3;
        let place = |percentile: f64| nines(percentile).min(last) / last;
        let ticks = [50.0, 90.0, 99.0, 99.9, 99.99, 99.999];
        let ticks = ticks.into_iter().filter(|percentile| nines(*percentile) < last - 0.15);
        let name = |percentile: f64| if percentile < 100.0 { format!("p{percentile}") } else { "max".to_owned() };
        Self {
            places: percentiles.iter().copied().map(place).collect(),
            names: percentiles.iter().copied().map(name).collect(),
            ticks: ticks.chain([100.0]).map(|percentile| (place(percentile), name(percentile))).collect(),
            ..Self::default()
        }
    }
}

/// The range of the values, and where lines go across.
#[derive(Debug, PartialEq)]
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    logarithmic: bool,
}

impl Axis {
    fn new(low: f64, high: f64, logarithmic: bool) -> Self {
        if logarithmic {
            let (low, high) = (low.max(LOG_MIN), high.max(10.0 * LOG_MIN));
            let below = |value: f64| 10_f64.powf(value.log10().floor());
            let (low, high) = (below(low), nice_step(high).max(10.0 * below(low)));
            let powers = || (low.log10().round() as i32..).map(|power| 10_f64.powi(power));
            let few = high / low < 200.0;
            let all = powers().take_while(|power| *power <= high * 1.001);
            let ticks = all.flat_map(|power| {
                [1.0, 2.0, 5.0].map(|factor| factor * power).into_iter().take(if few { 3 } else { 1 })
            });
            return Self { low, high, ticks: ticks.filter(|tick| *tick <= high * 1.001).collect(), logarithmic };
        }
        // Where nothing happened, an axis from 0 to 1.
        let step = if high > 0.0 { nice_step(high / TICKS_MAX) } else { 1.0 };
        let count = (high / step).ceil().max(1.0);
        let ticks = (0..=count as u32).map(|tick| f64::from(tick) * step).collect();
        Self { low: 0.0, high: step * count, ticks, logarithmic }
    }

    /// From 0 at the bottom to 1 at the top.
    fn place(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
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

impl Chart {
    /// A figure with title, legend, and the values for the page's script.
    pub(super) fn figure(&self) -> Markup {
        let values = || self.lines.iter().flat_map(|line| line.values.iter().flatten().copied());
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
        let limits: Vec<&(String, f64)> = self.limits.iter().filter(|(_, limit)| *limit <= high * LIMIT_MAX).collect();
        let high = limits.iter().map(|(_, limit)| *limit).fold(high, f64::max);
        let axis = Axis::new(low.min(high), high, self.logarithmic);
        let x = |place: f64| place * BOX;
        let y = |value: f64| (1.0 - axis.place(value)) * BOX;
        let percent = |part: f64| format!("{:.2}%", part * 100.0);
        let Across { places, names, ticks, marks, shaded } = &self.across;
        let described = self.lines.iter().map(|line| line.name).collect::<Vec<_>>().join(", ");
        html! {
            figure {
                figcaption {
                    b { (self.title) }
                    span.legend {
                        @for (number, line) in self.lines.iter().enumerate() { (key(&format!("line{number}"), line.name)) }
                        @if !limits.is_empty() { (key("limit", "objective")) }
                        @if shaded.is_some() { span { i.shade {} "objective missed" } }
                    }
                }
                div.plot {
                    svg viewBox="0 0 1000 1000" preserveAspectRatio="none" role="img" aria-label=(format!("{}: {described}", self.title)) {
                        @if let Some((from, to)) = shaded {
                            rect.shade x=(x(*from).round()) width=((x(*to) - x(*from)).max(2.0).round()) y="0" height=(BOX) {}
                        }
                        @for tick in &axis.ticks { path.grid d=(format!("M0 {:.1}H{BOX}", y(*tick))) {} }
                        @for mark in marks { path.mark d=(format!("M{:.1} 0V{BOX}", x(*mark))) {} }
                        @for (_, limit) in &limits { path.limit d=(format!("M0 {:.1}H{BOX}", y(*limit))) {} }
                        @for (number, line) in self.lines.iter().enumerate() {
                            path class=(format!("line{number}")) d=(path(places.iter().map(|place| x(*place)), &line.values, y)) {}
                        }
                    }
                    @for tick in &axis.ticks { span.y style=(format!("bottom:{}", percent(axis.place(*tick)))) { ((self.tick)(*tick)) } }
                    @for (name, limit) in &limits { span.at style=(format!("bottom:{}", percent(axis.place(*limit)))) { (name) } }
                    div.xs { @for (place, name) in ticks { span style=(format!("left:{}", percent(*place))) { (name) } } }
                    i.cursor {}
                    output {}
                }
                script type="application/json" { (PreEscaped(self.values(places, names))) }
            }
        }
    }

    /// What the page's script shows under the pointer.
    fn values(&self, places: &[f64], names: &[String]) -> String {
        let text = |value: &Option<f64>| value.map_or("none".to_owned(), self.label);
        let line = |line: &Line| {
            let values: Vec<String> = line.values.iter().map(text).collect();
            serde_json::json!({"name": line.name, "values": values})
        };
        let places: Vec<f64> = places.iter().map(|place| (place * 1e4).round() / 1e4).collect();
        let lines: Vec<_> = self.lines.iter().map(line).collect();
        serde_json::json!({"places": places, "names": names, "lines": lines}).to_string().replace('<', "\\u003c")
    }
}

fn key(class: &str, name: &str) -> Markup {
    html! { span { svg.key viewBox="0 0 26 8" aria-hidden="true" { path class=(class) d="M0 4H26" {} } (name) } }
}

fn path(places: impl Iterator<Item = f64>, values: &[Option<f64>], y: impl Fn(f64) -> f64) -> String {
    let (mut path, mut pen_down) = (String::new(), false);
    for (x, value) in places.zip(values) {
        if let Some(value) = value {
            let command = if pen_down { 'L' } else { 'M' };
            let _ = write!(path, "{command}{x:.1} {:.1}", y(*value)); // writing to a String cannot fail
            // A lone value has no line: a dot of no length, with round ends.
            if !pen_down {
                path.push_str("h0");
            }
        }
        pen_down = value.is_some();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::number;

    #[test]
    fn a_linear_axis_begins_at_zero_and_has_round_ticks() {
        assert_eq!(Axis::new(3.0, 47.0, false).ticks, [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(Axis::new(0.0, 0.0, false).ticks, [0.0, 1.0]);
        assert_eq!(Axis::new(0.0, 1_600.0, false).high.to_bits(), 2_000.0_f64.to_bits());
    }

    #[test]
    fn a_logarithmic_axis_is_as_long_as_its_values_need() {
        let axis = Axis::new(25.0, 4_300.0, true);
        assert_eq!((axis.low, axis.high, &axis.ticks[..]), (10.0, 5_000.0, &[10.0, 100.0, 1_000.0][..]));
        assert!(
            (axis.place(5_000.0) - 1.0).abs() < 1e-9 && axis.place(0.0).abs() < 1e-9,
            "what is too small lies on it"
        );
        assert_eq!(Axis::new(12.0, 40.0, true).ticks, [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(Axis::new(0.0, 0.0, true).ticks, [0.1, 0.2, 0.5, 1.0]);
    }

    #[test]
    fn percentiles_spread_towards_their_end() {
        let across = Across::percentiles(&[0.0, 50.0, 90.0, 99.0, 100.0]);
        assert_eq!(across.names, ["p0", "p50", "p90", "p99", "max"]);
        let (nine, next) = (across.places[2] - across.places[0], across.places[3] - across.places[2]);
        assert!((nine - next).abs() < 1e-9 && (across.places[4] - 1.0).abs() < 1e-9, "{:?}", across.places);
        let ticks: Vec<&str> = across.ticks.iter().map(|(_, name)| &name[..]).collect();
        assert_eq!(ticks, ["p50", "p90", "p99", "max"]);
    }

    #[test]
    fn a_gap_in_the_values_is_a_gap_in_the_line() {
        let line = Line { name: "p99", values: vec![Some(10.0), Some(20.0), None, Some(40.0)] };
        let chart = Chart {
            title: "Times",
            logarithmic: false,
            tick: number,
            label: number,
            across: Across::time(&[0.0, 1.0, 2.0, 3.0], &[2.0], Some((1.0, 2.0))),
            lines: vec![line],
            limits: vec![("e2e.p99<30ms".into(), 30.0), ("e2e.max<1h".into(), 3_600_000.0)],
        };
        let svg = chart.figure().into_string();
        let path = svg.split("class=\"line0\" d=\"").nth(2).unwrap().split('"').next().unwrap();
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
        for part in ["class=\"mark\"", ">e2e.p99&lt;30ms</span>", "\"40\"", "class=\"shade\""] {
            assert!(svg.contains(part), "no {part} in {svg}");
        }
        assert!(!svg.contains("e2e.max"), "an objective far away would press the lines flat");
    }
}
