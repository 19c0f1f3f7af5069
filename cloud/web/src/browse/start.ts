import { all } from "./elements.ts";

/** Whether what is looked for is in a text: each of its words. */
export function fits(text: string, wanted: string): boolean {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  return words.every((word) => text.toLowerCase().includes(word));
}

/** The start page's search, and `/` as the way to it or to a list's filter. */
export function wireStart(): void {
  const search = document.querySelector<HTMLInputElement>("#find");
  if (search) {
    search.hidden = false;
    for (const key of all(document, "kbd[hidden]")) key.hidden = false;
    search.addEventListener("input", () => narrow(search.value));
    search.addEventListener("keydown", (event) => onKey(event, search));
    narrow(search.value);
  }
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const isTyping = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
    if (event.key !== "/" || isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const place = search ?? document.querySelector<HTMLElement>(".filter :is(input, select)");
    if (!place) return;
    event.preventDefault();
    place.focus();
  });
}

function narrow(wanted: string): void {
  const rows = all(document, "[data-find]");
  for (const row of rows) row.hidden = !fits(row.dataset["find"] ?? "", wanted);
  for (const group of all(document, "[data-group]")) group.hidden = !group.querySelector("[data-find]:not([hidden])");
  const none = document.getElementById("none");
  if (none) none.hidden = rows.some((row) => !row.hidden);
}

function onKey(event: KeyboardEvent, search: HTMLInputElement): void {
  const first = document.querySelector<HTMLAnchorElement>("[data-find]:not([hidden]) a");
  if (event.key === "Enter" && search.value.trim() !== "" && first) location.assign(first.href);
  else if (event.key === "ArrowDown" && first) {
    event.preventDefault();
    first.focus();
  }
}
