use stagebox_protocol::panel::{
    AudioPeaks, Cloud, Input as Picture, Output, OutputState, Recording, Storage, VideoMode,
};

use super::*;

pub(crate) fn locked() -> Picture {
    Picture::Locked(VideoMode { width: 1920, height: 1080, rate_milli: 29_970, interlaced: false })
}

pub(crate) fn idle() -> Status {
    let standing_by = Output { state: OutputState::Idle, ..Output::default() };
    Status {
        device: text("Stage left"),
        input: locked(),
        main: standing_by,
        backup: standing_by,
        audio: Some(AudioPeaks { left_dbfs: -18, right_dbfs: -24 }),
        storage: Some(Storage { free_mb: 118_000, left_min: None }),
        cloud: Cloud::Online,
        address: text("192.0.2.17"),
        ..Status::default()
    }
}

pub(crate) fn on_air() -> Status {
    let streaming = |bitrate_kbps| Output { state: OutputState::Streaming, bitrate_kbps, dropped_frames: 0 };
    Status {
        broadcast: Broadcast::OnAir { elapsed_s: 4_521 },
        recording: Recording::On { elapsed_s: 4_530 },
        main: streaming(6_012),
        backup: streaming(6_009),
        storage: Some(Storage { free_mb: 118_000, left_min: Some(2_620) }),
        ..idle()
    }
}

fn answering(now_ms: u64, status: Status) -> Panel {
    let mut panel = Panel::new(BOOT_MS);
    panel.handle(now_ms, Input::Connected);
    panel.handle(now_ms, Input::Frame(FromAgent::Status(status)));
    panel
}

fn rejected(reason: &str) -> Action {
    Action::Settled(Outcome::Rejected { reason: text(reason) })
}

#[test]
fn a_press_goes_live_and_a_hold_stops() {
    let mut panel = answering(0, idle());
    let sent = panel.handle(10, Input::Gesture(Gesture::Press));
    assert_eq!(sent, [Action::Send(ToAgent::Intent { id: 1, intent: Intent::GoLive })]);
    let settled = panel.handle(20, Input::Frame(FromAgent::Outcome { id: 1, outcome: Outcome::Done }));
    assert_eq!(settled, [Action::Settled(Outcome::Done)]);

    panel.handle(30, Input::Frame(FromAgent::Status(on_air())));
    assert_eq!(panel.tally(30), Tally::OnAir);
    let sent = panel.handle(40, Input::Gesture(Gesture::Hold));
    assert_eq!(sent, [Action::Send(ToAgent::Intent { id: 2, intent: Intent::Stop })]);
}

#[test]
fn a_press_never_stops_and_a_hold_never_goes_live() {
    for broadcast in
        [Broadcast::Starting, Broadcast::OnAir { elapsed_s: 1 }, Broadcast::Lost { elapsed_s: 1 }]
    {
        let mut panel = answering(0, Status { broadcast, ..on_air() });
        assert_eq!(panel.handle(10, Input::Gesture(Gesture::Press)), [rejected("Hold the button to stop")]);
        assert!(matches!(
            panel.view(10, None).footer,
            Footer::Notice { line: "Hold the button to stop", .. }
        ));
        panel.handle(10 + NOTICE_MS, Input::Frame(FromAgent::Ping));
        assert!(!matches!(panel.view(10 + NOTICE_MS, None).footer, Footer::Notice { .. }));
    }
    let mut panel = answering(0, idle());
    let sent = panel.handle(10, Input::Gesture(Gesture::Hold));
    assert_eq!(sent, [Action::Send(ToAgent::Intent { id: 1, intent: Intent::Preflight })]);
}

#[test]
fn a_hold_off_air_tests_and_the_result_has_its_turn() {
    let mut panel = answering(0, idle());
    assert_eq!(panel.view(0, Some(40)).footer, Footer::Hold { percent: 40, to: HoldTo::Test });
    let told = |state, what: &str| Preflight { state, what: text(what) };
    let running = told(PreflightState::Running { percent: 40 }, "upload");
    panel.handle(10, Input::Frame(FromAgent::Preflight(running.clone())));
    assert_eq!(panel.view(10, None).footer, Footer::Test(&running));
    assert_eq!(panel.view(10, Some(40)).footer, Footer::Hold { percent: 40, to: HoldTo::EndTest });
    let sent = panel.handle(20, Input::Gesture(Gesture::Hold));
    assert_eq!(sent, [Action::Send(ToAgent::Intent { id: 1, intent: Intent::CancelPreflight })]);
    let failed = told(PreflightState::Failed { ago_s: 0 }, "disk");
    panel.handle(30, Input::Frame(FromAgent::Preflight(failed.clone())));
    let turns = [0, TURN_MS].map(|now_ms| panel.view(now_ms, None).footer);
    assert_eq!(turns, [Footer::Test(&failed), Footer::Device("Stage left")]);
    // On air a hold stops, whatever was tested.
    panel.handle(40, Input::Frame(FromAgent::Status(on_air())));
    assert_eq!(panel.view(40, Some(40)).footer, Footer::Hold { percent: 40, to: HoldTo::Stop });
    // What is not told any more is not shown any more.
    panel.handle(2_030, Input::Frame(FromAgent::Ping));
    assert_eq!(panel.test(), None);
    assert_eq!(panel.view(0, None).footer, Footer::Device("Stage left"));
}

