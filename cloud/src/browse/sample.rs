//! A small document for the tests of the pages.

use serde_json::{Value, json};
use std::sync::LazyLock;

static DOCUMENT: LazyLock<Value> = LazyLock::new(make);

/// An OpenAPI document with one of each thing that pages show.
pub(super) fn document() -> &'static Value {
    &DOCUMENT
}

fn id(name: &str, prefix: &str) -> Value {
    let pattern = format!("^{prefix}_[0-9a-z]{{20}}$");
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string", "pattern": pattern } })
}

#[expect(clippy::needless_pass_by_value, reason = "calls read better")]
fn answer(schema: Value) -> Value {
    json!({ "200": { "description": "Done.", "content": { "application/json": { "schema": schema } } },
        "403": { "description": "The role does not allow it." } })
}

#[expect(clippy::needless_pass_by_value, reason = "calls read better")]
fn body(schema: Value) -> Value {
    json!({ "required": true, "content": { "application/json": { "schema": schema } } })
}

fn make() -> Value {
    let event = json!({ "$ref": "#/components/schemas/Event" });
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Stagebox", "version": "0" },
        "tags": [{ "name": "Events", "description": "What is live." }, { "name": "Boxes", "description": "Boxes." }],
        "paths": {
            "/api/v1/events": {
                "get": { "tags": ["Events"], "summary": "List events", "x-permission": "events:read", "parameters": [
                    { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1, "maximum": 200, "default": 50 } },
                    { "name": "after", "in": "query", "schema": { "type": "string" } },
                    { "name": "status", "in": "query", "description": "Only those.",
                      "schema": { "type": "string", "enum": ["waiting", "started"] } },
                    { "name": "sort", "in": "query", "schema": { "type": "string", "enum": ["title", "-title"] } },
                ], "responses": answer(json!({ "type": "object" })) },
                "post": { "tags": ["Events"], "summary": "Make an event", "x-permission": "events:write",
                    "description": "Makes one with `title`.",
                    "requestBody": body(json!({ "$ref": "#/components/schemas/NewEvent" })), "responses": answer(event.clone()) },
            },
            "/api/v1/events/{event}": {
                "get": { "tags": ["Events"], "summary": "Read an event", "x-permission": "events:read",
                    "parameters": [id("event", "evt")], "responses": answer(event.clone()) },
                "patch": { "tags": ["Events"], "summary": "Change an event", "x-permission": "events:write",
                    "parameters": [id("event", "evt"), { "name": "If-Match", "in": "header", "schema": { "type": "string" } }],
                    "requestBody": body(json!({ "$ref": "#/components/schemas/PatchEvent" })), "responses": answer(event.clone()) },
                "delete": { "tags": ["Events"], "summary": "Delete an event", "x-permission": "events:write",
                    "parameters": [id("event", "evt")], "responses": { "204": { "description": "It is gone." } } },
            },
            "/api/v1/events/{event}/status": {
                "post": { "tags": ["Events"], "summary": "Set the status", "x-permission": "events:run",
                    "parameters": [id("event", "evt")],
                    "requestBody": body(json!({ "type": "object", "required": ["status"], "properties": {
                        "status": { "type": "string", "enum": ["waiting", "started"] } } })),
                    "responses": answer(event) },
            },
            "/api/v1/devices": { "get": { "tags": ["Boxes"], "summary": "List boxes", "x-permission": "devices:read",
                "responses": answer(json!({ "type": "object" })) } },
            "/api/v1/devices/{device}": { "get": { "tags": ["Boxes"], "summary": "Read a box", "x-permission": "devices:read",
                "parameters": [id("device", "box")], "responses": answer(json!({ "type": "object" })) } },
            "/api/v1/devices/self/targets": { "get": { "tags": ["Boxes"], "summary": "Where a box pushes to",
                "x-permission": "device", "responses": answer(json!({ "type": "object" })) } },
            "/api/v1/devices/{device}/commands/{name}": { "post": { "tags": ["Boxes"], "summary": "Give a command",
                "x-permission": "devices:control", "parameters": [id("device", "box"),
                    { "name": "name", "in": "path", "required": true,
                      "schema": { "type": "string", "enum": ["start_stream", "stop_stream"] } }],
                "requestBody": { "content": { "application/json": { "schema": { "type": "object" } } } },
                "responses": answer(json!({ "type": "object" })) } },
            "/api/v1/files": { "get": { "tags": ["Boxes"], "summary": "List files", "x-permission": "account:read",
                "responses": answer(json!({ "type": "object" })) } },
            "/api/v1/files/{name}": {
                "get": { "tags": ["Boxes"], "summary": "Read a file", "x-permission": "account:read",
                    "parameters": [{ "name": "name", "in": "path", "required": true, "schema": { "type": "string" } }],
                    "responses": answer(json!({ "type": "object" })) },
                "put": { "tags": ["Boxes"], "summary": "Put a file", "x-permission": "account:write",
                    "parameters": [{ "name": "name", "in": "path", "required": true, "schema": { "type": "string" } }],
                    "requestBody": { "content": { "*/*": {} } }, "responses": answer(json!({ "type": "object" })) },
            },
            "/api/v1/stream": { "get": { "tags": ["Events"], "summary": "Follow changes", "x-permission": "login",
                "x-events": ["change", "alive"], "responses": { "200": { "description": "Events.",
                    "content": { "text/event-stream": { "schema": { "type": "string" } } } } } } },
        },
        "components": { "schemas": {
            "Event": { "type": "object", "required": ["id", "title"], "properties": {
                "id": { "type": "string" }, "title": { "type": "string" },
                "key": { "type": "string", "description": "The stream key." } } },
            "NewEvent": { "type": "object", "required": ["title"], "properties": {
                "title": { "type": "string", "title": "Title", "description": "What viewers read.", "minLength": 1, "maxLength": 200 },
                "device_id": { "type": ["string", "null"], "description": "The box that pushes to it." },
                "starts_at": { "type": ["string", "null"], "format": "date-time" },
                "seats": { "type": "integer", "minimum": 1, "maximum": 50, "default": 5 },
                "public": { "type": "boolean", "default": true },
                "tags": { "type": "array", "items": { "type": "string" } },
                "days": { "type": "array", "items": { "type": "string", "enum": ["sat", "sun"] } },
                "place": { "type": "object", "required": ["name"], "properties": {
                    "name": { "type": "string" }, "room": { "type": ["integer", "null"] } } },
                "extra": {} } },
            "PatchEvent": { "type": "object", "properties": {
                "title": { "type": "string", "maxLength": 200 },
                "device_id": { "type": ["string", "null"] } } },
        } },
    })
}
