use std::os::unix::net::UnixListener;

use stagebox_protocol::panel::{Intent, Outcome};

use super::*;
use crate::{
    Tally,
    page::Scene,
    panel::tests::{idle, on_air},
};

/// An agent of the tests at the other end of a real socket.
struct Agent {
    stream: UnixStream,
    decoder: Decoder<ToAgent>,
}

impl Agent {
    fn accept(listener: &UnixListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        Self { stream, decoder: Decoder::new() }
    }

    fn say(&mut self, frame: &FromAgent) {
        self.stream.write_all(&encode(frame)).unwrap();
    }

    fn heard(&mut self) -> Vec<ToAgent> {
        let mut buffer = [0; 4096];
        let length = self.stream.read(&mut buffer).unwrap_or(0);
        let mut bytes = &buffer[..length];
        std::iter::from_fn(|| self.decoder.next(&mut bytes)).map(Result::unwrap).collect()
    }
}

fn link() -> (tempfile::TempDir, PathBuf, Link) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panel.sock");
    let link = Link::new(path.clone(), Panel::new(2_000));
    (folder, path, link)
}

#[test]
fn a_press_crosses_the_socket_and_its_outcome_comes_back() {
    let (_folder, path, mut link) = link();
    let listener = UnixListener::bind(&path).unwrap();
    link.step(0, None);
    let mut agent = Agent::accept(&listener);
    assert!(matches!(agent.heard()[..], [ToAgent::Hello(_)]));
    agent.say(&FromAgent::Status(idle()));
    link.step(50, None);
    assert_eq!(link.panel().tally(50), Tally::Ready);

    link.step(100, Some(Gesture::Press));
    assert_eq!(agent.heard(), [ToAgent::Intent { id: 1, intent: Intent::GoLive }]);
    agent.say(&FromAgent::Outcome { id: 1, outcome: Outcome::Done });
    agent.say(&FromAgent::Status(on_air()));
    assert_eq!(link.step(150, None), [Action::Settled(Outcome::Done)]);
    assert_eq!(link.panel().tally(150), Tally::OnAir);
}

#[test]
fn an_agent_that_dies_and_comes_back_is_taken_up_again() {
    let (_folder, path, mut link) = link();
    link.step(0, None);
    assert!(link.trouble().unwrap().contains("panel.sock"));
    link.step(2_000, None);
    assert!(matches!(link.panel().view(2_000, None).scene, Scene::AgentDead { .. }));

    let listener = UnixListener::bind(&path).unwrap();
    link.step(2_600, None);
    let mut agent = Agent::accept(&listener);
    agent.say(&FromAgent::Status(on_air()));
    link.step(2_700, None);
    assert_eq!((link.panel().tally(2_700), link.trouble()), (Tally::OnAir, None));

    drop(agent);
    link.step(2_800, None);
    assert!(matches!(link.panel().view(2_800, None).scene, Scene::AgentDead { was_on_air: true, .. }));
    link.step(3_400, None);
    let mut agent = Agent::accept(&listener);
    agent.say(&FromAgent::Status(idle()));
    link.step(3_500, None);
    assert_eq!(link.panel().tally(3_500), Tally::Ready);
}

#[test]
fn an_agent_that_hangs_is_called_dead_though_the_line_is_open() {
    let (_folder, path, mut link) = link();
    let listener = UnixListener::bind(&path).unwrap();
    link.step(0, None);
    let mut agent = Agent::accept(&listener);
    agent.say(&FromAgent::Status(idle()));
    link.step(100, None);
    link.step(2_200, None);
    assert_eq!(link.panel().tally(2_200), Tally::AgentDead);
    agent.say(&FromAgent::Status(idle()));
    link.step(2_300, None);
    assert_eq!(link.panel().tally(2_300), Tally::Ready);
}

#[test]
fn garbage_and_strangers_harm_nothing() {
    let (_folder, path, mut link) = link();
    let listener = UnixListener::bind(&path).unwrap();
    link.step(0, None);
    let mut agent = Agent::accept(&listener);
    agent.stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\0\0\0").unwrap();
    agent.say(&FromAgent::Status(idle()));
    link.step(100, None);
    assert_eq!(link.panel().tally(100), Tally::Ready);
    assert!(link.trouble().unwrap().contains("panel frame"));
}
