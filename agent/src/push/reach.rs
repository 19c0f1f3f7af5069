//! Reaching a server by whichever of its addresses answers first (RFC 8305).
#![allow(clippy::disallowed_methods, reason = "a driver: the next attempt has its turn after a while")]

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// The next address has its turn when the one before has not answered for so long (RFC 8305, 8).
const STAGGER: Duration = Duration::from_millis(250);
/// Once all had their turn, they are tried again beside those that still wait: a network that is back is noticed before
/// the kernel asks again by itself.
const AGAIN: Duration = Duration::from_secs(1);
/// Attempts that wait at a time.
const MOST: usize = 16;

/// Connects to a host, whose name is looked up now.
///
/// Whoever calls gives it up when it has lasted for too long.
pub(super) async fn reach(host: &str, port: u16) -> io::Result<TcpStream> {
    race(&look_up(host, port).await?).await
}

/// The addresses of a host, in the order in which they have their turns.
pub(crate) async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(in_turns(lookup_host((host, port)).await?.collect()))
}

/// Both families by turns, the one that the system prefers first.
fn in_turns(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(preferred) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
    let (first, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == preferred);
    let (mut first, mut other) = (first.into_iter(), other.into_iter());
    let mut turns = Vec::new();
    loop {
        let pair = [first.next(), other.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

/// The first connection that stands; why the last attempt failed, if there is none left.
pub(crate) async fn race(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut turns = addresses.iter();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name leads to no address");
    loop {
        let Some(address) = turns.next() else {
            if attempts.is_empty() {
                return Err(failure);
            }
            turns = addresses.iter();
            continue;
        };
        if attempts.len() < MOST {
            attempts.spawn(TcpStream::connect(*address));
        }
        let is_last = turns.len() == 0;
        let until = Instant::now() + if is_last { AGAIN } else { STAGGER };
        loop {
            tokio::select! {
                () = sleep_until(until) => break,
                Some(ended) = attempts.join_next() => match ended {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(error)) => failure = error,
                    Err(error) => failure = io::Error::other(error),
                },
            }
            // Whoever refuses lets the next one have its turn.
            if !is_last {
                break;
            }
            if attempts.is_empty() {
                return Err(failure);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpListener;

    fn v4(last: u8) -> SocketAddr {
        ([127, 0, 0, last], 1).into()
    }

    fn v6(last: u16) -> SocketAddr {
        ([0, 0, 0, 0, 0, 0, 0, last], 1).into()
    }

    #[test]
    fn families_take_turns() {
        assert_eq!(in_turns(vec![v6(1), v6(2), v4(1), v4(2)]), [v6(1), v4(1), v6(2), v4(2)]);
        assert_eq!(in_turns(vec![v4(1), v6(1), v6(2), v6(3)]), [v4(1), v6(1), v6(2), v6(3)]);
        assert_eq!(in_turns(vec![v4(1)]), [v4(1)]);
        assert_eq!(in_turns(Vec::new()), []);
    }

    /// An address at which connections are neither taken nor refused: its queue is full.
    fn silent() -> (SocketAddr, Vec<Socket>) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut held = vec![listener];
        for _ in 0..8 {
            let one = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            one.set_nonblocking(true).unwrap();
            // It stands or waits, as there is room.
            let _ = one.connect(&address.into());
            held.push(one);
        }
        (address, held)
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_hides_no_other() {
        let (silent, _held) = silent();
        let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = there.local_addr().unwrap();
        let refusing = v4(1);
        let stream = race(&[silent, refusing, address]).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        // All that is left is silent: whoever waits gives it up, and nothing is refused.
        let waited = tokio::time::timeout(Duration::from_millis(600), race(&[silent])).await;
        assert!(waited.is_err(), "{waited:?}");
    }

    #[tokio::test]
    async fn where_nobody_is_the_reason_comes_at_once() {
        let error = race(&[v4(1), v4(2)]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(race(&[]).await.unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(reach("there-is-no-such-host.invalid", 1).await.is_err());
    }

    #[tokio::test]
    async fn a_server_that_comes_while_it_is_waited_for_is_reached() {
        let (silent, mut held) = silent();
        let racing = tokio::spawn(async move { race(&[silent]).await });
        tokio::task::yield_now().await;
        // It takes all that waited, and whoever comes next.
        let listener = held.remove(0);
        drop(held);
        listener.listen(64).unwrap();
        listener.set_nonblocking(true).unwrap();
        let taking = tokio::spawn(async move {
            let listener = TcpListener::from_std(listener.into()).unwrap();
            loop {
                drop(listener.accept().await);
            }
        });
        let stream = tokio::time::timeout(Duration::from_secs(10), racing).await.unwrap();
        assert!(stream.unwrap().is_ok());
        taking.abort();
    }
}
