import type { RecordMode } from "./event_types.ts";

/** What is recorded of an event, in words. Pure. */
export interface RecordChoice {
  mode: RecordMode;
  label: string;
  words: string;
}

/** All choices; `usual`: whether the account's settings say that it records, as far as they can be read. */
export function recordChoices(usual: unknown): RecordChoice[] {
  const account = usual === undefined ? "Its settings decide." : usual ? "It records now: each span is an item." : "It records nothing now.";
  return [
    { mode: "account", label: "As the account says", words: account },
    { mode: "recording", label: "Recording", words: "Each span from Start to Pause or End is an item of its own." },
    { mode: "dvr", label: "DVR", words: "All from the beginning of the broadcast to the event's end is one item, also what viewers did not see live." },
    { mode: "none", label: "None", words: "Nothing of it becomes an item." },
  ];
}
