import type { SlateStatus, SlateWords } from "./event_types.ts";
import type { Setting } from "./types.ts";

/** What viewers see instead of the picture. Pure. */

export const SLATES: readonly (readonly [status: SlateStatus, label: string, when: string])[] = [
  ["waiting", "Before", "Before the event is started"],
  ["paused", "Pause", "While it is paused"],
  ["ended", "After", "After it has ended"],
];

export interface Words {
  title: string;
  text: string;
}

/** The account's words for a status; nothing where its settings cannot be read. */
export function accountWords(settings: readonly Setting[], status: SlateStatus): Words | undefined {
  const find = (name: string): string | undefined => {
    const value = settings.find((one) => one.name === name)?.value;
    return typeof value === "string" ? value : undefined;
  };
  const [title, text] = [find(`${status}_title`), find(`${status}_text`)];
  return title === undefined || text === undefined ? undefined : { title, text };
}

/** What viewers read. */
export function shownWords(own: SlateWords, account: Words | undefined): Words {
  return { title: own.title ?? account?.title ?? "", text: own.text ?? account?.text ?? "" };
}

/** What a field says where the event has no words of its own. */
export function placeholder(own: string | null, account: string | undefined): string {
  if (own === "") return "Nothing is shown";
  return account === undefined ? "As the account says" : account || "The account shows nothing here";
}
