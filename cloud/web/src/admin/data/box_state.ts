import { bytes, duration, kbps, span } from "./format.ts";
import type { CommandName, Device, Mark, Output, Telemetry } from "./types.ts";

/** How a box stands, as its tally shows it. */
export type BoxTone = "off" | "ready" | "live" | "warn";

export interface BoxState {
  tone: BoxTone;
  label: string;
}

/** What the tally of a box says. Pure. */
export function boxState(device: Device): BoxState {
  const now = device.telemetry;
  if (!device.online) return { tone: "off", label: now ? "Offline" : "Never seen" };
  if (!now) return { tone: "ready", label: "Online" };
  if (now.live.state === "live") return trouble(now) ? { tone: "warn", label: "LIVE, with trouble" } : { tone: "live", label: "LIVE" };
  if (now.live.state === "degraded") return { tone: "warn", label: "LIVE, one output only" };
  if (now.live.state === "connecting") return { tone: "warn", label: "Connecting" };
  return trouble(now) ? { tone: "warn", label: "Needs attention" } : { tone: "ready", label: "Ready" };
}

function trouble(now: Telemetry): boolean {
  const failed = now.encoder.state === "failed" || now.recording.state === "failed";
  return failed || now.signal.state !== "locked" || (now.warnings?.length ?? 0) > 0;
}

/** Whether the box means to be live, whatever came of it. */
export function meansToBeLive(now: Telemetry | null): boolean {
  return now !== null && now.live.state !== "off" && now.live.state !== "unknown";
}

export function meansToRecord(now: Telemetry | null): boolean {
  return now !== null && now.recording.state !== "off" && now.recording.state !== "unknown";
}

const SIGNAL = {
  none: "No signal",
  unstable: "Unstable",
  locked: "Locked",
  out_of_range: "Format not supported",
  no_cable: "No cable",
  protected: "Protected (HDCP)",
  unknown: "Unknown",
} as const;

const ALARM = {
  silent: "nothing is to be heard",
  black: "the picture is black",
  frozen: "the picture stands still",
  unknown: "something is wrong",
} as const;

export function signalText({ signal }: Telemetry): [main: string, more: string] {
  if (signal.state !== "locked") return [SIGNAL[signal.state] ?? "Unknown", signal.reason ?? signal.source];
  const alarms = signal.alarms?.map((alarm) => ALARM[alarm] ?? "Something is wrong").join(", ");
  return [`${signal.width}×${signal.height} · ${trim(signal.fps)} fps`, alarms || signal.source];
}

export function encoderText(encoder: Telemetry["encoder"]): string {
  if (encoder.error !== null) return encoder.error;
  const lowered = encoder.lowered_to_kbps;
  if (lowered !== undefined) return `lowered to ${lowered} kbit/s: the line of the main output carries no more`;
  const makes = `${encoder.fps.toFixed(1)} fps · ${encoder.name}`;
  if (encoder.degraded !== undefined) return `${makes} stands in: ${encoder.degraded}`;
  if (encoder.not_twice !== undefined) return `${makes} · ${encoder.not_twice}`;
  return encoder.recording_kbps === undefined ? makes : `${makes} · recording at ${encoder.recording_kbps} kbit/s`;
}

function trim(fps: number): string {
  return Number.isInteger(fps) ? String(fps) : fps.toFixed(2);
}

const OUTPUT = {
  off: "Off",
  connecting: "Connecting…",
  sending: "Sending",
  waiting: "Waiting to reconnect",
  unknown: "Unknown",
} as const;

export function outputText(output: Output): [main: string, more: string] {
  const more = [
    output.dropped_frames > 0 ? `${output.dropped_frames} frames dropped` : "",
    output.reconnects > 0 ? `${output.reconnects} reconnects` : "",
    output.queued_ms > 500 ? `${(output.queued_ms / 1000).toFixed(1)} s queued` : "",
  ].filter(Boolean);
  const main = output.state === "sending" ? kbps(output.bitrate_kbps) : (OUTPUT[output.state] ?? "Unknown");
  return [main, output.error ?? more.join(" · ")];
}

/** What is to be said of a recording, and whether it is a trouble. */
export function recordingText({ recording }: Telemetry): [main: string, more: string, trouble: boolean] {
  const main = recording.state === "recording" ? duration(recording.duration_ms) : recording.state;
  const trouble = recording.error ?? recording.slow ?? recording.disk_error;
  if (trouble) return [main, trouble, true];
  const { disk, dropped_frames = 0, uploads_waiting = 0 } = recording;
  const more = [
    recording.bytes > 0 ? bytes(recording.bytes) : "",
    disk === undefined ? "" : `on ${disk === "internal" ? "the internal disk" : disk}`,
    dropped_frames > 0 ? `${dropped_frames} frames lost` : "",
    uploads_waiting > 0 ? `${uploads_waiting} to be uploaded` : "",
  ].filter(Boolean);
  return [main, more.join(" · "), dropped_frames > 0];
}

export function markText(mark: Mark): string {
  return mark.label === undefined ? duration(mark.at_ms) : `${duration(mark.at_ms)} ${mark.label}`;
}

export function storageText({ storage }: Telemetry): string {
  if (storage.remaining_s === null) return "";
  return `${span(storage.remaining_s)} left`;
}

export const COMMAND_WORDS: Record<CommandName, string> = {
  start_stream: "Go live",
  stop_stream: "Stop",
  start_recording: "Record",
  stop_recording: "Stop recording",
  reconnect: "Reconnect",
  identify: "Identify",
  retry_encoder: "Try the encoder again",
  preflight: "Test before going live",
  cancel_preflight: "Cancel the test",
  mark: "Mark",
};
