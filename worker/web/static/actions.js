// The actions of the page: each asks for confirmation in a dialog, and shows the result in a toast.

import { post, said } from "./connection.js";
import { $, WORDS, counts, make, n, put, some, state } from "./parts.js";

let answered = null; // receives the answer of the open dialog

/** Shows a dialog; the answer is the value of the button that closed it, empty for Esc. */
function ask(heading, body, ...buttons) {
  const dialog = $("dialog");
  answered?.("");
  put($("dialog-title"), heading);
  $("dialog-body").replaceChildren(...body);
  $("dialog-buttons").replaceChildren(...buttons.map(([value, text, className]) => {
    const node = make("button", className, text);
    node.value = value;
    if (!value) node.type = "button"; // so that Enter in a field confirms and does not go back
    if (!value) node.addEventListener("click", () => dialog.close(""));
    return node;
  }));
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  ($("dialog-body").querySelector("input") ?? $("dialog-title")).focus(); // focus on a button would scroll a long dialog to its end
  dialog.scrollTop = 0;
  return new Promise((resolve) => { answered = (value) => { answered = null; resolve(value); }; });
}

$("dialog").addEventListener("close", () => answered?.($("dialog").returnValue));
$("dialog").addEventListener("cancel", () => { $("dialog").returnValue = ""; });

let fading = 0;

function toast(answer) {
  $("toast").className = answer.error ? "toast failed" : "toast";
  $("toast").hidden = false; // before its text is set: screen readers announce only changes of a visible element
  put($("toast"), answer.error || answer.message);
  clearTimeout(fading);
  fading = setTimeout(() => { put($("toast"), "").hidden = true; }, answer.error ? 12000 : 6000);
}

const BACK = ["", "Back", ""];

export async function pauseLane(lane) {
  const reason = make("input");
  reason.maxLength = 200;
  reason.placeholder = "maintenance until 18:00";
  const label = make("label", "", "Reason, shown on this page (optional)", reason);
  const text = "No more requests are sent until you resume the lane. Jobs that were already accepted are tracked to completion; new intents are recorded.";
  const choice = await ask(`Pause lane ${lane.name}?`, [make("p", "", text), label], BACK, ["go", "Pause", "main"]);
  if (choice) toast(await post("/api/pause", { lane: lane.name, ...(reason.value.trim() ? { reason: reason.value.trim() } : {}) }));
}

export async function resumeLane(lane) { toast(await post("/api/resume", { lane: lane.name })); }

export async function cancelIntent(row) {
  const text = `Items that are not in a request yet are canceled: ${some(row.pending ?? 0, "item")} at this moment. Items already in a request are not affected.`;
  const choice = await ask("Cancel this intent?", [make("p", "", text), make("p", "id", row.id)], BACK, ["go", "Cancel the intent", "danger"]);
  if (choice) toast(await post("/api/cancel", { intent: row.id }));
}

export async function cancelSet(row) {
  const text = `Items that are not in a request yet are canceled: ${some(row.pending ?? 0, "item")} at this moment. Items already in a request are not affected.`;
  const choice = await ask("Cancel this change set?", [make("p", "", text), make("p", "id", row.id)], BACK, ["go", "Cancel the change set", "danger"]);
  if (choice) toast(await post("/api/cancel", { change_set: row.id }));
}

export const retryIntent = (id) => retry({ intent: id });
export const retrySet = (id) => retry({ change_set: id });
export const retryReason = (group) => retry({ code: group.code, lane: group.lane, since_at: state.failures.since });

async function retry(what) {
  const slow = setTimeout(() => toast({ message: "Checking for later changes …" }), 400);
  let plan = await post("/api/retry", what).finally(() => clearTimeout(slow));
  put($("toast"), "").hidden = true;
  while (!plan.error && !plan.message) plan = await confirmed(what, plan);
  if (plan.error || plan.message !== " ") toast(plan);
}

async function confirmed(what, plan) {
  const body = [make("p", "", plan.items ? `${some(plan.items, "item")} of ${some(plan.intents, "intent")} can be enqueued again, with the values that failed.` : "Nothing can be retried.")];
  if (plan.changed) body.unshift(make("p", "why", "This has changed since it was shown. Please check again:"));
  if (plan.skipped.length) body.push(make("ul", "plain", ...plan.skipped.map((one) => make("li", "", `${some(one.items, "item")} skipped: ${one.why}.`))));
  if (plan.first.length) body.push(make("ul", "plain", ...plan.first.slice(0, 6).map((one) => make("li", "", make("span", "id", one.intent), ` · ${some(one.items, "item")}`))));
  if (plan.intents > 6) body.push(make("p", "soft", `and ${some(plan.intents - 6, "more intent")}`));
  const buttons = plan.items ? [BACK, ["go", `Retry ${some(plan.items, "item")}`, "main"]] : [["", "Close", ""]];
  const choice = await ask("Retry failed items?", body, ...buttons);
  return choice ? post("/api/retry", { ...what, confirmed: plan.digest }) : { message: " " };
}

