// What is known of one question, gathered from the rows of its stream or of its record: the same from both. Draws nothing.

/** Begins a story. */
export function newStory(question, { model = "", settings = {} } = {}) {
  return {
    id: null,
    question,
    model,
    settings,
    askedAt: null,
    planner: null,
    planDraft: "",
    plan: null,
    solver: null,
    candidates: [],
    letters: new Map(), // cluster to its place in the order of appearance
    settled: null,
    judgements: [],
    choices: [], // while adapting: what came next, and why
    warnings: [],
    calls: [],
    answered: null,
    failure: null,
    status: "running",
    hasWholeBill: false, // a record has it, a stream only where it came to its end
    answer: null, // the final answer, as short as it could be extracted
    content: null, // the whole reply, as every other client gets it
    seconds: 0,
  };
}

/** Tells the story that a record holds. */
export function readRecord(record) {
  const story = newStory(record.question, { model: record.model, settings: record.settings });
  story.id = record.id;
  story.askedAt = record.asked_at;
  for (const row of record.events) hear(story, row);
  story.status = record.status;
  story.hasWholeBill = record.status !== "running";
  if (record.status === "answered") tellContent(story, record.answer);
  if (record.seconds !== null && !story.answered) story.seconds = record.seconds;
  if (record.status !== "running") endGrowing(story);
  return story;
}

/** Takes in a row. */
export function hear(story, row) {
  if (typeof row.at_s === "number") story.seconds = Math.max(story.seconds, row.at_s);
  HEARERS[row.event]?.(story, row);
}

/** Marks what was still being written as cut off: the question was stopped, or the connection broke. */
export function endGrowing(story) {
  for (const candidate of story.candidates) {
    if (!candidate.isGrowing) continue;
    candidate.isGrowing = false;
    candidate.finish ??= "cancelled";
  }
}

/** The clusters so far: the largest first, of equals the chosen one. */
export function clusters(story) {
  const chosen = story.answered ? story.candidates[story.answered.chosen]?.cluster : null;
  const members = new Map();
  for (const candidate of story.candidates) {
    if (candidate.cluster === null) continue;
    if (!members.has(candidate.cluster)) members.set(candidate.cluster, []);
    members.get(candidate.cluster).push(candidate.index);
  }
  return [...members]
    .map(([cluster, indices]) => ({ cluster, place: story.letters.get(cluster) ?? 0, answer: story.candidates[indices[0]].answer ?? "", members: indices }))
    .sort((one, other) => other.members.length - one.members.length || (other.cluster === chosen) - (one.cluster === chosen) || one.place - other.place);
}

/** The plan as far as it is written: the planner's reply is JSON whose field "plan" is still growing. */
export function readDraft(raw) {
  const start = raw.search(/"plan"\s*:\s*"/);
  if (start < 0) return raw.trimStart().startsWith("{") ? "" : raw.replace(/<\/?plan>/g, "");
  const text = raw.slice(raw.indexOf('"', raw.indexOf(":", start)) + 1);
  const whole = /^(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*/.exec(text)[0];
  try {
    return JSON.parse(`"${whole.replace(/[\u0000-\u001f]/g, " ")}"`);
  } catch {
    return whole;
  }
}

/** Sums the calls by role. */
export function bill(story) {
  const roles = new Map();
  for (const call of story.calls) {
    const row = roles.get(call.role) ?? { role: call.role, calls: 0, failed: 0, cancelled: 0, prompt: 0, cached: 0, completion: 0, seconds: 0, isExact: true };
    row.calls += 1;
    row.failed += call.outcome === "error" || call.outcome === "timeout" ? 1 : 0;
    row.cancelled += call.outcome === "cancelled" ? 1 : 0;
    row.prompt += call.usage.prompt_tokens;
    row.cached += call.usage.cached_tokens;
    row.completion += call.usage.completion_tokens;
    row.seconds += call.seconds;
    row.isExact &&= call.is_exact;
    roles.set(call.role, row);
  }
  const rows = [...roles.values()];
  const sum = (field) => rows.reduce((total, row) => total + row[field], 0);
  const total = { calls: sum("calls"), failed: sum("failed"), cancelled: sum("cancelled"), prompt: sum("prompt"), cached: sum("cached"), completion: sum("completion") };
  return { rows, total: { ...total, seconds: story.seconds, isExact: rows.every((row) => row.isExact) } };
}

function tellContent(story, content) {
  story.content = content;
  story.answer ??= content;
}

function candidateOf(story, index) {
  while (story.candidates.length <= index) {
    story.candidates.push({
      index: story.candidates.length,
      text: "",
      reasoning: "",
      answer: null,
      finish: null,
      cluster: null,
      seconds: null,
      tokens: null,
      error: null,
      toolCalls: [],
      isGrowing: true,
    });
  }
  return story.candidates[index];
}

function endCandidate(story, ended) {
  const candidate = candidateOf(story, ended.index);
  Object.assign(candidate, {
    text: ended.text,
    reasoning: ended.reasoning,
    answer: ended.answer,
    finish: ended.finish_reason,
    cluster: ended.cluster,
    seconds: ended.seconds,
    tokens: ended.num_tokens,
    error: ended.error,
    toolCalls: ended.tool_calls ?? [],
    isGrowing: false,
  });
  if (ended.cluster !== null && !story.letters.has(ended.cluster)) story.letters.set(ended.cluster, story.letters.size);
}

const HEARERS = {
  asked: (story, row) => Object.assign(story, { id: row.id, model: row.model ?? story.model, askedAt: row.asked_at ?? null }),
  plan_started: (story, row) => (story.planner = row.model),
  plan_delta: (story, row) => (story.planDraft += row.text),
  plan_made: (story, row) => (story.plan = row.plan),
  candidates_started: (story, row) => {
    story.solver = row.model;
    for (let index = 0; index < row.n; index += 1) candidateOf(story, index);
  },
  candidate_delta: (story, row) => (candidateOf(story, row.index)[row.is_reasoning ? "reasoning" : "text"] += row.text),
  candidate_restarted: (story, row) => Object.assign(candidateOf(story, row.index), { text: "", reasoning: "" }),
  candidate_ended: (story, row) => endCandidate(story, row.candidate),
  settled: (story, row) => (story.settled = row),
  judgement_made: (story, row) => story.judgements.push(row.judgement),
  chose: (story, row) => story.choices.push(row.choice),
  warned: (story, row) => story.warnings.push(row.message),
  call_ended: (story, row) => story.calls.push(row.call),
  answered: (story, row) => {
    story.answered = row.answer;
    story.answer = row.answer.answer;
    story.seconds = row.answer.seconds;
    story.plan = row.answer.plan;
    for (const candidate of row.answer.candidates) endCandidate(story, candidate);
  },
  failed: (story, row) => (story.failure = { kind: row.kind, message: row.message }),
  ended: (story, row) => {
    story.status = row.status;
    story.hasWholeBill = true;
    if (typeof row.answer === "string") tellContent(story, row.answer);
    if (typeof row.seconds === "number" && !story.answered) story.seconds = row.seconds;
    endGrowing(story);
  },
};
