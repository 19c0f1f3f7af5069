//! The hub: takes a stream's packets and hands a copy to each reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use stagebox_media::{Packet, TrackConfig};
use tokio::sync::Notify;

use super::backlog::Backlog;
use super::queue::Queue;

/// Frames kept for newcomers: two seconds at 64 Mbit/s.
const BACKLOG_BYTES: usize = 16 << 20;

/// How a reader joins.
#[derive(Debug, Clone, Copy)]
pub struct SubscribeOptions {
    /// Most bytes of frames that may wait for the reader.
    pub max_bytes: usize,
    /// Begin at the last keyframe there was, instead of at the next one.
    pub from_last_keyframe: bool,
}

/// Hands every published packet to every reader; never waits for one.
///
/// Clones are the same hub. It closes when its last clone is gone, or by
/// [`Hub::close`].
#[derive(Debug, Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    backlog: Backlog,
    readers: Vec<Weak<Shared>>,
    closed: bool,
}

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

/// One reader's end.
#[derive(Debug)]
pub struct Subscriber {
    shared: Arc<Shared>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new()
    }
}

impl Hub {
    #[must_use]
    pub fn new() -> Self {
        let state = State { backlog: Backlog::new(BACKLOG_BYTES), readers: Vec::new(), closed: false };
        Self { inner: Arc::new(Inner { state: Mutex::new(state) }) }
    }

    /// Gives the packet to each reader; one whose queue is full loses its oldest group of pictures.
    #[expect(clippy::needless_pass_by_value, reason = "the hub takes what it is given into its backlog")]
    pub fn publish(&self, packet: Packet) {
        let mut state = lock(&self.inner.state);
        if state.closed {
            return;
        }
        state.backlog.push(&packet);
        state.readers.retain(|reader| {
            let Some(reader) = reader.upgrade() else { return false };
            lock(&reader.queue).push(packet.clone());
            reader.arrived.notify_one();
            true
        });
    }

    /// Joins: first the configurations, then frames from a keyframe on.
    #[must_use]
    pub fn subscribe(&self, options: SubscribeOptions) -> Subscriber {
        let mut state = lock(&self.inner.state);
        let mut queue = Queue::new(options.max_bytes);
        if options.from_last_keyframe {
            state.backlog.replay().for_each(|packet| queue.push(packet));
        } else {
            state.backlog.configs().iter().cloned().for_each(|config| queue.push(Packet::Config(config)));
        }
        if state.closed {
            queue.close();
        }
        let shared = Arc::new(Shared { queue: Mutex::new(queue), arrived: Notify::new() });
        state.readers.push(Arc::downgrade(&shared));
        Subscriber { shared }
    }

    /// The latest configuration of each track, video first.
    #[must_use]
    pub fn configs(&self) -> Vec<TrackConfig> {
        lock(&self.inner.state).backlog.configs().iter().cloned().collect()
    }

    /// Ends every reader's stream once it has read what waits for it.
    pub fn close(&self) {
        lock(&self.inner.state).close();
    }
}

impl State {
    fn close(&mut self) {
        self.closed = true;
        for reader in self.readers.drain(..).filter_map(|reader| reader.upgrade()) {
            lock(&reader.queue).close();
            reader.arrived.notify_one();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.state.get_mut().unwrap_or_else(PoisonError::into_inner).close();
    }
}

impl Subscriber {
    /// The next packet; `None` once the hub is closed and all is read.
    ///
    /// Cancelling the wait loses nothing.
    pub async fn recv(&mut self) -> Option<Packet> {
        loop {
            {
                let mut queue = lock(&self.shared.queue);
                if let Some(packet) = queue.pop() {
                    return Some(packet);
                }
                if queue.is_closed() {
                    return None;
                }
            }
            self.shared.arrived.notified().await;
        }
    }

    /// The next packet if one waits.
    pub fn try_recv(&mut self) -> Option<Packet> {
        lock(&self.shared.queue).pop()
    }

    /// Frames this reader has lost because it was too slow.
    #[must_use]
    pub fn dropped_frames(&self) -> u64 {
        lock(&self.shared.queue).dropped_frames()
    }

    /// Bytes of frames that wait to be read.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        lock(&self.shared.queue).bytes()
    }
}

/// No reader leaves a queue half changed, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
