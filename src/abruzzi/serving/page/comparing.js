// Two settings on one question: both run at the same time, side by side, under a table that holds one against the other.

import { atNextFrame, make, write } from "./dom.js";
import { showRich } from "./rich.js";
import { bill } from "./story.js";
import { number, seconds, stage, STATUS } from "./words.js";

const ROWS = [
  ["Answer", null],
  ["Decided by", (story) => story.answered?.decided_by.replace("_", " ") ?? (story.status === "running" ? "" : story.status === "answered" ? "the model alone" : (STATUS[story.status] ?? ""))],
  ["Candidates", (story) => (story.candidates.length ? number(story.candidates.length) : "")],
  ["Calls", (story) => number(story.calls.length)],
  ["Prompt tokens", (story) => tokens(story, "prompt")],
  ["Completion tokens", (story) => tokens(story, "completion")],
  ["Seconds", (story) => seconds(story.seconds)],
];

function tokens(story, field) {
  const { total } = bill(story);
  return `${total.isExact ? "" : "≥ "}${number(total[field])}`;
}

export class Comparison {
  /** @param {import("./asking.js").Asking[]} askings two of them */
  constructor(askings) {
    this.stories = askings.map((asking) => asking.story);
    this.cells = ROWS.map(() => this.stories.map(() => make("td", {})));
    const head = make("tr", {}, make("td", {}), ...["First", "Second"].map((name) => make("th", { scope: "col" }, name)));
    const rows = ROWS.map(([name], index) => make("tr", {}, make("th", { scope: "row" }, name), ...this.cells[index]));
    const table = make("table", { class: "comparison" }, make("thead", {}, head), make("tbody", {}, ...rows));
    this.element = make(
      "div",
      { class: "compare" },
      make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Both settings compared" }, table),
      make("div", { class: "sides" }, ...askings.map((asking) => asking.view.element)),
    );
    this.changed = atNextFrame(() => this.update());
    this.update();
  }

  update() {
    this.stories.forEach((story, side) => {
      ROWS.forEach(([, say], index) => {
        const cell = this.cells[index][side];
        if (say) write(cell, say(story));
        else if (story.answer !== null) showRich(cell, story.answer);
        else write(cell, story.status === "running" ? stage(story) : "no answer");
      });
    });
  }
}
