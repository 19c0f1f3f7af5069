// Requests of the page to the API.
import { parseJson, type Json } from "./json.ts";

/** What came back. */
export interface Answer {
  status: number;
  words: string;
  headers: Headers;
  text: string;
  /** The body, if it is JSON. */
  json: Json | undefined;
}

/** One wrong field of a problem (RFC 9457). */
export interface FieldFault {
  field: string;
  detail: string;
}

export interface Sent {
  method: string;
  path: string;
  body?: string | Blob | undefined;
  /** The body's type, if it is no JSON. */
  type?: string | undefined;
  etag?: string | undefined;
  idempotent?: boolean;
}

let csrf = "";

async function session(): Promise<string> {
  const answer = await fetch("/api/v1/session", { headers: { accept: "application/json" } });
  if (!answer.ok) return "";
  const told = (await answer.json()) as { csrf?: string };
  return told.csrf ?? "";
}

async function once({ method, path, body, type, etag, idempotent }: Sent, key: string, signal?: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json, application/x-ndjson" };
  if (method !== "GET") {
    csrf ||= await session();
    headers["x-csrf-token"] = csrf;
    if (body !== undefined) headers["content-type"] = type ?? "application/json";
    if (etag) headers["if-match"] = etag;
    if (idempotent) headers["idempotency-key"] = `"${key}"`;
  }
  return fetch(path, { method, headers, body: body ?? null, signal: signal ?? null });
}

/** Sends a request; a CSRF token of a session that is gone is read anew, once. */
export async function send(sent: Sent, signal?: AbortSignal): Promise<Response> {
  const key = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`;
  const answer = await once(sent, key, signal);
  if (answer.status !== 403 || !csrf || sent.method === "GET") return answer;
  const fresh = await session();
  if (!fresh || fresh === csrf) return answer;
  csrf = fresh;
  return once(sent, key, signal);
}

/** Reads an answer to its end. */
export async function read(response: Response): Promise<Answer> {
  const text = await response.text();
  const kind = response.headers.get("content-type") ?? "";
  const json = /[/+]json\b/.test(kind) ? parseJson(text) : undefined;
  return { status: response.status, words: response.statusText || wordsOf(response.status), headers: response.headers, text, json };
}

/** HTTP/2 has no words for a status. */
function wordsOf(status: number): string {
  const words: Record<number, string> = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 412: "Precondition Failed", 413: "Payload Too Large",
    415: "Unsupported Media Type", 422: "Unprocessable Entity", 429: "Too Many Requests", 500: "Internal Server Error",
    503: "Service Unavailable", 504: "Gateway Timeout", 507: "Insufficient Storage",
  };
  return words[status] ?? "";
}

/** The wrong fields that a problem names. */
export function faultsOf(answer: Answer): FieldFault[] {
  const problem = answer.json;
  if (typeof problem !== "object" || problem === null || Array.isArray(problem)) return [];
  const errors = problem["errors"];
  if (!Array.isArray(errors)) return [];
  return errors.flatMap((error) => {
    if (typeof error !== "object" || error === null || Array.isArray(error)) return [];
    const { field, detail } = error;
    return typeof field === "string" && typeof detail === "string" ? [{ field, detail }] : [];
  });
}

/** What a problem says. */
export function detailOf(answer: Answer): string {
  const problem = answer.json;
  if (typeof problem === "object" && problem !== null && !Array.isArray(problem)) {
    const detail = problem["detail"] ?? problem["title"];
    if (typeof detail === "string") return detail;
  }
  return `${answer.status} ${answer.words}`;
}
