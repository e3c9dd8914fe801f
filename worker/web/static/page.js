// The status page. Outside data is only ever set as text, never as markup.

import { banner, keepConnected } from "./connection.js";
import "./find.js";
import { laneCard, poorCard } from "./lane.js";
import { $, list, put, since, state } from "./parts.js";
import "./upload.js";
import { batchRow, failureRow, intentRow, jobRow, setRow } from "./rows.js";
import { n, span, t } from "./words.js";

const FEW = 10; // intents shown until the reader asks for more
let isLong = false;
$("intents-more").addEventListener("click", () => { isLong = !isLong; render(); });

function render() {
  const trouble = state.trouble ? t(state.trouble.key, state.trouble) : "";
  banner(trouble);
  if (!state.about) return;
  $("live").className = trouble ? "live off" : "live on";
  put($("live"), t(trouble ? "live.none" : "live"));
  document.body.classList.toggle("read-only", state.about.read_only);
  $("page").hidden = $("find").hidden = false;
  $("upload").hidden = !state.about.upload;
  document.title = title();
  const { inbox, intents, lanes, sets } = state, nothing = !intents.rows.length && !inbox.intents && !sets.length;
  $("empty").hidden = !nothing;
  $("page").classList.toggle("alone", nothing);
  for (const id of ["s-sets", "s-intents", "s-failures", "s-jobs", "s-recent"]) $(id).hidden = nothing;
  put($("inbox"), inbox.intents ? t("inbox", { intents: t("n.intents", { n: inbox.intents }), span: since(inbox.oldest_at) }) : "");
  list($("poor"), lanes.filter((lane) => lane.poor), (lane) => lane.name, poorCard);
  list($("lanes"), lanes, (lane) => lane.name, laneCard);
  $("s-sets").hidden = !sets.length;
  list($("sets"), sets, (row) => row.id, setRow);
  showIntents(intents, inbox);
  showFailures(state.failures);
  showJobs(state.jobs, lanes);
  const last = Object.entries(state.recent).flatMap(([lane, found]) => found.map((one) => ({ lane, ...one })));
  list($("recent"), last.sort((a, b) => b.at - a.at).slice(0, 10), (one) => `${one.lane} ${one.batch}`, batchRow, t("recent.none"));
}

function showIntents(intents, inbox) {
  const few = isLong ? intents.rows : intents.rows.slice(0, FEW);
  list($("intents"), few, (row) => `${row.lane} ${row.id}`, intentRow, t("intents.none"));
  put($("intents-aside"), intents.not_ended ? t("intents.open", { n: intents.not_ended }) : t("intents.all_ended"));
  const cut = intents.not_ended - inbox.intents - intents.rows.filter((row) => row.state === "open").length;
  $("intents-more").hidden = intents.rows.length <= FEW;
  put($("intents-more"), isLong ? t("intents.fewer") : t("intents.more", { n: intents.rows.length - FEW }));
  put($("intents-cut"), cut > 0 ? t("intents.cut", { n: cut }) : "");
}

function showFailures(failures) {
  list($("failures"), failures.groups, (group) => `${group.lane} ${group.code} ${group.reason}`, failureRow, nothingFailed(failures));
  put($("failures-aside"), failures.total ? t("n.items", { n: failures.total }) : "");
  put($("failures-cut"), [
    failures.is_counting ? t("failures.counting") : "",
    failures.more ? t("failures.more", { reasons: t("n.reasons", { n: failures.more }) }) : "",
    failures.is_cut ? t("failures.cut", { most: failures.most }) : "",
  ].filter(Boolean).join(" "));
}

function nothingFailed(failures) {
  if (failures.is_counting) return t("failures.counting_first");
  return t(failures.is_cut ? "failures.newest_none" : "failures.none");
}

function showJobs(jobs, lanes) {
  list($("jobs"), jobs, (job) => `${job.lane} ${job.batch}`, jobRow, t("jobs.none"));
  const open = lanes.reduce((sum, lane) => sum + lane.open_jobs + lane.checks + lane.due, 0);
  put($("jobs-aside"), open ? n(open) : "");
  put($("jobs-cut"), open > jobs.length ? t("jobs.cut", { n: open - jobs.length }) : "");
}

function title() {
  const left = Math.max(...state.lanes.map((lane) => lane.requests_left)) * state.about.slot;
  if (state.lanes.some((lane) => lane.pause)) return `${t("title.paused")} · feishu-batch`;
  return left ? `${t("title.left", { span: span(left) })} · feishu-batch` : "feishu-batch";
}

keepConnected(render);
