//! Means, and whether two of them differ.

/// What is known of some times.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    pub n: usize,
    pub mean: f64,
    /// Of the sample: divided by n - 1.
    pub variance: f64,
}

impl Summary {
    pub fn of(values: &[f64]) -> Summary {
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n as f64 - 1.0);
        Summary { n, mean, variance }
    }
}

/// Welch's t: positive where `a` takes longer.
pub fn welch(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (Summary::of(a), Summary::of(b));
    (a.mean - b.mean) / (a.variance / a.n as f64 + b.variance / b.n as f64).sqrt()
}

/// The value that the share `q` of all does not exceed.
pub fn quantile(values: &[f64], q: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * q).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn welch_of_known_samples() {
        let (a, b) = ([1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0, 10.0]);
        // means 2.5 and 6, variances 5/3 and 10
        assert!((welch(&a, &b) - (-3.5 / (5.0f64 / 12.0 + 2.0).sqrt())).abs() < 1e-12);
        assert_eq!(welch(&a, &a), 0.0);
    }

    #[test]
    fn quantiles() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.99), 99.0);
        assert_eq!(quantile(&values, 0.5), 50.0);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }
}
