// The status page. What comes from outside is only ever set as text: no markup is made from it.

const $ = (id) => document.getElementById(id);
const state = {}; // section → what the server said last
let csrf = "", source = null, heardAt = 0, restart = 0, sleep = 0;

// --- the connection -------------------------------------------------------------------------------------------------

async function start() {
  clearTimeout(restart);
  let answer;
  try {
    answer = await fetch("/api/session");
  } catch {
    return again();
  }
  $("login").hidden = answer.status !== 401;
  if (answer.status === 401) return askForToken();
  if (!answer.ok) return again((await said(answer)).error);
  const told = await answer.json();
  csrf = told.csrf;
  $("logout").hidden = !told.needs_token;
  if (!source || source.readyState === EventSource.CLOSED) connect();
}

function connect() {
  source = new EventSource("/api/events");
  source.onmessage = (event) => { heardAt = Date.now(); Object.assign(state, JSON.parse(event.data)); render(); };
  source.onopen = () => { heardAt = Date.now(); start(); }; // after a restart of the server, sessions may be others
  source.onerror = () => { lost(); if (source.readyState === EventSource.CLOSED) again(); };
}

function again(why) {
  lost(why);
  clearTimeout(restart);
  restart = setTimeout(start, 3000);
}

function lost(why) {
  const since = heardAt ? ` What is shown is from ${new Date(heardAt).toLocaleTimeString()}.` : "";
  banner(why || `Connection lost; trying again.${since}`);
  $("live").className = "live off";
  put($("live"), "connection lost");
}

function banner(text) {
  $("banner").hidden = !text;
  put($("banner"), text || "");
}

setInterval(() => { if (source && heardAt && Date.now() - heardAt > 6000) lost(); }, 1000);

document.addEventListener("visibilitychange", () => { // a page that nobody sees asks for nothing
  clearTimeout(sleep);
  if (document.hidden) sleep = setTimeout(() => { source?.close(); source = null; }, 20000);
  else if (!source) start();
});

addEventListener("pagehide", () => { source?.close(); source = null; }); // a browser may keep a page that was left
addEventListener("pageshow", (event) => { if (event.persisted) start(); });

function askForToken() {
  if (state.about) return location.reload(); // nothing of before stays on the page
  source?.close();
  source = null;
  banner("");
  put($("live"), "");
  for (const id of ["page", "find", "logout"]) $(id).hidden = true;
  $("token").focus();
}

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post("/login", { token: $("token").value });
  put($("login-told"), answer.error || "");
  $("token").value = "";
  if (!answer.error) start();
});

$("logout").addEventListener("click", async () => { await post("/logout", {}); start(); });

async function post(path, content) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  try {
    return await said(await fetch(path, { method: "POST", headers, body: JSON.stringify(content) }));
  } catch {
    return { error: "No answer: the connection was lost. Look whether it was done before you try again." };
  }
}

async function said(answer) {
  const told = await answer.json().catch(() => ({}));
  return answer.ok ? told : { error: told.error || `The server answered with ${answer.status}.` };
}

// --- small parts ----------------------------------------------------------------------------------------------------

function make(tag, className, ...inside) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...inside.filter((one) => one !== null && one !== undefined && one !== ""));
  return node;
}

function put(node, text) { if (node.textContent !== text) node.textContent = text; return node; }

function button(text, className, act) {
  const node = make("button", className, text);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
}

/** One child for each item; children stay, and with them the focus, as long as their key does. */
function list(parent, items, key, create, none) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const wanted = items.length ? items : none ? [null] : [];
  wanted.forEach((item, place) => {
    const name = item === null ? "" : `k${key(item)}`;
    let node = known.get(name);
    if (!node) {
      node = item === null ? make("li", "none", none) : create(item);
      node.dataset.key = name;
    }
    known.delete(name);
    if (item !== null) node.show?.(item);
    if (parent.children[place] !== node) parent.insertBefore(node, parent.children[place] ?? null);
  });
  for (const node of known.values()) node.remove();
}