#[test]
fn a_silent_agent_is_called_dead_and_taken_up_again() {
    let mut panel = answering(0, on_air());
    panel.handle(1_999, Input::Tick);
    assert_eq!(panel.tally(1_999), Tally::OnAir);
    panel.handle(2_000, Input::Tick);
    assert_eq!(panel.tally(2_000), Tally::AgentDead);
    assert_eq!(panel.view(62_000, None).scene, Scene::AgentDead { for_s: 62, was_on_air: true });
    assert_eq!(
        panel.handle(62_000, Input::Gesture(Gesture::Press))[0],
        rejected("The agent does not answer")
    );

    panel.handle(63_000, Input::Frame(FromAgent::Ping));
    assert_eq!(panel.view(63_000, None).scene, Scene::Booting, "it lives, but has not said how it is");
    panel.handle(63_100, Input::Frame(FromAgent::Status(idle())));
    assert_eq!(panel.tally(63_100), Tally::Ready);
}

#[test]
fn a_broken_line_is_a_dead_agent_at_once() {
    let mut panel = answering(0, idle());
    panel.handle(10, Input::Gesture(Gesture::Press));
    assert_eq!(panel.handle(20, Input::Disconnected), [rejected("The agent went away")]);
    assert_eq!(panel.view(20, None).scene, Scene::AgentDead { for_s: 0, was_on_air: false });
}

#[test]
fn a_box_that_boots_gets_its_time() {
    let mut panel = Panel::new(BOOT_MS);
    panel.handle(5_000, Input::Tick);
    panel.handle(24_999, Input::Tick);
    assert_eq!((panel.view(24_999, None).scene, panel.tally(24_999)), (Scene::Booting, Tally::Off));
    panel.handle(25_000, Input::Tick);
    assert_eq!(panel.view(25_000, None).scene, Scene::AgentDead { for_s: 20, was_on_air: false });
}

#[test]
fn an_intent_without_an_answer_is_given_up() {
    let mut panel = answering(0, idle());
    panel.handle(0, Input::Gesture(Gesture::Press));
    let mut seen = std::vec::Vec::new();
    for now_ms in (500..=6_000).step_by(500) {
        seen.extend(panel.handle(now_ms, Input::Frame(FromAgent::Ping)));
    }
    assert!(seen.contains(&rejected("The agent did not take it")));
    // An answer that comes after all changes nothing.
    let late = panel.handle(6_100, Input::Frame(FromAgent::Outcome { id: 1, outcome: Outcome::Done }));
    assert!(!late.contains(&Action::Settled(Outcome::Done)));
}

#[test]
fn the_agents_reason_is_shown() {
    let mut panel = answering(0, idle());
    panel.handle(0, Input::Gesture(Gesture::Press));
    let outcome = Outcome::Rejected { reason: text("No server is set") };
    let settled = panel.handle(10, Input::Frame(FromAgent::Outcome { id: 1, outcome }));
    assert_eq!(settled, [rejected("No server is set")]);
    assert_eq!(panel.view(10, None).footer.text(), "No server is set");
}

#[test]
fn identify_flashes_for_its_time() {
    let mut panel = answering(0, idle());
    panel.handle(1_000, Input::Frame(FromAgent::Identify { duration_ms: 900 }));
    assert_eq!(panel.tally(1_500), Tally::Identify);
    assert!(panel.view(1_500, None).flash && !panel.view(1_750, None).flash);
    assert_eq!(panel.tally(1_900), Tally::Ready);
}

#[test]
fn the_panel_says_that_it_lives() {
    let mut panel = answering(0, idle());
    let pings = (100..=5_000)
        .step_by(100)
        .flat_map(|now_ms| panel.handle(now_ms, Input::Frame(FromAgent::Ping)))
        .filter(|action| *action == Action::Send(ToAgent::Ping))
        .count();
    assert_eq!(pings, 5);
    panel.handle(5_100, Input::Disconnected);
    assert_eq!(panel.handle(9_000, Input::Tick), [], "nothing is sent into a line that is down");
}

#[test]
fn the_last_line_is_shared() {
    let panel = answering(0, Status { claim: text("K7QM-2R"), ..idle() });
    let turns = [0, TURN_MS, 2 * TURN_MS, 3 * TURN_MS].map(|now_ms| panel.view(now_ms, None).footer);
    assert_eq!(
        turns,
        [
            Footer::Device("Stage left"),
            Footer::Address("192.0.2.17"),
            Footer::Claim("K7QM-2R"),
            Footer::Device("Stage left"),
        ]
    );
    let panel = answering(0, Status { trouble: text("Backup is away"), ..on_air() });
    assert_eq!(panel.view(0, None).footer, Footer::Trouble("Backup is away"));
    assert_eq!(panel.view(0, Some(40)).footer, Footer::Hold { percent: 40, to: HoldTo::Stop });
    assert_eq!(Panel::new(BOOT_MS).view(0, Some(40)).footer, Footer::Empty, "nobody to tell");
}
