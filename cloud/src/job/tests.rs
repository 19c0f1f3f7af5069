//! Runners on one store, as the processes of one database are.
#![allow(clippy::disallowed_methods, reason = "tests: they wait for what other tasks do")]

mod ground;

use super::document::BY_KIND_AND_STATE;
use super::{StateName, start_on};
use crate::job::node::Node;
use crate::store::{Account, EntryState, IndexKey, Scan};
use ground::{Ground, Made, Shared, made};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

#[tokio::test]
async fn a_job_is_done_with_its_effects_and_says_how_it_went() {
    let ground = Ground::new();
    let process = ground.process("a");
    let job = process.enqueue("gated").await;
    assert_eq!((job.state, job.attempts, job.version), (StateName::Waiting, 0, 1));
    start_on(&process.jobs).unwrap();
    let running = process.state(&job, StateName::Running).await;
    assert_eq!((running.attempts, running.started_at.is_some()), (1, true));
    assert!(made(&ground, &job).await.is_none());
    process.work.gate.add_permits(1);
    let done = process.state(&job, StateName::Done).await;
    assert_eq!(done.words.as_deref(), Some("made by a"));
    assert!(made(&ground, &job).await.is_some());
    let queue = process.jobs.queue("play").unwrap();
    assert!(queue.get(&job.id.to_string()).await.unwrap().is_none());
    process.stop().await;
}

#[tokio::test]
async fn a_process_that_slept_past_its_lease_is_refused_and_the_job_is_done_once() {
    let ground = Ground::new();
    let (sleeper, other) = (ground.process("sleeper"), ground.process("other"));
    let job = sleeper.enqueue("deaf").await;
    start_on(&sleeper.jobs).unwrap();
    sleeper.work.begun(1).await;
    ground.clock.advance(Duration::from_secs(7200));
    start_on(&other.jobs).unwrap();
    other.work.begun(1).await;
    assert!(other.work.last_fence.load(Ordering::SeqCst) > sleeper.work.last_fence.load(Ordering::SeqCst));
    // The sleeper wakes while the other one is at work: refused, and the other is not disturbed.
    sleeper.work.gate.add_permits(1);
    while sleeper.work.running.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sleeper.stop().await;
    assert_eq!(other.get(&job).await.state, StateName::Running);
    assert!(made(&ground, &job).await.is_none());
    other.work.gate.add_permits(1);
    let done = other.state(&job, StateName::Done).await;
    assert_eq!((done.words.as_deref(), done.attempts), (Some("made by other"), 2));
    assert_eq!(made(&ground, &job).await.unwrap().document.by, "other");
    other.stop().await;
}

#[tokio::test]
async fn a_sleeper_that_wakes_after_the_end_changes_nothing() {
    let ground = Ground::new();
    let (sleeper, other) = (ground.process("sleeper"), ground.process("other"));
    let job = sleeper.enqueue("deaf").await;
    start_on(&sleeper.jobs).unwrap();
    sleeper.work.begun(1).await;
    ground.clock.advance(Duration::from_secs(7200));
    other.work.gate.add_permits(1);
    start_on(&other.jobs).unwrap();
    let done = other.state(&job, StateName::Done).await;
    sleeper.work.gate.add_permits(1);
    sleeper.stop().await;
    assert_eq!(other.get(&job).await, done);
    assert_eq!(made(&ground, &job).await.unwrap().document.by, "other");
    other.stop().await;
}

#[tokio::test]
async fn what_failed_is_tried_again_later_and_given_up_in_the_end() {
    let ground = Ground::new();
    let process = ground.process("a");
    process.work.broken.store(true, Ordering::SeqCst);
    start_on(&process.jobs).unwrap();
    let job = process.enqueue("fail").await;
    for attempt in 1..3 {
        let waiting =
            process.until(&job, |job| job.state == StateName::Waiting && job.attempts == attempt).await;
        assert_eq!(waiting.error.as_deref(), Some("it is broken"));
        assert!(waiting.run_at.unwrap() > ground.clock.now());
        ground.clock.advance(Duration::from_secs(600));
        process.jobs.wake("play");
    }
    let failed = process.state(&job, StateName::Failed).await;
    assert_eq!((failed.attempts, failed.error.as_deref()), (3, Some("it is broken")));
    assert!(process.jobs.cancel(&job.id, None).await.unwrap_err().to_string().contains("it is failed"));
    process.work.broken.store(false, Ordering::SeqCst);
    let again = process.jobs.retry(&job.id, None).await.unwrap();
    assert_eq!(again.attempts, 0);
    process.state(&job, StateName::Done).await;
    assert!(process.jobs.retry(&job.id, None).await.is_err());
    process.stop().await;
}

