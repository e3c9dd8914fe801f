// The small parts of the page. Outside data is only ever set as text, never as markup.

import { named, span, t, together } from "./words.js";

export const $ = (id) => document.getElementById(id);
export const state = {}; // section → its latest content from the server

export function make(tag, className, ...inside) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
  return node;
}

export function put(node, text) { if (node.textContent !== text) node.textContent = text; return node; }

/** As `put`; without a text, the node is not shown. */
export function show(node, text) { put(node, text || "").hidden = !text; return node; }

export function label(node, text) { node.setAttribute("aria-label", text); return node; }

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

/** A link to a work item in Feishu Project; plain text where its place is not known. */
export function itemLink(item, lane, place) {
  const site = state.about?.sites[lane] ?? "";
  if (!/^https?:/.test(site) || !place?.space || !place.type) return make("span", "", `${item}`);
  const node = make("a", "item", `${item}`);
  node.href = [site.replace(/\/+$/, ""), encodeURIComponent(place.space), encodeURIComponent(place.type), "detail", item].join("/");
  node.target = "_blank";
  node.rel = "noreferrer";
  return node;
}

export const since = (moment) => span(state.now - moment);
export const ago = (moment) => t("ago", { span: since(moment) });
export const dots = (parts) => parts.filter(Boolean).join(" · ");
export const inLane = (row) => (state.about.several_lanes ? t("lane.of", { lane: row.lane }) : "");
export const field = (what) => (what ? t("row.field", what) : "");

export const ORDER = ["succeeded", "unchanged", "failed", "skipped", "superseded", "canceled", "expired", "in_flight", "pending"];

export function counts(row) {
  return together(ORDER.filter((kind) => row[kind]).map((kind) => t("item.count", { n: row[kind], state: named("item", kind) })));
}

/** The name of a set or an intent: its note, which `retry` writes for its own, or its id. */
export function called(row) {
  const again = /^retry of (\S+)$/.exec(row.note ?? "");
  return again ? t("row.retry_of", { intent: again[1] }) : row.note || row.id;
}
