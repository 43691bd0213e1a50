//! What can be asked for.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{DefaultBodyLimit, Json, Query, Request, State as Of};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::guard::{Guard, Verdict};
use super::meter;
use super::state::{MOST_VIEWERS, State};
use super::viewers;
use super::views::View;
use crate::camera::budget::{Budget, never};
use crate::painting::Area;

/// The largest body of a request, in bytes.
const MOST_BODY: usize = 8 << 10;
/// The most boxes of a source.
const MOST_BOXES: usize = 32;
/// How long a picture is waited for.
const PICTURE_WITHIN: Duration = Duration::from_secs(4);
/// What every answer says: nothing of it comes from elsewhere, is kept, or is shown in another page.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action \
         'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// A refusal, in a sentence.
type Refused = (StatusCode, String);

/// Everything that can be asked for.
pub fn router(state: Arc<State>, guard: Arc<Guard>) -> Router {
    let file = |kind: &'static str, text: &'static str| get(async move || ([(header::CONTENT_TYPE, kind)], text));
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/index.html")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("page/page.css")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("page/page.js")))
        .route("/live", get(live))
        .route("/settings", post(settings))
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/snapshot.jpg", get(snapshot))
        .route("/features", get(features))
        .fallback(async || (StatusCode::NOT_FOUND, "there is no such page here; / is the one that there is\n"))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(middleware::from_fn_with_state(guard, guarded))
        .with_state(state)
}

/// Lets through who may ask.
async fn guarded(Of(guard): Of<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.verdict(request.uri(), request.headers()) {
        Verdict::Yes => next.run(request).await,
        Verdict::WithCookie(cookie) => {
            let to_page = [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)];
            (StatusCode::SEE_OTHER, to_page).into_response()
        }
        Verdict::No(StatusCode::UNAUTHORIZED, why) => {
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], format!("{why}\n")).into_response()
        }
        Verdict::No(status, why) => (status, format!("{why}\n")).into_response(),
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn metrics(Of(state): Of<Arc<State>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], meter::metrics(&state))
}

async fn healthz(Of(state): Of<Arc<State>>) -> Refused {
    match state.meter().ailment() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        None => (StatusCode::OK, "frames come\n".to_owned()),
    }
}

async fn features(Of(state): Of<Arc<State>>) -> Response {
    let rows = state.rows();
    Json(rows.iter().map(|row| &**row).collect::<Vec<_>>()).into_response()
}

/// Which source, and which picture of it.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    source: usize,
    view: Option<View>,
}

