//! The courses of a run on the screen, each with the range that it is drawn in.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier};
use ratatui::text::Line;
use ratatui::widgets::Sparkline;

use super::snapshot::{Recent, Snapshot};
use crate::text::{number, span, time};

/// A title and enough lines to see a course.
const CHART_HEIGHT: u16 = 4;

/// A line over time with what it shows now, and from where to where it goes.
struct Course {
    title: String,
    scale: String,
    values: Vec<u64>,
    color: Color,
}

impl Course {
    fn new(what: &str, now: &str, values: Vec<u64>, label: impl Fn(u64) -> String, color: Color) -> Self {
        let top = label(values.iter().copied().max().unwrap_or_default());
        Self { title: format!("{what} {now}"), scale: format!("0 to {top}"), values, color }
    }

    fn width(&self) -> usize {
        self.title.chars().count() + self.scale.chars().count() + 2
    }
}

/// As many charts as there is room for; the newest values are at the right edge.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let shown = |columns: u16| {
        let room = usize::from((area.width / columns).saturating_sub(2));
        &snapshot.recent[snapshot.recent.len().saturating_sub(room)..]
    };
    let two = courses(snapshot, shown(2));
    let columns = if two.iter().all(|course| course.width() < usize::from(area.width / 2)) { 2 } else { 1 };
    let courses = if columns == 2 { two } else { courses(snapshot, shown(1)) };
    let rows = (area.height / CHART_HEIGHT).min(4_u16.div_ceil(columns));
    if rows == 0 || courses.iter().any(|course| course.width() > usize::from(area.width)) {
        return;
    }
    let lines = Layout::vertical(vec![Constraint::Fill(1); rows.into()]).split(area);
    let areas = lines.iter().flat_map(|line| {
        Layout::horizontal(vec![Constraint::Fill(1); columns.into()]).spacing(2).split(*line).to_vec()
    });
    for (Course { title, scale, values, color }, area) in courses.into_iter().zip(areas) {
        let [head, chart] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        frame.render_widget(Line::raw(title), head);
        frame.render_widget(Line::styled(scale, Modifier::DIM).right_aligned(), head);
        frame.render_widget(Sparkline::default().data(&values).style(color), chart);
    }
}

/// Of these intervals, the most telling first.
fn courses(snapshot: &Snapshot, recent: &[Recent]) -> [Course; 4] {
    let value = |pick: fn(&Recent) -> u64| recent.iter().map(pick).collect::<Vec<u64>>();
    let jobs = |count: u64| number(count as f64);
    let rate = |count: u64| number(snapshot.per_second(count).round()) + "/s";
    let micros = |micros: u64| time(micros as f64 / 1_000.0);
    let p99 = |recent: &Recent| recent.end_to_end_p99.map_or(0, |p99| p99.as_micros() as u64);
    let latest = recent.iter().rev().find_map(|recent| recent.end_to_end_p99);
    let latest = latest.map_or("not known yet".to_owned(), span);
    let last = snapshot.last();
    [
        Course::new("end-to-end p99", &latest, value(p99), micros, Color::Cyan),
        Course::new("without a record", &jobs(snapshot.pending), value(|recent| recent.pending), jobs, Color::Magenta),
        Course::new("completed", &rate(last.completed), value(|recent| recent.completed), rate, Color::Green),
        Course::new("sent", &rate(last.sent), value(|recent| recent.sent), rate, Color::Blue),
    ]
}
