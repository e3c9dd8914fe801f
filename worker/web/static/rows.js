// The rows of the lists: each is created once, and its `show` updates it.

import { cancelIntent, cancelSet, pauseLane, resumeLane, retryIntent, retryReason, retrySet, showIntent } from "./actions.js";
import { ORDER, button, counts, list, make, n, put, since, some, span, state } from "./parts.js";

function standing(lane) {
  if (lane.pause) return ["Paused", "bad"];
  if (lane.stalled_since) return ["Stalled", "bad"];
  if (lane.troubles.length && lane.cells) return ["Failing", "warn"];
  if (lane.requests_left) return lane.open_jobs + lane.checks + lane.due >= state.about.max_open_jobs ? ["Waits for jobs", "warn"] : ["Working", "busy"];
  if (lane.cells) return ["Waits for jobs", "busy"];
  return state.inbox.intents ? ["Reading inbox", "busy"] : ["Idle", "good"];
}

function troubled(one, lane) {
  const doing = { submit: "Sending", poll: "Polling jobs", look_up: "Looking up names" }[one.what];
  if (!lane.cells && one.what !== "look_up") return `${doing} failed ${since(one.since)} ago; nothing is left to retry: ${one.error}`;
  return `${doing} has failed for ${since(one.since)}; the worker retries it: ${one.error}`;
}

function timeLeft(lane) {
  const more = state.inbox.intents ? ", and what is in the inbox" : "";
  const still = lane.pause ? " after it is resumed" : "";
  return {
    requests: [`At least ${span(lane.requests_left * state.about.slot)}${still}`, `${some(lane.requests_left, "request")}, and ${lane.requests_left === 1 ? "its job" : "their jobs"}${more}`],
    unknown: ["Time left not known yet", "The inbox has not been recorded yet"],
    jobs: ["Until the open jobs end", "Feishu Project decides how long they take"],
    nothing: ["Nothing to do", ""],
  }[lane.left];
}

export function laneCard() {
  const name = make("span", "name"), pill = make("span", "pill"), steer = button("", "small acting", () => (lane.pause ? resumeLane(lane) : pauseLane(lane)));
  const why = make("p", "why"), left = make("p", "left"), more = make("p", "soft");
  const stats = make("dl", "stats"), chart = make("div", "chart"), caption = make("p", "soft");
  chart.setAttribute("role", "img");
  const figure = (label) => { const value = make("dd"); stats.append(make("div", "", make("dt", "", label), value)); return value; };
  const used = figure("Slots used"), ready = figure("Ready"), open = figure("Open jobs"), odd = figure("In trouble");
  const usedText = make("span"), usedBar = make("i"), readyText = make("span"), readyMore = make("small");
  used.append(usedText, make("div", "use", usedBar));
  ready.append(readyText, " ", readyMore);
  const node = make("article", "card lane", make("div", "top", name, pill, steer), why, make("div", "", left, more), stats, make("div", "", chart, caption));
  let lane;
  node.show = (now) => {
    lane = now;
    put(name, lane.name);
    node.setAttribute("aria-label", `Lane ${lane.name}`);
    const [word, kind] = standing(lane);
    put(pill, word).className = `pill ${kind}`;
    put(steer, lane.pause ? "Resume" : "Pause").className = `small acting${lane.pause ? " main" : ""}`;
    steer.setAttribute("aria-label", `${lane.pause ? "Resume" : "Pause"} lane ${lane.name}`);
    const trouble = lane.troubles.map((one) => troubled(one, lane));
    if (lane.stalled_since) trouble.unshift(`Nothing was sent for ${since(lane.stalled_since)}, although changes are ready. Check the submit worker's log, then restart it`);
    why.hidden = !lane.pause && !trouble.length;
    if (!lane.pause) put(why, trouble.join(" · "));
    else put(why, `Paused for ${since(lane.pause.since)}: ${lane.pause.reason.replace(/\.$/, "")}${lane.pause.polling ? "" : ". Open jobs are not polled meanwhile."}`);
    const [head, below] = timeLeft(lane);
    put(left, head);
    put(more, below);
    put(usedText, lane.use === null ? "…" : `${Math.round(lane.use * 100)} %`);
    used.title = "of the last minute";
    usedBar.style.width = `${Math.round((lane.use ?? 0) * 100)}%`;
    put(readyText, n(lane.ready));
    put(readyMore, lane.groups ? `in ${some(lane.groups, "group")}` : "");
    put(open, n(lane.open_jobs));
    odd.parentElement.hidden = !(lane.checks + lane.due);
    put(odd, [lane.checks ? `${n(lane.checks)} to read back` : "", lane.due ? `${n(lane.due)} to send again` : ""].filter(Boolean).join(", "));
    showFill(chart, caption, state.recent[lane.name] ?? []);
  };
  return node;
}

