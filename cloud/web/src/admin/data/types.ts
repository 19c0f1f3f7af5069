export type * from "./event_types.ts";

export interface Item {
  id: string;
  number: number;
  title: string;
  version: number;
  created_at: string;
  duration_ms: number | null;
  event_id?: string | null;
  recording_id?: string | null;
  /** What of the recording is left out, in milliseconds. */
  trim_from_ms: number | null;
  trim_to_ms: number | null;
  /** When the account's limit deletes it; null where there is none. */
  deletes_at?: string | null;
}

/** A recording as the server keeps it. */
export interface Recording {
  id: string;
  /** What people call it. */
  name: string | null;
  ended_at: string | null;
  /** Known once its event has ended. */
  duration_ms: number | null;
  /** What it lacks, in words. */
  warning: string | null;
}

/** The caller's account. */
export interface Account {
  number: number;
  name: string;
  version: number;
  limits: {
    storage_gib: number | null;
    events_at_once: number | null;
  broadcasts_at_once: number | null;
  broadcast_kbps: number | null;
    recording_days: number | null;
    upload_gib: number | null;
  };
  usage: {
    storage_bytes: number | null;
    storage_level: "free" | "high" | "nearly_full" | "full";
    counted_at: string | null;
  };
}

export type SettingValue = string | number | boolean;

/** One setting of the account: what it is and what it may be. */
export interface Setting {
  name: string;
  group: string;
  type: "flag" | "text" | "title" | "number" | "choice" | "colour" | "time_zone" | "picture";
  unit: string | null;
  description: string;
  value: SettingValue;
  default: SettingValue;
  is_set: boolean;
  min: number | null;
  max: number | null;
  max_length: number | null;
  /** What may be chosen, if it is a choice. */
  choices: string[] | null;
}

export interface SettingsAnswer {
  data: Setting[];
  version: number;
}

/** A small file of the account that its pages, or others, can show. */
export interface IncludeFile {
  name: string;
  url: string;
  /** Its address with its content's hash: it never changes. */
  versioned_url: string;
  content_type: string;
  bytes: number;
  sha256: string;
  created_at: string;
  updated_at: string;
}

export type JobState = "waiting" | "running" | "done" | "failed" | "cancelled";

/** Something long that the server does in the background. */
export interface Job {
  id: string;
  kind: string;
  subject: string | null;
  title: string;
  state: JobState;
  /** Of a hundred; null while nobody can tell. */
  percent: number | null;
  /** What it does just now, or what came of it. */
  words: string | null;
  /** Why it failed, or why its last attempt did. */
  error: string | null;
  cancelling: boolean;
  attempts: number;
  max_attempts: number;
  created_at: string;
  run_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  version: number;
}

export interface Output {
  role: "main" | "backup" | "third" | "fourth";
  state: "off" | "connecting" | "sending" | "waiting" | "unknown";
  url: string | null;
  bitrate_kbps: number;
  queued_ms: number;
  sent_bytes: number;
  dropped_frames: number;
  reconnects: number;
  error: string | null;
}

/** A moment of a recording that was marked. */
export interface Mark {
  number: number;
  file: string;
  at_ms: number;
  label?: string;
}