$("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("find-id").value.trim();
  return /^#?\d+$|^https?:/.test(text) ? showItem(text) : showIntent(text);
});

async function read(path) {
  try {
    return await said(await fetch(path));
  } catch {
    return { error: "No answer: the connection was lost." };
  }
}

/** What was done to a work item. A number may also be the id that a producer gave an intent. */
async function showItem(text, values = "") {
  const found = await read(`/api/history?item=${encodeURIComponent(text)}${values}`);
  if (found.error) return toast(found);
  if (!found.changes.length) {
    const intent = await read(`/api/intents/${encodeURIComponent(text)}`);
    return intent.error ? toast({ error: `No change of item ${found.item} is kept, and no intent has this id.` }) : showIntent(text);
  }
  const body = [make("ul", "plain", ...found.changes.map(changeRow))];
  if (found.is_cut) body.push(make("p", "soft", `and older changes; see: feishu-batch history --item ${found.item} --limit 1000`));
  const choice = await ask(`Changes of item ${found.item}`, body, ...(values ? [] : [["values", "Show values", ""]]), ["", "Close", "main"]);
  if (choice === "values") showItem(text, "&values");
}

function changeRow(change) {
  const when = change.enqueued_at ? new Date(change.enqueued_at).toLocaleString() : "in the inbox";
  const value = "value" in change ? ` ${change.update_mode} ${JSON.stringify(change.value)}` : "";
  const why = change.reason ?? change.code;
  return make("li", "", make("strong", "", `${change.field_name ?? change.field_key}${value}`), ` · ${WORDS[change.state] ?? change.state}${why ? `: ${why}` : ""}`,
    make("div", "soft", `${when} · ${change.note ? `${change.note} · ` : ""}`, make("span", "id", change.intent_id)));
}

export async function showIntent(id, values = "") {
  const intent = await read(`/api/intents/${encodeURIComponent(id)}${values}`);
  if (intent.error) return toast(intent);
  const failed = intent.counts.failed && intent.group, open = intent.pending && intent.lane;
  const acts = state.about?.read_only ? [] : [...(open ? [["cancel", "Cancel …", ""]] : []), ...(failed && !intent.pending ? [["retry", "Retry …", ""]] : [])];
  const value = intent.group && !values ? [["values", "Show values", ""]] : [];
  const choice = await ask(intent.note || "Intent", intentBody(intent), ...value, ...acts, ["", "Close", "main"]);
  if (choice === "values") showIntent(id, "?values");
  if (choice === "cancel") cancelIntent({ id, pending: intent.pending });
  if (choice === "retry") retryIntent(id);
}

function intentBody(intent) {
  const group = intent.group ?? {}, when = (text) => (text ? new Date(text).toLocaleString() : "");
  const figures = counts({ ...intent.counts, in_flight: intent.in_flight, pending: intent.pending });
  const facts = [
    ["Id", intent.intent_id], ["State", intent.state], ["Items", figures], ["Lane", intent.lane ?? "in the inbox"],
    ["Change", intent.group ? `${group.field_key} ${group.update_mode}` : "refused before it was recorded"], ["Of", intent.group ? `${group.work_item_type_key} in ${group.project_key}` : ""],
    ["Old value", "before_field_value" in group && group.before_field_value !== null ? JSON.stringify(group.before_field_value) : ""],
    ["New value", "after_field_value" in group ? JSON.stringify(group.after_field_value) : ""],
    ["Enqueued", when(intent.enqueued_at)], ["Expires", when(intent.expires_at)], ["Ended", when(intent.completed_at)], ["Requests", intent.requests ? n(intent.requests) : ""],
    ["Retried as", intent.retried_as.slice(0, 5).map((one) => `${one.intent_id}: ${one.state}`).join(", ")],
  ].filter(([, value]) => value);
  const rows = intent.items.map((one) => make("li", "", make("strong", "", `${n(one.count)} ${WORDS[one.state] ?? one.state}`),
    [one.code, one.reason !== one.code ? one.reason : null, one.batch ? `batch ${one.batch}` : null, one.job ? `job ${one.job}` : null].filter(Boolean).map((part) => ` · ${part}`).join(""),
    make("div", "soft", one.first.join(", ") + (one.count > one.first.length ? ` and ${n(one.count - one.first.length)} more` : ""))));
  if (intent.more_states) rows.push(make("li", "soft", `and ${n(intent.more_states)} more states; see: feishu-batch show ${intent.intent_id}`));
  return [make("dl", "", ...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", name === "Id" ? "id" : "", value)])), make("ul", "plain", ...rows)];
}
