// Wires the page: views by address, the form, the keyboard, the theme, what is announced. Draws nothing itself.

import { readConfig, readQuestion } from "./api.js";
import { Asking } from "./asking.js";
import { Comparison } from "./comparing.js";
import { askForKey, showHelp } from "./dialogs.js";
import { byId, set, write } from "./dom.js";
import { History } from "./history.js";
import { clearNotices, showError, showNotice } from "./notices.js";
import { RunView } from "./run_view.js";
import { SettingsForm } from "./settings_form.js";
import { readRecord } from "./story.js";
import { explain, shorten, stage } from "./words.js";

const THEMES = ["auto", "light", "dark"];
const SETTLE_MS = 1500;
const IS_MAC = /Mac|iPhone|iPad/.test(navigator.platform);

const state = {
  config: null,
  forms: [],
  askings: [],
  view: null,
  isWaiting: false, // a question was asked before the configuration had come
};
const history = new History({ onError: tellHistoryError, onDeleted: leaveDeleted });

start();

async function start() {
  for (const key of document.querySelectorAll("kbd.mod")) write(key, IS_MAC ? "⌘" : "Ctrl");
  wireForm();
  wireTools();
  wireKeys();
  addEventListener("hashchange", route);
  addEventListener("beforeunload", (event) => {
    if (isRunning()) event.preventDefault();
  });
  await open();
}

/** Reads what the server offers; asks for the key where it wants one. */
async function open() {
  try {
    state.config = await readConfig();
  } catch (error) {
    const { action } = explain(error);
    if (action === "key" && (await askForKey(error.message))) return open();
    showError(error, { key: { label: "Enter a key", act: open }, retry: { label: "Try again", act: open } });
    return undefined;
  }
  clearNotices();
  state.view = null;
  document.body.classList.toggle("no-history", !state.config.has_store);
  if (state.config.has_store) history.refresh();
  await route();
  if (state.isWaiting) {
    state.isWaiting = false;
    await submit();
  }
  return undefined;
}

function readAddress() {
  const record = /^#\/q\/([\w.%-]+)$/.exec(location.hash);
  if (record) return { view: "record", id: decodeURIComponent(record[1]) };
  return { view: location.hash === "#/compare" ? "compare" : "ask", id: null };
}

async function route() {
  if (!state.config) return;
  const { view, id } = readAddress();
  openHistory(false);
  history.mark(id);
  if (view === "record") {
    if (state.askings.some(({ story }) => story.id === id)) return; // it is on the page already
    showForms(false);
    await openRecord(id);
    return;
  }
  if (isRunning()) return;
  showForms(view === "compare");
  if (state.askings.length || byId("stage").firstChild) clearStage();
  byId("question").focus({ preventScroll: true });
}

function showForms(isCompare) {
  const view = isCompare ? "compare" : "ask";
  set(byId("to-ask"), { "aria-current": isCompare ? null : "page" });
  set(byId("to-compare"), { "aria-current": isCompare ? "page" : null });
  write(byId("view-name"), isCompare ? "Compare two settings" : "Ask");
  document.title = isCompare ? "Compare · Abruzzi" : "Abruzzi";
  document.body.classList.toggle("comparing", isCompare);
  if (state.view === view) return;
  state.view = view;
  const legends = isCompare ? ["First", "Second"] : ["Settings"];
  state.forms = legends.map((legend) => new SettingsForm(state.config, { legend, isOpen: isCompare }));
  byId("settings").replaceChildren(...state.forms.map((form) => form.element));
}

function clearStage() {
  state.askings = [];
  byId("stage").replaceChildren();
  clearNotices();
}

async function openRecord(id) {
  clearNotices();
  try {
    const story = readRecord(await readQuestion(id));
    if (readAddress().id !== id) return;
    stopAll();
    state.askings = [];
    byId("stage").replaceChildren(new RunView(story).element);
    byId("question").value = story.question;
    document.title = `${shorten(story.question, 60)} · Abruzzi`;
    if (story.status === "running") showNotice("This question is still being answered.", { label: "Look again", act: () => openRecord(id) });
    byId("main").focus({ preventScroll: true });
    byId("stage").scrollIntoView({ block: "start" });
  } catch (error) {
    showError(error, { retry: { label: "Try again", act: () => openRecord(id) }, key: { label: "Enter a key", act: () => askAgainWithKey(error, () => openRecord(id)) } });
  }
}

function isRunning() {
  return state.askings.some(({ story }) => story.status === "running");
}

function stopAll() {
  for (const asking of state.askings) asking.stop();
}

async function submit() {
  const question = byId("question").value;
  if (!state.config) {
    state.isWaiting = true; // asked as soon as it is known what the server offers
    return;
  }
  if (isRunning()) return;
  if (!question.trim()) {
    byId("question").focus();
    return;
  }
  const hows = state.forms.map((form) => form.read());
  if (hows.includes(null)) return;
  clearNotices();
  if (readAddress().view === "record") globalThis.history.replaceState(null, "", "#/");
  const isCompare = hows.length === 2;
  let comparison = null;
  const onStage = (story) => {
    comparison?.changed();
    if (!isCompare || story.status !== "running") announce(story);
  };
  state.askings = hows.map((how, side) => new Asking(question, how, { label: isCompare ? ["First", "Second"][side] : "", onStage }));
  if (isCompare) comparison = new Comparison(state.askings);
  byId("stage").replaceChildren(comparison?.element ?? state.askings[0].view.element);
  byId("stage").scrollIntoView({ block: "nearest" });
  showRunning(true);
  const askings = state.askings;
  const troubles = await Promise.all(askings.map((asking) => asking.run()));
  comparison?.update();
  showRunning(false);
  if (state.askings === askings) tellEnd(askings, troubles);
  if (!state.config.has_store) return;
  history.refresh();
  // The record of a question that was cut off ends a moment later than its stream.
  if (askings.some(({ story }) => story.status !== "answered")) setTimeout(() => history.refresh(), SETTLE_MS);
}

