// Somebody else was quicker: both versions, and the choice between them.
import { differences, isFields } from "./changes.ts";
import { button, make } from "./elements.ts";
import { parseJson, type Json } from "./json.ts";
import { refresh } from "./refresh.ts";
import { read, send, type Sent } from "./send.ts";

/** What stands in the page of the thing that was edited. */
export function shownJson(): Json | undefined {
  const text = document.querySelector<HTMLElement>("#shown .response [data-json]")?.textContent;
  return text ? parseJson(text) : undefined;
}

const cell = (value: Json | undefined, none: string): HTMLElement =>
  value === undefined ? make("td", "soft", none) : make("td", "mono", JSON.stringify(value));

/** Shows what is there now beside what would be sent; `again` sends it on top of the new version. */
export async function showConflict(form: HTMLFormElement, sent: Sent, mine: Json | undefined, again: () => void): Promise<void> {
  const place = form.querySelector<HTMLElement>("[data-conflict]");
  if (!place) return;
  const before = shownJson();
  const now = await read(await send({ method: "GET", path: location.pathname }));
  place.hidden = false;
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", "Changed meanwhile");
  place.tabIndex = -1;
  if (now.status !== 200) {
    place.replaceChildren(
      make("p", "", make("b", "", "It is not there any more."), " Somebody has removed it meanwhile."),
      button("Show what is there", "", () => void refresh(form)),
    );
    return;
  }
  const removes = sent.method === "DELETE";
  const rows = differences(isFields(before) ? before : {}, isFields(now.json) ? now.json : {}, isFields(mine) ? mine : {});
  const head = ["Field", "When you began", "Theirs, now", ...(removes ? [] : ["Yours"])];
  const table = make("table", "versions", make("thead", "", make("tr", "", ...head.map((word) => make("th", "", word)))));
  const body = table.appendChild(make("tbody"));
  for (const { field, before: was, theirs, mine: own } of rows) {
    const cells = [cell(was, "–"), cell(theirs, "–"), ...(removes ? [] : [cell(own, "as theirs")])];
    cells.forEach((one, place) => (one.dataset["label"] = head[place + 1] ?? ""));
    const row = make("tr", own !== undefined ? "mine" : "", make("th", "mono", field), ...cells);
    body.append(row);
  }
  const done = () => {
    place.hidden = true;
    place.replaceChildren();
  };
  const theirs = button("Take theirs", "", () => {
    done();
    form.removeAttribute("data-dirty");
    void refresh(form);
  });
  theirs.dataset["choice"] = "theirs";
  const keep = button(removes ? "Remove it all the same" : "Keep mine on top of theirs", "btn-main", () => {
    done();
    const etag = now.headers.get("etag");
    if (etag) form.dataset["etag"] = etag;
    again();
  });
  keep.dataset["choice"] = "mine";
  place.replaceChildren(
    make("p", "", make("b", "", "Changed meanwhile."), " Somebody else has saved another version while you were here. Nothing of yours was sent."),
    make("div", "scroll", table),
    make("div", "form-foot", theirs, keep),
  );
  place.focus();
}
