// Notices above a question: an error in words, what can be done about it, and when.

import { byId, make, set, write } from "./dom.js";
import { explain } from "./words.js";

/** Takes all notices away. */
export function clearNotices() {
  byId("notices").replaceChildren();
}

/**
 * Shows an error.
 * @param {Error} error
 * @param {Record<string, {label: string, act: () => void} | undefined>} actions what can be done, by the name that explain gives
 */
export function showError(error, actions = {}) {
  const { title, text, action } = explain(error);
  const offered = action === null ? undefined : actions[action];
  const button = offered && make("button", { type: "button" }, offered.label);
  const notice = make("div", { class: "notice bad", role: "alert" }, make("p", { class: "notice-title" }, title), make("p", {}, text), button ?? null);
  byId("notices").replaceChildren(notice);
  if (!button) return;
  button.addEventListener("click", () => {
    notice.remove();
    offered.act();
  });
  if (error.retryAfterS) countDown(button, offered.label, error.retryAfterS);
}

/** Shows a sentence that is no error. */
export function showNotice(text, offered) {
  const button = offered && make("button", { type: "button" }, offered.label);
  button?.addEventListener("click", offered.act);
  byId("notices").replaceChildren(make("div", { class: "notice", role: "status" }, make("p", {}, text), button ?? null));
}

/** Holds a button back for some seconds, and says for how long. */
function countDown(button, label, fromS) {
  const end = performance.now() + fromS * 1000;
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    set(button, { disabled: left > 0 });
    write(button, left > 0 ? `${label} in ${left} s` : label);
    if (left > 0 && button.isConnected) setTimeout(tick, 250);
  };
  button.disabled = true;
  write(button, `${label} in ${Math.ceil(fromS)} s`);
  queueMicrotask(tick);
}
