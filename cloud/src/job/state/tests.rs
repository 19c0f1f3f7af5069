//! The whole table of a job's states, and what attempts come to.

use super::*;
use crate::id::JobId;
use crate::job::StateName;
use proptest::prelude::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn job(state: JobState) -> Job {
    Job {
        account: crate::store::Account::FIRST,
        id: JobId::from_random([7; 16]),
        kind: "test".to_owned(),
        subject: None,
        title: "A test".to_owned(),
        asked_by: None,
        created_at: at(1),
        started_at: None,
        attempts: 1,
        max_attempts: 3,
        state,
    }
}

fn waiting() -> Job {
    job(JobState::Waiting { run_at: at(1), error: None })
}

fn running(cancelling: bool) -> Job {
    job(JobState::Running { progress: Progress::default(), cancelling })
}

fn ended() -> [Job; 3] {
    [
        job(JobState::Done { ended_at: at(5), words: "well".to_owned() }),
        job(JobState::Failed { ended_at: at(5), error: "badly".to_owned() }),
        job(JobState::Cancelled { ended_at: at(5) }),
    ]
}

#[test]
fn a_job_begins_once_it_is_leased_and_not_too_often() {
    let Begin::Run(begun) = waiting().begin(at(9), 2) else { panic!("it waits") };
    assert_eq!((begun.state.name(), begun.attempts, begun.started_at), (StateName::Running, 2, Some(at(9))));
    let Begin::Run(again) = begun.begin(at(20), 3) else { panic!("its server is gone") };
    assert_eq!((again.attempts, again.started_at), (3, Some(at(9))));
    let Begin::End(failed, Settle::GiveUp { .. }) = again.begin(at(30), 4) else { panic!("too often") };
    assert!(matches!(&failed.state, JobState::Failed { error, .. } if error.contains("3 times")));
    let Begin::End(cancelled, Settle::Complete) = running(true).begin(at(9), 2) else { panic!("not wanted") };
    assert_eq!(cancelled.state.name(), StateName::Cancelled);
    for ended in ended() {
        assert_eq!(ended.begin(at(9), 1), Begin::Leftover);
    }
}

#[test]
fn what_has_ended_is_not_cancelled_and_only_what_failed_is_tried_again() {
    assert!(
        matches!(waiting().cancel(at(9)), Ok(Cancel::AtOnce(job)) if job.state.ended_at() == Some(at(9)))
    );
    let Ok(Cancel::Told(told)) = running(false).cancel(at(9)) else { panic!("it runs") };
    assert!(told.is_cancelling() && told.state.ended_at().is_none());
    assert_eq!(told.cancel(at(10)), Ok(Cancel::ToldBefore));
    for ended in ended() {
        let refusal = ended.cancel(at(9)).unwrap_err();
        assert_eq!(refusal, format!("the job has ended already: it is {}", ended.state.name().as_str()));
    }
    let [done, failed, cancelled] = ended();
    let again = failed.retry(at(9)).unwrap();
    assert_eq!((again.attempts, again.state.name()), (0, StateName::Waiting));
    assert!(matches!(&again.state, JobState::Waiting { error: Some(error), .. } if error == "badly"));
    for other in [done, cancelled, waiting(), running(false)] {
        let refusal = other.retry(at(9)).unwrap_err();
        assert!(refusal.ends_with(other.state.name().as_str()), "{refusal}");
    }
}

#[test]
fn an_attempt_comes_to_what_it_returned_or_was_told() {
    let failed = WorkError::failed("no disk");
    let hopeless = WorkError::hopeless("no such thing");
    let of = |result: Result<&str, &WorkError>, why, attempts| Verdict::of(result, why, attempts, 3, 0);
    let done = Some(Verdict::Done { words: "well".to_owned() });
    for why in [None, Some(Why::Cancelled), Some(Why::Stopping), Some(Why::Lost)] {
        assert_eq!(of(Ok("well"), why, 1), done);
    }
    assert!(matches!(of(Err(&failed), None, 2), Some(Verdict::Again { error, .. }) if error == "no disk"));
    assert_eq!(of(Err(&failed), None, 3), Some(Verdict::Failed { error: "no disk".to_owned() }));
    assert!(matches!(of(Err(&hopeless), None, 1), Some(Verdict::Failed { .. })));
    assert_eq!(of(Err(&failed), Some(Why::Cancelled), 3), Some(Verdict::Cancelled));
    assert_eq!(of(Err(&WorkError::Stopped), Some(Why::Stopping), 3), Some(Verdict::GivenBack));
    assert_eq!(of(Err(&WorkError::Stopped), Some(Why::Lost), 1), None);
}

