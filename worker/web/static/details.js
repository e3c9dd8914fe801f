// One intent, one change set and one work item, each in a dialog. Field values come only when the reader asks for them.

import { cancelIntent, cancelSet, retryIntent, retrySet, undoSet } from "./actions.js";
import { heard, read } from "./connection.js";
import { ask, asked, close, renew, toast } from "./dialog.js";
import { button, called, counts, dots, itemLink, make, ORDER, state } from "./parts.js";
import { explained, n, named, t, time, together } from "./words.js";

/** Pairs of a key of the words and a value, without those that have none. */
function facts(pairs) {
  const given = pairs.filter(([, value]) => value);
  return make("dl", "", ...given.flatMap(([key, value]) => [make("dt", "", t(key)), make("dd", key === "fact.id" ? "id" : "", value)]));
}

const valueIn = (text) => (typeof text === "string" ? text : JSON.stringify(text));

/** The actions in a dialog: a page that only shows has none. */
const acting = (...pairs) => (state.about?.read_only ? [] : pairs.filter(([can]) => can).map(([, ...one]) => one));

const AGAIN = 3000; // milliseconds until all of what a dialog shows may be read again

/** A dialog that follows the work: gives the choice, and what it showed last. `look` reads all of it. `rowOf` gives what the page's lists have of
 *  it, which is drawn at once; when `sign` of that has changed, or if the lists do not have it and it is open, all of it is read again. */
async function follow({ look, rowOf, sign, isOpen, merged, draw }) {
  let found = await look(), shown = found, readAt = Date.now(), reading = false;
  if (found.error) {
    toast(found);
    return [];
  }
  const answer = ask(...draw(found)), of = asked();
  const update = async () => {
    const row = rowOf(), isOld = row ? sign(row) !== sign(found) : isOpen(found);
    if (reading || !(row || isOld)) return;
    if (isOld && (Date.now() - readAt >= AGAIN || (row && !isOpen(row)))) {
      reading = true;
      const now = await look();
      [reading, readAt] = [false, Date.now()];
      if (!now.error) found = now;
    }
    shown = row ? merged(found, row) : found;
    renew(of, ...draw(shown));
  };
  heard.addEventListener("message", update);
  const choice = await answer;
  heard.removeEventListener("message", update);
  return [choice, shown];
}

const countsOf = (one) => ORDER.map((kind) => one[kind] ?? 0);

export async function showIntent(id, values = false) {
  const [choice, intent] = await follow({
    look: () => read(`/api/intents/${encodeURIComponent(id)}`, values ? { values } : {}),
    rowOf: () => state.intents?.rows.find((row) => row.id === id),
    sign: (one) => countsOf({ ...one.counts, ...one }).join(" "),
    isOpen: (one) => one.pending || one.in_flight,
    merged: (found) => found,
    draw: (found) => {
      const acts = acting([found.pending && found.lane, "cancel", t("cancel.first"), ""], [found.items.some(isRetried) && found.group && !found.pending, "retry", t("row.retry_first"), ""]);
      const more = found.group && !values ? [["values", t("show_values"), ""]] : [];
      return [found.note ? called(found) : t("intent"), intentBody(found), ...more, ...acts, close()];
    },
  });
  if (choice === "values") showIntent(id, true);
  if (choice === "cancel") cancelIntent({ id, pending: intent.pending });
  if (choice === "retry") retryIntent(id);
}

/** What was changed since is not retried: the newer value stays. */
const isRetried = (one) => one.state === "failed" && one.code !== "changed_meanwhile";

function intentBody(intent) {
  const group = intent.group ?? {};
  const of = intent.change_set ? button(intent.change_set, "link", () => showSet(intent.change_set)) : "";
  const about = facts([
    ["fact.id", intent.intent_id], ["fact.state", named("state", intent.state)], ["fact.items", counts({ ...intent.counts, in_flight: intent.in_flight, pending: intent.pending })],
    ["fact.set", of], ["fact.by", intent.producer], ["fact.lane", intent.lane ?? t("state.queued")],
    ["fact.field", intent.group ? intent.field_name ?? group.field_key : t("fact.refused")], ["fact.mode", group.update_mode],
    ["fact.of", intent.group ? t("fact.place", { type: group.work_item_type_key, space: group.project_key }) : ""],
    ["fact.old", "before_field_value" in group && group.before_field_value !== null ? valueIn(group.before_field_value) : ""],
    ["fact.new", "after_field_value" in group ? valueIn(group.after_field_value) : ""],
    ["fact.enqueued", time(intent.enqueued_at)], ["fact.expires", time(intent.expires_at)], ["fact.ended", time(intent.completed_at)],
    ["fact.requests", intent.requests ? n(intent.requests) : ""],
    ["fact.retried_as", together(intent.retried_as.slice(0, 5).map((one) => t("intent.retried", { intent: one.intent_id, state: named("state", one.state) })))],
  ]);
  const place = intent.group && { space: group.project_key, type: group.work_item_type_key };
  const rows = intent.items.map((one) => make("li", "",
    make("strong", "", t("item.count", { n: one.count, state: named("item", one.state) })), outcome(one),
    make("div", "soft items", ...one.first.map((item) => itemLink(item, intent.lane, place)), one.count > one.first.length ? t("intent.rest", { n: one.count - one.first.length }) : "")));
  if (intent.more_states) rows.push(make("li", "soft", t("intent.more_states", { n: intent.more_states, intent: intent.intent_id })));
  return [about, make("ul", "plain", ...rows)];
}

