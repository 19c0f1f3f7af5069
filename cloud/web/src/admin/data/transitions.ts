import type { EventStatus, RecordMode } from "./types.ts";

const ALLOWED: Record<EventStatus, readonly EventStatus[]> = {
  waiting: ["preview", "started"],
  preview: ["waiting", "started"],
  started: ["paused", "ended"],
  paused: ["started", "ended"],
  ended: [],
};

/** Whether an event may go from one status to another; the server has the last word. */
export function mayBecome(from: EventStatus, to: EventStatus): boolean {
  return ALLOWED[from].includes(to);
}

/** One button of the row that drives an event. */
export interface StatusButton {
  to: EventStatus;
  label: string;
  tone: "preview" | "start" | "plain" | "end";
  enabled: boolean;
  /** Why it cannot be pressed, or what it does. */
  hint: string;
}

/** What a button does, as far as it depends on what is recorded. */
const HINTS: Record<"started" | "paused" | "ended", Record<RecordMode, string>> = {
  started: {
    account: "Viewers see the broadcast, and it is recorded if the account says so",
    recording: "Viewers see the broadcast, and it is recorded",
    dvr: "Viewers see the broadcast",
    none: "Viewers see the broadcast; it is not recorded",
  },
  paused: {
    account: "Viewers see a message; a recording ends here",
    recording: "Viewers see a message; the recording ends here",
    dvr: "Viewers see a message; the recording goes on",
    none: "Viewers see a message",
  },
  ended: {
    account: "Ends the event for good; what is recorded becomes an item",
    recording: "Ends the event for good and makes an item of it",
    dvr: "Ends the event for good and makes an item of it",
    none: "Ends the event for good",
  },
};

/** The four buttons for an event in `status`, always in the same places. */
export function statusButtons(status: EventStatus, record: RecordMode = "account"): StatusButton[] {
  const back = status === "preview";
  const preview: EventStatus = back ? "waiting" : "preview";
  const buttons: StatusButton[] = [
    {
      to: preview,
      label: back ? "Close preview" : "Preview",
      tone: "preview",
      enabled: mayBecome(status, preview),
      hint: back ? "Back to waiting" : "Only you see the broadcast",
    },
    {
      to: "started",
      label: status === "paused" ? "Resume" : "Start",
      tone: "start",
      enabled: mayBecome(status, "started"),
      hint: HINTS.started[record],
    },
    {
      to: "paused",
      label: "Pause",
      tone: "plain",
      enabled: mayBecome(status, "paused"),
      hint: HINTS.paused[record],
    },
    {
      to: "ended",
      label: "End",
      tone: "end",
      enabled: mayBecome(status, "ended"),
      hint: HINTS.ended[record],
    },
  ];
  return buttons.map((button) => (button.enabled ? button : { ...button, hint: whyNot(status, button.to) }));
}

function whyNot(status: EventStatus, to: EventStatus): string {
  if (status === "ended") return "This event has ended; create a new one";
  if (status === to || (status === "started" && to === "started")) return `The event is ${status} already`;
  if (to === "paused" || to === "ended") return "Possible once the event is started";
  return `Not possible while the event is ${status}`;
}