/** What a box says of itself once a second. */
export interface Telemetry {
  ts?: string;
  /** Whether the box's clock is right. */
  clock_synced?: boolean;
  live: { state: "off" | "connecting" | "degraded" | "live" | "unknown"; since_ms: number | null };
  recording: {
    state: "off" | "starting" | "recording" | "failed" | "unknown";
    file: string | null;
    duration_ms: number;
    bytes: number;
    error: string | null;
    /** Which disk it is on, where the box may choose. */
    disk?: string;
    /** Why it is not on the disk that it should be on, and what to do about it. */
    disk_error?: string;
    /** The disk takes it more slowly than it is made, and what to do about it. */
    slow?: string;
    /** Frames that were lost because the disk was too slow. */
    dropped_frames?: number;
    /** The moments that were marked last, the newest at the end. */
    marks?: Mark[];
    /** Recordings that wait to be uploaded. */
    uploads_waiting?: number;
  };
  signal: {
    state: "none" | "unstable" | "locked" | "out_of_range" | "no_cable" | "protected" | "unknown";
    source: string;
    width: number;
    height: number;
    fps: number;
    audio: boolean;
    /** Why there is no picture, and what to do about it. */
    reason?: string;
    /** What is wrong with a picture or sound that is there. */
    alarms?: ("silent" | "black" | "frozen" | "unknown")[];
  };
  encoder: {
    state: "stopped" | "starting" | "running" | "failed" | "unknown";
    name: string;
    bitrate_kbps: number;
    /** What the recording's own encode makes. */
    recording_kbps?: number;
    /** Why the recording has no encode of its own although it should. */
    not_twice?: string;
    /** What its picture is to take while main's line carries no more. */
    lowered_to_kbps?: number;
    fps: number;
    frames: number;
    dropped_frames: number;
    restarts: number;
    error: string | null;
    /** Which encoder failed while it ran, so that this one stands in for it. */
    degraded?: string;
  };
  outputs: Output[];
  audio: { peak_dbfs: number; rms_dbfs: number }[];
  storage: { free_bytes: number; total_bytes: number; remaining_s: number | null };
  temperature_c: number | null;
  cpu_percent: number | null;
  identify_ms: number;
  memory?: { total_bytes: number; available_bytes: number; agent_bytes?: number; media_bytes?: number };
  /** What the machine cannot tell is absent. */
  power?: { under_voltage?: boolean; throttled?: boolean; since_boot?: boolean };
  /** Its interfaces that are up. */
  network?: Interface[];
  /** What is wrong with the machine, and what to do about it. */
  warnings?: { kind: "under_voltage" | "throttled" | "hot" | "memory_low" | "clock" | "link_errors" | "unknown"; words: string }[];
  /** The test before going live that runs, or ran last since the box's start. */
  preflight?: Preflight;
}

export interface Interface {
  name: string;
  kind: "wired" | "wifi" | "cellular" | "other";
  speed_mbps?: number;
  addresses: string[];
  received_kbps: number;
  sent_kbps: number;
  errors: number;
}

/** How far a box came with the configuration that is wanted of it. */
export interface ReportedConfig {
  version: number;
  applied: boolean;
  /** What it waits for, if it is good and does not hold yet. */
  waits?: string;
  errors?: { field: string; problem: string; fix: string }[];
  /** What it could not do as its configuration says. */
  notes?: string[];
  /** What it works with. */
  running?: Record<string, unknown>;
}

/** A test of a box before going live, as far as it came. */
export interface Preflight {
  state: "running" | "passed" | "warned" | "failed" | "cancelled" | "unknown";
  percent: number;
  started_at: string;
  finished_at?: string;
  checks: PreflightCheck[];
  upload_kbps?: number;
}

/** One thing that is looked at. */
export interface PreflightCheck {
  name: string;
  verdict: "waiting" | "running" | "pass" | "warn" | "fail" | "skipped" | "unknown";
  said: string;
  /** What to do about it. */
  fix?: string;
}

export interface Device {
  id: string;
  name: string;
  version: number;
  created_at: string;
  online: boolean;
  last_seen_at: string | null;
  telemetry: Telemetry | null;
  /** What differs from the box's own file. */
  config: Record<string, unknown> | null;
  reported: { error: string | null; state: { config?: ReportedConfig } } | null;
}

/** What a box answered to a command. */
export interface CommandAnswer {
  status: "accepted" | "done" | "rejected";
  code: number;
  error: string | null;
  /** What was asked for. */
  result?: unknown;
}

/** A piece of a box's packed log lines. */
export interface LogPiece {
  of: string;
  lines: number;
  total_bytes: number;
  offset: number;
  /** Base64. */
  data: string;
}

export type CommandName =
  | "start_stream"
  | "stop_stream"
  | "start_recording"
  | "stop_recording"
  | "reconnect"
  | "identify"
  | "retry_encoder"
  | "preflight"
  | "cancel_preflight"
  | "mark";

/** A condition that an operator should know of, as long as it lasts. */
export interface Alarm {
  name: string;
  words: string;
  since: string;
}
