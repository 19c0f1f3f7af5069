// What became of a request: above the page, until it is closed or left.
import { copyButton } from "./copy.ts";
import { all, button, make } from "./elements.ts";
import { isFields } from "./changes.ts";
import { linksOf, parseJson, showJson, type Json } from "./json.ts";
import type { Answer, Sent } from "./send.ts";
import { tellTimes } from "./times.ts";

/** Results that stay; those with a secret in them stay in any case. */
const MAX_RESULTS = 4;
/** Lines that a long answer keeps. */
const MAX_LINES = 500;
const TOLD = ["location", "etag", "retry-after", "content-type"];

/** The beginnings of ids with their collections. */
export const links = (): Map<string, string> => linksOf(document.getElementById("main")?.dataset["links"]);

function card(sent: Sent, status: string, good: boolean): HTMLElement {
  const method = make("span", `method method-${sent.method.toLowerCase()}`, sent.method);
  const chip = make("span", `chip ${good ? "chip-ready" : "chip-fault"}`, status);
  chip.dataset["result"] = status.slice(0, 3);
  const section = make("section", "card result");
  const close = button("Close", "btn-bare btn-small", () => section.remove());
  section.append(make("div", "request", method, make("code", "path", sent.path), chip, make("span", "gap"), close));
  section.tabIndex = -1;
  section.setAttribute("aria-label", `Answer to ${sent.method} ${sent.path}`);
  return section;
}

function place(section: HTMLElement): void {
  const results = document.getElementById("results");
  if (!results) return;
  results.prepend(section);
  const old = all(results, ".result:not([data-secret])").slice(MAX_RESULTS);
  for (const one of old) one.remove();
  section.focus({ preventScroll: true });
  section.scrollIntoView({ block: "nearest" });
}

/** Shows a whole answer; `once` names the fields that are told in it alone. */
export function showResult(sent: Sent, answer: Answer, once: readonly string[]): void {
  const section = card(sent, `${answer.status} ${answer.words}`.trim(), answer.status < 400);
  const body = make("div", "response");
  const secrets = once.flatMap((name) => (isFields(answer.json) && name in answer.json ? [[name, answer.json[name]] as const] : []));
  if (secrets.some(([, value]) => value !== null)) {
    section.dataset["secret"] = "";
    body.append(secretsOf(secrets));
  }
  const headers = make("dl", "headers");
  for (const name of TOLD) {
    const value = answer.headers.get(name);
    if (!value) continue;
    const shown = name === "location" && value.startsWith("/") ? make("a", "", value) : make("span", "", value);
    if (shown instanceof HTMLAnchorElement) shown.href = value;
    headers.append(make("div", "", make("dt", "", name), make("dd", "", shown)));
  }
  body.append(headers);
  if (answer.json !== undefined) body.append(jsonWithCopy(answer.json));
  else if (answer.text) body.append(make("pre", "plain", answer.text.slice(0, 20_000)));
  section.append(body);
  tellTimes(section);
  place(section);
}

function jsonWithCopy(value: Json): HTMLElement {
  const shown = showJson(value, links());
  return make("div", "copied-json", copyButton(shown, "Copy JSON"), shown);
}

function secretsOf(secrets: (readonly [string, Json | undefined])[]): HTMLElement {
  const box = make("div", "once", make("p", "", make("b", "", "Shown only this once."), " Copy it before you leave this page."));
  for (const [name, value] of secrets) {
    if (value === null || value === undefined) continue;
    const shown = make("code", "", typeof value === "string" ? value : JSON.stringify(value, null, 2));
    shown.dataset["once"] = name;
    box.append(make("div", "field", make("span", "label", name), make("div", "copy", shown, copyButton(shown))));
  }
  return box;
}

/** Shows an answer line by line while it comes. */
export async function showLines(sent: Sent, response: Response, stop: AbortController): Promise<void> {
  const section = card(sent, `${response.status} ${response.statusText}`.trim(), response.ok);
  const lines = make("ol", "stream");
  const end = button("Stop", "btn-small", () => stop.abort());
  section.append(make("div", "response", end, lines));
  place(section);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const piece = await reader?.read();
      if (!piece || piece.done) break;
      rest += piece.value;
      const whole = rest.split("\n");
      rest = whole.pop() ?? "";
      for (const line of whole) addLine(lines, "", line, MAX_LINES);
    }
  } catch {
    addLine(lines, "", "stopped", MAX_LINES);
  }
  if (rest) addLine(lines, "", rest, MAX_LINES);
  end.remove();
}

/** Adds a line to a list that has at most so many: its JSON unfolds. */
export function addLine(list: HTMLElement, name: string, text: string, most: number): void {
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const value = parseJson(text);
  const time = make("time", "soft", new Date().toLocaleTimeString());
  const words = [time, " ", name && make("b", "", name), name ? " " : "", make("span", "mono", text)];
  const line = make("li");
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    const fold = make("details", "", make("summary", "", ...words));
    fold.addEventListener("toggle", () => fold.childElementCount > 1 || fold.append(showJson(value, links())), { once: true });
    line.append(fold);
  } else {
    line.append(...words.filter((word) => word !== ""));
  }
  list.append(line);
  while (list.childElementCount > most) list.firstElementChild?.remove();
  if (atEnd) list.scrollTop = list.scrollHeight;
}
