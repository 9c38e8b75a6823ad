//! What is sent, and how much of it at once.

use crate::Fault;

/// Texts of a case that repeats them: all of them are embedded while the program warms up.
const REPEATED_TEXTS: usize = 200;

/// What jobs ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// The top 5 of each category, texts all different.
    Default,
    /// The same of few texts: the embedding cache has them.
    Cached,
    /// The top 10 of all, texts all different.
    None,
    /// As `Default`, one job at a time.
    Idle,
}

/// A case to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) shape: Shape,
    /// Batches of 10 in flight.
    pub(crate) loops: usize,
}

impl Case {
    pub(crate) fn parse_all(names: &[String]) -> Result<Vec<Self>, Fault> {
        if names == ["all"] {
            let all = [1, 8, 32, 64]
                .into_iter()
                .flat_map(|loops| [Shape::Default, Shape::Cached, Shape::None].map(|shape| Self { shape, loops }));
            return Ok(all.chain([Self { shape: Shape::Idle, loops: 16 }]).collect());
        }
        names.iter().map(|name| Self::parse(name)).collect()
    }

    fn parse(name: &str) -> Result<Self, Fault> {
        let (shape, loops) = name.split_once('@').ok_or_else(|| format!("`{name}` is not SHAPE@LOOPS"))?;
        let shape = clap::ValueEnum::from_str(shape, false)?;
        let loops = loops.parse().ok().filter(|&loops| loops > 0);
        Ok(Self { shape, loops: loops.ok_or_else(|| format!("`{name}` has no number of loops"))? })
    }

    pub(crate) fn name(&self) -> String {
        format!("{}@{}", self.shape.name(), self.loops)
    }

    /// Jobs before anything is measured: every text that repeats, and every batch that can be in flight twice.
    pub(crate) fn warm_up(&self) -> usize {
        (self.loops * 20).max(REPEATED_TEXTS)
    }

    /// Jobs that are measured: some seconds of them.
    pub(crate) fn jobs(&self) -> usize {
        match (self.shape, self.loops) {
            (Shape::Idle, _) => 60,
            (_, 1) => 400,
            (_, 2..=16) => 2_500,
            _ => 6_000,
        }
    }
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Cached => "cached",
            Self::None => "none",
            Self::Idle => "idle",
        }
    }

    /// The text of a job; its number leads to its vector.
    pub(crate) fn text(self, job: usize) -> usize {
        if self == Self::Cached { job % REPEATED_TEXTS } else { job }
    }

    /// The body of a message, as it stands inside a JSON string.
    pub(crate) fn escaped_body(self, job: usize) -> String {
        let rest = if self == Self::None { r#",\"group_by\":\"none\",\"top_k\":10"# } else { "" };
        let text = self.text(job);
        format!(r#"{{\"request_id\":\"job-{job:08}\",\"query\":\"text {text:08}: warm waterproof boots\"{rest}}}"#)
    }
}