#[test]
fn the_job_follows_its_verdict_and_a_cancel_in_between_is_not_forgotten() {
    let wait = Duration::from_millis(3);
    let again = Verdict::Again { error: "no".to_owned(), wait };
    let after = running(false).end(at(9), &again);
    assert_eq!(after.state, JobState::Waiting { run_at: at(12), error: Some("no".to_owned()) });
    let back = running(false).end(at(9), &Verdict::GivenBack);
    assert_eq!((back.attempts, back.state), (0, JobState::Waiting { run_at: at(9), error: None }));
    for verdict in [again, Verdict::GivenBack, Verdict::Cancelled] {
        assert_eq!(running(true).end(at(9), &verdict).state.name(), StateName::Cancelled);
    }
    let done = Verdict::Done { words: "well".to_owned() };
    assert_eq!(running(true).end(at(9), &done).state.name(), StateName::Done);
}

#[test]
fn progress_is_written_where_it_changes_something() {
    let progress = Progress { percent: Some(200), words: "w".repeat(1000) };
    let told = running(true).report(&progress).unwrap();
    let JobState::Running { progress: kept, cancelling: true } = &told.state else { panic!("{told:?}") };
    assert_eq!((kept.percent, kept.words.len()), (Some(100), 500));
    assert_eq!(told.report(&progress), None);
    assert_eq!(waiting().report(&progress), None);
}

#[test]
fn ended_jobs_are_kept_for_a_while() {
    let keep = Duration::from_millis(10);
    for job in ended() {
        assert!(!job.is_over(at(14), keep));
        assert!(job.is_over(at(15), keep));
        assert!(!job.is_over(at(15), Duration::MAX));
    }
    assert!(!waiting().is_over(at(i64::MAX), Duration::ZERO));
    assert!(!running(false).is_over(at(i64::MAX), Duration::ZERO));
}

proptest! {
    /// Whatever happens in whatever order, a job that has ended stays as it is until it is tried again.
    #[test]
    fn an_end_is_an_end(steps in prop::collection::vec((0u8..6, 0u32..5), 1..40)) {
        let mut job = waiting();
        for (time, (step, attempts)) in (1..).zip(steps) {
            let now = at(time);
            let before = job.clone();
            let was_over = before.state.ended_at().is_some();
            match step {
                0 => match job.begin(now, attempts) {
                    Begin::Run(new) | Begin::End(new, _) => job = new,
                    Begin::Leftover => prop_assert!(was_over),
                },
                1 => match job.cancel(now) {
                    Ok(Cancel::AtOnce(new) | Cancel::Told(new)) => job = new,
                    Ok(Cancel::ToldBefore) => {}
                    Err(_) => prop_assert!(was_over),
                },
                2 => if let Ok(new) = job.retry(now) { job = new },
                3 => if let Some(new) = job.report(&Progress { percent: Some(1), words: time.to_string() }) {
                    job = new;
                },
                _ if job.state.name() == StateName::Running => {
                    let error = WorkError::failed("no");
                    let verdict = Verdict::of(Err(&error), None, job.attempts, job.max_attempts, 0).unwrap();
                    job = job.end(now, &verdict);
                }
                _ => {}
            }
            if was_over && step != 2 {
                prop_assert_eq!(&job, &before);
            }
            if step != 2 {
                prop_assert!(!before.is_cancelling() || job.is_cancelling() || job.state.ended_at().is_some());
            }
        }
    }
}
