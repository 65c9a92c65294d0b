// Asks one question and shows it live. Whatever ends it early, what was there stays, and its record can be reopened.

import { ask } from "./api.js";
import { RunView } from "./run_view.js";
import { endGrowing, hear, newStory } from "./story.js";

export class Asking {
  /**
   * @param {string} question
   * @param {{model: string, settings: object}} how
   * @param {{label?: string, onStage?: (story: object) => void}} options
   */
  constructor(question, how, { label = "", onStage = () => {} } = {}) {
    this.body = { model: how.model, messages: [{ role: "user", content: question }], settings: how.settings };
    this.story = newStory(question, how);
    this.view = new RunView(this.story, { label });
    this.onStage = onStage;
    this.abort = new AbortController();
  }

  /**
   * Runs to the end.
   * @returns {Promise<Error | null>} what ended it early, if anything did; being stopped is no error
   */
  async run() {
    this.view.startClock();
    let trouble = null;
    try {
      await ask(
        this.body,
        (row) => {
          hear(this.story, row);
          this.view.changed();
          this.onStage(this.story);
        },
        this.abort.signal,
      );
    } catch (error) {
      this.story.status = error.name === "AbortError" ? "cancelled" : error.type === "connection_broken" ? "broken" : "failed";
      if (error.name !== "AbortError") {
        trouble = error;
        if (error.type !== "connection_broken") this.story.failure ??= { kind: error.type, message: error.message };
      }
    }
    endGrowing(this.story);
    this.view.stopClock();
    this.view.update();
    this.onStage(this.story);
    return trouble;
  }

  stop() {
    this.abort.abort();
  }
}