#[tokio::test]
async fn a_panic_and_a_mistake_in_the_input_end_an_attempt_and_nothing_else() {
    let ground = Ground::new();
    let process = ground.process("a");
    process.work.broken.store(true, Ordering::SeqCst);
    start_on(&process.jobs).unwrap();
    let panics = process.enqueue("panic").await;
    let waiting = process.until(&panics, |job| job.error.is_some()).await;
    assert!(waiting.error.unwrap().contains("broke off"));
    let hopeless = process.enqueue("hopeless").await;
    assert_eq!(process.state(&hopeless, StateName::Failed).await.attempts, 1);
    ground.clock.advance(Duration::from_secs(600));
    process.jobs.wake("play");
    process.state(&panics, StateName::Done).await;
    process.stop().await;
}

#[tokio::test]
async fn a_user_ends_what_waits_and_what_runs_here_or_elsewhere() {
    let ground = Ground::new();
    let (worker, front) = (ground.process_with("worker", 1000), ground.process("front"));
    let job = front.enqueue("gated").await;
    let cancelled = front.jobs.cancel(&job.id, None).await.unwrap();
    assert_eq!(cancelled.state, StateName::Cancelled);
    start_on(&worker.jobs).unwrap();
    for canceller in [&worker, &front] {
        let job = front.enqueue("gated").await;
        worker.state(&job, StateName::Running).await;
        let told = canceller.jobs.cancel(&job.id, None).await.unwrap();
        assert!(told.cancelling || told.state == StateName::Cancelled);
        worker.state(&job, StateName::Cancelled).await;
        assert!(made(&ground, &job).await.is_none());
    }
    assert_eq!(worker.get(&job).await, cancelled, "it was never begun");
    worker.stop().await;
}

#[tokio::test]
async fn a_stop_gives_jobs_back_and_the_next_run_goes_on() {
    let ground = Ground::new();
    let process = ground.process("a");
    let job = process.enqueue("gated").await;
    start_on(&process.jobs).unwrap();
    process.state(&job, StateName::Running).await;
    process.stop().await;
    let waiting = process.get(&job).await;
    assert_eq!((waiting.state, waiting.attempts, waiting.error), (StateName::Waiting, 0, None));
    let next = ground.process("a");
    next.work.gate.add_permits(1);
    start_on(&next.jobs).unwrap();
    assert_eq!(next.state(&job, StateName::Done).await.attempts, 1);
    next.stop().await;
}

#[tokio::test]
async fn work_that_hears_no_stop_is_ended() {
    let ground = Ground::new();
    let process = ground.process("a");
    let job = process.enqueue("stubborn").await;
    start_on(&process.jobs).unwrap();
    process.work.begun(1).await;
    process.stop().await;
    assert_eq!(process.get(&job).await.state, StateName::Waiting);
}

#[tokio::test]
async fn after_a_kill_a_process_takes_its_own_jobs_back_at_once() {
    let ground = Ground::new();
    let process = ground.process("a");
    let job = process.enqueue("at once").await;
    // As a process left them that was killed: leased under its name, and nobody alive has that name.
    let name = Arc::clone(&Node::open(&ground.data_dir("a")).unwrap().name);
    let queue = process.jobs.queue("play").unwrap();
    assert_eq!(queue.lease(&name, 1, Duration::from_secs(3600), 0).await.unwrap().len(), 1);
    let foreign = process.enqueue("at once").await;
    queue.lease("foreign", 1, Duration::from_secs(3600), 0).await.unwrap();
    start_on(&process.jobs).unwrap();
    assert_eq!(process.state(&job, StateName::Done).await.attempts, 2);
    assert_eq!(process.get(&foreign).await.state, StateName::Waiting, "others' leases are left to them");
    process.stop().await;
}

