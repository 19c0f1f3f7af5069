//! Which slice a path belongs to, by its first segments: no request walks through all routes.

use super::problem::ApiError;
use super::{Response, Routes};
use crate::access::{self, Found};
use crate::app::App;
use crate::cluster::Role;
use crate::http::Peer;
use crate::{
    account, alarm, browse, cluster, device, event, feed, hook, include, item, job, log, media, openapi,
    personal, player, viewing,
};
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use hyper::body::Incoming;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use tower_service::Service;
use warp::{Filter, Rejection};

type Answer = BoxFuture<'static, Result<Response, Infallible>>;

trait Branch: Send + Sync {
    fn answer(&self, request: Request<Incoming>) -> Answer;
}

impl<S> Branch for S
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible> + Clone + Send + Sync,
    S::Future: Send + 'static,
{
    fn answer(&self, request: Request<Incoming>) -> Answer {
        Box::pin(Service::call(&mut self.clone(), request))
    }
}

/// All slices' routes.
#[derive(Clone)]
pub struct Router(Arc<Branches>);

struct Branches {
    app: App,
    docs: Box<dyn Branch>,
    embed: Box<dyn Branch>,
    api: HashMap<&'static str, Box<dyn Branch>>,
    site: Box<dyn Branch>,
    health: Box<dyn Branch>,
}

fn branch(routes: Routes) -> Box<dyn Branch> {
    Box::new(warp::service(routes.recover(recover)))
}

impl Router {
    /// Asks each slice for its routes.
    pub fn new(app: &App) -> Self {
        let users = account::user_routes(app.clone())
            .or(account::second_of_user_routes(app.clone()))
            .unify()
            .or(personal::routes(app.clone()))
            .unify()
            .boxed();
        let api: [(&str, Routes); 23] = [
            ("", browse::routes(app.clone())),
            ("openapi.json", openapi::routes()),
            ("account", account::tenant_routes(app.clone())),
            ("include-files", include::routes(app.clone())),
            ("permissions", account::permission_routes(app.clone())),
            ("roles", account::role_routes(app.clone())),
            ("tokens", account::token_routes(app.clone())),
            ("users", users),
            ("sessions", account::session_list_routes(app.clone())),
            ("second-factor", account::second_routes(app.clone())),
            ("password-resets", account::reset_routes(app.clone())),
            ("log", log::routes(app.clone())),
            ("nodes", cluster::routes(app.clone())),
            ("alarms", alarm::routes(app.clone())),
            ("media", media::routes(app.clone())),
            ("session", account::routes(app.clone())),
            ("events", event::routes(app.clone())),
            ("items", item::routes(app.clone())),
            ("devices", device::routes(app.clone())),
            ("recordings", crate::recording::routes(app.clone())),
            ("jobs", job::routes(app.clone())),
            ("hook", hook::routes(app.clone())),
            ("stream", feed::routes(app.clone())),
        ];
        Self(Arc::new(Branches {
            app: app.clone(),
            docs: branch(openapi::docs_routes()),
            embed: branch(player::routes(app.clone())),
            api: api.into_iter().map(|(name, routes)| (name, branch(routes))).collect(),
            site: branch(player::site_routes(app.clone())),
            health: branch(super::health::routes(app.clone())),
        }))
    }

    /// Answers what another process was asked about boxes.
    pub(crate) async fn devices(&self, request: Request<Incoming>) -> Response {
        self.api(request).await.unwrap_or_else(ApiError::into_response)
    }

