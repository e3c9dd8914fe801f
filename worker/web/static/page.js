// The status page. Outside data is only ever set as text, never as markup.

import { banner, keepConnected } from "./connection.js";
import { $, list, n, put, since, some, span, state } from "./parts.js";
import { batchRow, failureRow, intentRow, jobRow, laneCard, setRow } from "./rows.js";

const FEW = 10; // intents shown until the reader asks for more
let isLong = false;
$("intents-more").addEventListener("click", () => { isLong = !isLong; render(); });

function render() {
  if (!state.about) return banner(state.trouble);
  banner(state.trouble);
  $("live").className = state.trouble ? "live off" : "live on";
  put($("live"), state.trouble ? "no figures" : "live");
  document.body.classList.toggle("read-only", state.about.read_only);
  $("page").hidden = $("find").hidden = false;
  document.title = title();
  const { intents, failures, jobs, recent, lanes, inbox } = state;
  put($("inbox"), inbox.intents ? `${some(inbox.intents, "intent")} not recorded yet, the oldest for ${since(inbox.oldest_at)}` : "");
  list($("lanes"), lanes, (lane) => lane.name, laneCard);
  const nothing = !intents.rows.length && !inbox.intents;
  $("empty").hidden = !nothing;
  $("page").classList.toggle("alone", nothing);
  for (const id of ["s-intents", "s-failures", "s-jobs", "s-recent"]) $(id).hidden = nothing;
  $("s-sets").hidden = !state.sets.length;
  list($("sets"), state.sets, (row) => row.id, setRow);
  const few = isLong ? intents.rows : intents.rows.slice(0, FEW);
  list($("intents"), few, (row) => `${row.lane} ${row.id}`, intentRow, "No intent is recorded yet.");
  put($("intents-aside"), intents.not_ended ? `${n(intents.not_ended)} unfinished` : "all have ended");
  const cut = intents.not_ended - inbox.intents - intents.rows.filter((row) => row.state === "open").length;
  $("intents-more").hidden = intents.rows.length <= FEW;
  put($("intents-more"), isLong ? "Show fewer" : `Show ${n(intents.rows.length - FEW)} more`);
  put($("intents-cut"), cut > 0 ? `${n(cut)} more waiting intents are not listed; find one by its id.` : "");
  list($("failures"), failures.groups, (group) => `${group.lane} ${group.code} ${group.reason}`, failureRow, nothingFailed(failures));
  put($("failures-aside"), failures.total ? some(failures.total, "item") : "");
  put($("failures-cut"), [
    failures.is_counting ? "Still counting." : "",
    failures.more ? `${some(failures.more, "more reason")} not listed; see: feishu-batch failures --since 24h` : "",
    failures.is_cut ? `Only the newest ${n(failures.most)} intents with failures of a lane are counted here; all: feishu-batch failures --since 24h` : "",
  ].filter(Boolean).join(" "));
  list($("jobs"), jobs, (job) => `${job.lane} ${job.batch}`, jobRow, "No job is open.");
  const open = lanes.reduce((sum, lane) => sum + lane.open_jobs + lane.checks + lane.due, 0);
  put($("jobs-aside"), open ? n(open) : "");
  put($("jobs-cut"), open > jobs.length ? `${n(open - jobs.length)} more are not listed.` : "");
  const last = Object.entries(recent).flatMap(([lane, found]) => found.map((one) => ({ lane, ...one })));
  list($("recent"), last.sort((a, b) => b.at - a.at).slice(0, 10), (one) => `${one.lane} ${one.batch}`, batchRow, "No batch has ended yet.");
}

function nothingFailed(failures) {
  if (failures.is_counting) return "Counting failed items.";
  return failures.is_cut ? "The newest failures have all succeeded on a retry." : "No failures, or all have succeeded on a retry.";
}

function title() {
  const left = Math.max(...state.lanes.map((lane) => lane.requests_left)) * state.about.slot;
  if (state.lanes.some((lane) => lane.pause)) return "paused · feishu-batch";
  return left ? `≥ ${span(left)} · feishu-batch` : "feishu-batch";
}

keepConnected(render);
