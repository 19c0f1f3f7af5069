//! One line of the result.

use anyhow::Result;
use serde::Serialize;

/// The table's first line.
pub(crate) const HEAD: &str =
    "figure                               ours        peer     ratio   target          unit";

/// A figure of ours and, where there is one, the peer's on the same work.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    pub(crate) figure: String,
    pub(crate) ours: f64,
    pub(crate) peer: Option<f64>,
    /// Ours over the peer's; where there is no peer, none.
    pub(crate) ratio: Option<f64>,
    /// What the ratio (or, without a peer, our figure) should not pass.
    pub(crate) target: Option<f64>,
    pub(crate) better: &'static str,
    pub(crate) unit: &'static str,
}

/// Measures us and the peer in turn, so that a machine's moods meet both.
pub(crate) async fn alternating(
    runs: usize,
    mut ours: impl AsyncFnMut() -> Result<f64>,
    mut peer: impl AsyncFnMut() -> Result<f64>,
) -> Result<Vec<(f64, f64)>> {
    let mut pairs = Vec::new();
    for _ in 0..runs {
        pairs.push((ours().await?, peer().await?));
    }
    Ok(pairs)
}

impl Figure {
    /// A figure of which less is better, from pairs of (ours, peer's); the ratio is the median pair's.
    pub(crate) fn lower(figure: &str, pairs: &[(f64, f64)], target: Option<f64>, unit: &'static str) -> Self {
        let ours = median(pairs.iter().map(|pair| pair.0));
        let peer = median(pairs.iter().map(|pair| pair.1));
        let ratio = median(pairs.iter().map(|pair| pair.0 / pair.1));
        Self {
            figure: figure.into(),
            ours,
            peer: Some(peer),
            ratio: Some(ratio),
            target,
            better: "lower",
            unit,
        }
    }

    /// A figure of which more is better, from pairs of (ours, peer's); the ratio is the median pair's.
    pub(crate) fn higher(
        figure: &str,
        pairs: &[(f64, f64)],
        target: Option<f64>,
        unit: &'static str,
    ) -> Self {
        Self { better: "higher", ..Self::lower(figure, pairs, target, unit) }
    }

    /// Whether it is as good as it should be; none where nobody said how good that is.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let (target, value) = (self.target?, self.ratio.unwrap_or(self.ours));
        Some(if self.better == "higher" { value >= target } else { value <= target })
    }

    /// A figure of which less is better and which has no peer.
    pub(crate) fn absolute(figure: &str, ours: f64, target: Option<f64>, unit: &'static str) -> Self {
        Self { figure: figure.into(), ours, peer: None, ratio: None, target, better: "lower", unit }
    }
}

/// The largest value.
pub(crate) fn worst(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(f64::NAN, f64::max)
}

/// The value in the middle; of an even number the higher of the two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

impl std::fmt::Display for Figure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let optional = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "–".to_owned(), |value| format!("{value:.digits$}"))
        };
        let met = match self.is_met() {
            Some(true) => "met",
            Some(false) => "missed",
            None => "",
        };
        write!(
            formatter,
            "{:<28} {:>12.4}  {:>10}  {:>8}  {:>7}  {met:<6}  {}",
            self.figure,
            self.ours,
            optional(self.peer, 4),
            optional(self.ratio, 3),
            optional(self.target, 2),
            self.unit
        )
    }
}
