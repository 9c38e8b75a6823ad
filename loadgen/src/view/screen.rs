//! The run as a screen: rates asked for, sent and completed, the backlog, times, and what is wrong.

use std::io::{Read as _, stdin};
use std::thread;
use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Gauge, Paragraph, Wrap};
use tokio_util::sync::CancellationToken;

use super::snapshot::{Snapshot, Watched};
use super::{charts, lines};
use crate::latency::Percentiles;
use crate::outputs::tell;
use crate::slo::{Outcome, Unit};
use crate::stop::Stop;
use crate::terminal;
use crate::text::{count, cut, duration, number, span, time};

/// From one drawing to the next.
const FRAME: Duration = Duration::from_millis(250);
/// Intervals that the charts can show at most.
const INTERVALS_MAX: usize = 400;
/// A smaller terminal has no room for what must be seen.
const MIN_WIDTH: u16 = 60;
const MIN_HEIGHT: u16 = 20;
/// Columns of the table of times: `schedule lag`, and up to `23h 59m 59s`.
const TIME_NAME: usize = 12;
const TIME_WIDTH: usize = 11;
/// A number of jobs with its name, and what parts it from the next.
const CELL_WIDTH: usize = 26;
const CELL_GAP: usize = 2;
/// From this width on objectives stand beside totals, and take so much of it.
const SIDE_BY_SIDE_MIN: u16 = 100;
const OBJECTIVES_WIDTH: u16 = 46;

/// Shows the run until `over`. Ctrl-C, q and Esc ask `stop`. A terminal that fails ends the showing, not the run.
pub(super) fn show(watched: &Watched, stop: &Stop, over: &CancellationToken) {
    let shown = terminal::take().and_then(|(_taken, mut terminal)| {
        let asking = stop.clone();
        // It ends with the process: nothing wakes a reader whose terminal is silent.
        thread::spawn(move || ask_by_keys(&asking));
        while !over.is_cancelled() {
            let snapshot = Snapshot::take(watched, INTERVALS_MAX);
            terminal.draw(|frame| draw(frame, &snapshot, &watched.title, stop.notice()))?;
            thread::sleep(FRAME);
        }
        Ok(())
    });
    if let Err(error) = shown {
        tell(&format!("loadgen: the run goes on, but cannot be shown: {error}"));
    }
}

/// Reads keys until the terminal is gone. crossterm's own reader never ends then, and takes a whole processor.
fn ask_by_keys(stop: &Stop) {
    let mut keys = [0; 64];
    while let Ok(read @ 1..) = stdin().read(&mut keys) {
        // Esc alone: other keys begin with it, too.
        if matches!(keys[..read], [b'\x03' | b'q' | b'\x1b']) {
            stop.ask();
        }
    }
}

/// What one drawing has room for, from the most to the least needed: progress, figures of now, times, objectives and
/// totals, charts. A part is left out or has fewer columns, but no figure is cut.
fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, title: &str, notice: Option<&str>) {
    let (width, height) = (frame.area().width, frame.area().height);
    if width < MIN_WIDTH || height < MIN_HEIGHT {
        let need =
            format!("This terminal is {width}x{height}, the screen needs {MIN_WIDTH}x{MIN_HEIGHT}. The run goes on:");
        let text = vec![Line::raw(need), Line::raw(lines::line(snapshot))];
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), frame.area());
        return;
    }
    let gap = u16::from(height >= 30);
    let (now, times, foot) = (now(snapshot), times(snapshot, width), foot(snapshot, notice, width));
    let room = height - 2 - 3 * gap - (now.len() + times.len() + foot.len()) as u16;
    let (left, right) = judged_and_counted(snapshot, width, usize::from(room));
    let side_by_side = width >= SIDE_BY_SIDE_MIN;
    let middle = if side_by_side { left.len().max(right.len()) } else { left.len() + right.len() } as u16;
    let charts = room - middle;
    let [head, progress, now_area, times_area, middle_area, charts_area, foot_area] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(now.len() as u16 + gap),
        Constraint::Length(times.len() as u16 + gap),
        Constraint::Length(middle + gap),
        Constraint::Length(charts),
        Constraint::Length(foot.len() as u16),
    ])
    .areas(frame.area());
    frame.render_widget(Line::styled(cut(title, width.into()), Modifier::BOLD), head);
    frame.render_widget(gauge(snapshot), progress);
    frame.render_widget(Paragraph::new(now), now_area);
    frame.render_widget(Paragraph::new(times), times_area);
    if side_by_side {
        let [one, other] =
            Layout::horizontal([Constraint::Length(OBJECTIVES_WIDTH), Constraint::Fill(1)]).areas(middle_area);
        frame.render_widget(Paragraph::new(left), one);
        frame.render_widget(Paragraph::new(right), other);
    } else {
        frame.render_widget(Paragraph::new([left, right].concat()), middle_area);
    }
    charts::draw(frame, charts_area, snapshot);
    frame.render_widget(Paragraph::new(foot), foot_area);
}

