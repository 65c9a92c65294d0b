// Draws candidates side by side while they grow: folded reasoning, text, answer, cluster, how each ended.

import { grow, make, set, write } from "./dom.js";
import { showRich } from "./rich.js";
import { count, ending, letter, number, seconds } from "./words.js";

const COLOURS = 8;

/** Makes a cluster's badge: a letter and a colour. */
export function makeBadge() {
  return make("span", { class: "badge", hidden: true });
}

/** Shows a cluster in a badge, or hides it. */
export function showBadge(badge, story, cluster) {
  const place = cluster === null ? null : (story.letters.get(cluster) ?? 0);
  set(badge, { hidden: place === null, class: `badge c${(place ?? 0) % COLOURS}`, title: place === null ? null : `Cluster ${letter(place)}` });
  write(badge, place === null ? "" : letter(place));
}

export class Candidates {
  constructor() {
    this.grid = make("ul", { class: "candidates", role: "list" });
    this.element = make("section", { class: "part", hidden: true, "aria-label": "Candidates" }, make("h3", {}, "Candidates"), this.grid);
    this.cards = [];
  }

  update(story) {
    set(this.element, { hidden: story.candidates.length === 0 });
    while (this.cards.length < story.candidates.length) {
      const card = new Card(this.cards.length);
      this.cards.push(card);
      this.grid.append(card.element);
    }
    set(this.grid, { class: this.cards.length === 4 ? "candidates four" : "candidates" });
    for (const card of this.cards) card.update(story);
  }
}

class Card {
  constructor(index) {
    this.index = index;
    const id = crypto.randomUUID();
    this.badge = makeBadge();
    this.state = make("span", { class: "state" });
    this.thoughts = make("pre", { class: "thoughts" });
    this.size = make("span", { class: "soft" });
    this.fold = make("details", { class: "fold", hidden: true }, make("summary", {}, "Reasoning ", this.size), this.thoughts);
    this.latest = "";
    this.isRead = false;
    this.fold.addEventListener("toggle", () => grow(this.thoughts, this.latest));
    this.text = make("div", { class: "text" });
    this.scroller = make("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": `What candidate ${index + 1} says` }, this.fold, this.text);
    this.answer = make("div", { class: "said" });
    this.facts = make("p", { class: "facts" });
    this.result = make("div", { class: "result", hidden: true }, make("span", { class: "label" }, "Answer"), this.answer);
    this.element = make(
      "li",
      { class: "card", "aria-labelledby": id },
      make("div", { class: "card-head" }, make("h4", { id }, `Candidate ${index + 1}`), this.badge, this.state),
      this.scroller,
      this.result,
      this.facts,
    );
  }

  update(story) {
    const candidate = story.candidates[this.index];
    const isChosen = story.answered?.chosen === this.index;
    set(this.element, { class: ["card", candidate.isGrowing ? "growing" : candidate.finish, isChosen ? "chosen" : ""].join(" ").trim() });
    showBadge(this.badge, story, candidate.cluster);
    write(this.state, isChosen ? "chosen" : ending(candidate));
    this.showThoughts(candidate);
    this.showText(candidate);
    const answer = readAnswer(candidate);
    set(this.result, { hidden: answer === null });
    if (answer !== null) showRich(this.answer, answer);
    write(this.facts, describe(candidate));
  }

  showThoughts(candidate) {
    set(this.fold, { hidden: !candidate.reasoning });
    if (!candidate.reasoning) return;
    const words = candidate.reasoning.trim().split(/\s+/).length;
    write(this.size, count(words, "word"));
    this.latest = candidate.reasoning;
    if (this.fold.open) this.keepEnd(() => grow(this.thoughts, this.latest));
  }

  showText(candidate) {
    const text = withoutAnswer(candidate);
    const calls = candidate.toolCalls.map((call) => `${call.name}(${call.arguments})`).join("\n");
    if (candidate.isGrowing) {
      delete this.text.dataset.shown;
      set(this.text, { class: "text as-written" });
      this.keepEnd(() => grow(this.text, text));
    } else {
      if (!this.isRead) this.scroller.scrollTop = 0; // a finished text is read from its beginning
      this.isRead = true;
      set(this.text, { class: "text", hidden: text === "" && readAnswer(candidate) !== null });
      showRich(this.text, [text, calls, candidate.error ?? ""].filter(Boolean).join("\n\n"));
    }
    set(this.scroller, { hidden: !candidate.reasoning && (this.text.hidden || !this.text.textContent) });
  }

  /** Stays at the end of a growing text, unless its reader has scrolled up. */
  keepEnd(change) {
    const isAtEnd = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight < 24;
    change();
    if (isAtEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

/** The answer to show: where a candidate was cut off, its last line is none. */
function readAnswer({ finish, answer }) {
  return finish === "cancelled" ? null : answer;
}

/** The text without its answer, which has a place of its own. */
function withoutAnswer(candidate) {
  const { text } = candidate;
  const answer = readAnswer(candidate);
  const tags = candidate.isGrowing || answer === null ? /<\/?answer>/gi : /<answer>[^]*?(?:<\/answer>|$)/gi;
  const rest = text.replace(tags, "").trim();
  return answer !== null && rest === answer.trim() ? "" : rest;
}

function describe(candidate) {
  if (candidate.isGrowing) return "";
  const parts = [seconds(candidate.seconds)];
  if (candidate.tokens !== null && candidate.tokens !== undefined) parts.push(`${number(candidate.tokens)} tokens`);
  if (candidate.answer === null && candidate.finish === "stop") parts.push("no clear answer");
  return parts.filter(Boolean).join(", ");
}
