//! Which slice a path belongs to, by its first segments: no request walks through all routes.

use super::call::{self, Inbound};
use super::pace::BodyLimits;
use super::problem::ApiError;
use super::quota::{Quota, Told};
use super::request_id::RequestId;
use super::selection::Selection;
use super::{Call, Response, Routes};
use crate::access::{self, Caller, Deprecation, Found, Rule, Thing};
use crate::app::App;
use crate::cluster::{CLIENT_ADDRESS, Role};
use crate::http::Peer;
use crate::idempotency::{self, Key};
use crate::{
    account, alarm, batch, browse, cluster, device, event, feed, hook, include, item, job, live, log, media,
    openapi, personal, player, viewing,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyDataStream, Either, Empty, Full};
use hyper::body::Incoming;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use tower_service::Service;
use tracing::Instrument as _;
use warp::{Filter, Rejection};

/// Largest body of whoever need not say who they are, in bytes.
const MAX_PUBLIC_BODY: u64 = 16 * 1024;

type Answer = BoxFuture<'static, Response>;
trait Branch: Send + Sync {
    fn answer(&self, request: Request<Inbound>) -> Answer;
}

impl<S> Branch for S
where
    S: Service<Request<Empty<Bytes>>, Response = Response, Error = Infallible> + Clone + Send + Sync,
    S::Future: Send + 'static,
{
    fn answer(&self, request: Request<Inbound>) -> Answer {
        let answer = Service::call(&mut self.clone(), Call::enclose(request));
        Box::pin(async move {
            match answer.await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        })
    }
}

/// What an answer of the API says beside what its slice has answered.
#[derive(Default)]
struct Beside {
    quota: Option<Told>,
    deprecation: Option<&'static Deprecation>,
    caller: Option<Caller>,
}

/// All slices' routes.
#[derive(Clone)]
pub struct Router(Arc<Branches>);