/** Why a change came to its state: what its code means, then the words of the worker or of the remote system. */
function outcome(one) {
  const reason = one.reason !== one.code ? one.reason : "";
  const parts = [explained(one.code)?.meaning, one.code, reason, one.batch ? t("intent.batch", { batch: `${one.batch}` }) : "", one.job ? t("job.name", one) : ""];
  return parts.filter(Boolean).map((part) => ` · ${part}`).join("");
}

export async function showSet(id, values = false) {
  const [choice, set] = await follow({
    look: () => read("/api/sets", values ? { id, values } : { id }),
    rowOf: () => state.sets?.find((row) => row.id === id),
    sign: (one) => `${one.state} ${one.failed ?? 0}`,
    isOpen: (one) => one.state === "open",
    merged: (found, row) => ({ ...found, ...Object.fromEntries(ORDER.map((kind) => [kind, row[kind]])), ...row }),
    draw: (found) => {
      const canRetry = (found.failures.length || found.has_more) && found.state !== "open";
      const acts = acting([found.pending, "cancel", t("cancel.first"), ""], [canRetry, "retry", t("row.retry_first"), ""], [found.can_undo, "undo", t("undo.first"), ""]);
      const more = (found.failures.length || found.changed_since.length) && !values ? [["values", t("show_values"), ""]] : [];
      return [found.note ? called(found) : t("set"), setBody(found), ...more, ...acts, close()];
    },
  });
  if (choice === "values") showSet(id, true);
  if (choice === "cancel") cancelSet(set);
  if (choice === "retry") retrySet(id);
  if (choice === "undo") undoSet(id);
}

function setBody(set) {
  const about = facts([
    ["fact.id", set.id], ["fact.state", named("state", set.state)], ["fact.changes", counts(set)],
    ["fact.intents", t("row.intents", { ended: set.ended, intents: t("n.intents", { n: set.intents }) })], ["fact.by", set.producer],
    ["fact.enqueued", time(set.since)], ["fact.last", set.grew_at - set.since > 60 ? time(set.grew_at) : ""],
  ]);
  const listed = set.failures.length + set.changed_since.length;
  if (!listed) return [about];
  const more = set.has_more ? [make("p", "soft", t("set.failures_more", { n: listed }))] : [];
  return [about, ...changes("set.failures", set.failures, outcome), ...changes("set.changed_since", set.changed_since, holdsNow), ...more, reports(set.id)];
}

/** A list of changes that were not made, with the words of `why`. */
function changes(heading, rows, why) {
  const row = (one) => make("li", "", itemLink(one.item, one.lane, one.what), " ", make("strong", "", one.what?.field ?? ""), "value" in one ? ` ${valueIn(one.value)}` : "", why(one));
  return rows.length ? [make("h3", "", t(heading)), make("ul", "plain", ...rows.map(row))] : [];
}

function holdsNow(one) {
  if ("now" in one) return ` · ${t("set.now", { value: one.now === null ? t("set.empty") : valueIn(one.now) })}`;
  if (one.no_credentials) return ` · ${t("set.no_credentials")}`;
  return one.not_read ? ` · ${one.not_read}` : "";
}

function reports(id) {
  const links = ["csv", "xlsx"].map((kind) => {
    const link = make("a", "button", kind.toUpperCase());
    link.href = `/api/report?${new URLSearchParams({ id, kind })}`;
    link.download = "";
    return link;
  });
  return make("p", "acts", make("span", "", t("set.report")), ...links, make("span", "soft", t("set.report_hint")));
}

/** What was done to a work item. A number may also be the id that a producer gave an intent. */
export async function showItem(text, values = false) {
  const found = await read("/api/history", values ? { item: text, values } : { item: text });
  if (found.error) return toast(found);
  if (!found.changes.length) {
    const intent = await read(`/api/intents/${encodeURIComponent(text)}`, {});
    return intent.error ? toast({ error: t("item.none", { item: `${found.item}` }) }) : showIntent(text);
  }
  const body = [make("ul", "plain", ...found.changes.map(changeRow))];
  if (found.is_cut) body.push(make("p", "soft", t("item.older", { item: `${found.item}` })));
  const choice = await ask(t("item.title", { item: `${found.item}` }), body, ...(values ? [] : [["values", t("show_values"), ""]]), close());
  if (choice === "values") showItem(text, true);
}

function changeRow(change) {
  const value = "value" in change ? ` ${change.update_mode} ${valueIn(change.value)}` : "";
  const about = dots([change.enqueued_at ? time(change.enqueued_at) : t("state.queued"), change.note ? called(change) : "", ""]);
  return make("li", "", make("strong", "", `${change.field_name ?? change.field_key}${value}`), ` · ${named("item", change.state)}`, outcome({ code: change.code, reason: change.reason }),
    make("div", "soft", about, " · ", button(change.intent_id, "link id", () => showIntent(change.intent_id))));
}
