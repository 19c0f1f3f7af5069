// The inputs of a form, read as JSON and filled from it. What the server says of each stands in its `data-` attributes.
import { all } from "./elements.ts";
import { parseJson, type Json } from "./json.ts";
import { localInput, ofLocalInput } from "./times.ts";

type Input = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

/** A text that should be JSON and is none. */
export class NoJson extends Error {
  readonly field: HTMLElement;

  constructor(field: HTMLElement, text: string) {
    super(`is no JSON: ${text.length > 40 ? `${text.slice(0, 40)}…` : text}`);
    this.field = field;
  }
}

/** The fields that stand directly in a part. */
export function fieldsIn(part: HTMLElement): HTMLElement[] {
  return all(part, "[data-key]").filter((field) => {
    const around = field.parentElement?.closest<HTMLElement>("[data-key], [data-item]");
    return !around || !part.contains(around) || around === part;
  });
}

function inputOf(part: HTMLElement): Input {
  const input = part.querySelector<Input>(":is(input, textarea, select):not([data-null], [data-include])");
  if (!input) throw new Error("a field without an input");
  return input;
}

/** The box of this field's own, not of a field in it. */
function own(field: HTMLElement, name: string): HTMLInputElement | undefined {
  return all<HTMLInputElement>(field, `[data-${name}]`).find((box) => box.closest("[data-key], [data-item]") === field);
}

/** What a field says; `undefined` if it is not to be sent. */
export function readField(field: HTMLElement): Json | undefined {
  if (own(field, "null")?.checked) return null;
  if (own(field, "include")?.checked === false) return undefined;
  const isRequired = "required" in field.dataset || "item" in field.dataset;
  switch (field.dataset["kind"]) {
    case "object":
      return readFields(field);
    case "list":
      return readList(field, isRequired);
    case "values": {
      const boxes = all<HTMLInputElement>(field, "input[type=checkbox]").filter((box) => !("null" in box.dataset));
      const chosen = boxes.filter((box) => box.checked).flatMap((box) => parseJson(box.value) ?? []);
      return chosen.length > 0 || isRequired || "touched" in field.dataset ? chosen : undefined;
    }
    case "flag":
      return (inputOf(field) as HTMLInputElement).checked;
    default:
      return readText(field, isRequired);
  }
}

function readText(field: HTMLElement, isRequired: boolean): Json | undefined {
  const text = inputOf(field).value;
  // A field that was emptied is sent as empty, one that nobody touched is not sent.
  const isSaid = text !== "" || isRequired || "touched" in field.dataset;
  switch (field.dataset["kind"]) {
    case "number":
      return text === "" ? undefined : Number(text);
    case "time":
      return text === "" ? undefined : ofLocalInput(text);
    case "value":
      return text === "" ? undefined : parseJson(text);
    case "json": {
      if (text.trim() === "") return undefined;
      const value = parseJson(text);
      if (value === undefined) throw new NoJson(field, text);
      return value;
    }
    default:
      return isSaid ? text : undefined;
  }
}

function readList(field: HTMLElement, isRequired: boolean): Json | undefined {
  const items = itemsOf(field).flatMap((item) => readField(item) ?? []);
  return items.length > 0 || isRequired || "touched" in field.dataset ? items : undefined;
}

function itemsOf(field: HTMLElement): HTMLElement[] {
  const list = field.querySelector<HTMLElement>("[data-items]");
  return list ? ([...list.children] as HTMLElement[]) : [];
}

/** What the fields of a part say together. */
export function readFields(part: HTMLElement): { [key: string]: Json } {
  const said: { [key: string]: Json } = {};
  for (const field of fieldsIn(part)) {
    const value = readField(field);
    if (value !== undefined) said[field.dataset["key"] ?? ""] = value;
  }
  return said;
}

/** Fills the fields of a part; what the value does not have is emptied. */
export function fillFields(part: HTMLElement, value: Json | undefined): void {
  const has = typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  for (const field of fieldsIn(part)) fillField(field, has[field.dataset["key"] ?? ""]);
}

function fillField(field: HTMLElement, value: Json | undefined): void {
  const isNull = own(field, "null");
  if (isNull) isNull.checked = value === null;
  const include = own(field, "include");
  if (include) include.checked = value !== undefined && value !== null;
  fillInput(field, value);
  markNull(field);
}

function fillInput(field: HTMLElement, value: Json | undefined): void {
  const text = value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value);
  switch (field.dataset["kind"]) {
    case "object":
      return fillFields(field, value);
    case "list": {
      const list = field.querySelector<HTMLElement>("[data-items]");
      list?.replaceChildren();
      for (const one of Array.isArray(value) ? value : []) {
        const item = addItem(field);
        if (item) fillInput(item, one);
      }
      return;
    }
    case "values": {
      const chosen = Array.isArray(value) ? value.map((one) => JSON.stringify(one)) : [];
      for (const box of all<HTMLInputElement>(field, "input[type=checkbox]:not([data-null])")) {
        box.checked = chosen.includes(JSON.stringify(parseJson(box.value)));
      }
      return;
    }
    case "flag":
      (inputOf(field) as HTMLInputElement).checked = value === true;
      return;
    case "value":
      inputOf(field).value = value === undefined ? "" : JSON.stringify(value);
      return;
    case "time":
      inputOf(field).value = text === "" ? "" : localInput(text);
      return;
    default:
      inputOf(field).value = field.dataset["kind"] === "json" && text !== "" ? JSON.stringify(value, null, 2) : text;
  }
}

/** Adds a value to a list. */
export function addItem(field: HTMLElement): HTMLElement | undefined {
  const template = field.querySelector<HTMLTemplateElement>(":scope > template");
  const item = template?.content.firstElementChild?.cloneNode(true) as HTMLElement | undefined;
  const list = field.querySelector<HTMLElement>("[data-items]");
  if (!item || !list) return undefined;
  const number = `${list.children.length}-${Math.random().toString(36).slice(2, 7)}`;
  for (const one of all(item, "[id]")) one.id = `${one.id}-${number}`;
  for (const label of all<HTMLLabelElement>(item, "label[for]")) label.htmlFor = `${label.htmlFor}-${number}`;
  for (const input of all(item, "[aria-describedby]")) input.removeAttribute("aria-describedby");
  list.append(item);
  return item;
}

/** Shows whether a field's inputs count. */
export function markNull(field: HTMLElement): void {
  const off = own(field, "null")?.checked === true || own(field, "include")?.checked === false;
  field.toggleAttribute("data-off", off);
  const inputs = all<HTMLInputElement>(field, "input, textarea, select, button");
  for (const input of inputs) {
    if (input === own(field, "null") || input === own(field, "include")) continue;
    input.disabled = off;
  }
  // What is in it may itself be null.
  if (!off) for (const inner of fieldsIn(field)) if (own(inner, "null") || own(inner, "include")) markNull(inner);
}
