// The settings of a question as form fields. An empty field leaves the server's own setting, which it shows as its hint.

import { make, set, write } from "./dom.js";
import { describeSettings } from "./words.js";

const NUMBERS = [
  { name: "n", label: "Candidates", min: 1, step: 1, read: Number },
  { name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.1, read: Number },
  { name: "hard_deadline_s", label: "Deadline, seconds", min: 1, step: 1, read: Number },
  { name: "token_budget", label: "Budget, tokens", min: 1, step: 1, read: Number },
  { name: "seed", label: "Seed", min: 0, step: 1, read: Number },
];
const CHOICES = [
  { name: "plan", label: "Plan", options: [["", "server's own"], ["auto", "if needed"], ["always", "always"], ["off", "off"]] },
  { name: "judge", label: "Judge", options: [["", "server's own"], ["true", "on"], ["false", "off"]] },
];

export class SettingsForm {
  /**
   * @param {object} config what /api/config says
   * @param {{legend: string, isOpen?: boolean}} options
   */
  constructor(config, { legend, isOpen = false }) {
    this.config = config;
    this.prefix = crypto.randomUUID();
    this.fields = new Map();
    this.trouble = make("p", { class: "trouble", role: "alert", hidden: true });
    this.about = make("span", { class: "soft" });
    const model = this.choice("model", "Model", config.models.map((offer) => [offer.id, offer.id]));
    const fields = make("div", { class: "fields" }, ...NUMBERS.slice(0, 1).map((field) => this.number(field)), ...CHOICES.map((field) => this.choice(field.name, field.label, field.options)), ...NUMBERS.slice(1).map((field) => this.number(field)));
    this.more = make("details", { class: "more", open: isOpen }, make("summary", {}, "Settings ", this.about), fields);
    this.element = make("fieldset", { class: "settings" }, make("legend", { class: isOpen ? "side" : "unseen" }, legend), model, this.more, this.trouble);
    this.element.addEventListener("input", () => this.changed());
    this.changed();
  }

  /**
   * Reads the fields.
   * @returns {{model: string, settings: Record<string, unknown>} | null} null where one is out of range; it says so
   */
  read() {
    const settings = {};
    for (const { name, label, read } of NUMBERS) {
      const field = this.fields.get(name);
      const isWrong = !field.disabled && (field.validity.badInput || !field.checkValidity());
      set(field, { "aria-invalid": isWrong ? "true" : null });
      if (isWrong) return this.complain(field, `${label}: ${field.validationMessage || "not a number"}`);
      if (!field.disabled && field.value !== "") settings[name] = read(field.value);
    }
    for (const { name } of CHOICES) {
      const { value, disabled } = this.fields.get(name);
      if (!disabled && value) settings[name] = name === "judge" ? value === "true" : value;
    }
    set(this.trouble, { hidden: true });
    return { model: this.fields.get("model").value, settings };
  }

  complain(field, message) {
    this.more.open = true;
    write(this.trouble, message);
    set(this.trouble, { hidden: false });
    field.focus();
    return null;
  }

  /** Greys out what the chosen model fixes, and says what will be asked for. */
  changed() {
    const offer = this.config.models.find(({ id }) => id === this.fields.get("model").value) ?? this.config.models[0];
    const fixed = offer.fixed ?? {};
    for (const [name, field] of this.fields) {
      if (name === "model") continue;
      const isFree = !(name in fixed) && (!offer.is_upstream || name === "temperature" || name === "seed");
      field.disabled = !isFree;
      if (field.type === "number") field.placeholder = name in fixed ? String(fixed[name]) : (this.hint(name, offer) ?? "");
    }
    const own = offer.is_upstream ? {} : { n: this.config.settings.n, plan: this.config.settings.plan, judge: this.config.settings.judge };
    write(this.about, offer.is_upstream ? "the model as it is" : describeSettings({ ...own, ...fixed, ...this.peek() }));
  }

  hint(name, offer) {
    if (offer.is_upstream) return "";
    const own = this.config.settings[name];
    return own === null || own === undefined ? "none" : String(own);
  }

  peek() {
    const peeked = {};
    for (const [name, { value, disabled }] of this.fields) {
      if (name === "model" || disabled || value === "") continue;
      peeked[name] = name === "judge" ? value === "true" : name === "plan" ? value : Number(value);
    }
    return peeked;
  }

  number({ name, label, min, max, step }) {
    const id = `${this.prefix}-${name}`;
    const most = name === "n" ? this.config.caps.n : (this.config.caps[name] ?? max);
    const field = make("input", { type: "number", id, name, min, max: most ?? null, step, inputmode: step < 1 ? "decimal" : "numeric" });
    this.fields.set(name, field);
    return make("div", { class: "field" }, make("label", { for: id }, label), field);
  }

  choice(name, label, options) {
    const id = `${this.prefix}-${name}`;
    const field = make("select", { id, name }, ...options.map(([value, text]) => make("option", { value }, text)));
    this.fields.set(name, field);
    return make("div", { class: `field field-${name}` }, make("label", { for: id }, label), field);
  }
}
