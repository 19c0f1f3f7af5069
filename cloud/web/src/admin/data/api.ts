/** A refusal by the server, in the words of its problem document (RFC 9457). */
export class ApiProblem extends Error {
  readonly status: number;
  readonly title: string;
  readonly fields: Readonly<Record<string, string>>;

  constructor(status: number, title: string, detail: string, fields: Record<string, string> = {}) {
    super(detail || title);
    this.status = status;
    this.title = title;
    this.fields = fields;
  }
}

let csrf = "";
let onSignedOut: () => void = () => {};

/** The token that proves that a change comes from this page. */
export function setCsrf(token: string): void {
  csrf = token;
}

/** Called when the server no longer knows the session. */
export function whenSignedOut(act: () => void): void {
  onSignedOut = act;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Asks the API; throws {@link ApiProblem} with words for a person. */
export async function ask<T>(method: Method, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && csrf) headers["x-csrf-token"] = csrf;
  let answer: Response;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(15_000),
    });
  } catch (error) {
    const late = error instanceof DOMException && error.name === "TimeoutError";
    throw new ApiProblem(0, late ? "The server did not answer" : "No connection to the server",
      late ? "It took longer than 15 seconds. Try again." : "Check the network and that the server runs, then try again.");
  }
  if (!answer.ok) throw await problemOf(answer, path);
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

async function problemOf(answer: Response, path: string): Promise<ApiProblem> {
  if (answer.status === 401 && !path.startsWith("/session")) onSignedOut();
  try {
    const body = (await answer.json()) as {
      title?: string;
      detail?: string;
      errors?: { field: string; detail: string }[];
    };
    const fields = Object.fromEntries((body.errors ?? []).map(({ field, detail }) => [field, detail]));
    const wrong = (body.errors ?? []).map(({ field, detail }) => `${field} ${detail}`).join("; ");
    const detail = wrong || body.detail || "";
    return new ApiProblem(answer.status, body.title ?? answer.statusText, detail, fields);
  } catch {
    return new ApiProblem(answer.status, `The server answered ${answer.status}`, answer.statusText);
  }
}

/** Any thrown thing in words. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
