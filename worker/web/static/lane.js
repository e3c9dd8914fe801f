// The card of a lane: whether it works, what is left, and how full its requests are.

import { pauseLane, resumeLane } from "./actions.js";
import { ago, button, label, make, put, show, since, state } from "./parts.js";
import { explained, n, span, t, tenth, together } from "./words.js";

function standing(lane) {
  if (lane.pause) return ["lane.paused", "bad"];
  if (lane.stalled_since) return ["lane.stalled", "bad"];
  if (lane.troubles.length && lane.cells) return ["lane.failing", "warn"];
  if (lane.requests_left || lane.singles.changes) return lane.open_jobs + lane.checks + lane.due >= state.about.max_open_jobs ? ["lane.waits", "warn"] : ["lane.working", "busy"];
  if (lane.cells) return ["lane.waits", "busy"];
  return state.inbox.intents ? ["lane.inbox", "busy"] : ["lane.idle", "good"];
}

function troubled(one, lane) {
  const doing = { submit: ["trouble.submit", "trouble.submit_over"], poll: ["trouble.poll", "trouble.poll_over"], look_up: ["trouble.look_up", "trouble.look_up"] }[one.what];
  return t(doing[lane.cells ? 0 : 1], { span: since(one.since), error: one.error });
}

/** What is left, and what else matters about it. */
function timeLeft(lane) {
  if (lane.left !== "requests") return { unknown: [t("left.unknown"), t("left.unknown_why")], jobs: [t("left.jobs"), t("left.jobs_why")], nothing: [t("left.nothing"), ""] }[lane.left];
  const requests = { n: lane.requests_left, requests: t("n.requests", { n: lane.requests_left }) };
  const { changes, rate } = lane.singles, seconds = Math.max(lane.requests_left * state.about.slot, rate ? changes / rate : 0);
  const batches = t(state.inbox.intents ? "left.inbox_too" : "left.jobs_too", requests);
  return [
    t(lane.pause ? "left.resumed" : "left.requests", { span: span(seconds) }),
    changes ? t("left.singles_too", { batches, changes: t("n.changes", { n: changes }), rate }) : batches,
  ];
}

/** Pauses of the workers hold their advice, in English; in another language, what the number in them means comes after it. */
function whyPaused(lane) {
  const reason = lane.pause.reason ? lane.pause.reason.replace(/\.$/, "") : t("lane.on_page");
  const meant = document.documentElement.lang === "en" ? null : explained(/\b\d{4,10}\b/.exec(reason)?.[0]);
  return [t("lane.is_paused", { span: since(lane.pause.since), reason }), meant?.meaning, meant?.advice, lane.pause.polling ? "" : t("lane.not_polled")].filter(Boolean).join(". ").replaceAll("。. ", "。");
}

function whyNot(lane) {
  if (lane.pause) return whyPaused(lane);
  const stalled = lane.stalled_since ? [t("lane.nothing_sent", { span: since(lane.stalled_since) })] : [];
  const { off_until, why } = lane.singles;
  const off = off_until ? [t("singles.off", { span: span(Math.max(0, off_until - state.now)), why })] : [];
  return [...stalled, ...lane.troubles.map((one) => troubled(one, lane)), ...off].join(" · ");
}