    /// Looks whether a request may be made, and has its slice answer it.
    pub(crate) async fn api(&self, mut request: Request<Incoming>) -> Result<Response, ApiError> {
        match self.admit(&mut request).await?.answer(request).await {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    /// Looks whether a request may be made.
    pub(crate) async fn may(&self, request: &mut Request<Incoming>) -> Result<(), ApiError> {
        self.admit(request).await.map(|_| ())
    }

    /// Looks whether a request may be made, and which slice is to answer it; who asks is put into its extensions.
    async fn admit(&self, request: &mut Request<Incoming>) -> Result<&dyn Branch, ApiError> {
        let path = request.uri().path();
        let name = path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let slice = self.0.api.get(name).ok_or_else(nothing_here)?;
        let (need, named) = match access::find(request.method(), path) {
            Found::Route(need, named) => (need, named),
            Found::Methods(methods) => return Err(ApiError::method_not_allowed(&methods)),
            Found::Nothing => return Err(nothing_here()),
        };
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        let caller = self.0.app.accounts.admit(need, request.method(), request.headers(), peer).await?;
        if let Some(caller) = caller {
            if let Some((thing, id)) = named {
                self.0.app.own(&caller, thing, &id).await?;
            }
            request.extensions_mut().insert(caller);
        }
        Ok(slice.as_ref())
    }

    /// Answers a request.
    pub(super) async fn call(&self, request: Request<Incoming>) -> Response {
        let branches = &self.0;
        let first = request.uri().path().split('/').nth(1).unwrap_or_default();
        if let Some(refused) = branches.not_here(first) {
            return secured(refused.into_response(), false);
        }
        let chosen = match first {
            // Media is most of all requests, and has no use for filters.
            "live" | "vod" => {
                let (parts, _body) = request.into_parts();
                return secured(viewing::playback(&branches.app, &parts).await, true);
            }
            "include" => {
                let (parts, _body) = request.into_parts();
                return secured(include::answer(&branches.app, &parts).await, true);
            }
            "embed" => &branches.embed,
            "api" if request.uri().path().split('/').nth(2) == Some("docs") => &branches.docs,
            "api" => {
                return secured(browse::answer(self, &branches.app, request).await, false);
            }
            "healthz" | "readyz" | "metrics" => &branches.health,
            _ => &branches.site,
        };
        let may_be_framed = first == "embed";
        match chosen.answer(request).await {
            Ok(response) => secured(response, may_be_framed),
            Err(never) => match never {},
        }
    }
}

impl Branches {
    /// Why a path that other processes answer is not answered here.
    fn not_here(&self, first: &str) -> Option<ApiError> {
        let roles = &self.app.config.roles;
        let (role, is_here) = match first {
            "healthz" | "readyz" | "metrics" => return None,
            "live" | "vod" | "embed" => (Role::Deliver, roles.has(Role::Deliver)),
            // The players' pages are made of the same files as the administrator's.
            "assets" | "favicon.svg" | "include" => {
                (Role::Api, roles.has(Role::Api) || roles.has(Role::Deliver))
            }
            _ => (Role::Api, roles.has(Role::Api)),
        };
        let words = format!("this process has not the role `{role}`: ask one that has it");
        (!is_here).then(|| ApiError::not_found(words))
    }
}

fn nothing_here() -> ApiError {
    ApiError::not_found("there is nothing at this address")
}

/// Adds what every answer carries, where the slice has not said otherwise.
fn secured(mut response: Response, may_be_framed: bool) -> Response {
    let headers = response.headers_mut();
    let mut put = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::REFERRER_POLICY, "same-origin");
    if !may_be_framed {
        put(header::X_FRAME_OPTIONS, "DENY");
        put(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
             style-src 'self' 'unsafe-inline'; worker-src 'self' blob:; object-src 'none'; \
             base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        );
    }
    response
}

/// Turns warp's rejections into problems.
async fn recover(rejection: Rejection) -> Result<Response, Infallible> {
    Ok(rejected(&rejection).into_response())
}

fn rejected(rejection: &Rejection) -> ApiError {
    if rejection.is_not_found() {
        nothing_here()
    } else if let Some(refused) = rejection.find::<super::Refused>() {
        refused.0.clone()
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this method is not allowed here")
    } else if rejection.find::<warp::reject::PayloadTooLarge>().is_some() {
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "the body is too large")
    } else if rejection.find::<warp::reject::UnsupportedMediaType>().is_some() {
        ApiError::unsupported_media_type("application/json")
    } else {
        ApiError::bad_request("the request cannot be understood")
    }
}
