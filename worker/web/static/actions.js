// The actions of the page: each asks for confirmation in a dialog, and shows the result in a toast.

import { post } from "./connection.js";
import { ask, back, hideToast, toast } from "./dialog.js";
import { make, state } from "./parts.js";
import { named, t, together } from "./words.js";

const items = (n) => t("n.items", { n }), intents = (n) => t("n.intents", { n });

/** What the server did, in a sentence. */
function sentence(answer) {
  const values = { ...answer, items: items(answer.items), intents: intents(answer.intents), n: answer.in_flight };
  if (answer.state) values.state = named("state", answer.state);
  if (answer.done === "done.nothing_retried") values.why = answer.skipped.map((why) => named("skip", why)).join("; ") || t("done.no_more_items");
  return t(answer.done, values);
}

async function order(path, content) {
  const answer = await post(path, content);
  toast(answer.error ? answer : sentence(answer));
}

export async function pauseLane(lane) {
  const reason = make("input");
  reason.maxLength = 200;
  reason.placeholder = t("pause.example");
  const body = [make("p", "", t("pause.text")), make("label", "", t("pause.reason"), reason)];
  const choice = await ask(t("pause.title", { lane: lane.name }), body, back(), ["go", t("lane.pause"), "main"]);
  if (choice) await order("/api/pause", { lane: lane.name, ...(reason.value.trim() ? { reason: reason.value.trim() } : {}) });
}

export const resumeLane = (lane) => order("/api/resume", { lane: lane.name });

export const cancelIntent = (row) => cancel(row, "intent", t("cancel.intent"), t("cancel.do_intent"));
export const cancelSet = (row) => cancel(row, "change_set", t("cancel.set"), t("cancel.do_set"));

async function cancel(row, name, heading, does) {
  const body = [make("p", "", t("cancel.text", { items: items(row.pending ?? 0) })), make("p", "id", row.id)];
  const choice = await ask(heading, body, back(), ["go", does, "danger"]);
  if (choice) await order("/api/cancel", { [name]: row.id });
}

export const retryIntent = (id) => retry({ intent: id });
export const retrySet = (id) => retry({ change_set: id });
export const retryReason = (group) => retry({ code: group.code, lane: group.lane, since_at: state.failures.since });

async function retry(what) {
  const slow = setTimeout(() => toast(t("retry.checking")), 400);
  let plan = await post("/api/retry", what).finally(() => clearTimeout(slow));
  hideToast();
  while (plan && !plan.error && !plan.done) plan = await confirmed(what, plan);
  if (plan) toast(plan.error ? plan : sentence(plan));
}

/** Like a retry: the server shows what it would put back, and does exactly that. */
export async function undoSet(id) {
  let plan = await post("/api/undo", { change_set: id });
  while (plan && !plan.error && !plan.done) plan = await agreed(id, plan);
  if (plan) toast(plan.error ? plan : t(plan.done, { values: t("n.values", { n: plan.values }), set: plan.set }));
}

async function agreed(id, plan) {
  const values = t("n.values", { n: plan.values });
  const body = [make("p", "", plan.values ? t("undo.plan", { values }) : t("undo.nothing"))];
  if (plan.changed) body.unshift(make("p", "why", t("retry.changed")));
  if (plan.before) body.push(make("p", "", plan.is_again ? t("undo.again", { set: plan.before, values }) : t("undo.before", { set: plan.before })));
  if (plan.values) body.push(make("p", "soft", t("undo.hint")));
  if (plan.waiting) body.push(make("p", "why", t("undo.waiting", { values: t("n.values", { n: plan.waiting }), changes: together(plan.waiting_first) })));
  const skipped = plan.skipped.map((one) => make("li", "", t("undo.skipped", { values: t("n.values", { n: one.values }), why: named("undo_why", one.why) })));
  if (plan.forgotten) skipped.push(make("li", "", t("undo.forgotten", { intents: intents(plan.forgotten) })));
  if (skipped.length) body.push(make("ul", "plain", ...skipped));
  const buttons = plan.values ? [back(), ["go", t("undo.do", { values }), "main"]] : [["", t("close"), ""]];
  const choice = await ask(t("undo.title"), body, ...buttons);
  return choice ? post("/api/undo", { change_set: id, confirmed: plan.digest }) : null;
}

/** The result: done, refused, or another plan to confirm; null if the reader goes back. */
async function confirmed(what, plan) {
  const body = [make("p", "", plan.items ? t("retry.plan", { items: items(plan.items), intents: intents(plan.intents) }) : t("retry.nothing"))];
  if (plan.changed) body.unshift(make("p", "why", t("retry.changed")));
  const skipped = plan.skipped.map((one) => make("li", "", t("retry.skipped", { items: items(one.items), why: named("skip", one.why) })));
  const first = plan.first.slice(0, 6).map((one) => make("li", "", make("span", "id", one.intent), " · ", items(one.items)));
  for (const rows of [skipped, first]) if (rows.length) body.push(make("ul", "plain", ...rows));
  if (plan.intents > 6) body.push(make("p", "soft", t("retry.rest", { intents: t("n.more_intents", { n: plan.intents - 6 }) })));
  const buttons = plan.items ? [back(), ["go", t("retry.do", { items: items(plan.items) }), "main"]] : [["", t("close"), ""]];
  const choice = await ask(t("retry.title"), body, ...buttons);
  return choice ? post("/api/retry", { ...what, confirmed: plan.digest }) : null;
}
