/** The pages of the administrator, by their address. */
export type Route =
  | { page: "events" }
  | { page: "event"; id: string }
  | { page: "devices" }
  | { page: "device"; id: string }
  | { page: "items" }
  | { page: "item"; id: string }
  | { page: "jobs" }
  | { page: "files" }
  | { page: "settings" }
  | { page: "log" }
  | { page: "me" }
  | { page: "forgot" }
  | { page: "reset" }
  | { page: "missing" };

/** Pure: reads a path. */
export function routeOf(path: string): Route {
  const [head = "", id, more] = path.split("/").filter(Boolean);
  if (more !== undefined) return { page: "missing" };
  if (head === "" || head === "login") return { page: "events" };
  if (head === "events") return id ? { page: "event", id } : { page: "events" };
  if (head === "devices") return id ? { page: "device", id } : { page: "devices" };
  if (head === "items") return id ? { page: "item", id } : { page: "items" };
  if (head === "jobs" && !id) return { page: "jobs" };
  if (head === "files" && !id) return { page: "files" };
  if (head === "settings" && !id) return { page: "settings" };
  if ((head === "log" || head === "me" || head === "forgot" || head === "reset") && !id) return { page: head };
  return { page: "missing" };
}
