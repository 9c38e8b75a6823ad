//! The picture of a simulation: what comes and is answered, environments, the backlog and how long jobs take. One file
//! that loads nothing from elsewhere, for light and dark screens.

use std::fmt::Write as _;

use nearline_cost::{Interval, Simulation};

use super::figures::{clock, number, time};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const PANEL: f64 = 130.0;
const GAP: f64 = 42.0;
const STYLE: &str = "text{font:12px sans-serif;fill:#333}.grid{stroke:#ccc}.a{stroke:#1769aa}.b{stroke:#c2410c}\
path{fill:none;stroke-width:1.8}@media(prefers-color-scheme:dark){svg{background:#14171a}text{fill:#ccc}.grid{stroke:#444}\
.a{stroke:#6cb6ff}.b{stroke:#ffa657}}";

/// A line of a panel: its name, and its value in each interval; none leaves a hole.
type Series<'a> = (&'a str, &'a dyn Fn(&Interval) -> Option<f64>);

/// Its title, its lines, and how its values are written.
type Panel<'a> = (&'a str, [Series<'a>; 2], fn(f64) -> String);

/// The picture.
pub(super) fn svg(simulation: &Simulation) -> String {
    let panels: [Panel<'_>; 4] = [
        ("jobs a second", [("come", &|part| Some(part.rate)), ("answered", &|part| Some(part.answered))], number),
        (
            "environments",
            [
                ("ready", &|part| Some(part.environments as f64)),
                ("with those that start", &|part| Some((part.environments + part.starting) as f64)),
            ],
            number,
        ),
        ("jobs on the queue", [("", &|part| Some(part.backlog)), ("", &|_| None)], number),
        ("end to end", [("p50", &|part| part.p50_seconds), ("p99", &|part| part.p99_seconds)], time),
    ];
    let height = panels.len() as f64 * (PANEL + GAP) + 30.0;
    let mut page = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"Simulation of Managed Instances\"><style>{STYLE}</style>\n"
    );
    for (index, (title, series, written)) in panels.iter().enumerate() {
        panel(&mut page, simulation, GAP + index as f64 * (PANEL + GAP) - 14.0, title, series, *written);
    }
    let end = simulation.intervals.last().map_or(1.0, |part| part.to_seconds);
    for tick in 0..=6 {
        let share = f64::from(tick) / 6.0;
        let _ = writeln!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            LEFT + share * (WIDTH - LEFT - RIGHT),
            height - 12.0,
            clock(share * end)
        );
    }
    page + "</svg>\n"
}

fn panel(
    page: &mut String,
    simulation: &Simulation,
    top: f64,
    title: &str,
    series: &[Series<'_>; 2],
    written: fn(f64) -> String,
) {
    let values = || simulation.intervals.iter().flat_map(|part| series.iter().filter_map(|(_, value)| value(part)));
    let most = values().fold(0.0, f64::max).max(1e-9);
    let end = simulation.intervals.last().map_or(1.0, |part| part.to_seconds);
    let (left, right) = (LEFT, WIDTH - RIGHT);
    let _ = writeln!(page, "<text x=\"{left}\" y=\"{:.1}\" font-weight=\"bold\">{title}</text>", top - 6.0);
    for share in [0.0, 0.5, 1.0] {
        let y = top + PANEL * (1.0 - share);
        let _ = writeln!(
            page,
            "<line class=\"grid\" x1=\"{left}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            y + 4.0,
            written(most * share)
        );
    }
    for ((name, value), class) in series.iter().zip(["a", "b"]) {
        let mut path = String::new();
        let mut drawing = false;
        for part in &simulation.intervals {
            let Some(value) = value(part) else {
                drawing = false;
                continue;
            };
            let x = left + f64::midpoint(part.from_seconds, part.to_seconds) / end * (right - left);
            let y = top + PANEL * (1.0 - value / most);
            let _ = write!(path, "{}{x:.1} {y:.1}", if drawing { "L" } else { "M" });
            drawing = true;
        }
        let _ = writeln!(page, "<path class=\"{class}\" d=\"{path}\"/>");
        if !name.is_empty() {
            let x = right - if class == "a" { 240.0 } else { 160.0 };
            let _ = writeln!(
                page,
                "<line class=\"{class}\" stroke-width=\"3\" x1=\"{x}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\">{name}</text>",
                x + 16.0,
                top - 10.0,
                top - 10.0,
                x + 22.0,
                top - 6.0
            );
        }
    }
}