function showFill(chart, caption, batches) {
  const full = state.about.batch_items;
  chart.hidden = caption.hidden = !batches.length;
  if (!batches.length || chart.dataset.newest === `${batches[0].batch}`) return;
  chart.dataset.newest = `${batches[0].batch}`;
  const part = (items, className) => { const bar = make("b", className); bar.style.height = `${(100 * items) / full}%`; return bar; };
  chart.replaceChildren(...[...batches].reverse().map((one) => {
    const bar = make("i", "", one.failed ? part(one.failed, "failed") : null, part(one.size - one.failed));
    bar.title = `batch ${one.batch}: ${one.size} of ${full}, ${one.failed} failed`;
    return bar;
  }));
  const mean = batches.reduce((sum, one) => sum + one.size, 0) / batches.length;
  put(caption, `Fill of the last ${some(batches.length, "batch", "batches")}: ${mean.toFixed(mean < 10 ? 1 : 0)} of ${full} on average`);
  chart.setAttribute("aria-label", caption.textContent);
}

/** Coloured by the shares of the results. */
function showShares(bar, row) {
  const shown = ORDER.filter((kind) => row[kind]);
  list(bar, shown, (kind) => kind, (kind) => make("i", kind));
  shown.forEach((kind, place) => { bar.children[place].style.flexGrow = row[kind]; });
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", counts(row));
}

function inCounts(row) {
  const done = row.total - (row.pending ?? 0) - (row.in_flight ?? 0);
  return row.state === "open" && done ? `${n(done)} of ${n(row.total)} done: ${counts(row)}` : counts(row);
}

/** Progress and results of an intent or a set, with its two actions. `parts` gives what differs; `kind` is its word. */
function progressRow(first, kind, label, cancelIt, retryIt, parts) {
  const when = make("span", "soft end"), what = make("span", "soft grow");
  const bar = make("div", "bar"), summary = make("span", "soft grow"), acts = make("span", "acts acting");
  const cancel = button("Cancel", "small", () => cancelIt(row)), retry = button("Retry", "small", () => retryIt(row.id));
  let row = first;
  acts.append(retry, cancel);
  const node = make("li", "", make("div", "line", label, when), make("div", "line", what), bar, make("div", "line", summary, acts));
  node.show = (now) => {
    row = now;
    put(label, row.note || row.id);
    label.title = row.id;
    cancel.setAttribute("aria-label", `Cancel ${kind} ${label.textContent}`);
    retry.setAttribute("aria-label", `Retry what failed of ${kind} ${label.textContent}`);
    const shown = parts(row);
    put(when, shown.when);
    put(what, shown.what.filter(Boolean).join(" · "));
    showShares(bar, row);
    put(summary, inCounts(row));
    cancel.hidden = !shown.canCancel;
    retry.hidden = !shown.canRetry;
  };
  return node;
}

export function setRow(first) {
  return progressRow(first, "change set", make("span", "grow"), cancelSet, retrySet, (row) => ({
    when: row.state === "open" ? `for ${since(row.grew_at)}` : `${row.state}, enqueued ${since(row.grew_at)} ago`,
    what: [`${n(row.ended)} of ${some(row.intents, "intent")} ended`, row.note ? row.id : "", row.producer ? `by ${row.producer}` : ""],
    canCancel: row.pending,
    canRetry: row.failed && row.state !== "open",
  }));
}

