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
export async function ask<T>(
  method: Method,
  path: string,
  body?: unknown,
  more: Readonly<Record<string, string>> = {},
): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json", ...more };
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
  const text = await answer.text();
  if (!answer.ok) throw problemOf(answer.status, answer.statusText, text, path);
  return (text ? JSON.parse(text) : undefined) as T;
}

/** Sends a file as it is and says how far it is, from 0 to 1; throws as {@link ask} does. */
export function send<T>(
  path: string,
  file: Blob,
  type: string,
  more: Readonly<Record<string, string>>,
  progress: (part: number) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", `/api/v1${path}`);
    request.timeout = 300_000;
    const headers = { accept: "application/json", "content-type": type, "x-csrf-token": csrf, ...more };
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onload = () => {
      const { status, statusText, responseText } = request;
      if (status >= 200 && status < 300) resolve(JSON.parse(responseText) as T);
      else reject(problemOf(status, statusText, responseText, path));
    };
    request.onerror = request.ontimeout = () =>
      reject(new ApiProblem(0, "No connection to the server", "The upload broke off. Check the network, then try again."));
    request.send(file);
  });
}

function problemOf(status: number, statusText: string, text: string, path: string): ApiProblem {
  if (status === 401 && !path.startsWith("/session")) onSignedOut();
  try {
    const body = JSON.parse(text) as {
      title?: string;
      detail?: string;
      errors?: { field: string; detail: string }[];
    };
    const fields = Object.fromEntries((body.errors ?? []).map(({ field, detail }) => [field, detail]));
    const wrong = (body.errors ?? []).map(({ field, detail }) => `${field} ${detail}`).join("; ");
    const detail = wrong || body.detail || "";
    return new ApiProblem(status, body.title ?? statusText, detail, fields);
  } catch {
    return new ApiProblem(status, `The server answered ${status}`, statusText);
  }
}

/** Any thrown thing in words. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
