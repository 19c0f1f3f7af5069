import { all } from "./elements.ts";

type Wire = (part: ParentNode) => void;

let wire: Wire = () => {};

/** Says how a new part of the page is made usable. */
export function whenShown(act: Wire): void {
  wire = act;
}

/** Reads the page anew and shows it: forms that were begun and not sent stay as they are. */
export async function refresh(sent?: HTMLElement): Promise<void> {
  const shown = document.getElementById("shown");
  if (!shown) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  // The login has ended: what stands here is worth more than a login page.
  if (answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("shown");
  if (!fresh) return;
  const open = new Set(all<HTMLDetailsElement>(shown, "details[id]").filter((one) => one.open).map((one) => one.id));
  const begun = all(shown, "form[data-dirty]").filter((form) => form !== sent);
  const kept = new Map(begun.flatMap((form) => {
    const around = form.closest<HTMLElement>("details[id]");
    return around ? [[around.id, around] as const] : [];
  }));
  for (const details of all<HTMLDetailsElement>(fresh, "details[id]")) details.open = open.has(details.id) || details.open;
  shown.replaceChildren(...fresh.childNodes);
  wire(shown);
  for (const [id, around] of kept) document.getElementById(id)?.replaceWith(around);
  document.title = page.title;
}
