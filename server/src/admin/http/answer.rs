//! The envelope of a command's answer.

use crate::admin::json::Json;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// A command's answer: its fields in order, then `command` and `error`.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The command's first name, or whatever was asked for.
    pub(super) command: String,
    pub(super) fields: Vec<(String, Json)>,
    /// What went wrong, if anything did. The status stays 200 where ZooKeeper's does.
    pub(super) error: Option<String>,
}

impl Answer {
    pub(super) fn new(command: &str, fields: Vec<(String, Json)>) -> Self {
        Self {
            status: StatusCode::OK,
            command: command.to_owned(),
            fields,
            error: None,
        }
    }

    pub(super) fn failed(status: StatusCode, command: &str, error: impl Into<String>) -> Self {
        Self {
            status,
            command: command.to_owned(),
            fields: Vec::new(),
            error: Some(error.into()),
        }
    }

    pub(super) fn internal_error() -> Self {
        Self::failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "",
            "the command failed; the server's log says why",
        )
    }

    fn into_json(self) -> Json {
        let error = self.error.map_or(Json::Null, Json::Text);
        let end = [
            ("command".to_owned(), Json::Text(self.command)),
            ("error".to_owned(), error),
        ];
        Json::Object(self.fields.into_iter().chain(end).collect())
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        (
            self.status,
            [(CONTENT_TYPE, "application/json")],
            self.into_json().to_string(),
        )
            .into_response()
    }
}
