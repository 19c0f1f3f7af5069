//! What the daemon orders from a child while it runs.

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;

use super::{MediaOrder, MediaSetup};
use crate::capture::Mend;

/// Waits for another setup; without an end where there can be none.
pub(super) async fn anew(mut setup: watch::Receiver<(u64, MediaSetup)>) {
    if setup.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Tells a child what the picture is to take whenever that changes, and to mend its capture whenever somebody wants that;
/// without an end.
pub(super) async fn order<W: AsyncWrite + Unpin>(
    mut stdin: Option<&mut W>,
    mut bitrate: watch::Receiver<Option<u32>>,
    mut mend: watch::Receiver<Option<Mend>>,
) {
    bitrate.mark_changed();
    loop {
        let order = tokio::select! {
            changed = bitrate.changed() => match changed {
                Ok(()) => bitrate.borrow_and_update().map(|kbps| MediaOrder::Bitrate { kbps }),
                Err(_) => return std::future::pending().await,
            },
            Ok(()) = mend.changed() => mend.borrow_and_update().map(MediaOrder::Mend),
        };
        if let (Some(stdin), Some(order)) = (&mut stdin, order)
            && let Ok(mut line) = serde_json::to_vec(&order)
        {
            line.push(b'\n');
            // One that takes nothing any more is noticed by its silence.
            let _ = stdin.write_all(&line).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncBufReadExt, BufReader};

    #[tokio::test]
    async fn a_child_hears_the_bitrate_at_once_and_each_order_once() {
        let (mut stdin, child) = tokio::io::duplex(1024);
        let mut lines = BufReader::new(child).lines();
        let (bitrate, mend) = (watch::Sender::new(Some(900)), watch::Sender::new(None));
        let told = async {
            let mut heard = Vec::new();
            for step in 0..4 {
                let line = lines.next_line().await.unwrap().unwrap();
                heard.push(serde_json::from_str(&line).unwrap());
                match step {
                    0 | 1 => drop(mend.send_replace(Some(Mend::Replug))),
                    2 => drop(bitrate.send_replace(Some(800))),
                    _ => {}
                }
            }
            heard
        };
        let heard: Vec<MediaOrder> = tokio::select! {
            heard = told => heard,
            () = order(Some(&mut stdin), bitrate.subscribe(), mend.subscribe()) => panic!("orders have no end"),
        };
        let kbps = |kbps| MediaOrder::Bitrate { kbps };
        assert_eq!(
            heard,
            [kbps(900), MediaOrder::Mend(Mend::Replug), MediaOrder::Mend(Mend::Replug), kbps(800)]
        );
    }
}
