//! Takes what the program logs.

use std::fmt::Write;

use stagebox_protocol::LogLevel;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::Context;

use super::Log;

/// A layer of the program's subscriber that puts every line into the [`Log`].
pub struct Layer(Log);

impl Layer {
    #[must_use]
    pub fn new(log: Log) -> Self {
        Self(log)
    }
}

impl<S: Subscriber> tracing_subscriber::Layer<S> for Layer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut words = Words::default();
        event.record(&mut words);
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            Level::DEBUG => LogLevel::Debug,
            Level::TRACE => LogLevel::Trace,
        };
        self.0.take(level, event.metadata().target(), &format!("{}{}", words.message, words.fields));
    }
}

#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Text takes everything.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use tracing_subscriber::prelude::*;

    #[test]
    fn what_is_logged_is_in_the_log() {
        let log = Log::new(Clock::new());
        let subscriber = tracing_subscriber::registry().with(Layer::new(log.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::warn!(output = "main", "output lost"));
        assert_eq!(log.packed(1, LogLevel::Warn).lines, 1);
        assert_eq!(log.packed(1, LogLevel::Error).lines, 0);
    }
}
