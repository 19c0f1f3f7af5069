import { all } from "./elements.ts";
import { refresh, whenShown } from "./refresh.ts";
import { send } from "./send.ts";

/** What is around every page: its appearance, its way out, and the ways to its forms. */
export function wireFrame(wire: (part: ParentNode) => void): void {
  const theme = localStorage.getItem("stagebox-theme");
  if (theme === "dark" || theme === "light") document.documentElement.dataset["theme"] = theme;
  whenShown((part) => {
    wire(part);
    showButtons(part);
  });
  showButtons(document);
  document.addEventListener("click", (event) => {
    const target = event.target as HTMLElement;
    if (target.closest("[data-logout]")) void leave();
    else if (target.closest("[data-reload]")) void refresh();
    const link = target.closest<HTMLAnchorElement>("a[href^='#']");
    if (link) openAt(link.hash);
  });
  addEventListener("hashchange", () => openAt(location.hash));
  openAt(location.hash);
}

/** What needs the script is not there without it. */
function showButtons(part: ParentNode): void {
  for (const one of all(part, "[data-logout], [data-reload]")) one.hidden = false;
}

/** Unfolds the form that an address points to. */
function openAt(hash: string): void {
  const place = hash.length > 1 ? document.getElementById(hash.slice(1)) : null;
  if (!(place instanceof HTMLDetailsElement)) return;
  place.open = true;
  const input = place.querySelector<HTMLElement>("form :is(input, select, textarea):not([data-null], [data-include]), summary");
  requestAnimationFrame(() => {
    place.scrollIntoView({ block: "start" });
    input?.focus({ preventScroll: true });
  });
}

async function leave(): Promise<void> {
  await send({ method: "DELETE", path: "/api/v1/session" });
  location.assign("/login");
}
