//! Several values of one figure.

use serde::Serialize;

/// Values in the order they were measured.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<f64>);

/// What is kept of a series.
#[derive(Debug, Clone, Serialize)]
pub struct Kept {
    median: f64,
    least: f64,
    most: f64,
    values: Vec<f64>,
}

impl Series {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The value below which this share of them lies (nearest rank); 0 of none.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a rank among a few dozen
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    /// The middle one; of two, their mean.
    pub fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = sorted.get(middle).copied().unwrap_or(0.0);
        if sorted.len() % 2 == 1 {
            upper
        } else {
            f64::midpoint(sorted.get(middle.wrapping_sub(1)).copied().unwrap_or(0.0), upper)
        }
    }

    pub fn least(&self) -> f64 {
        self.0.iter().copied().reduce(f64::min).unwrap_or(0.0)
    }

    pub fn most(&self) -> f64 {
        self.0.iter().copied().reduce(f64::max).unwrap_or(0.0)
    }

    /// Round by round, this over `other`.
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }

    /// Round by round, the sum.
    pub fn plus(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a + b).collect())
    }

    /// For the JSON document, to a thousandth.
    pub fn kept(&self) -> Kept {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        Kept {
            median: round(self.median()),
            least: round(self.least()),
            most: round(self.most()),
            values: self.0.iter().copied().map(round).collect(),
        }
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}
