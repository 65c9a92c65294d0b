// Talks to the server: the key, typed errors, the stream of a question. Knows nothing of what is drawn.

const KEY = "abruzzi-key";

/** What the server, or the way to it, refused. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {{status?: number | null, type?: string, code?: string | null, param?: string | null, retryAfterS?: number | null}} details
   */
  constructor(message, { status = null, type = "server_error", code = null, param = null, retryAfterS = null } = {}) {
    super(message);
    this.status = status;
    this.type = type;
    this.code = code;
    this.param = param;
    this.retryAfterS = retryAfterS;
  }
}

/** The connection broke while a question was being answered. */
export class BrokenError extends ApiError {
  constructor() {
    super("The connection to the server broke.", { type: "connection_broken" });
  }
}

export function readKey() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function keepKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export const readConfig = () => send("api/config");
export const listQuestions = ({ search = "", before = null, limit = 30 }) => {
  const query = new URLSearchParams({ search, limit: String(limit) });
  if (before !== null) query.set("before", String(before));
  return send(`api/questions?${query}`);
};
export const readQuestion = (id) => send(`api/questions/${encodeURIComponent(id)}`);
export const deleteQuestion = (id) => send(`api/questions/${encodeURIComponent(id)}`, { method: "DELETE" });
export const renderText = async (text) => (await send("api/render", { method: "POST", body: { text } })).html;

/**
 * Asks a question and hands on each row of its stream.
 * @param {object} body messages, model, settings
 * @param {(row: object) => void} hear
 * @param {AbortSignal} signal
 */
export async function ask(body, hear, signal) {
  const response = await reach("api/questions", { method: "POST", body, signal, accept: "text/event-stream" });
  let hasEnded = false;
  try {
    for await (const row of readEvents(response.body)) {
      if (row.error) throw toError(row, null, null);
      hear(row);
      hasEnded ||= row.event === "ended";
    }
  } catch (error) {
    if (error instanceof ApiError || error.name === "AbortError") throw error;
    throw new BrokenError();
  }
  if (!hasEnded) throw new BrokenError();
}

async function send(path, options = {}) {
  const response = await reach(path, options);
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new ApiError("The server's reply could not be read.", { status: response.status });
  }
}

async function reach(path, { method = "GET", body, signal, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (readKey()) headers.Authorization = `Bearer ${readKey()}`;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached.", { type: "unreachable" });
  }
  if (response.ok) return response;
  throw toError(await response.json().catch(() => ({})), response.status, response.headers.get("Retry-After"));
}

function toError(body, status, retryAfter) {
  const { message, type, code, param } = body.error ?? {};
  const seconds = Number(retryAfter);
  return new ApiError(typeof message === "string" ? message : `The server answered with status ${status}.`, {
    status,
    type,
    code,
    param,
    retryAfterS: retryAfter !== null && Number.isFinite(seconds) ? seconds : null,
  });
}

/** Reads server-sent events whose data are JSON. */
export async function* readEvents(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      waiting += value;
      const blocks = waiting.split(/\r?\n\r?\n/);
      waiting = blocks.pop();
      for (const block of blocks) {
        const lines = block.split(/\r?\n/).filter((line) => line.startsWith("data:"));
        if (lines.length) yield JSON.parse(lines.map((line) => line.slice(5).trimStart()).join("\n"));
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}
