// What one can do: each asks in a dialog first, and tells in a toast what was done.

import { post, said } from "./connection.js";
import { $, WORDS, counts, make, n, put, some, state } from "./parts.js";

let answered = null; // takes the answer of the dialog that is open

/** Shows a dialog; the answer is the value of the button that closed it, empty for Esc. */
function ask(heading, body, ...buttons) {
  const dialog = $("dialog");
  answered?.("");
  put($("dialog-title"), heading);
  $("dialog-body").replaceChildren(...body);
  $("dialog-buttons").replaceChildren(...buttons.map(([value, text, className]) => {
    const node = make("button", className, text);
    node.value = value;
    if (!value) node.type = "button"; // so that Enter in a field does what was asked for, not the way back
    if (!value) node.addEventListener("click", () => dialog.close(""));
    return node;
  }));
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  ($("dialog-body").querySelector("input") ?? $("dialog-title")).focus(); // a button would scroll a long dialog to its end
  dialog.scrollTop = 0;
  return new Promise((resolve) => { answered = (value) => { answered = null; resolve(value); }; });
}

$("dialog").addEventListener("close", () => answered?.($("dialog").returnValue));
$("dialog").addEventListener("cancel", () => { $("dialog").returnValue = ""; });

let fading = 0;

function toast(answer) {
  $("toast").className = answer.error ? "toast failed" : "toast";
  $("toast").hidden = false; // before its text: only what changes while it is there is read out
  put($("toast"), answer.error || answer.told);
  clearTimeout(fading);
  fading = setTimeout(() => { put($("toast"), "").hidden = true; }, answer.error ? 12000 : 6000);
}

const BACK = ["", "Back", ""];

export async function pauseLane(lane) {
  const reason = make("input");
  reason.maxLength = 200;
  reason.placeholder = "maintenance until 18:00";
  const label = make("label", "", "Reason, shown to everybody (optional)", reason);
  const text = "No more requests are sent until it is resumed. Accepted jobs are followed to their end; what is enqueued meanwhile is kept.";
  const choice = await ask(`Pause lane ${lane.name}?`, [make("p", "", text), label], BACK, ["go", "Pause", "main"]);
  if (choice) toast(await post("/api/pause", { lane: lane.name, ...(reason.value.trim() ? { reason: reason.value.trim() } : {}) }));
}

export async function resumeLane(lane) { toast(await post("/api/resume", { lane: lane.name })); }

export async function cancelIntent(row) {
  const text = `What of it is in no request yet ends as canceled: ${some(row.pending ?? 0, "item")} at this moment. What is in a request keeps its course.`;
  const choice = await ask("Cancel this intent?", [make("p", "", text), make("p", "id", row.id)], BACK, ["go", "Cancel the intent", "danger"]);
  if (choice) toast(await post("/api/cancel", { intent: row.id }));
}

export const retryIntent = (id) => retry({ intent: id });
export const retryReason = (group) => retry({ code: group.code, lane: group.lane, since_at: state.failures.since });

async function retry(what) {
  const slow = setTimeout(() => toast({ told: "Looking at what was enqueued since …" }), 400);
  let plan = await post("/api/retry", what).finally(() => clearTimeout(slow));
  put($("toast"), "").hidden = true;
  while (!plan.error && !plan.told) plan = await confirmed(what, plan);
  if (plan.error || plan.told !== " ") toast(plan);
}

async function confirmed(what, plan) {
  const body = [make("p", "", plan.items ? `${some(plan.items, "item")} of ${some(plan.intents, "intent")} can be enqueued once more, with the values that failed.` : "Nothing can be retried.")];
  if (plan.changed) body.unshift(make("p", "why", "Something changed since it was shown. Look again:"));
  if (plan.left.length) body.push(make("ul", "plain", ...plan.left.map((one) => make("li", "", `${some(one.items, "item")} left alone: ${one.why}.`))));
  if (plan.first.length) body.push(make("ul", "plain", ...plan.first.slice(0, 6).map((one) => make("li", "", make("span", "id", one.intent), ` · ${some(one.items, "item")}`))));
  if (plan.intents > 6) body.push(make("p", "soft", `and ${some(plan.intents - 6, "more intent")}`));
  const buttons = plan.items ? [BACK, ["go", `Retry ${some(plan.items, "item")}`, "main"]] : [["", "Close", ""]];
  const choice = await ask("Retry what failed?", body, ...buttons);
  return choice ? post("/api/retry", { ...what, confirmed: plan.digest }) : { told: " " };
}

$("find").addEventListener("submit", (event) => { event.preventDefault(); showIntent($("find-id").value.trim()); });

export async function showIntent(id, values = "") {
  let told;
  try {
    told = await said(await fetch(`/api/intents/${encodeURIComponent(id)}${values}`));
  } catch {
    told = { error: "No answer: the connection was lost." };
  }
  if (told.error) return toast(told);
  const failed = told.counts.failed && told.group, open = told.pending && told.lane;
  const acts = state.about?.read_only ? [] : [...(open ? [["cancel", "Cancel …", ""]] : []), ...(failed && !told.pending ? [["retry", "Retry …", ""]] : [])];
  const value = told.group && !values ? [["values", "Show values", ""]] : [];
  const choice = await ask(told.note || "Intent", intentBody(told), ...value, ...acts, ["", "Close", "main"]);
  if (choice === "values") showIntent(id, "?values");
  if (choice === "cancel") cancelIntent({ id, pending: told.pending });
  if (choice === "retry") retryIntent(id);
}

function intentBody(told) {
  const group = told.group ?? {}, when = (text) => (text ? new Date(text).toLocaleString() : "");
  const figures = counts({ ...told.counts, in_flight: told.in_flight, pending: told.pending });
  const facts = [
    ["Id", told.intent_id], ["State", told.state], ["Items", figures], ["Lane", told.lane ?? "not taken in yet"],
    ["Change", told.group ? `${group.field_key} ${group.update_mode}` : "refused before it was recorded"], ["Of", told.group ? `${group.work_item_type_key} in ${group.project_key}` : ""],
    ["Old value", "before_field_value" in group && group.before_field_value !== null ? JSON.stringify(group.before_field_value) : ""],
    ["New value", "after_field_value" in group ? JSON.stringify(group.after_field_value) : ""],
    ["Enqueued", when(told.enqueued_at)], ["Expires", when(told.expires_at)], ["Ended", when(told.completed_at)], ["Requests", told.requests ? n(told.requests) : ""],
    ["Retried as", told.retried_as.slice(0, 5).map((one) => `${one.intent_id}: ${one.state}`).join(", ")],
  ].filter(([, value]) => value);
  const rows = told.items.map((one) => make("li", "", make("strong", "", `${n(one.count)} ${WORDS[one.state] ?? one.state}`),
    [one.code, one.reason !== one.code ? one.reason : null, one.batch ? `batch ${one.batch}` : null, one.job ? `job ${one.job}` : null].filter(Boolean).map((part) => ` · ${part}`).join(""),
    make("div", "soft", one.first.join(", ") + (one.count > one.first.length ? ` and ${n(one.count - one.first.length)} more` : ""))));
  if (told.more_standings) rows.push(make("li", "soft", `and ${n(told.more_standings)} more standings; see: feishu-batch show ${told.intent_id}`));
  return [make("dl", "", ...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", name === "Id" ? "id" : "", value)])), make("ul", "plain", ...rows)];
}