const count = new Intl.NumberFormat("en");
const n = (number) => count.format(number);
const some = (number, one, many = `${one}s`) => `${n(number)} ${number === 1 ? one : many}`;

function span(seconds) {
  if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${(seconds / 3600).toFixed(1)} h` : `${(seconds / 86400).toFixed(1)} days`;
}

const since = (moment) => span(state.now - moment);

const FEW = 10; // intents that are shown before somebody asks for more
let isLong = false;
$("intents-more").addEventListener("click", () => { isLong = !isLong; render(); });

// --- the page -------------------------------------------------------------------------------------------------------

function render() {
  if (!state.about) return banner(state.trouble);
  banner(state.trouble);
  $("live").className = state.trouble ? "live off" : "live on";
  put($("live"), state.trouble ? "no figures" : "live");
  document.body.classList.toggle("read-only", state.about.read_only);
  $("page").hidden = $("find").hidden = false;
  document.title = title();
  const { intents, failures, jobs, recent, lanes, inbox } = state;
  put($("inbox"), inbox.intents ? `${some(inbox.intents, "intent")} not taken in yet, the oldest for ${since(inbox.oldest_at)}` : "");
  list($("lanes"), lanes, (lane) => lane.name, laneCard);
  const nothing = !intents.rows.length && !inbox.intents;
  $("empty").hidden = !nothing;
  $("page").classList.toggle("alone", nothing);
  for (const id of ["s-intents", "s-failures", "s-jobs", "s-recent"]) $(id).hidden = nothing;
  const few = isLong ? intents.rows : intents.rows.slice(0, FEW);
  list($("intents"), few, (row) => `${row.lane} ${row.id}`, intentRow, "No intent is recorded yet.");
  put($("intents-aside"), intents.not_ended ? `${n(intents.not_ended)} not ended` : "all have ended");
  const cut = intents.not_ended - inbox.intents - intents.rows.filter((row) => row.state === "open").length;
  $("intents-more").hidden = intents.rows.length <= FEW;
  put($("intents-more"), isLong ? "Show fewer" : `Show ${n(intents.rows.length - FEW)} more`);
  put($("intents-cut"), cut > 0 ? `${n(cut)} more that wait are not listed; find one by its id.` : "");
  list($("failures"), failures.groups, (group) => `${group.lane} ${group.code} ${group.reason}`, failureRow, "Nothing failed.");
  put($("failures-aside"), failures.total ? some(failures.total, "item") : "");
  put($("failures-cut"), [
    failures.is_counting ? "Still counting." : "",
    failures.more ? `${some(failures.more, "more reason")} not listed; see: feishu-batch failures --since 24h` : "",
    failures.is_cut ? "Only the newest failed intents are counted here." : "",
  ].filter(Boolean).join(" "));
  list($("jobs"), jobs, (job) => `${job.lane} ${job.batch}`, jobRow, "No job is open.");
  const open = lanes.reduce((sum, lane) => sum + lane.open_jobs + lane.checks + lane.due, 0);
  put($("jobs-aside"), open ? n(open) : "");
  put($("jobs-cut"), open > jobs.length ? `${n(open - jobs.length)} more are not listed.` : "");
  const last = Object.entries(recent).flatMap(([lane, found]) => found.map((one) => ({ lane, ...one })));
  list($("recent"), last.sort((a, b) => b.at - a.at).slice(0, 10), (one) => `${one.lane} ${one.batch}`, batchRow, "No batch was settled yet.");
}

function title() {
  const left = Math.max(...state.lanes.map((lane) => lane.requests_left)) * state.about.slot;
  if (state.lanes.some((lane) => lane.pause)) return "paused · feishu-batch";
  return left ? `≥ ${span(left)} · feishu-batch` : "feishu-batch";
}

function standing(lane) {
  if (lane.pause) return ["Paused", "bad"];
  if (lane.requests_left) return lane.open_jobs + lane.checks + lane.due >= state.about.max_open_jobs ? ["Waits for jobs", "warn"] : ["Working", "busy"];
  if (lane.cells) return ["Waits for jobs", "busy"];
  return state.inbox.intents ? ["Taking in", "busy"] : ["Idle", "good"];
}

function troubled(one) {
  const doing = { submit: "Sending", poll: "Asking for jobs" }[one.what];
  return `${doing} has failed for ${since(one.since)}, it is tried again: ${one.error}`;
}

function timeLeft(lane) {
  const more = state.inbox.intents ? ", and what is in the inbox" : "";
  const still = lane.pause ? " once it goes on" : "";
  return {
    requests: [`At least ${span(lane.requests_left * state.about.slot)}${still}`, `${some(lane.requests_left, "request")}, and their jobs${more}`],
    unknown: ["Time left not known yet", "The inbox has to be taken in first"],
    jobs: ["Until the open jobs end", "How long they take is up to Feishu Project"],
    nothing: ["Nothing to do", ""],
  }[lane.left];
}

function laneCard() {
  const name = make("span", "name"), pill = make("span", "pill"), steer = button("", "small acting", () => {});
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
  steer.addEventListener("click", () => (lane.pause ? resumeLane(lane) : pauseLane(lane)));
  node.show = (now) => {
    lane = now;
    put(name, lane.name);
    const [word, kind] = standing(lane);
    put(pill, word).className = `pill ${kind}`;
    put(steer, lane.pause ? "Resume" : "Pause").className = `small acting${lane.pause ? " main" : ""}`;
    steer.setAttribute("aria-label", `${lane.pause ? "Resume" : "Pause"} lane ${lane.name}`);
    why.hidden = !lane.pause && !lane.troubles.length;
    if (!lane.pause) put(why, lane.troubles.map(troubled).join(" "));
    else put(why, `Paused for ${since(lane.pause.since)}: ${lane.pause.reason}${lane.pause.polling ? "" : ". Open jobs are not asked for meanwhile."}`);
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

const ORDER = ["succeeded", "failed", "superseded", "canceled", "expired", "in_flight", "pending"];
const WORDS = { in_flight: "in a request", pending: "waiting" };

function counts(row) {
  return ORDER.filter((kind) => row[kind]).map((kind) => `${n(row[kind])} ${WORDS[kind] ?? kind}`).join(", ");
}

function intentRow(first) {
  const label = button("", "link grow", () => showIntent(row.id)), when = make("span", "soft end"), what = make("span", "soft grow");
  const bar = make("div", "bar"), told = make("span", "soft grow"), acts = make("span", "acts acting");
  const cancel = button("Cancel", "small", () => cancelIntent(row)), retry = button("Retry", "small", () => retryIntent(row.id));
  let row = first;
  bar.setAttribute("role", "img");
  acts.append(retry, cancel);
  const node = make("li", "", make("div", "line", label, when), make("div", "line", what), bar, make("div", "line", told, acts));
  node.show = (now) => {
    row = now;
    put(label, row.note || row.id);
    label.title = row.id;
    put(when, row.ended_at ? `${row.state} ${since(row.ended_at)} ago` : `for ${since(row.enqueued_at)}`);
    put(what, [row.what, state.about.several_lanes ? `lane ${row.lane}` : "", row.note ? row.id : ""].filter(Boolean).join(" · "));
    const shown = ORDER.filter((kind) => row[kind]);
    list(bar, shown, (kind) => kind, (kind) => make("i", kind));
    shown.forEach((kind, place) => { bar.children[place].style.flexGrow = row[kind]; });
    const done = row.total - (row.pending ?? 0) - (row.in_flight ?? 0);
    put(told, row.state === "open" && done ? `${n(done)} of ${n(row.total)} done: ${counts(row)}` : counts(row));
    bar.setAttribute("aria-label", counts(row));
    cancel.hidden = row.state !== "open" || !row.pending;
    retry.hidden = !row.failed || row.state === "open" || row.what === "";
  };
  return node;
}

function failureRow(first) {
  const number = make("span", "count bad"), code = make("span", "grow"), why = make("p"), items = make("p", "soft");
  let group = first;
  const retry = button("Retry …", "small acting", () => retryReason(group));
  const node = make("li", "", make("div", "line", number, code, retry), why, items);
  node.show = (now) => {
    group = now;
    put(number, n(group.count));
    put(code, [group.code || "no code", state.about.several_lanes ? `lane ${group.lane}` : ""].filter(Boolean).join(" · "));
    put(why, group.reason && group.reason !== group.code ? group.reason : "");
    why.hidden = !why.textContent;
    retry.hidden = !group.code;
    const key = `${group.count} ${group.items.map((one) => one.item).join()}`;
    if (items.dataset.items !== key) {
      items.dataset.items = key;
      const links = group.items.slice(0, 5).flatMap((one) => [button(one.item, "link", () => showIntent(one.intent)), ", "]);
      items.replaceChildren(some(group.count, "item"), ": ", ...links.slice(0, -1), group.count > 5 ? ` and ${n(group.count - 5)} more` : "");
    }
  };
  return node;
}

const STATES = { sending: ["being sent", "busy"], open: ["job runs", "busy"], resend: ["to be sent again", "warn"], reask: ["outcome unknown, asks again", "warn"], check: ["to be read back", "warn"] };

function jobRow() {
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

function batchRow() {
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

// --- what one can do ------------------------------------------------------------------------------------------------

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
    return node;
  }));
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => { answered = (value) => { answered = null; resolve(value); }; });
}

$("dialog").addEventListener("close", () => answered?.($("dialog").returnValue));
$("dialog").addEventListener("cancel", () => { $("dialog").returnValue = ""; });

let fading = 0;

function toast(answer) {
  $("toast").className = answer.error ? "toast failed" : "toast";
  put($("toast"), answer.error || answer.told);
  $("toast").hidden = false;
  clearTimeout(fading);
  fading = setTimeout(() => { $("toast").hidden = true; }, answer.error ? 12000 : 6000);
}

const BACK = ["", "Back", ""];

async function pauseLane(lane) {
  const reason = make("input");
  reason.maxLength = 200;
  reason.placeholder = "maintenance until 18:00";
  const label = make("label", "", "Reason, shown to everybody (optional)", reason);
  const text = "No more requests are sent until it is resumed. Accepted jobs are followed to their end; what is enqueued meanwhile is kept.";
  const choice = await ask(`Pause lane ${lane.name}?`, [make("p", "", text), label], BACK, ["go", "Pause", "main"]);
  if (choice) toast(await post("/api/pause", { lane: lane.name, ...(reason.value.trim() ? { reason: reason.value.trim() } : {}) }));
}

async function resumeLane(lane) { toast(await post("/api/resume", { lane: lane.name })); }

async function cancelIntent(row) {
  const text = `What of it is in no request yet ends as canceled: ${some(row.pending ?? 0, "item")} at this moment. What is in a request keeps its course.`;
  const choice = await ask("Cancel this intent?", [make("p", "", text), make("p", "id", row.id)], BACK, ["go", "Cancel the intent", "danger"]);
  if (choice) toast(await post("/api/cancel", { intent: row.id }));
}

const retryIntent = (id) => retry({ intent: id });
const retryReason = (group) => retry({ code: group.code, lane: group.lane, since_at: state.failures.since });

async function retry(what) {
  let plan = await post("/api/retry", what);
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

async function showIntent(id, values = "") {
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
  ].filter(([, value]) => value);
  const rows = told.items.map((one) => make("li", "", make("strong", "", `${n(one.count)} ${one.state}`),
    [one.code, one.reason !== one.code ? one.reason : null, one.batch ? `batch ${one.batch}` : null, one.job ? `job ${one.job}` : null].filter(Boolean).map((part) => ` · ${part}`).join(""),
    make("div", "soft", one.first.join(", ") + (one.count > one.first.length ? ` and ${n(one.count - one.first.length)} more` : ""))));
  if (told.more_standings) rows.push(make("li", "soft", `and ${n(told.more_standings)} more standings; see: feishu-batch show ${told.intent_id}`));
  return [make("dl", "", ...facts.flatMap(([name, value]) => [make("dt", "", name), make("dd", name === "Id" ? "id" : "", value)])), make("ul", "plain", ...rows)];
}

start();
