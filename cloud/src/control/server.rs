//! The server's end of the socket.
#![allow(clippy::disallowed_methods, reason = "a driver: it waits when it cannot accept")]

use super::destination::Place;
use super::user::Named;
use super::{Ground, Line, Work, deletion, socket};
use crate::account::AccountCommand;
use crate::app::App;
use crate::media::check;
use crate::personal::{self, Whose};
use crate::store::{Progress, StoreError};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Longest request.
const MAX_REQUEST: usize = 16 * 1024;
/// Lines that may wait for a slow reader; progress beyond that is not told.
const WAITING: usize = 64;

pub(super) type Body = BoxBody<Bytes, StoreError>;

/// Listens until the server ends; without the socket the server runs all the same.
pub fn start(app: &App) {
    let path = socket(&app.config.data_dir);
    match bind(&path) {
        Ok(listener) => {
            tokio::spawn(listen(app.clone(), listener));
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no commands can be given to this running server");
        }
    }
}

fn bind(path: &std::path::Path) -> io::Result<UnixListener> {
    // One that a killed server left; a running one would hold the store.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn listen(app: App, listener: UnixListener) {
    loop {
        let accepted = tokio::select! {
            () = app.shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if is_owner(&stream) => {
                tokio::spawn(serve(app.clone(), stream));
            }
            Ok(_) => tracing::warn!("another user tried to give this server commands"),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a command");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    let _ = std::fs::remove_file(socket(&app.config.data_dir));
}

fn is_owner(stream: &UnixStream) -> bool {
    let own = nix::unistd::Uid::effective().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == own || peer.uid() == 0)
}

async fn serve(app: App, stream: UnixStream) {
    let service = service_fn(move |request| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(answer(app, request).await) }
    });
    let served =
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
    if let Err(error) = served {
        tracing::debug!(%error, "a command's connection broke");
    }
}

async fn answer(app: App, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    if request.method() != Method::POST {
        return refused(StatusCode::METHOD_NOT_ALLOWED, "commands are POSTed");
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_REQUEST).collect().await else {
        return refused(StatusCode::PAYLOAD_TOO_LARGE, "a command is short");
    };
    let work = match path.as_str() {
        "/account" => return account(&app, &body.to_bytes()).await,
        "/account/survey" => return deletion::survey(&app, &body.to_bytes()).await,
        "/account/delete" => return deletion::delete(app, &body.to_bytes()).await,
        "/user/export" => return export(&app, &body.to_bytes()).await,
        "/user/erase" => match serde_json::from_slice::<Named>(&body.to_bytes()) {
            Ok(named) => Work::Erase(named.email),
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        "/store/backup" => return backup(&app),
        "/media/check" => return media_check(app),
        "/store/check" => Work::Check,
        "/store/rewrite" => Work::Rewrite,
        "/secrets/rotate" => Work::Rotate,
        "/store/copy" => {
            let place = serde_json::from_slice::<Place>(&body.to_bytes()).map_err(|error| error.to_string());
            match place.and_then(|place| place.destination()) {
                Ok(destination) => Work::Copy(destination),
                Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
            }
        }
        _ => return refused(StatusCode::NOT_FOUND, "there is no such command"),
    };
    lines(app, work)
}

pub(super) fn refused(status: StatusCode, words: &str) -> Response<Body> {
    let line = Line::Failed { error: words.to_owned() };
    let mut response = Response::new(Full::new(encode(&line)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

pub(super) fn encode(line: &Line) -> Bytes {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

fn backup(app: &App) -> Response<Body> {
    match app.store.backup(Progress::unwatched()) {
        Ok(pieces) => {
            tracing::info!("a backup is taken");
            // An error breaks the answer off, which its reader notices.
            let frames = ReceiverStream::new(pieces).map(|piece| piece.map(Frame::data));
            let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames)));
            let kind = header::HeaderValue::from_static("application/x-ndjson");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Err(error) => refused(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// Never logged: a new administrator's password is in the answer.
async fn account(app: &App, body: &[u8]) -> Response<Body> {
    let command = match serde_json::from_slice::<AccountCommand>(body) {
        Ok(command) => command,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match app.accounts.manage(command).await {
        Ok(managed) => {
            let mut line = serde_json::to_vec(&managed).unwrap_or_default();
            line.push(b'\n');
            Response::new(Full::new(Bytes::from(line)).map_err(|never| match never {}).boxed())
        }
        Err(error) => refused(StatusCode::CONFLICT, &error.to_string()),
    }
}

/// All that is kept of a user; never logged.
async fn export(app: &App, body: &[u8]) -> Response<Body> {
    let made = async {
        let named = serde_json::from_slice::<Named>(body).map_err(|error| error.to_string())?;
        let user = app.accounts.by_email(&named.email).await.map_err(|error| error.to_string())?;
        let whose = Whose { account: user.account, user: user.id };
        personal::export(&app.store, &app.accounts, whose).await.map_err(|error| error.to_string())
    };
    match made.await {
        Ok(archive) => Response::new(Full::new(Bytes::from(archive)).map_err(|never| match never {}).boxed()),
        Err(words) => refused(StatusCode::CONFLICT, &words),
    }
}

fn media_check(app: App) -> Response<Body> {
    match check::begin(app) {
        Some(lines) => {
            let frames = ReceiverStream::new(lines).map(|line| match line {
                Ok(line) => Ok(Frame::data(line)),
                Err(never) => match never {},
            });
            Response::new(BodyExt::boxed(StreamBody::new(frames)))
        }
        None => refused(StatusCode::CONFLICT, check::BUSY),
    }
}

/// Carries work out on its own task: it is told to end when the reader goes, never dropped in the midst.
fn lines(app: App, work: Work) -> Response<Body> {
    let (out, pieces) = mpsc::channel::<Line>(WAITING);
    tokio::spawn(async move {
        let cancelled = CancellationToken::new();
        let teller = out.clone();
        let tell = move |percent, words| {
            let _ = teller.try_send(Line::Progress { percent, words });
        };
        let progress = Progress::new(tell, cancelled.clone());
        tracing::info!(work = work.name(), "a command begins");
        let ground = Ground {
            store: app.store.clone(),
            vault: app.vault.clone(),
            clock: app.clock.clone(),
            node: app.cluster.node().to_owned(),
        };
        let running = work.run(&ground, progress);
        tokio::pin!(running);
        let result = tokio::select! {
            result = &mut running => result,
            () = out.closed() => {
                cancelled.cancel();
                running.await
            }
        };
        let last = match result {
            Ok((done, faults)) => {
                tracing::info!(done, "a command is done");
                Line::Done { done, faults }
            }
            Err(error) => {
                tracing::warn!(%error, "a command failed");
                Line::Failed { error: error.to_string() }
            }
        };
        let _ = out.send(last).await;
    });
    let frames = ReceiverStream::new(pieces).map(|line| Ok(Frame::data(encode(&line))));
    Response::new(BodyExt::boxed(StreamBody::new(frames)))
}
