//! The run as a screen: rates asked for, sent and completed, the backlog, times, and what is wrong.

use std::time::Duration;

use ratatui::Frame;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Sparkline, Table, Wrap};
use tokio_util::sync::CancellationToken;

use super::snapshot::{Recent, Snapshot};
use crate::account::Account;
use crate::latency::Percentiles;
use crate::stop::Stop;
use crate::terminal;

/// From one drawing to the next.
const FRAME: Duration = Duration::from_millis(250);
/// Intervals that the charts can show at most.
const INTERVALS_MAX: usize = 400;

/// Shows the run until `over`. Ctrl-C, q and Esc ask `stop`. A terminal that fails ends the showing, not the run.
pub(super) fn show(account: &Account, title: &str, stop: &Stop, over: &CancellationToken) {
    let shown = terminal::take().and_then(|(_taken, mut terminal)| {
        while !over.is_cancelled() {
            let snapshot = Snapshot::take(account, INTERVALS_MAX);
            terminal.draw(|frame| draw(frame, &snapshot, title, stop.notice()))?;
            if event::poll(FRAME)?
                && let Event::Key(key) = event::read()?
                && key.kind == KeyEventKind::Press
                && (matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
                    || key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
            {
                stop.ask();
            }
        }
        Ok(())
    });
    if let Err(error) = shown {
        eprintln!("loadgen: the run goes on, but cannot be shown: {error}");
    }
}

fn draw(frame: &mut Frame<'_>, snapshot: &Snapshot, title: &str, notice: Option<&str>) {
    let troubles = snapshot.troubles.len() as u16;
    let [head, progress, charts, middle, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(13),
        Constraint::Length(1 + troubles),
    ])
    .areas(frame.area());
    frame.render_widget(Line::styled(title, Modifier::BOLD), head);
    draw_progress(frame, progress, snapshot);
    draw_charts(frame, charts, snapshot);
    let [left, right] = Layout::horizontal([Constraint::Length(34), Constraint::Fill(1)]).areas(middle);
    draw_totals(frame, left, snapshot);
    draw_times(frame, right, snapshot);
    let mut lines: Vec<Line<'_>> =
        snapshot.troubles.iter().map(|trouble| Line::styled(&trouble[..], Color::Yellow)).collect();
    lines.push(Line::styled(notice.unwrap_or("Ctrl-C ends the sending early, with a full report"), Modifier::DIM));
    frame.render_widget(Paragraph::new(lines), foot);
}

fn draw_progress(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let done = snapshot.elapsed.div_duration_f64(snapshot.planned.max(Duration::from_nanos(1))).min(1.0);
    let seconds = |time: Duration| humantime::format_duration(Duration::from_secs(time.as_secs())).to_string();
    let label = if snapshot.elapsed < snapshot.planned {
        let stage = if snapshot.stages > 1 {
            format!(", stage {} of {}", snapshot.stage, snapshot.stages)
        } else {
            String::new()
        };
        format!("{} of {}{stage}", seconds(snapshot.elapsed), seconds(snapshot.planned))
    } else if snapshot.looks_left > 0 {
        format!("last looks at {} records", snapshot.looks_left)
    } else {
        format!("draining, {} after the end", seconds(snapshot.elapsed.saturating_sub(snapshot.planned)))
    };
    frame.render_widget(Gauge::default().ratio(done).label(label).gauge_style(Color::Blue), area);
}

