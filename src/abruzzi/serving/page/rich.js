// Shows text of models with Markdown, formulas and listings. The server renders it; what comes back is read into an inert
// document and copied element by element from a list, so that even a wrong rendering could not run anything.

import { renderText } from "./api.js";
import { make } from "./dom.js";

const HTML = new Set("P H4 H5 H6 UL OL LI BLOCKQUOTE HR BR EM STRONG S A CODE PRE SPAN DIV TABLE THEAD TBODY TR TH TD".split(" "));
const MATHML = new Set(
  "math mrow mi mn mo mtext mspace mstyle mpadded mphantom mfrac msqrt mroot msub msup msubsup munder mover munderover mmultiscripts mprescripts none mtable mtr mtd".split(" "),
);
const ATTRIBUTES = new Set(
  "class tabindex role aria-label start display displaystyle scriptlevel stretchy fence form accent accentunder movablelimits largeop symmetric separator linethickness width height depth lspace rspace voffset minsize maxsize mathvariant".split(" "),
);
const MATHML_NAMESPACE = "http://www.w3.org/1998/Math/MathML";
const MAX_KEPT = 300;

const policy = globalThis.trustedTypes?.createPolicy("abruzzi", { createHTML: (html) => html }) ?? { createHTML: (html) => html };
const rendered = new Map();

/** Shows text as it is at once, and rendered as soon as the server has done so; a failure leaves it as it is. */
export async function showRich(element, text) {
  if (element.dataset.shown === text) return;
  element.dataset.shown = text;
  element.replaceChildren(make("div", { class: "as-written" }, text));
  if (!text.trim()) return;
  try {
    if (!rendered.has(text)) {
      if (rendered.size >= MAX_KEPT) rendered.delete(rendered.keys().next().value);
      rendered.set(text, renderText(text));
    }
    const html = await rendered.get(text);
    if (element.dataset.shown === text) element.replaceChildren(...copySafe(html));
  } catch {
    rendered.delete(text);
  }
}

/** Reads HTML into nodes of listed elements and attributes; anything else is left out, its text kept. */
export function copySafe(html) {
  // A document made by the parser runs no script and loads nothing.
  const inert = new DOMParser().parseFromString(policy.createHTML(html), "text/html");
  return [...inert.body.childNodes].flatMap(copyNode);
}

function copyNode(node) {
  if (node instanceof Text) return [document.createTextNode(node.data)];
  if (!(node instanceof Element)) return [];
  const children = [...node.childNodes].flatMap(copyNode);
  const isMaths = node.namespaceURI === MATHML_NAMESPACE && MATHML.has(node.localName);
  if (!isMaths && !HTML.has(node.tagName)) return node.tagName === "SCRIPT" || node.tagName === "STYLE" ? [] : children;
  const copy = isMaths ? document.createElementNS(MATHML_NAMESPACE, node.localName) : document.createElement(node.localName);
  for (const { name, value } of node.attributes) if (ATTRIBUTES.has(name)) copy.setAttribute(name, value);
  const href = node.getAttribute("href");
  if (copy.localName === "a" && /^(https?:\/\/|mailto:)/i.test(href ?? "")) {
    copy.setAttribute("href", href);
    copy.setAttribute("target", "_blank");
    copy.setAttribute("rel", "noopener noreferrer nofollow");
  }
  copy.append(...children);
  return [copy];
}
