// Draws the parts of a story beside its candidates: steps, plan, agreement, judge, choices, bill, warnings. Each has an
// element and an update; each shows itself once there is something to show.

import { makeBadge, showBadge } from "./candidates.js";
import { grow, make, set, write } from "./dom.js";
import { showRich } from "./rich.js";
import { bill, clusters, readDraft } from "./story.js";
import { count, describeChoice, noPlan, number, ROLES, seconds, shorten } from "./words.js";

function part(title, ...children) {
  return make("section", { class: "part", hidden: true, "aria-label": title }, make("h3", {}, title), ...children);
}

/** Draws what has come to a list since it was last drawn; a part without anything is hidden. */
function showNew({ element, list }, items, draw) {
  set(element, { hidden: items.length === 0 });
  for (const item of items.slice(list.children.length)) list.append(draw(item));
}

/** Where the question is on its way. */
export class Steps {
  constructor() {
    this.steps = ["Plan", "Candidates", "Agreement", "Judge", "Answer"].map((name) => {
      const state = make("span", { class: "unseen" });
      return { item: make("li", {}, make("span", { class: "dot", "aria-hidden": "true" }), name, state), state };
    });
    this.element = make("ol", { class: "steps", "aria-label": "Steps" }, ...this.steps.map((step) => step.item));
  }

  update(story) {
    readSteps(story).forEach((state, index) => {
      set(this.steps[index].item, { class: state, "aria-current": state === "active" ? "step" : null });
      write(this.steps[index].state, state ? ` (${state})` : "");
    });
  }
}

function readSteps(story) {
  const isOver = story.status !== "running";
  const hasAll = story.candidates.length > 0 && story.candidates.every((candidate) => !candidate.isGrowing);
  const groups = clusters(story);
  const isJudging = hasAll && groups.length > 1 && story.settled === null && story.settings.judge !== false;
  const plan = story.plan ? (story.plan.outcome === "planned" ? "done" : "skipped") : story.planner ? "active" : story.candidates.length ? "skipped" : "";
  const judge = story.judgements.length ? (story.answered || isOver ? "done" : "active") : isOver ? "skipped" : isJudging ? "active" : "";
  const states = [plan, hasAll ? "done" : story.candidates.length ? "active" : "", hasAll || isOver ? (groups.length ? "done" : "skipped") : "", judge, story.status === "answered" ? "done" : ""];
  return states.map((state) => (isOver && state === "active" ? "skipped" : state));
}

export class PlanPart {
  constructor() {
    this.draft = make("div", { class: "as-written" });
    this.topics = make("p", { class: "facts" });
    this.element = part("Plan", this.draft, this.topics);
    set(this.element, { class: "part plan" });
  }

  update(story) {
    set(this.element, { hidden: !story.planner && !story.plan?.text && !(story.plan && story.plan.outcome !== "off") });
    if (!story.plan) {
      grow(this.draft, readDraft(story.planDraft) || "…");
      return;
    }
    set(this.draft, { class: story.plan.text ? "" : "soft" });
    if (story.plan.text) showRich(this.draft, story.plan.text);
    else write(this.draft, noPlan(story.plan));
    const notes = [story.plan.topics.join(", ")];
    if (story.plan.num_redactions) notes.push(`${count(story.plan.num_redactions, "statement")} of an answer taken out`);
    if (story.plan.leaked) notes.push("it held the answer that a candidate then gave");
    write(this.topics, notes.filter(Boolean).join(" · "));
  }
}

/** Which candidates agree. */
export class AgreementPart {
  constructor() {
    this.rows = make("ul", { class: "clusters", role: "list" });
    this.note = make("p", { class: "facts" });
    this.element = part("Agreement", this.rows, this.note);
    this.drawn = new Map();
  }

  update(story) {
    const groups = clusters(story);
    set(this.element, { hidden: groups.length === 0 || story.candidates.length < 2 });
    const seen = new Set(groups.map((group) => group.cluster));
    for (const [cluster, row] of this.drawn) if (!seen.has(cluster)) this.drop(cluster, row);
    groups.forEach((group, place) => {
      const row = this.row(group.cluster);
      showBadge(row.badge, story, group.cluster);
      showRich(row.answer, group.answer);
      this.fill(row.marks, story, group.members);
      write(row.size, `${group.members.length} of ${story.candidates.length}`);
      if (this.rows.children[place] !== row.element) this.rows.insertBefore(row.element, this.rows.children[place] ?? null);
    });
    write(this.note, story.settled ? `Settled: ${count(story.settled.size, "candidate")} agree. The remaining ${number(story.settled.num_cancelled)} could not change that and were cancelled.` : "");
  }

