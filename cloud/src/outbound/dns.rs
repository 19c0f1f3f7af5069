//! For tests: a name server on UDP that gives another answer each time, and just enough of a resolver to ask it (RFC 1035).

use super::resolve::Lookup;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const A: [u8; 4] = [0, 1, 0, 1];

/// Answers until it is dropped.
pub(super) struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl NameServer {
    /// Gives the first answer to the first question, and so on; the last one stays.
    pub(super) async fn start(answers: &[&[&str]]) -> Self {
        let read = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let answers: Vec<Vec<Ipv4Addr>> = answers.iter().map(read).collect();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (socket.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let notes = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut packet = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut packet).await.unwrap();
                let (name, end) = name(&packet[..length], 12).unwrap();
                let turn = {
                    let mut asked = notes.lock().unwrap();
                    asked.push(name);
                    asked.len() - 1
                };
                let answer = &answers[turn.min(answers.len() - 1)];
                socket.send_to(&reply(&packet[..end + 4], answer), from).await.unwrap();
            }
        });
        Self { address, asked, task }
    }

    /// The names that were asked for so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Asks this server for each name.
    pub(super) fn lookup(&self) -> Lookup {
        let server = self.address;
        Arc::new(move |name| Box::pin(ask(server, name)))
    }
}

/// The question with answers of no lifetime, each naming it by a pointer.
fn reply(question: &[u8], answer: &[Ipv4Addr]) -> Vec<u8> {
    let mut reply = question.to_vec();
    reply[2..8].copy_from_slice(&[0x81, 0x80, 0, 1, 0, answer.len() as u8]);
    for address in answer {
        reply.extend([0xc0, 12]);
        reply.extend(A);
        reply.extend([0, 0, 0, 0, 0, 4]);
        reply.extend(address.octets());
    }
    reply
}

/// The name at a place, and where it ends.
fn name(packet: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    loop {
        match usize::from(*packet.get(at)?) {
            0 => return Some((labels.join("."), at + 1)),
            length if length >= 0xc0 => return Some((labels.join("."), at + 2)),
            length => {
                let label = packet.get(at + 1..at + 1 + length)?;
                labels.push(String::from_utf8_lossy(label).into_owned());
                at += 1 + length;
            }
        }
    }
}

async fn ask(server: SocketAddr, wanted: String) -> io::Result<Vec<IpAddr>> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in wanted.split('.') {
        question.push(label.len() as u8);
        question.extend(label.bytes());
    }
    question.push(0);
    question.extend(A);
    socket.send_to(&question, server).await?;
    let mut packet = [0; 512];
    let (length, _) = socket.recv_from(&mut packet).await?;
    read(&packet[..length]).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn read(packet: &[u8]) -> Option<Vec<IpAddr>> {
    let (_, end) = name(packet, 12)?;
    let mut at = end + 4;
    let mut found = Vec::new();
    for _ in 0..*packet.get(7)? {
        let (_, end) = name(packet, at)?;
        let address: [u8; 4] = packet.get(end + 10..end + 14)?.try_into().ok()?;
        found.push(IpAddr::from(address));
        at = end + 14;
    }
    Some(found)
}