fn gauge(snapshot: &Snapshot) -> Gauge<'static> {
    let done = snapshot.elapsed.div_duration_f64(snapshot.planned.max(Duration::from_nanos(1))).min(1.0);
    let whole = |time: Duration| duration(time.as_secs() as f64);
    let label = if snapshot.elapsed < snapshot.planned {
        let stage = if snapshot.stages > 1 {
            format!(", stage {} of {}", snapshot.stage, snapshot.stages)
        } else {
            String::new()
        };
        format!("{} of {}{stage}", whole(snapshot.elapsed), whole(snapshot.planned))
    } else if snapshot.looks_left > 0 {
        format!("looking up {} once more", count(snapshot.looks_left as u64, "record"))
    } else {
        format!("draining, {} after the end", whole(snapshot.elapsed.saturating_sub(snapshot.planned)))
    };
    Gauge::default().ratio(done).label(label).gauge_style(Color::Blue)
}

/// How it stands at this moment.
fn now(snapshot: &Snapshot) -> Vec<Line<'static>> {
    let last = snapshot.last();
    let rate = |count: u64| number(snapshot.per_second(count).round());
    let asked = number(snapshot.asked_rps.round());
    let oldest = snapshot.oldest.map_or(String::new(), |age| format!(", the oldest {} old", span(age)));
    let queue = snapshot.queue.map_or("depth not known".to_owned(), |queue| {
        let (waiting, held) = (queue.visible + queue.delayed, queue.in_flight);
        format!("{} waiting, {} held by workers", number(waiting as f64), number(held as f64))
    });
    vec![
        Line::raw(format!("a second   asked {asked}   sent {}   completed {}", rate(last.sent), rate(last.completed))),
        Line::raw(format!("no record  {}{oldest}", count(snapshot.pending, "job"))),
        Line::raw(format!("queue      {queue}")),
    ]
}

/// As many percentiles as there is room for.
fn times(snapshot: &Snapshot, width: u16) -> Vec<Line<'static>> {
    let room = usize::from(width) >= TIME_NAME + TIME_WIDTH * Percentiles::COLUMNS.len();
    let shown = |name: &str| room || !["p95", "p99.9"].contains(&name);
    let line = |name: &str, cells: [String; 6]| {
        let cells = Percentiles::COLUMNS.iter().zip(cells).filter(|(column, _)| shown(column));
        let cells = cells.map(|(_, cell)| format!("{cell:>TIME_WIDTH$}")).collect::<Vec<_>>().concat();
        format!("{name:<TIME_NAME$}{cells}")
    };
    let row = |name: &str, latency: &Percentiles| {
        Line::raw(line(name, latency.columns().map(|value| value.map_or("-".to_owned(), time))))
    };
    vec![
        Line::styled(line("times", Percentiles::COLUMNS.map(str::to_owned)), Modifier::DIM),
        row("schedule lag", &snapshot.times.schedule_lag),
        row("send", &snapshot.times.send),
        row("end to end", &snapshot.times.end_to_end),
    ]
}

/// Objectives and totals, in at most `room` lines, of which each has all if they stand side by side.
fn judged_and_counted(snapshot: &Snapshot, width: u16, room: usize) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let side_by_side = width >= SIDE_BY_SIDE_MIN;
    let columns = usize::from(if side_by_side { width - OBJECTIVES_WIDTH } else { width }) / CELL_WIDTH;
    let counts = counts(snapshot);
    let wanted = counts.len().div_ceil(columns);
    let of_counts = 1 + if side_by_side { wanted.min(room - 1) } else { wanted.min(room.saturating_sub(4).max(4)) };
    let outcomes = objectives(snapshot, if side_by_side { room } else { room - of_counts });
    (outcomes, grid(&counts, columns, of_counts))
}

