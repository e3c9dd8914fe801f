// The rows of the lists: each is created once, and its `show` updates it.

import { cancelIntent, cancelSet, retryIntent, retryReason, retrySet } from "./actions.js";
import { showIntent, showSet } from "./details.js";
import { ORDER, ago, button, called, counts, dots, field, inLane, itemLink, label, list, make, put, show, since, state } from "./parts.js";
import { explained, n, named, span, t } from "./words.js";

const NAMED = 5; // items of a reason

/** Coloured by the shares of the results. */
function showShares(bar, row) {
  const shown = ORDER.filter((kind) => row[kind]);
  list(bar, shown, (kind) => kind, (kind) => make("i", kind));
  shown.forEach((kind, place) => { bar.children[place].style.flexGrow = row[kind]; });
  bar.setAttribute("role", "img");
  label(bar, counts(row));
}

function inCounts(row) {
  const done = row.total - (row.pending ?? 0) - (row.in_flight ?? 0);
  return row.state === "open" && done ? t("row.done", { done, total: row.total, counts: counts(row) }) : counts(row);
}

/** Progress and results of an intent or a set, with its two actions. `parts` gives what differs; `labels` are the names of its buttons. */
function progressRow(first, open, labels, cancelIt, retryIt, parts) {
  const name = button("", "link grow", () => open(row.id));
  const when = make("span", "soft end"), what = make("span", "soft grow");
  const bar = make("div", "bar"), summary = make("span", "soft grow"), acts = make("span", "acts acting");
  const cancel = button(t("row.cancel"), "small", () => cancelIt(row)), retry = button(t("row.retry"), "small", () => retryIt(row.id));
  let row = first;
  acts.append(retry, cancel);
  const node = make("li", "", make("div", "line", name, when), make("div", "line", what), bar, make("div", "line", summary, acts));
  node.show = (now) => {
    row = now;
    put(name, called(row));
    name.title = row.id;
    label(cancel, t(labels[0], { name: name.textContent }));
    label(retry, t(labels[1], { name: name.textContent }));
    const shown = parts(row);
    put(when, shown.when);
    put(what, dots(shown.what));
    showShares(bar, row);
    put(summary, inCounts(row));
    cancel.hidden = !shown.canCancel;
    retry.hidden = !shown.canRetry;
  };
  return node;
}

export function setRow(first) {
  return progressRow(first, showSet, ["row.cancel_set", "row.retry_set"], cancelSet, retrySet, (row) => ({
    when: row.state === "open" ? t("for", { span: since(row.grew_at) }) : t("row.set_ended", { state: named("state", row.state), span: since(row.grew_at) }),
    what: [t("row.intents", { ended: row.ended, intents: t("n.intents", { n: row.intents }) }), row.note ? row.id : "", row.producer ? t("row.by", row) : ""],
    canCancel: row.pending,
    canRetry: row.failed && row.state !== "open" && !row.only_changed,
  }));
}

export function intentRow(first) {
  return progressRow(first, showIntent, ["row.cancel_intent", "row.retry_intent"], cancelIntent, retryIntent, (row) => ({
    when: row.ended_at ? t("row.ended", { state: named("state", row.state), span: since(row.ended_at) }) : t("for", { span: since(row.enqueued_at) }),
    what: [field(row.what), inLane(row), row.note ? row.id : ""],
    canCancel: row.state === "open" && row.pending,
    canRetry: row.failed && row.state !== "open" && row.what && !row.is_retried,
  }));
}

export function failureRow(first) {
  const number = make("span", "count bad"), head = make("strong", "grow"), why = make("p"), advice = make("p", "soft"), items = make("p", "soft items");
  let group = first;
  const retry = button(t("row.retry_first"), "small acting", () => retryReason(group));
  const node = make("li", "", make("div", "line", number, head, retry), why, advice, items);
  node.show = (now) => {
    group = now;
    const known = explained(group.code), code = group.code || t("failures.no_code");
    put(number, n(group.count));
    put(head, dots([known?.meaning ?? code, inLane(group)]));
    show(why, dots([known ? code : "", group.reason !== group.code ? group.reason : ""]));
    show(advice, known ? t("failures.advice", known) : "");
    retry.hidden = !group.can_be_retried;
    label(retry, t("row.retry_reason", { code: group.code, lane: group.lane }));
    const key = JSON.stringify([group.count, group.items]);
    if (items.dataset.items === key) return;
    items.dataset.items = key;
    items.replaceChildren(...group.items.slice(0, NAMED).map((one) => failedItem(one, group.lane)), group.count > NAMED ? t("failures.rest", { n: group.count - NAMED }) : "");
  };
  return node;
}

function failedItem(one, lane) {
  const more = button(one.what?.field ?? one.intent, "link", () => showIntent(one.intent));
  return make("span", "named", itemLink(one.item, lane, one.what), label(more, `${more.textContent}: ${t("failures.intent", one)}`));
}

const KINDS = { sending: "busy", open: "busy" }; // others are in trouble

export function jobRow() {
  const name = make("span", "grow"), pill = make("span", "pill"), what = make("span", "soft grow"), age = make("span", "soft end"), why = make("p", "bad");
  const node = make("li", "", make("div", "line", name, pill), make("div", "line", what, age), why);
  node.show = (job) => {
    put(name, t("job.batch", { batch: `${job.batch}`, items: t("n.items", { n: job.items }) }));
    put(pill, named("job", job.state)).className = `pill ${KINDS[job.state] ?? "warn"}`;
    put(what, dots([field(job.what), inLane(job), job.job ? t("job.name", { job: job.job.split("-").pop() }) : "", job.tries > 1 ? t("job.attempt", { n: job.tries }) : "", job.polls ? t("n.polls", { n: job.polls }) : ""]));
    what.title = job.job ?? "";
    put(age, since(job.claimed_at));
    show(why, job.why && job.state !== "open" ? job.why : "");
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
    put(name, t(one.failed ? "batch.failed" : "batch.size", { ...one, batch: `${one.batch}`, full }));
    put(when, ago(one.at));
    [[good, one.size - one.failed], [bad, one.failed], [rest, full - one.size]].forEach(([part, size]) => { part.style.flexGrow = size; part.hidden = !size; });
    label(bar, name.textContent);
    put(what, dots([field(one.what), t("batch.took", { span: span(one.took) }), one.tries > 1 ? t("batch.attempts", { n: one.tries }) : "", inLane(one)]));
  };
  return node;
}
