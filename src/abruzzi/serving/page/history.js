// The history: what the store holds of this key's questions, listed, searched, opened, deleted.

import { deleteQuestion, listQuestions } from "./api.js";
import { confirmDeletion } from "./dialogs.js";
import { byId, make, set, write } from "./dom.js";
import { seconds, shorten, STATUS, time } from "./words.js";

const SEARCH_MS = 250;

export class History {
  /** @param {{onError: (error: Error) => void, onDeleted: (id: string) => void}} listeners */
  constructor({ onError, onDeleted }) {
    this.onError = onError;
    this.onDeleted = onDeleted;
    this.list = byId("records");
    this.search = byId("search");
    this.before = null;
    this.turn = 0;
    this.search.addEventListener("input", () => {
      clearTimeout(this.typing);
      this.typing = setTimeout(() => this.refresh(), SEARCH_MS);
    });
    byId("more-records").addEventListener("click", () => this.load(false));
  }

  refresh() {
    return this.load(true);
  }

  /** Lists the newest questions, or the next older ones. */
  async load(isAnew) {
    const turn = (this.turn += 1);
    try {
      const { questions, next_before: next } = await listQuestions({ search: this.search.value.trim(), before: isAnew ? null : this.before });
      if (turn !== this.turn) return; // a later search has overtaken this one
      this.before = next;
      const items = questions.map((question) => this.draw(question));
      if (isAnew) this.list.replaceChildren(...items);
      else this.list.append(...items);
      set(byId("more-records"), { hidden: next === null });
      set(byId("no-records"), { hidden: this.list.children.length > 0 });
      write(byId("no-records"), this.search.value.trim() ? "Nothing found." : "Questions that you ask are listed here.");
      this.mark(this.current);
    } catch (error) {
      if (turn === this.turn) this.onError(error);
    }
  }

  /** Marks the question that is open. */
  mark(id) {
    this.current = id;
    for (const item of this.list.children) set(item.firstElementChild, { "aria-current": item.dataset.id === id ? "page" : null });
  }

  draw({ id, question, asked_at: askedAt, status, answer, seconds: took }) {
    const name = shorten(question, 120);
    const said = status === "answered" ? shorten(answer, 60) : (STATUS[status] ?? status);
    const facts = [time(askedAt), took === null ? "" : seconds(took)].filter(Boolean).join(", ");
    const link = make("a", { href: `#/q/${encodeURIComponent(id)}` }, make("span", { class: "record-name" }, name), make("span", { class: `record-said ${status}` }, said), make("span", { class: "record-facts" }, facts));
    const remove = make("button", { type: "button", class: "quiet remove", "aria-label": `Delete: ${name}`, title: "Delete" }, "×");
    const item = make("li", { "data-id": id }, link, remove);
    remove.addEventListener("click", () => this.remove(item, id, question));
    return item;
  }

  async remove(item, id, question) {
    if (!(await confirmDeletion(question))) return;
    try {
      await deleteQuestion(id);
    } catch (error) {
      if (error.status !== 404) {
        this.onError(error);
        return;
      }
    }
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    (next?.firstElementChild ?? this.search).focus();
    set(byId("no-records"), { hidden: this.list.children.length > 0 });
    this.onDeleted(id);
  }
}
