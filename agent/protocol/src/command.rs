//! `command/<name>` and `response/<requester>`.

use crate::logs::{FetchLogsArgs, FetchMoreLogsArgs, LogLevel, MOST_LOG_MINUTES};
use crate::preflight::{LONGEST_UPLOAD_S, UPLOAD_S};
use crate::{id::CommandId, telemetry::OutputRole, timestamp::Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a box can be told to do: by the panel, a dashboard and the cloud alike.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    StartStream,
    StopStream,
    StartRecording,
    StopRecording,
    /// Connect outputs that wait, now; one of them or all.
    Reconnect {
        output: Option<OutputRole>,
    },
    /// Blink and show the name, so that a person finds this box in the rack.
    Identify {
        duration_ms: u32,
    },
    /// Try encoders that failed while they ran once more, beside the one that stands in for them.
    RetryEncoder,
    /// Answer with log lines of the last minutes, those of this level and worse; with their first piece.
    FetchLogs {
        minutes: u32,
        level: LogLevel,
    },
    /// Answer with the piece of those lines that begins there, in bytes.
    FetchMoreLogs {
        of: CommandId,
        offset: u32,
    },
    /// Look whether everything is fit for going live, without doing so.
    Preflight {
        /// For how long the upload is measured.
        upload_s: u32,
    },
    /// End the test that runs.
    CancelPreflight,
    /// Note this moment of the recording.
    Mark {
        /// What happens there; at most [`LONGEST_LABEL`] characters.
        label: Option<String>,
    },
}

/// How long a box identifies itself when nothing else is said.
pub const IDENTIFY_MS: u32 = 10_000;
/// The longest time for which a box identifies itself.
pub const LONGEST_IDENTIFY_MS: u32 = 600_000;

/// Characters of the longest label of a mark.
pub const LONGEST_LABEL: usize = 200;

/// Why a command was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("unknown command `{name}`; known are {}", Command::NAMES.join(", "))]
    UnknownCommand { name: String },
    #[error("args of `{command}`: {problem}")]
    BadArgs { command: &'static str, problem: String },
}

