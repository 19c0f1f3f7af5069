// The forms of a page: from inputs to a request, and from its answer back to the inputs.
import { changed, changes, isFields } from "./changes.ts";
import { showConflict } from "./conflict.ts";
import { all, make } from "./elements.ts";
import { addItem, fieldsIn, fillFields, markNull, NoJson, readFields } from "./fields.ts";
import { parseJson, type Json } from "./json.ts";
import { refresh } from "./refresh.ts";
import { showLines, showResult } from "./results.ts";
import { detailOf, faultsOf, read, send, type Answer, type Sent } from "./send.ts";
import { localInput } from "./times.ts";

type Fields = { [key: string]: Json };

/** What a form said when the page was shown. */
const begun = new WeakMap<HTMLFormElement, Fields>();

const pane = (form: HTMLFormElement, name: string): HTMLElement | null => form.querySelector(`[data-pane=${name}]`);
const raw = (form: HTMLFormElement): HTMLTextAreaElement | null => form.querySelector("[data-raw]");
const isRaw = (form: HTMLFormElement): boolean => pane(form, "json")?.hidden === false;

/** Makes the forms of a part usable. */
export function wireForms(part: ParentNode): void {
  for (const form of all<HTMLFormElement>(part, "form.op-form")) wire(form);
}

function wire(form: HTMLFormElement): void {
  for (const input of all<HTMLInputElement>(form, "input[data-value]")) {
    const text = input.dataset["value"];
    if (text) input.value = localInput(text);
  }
  for (const field of all(form, "[data-key]")) {
    if (field.querySelector("[data-null], [data-include]")) markNull(field);
  }
  const inputs = pane(form, "form");
  if (inputs) begun.set(form, readFields(inputs));
  form.addEventListener("input", (event) => {
    form.dataset["dirty"] = "";
    const field = (event.target as HTMLElement).closest<HTMLElement>("[data-key]");
    if (field) touched(field, event.target as HTMLElement);
  });
  form.addEventListener("click", (event) => onClick(form, event.target as HTMLElement));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = form.querySelector<HTMLDialogElement>("dialog[data-confirm]");
    if (question) question.showModal();
    else void submit(form);
  });
}

function touched(field: HTMLElement, target: HTMLElement): void {
  field.dataset["touched"] = "";
  if ("null" in target.dataset || "include" in target.dataset) markNull(field);
  unfault(field);
  // What is in a part of the body makes that part be there.
  const around = field.parentElement?.closest<HTMLElement>("[data-key]");
  if (around) around.dataset["touched"] = "";
}

function onClick(form: HTMLFormElement, target: HTMLElement): void {
  const pressed = target.closest<HTMLElement>("button");
  if (!pressed) return;
  const field = pressed.closest<HTMLElement>("[data-key]");
  if ("add" in pressed.dataset && field) {
    addItem(field)?.querySelector<HTMLElement>("input, textarea, select")?.focus();
    form.dataset["dirty"] = field.dataset["touched"] = "";
  } else if ("remove" in pressed.dataset && field) {
    pressed.closest("[data-item]")?.remove();
    form.dataset["dirty"] = field.dataset["touched"] = "";
    field.querySelector<HTMLElement>("[data-add]")?.focus();
  } else if (pressed.dataset["tab"]) {
    turnTo(form, pressed.dataset["tab"]);
  } else if ("cancel" in pressed.dataset) {
    pressed.closest("dialog")?.close();
  } else if ("really" in pressed.dataset) {
    pressed.closest("dialog")?.close();
    void submit(form);
  }
}

/** Turns to the inputs or to the JSON, and takes along what was written. */
function turnTo(form: HTMLFormElement, name: string): void {
  const [inputs, text] = [pane(form, "form"), raw(form)];
  if (!inputs || !text || isRaw(form) === (name === "json")) return;
  unfaultAll(form);
  try {
    if (name === "json") {
      text.value = JSON.stringify(readFields(inputs), null, 2);
    } else {
      const value = parseJson(text.value || "{}");
      if (!isFields(value)) return tell(form, ["The body must be a JSON object: mend it here first."]);
      fillFields(inputs, value);
    }
  } catch (error) {
    return faultOf(form, error);
  }
  for (const tab of all(form, "[data-tab]")) tab.setAttribute("aria-pressed", String(tab.dataset["tab"] === name));
  for (const one of all(form, "[data-pane]")) one.hidden = one.dataset["pane"] !== name;
}

/** What is to be sent; `undefined` if there is no body. */
function bodyOf(form: HTMLFormElement): Json | undefined {
  if (form.dataset["body"] === "none" || form.dataset["body"] === "file") return undefined;
  const inputs = pane(form, "form");
  let value: Json | undefined;
  if (isRaw(form)) {
    const text = raw(form)?.value.trim() ?? "";
    value = text === "" ? undefined : parseJson(text);
    if (text !== "" && value === undefined) throw new NoJson(form, text);
  } else if (inputs) {
    value = readFields(inputs);
  }
  const before = begun.get(form);
  if ("changesOnly" in form.dataset && before && isFields(value)) {
    // What is not in the JSON stays, as the API has it; an input that is empty was emptied.
    return isRaw(form) ? changed(before, value) : changes(before, value);
  }
  const isNothing = value === undefined || (isFields(value) && Object.keys(value).length === 0);
  if (isNothing) return "must" in form.dataset ? (value ?? {}) : undefined;
  return value;
}