async fn live(
    Of(state): Of<Arc<State>>,
    asked: Result<Query<Asked>, QueryRejection>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Refused> {
    let Query(asked) = asked.map_err(bad)?;
    let source = source(&state, asked.source)?;
    let Some(seat) = state.seat() else {
        return Err((
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{MOST_VIEWERS} viewers are the most; come back when one has left\n"),
        ));
    };
    let upgrade = upgrade.max_message_size(viewers::MOST_SAID).max_frame_size(viewers::MOST_SAID);
    Ok(upgrade.on_upgrade(move |socket| viewers::serve(socket, state, source, seat)))
}

async fn snapshot(Of(state): Of<Arc<State>>, asked: Result<Query<Asked>, QueryRejection>) -> Result<Response, Refused> {
    let Query(asked) = asked.map_err(bad)?;
    let (source, view) = (source(&state, asked.source)?, asked.view.unwrap_or(View::Camera));
    if let (View::Painted, Some(why)) = (view, &state.about.cannot_paint) {
        return Err((StatusCode::NOT_FOUND, format!("{why}\n")));
    }
    // one who looks at one frame
    let mut pictures = state.pictures(source);
    let _looking = state.live.look(source);
    let found = async {
        loop {
            pictures.changed().await.ok()?;
            let painted = pictures.borrow_and_update().clone()?;
            let jpeg = tokio::task::spawn_blocking(move || painted.jpeg(view)).await.ok()?.ok()?;
            // a frame that was under way has no painted picture yet
            if let Some(jpeg) = jpeg {
                return Some(jpeg);
            }
        }
    };
    match tokio::time::timeout(PICTURE_WITHIN, found).await {
        Ok(Some(jpeg)) => Ok(([(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response()),
        Ok(None) => Err((StatusCode::SERVICE_UNAVAILABLE, "the picture could not be made\n".to_owned())),
        Err(_) => {
            let seconds = PICTURE_WITHIN.as_secs();
            Err((
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{} gave no frame for {seconds} s\n", state.about.sources[source]),
            ))
        }
    }
}

/// What is to be changed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// As `--visible` has it.
    visible: Option<String>,
    source: Option<usize>,
    /// All of the source's boxes, each as `--never` has it.
    never: Option<Vec<String>>,
}

async fn settings(Of(state): Of<Arc<State>>, change: Result<Json<Change>, JsonRejection>) -> Result<Response, Refused> {
    let Json(change) = change.map_err(|rejected| match rejected.status() {
        status @ (StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
            (status, format!("{}\n", rejected.body_text()))
        }
        _ => bad(rejected.body_text()),
    })?;
    if change.visible.is_none() && change.never.is_none() {
        return Err(bad(
            "nothing is to be changed: give visible, such as \"motion:16\", or source and never, such as [\"0,0,64,64\"]",
        ));
    }
    let budget = change.visible.as_deref().map(|text| {
        let budget: Budget = text.parse().map_err(bad)?;
        budget.count(state.about.grid).map_err(bad)?;
        Ok::<_, Refused>(budget)
    });
    let budget = budget.transpose()?;
    let boxes = match (change.never, change.source) {
        (None, _) => None,
        (Some(_), None) => return Err(bad("never is for a source: say which, counted from 0")),
        (Some(never), Some(at)) => Some((source(&state, at)?, boxes(&state, at, &never)?)),
    };
    let changed = state.live.change(|settings| {
        if let Some(budget) = budget {
            settings.budget = budget;
        }
        if let Some((source, boxes)) = boxes {
            settings.never[source] = boxes;
        }
        Ok::<_, Refused>(())
    })?;
    let never: Vec<Vec<String>> =
        changed.never.iter().map(|boxes| boxes.iter().map(ToString::to_string).collect()).collect();
    Ok(Json(json!({ "visible": changed.budget.to_string(), "never": never })).into_response())
}

/// Boxes in a source's frames, something of which is still to be looked at.
fn boxes(state: &State, source: usize, texts: &[String]) -> Result<Vec<Area>, Refused> {
    if texts.len() > MOST_BOXES {
        return Err(bad(format!("{} boxes: {MOST_BOXES} are the most for a source; remove some", texts.len())));
    }
    let boxes: Vec<Area> = texts.iter().map(|text| text.parse().map_err(bad)).collect::<Result<_, _>>()?;
    // before the first frame nobody knows
    let Some(size @ [height, width]) = state.size(source) else { return Ok(boxes) };
    if let Some(outside) = boxes.iter().find(|area| !area.touches([0, width], [0, height])) {
        return Err(bad(format!("the box {outside} is outside of frames of {width}×{height} pixels")));
    }
    let grid = state.about.grid;
    let all: Vec<Area> = state.about.never.iter().chain(&boxes).copied().collect();
    if never(grid, &all, &state.about.masked, size).len() == grid.len() {
        return Err(bad("these boxes cover every patch: leave something to look at"));
    }
    Ok(boxes)
}

fn source(state: &State, at: usize) -> Result<usize, Refused> {
    let count = state.about.sources.len();
    if at < count { Ok(at) } else { Err(bad(format!("source {at}: there are {count}, counted from 0"))) }
}

fn bad(why: impl Display) -> Refused {
    (StatusCode::BAD_REQUEST, format!("{why}\n"))
}