export function laneCard() {
  const name = make("span", "name"), pill = make("span", "pill"), steer = button("", "small acting", () => (lane.pause ? resumeLane(lane) : pauseLane(lane)));
  const why = make("p", "why"), left = make("p", "left"), more = make("p", "soft");
  const stats = make("dl", "stats"), chart = make("div", "chart"), caption = make("p", "soft");
  chart.setAttribute("role", "img");
  const figure = (text) => { const value = make("dd"); stats.append(make("div", "", make("dt", "", text), value)); return value; };
  const used = figure(t("lane.slots")), ready = figure(t("lane.ready")), open = figure(t("lane.jobs")), odd = figure(t("lane.odd")), today = figure(t("lane.today"));
  const usedText = make("span"), usedBar = make("i"), readyText = make("span"), readyMore = make("small");
  used.append(usedText, make("div", "use", usedBar));
  used.title = t("lane.slots_when");
  ready.append(readyText, " ", readyMore);
  const node = make("article", "card lane", make("div", "top", name, pill, steer), why, make("div", "", left, more), stats, make("div", "", chart, caption));
  let lane;
  node.show = (now) => {
    lane = now;
    put(name, lane.name);
    label(node, t("lane", { lane: lane.name }));
    const [word, kind] = standing(lane);
    put(pill, t(word)).className = `pill ${kind}`;
    put(steer, t(lane.pause ? "lane.resume" : "lane.pause")).className = `small acting${lane.pause ? " main" : ""}`;
    label(steer, t(lane.pause ? "lane.resume_label" : "lane.pause_label", { lane: lane.name }));
    show(why, whyNot(lane));
    const [head, below] = timeLeft(lane);
    put(left, head);
    put(more, below);
    put(usedText, lane.use === null ? "…" : `${Math.round(lane.use * 100)} %`);
    usedBar.style.width = `${Math.round((lane.use ?? 0) * 100)}%`;
    put(readyText, n(lane.ready));
    put(readyMore, lane.groups ? t("n.groups", { n: lane.groups }) : "");
    put(open, n(lane.open_jobs));
    odd.parentElement.hidden = !(lane.checks + lane.due);
    put(odd, together([lane.checks ? t("lane.read_back", { n: lane.checks }) : "", lane.due ? t("lane.send_again", { n: lane.due }) : ""]));
    put(today, lane.daily ? t("lane.of_daily", { n: lane.today, daily: lane.daily }) : n(lane.today));
    today.title = together(Object.entries(lane.today_by_kind).map(([kind, count]) => `${kind} ${n(count)}`));
    showFill(chart, caption, state.recent[lane.name] ?? []);
  };
  return node;
}

const onAverage = (number) => (number < 10 ? tenth(number) : n(number));

function showFill(chart, caption, batches) {
  const full = state.about.batch_items;
  chart.hidden = caption.hidden = !batches.length;
  if (!batches.length || chart.dataset.newest === `${batches[0].batch}`) return;
  chart.dataset.newest = `${batches[0].batch}`;
  const part = (items, className) => { const bar = make("b", className); bar.style.height = `${(100 * items) / full}%`; return bar; };
  chart.replaceChildren(...[...batches].reverse().map((one) => {
    const bar = make("i", "", one.failed ? part(one.failed, "failed") : null, part(one.size - one.failed));
    bar.title = t("lane.bar", { batch: `${one.batch}`, size: one.size, full, failed: one.failed });
    return bar;
  }));
  const mean = batches.reduce((sum, one) => sum + one.size, 0) / batches.length;
  put(caption, t("lane.fill", { batches: t("n.batches", { n: batches.length }), mean: onAverage(mean), full }));
  label(chart, caption.textContent);
}

/** Waiting changes that share hardly any request, and what would help. `lane.poor` says that it matters. */
export function poorCard() {
  const head = make("h2"), figure = make("p", "left"), cost = make("p"), fields = make("p"), help = make("ul", "plain");
  const singles = make("li");
  help.append(
    singles,
    make("li", "", t("poor.help_unchanged"), " ", make("code", "", "feishu-batch plan FILE --diff")),
    ...["poor.help_alike", "poor.help_same", "poor.help_cancel"].map((key) => make("li", "", t(key))),
  );
  const node = make("section", "loud", head, figure, cost, fields, make("p", "", t("poor.why")), make("h3", "", t("poor.help")), help);
  node.setAttribute("role", "status");
  node.show = (lane) => {
    const { about } = state, best = Math.ceil(lane.ready / about.batch_items);
    put(head, about.several_lanes ? t("poor.lane", { lane: lane.name }) : t("poor"));
    put(figure, t("poor.mean", { mean: onAverage(lane.ready / lane.requests_left), full: t("n.items", { n: about.batch_items }) }));
    put(cost, t("poor.cost", {
      changes: t("n.changes", { n: lane.ready }), requests: t("n.requests", { n: lane.requests_left }),
      span: span(lane.requests_left * about.slot), best: span(best * about.slot),
    }));
    const gain = lane.singles.gain;
    singles.hidden = !gain;
    if (gain) singles.replaceChildren(
      t("poor.help_singles", { span: span(gain.seconds), requests: t("n.requests", { n: gain.requests }) }), " ",
      make("code", "", `${gain.setting}=${gain.rate}`),
    );
    show(fields, lane.poor.length ? t("poor.fields", { fields: together(lane.poor.map((what) => t("row.field", what))) }) : "");
  };
  return node;
}