export function intentRow(first) {
  const label = button("", "link grow", () => showIntent(label.title)); // the id
  return progressRow(first, "intent", label, cancelIntent, retryIntent, (row) => ({
    when: row.ended_at ? `${row.state} ${since(row.ended_at)} ago` : `for ${since(row.enqueued_at)}`,
    what: [row.what, state.about.several_lanes ? `lane ${row.lane}` : "", row.note ? row.id : ""],
    canCancel: row.state === "open" && row.pending,
    canRetry: row.failed && row.state !== "open" && row.what !== "" && !row.is_retried,
  }));
}

export function failureRow(first) {
  const number = make("span", "count bad"), code = make("span", "grow"), why = make("p"), advice = make("p", "soft"), items = make("p", "soft");
  let group = first;
  const retry = button("Retry …", "small acting", () => retryReason(group));
  const node = make("li", "", make("div", "line", number, code, retry), why, advice, items);
  node.show = (now) => {
    group = now;
    put(number, n(group.count));
    put(code, [group.code || "no code", state.about.several_lanes ? `lane ${group.lane}` : ""].filter(Boolean).join(" · "));
    put(why, group.reason && group.reason !== group.code ? group.reason : "");
    why.hidden = !why.textContent;
    put(advice, (group.advice || "").replaceAll("`", ""));
    advice.hidden = !advice.textContent;
    retry.hidden = !group.can_be_retried;
    retry.setAttribute("aria-label", `Retry what failed with ${group.code} in lane ${group.lane}`);
    const key = `${group.count} ${group.items.map((one) => one.item).join()}`;
    if (items.dataset.items !== key) {
      items.dataset.items = key;
      const links = group.items.slice(0, 5).flatMap((one) => [button(one.item, "link", () => showIntent(one.intent)), ", "]);
      items.replaceChildren(some(group.count, "item"), ": ", ...links.slice(0, -1), group.count > 5 ? ` and ${n(group.count - 5)} more` : "");
    }
  };
  return node;
}

const STATES = { sending: ["being sent", "busy"], open: ["job runs", "busy"], resend: ["will be sent again", "warn"], reask: ["result unknown, checking", "warn"], check: ["will be read back", "warn"] };

export function jobRow() {
  const name = make("span", "grow"), pill = make("span", "pill"), what = make("span", "soft grow"), age = make("span", "soft end"), why = make("p", "bad");
  const node = make("li", "", make("div", "line", name, pill), make("div", "line", what, age), why);
  node.show = (job) => {
    const [word, kind] = STATES[job.state] ?? [job.state, ""];
    put(name, `Batch ${job.batch} · ${some(job.items, "item")}`);
    put(pill, word).className = `pill ${kind}`;
    put(what, [job.what, state.about.several_lanes ? `lane ${job.lane}` : "", job.job ? `job ${job.job.split("-").pop()}` : "", job.tries > 1 ? `attempt ${job.tries}` : "", job.polls ? some(job.polls, "poll") : ""].filter(Boolean).join(" · "));
    what.title = job.job ?? "";
    put(age, since(job.claimed_at));
    put(why, job.why && job.state !== "open" ? job.why : "");
    why.hidden = !why.textContent;
  };
  return node;
}

export function batchRow() {
  const name = make("span", "grow"), when = make("span", "soft end"), bar = make("div", "bar"), good = make("i", "succeeded"), bad = make("i", "failed"), rest = make("i", "pending");
  const what = make("span", "soft grow");
  bar.append(good, bad, rest);
  bar.setAttribute("role", "img");
  const node = make("li", "", make("div", "line", name, when), bar, make("div", "line", what));
  node.show = (one) => {
    const full = state.about.batch_items;
    put(name, `Batch ${one.batch} · ${one.size} of ${full}${one.failed ? `, ${one.failed} failed` : ""}`);
    put(when, `${since(one.at)} ago`);
    [[good, one.size - one.failed], [bad, one.failed], [rest, full - one.size]].forEach(([part, size]) => { part.style.flexGrow = size; part.hidden = !size; });
    bar.setAttribute("aria-label", name.textContent);
    put(what, [one.what, `took ${span(one.took)}`, one.tries > 1 ? `${one.tries} attempts` : "", state.about.several_lanes ? `lane ${one.lane}` : ""].filter(Boolean).join(" · "));
  };
  return node;
}