impl Rejection {
    /// The code in the response: 404 or 400.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::UnknownCommand { .. } => 404,
            Self::BadArgs { .. } => 400,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArgs {}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReconnectArgs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<OutputRole>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentifyArgs {
    #[serde(default = "identify_ms")]
    duration_ms: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreflightArgs {
    #[serde(default = "upload_s")]
    upload_s: u32,
}

fn upload_s() -> u32 {
    UPLOAD_S
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkArgs {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

impl MarkArgs {
    /// A label of one line; one of nothing but space is none.
    fn check(self) -> Result<Option<String>, Rejection> {
        let Some(label) = self.label else { return Ok(None) };
        let problem = if label.chars().count() > LONGEST_LABEL {
            format!("label has {} characters; at most {LONGEST_LABEL} are kept", label.chars().count())
        } else if label.chars().any(char::is_control) {
            "label has control characters; give one line of text".to_owned()
        } else {
            let label = label.trim();
            return Ok((!label.is_empty()).then(|| label.to_owned()));
        };
        Err(Rejection::BadArgs { command: "mark", problem })
    }
}

fn identify_ms() -> u32 {
    IDENTIFY_MS
}

fn read<T: serde::de::DeserializeOwned>(
    command: &'static str,
    args: &Map<String, Value>,
) -> Result<T, Rejection> {
    serde_json::from_value(Value::Object(args.clone()))
        .map_err(|error| Rejection::BadArgs { command, problem: error.to_string() })
}

fn write<T: Serialize>(args: &T) -> Map<String, Value> {
    match serde_json::to_value(args) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

impl Command {
    /// Whether it only asks for something: it may be carried out as often as it arrives, beside others.
    #[must_use]
    pub fn is_question(&self) -> bool {
        matches!(self, Self::FetchLogs { .. } | Self::FetchMoreLogs { .. })
    }

    /// Every name of version 1.
    pub const NAMES: [&'static str; 12] = [
        "start_stream",
        "stop_stream",
        "start_recording",
        "stop_recording",
        "reconnect",
        "identify",
        "retry_encoder",
        "fetch_logs",
        "fetch_more_logs",
        "preflight",
        "cancel_preflight",
        "mark",
    ];

    /// The last level of the command's topic.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::StartStream => "start_stream",
            Self::StopStream => "stop_stream",
            Self::StartRecording => "start_recording",
            Self::StopRecording => "stop_recording",
            Self::Reconnect { .. } => "reconnect",
            Self::Identify { .. } => "identify",
            Self::RetryEncoder => "retry_encoder",
            Self::FetchLogs { .. } => "fetch_logs",
            Self::FetchMoreLogs { .. } => "fetch_more_logs",
            Self::Preflight { .. } => "preflight",
            Self::CancelPreflight => "cancel_preflight",
            Self::Mark { .. } => "mark",
        }
    }

    /// The `args` of the envelope.
    #[must_use]
    pub fn args(&self) -> Map<String, Value> {
        match self {
            Self::StartStream
            | Self::StopStream
            | Self::StartRecording
            | Self::StopRecording
            | Self::RetryEncoder
            | Self::CancelPreflight => Map::new(),
            Self::Reconnect { output } => write(&ReconnectArgs { output: *output }),
            Self::Identify { duration_ms } => write(&IdentifyArgs { duration_ms: *duration_ms }),
            Self::FetchLogs { minutes, level } => write(&FetchLogsArgs { minutes: *minutes, level: *level }),
            Self::FetchMoreLogs { of, offset } => {
                write(&FetchMoreLogsArgs { of: of.clone(), offset: *offset })
            }
            Self::Preflight { upload_s } => write(&PreflightArgs { upload_s: *upload_s }),
            Self::Mark { label } => write(&MarkArgs { label: label.clone() }),
        }
    }

    /// Reads a command from its topic's last level and its arguments.
    ///
    /// # Errors
    /// If the name is unknown, or an argument is unknown or bad: a box never does half of what it was told.
    pub fn parse(name: &str, args: &Map<String, Value>) -> Result<Self, Rejection> {
        match name {
            "start_stream" => read::<NoArgs>("start_stream", args).map(|_| Self::StartStream),
            "stop_stream" => read::<NoArgs>("stop_stream", args).map(|_| Self::StopStream),
            "start_recording" => read::<NoArgs>("start_recording", args).map(|_| Self::StartRecording),
            "stop_recording" => read::<NoArgs>("stop_recording", args).map(|_| Self::StopRecording),
            "reconnect" => {
                read::<ReconnectArgs>("reconnect", args).map(|args| Self::Reconnect { output: args.output })
            }
            "identify" => {
                let duration_ms = read::<IdentifyArgs>("identify", args)?.duration_ms;
                if duration_ms == 0 || duration_ms > LONGEST_IDENTIFY_MS {
                    let problem =
                        format!("duration_ms is {duration_ms}; it must be 1 to {LONGEST_IDENTIFY_MS}");
                    return Err(Rejection::BadArgs { command: "identify", problem });
                }
                Ok(Self::Identify { duration_ms })
            }
            "retry_encoder" => read::<NoArgs>("retry_encoder", args).map(|_| Self::RetryEncoder),
            "fetch_logs" => {
                let FetchLogsArgs { minutes, level } = read("fetch_logs", args)?;
                if !(1..=MOST_LOG_MINUTES).contains(&minutes) {
                    let problem = format!("minutes is {minutes}; it must be 1 to {MOST_LOG_MINUTES}");
                    return Err(Rejection::BadArgs { command: "fetch_logs", problem });
                }
                Ok(Self::FetchLogs { minutes, level })
            }
            "fetch_more_logs" => {
                let FetchMoreLogsArgs { of, offset } = read("fetch_more_logs", args)?;
                Ok(Self::FetchMoreLogs { of, offset })
            }
            "preflight" => {
                let upload_s = read::<PreflightArgs>("preflight", args)?.upload_s;
                if upload_s == 0 || upload_s > LONGEST_UPLOAD_S {
                    let problem = format!("upload_s is {upload_s}; it must be 1 to {LONGEST_UPLOAD_S}");
                    return Err(Rejection::BadArgs { command: "preflight", problem });
                }
                Ok(Self::Preflight { upload_s })
            }
            "cancel_preflight" => read::<NoArgs>("cancel_preflight", args).map(|_| Self::CancelPreflight),
            "mark" => Ok(Self::Mark { label: read::<MarkArgs>("mark", args)?.check()? }),
            _ => Err(Rejection::UnknownCommand { name: name.chars().take(64).collect() }),
        }
    }
}

/// The payload of `command/<name>`; Response Topic, Correlation Data and Message Expiry are MQTT properties beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandEnvelope {
    /// A command delivered twice has the same id and is carried out once.
    pub id: CommandId,
    pub issued_at: Timestamp,
    /// After this moment nobody waits for it: a box whose clock is right refuses it (408).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    #[serde(default)]
    pub args: Map<String, Value>,
}

/// The payload of `response/<requester>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = CommandAnswer))]
pub struct CommandResponse {
    /// The command that this answers.
    pub id: CommandId,
    /// How far it came.
    pub status: ResponseStatus,
    /// As in HTTP: 200 done, 202 accepted, 400 bad arguments, 404 unknown, 408 expired, 409 not in this state, 500, 503.
    pub code: u16,
    /// Why it was rejected.
    pub error: Option<String>,
    /// What was asked for: of `fetch_logs` and `fetch_more_logs` a [`LogPiece`](crate::LogPiece).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub result: Option<Map<String, Value>>,
}

/// How far a command came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = CommandOutcome))]
pub enum ResponseStatus {
    /// Understood and kept; it is being carried out.
    Accepted,
    Done,
    Rejected,
}

/// What came of a command, whoever gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The intent is kept; carrying it out takes its time.
    Accepted,
    Done,
    /// Done, and this is what was asked for.
    Told(Map<String, Value>),
    /// Not carried out: a code as in HTTP, and a sentence that says why.
    Rejected {
        code: u16,
        error: String,
    },
}

impl Outcome {
    /// The response to the command `id`.
    #[must_use]
    pub fn response(&self, id: CommandId) -> CommandResponse {
        let (status, code, error, result) = match self {
            Self::Accepted => (ResponseStatus::Accepted, 202, None, None),
            Self::Done => (ResponseStatus::Done, 200, None, None),
            Self::Told(result) => (ResponseStatus::Done, 200, None, Some(result.clone())),
            Self::Rejected { code, error } => (ResponseStatus::Rejected, *code, Some(error.clone()), None),
        };
        CommandResponse { id, status, code, error, result }
    }
}

impl From<Rejection> for Outcome {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected { code: rejection.code(), error: rejection.to_string() }
    }
}

/// Who gave a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "schema", schema(as = BoxOrigin))]
pub enum Origin {
    Panel,
    Cloud,
    LocalWeb,
    /// The box itself, taking up what it meant to do before a restart.
    Resume,
    #[serde(other)]
    Unknown,
}
