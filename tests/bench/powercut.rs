//! What a power cut costs a recording, at random moments of it.

use anyhow::Result;
use stagebox_tests::powercut::{MOST_LOST_S, moments};

use super::figure::Figure;

/// Where nobody says how many.
pub(crate) const MOMENTS: usize = 200;
const MOMENTS_OF_A_RUN: usize = 8;

pub(crate) async fn measure(count: usize) -> Result<Vec<Figure>> {
    let moments = moments(1, count, MOMENTS_OF_A_RUN).await?;
    Ok(vec![
        Figure::absolute("Lost at a power cut, median", moments.median_s(), Some(MOST_LOST_S), "s"),
        Figure::absolute("Lost at a power cut, worst", moments.worst_s(), Some(MOST_LOST_S), "s"),
    ])
}
