// The search: a number or a link is a work item; another text is an id or part of a note; a time narrows down.

import { read } from "./connection.js";
import { ask, close, toast } from "./dialog.js";
import { showIntent, showItem, showSet } from "./details.js";
import { $, button, called, counts, dots, field, make } from "./parts.js";
import { named, t, time } from "./words.js";

const seconds = (input) => (input.value ? new Date(input.value).getTime() / 1000 : "");

$("find-time").addEventListener("click", () => {
  const times = $("find-times");
  times.hidden = !times.hidden;
  $("find-time").setAttribute("aria-expanded", `${!times.hidden}`);
  if (times.hidden) $("find-since").value = $("find-until").value = "";
});

$("find").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("find-text").value.trim(), since = seconds($("find-since")), until = seconds($("find-until"));
  if (/^#?\d+$|^https?:/.test(text)) return showItem(text);
  if (!text && !since && !until) return $("find-text").focus();
  const found = await read("/api/find", { text, since, until });
  if (found.error) return toast(found);
  if (found.exact) return showIntent(found.exact);
  if (!found.sets.length && !found.intents.length) return toast({ error: [t("find.nothing"), found.is_cut ? t("find.is_cut") : ""].join(" ") });
  ask(t("find.results"), results(found), close());
});

function results(found) {
  const body = [];
  if (found.sets.length) body.push(make("h3", "", t("find.sets")), make("ul", "plain", ...found.sets.map((row) => result(row, row.grew_at, row.note ? row.id : "", showSet))));
  if (found.intents.length) body.push(make("h3", "", t("find.intents")), make("ul", "plain", ...found.intents.map((row) => result(row, row.enqueued_at, field(row.what), showIntent))));
  if (found.has_more) body.push(make("p", "soft", t("find.more")));
  if (found.is_cut) body.push(make("p", "soft", t("find.is_cut")));
  return body;
}

function result(row, moment, about, open) {
  return make("li", "", button(called(row), "link", () => open(row.id)), make("div", "soft", dots([time(moment), about, named("state", row.state), counts(row)])));
}