  row(cluster) {
    if (!this.drawn.has(cluster)) {
      const row = { badge: makeBadge(), answer: make("div", { class: "said" }), marks: make("span", { class: "marks", "aria-hidden": "true" }), size: make("span", { class: "size" }) };
      row.element = make("li", {}, row.badge, row.answer, row.marks, row.size);
      this.drawn.set(cluster, row);
    }
    return this.drawn.get(cluster);
  }

  drop(cluster, row) {
    row.element.remove();
    this.drawn.delete(cluster);
  }

  fill(marks, story, members) {
    const classes = story.candidates.map((candidate) => (members.includes(candidate.index) ? "mark full" : "mark"));
    while (marks.children.length < classes.length) marks.append(make("i"));
    classes.forEach((name, index) => set(marks.children[index], { class: name }));
  }
}

/** What the judge said, pair by pair, in both orders. */
export class JudgePart {
  constructor() {
    this.list = make("ul", { class: "matches", role: "list" });
    this.element = part("Judge", this.list);
  }

  update(story) {
    showNew(this, story.judgements, (judgement) => drawMatch(story, judgement));
  }
}

function drawMatch(story, { first, second, winner, votes }) {
  const name = (index) => {
    const badge = makeBadge();
    showBadge(badge, story, story.candidates[index]?.cluster ?? null);
    return make("span", { class: "contestant" }, badge, `Candidate ${index + 1}`);
  };
  const preferences = new Set(votes.map((vote) => vote.preferred));
  const verdict = winner !== null ? `Candidate ${winner + 1} wins in both orders` : preferences.size > 1 ? "Undecided: the two orders disagree" : "Undecided";
  return make(
    "li",
    { class: "match" },
    make("p", { class: "pair" }, name(first), make("span", { class: "soft" }, "against"), name(second), make("strong", { class: winner === null ? "verdict soft" : "verdict" }, verdict)),
    make("ul", { class: "votes", role: "list" }, ...votes.map(drawVote)),
  );
}

function drawVote(vote) {
  const reason = make("div", { class: "reason" });
  showRich(reason, vote.error ?? vote.reasoning);
  const preferred = vote.error ? "no verdict" : vote.preferred === null ? "a tie" : `prefers candidate ${vote.preferred + 1}`;
  return make("li", {}, make("p", { class: "order" }, make("span", { class: "soft" }, `Candidate ${vote.shown_first + 1} shown first: `), preferred), reason);
}

/** What was chosen on the way, and why, where the pipeline adapts. */
export class ChoicesPart {
  constructor() {
    this.list = make("ol", { class: "choices" });
    this.element = part("Choices", this.list);
  }

  update(story) {
    showNew(this, story.choices, (choice) => make("li", {}, make("strong", {}, `${describeChoice(choice)}:`), make("span", { class: "soft" }, ` ${choice.reason}`)));
  }
}

/** What it cost. */
export class BillPart {
  constructor() {
    this.body = make("tbody");
    this.total = make("tfoot");
    const heads = ["Role", "Calls", "Prompt", "Cached", "Completion", "Seconds"].map((name, index) => make("th", { scope: "col", class: index ? "right" : null }, name));
    this.note = make("p", { class: "facts" });
    const table = make("table", { class: "bill" }, make("thead", {}, make("tr", {}, ...heads)), this.body, this.total);
    this.element = part("Bill", make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The bill, tokens by role" }, table), this.note);
  }

  update(story) {
    set(this.element, { hidden: story.calls.length === 0 });
    if (this.drawn === story.calls.length && this.status === story.status) return;
    this.drawn = story.calls.length;
    this.status = story.status;
    const { rows, total } = bill(story);
    this.body.replaceChildren(...rows.map((row) => drawRow(ROLES[row.role] ?? row.role, row)));
    this.total.replaceChildren(drawRow("Total", total));
    write(this.note, describeBill(story, total.isExact));
  }
}

function describeBill(story, isExact) {
  if (story.status !== "running" && !story.hasWholeBill) return "What was cut off is not in this bill; its record has it, where the server keeps one.";
  return isExact ? "Tokens as the model's server counted them." : "≥ marks a lower bound: the model's server did not say what a call that was cut off had used.";
}

function drawRow(name, row) {
  const bound = row.isExact ? "" : "≥ ";
  const asides = [row.cancelled ? `${row.cancelled} cancelled` : "", row.failed ? `${row.failed} failed` : ""].filter(Boolean).join(", ");
  const cells = [number(row.calls), bound + number(row.prompt), number(row.cached), bound + number(row.completion), row.seconds.toFixed(1)];
  return make("tr", {}, make("th", { scope: "row" }, name, asides ? make("span", { class: "soft aside" }, ` ${asides}`) : null), ...cells.map((cell) => make("td", { class: "right" }, cell)));
}

export class WarningsPart {
  constructor() {
    this.list = make("ul", { class: "warnings" });
    this.element = part("Notes", this.list);
  }

  update(story) {
    showNew(this, story.warnings, (warning) => make("li", {}, shorten(warning, 2000)));
  }
}