function tellEnd(askings, troubles) {
  const side = troubles.findIndex((trouble) => trouble !== null);
  const reopen = (asking) => ({ label: "Reopen it from the history", act: () => reopenRecord(asking.story.id) });
  if (side >= 0) {
    const canReopen = state.config.has_store && askings[side].story.id !== null;
    showError(troubles[side], {
      key: { label: "Enter a key", act: () => askAgainWithKey(troubles[side], submit) },
      retry: { label: "Ask again", act: submit },
      reopen: canReopen ? reopen(askings[side]) : { label: "Ask again", act: submit },
    });
    if (troubles[side].status === 401) askAgainWithKey(troubles[side], submit);
  } else if (askings.some(({ story }) => story.status === "cancelled")) {
    showNotice("Stopped. What was finished stands below.");
  }
}

function reopenRecord(id) {
  const address = `#/q/${encodeURIComponent(id)}`;
  state.askings = [];
  if (location.hash === address) route();
  else location.hash = address;
}

async function askAgainWithKey(error, act) {
  if (!(await askForKey(error.message))) return;
  clearNotices();
  act();
}

function tellHistoryError(error) {
  if (byId("notices").firstChild) return; // what is said there matters more, and has most likely the same cause
  if (error.status === 401) showError(error, { key: { label: "Enter a key", act: () => askAgainWithKey(error, open) } });
  else showError(error, { retry: { label: "Try again", act: () => history.refresh() } });
}

function leaveDeleted(id) {
  if (readAddress().id === id) location.hash = "#/";
}

function showRunning(isOn) {
  set(byId("ask"), { hidden: isOn });
  set(byId("stop"), { hidden: !isOn });
  set(byId("composer"), { "aria-busy": isOn ? "true" : null });
  if (isOn) byId("stop").focus({ preventScroll: true });
  else if (document.activeElement === byId("stop") || document.activeElement === document.body) byId("ask").focus({ preventScroll: true });
}

/** Tells a reader of the screen what happens, once a step. */
function announce(story) {
  const said = story.answer === null ? stage(story) : `Answer: ${shorten(story.answer, 200)}`;
  write(byId("progress"), said);
}

function wireForm() {
  byId("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  byId("stop").addEventListener("click", stopAll);
  byId("question").addEventListener("input", () => {
    const lines = byId("question").value.split("\n").length;
    byId("question").rows = Math.min(14, Math.max(3, lines + 1));
  });
}

function wireTools() {
  byId("open-key").addEventListener("click", async () => {
    if (await askForKey()) open();
  });
  byId("open-help").addEventListener("click", showHelp);
  byId("open-history").addEventListener("click", () => openHistory(!document.body.classList.contains("history-open")));
  byId("close-history").addEventListener("click", () => openHistory(false));
  byId("switch-theme").addEventListener("click", () => {
    showTheme(THEMES[(THEMES.indexOf(readTheme()) + 1) % THEMES.length]);
  });
  showTheme(readTheme());
}

/** Opens the history where it is not beside the question anyway. */
function openHistory(isOpen) {
  const wasOpen = document.body.classList.contains("history-open");
  document.body.classList.toggle("history-open", isOpen);
  set(byId("open-history"), { "aria-expanded": String(isOpen) });
  if (isOpen) byId("search").focus();
  else if (wasOpen) byId("open-history").focus();
}

function readTheme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function showTheme(theme) {
  const name = { auto: "Auto", light: "Light", dark: "Dark" }[theme];
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "auto") localStorage.removeItem("abruzzi-theme");
    else localStorage.setItem("abruzzi-theme", theme);
  } catch {
    // Storage may be switched off; the theme then lasts as long as the page.
  }
  write(byId("theme-name"), name);
  set(byId("switch-theme"), { "aria-label": `Theme: ${name === "Auto" ? "automatic" : name.toLowerCase()}` });
}

function wireKeys() {
  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      submit();
    } else if (event.key === "Escape") {
      if (document.body.classList.contains("history-open")) openHistory(false);
      else if (isRunning()) stopAll();
    } else if (!isTyping(event) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      pressKey(event);
    }
  });
}

function isTyping({ target }) {
  return target instanceof HTMLElement && target.matches("input, textarea, select");
}

function pressKey(event) {
  if (event.key === "/" && state.config?.has_store) {
    event.preventDefault();
    if (getComputedStyle(byId("history")).visibility === "hidden") openHistory(true);
    byId("search").focus();
    byId("search").select();
  } else if (event.key === "?") {
    event.preventDefault();
    showHelp();
  } else if (event.key === "n" && !isRunning()) {
    event.preventDefault();
    byId("question").value = "";
    if (location.hash === "" || location.hash === "#/") route();
    else location.hash = "#/";
  }
}
