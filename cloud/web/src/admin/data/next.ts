/** Where the login page leads back to: a path of this server and nothing else, whatever its query says. */
export function nextOf(search: string, origin: string): string | undefined {
  const next = new URLSearchParams(search).get("next");
  // Browsers take a backslash for a slash, and leave out what no address may have: those are refused before they are read.
  if (!next?.startsWith("/") || /[\\\u0000-\u0020]/.test(next)) return undefined;
  let address: URL;
  try {
    address = new URL(next, origin);
  } catch {
    return undefined;
  }
  if (address.origin !== origin || address.pathname.startsWith("//") || address.pathname === "/login") return undefined;
  return address.pathname + address.search + address.hash;
}