/** The path with the words that were given for it. */
function pathOf(form: HTMLFormElement): string {
  return all<HTMLInputElement>(form, "[data-word]").reduce(
    (path, input) => path.replace(`{${input.dataset["word"]}}`, input.value.split("/").map(encodeURIComponent).join("/")),
    form.dataset["path"] ?? "",
  );
}

async function submit(form: HTMLFormElement): Promise<void> {
  unfaultAll(form);
  const method = form.dataset["method"] ?? "GET";
  const path = pathOf(form);
  if (method === "GET") {
    location.assign(path);
    return;
  }
  let value: Json | undefined;
  try {
    value = bodyOf(form);
  } catch (error) {
    return faultOf(form, error);
  }
  if ("changesOnly" in form.dataset && isFields(value) && Object.keys(value).length === 0) {
    return tell(form, ["Nothing was changed yet, so nothing was sent."]);
  }
  const file = form.querySelector<HTMLInputElement>("[data-file]")?.files?.[0];
  const type = form.querySelector<HTMLInputElement>("[data-type]")?.value || file?.type || "application/octet-stream";
  const body = file ?? (value === undefined ? undefined : JSON.stringify(value));
  const sent = { method, path, body, type: file && type, etag: form.dataset["etag"], idempotent: "idempotent" in form.dataset };
  await carryOut(form, sent, value);
}

async function carryOut(form: HTMLFormElement, sent: Sent, value: Json | undefined): Promise<void> {
  const stop = new AbortController();
  const pressed = form.querySelector<HTMLButtonElement>("[type=submit]");
  form.setAttribute("aria-busy", "true");
  if (pressed) pressed.disabled = true;
  try {
    const response = await send(sent, stop.signal);
    if (response.headers.get("content-type")?.startsWith("application/x-ndjson")) {
      await showLines(sent, response, stop);
      return;
    }
    const answer = await read(response);
    if (answer.status === 412) await showConflict(form, sent, value, () => void submit(form));
    else if (answer.status >= 400) refuse(form, answer);
    else await succeed(form, sent, answer);
  } catch (error) {
    tell(form, ["The server did not answer. What you wrote is still here: look at the network and try again.", String(error)]);
  } finally {
    form.removeAttribute("aria-busy");
    if (pressed) pressed.disabled = false;
  }
}

async function succeed(form: HTMLFormElement, sent: Sent, answer: Answer): Promise<void> {
  form.removeAttribute("data-dirty");
  await refresh(form);
  showResult(sent, answer, (form.dataset["once"] ?? "").split(" ").filter(Boolean));
}

/** Shows a refusal: what is wrong with a field stands at it. */
function refuse(form: HTMLFormElement, answer: Answer): void {
  if (answer.status === 401) {
    const login = make("a", "", "Log in again");
    login.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    login.target = "_blank";
    return tell(form, [make("span", "", "Your login has ended. ", login, " in another tab, then send this again: what you wrote stays here.")]);
  }
  const rest = faultsOf(answer).filter(({ field, detail }) => !faultAt(form, field, detail));
  const words = rest.map(({ field, detail }) => make("span", "", make("code", "", field), ` ${detail}`));
  if (faultsOf(answer).length === 0) tell(form, [`${answer.status} ${answer.words}: ${detailOf(answer)}`]);
  else if (words.length > 0) tell(form, words);
  form.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
}

function faultAt(form: HTMLFormElement, name: string, detail: string): boolean {
  let part: HTMLElement | null = isRaw(form) ? null : pane(form, "form");
  let found: HTMLElement | undefined;
  for (const step of name.split(/[.[\]/]+/).filter(Boolean)) {
    const next: HTMLElement | undefined = part ? fieldsIn(part).find((field) => field.dataset["key"] === step) : undefined;
    if (!next) break;
    part = found = next;
  }
  if (!found) return false;
  const place = found.querySelector<HTMLElement>(":scope > [data-error]");
  if (!place) return false;
  place.textContent = place.hidden ? detail : `${place.textContent}; ${detail}`;
  place.hidden = false;
  found.querySelector("input:not([data-null], [data-include]), textarea, select")?.setAttribute("aria-invalid", "true");
  return true;
}

function faultOf(form: HTMLFormElement, error: unknown): void {
  const words = error instanceof Error ? error.message : String(error);
  const at = error instanceof NoJson && error.field !== form ? error.field.querySelector<HTMLElement>(":scope > [data-error]") : null;
  if (!at) return tell(form, [`The body ${words}`]);
  at.textContent = words;
  at.hidden = false;
}

function tell(form: HTMLFormElement, words: (string | HTMLElement)[]): void {
  const place = form.querySelector<HTMLElement>("[data-faults]");
  if (!place) return;
  place.replaceChildren(...words.map((one) => make("p", "", one)));
  place.hidden = false;
}

function unfault(field: HTMLElement): void {
  const place = field.querySelector<HTMLElement>(":scope > [data-error]");
  if (place) place.hidden = true;
  for (const input of all(field, "[aria-invalid]")) input.removeAttribute("aria-invalid");
}

function unfaultAll(form: HTMLFormElement): void {
  for (const field of all(form, "[data-key]")) unfault(field);
  const place = form.querySelector<HTMLElement>("[data-faults]");
  if (place) place.hidden = true;
}