fn draw_charts(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let last = snapshot.last();
    let value = |pick: fn(&Recent) -> u64| snapshot.recent.iter().map(pick).collect::<Vec<u64>>();
    let millis = |time: Option<Duration>| time.map_or(0, |time| time.as_millis() as u64);
    let rate = |count| snapshot.per_second(count);
    let queue = snapshot.queue.map_or(String::new(), |queue| {
        let dead = queue.dead_letters.map_or(String::new(), |count| format!(", {count} dead letters"));
        format!("; queue {} waiting, {} received{dead}", queue.visible + queue.delayed, queue.in_flight)
    });
    let p99: Vec<u64> = snapshot.recent.iter().map(|recent| millis(recent.end_to_end_p99)).collect();
    let charts = [
        (
            format!("sent {:.0}/s, asked for {:.0}/s", rate(last.sent), snapshot.asked_rps),
            value(|recent| recent.sent),
            Color::Blue,
        ),
        (format!("completed {:.0}/s", rate(last.completed)), value(|recent| recent.completed), Color::Green),
        (format!("without a record {}{queue}", snapshot.pending), value(|recent| recent.pending), Color::Magenta),
        (format!("end-to-end p99 {} ms", millis(last.end_to_end_p99)), p99, Color::Cyan),
    ];
    let areas = Layout::vertical([Constraint::Fill(1); 4]).split(area);
    for ((title, values, color), area) in charts.into_iter().zip(areas.iter()) {
        // The newest at the right edge.
        let room = usize::from(area.width.saturating_sub(2));
        let shown = &values[values.len().saturating_sub(room)..];
        let chart = Sparkline::default().block(Block::bordered().title(title)).data(shown).style(color);
        frame.render_widget(chart, *area);
    }
}

fn draw_totals(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let totals = &snapshot.totals;
    let row = |name: &'static str, count: u64, bad: bool| {
        let style = if bad && count > 0 { Style::new().fg(Color::Red).bold() } else { Style::new() };
        Row::new([name.to_owned(), format!("{count:>14}")]).style(style)
    };
    let rows = [
        row("intended", totals.intended, false),
        row("sent", totals.sent, false),
        row("dropped", totals.dropped, true),
        row("send failed", totals.send_failed, true),
        row("succeeded", totals.succeeded, false),
        row("rejected", totals.rejected, false),
        row("wrong", totals.wrong, true),
        row("late", totals.late, true),
        row("lost", totals.lost, true),
        row("send retries", snapshot.accounting.send_retries, false),
        row("second looks", snapshot.accounting.second_looks, false),
    ];
    let table = Table::new(rows, [Constraint::Length(14), Constraint::Fill(1)]);
    frame.render_widget(table.block(Block::bordered().title("jobs")), area);
}

fn draw_times(frame: &mut Frame<'_>, area: Rect, snapshot: &Snapshot) {
    let cell = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.1}"));
    let row = |name: &'static str, latency: &Percentiles| {
        let values = latency.columns().map(|value| format!("{:>9}", cell(value)));
        Row::new(std::iter::once(name.to_owned()).chain(values))
    };
    let names = Percentiles::COLUMNS.map(|name| format!("{name:>9}"));
    let head = Row::new(std::iter::once(String::new()).chain(names));
    let rows = [
        row("schedule lag", &snapshot.schedule_lag),
        row("send", &snapshot.send),
        row("end to end", &snapshot.end_to_end),
    ];
    let widths = std::iter::once(Constraint::Length(13)).chain([Constraint::Length(9); 6]);
    let [upper, lower] = Layout::vertical([Constraint::Length(6), Constraint::Fill(1)]).areas(area);
    let table = Table::new(rows, widths).header(head.style(Modifier::DIM));
    frame.render_widget(table.block(Block::bordered().title("times since the start, ms")), upper);
    let meaning = Line::from(vec![
        Span::raw("Times count from the instant at which a job was meant to be sent, "),
        Span::raw("whether or not anything was ready for it then."),
    ]);
    frame.render_widget(
        Paragraph::new(meaning).style(Modifier::DIM).wrap(Wrap { trim: true }).block(Block::bordered()),
        lower,
    );
}

#[cfg(test)]
pub(super) mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::*;

    /// The screen as text.
    pub(crate) fn drawn(snapshot: &Snapshot, notice: Option<&str>, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, snapshot, "loadgen: 2 jobs/s", notice)).unwrap();
        terminal.backend().to_string()
    }
}