/// Those that are missed come first.
fn objectives(snapshot: &Snapshot, room: usize) -> Vec<Line<'static>> {
    let mut outcomes: Vec<&Outcome> = snapshot.outcomes.iter().collect();
    outcomes.sort_by_key(|outcome| outcome.passed);
    // What was not sent takes longer than any time.
    let unsent = snapshot.totals.dropped + snapshot.totals.send_failed > 0;
    let mut lines = vec![Line::styled("objectives, so far", Modifier::DIM)];
    if outcomes.is_empty() {
        lines.push(Line::raw("none"));
    }
    let longest = outcomes.iter().map(|outcome| outcome.objective.chars().count()).max().unwrap_or_default();
    let all: Vec<Line<'static>> = outcomes
        .iter()
        .map(|outcome| {
            let (value, verdict, style) = match (outcome.value, outcome.passed) {
                (None, _) if !unsent => ("-".to_owned(), "not known", Style::new()),
                (None, _) => ("-".to_owned(), "MISSED", Style::new().fg(Color::Red).bold()),
                // Those that wait already exceed it.
                (Some(value), true) if in_doubt(outcome, snapshot) => {
                    (measured(value, outcome.unit), "in doubt", Style::new().fg(Color::Yellow))
                }
                (Some(value), true) => (measured(value, outcome.unit), "met", Style::new().fg(Color::Green)),
                (Some(value), false) => (measured(value, outcome.unit), "MISSED", Style::new().fg(Color::Red).bold()),
            };
            Line::from(vec![
                Span::raw(format!("{:<longest$}{value:>TIME_WIDTH$}  ", outcome.objective)),
                Span::styled(verdict, style),
            ])
        })
        .collect();
    let shown = if all.len() < room { all.len() } else { room.saturating_sub(2) };
    let left = all.len() - shown;
    lines.extend(all.into_iter().take(shown));
    if left > 0 {
        lines.push(Line::raw(format!("and {left} more")));
    }
    lines
}

/// Whether a job without a record has waited for longer than an objective allows.
fn in_doubt(outcome: &Outcome, snapshot: &Snapshot) -> bool {
    let age = snapshot.oldest.map_or(0.0, |age| age.as_secs_f64() * 1_000.0);
    outcome.objective.starts_with("e2e.") && outcome.objective.contains('<') && age > outcome.limit
}

fn measured(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Milliseconds => time(value),
        Unit::Jobs => number(value),
        Unit::Percent => format!("{value:.3} %"),
    }
}

/// What is counted, the most telling first, and whether it should be 0.
fn counts(snapshot: &Snapshot) -> Vec<(&'static str, u64, bool)> {
    let totals = snapshot.totals.named();
    let order =
        ["sent", "succeeded", "lost", "wrong", "dropped", "send failed", "late", "rejected", "intended", "unexpected"];
    let named = order.into_iter().filter_map(|name| totals.into_iter().find(|(known, ..)| *known == name));
    let more = [
        ("dead letters", snapshot.dead_letters, true),
        ("send retries", snapshot.accounting.send_retries, false),
        ("second looks", snapshot.accounting.second_looks, false),
    ];
    named.chain(more).collect()
}

/// In columns, read downwards.
fn grid(counts: &[(&'static str, u64, bool)], columns: usize, room: usize) -> Vec<Line<'static>> {
    let rows = counts.len().div_ceil(columns).min(room - 1);
    let cell = |&(name, count, bad): &(&str, u64, bool)| {
        let style = if bad && count > 0 { Style::new().fg(Color::Red).bold() } else { Style::new() };
        let room = CELL_WIDTH - CELL_GAP - 13;
        Span::styled(format!("{name:<13}{:>room$}{:CELL_GAP$}", number(count as f64), ""), style)
    };
    let line =
        |row: usize| Line::from(counts.iter().skip(row).step_by(rows).take(columns).map(cell).collect::<Vec<_>>());
    std::iter::once(Line::styled("jobs", Modifier::DIM)).chain((0..rows).map(line)).collect()
}

/// What is wrong, each in at most two lines, and what a key does.
fn foot(snapshot: &Snapshot, notice: Option<&str>, width: u16) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let troubles = snapshot.troubles.iter().flat_map(|trouble| {
        let mut lines = wrapped(trouble, width);
        if lines.len() > 2 {
            let rest = lines.split_off(1).join(" ");
            lines.push(cut(&rest, width));
        }
        lines.into_iter().map(|line| Line::styled(line, Color::Yellow))
    });
    let notice = wrapped(notice.unwrap_or("Ctrl-C stops the sending early, with a full report"), width);
    troubles.chain(notice.into_iter().map(|line| Line::styled(line, Modifier::DIM))).collect()
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("begins with one and never loses any");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= width {
            *line += " ";
            *line += word;
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
pub(super) mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    /// The screen as text.
    pub(crate) fn drawn(snapshot: &Snapshot, notice: Option<&str>, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let title = "loadgen run 0123456789abcdef to http://127.0.0.1:4566/000000000000/nearline-jobs";
        terminal.draw(|frame| draw(frame, snapshot, title, notice)).unwrap();
        terminal.backend().to_string()
    }
}
