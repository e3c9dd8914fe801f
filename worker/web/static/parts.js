// The small parts of the page. Outside data is only ever set as text, never as markup.

export const $ = (id) => document.getElementById(id);
export const state = {}; // section → its latest content from the server

export function make(tag, className, ...inside) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
  return node;
}

export function put(node, text) { if (node.textContent !== text) node.textContent = text; return node; }

export function button(text, className, act) {
  const node = make("button", className, text);
  node.type = "button";
  let busy = false; // a second click, of a double click too, does not ask for the same again
  node.addEventListener("click", async (event) => {
    if (busy || event.detail > 1) return;
    busy = true;
    try { await act(); } finally { busy = false; }
  });
  return node;
}

/** One child for each item; children stay, and with them the focus, as long as their key does. */
export function list(parent, items, key, create, none) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const wanted = items.length ? items : none ? [null] : [];
  wanted.forEach((item, place) => {
    const name = item === null ? "" : `k${key(item)}`;
    let node = known.get(name);
    if (!node) {
      node = item === null ? make("li", "none", none) : create(item);
      node.dataset.key = name;
    }
    known.delete(name);
    if (item !== null) node.show?.(item);
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  for (const node of known.values()) node.remove();
}

const count = new Intl.NumberFormat("en");
export const n = (number) => count.format(number);
export const some = (number, one, many = `${one}s`) => `${n(number)} ${number === 1 ? one : many}`;

export function span(seconds) {
  if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}

export const since = (moment) => span(state.now - moment);

export const ORDER = ["succeeded", "unchanged", "failed", "superseded", "canceled", "expired", "in_flight", "pending"];
export const WORDS = { in_flight: "in a request", "in flight": "in a request", pending: "waiting" };

export function counts(row) {
  return ORDER.filter((kind) => row[kind]).map((kind) => `${n(row[kind])} ${WORDS[kind] ?? kind}`).join(", ");
}
