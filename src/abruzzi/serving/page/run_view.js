// Draws one question, from its first moment to its bill. The answer has its place at the top from the start: until it is
// there, that place says what is going on.

import { Candidates } from "./candidates.js";
import { atNextFrame, make, set, write } from "./dom.js";
import { AgreementPart, BillPart, ChoicesPart, JudgePart, PlanPart, Steps, WarningsPart } from "./parts.js";
import { showRich } from "./rich.js";
import { decision, describeSettings, seconds, stage, STATUS } from "./words.js";

const TICK_MS = 200;

export class RunView {
  /** @param {object} story see story.js @param {{label?: string}} options label: the name of one of two sides */
  constructor(story, { label = "" } = {}) {
    this.story = story;
    this.started = null;
    const id = crypto.randomUUID();
    this.about = make("p", { class: "eyebrow" });
    this.question = make("h2", { class: "question", id });
    this.steps = new Steps();
    this.stage = make("p", { class: "stage" });
    this.clock = make("span", { class: "clock", "aria-hidden": "true" });
    this.answer = make("div", { class: "answer" });
    this.whole = make("details", { class: "fold whole", hidden: true }, make("summary", {}, "The chosen reply in full"), make("div", { class: "text" }));
    this.decision = make("p", { class: "decision" });
    this.copy = make("button", { type: "button", class: "quiet copy", hidden: true }, "Copy");
    this.copy.addEventListener("click", () => this.copyAnswer());
    this.verdict = make(
      "section",
      { class: "verdict-box", "aria-label": "Answer" },
      make("div", { class: "verdict-head" }, this.stage, this.clock, this.copy),
      this.answer,
      this.decision,
      this.whole,
    );
    this.parts = [new PlanPart(), new Candidates(), new AgreementPart(), new JudgePart(), new ChoicesPart(), new BillPart(), new WarningsPart()];
    this.element = make(
      "article",
      { class: "run", "aria-labelledby": id },
      make("header", {}, label ? make("p", { class: "side" }, label) : null, this.question, this.about),
      this.steps.element,
      this.verdict,
      ...this.parts.map((part) => part.element),
    );
    this.changed = atNextFrame(() => this.update());
    this.update();
  }

  startClock() {
    this.started = performance.now();
    this.ticking = setInterval(() => this.tick(), TICK_MS);
  }

  stopClock() {
    clearInterval(this.ticking);
    this.started = null;
    this.tick();
  }

  tick() {
    write(this.clock, seconds(this.started === null ? this.story.seconds : (performance.now() - this.started) / 1000));
  }

  update() {
    const { story } = this;
    const isOver = story.status !== "running";
    write(this.question, story.question);
    write(this.about, [story.model, describeSettings(story.settings)].filter(Boolean).join(" · "));
    this.steps.update(story);
    set(this.verdict, { class: `verdict-box ${isOver ? story.status : "running"}` });
    write(this.stage, story.answer === null ? (isOver ? `No answer: ${STATUS[story.status] ?? story.status}` : stage(story)) : "Answer");
    if (this.started === null) this.tick();
    if (story.answer !== null) showRich(this.answer, story.answer);
    else write(this.answer, story.failure?.message ?? "");
    write(this.decision, story.answered ? decision(story.answered) : "");
    this.showWhole();
    set(this.copy, { hidden: story.answer === null || !navigator.clipboard });
    for (const part of this.parts) part.update(story);
  }

  showWhole() {
    const { answer, content } = this.story;
    const isMore = answer !== null && content !== null && content.trim() !== answer.trim();
    set(this.whole, { hidden: !isMore });
    if (isMore) showRich(this.whole.lastElementChild, content);
  }

  async copyAnswer() {
    await navigator.clipboard.writeText(this.story.content ?? this.story.answer).then(
      () => write(this.copy, "Copied"),
      () => write(this.copy, "Not allowed"),
    );
    setTimeout(() => write(this.copy, "Copy"), 1500);
  }
}
