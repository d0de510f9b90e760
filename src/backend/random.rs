//! Chance, so that what many connections or fronts do at the same part of a time does not happen at once.

/// A number from 0 to 1. It is no secret: without the system's randomness it is the middle.
pub(super) fn fraction() -> f64 {
    let mut bytes = [0; 4];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}
