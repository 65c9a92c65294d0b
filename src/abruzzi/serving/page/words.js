// Says things in words: decisions, endings, numbers, errors. Pure.

const NUMBER = new Intl.NumberFormat("en");

export const STATUS = {
  running: "running",
  answered: "answered",
  failed: "failed",
  cancelled: "stopped",
  refused: "refused",
  lost: "lost when the server went down",
  broken: "connection broken",
};

export const ROLES = { probe: "Probe", topics: "Gate", planner: "Planner", solver: "Solver", judge: "Judge" };

export function number(value) {
  return NUMBER.format(value);
}

export function count(value, one, many = `${one}s`) {
  return `${number(value)} ${value === 1 ? one : many}`;
}

/** Seconds, as exact as a reader needs them. */
export function seconds(value) {
  if (value === null || value === undefined) return "";
  if (value < 100) return `${value.toFixed(1)} s`;
  const minutes = Math.floor(value / 60);
  return minutes < 60 ? `${minutes} min ${Math.floor(value % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A cluster's letter: A to Z, then A2, B2, … */
export function letter(place) {
  return String.fromCharCode(65 + (place % 26)) + (place < 26 ? "" : String(Math.floor(place / 26) + 1));
}

export function shorten(text, length) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= length ? line : `${line.slice(0, length - 1)}…`;
}

export function time(unix) {
  const then = new Date(unix * 1000);
  const isToday = then.toDateString() === new Date().toDateString();
  return isToday
    ? then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })
    : then.toLocaleDateString([], { day: "numeric", month: "short", year: then.getFullYear() === new Date().getFullYear() ? undefined : "numeric" });
}

/** Says what was chosen while adapting. */
export function describeChoice({ action, n, max_tokens: limit }) {
  const whats = { plan: "To plan", skip_plan: "No plan", sample: count(n, "more candidate"), judge: `To judge ${count(n, "answer")}`, decide: "To end" };
  return (whats[action] ?? action) + (limit === null ? "" : ` of at most ${count(limit, "token")}`);
}

/** Says how the answer was chosen. */
export function decision(answered) {
  const all = answered.candidates.length;
  const chosen = answered.candidates.find((candidate) => candidate.index === answered.chosen);
  const agreeing = answered.candidates.filter((candidate) => chosen?.cluster !== null && candidate.cluster === chosen?.cluster).length;
  const name = `Candidate ${answered.chosen + 1}`;
  switch (answered.decided_by) {
    case "agreement":
      return `${number(agreeing)} of ${count(all, "candidate")} agree, and the rest could not overturn it.`;
    case "judge":
      return `${name} was preferred by the judge in both orders.`;
    case "cluster_size":
      return `The judge did not decide; ${number(agreeing)} of ${count(all, "candidate")} gave this answer, the most.`;
    case "likelihood":
      return `Undecided; ${name.toLowerCase()} was the likeliest to the model itself.`;
    case "only_candidate":
      return all === 1 ? "The only candidate that was asked for." : "The only candidate that came to a clear answer.";
    case "first":
      return "Nothing told the candidates apart; the first one stands.";
    default:
      return "No candidate is complete; this is the best of what there is.";
  }
}

/** Says what a candidate came to. */
export function ending(candidate) {
  if (candidate.isGrowing) return candidate.text || candidate.reasoning ? "writing" : "waiting";
  switch (candidate.finish) {
    case "cancelled":
      return "cancelled";
    case "length":
      return "cut at its limit";
    case "error":
      return "failed";
    case "tool_calls":
      return "calls a tool";
    default:
      return "finished";
  }
}

/** Says what the plan came to, where there is none. */
export function noPlan(plan) {
  const reasons = { not_needed: "The gate found the question easy.", off: "Planning is switched off.", unusable: "The planner's reply held no plan.", failed: "The planner failed." };
  const said = reasons[plan.outcome] ?? "";
  return plan.outcome === "unusable" || plan.outcome === "failed" ? `${said} ${plan.reason}`.trim() : said;
}

/** What happens at this moment, in a few words. */
export function stage(story) {
  if (story.status === "answered") return "Answered";
  if (story.status !== "running") return "No answer";
  if (story.judgements.length) return "Judging";
  const ended = story.candidates.filter((candidate) => !candidate.isGrowing).length;
  if (story.candidates.length && ended === story.candidates.length) return clustersOf(story) > 1 ? "Judging" : "Deciding";
  if (story.candidates.length) return story.candidates.length === 1 ? "Solving" : `${ended} of ${count(story.candidates.length, "candidate")} finished`;
  if (story.planner) return "Planning";
  return story.id ? "Beginning" : "Waiting for a place";
}

function clustersOf(story) {
  return new Set(story.candidates.map((candidate) => candidate.cluster).filter((cluster) => cluster !== null)).size;
}

/** Says the settings that a question was asked under. */
export function describeSettings(settings) {
  const parts = [];
  if (settings.preset === "paper") parts.push("published pipeline");
  if (settings.n) parts.push(count(settings.n, "candidate"));
  if (settings.plan) parts.push({ auto: "plan if needed", always: "always a plan", off: "no plan" }[settings.plan] ?? "");
  if (settings.judge === false) parts.push("no judge");
  if (typeof settings.temperature === "number") parts.push(`temperature ${settings.temperature}`);
  if (typeof settings.seed === "number") parts.push(`seed ${settings.seed}`);
  if (settings.token_budget) parts.push(`budget ${number(settings.token_budget)} tokens`);
  return parts.filter(Boolean).join(", ");
}

/** Says an error to a person: what happened and what can be done. */
export function explain(error) {
  const reason = error.message ?? String(error);
  if (error.status === 401) return { title: "This server asks for an API key", text: reason, action: "key" };
  if (error.status === 403) return { title: "This key may not do that", text: reason, action: "key" };
  if (error.status === 429) return { title: error.type === "insufficient_quota" ? "The key's budget is used up" : "Too much at once", text: reason, action: "retry" };
  if (error.code === "content_filter") return { title: "The guard withheld this", text: reason, action: null };
  if (error.type === "connection_broken") return { title: "The connection broke", text: "What was finished is shown below, and the server keeps its record of the question.", action: "reopen" };
  if (error.type === "unreachable") return { title: "The server cannot be reached", text: "It may be restarting, or the network is down. Nothing on this page is lost.", action: "retry" };
  if (error.status === 404) return { title: "There is no such thing here", text: reason, action: null };
  if (error.status === 503) return { title: "The server takes nothing right now", text: reason, action: "retry" };
  if (error.type === "upstream_error" || error.status === 502 || error.status === 504) return { title: "The model behind this server failed", text: reason, action: "retry" };
  if (error.status === 400 || error.status === 413 || error.status === 422) return { title: "The question cannot be asked like this", text: reason, action: null };
  return { title: "Something went wrong", text: reason, action: "retry" };
}
