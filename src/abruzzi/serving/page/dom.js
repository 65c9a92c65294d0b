// Makes elements. Text goes in as text: nothing here reads HTML, and attributes that could run anything are refused.

const ATTRIBUTE = /^(aria-[a-z]+|data-[a-z-]+|class|role|id|for|href|type|name|value|min|max|step|rows|tabindex|title|scope|colspan|hidden|open|checked|selected|disabled|inputmode|placeholder|autocomplete|lang|dir|viewBox|d|cx|cy|r)$/;

/**
 * Makes an element: make("p", {class: "soft"}, "text", other).
 * @param {string} name
 * @param {Record<string, string | number | boolean | null | undefined>} attributes false, null and undefined are left out
 * @param {...(Node | string | number | null | undefined)} children strings become text
 */
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  set(element, attributes);
  element.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** Sets attributes; null and false take one away. */
export function set(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (!ATTRIBUTE.test(key)) throw new Error(`no attribute ${key}`);
    if (value === null || value === undefined || value === false) element.removeAttribute(key);
    else if (element.getAttribute(key) !== String(value === true ? "" : value)) element.setAttribute(key, value === true ? "" : String(value));
  }
}

/** Sets an element's text, and leaves it alone where it is that already: selections and readers are not disturbed. */
export function write(element, text) {
  const shown = String(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/** Lets an element grow to a longer text by its new end only. */
export function grow(element, text) {
  const shown = element.textContent;
  if (text === shown) return;
  if (element.firstChild instanceof Text && element.childNodes.length === 1 && text.startsWith(shown)) {
    element.firstChild.appendData(text.slice(shown.length));
  } else {
    element.textContent = text;
  }
}

/** Finds an element of the page by its id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Makes what has something drawn at the next frame; however often it is called until then, it is drawn once. */
export function atNextFrame(draw) {
  let isWaiting = false;
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      draw();
    });
  };
}
