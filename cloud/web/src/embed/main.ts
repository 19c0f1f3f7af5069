import { mount } from "svelte";
import "./embed.css";
import EventPage from "./EventPage.svelte";
import ItemPage from "./ItemPage.svelte";
import Message from "./Message.svelte";
import { applyLook, readPageData } from "./page_data.ts";

// Fetched while the viewer still reads the message, so that Start shows a picture at once.
void import("hls.js");

const target = document.getElementById("player");
const page = readPageData(document);
if (target) {
  if (page) applyLook(page.look, document.documentElement.style);
  if (page?.kind === "event") mount(EventPage, { target, props: { initial: page, look: page.look } });
  else if (page?.kind === "item") mount(ItemPage, { target, props: { id: page.id, title: page.title } });
  else mount(Message, { target, props: { title: "Nothing to play", text: "Load the page again to try once more." } });
}
