//! The worker process: frames in, frames out.

/// Runs until stdin ends.
pub fn run() -> Result<(), std::io::Error> {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(|_| ())
}
