//! The HTTP commands and the metrics page.
//!
//! In: a listener and a [`View`]. Out: `/commands`, a list of links; `/commands/NAME`, JSON; `/metrics`, the
//! Prometheus exposition. Not here: what the commands answer (`commands.rs`), TLS.

mod answer;
mod commands;
mod guarded;

use super::metrics;
use super::view::View;
use crate::config::AdminSettings;
use answer::Answer;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use guarded::GuardedListener;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

/// Serves the commands and the metrics on `listener` until `shutdown` completes and open answers are sent.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: TcpListener,
    view: Arc<dyn View>,
    settings: &AdminSettings,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = GuardedListener::new(listener, settings.idle_timeout);
    axum::serve(listener, router(view, &settings.command_url))
        .with_graceful_shutdown(shutdown)
        .await
}

/// Serves the metrics alone on `listener` until `shutdown` completes and open answers are sent.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve_metrics(
    listener: TcpListener,
    view: Arc<dyn View>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = GuardedListener::new(listener, Some(METRICS_IDLE_TIMEOUT));
    axum::serve(listener, metrics_router().with_state(view))
        .with_graceful_shutdown(shutdown)
        .await
}

/// How long a scraper may keep a silent connection; scrapes are seconds to a minute apart.
const METRICS_IDLE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);

fn router(view: Arc<dyn View>, url: &str) -> Router {
    // The list's links are relative to nothing, so they need the path.
    let list = commands::list(url);
    let list = get(move || async move { ([(CONTENT_TYPE, "text/html;charset=utf-8")], list) });
    metrics_router()
        .route(url, list.clone())
        .route(&format!("{url}/"), list)
        .route(&format!("{url}/{{name}}"), get(run).post(restore))
        .with_state(view)
}

fn metrics_router() -> Router<Arc<dyn View>> {
    Router::new().route("/metrics", get(exposition))
}

async fn run(
    State(view): State<Arc<dyn View>>,
    Path(name): Path<String>,
    Query(arguments): Query<BTreeMap<String, String>>,
) -> Response {
    // A command may measure folders and copy lists of thousands of sessions.
    blocking(move || commands::run(&name, &arguments, &*view)).await
}

/// ZooKeeper takes a POST for `restore` alone, which is switched off.
async fn restore(Path(name): Path<String>) -> Response {
    commands::refuse_post(&name).into_response()
}

async fn exposition(State(view): State<Arc<dyn View>>) -> Response {
    blocking(move || {
        (
            [(CONTENT_TYPE, metrics::CONTENT_TYPE)],
            metrics::exposition(&view),
        )
    })
    .await
}

/// Runs `work` where it may block.
async fn blocking<T: IntoResponse + Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(response) => response.into_response(),
        Err(_) => Answer::internal_error().into_response(),
    }
}

#[cfg(test)]
mod tests;
