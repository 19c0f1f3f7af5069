// The pages of the API: what the server has rendered is there without this; here are its forms and what is live.
import "./styles/browse.css";
import { wireCopying } from "./copy.ts";
import { wireForms } from "./form.ts";
import { wireFrame } from "./frame.ts";
import { wireStart } from "./start.ts";
import { wireStream } from "./stream.ts";
import { tellTimes } from "./times.ts";

/** Makes a part of the page usable. */
export function wire(part: ParentNode): void {
  wireForms(part);
  wireStream(part);
  wireCopying(part);
  tellTimes(part);
}

wireFrame(wire);
wireStart();
wire(document);
