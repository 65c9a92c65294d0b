// The dialogs: the key, the confirmation of a deletion, the list of shortcuts. The browser keeps focus and Esc in them.

import { keepKey, readKey } from "./api.js";
import { byId, set, write } from "./dom.js";
import { shorten } from "./words.js";

/**
 * Asks for the API key.
 * @param {string} trouble why, where the last one was refused
 * @returns {Promise<boolean>} true when there is another key now
 */
export function askForKey(trouble = "") {
  const dialog = byId("key-dialog");
  const field = byId("key");
  write(byId("key-trouble"), trouble);
  set(byId("key-trouble"), { hidden: !trouble });
  set(byId("forget-key"), { hidden: !readKey() });
  field.value = "";
  if (!dialog.open) dialog.showModal();
  field.focus();
  return new Promise((resolve) => {
    const over = new AbortController();
    const end = (isNew) => {
      over.abort();
      field.value = "";
      if (dialog.open) dialog.close();
      resolve(isNew);
    };
    const on = (element, type, act) => element.addEventListener(type, act, { signal: over.signal });
    on(byId("key-form"), "submit", (event) => {
      event.preventDefault();
      const key = field.value.trim();
      if (key) keepKey(key);
      end(key !== "");
    });
    on(byId("forget-key"), "click", () => {
      keepKey("");
      end(true);
    });
    on(byId("cancel-key"), "click", () => end(false));
    on(dialog, "close", () => end(false));
  });
}

/** Asks whether a question is to be deleted for good. */
export function confirmDeletion(question) {
  const dialog = byId("confirm-dialog");
  write(byId("confirm-text"), shorten(question, 160));
  dialog.returnValue = "cancel";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

/** Shows the shortcuts. */
export function showHelp() {
  byId("help-dialog").showModal();
}