#[tokio::test]
async fn a_job_that_kills_its_process_is_given_up() {
    let ground = Ground::new();
    let process = ground.process("a");
    let job = process.enqueue("at once").await;
    let queue = process.jobs.queue("play").unwrap();
    for _ in 0..3 {
        assert_eq!(queue.lease("killed", 1, Duration::from_secs(60), 0).await.unwrap().len(), 1);
        ground.clock.advance(Duration::from_secs(60));
    }
    start_on(&process.jobs).unwrap();
    let failed = process.state(&job, StateName::Failed).await;
    assert!(failed.error.unwrap().contains("begun 3 times"));
    assert_eq!(process.work.begun.load(Ordering::SeqCst), 0);
    process.jobs.retry(&job.id, None).await.unwrap();
    process.state(&job, StateName::Done).await;
    process.stop().await;
}

#[tokio::test]
async fn effects_that_do_not_fit_any_more_fail_the_attempt() {
    let ground = Ground::new();
    let process = ground.process("a");
    let job = process.enqueue("gated").await;
    start_on(&process.jobs).unwrap();
    process.state(&job, StateName::Running).await;
    let other = Made { id: job.id.to_string(), by: "somebody else".to_owned() };
    ground.store.create(other.clone()).await.unwrap();
    process.work.gate.add_permits(1);
    let waiting = process.until(&job, |job| job.error.is_some()).await;
    assert!(waiting.error.unwrap().contains("changed meanwhile"));
    assert_eq!(made(&ground, &job).await.unwrap().document, other);
    process.stop().await;
}

#[tokio::test]
async fn progress_is_seen_and_written_about_once_a_second() {
    let ground = Ground::new();
    let process = ground.process("a");
    start_on(&process.jobs).unwrap();
    let begun = std::time::Instant::now();
    let job = process.enqueue("report").await;
    let told = process.until(&job, |job| job.percent == Some(100)).await;
    let seconds = begun.elapsed().as_secs();
    assert_eq!(told.words.as_deref(), Some("1000 of 1000 steps"));
    // Made, begun, the first report at once, one a second after it.
    assert!(told.version <= 4 + seconds, "version {} after {seconds} s", told.version);
    process.stop().await;
}

#[tokio::test]
async fn no_more_run_at_a_time_than_have_a_place() {
    let ground = Ground::new();
    let process = ground.process("a");
    process.jobs.register(Shared::<2>(Arc::clone(&process.work)));
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(process.enqueue("gated").await);
    }
    start_on(&process.jobs).unwrap();
    process.work.begun(2).await;
    process.work.gate.add_permits(5);
    for job in &jobs {
        process.state(job, StateName::Done).await;
    }
    assert_eq!(process.work.most_running.load(Ordering::SeqCst), 2);
    let listed = async |state: StateName| {
        let within = IndexKey::of(Account::FIRST).text("play").text(state.as_str());
        process.jobs.page(Scan::of(BY_KIND_AND_STATE).within(within)).await.unwrap().items.len()
    };
    assert_eq!((listed(StateName::Done).await, listed(StateName::Failed).await), (5, 0));
    process.stop().await;
}

#[tokio::test]
async fn what_ended_long_ago_is_forgotten() {
    let ground = Ground::new();
    let process = ground.process("a");
    process.work.broken.store(true, Ordering::SeqCst);
    start_on(&process.jobs).unwrap();
    let failed = process.enqueue("hopeless").await;
    process.state(&failed, StateName::Failed).await;
    let done = process.enqueue("at once").await;
    process.state(&done, StateName::Done).await;
    process.stop().await;
    let waiting = process.enqueue("at once").await;
    ground.clock.advance(Duration::from_secs(167 * 3600));
    assert_eq!(process.jobs.sweep().await.unwrap(), 0);
    let queue = process.jobs.queue("play").unwrap();
    let entry = queue.get(&failed.id.to_string()).await.unwrap().unwrap();
    assert!(matches!(entry.document.state, EntryState::Dead { .. }));
    ground.clock.advance(Duration::from_secs(3600));
    assert_eq!(process.jobs.sweep().await.unwrap(), 2);
    assert!(process.jobs.get(&failed.id).await.unwrap().is_none());
    assert!(queue.get(&failed.id.to_string()).await.unwrap().is_none());
    assert_eq!(process.get(&waiting).await.state, StateName::Waiting);
}