struct Branches {
    app: App,
    docs: Box<dyn Branch>,
    quota: Quota,
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
        let api: [(&str, Routes); 25] = [
            ("", browse::routes(app.clone())),
            ("openapi.json", openapi::routes()),
            ("batches", batch::routes(app.clone())),
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
            (
                "events",
                event::routes(app.clone())
                    .or(live::conformance_routes(app.clone()))
                    .unify()
                    .or(live::health_routes(app.clone()))
                    .unify()
                    .boxed(),
            ),
            ("items", item::routes(app.clone())),
            ("devices", device::routes(app.clone())),
            ("recordings", crate::recording::routes(app.clone())),
            ("simulcasts", crate::simulcast::routes(app.clone())),
            ("jobs", job::routes(app.clone())),
            ("hook", hook::routes(app.clone())),
            ("stream", feed::routes(app.clone())),
        ];
        Self(Arc::new(Branches {
            app: app.clone(),
            docs: branch(openapi::docs_routes()),
            quota: Quota::new(&app.config.http.rates),
            embed: branch(player::routes(app.clone())),
            api: api.into_iter().map(|(name, routes)| (name, branch(routes))).collect(),
            site: branch(player::site_routes(app.clone())),
            health: branch(super::health::routes(app.clone())),
        }))
    }

    /// Answers what another process was asked about boxes; there it was counted.
    pub(crate) async fn devices(&self, request: Request<Incoming>) -> Response {
        self.allowed(request, &mut Beside::default(), false).await.unwrap_or_else(ApiError::into_response)
    }

    /// Answers a request of the API.
    pub(crate) async fn api(&self, request: Request<Incoming>) -> Response {
        let mut beside = Beside::default();
        let answered = self.allowed(request, &mut beside, true).await;
        let mut response = answered.unwrap_or_else(ApiError::into_response);
        if let Some(quota) = beside.quota {
            quota.onto(&mut response);
        }
        if let Some(deprecation) = beside.deprecation {
            deprecation.onto(response.headers_mut());
        }
        if let Some(caller) = beside.caller {
            response.extensions_mut().insert(caller);
        }
        response
    }

    /// Counts a request that is not answered by the API after all, as one of its address.
    pub(crate) fn count(&self, request: &Request<Incoming>) -> Result<(), ApiError> {
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        self.0.quota.address(peer, self.0.app.uptime()).map(|_| ())
    }

    /// Looks whether a request may be made.
    pub(crate) async fn may(&self, request: &mut Request<Incoming>) -> Result<(), ApiError> {
        self.admit(request, &mut Beside::default(), true).await.map(|_| ())
    }

    /// Looks whether a request may be made, and which slice is to answer it; who asks is put into its extensions.
    async fn admit(
        &self,
        request: &mut Request<Incoming>,
        beside: &mut Beside,
        counts: bool,
    ) -> Result<(&'static Rule, &'static str), ApiError> {
        let app = &self.0.app;
        let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
        let of_address = || if counts { self.0.quota.address(peer, app.uptime()) } else { Ok(None) };
        let (rule, named, slice) = match self.find(request.method(), request.uri().path()) {
            Ok(found) => found,
            Err(refused) => {
                beside.quota = of_address()?;
                return Err(refused);
            }
        };
        beside.deprecation = rule.deprecation.as_ref();
        let caller = match app.accounts.admit(rule.need, request.method(), request.headers(), peer).await {
            Ok(Some(caller)) => caller,
            nobody => {
                beside.quota = of_address()?;
                // Whoever has not said who they are has not much to say.
                let limits = app.config.http.body_limits();
                let bytes = limits.bytes.min(MAX_PUBLIC_BODY);
                request.extensions_mut().insert(BodyLimits { bytes, ..limits });
                return nobody.map(|_| (rule, slice));
            }
        };
        beside.caller = Some(caller);
        if counts {
            beside.quota = self.0.quota.caller(&caller, app.uptime())?;
        }
        if let Some((thing, id)) = named {
            let named = app.own(&caller, thing, &id).await?;
            request.extensions_mut().insert(named);
        }
        request.extensions_mut().insert(caller);
        Ok((rule, slice))
    }

    /// Looks whether a request may be made, and has its slice answer it.
    async fn allowed(
        &self,
        mut request: Request<Incoming>,
        beside: &mut Beside,
        counts: bool,
    ) -> Result<Response, ApiError> {
        let (rule, slice) = self.admit(&mut request, beside, counts).await?;
        let Some(caller) = beside.caller else {
            return Ok(self.0.api[slice].answer(request.map(Either::Left)).await);
        };
        let selection = match *request.method() {
            Method::GET | Method::HEAD => {
                Selection::of(request.uri().query().unwrap_or_default(), || openapi::answer_fields(rule))?
            }
            _ => None,
        };
        let response = match self.key(&request, slice)? {
            Some(key) => Box::pin(self.once(request, slice, caller, key)).await?,
            None => self.0.api[slice].answer(request.map(Either::Left)).await,
        };
        Ok(match selection {
            Some(selection) => Box::pin(selection.narrow(response)).await,
            None => response,
        })
    }

    /// The table's line for a request, what its path names, and its slice.
    #[expect(clippy::type_complexity, reason = "taken apart where it is asked for")]
    fn find(
        &self,
        method: &Method,
        path: &str,
    ) -> Result<(&'static Rule, Option<(Thing, String)>, &'static str), ApiError> {
        let name = path.strip_prefix("/api/v1/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
        let (slice, _) = self.0.api.get_key_value(name).ok_or_else(nothing_here)?;
        match access::find(method, path) {
            Found::Route(rule, named) => Ok((rule, named, slice)),
            Found::Methods(methods) => Err(ApiError::method_not_allowed(&methods)),
            Found::Nothing => Err(nothing_here()),
        }
    }

    /// The key of a request that is done once; whoever passes it on leaves it to the process that does it.
    fn key(&self, request: &Request<Incoming>, slice: &str) -> Result<Option<Key>, ApiError> {
        if request.method() != Method::POST {
            return Ok(None);
        }
        let key = Key::of(request.headers())?;
        let is_passed_on = slice == "devices"
            && device::is_away(&self.0.app)
            && !request.headers().contains_key(&CLIENT_ADDRESS);
        Ok(key.filter(|_| !is_passed_on))
    }

    /// Has a request with a key done to its end, also if the client goes away meanwhile.
    async fn once(
        &self,
        request: Request<Incoming>,
        slice: &'static str,
        caller: Caller,
        key: Key,
    ) -> Result<Response, ApiError> {
        let (parts, body) = request.into_parts();
        let limits = parts.extensions.get::<BodyLimits>().copied();
        let limits = limits.unwrap_or_else(|| self.0.app.config.http.body_limits());
        let announced = call::Announced::by(&parts.headers);
        let body = call::whole(&mut BodyDataStream::new(body), announced, limits).await?;
        let asked = parts.uri.path_and_query().map_or("", |uri| uri.as_str());
        let print = idempotency::print(&parts.method, asked, &body);
        let request = Request::from_parts(parts, Either::Right(Full::new(body)));
        let router = self.clone();
        let work = async move {
            let answer = router.0.api[slice].answer(request);
            router.0.app.idempotency.once(&caller, &key, print, answer).await
        };
        let work = async move {
            match RequestId::current() {
                Some(id) => tokio::spawn(id.during(work).in_current_span()).await,
                None => tokio::spawn(work.in_current_span()).await,
            }
        };
        work.await.unwrap_or_else(|error| Err(ApiError::internal(&error)))
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
                return secured(Box::pin(viewing::playback(&branches.app, &parts)).await, true);
            }
            "include" => {
                let (parts, _body) = request.into_parts();
                return secured(Box::pin(include::answer(&branches.app, &parts)).await, true);
            }
            "embed" => &branches.embed,
            "api" if request.uri().path().split('/').nth(2) == Some("docs") => &branches.docs,
            "api" => {
                // Boxed, so that whoever waits for a part of a live event holds no room for it.
                return secured(Box::pin(browse::answer(self, &branches.app, request)).await, false);
            }
            "healthz" | "readyz" | "metrics" => &branches.health,
            _ => &branches.site,
        };
        let may_be_framed = first == "embed";
        secured(chosen.answer(request.map(Either::Left)).await, may_be_framed)
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
