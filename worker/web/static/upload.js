// The import of a table: the file, its columns, what would change, a confirmation. The server runs the commands for it.

import { post, send } from "./connection.js";
import { showSet } from "./details.js";
import { ask, back, hideToast, toast } from "./dialog.js";
import { $, label, make, state } from "./parts.js";
import { span, t, tenth, together } from "./words.js";

const SHOWN = 20; // cells
const given = {}; // what the user chose; kept while the steps go forth and back

function input(name, text, value = "") {
  const node = make("input");
  node.name = name;
  node.value = value;
  return [make("label", "", text, node), node];
}

function option(value, text) {
  const node = make("option", "", text);
  node.value = value;
  return node;
}

function choice(name, text, options) {
  const node = make("select");
  node.name = name;
  node.append(...options.map(([value, word]) => option(value, word)));
  node.value = given.options?.[name] ?? "";
  return [make("label", "", text, node), node];
}

const megabytes = (bytes) => `${tenth(bytes / 1e6)} MB`;
const chosen = (nodes) => Object.fromEntries(nodes.map((node) => [node.name, node.value.trim()]).filter(([, value]) => value));

/** Shows that something is being done, until it is. */
async function meanwhile(text, work) {
  const began = Date.now(), say = () => toast(text(span((Date.now() - began) / 1000)));
  say();
  const timer = setInterval(say, 1000);
  try { return await work; } finally { clearInterval(timer); hideToast(); }
}

$("upload").addEventListener("click", () => chooseFile());

async function chooseFile(trouble = "") {
  const [fileLabel, file] = input("file", t("upload.file", { size: megabytes(state.about.upload) }));
  file.type = "file";
  file.accept = ".csv,.xlsx,.jsonl";
  const last = given.options ?? {};
  const texts = [["space", "upload.space"], ["type_key", "upload.type"]].map(([name, key]) => input(name, t(key), last[name]));
  const more = [
    ...[["id_column", "upload.id_column"], ["sheet", "upload.sheet"]].map(([name, key]) => input(name, t(key), last[name])),
    choice("hidden", t("upload.hidden"), [["", t("upload.hidden_refuse")], ["include", t("upload.hidden_include")], ["skip", t("upload.hidden_skip")]]),
    choice("empty", t("upload.empty"), [["", t("upload.empty_skip")], ["clear", t("upload.empty_clear")]]),
    choice("encoding", t("upload.encoding"), [["", t("upload.encoding_usual")], ["gb18030", "GB18030"]]),
  ];
  const details = make("details", "", make("summary", "", t("upload.more")), ...more.map(([node]) => node));
  details.open = Boolean(trouble);
  const body = [make("p", "soft", t("upload.file_hint")), fileLabel, ...texts.map(([node]) => node), details];
  if (trouble) body.unshift(make("p", "why", trouble));
  const answer = await ask(t("upload"), body, back(), ["go", t("upload.next"), "main"]);
  if (!answer) return;
  given.options = chosen([...texts, ...more].map(([, node]) => node));
  if (file.files.length) given.file = file.files[0];
  if (!given.file) return chooseFile(t("upload.file_hint"));
  const found = await meanwhile(() => t("upload.sending"), upload());
  return found.error ? chooseFile(found.error) : matchColumns(found);
}

async function upload() {
  const kept = await send(`/api/upload?${new URLSearchParams({ name: given.file.name })}`, given.file);
  if (kept.error) return kept;
  if (kept.upload !== given.upload) Object.assign(given, { upload: kept.upload, match: {}, again: 0 });
  const { sheet, encoding, hidden, id_column } = given.options;
  return post("/api/upload/columns", JSON.parse(JSON.stringify({ upload: kept.upload, sheet, encoding, hidden, id_column })));
}

const HOW = [["write", "upload.write"], ["append", "upload.append"], ["ignore", "upload.ignore"]];

async function matchColumns(found, trouble = "") {
  const rows = found.columns.map((column) => matchRow(column, given.match[column] ?? { how: "write", field: column }));
  const head = make("tr", "", ...["upload.column", "upload.how", "upload.field"].map((key) => make("th", "", t(key))));
  const body = found.is_table ? [make("p", "soft", t("upload.match_hint")), make("table", "", head, ...rows.map((row) => row.node))] : [make("p", "", t("upload.no_match"))];
  if (trouble) body.unshift(make("p", "why", trouble));
  const answer = await ask(t("upload.match"), body, ["back", t("back"), ""], ["go", t("upload.check"), "main"]);
  for (const row of rows) given.match[row.column] = row.chosen();
  if (answer === "back") return chooseFile();
  return answer ? check(found) : undefined;
}

function matchRow(column, match) {
  const how = make("select"), name = make("input");
  how.append(...HOW.map(([value, key]) => option(value, t(key))));
  how.value = match.how;
  name.value = match.field;
  const follow = () => { name.disabled = how.value === "ignore"; };
  how.addEventListener("change", follow);
  follow();
  label(how, t("upload.how_of", { column }));
  label(name, t("upload.field_of", { column }));
  const node = make("tr", "", make("td", "", column), make("td", "", how), make("td", "", name));
  return { column, node, chosen: () => ({ how: how.value, field: name.value.trim() || column }) };
}

/** What the user chose as the server takes it. A column that is called as its field needs no name. */
function order(found) {
  const { space, type_key, ...options } = given.options, match = Object.entries(given.match);
  const place = found.has_place ? {} : { space, type_key };
  const matched = found.is_table ? {
    fields: Object.fromEntries(match.filter(([column, one]) => one.how !== "ignore" && one.field !== column).map(([column, one]) => [column, one.field])),
    ignore: match.filter(([, one]) => one.how === "ignore").map(([column]) => column),
    append: match.filter(([, one]) => one.how === "append").map(([column]) => column),
  } : {};
  return JSON.parse(JSON.stringify({ upload: given.upload, ...options, ...place, ...matched, again: given.again })); // without what is undefined
}

async function confirmImport(found, plan) {
  const { diff } = plan, body = [make("p", "left", together(counted(diff)))];
  const cost = diff.write.map((one) => t("upload.cost", { requests: t("n.requests", { n: one.requests_without_unchanged }), span: span(one.seconds_without_unchanged) }));
  if (cost.length) body.push(make("p", "soft", together(cost)));
  if (plan.known) body.push(make("p", "why", t("upload.known", { n: plan.known })));
  if (plan.forgotten) body.push(make("p", "why", plan.forgotten));
  if (diff.listed.length) body.push(changes(diff));
  const unsure = diff.reasons.map((one) => make("li", "", t("upload.reason", { n: one.cells, reason: one.reason })));
  if (unsure.length) body.push(make("h3", "", t("upload.unsure")), make("ul", "plain", ...unsure));
  if (plan.rejected_count) body.push(...wrong(plan));
  const again = plan.known || plan.forgotten ? [["again", t("upload.again"), ""]] : [];
  const go = plan.enqueued && !plan.forgotten ? [["go", t("upload.import"), "main"]] : [];
  const answer = await ask(t("upload.diff", { file: given.file.name }), body, ["back", t("back"), ""], ...again, ...go);
  if (answer === "again") {
    given.again += 1;
    return check(found);
  }
  if (answer === "back") return matchColumns(found);
  if (!answer) return;
  const done = await meanwhile(() => t("upload.importing"), post("/api/upload/import", order(found)));
  toast(done.error ? done : t("upload.imported", { n: done.enqueued + done.known }));
  return done.error ? confirmImport(found, plan) : showSet(done.import_id);
}

async function check(found) {
  const plan = await meanwhile((taken) => t("upload.checking", { file: given.file.name, span: taken }), post("/api/upload/plan", order(found)));
  return plan.error ? matchColumns(found, plan.error) : confirmImport(found, plan);
}

const COUNTED = [
  ["cleared", "upload.cleared"], ["unchanged", "upload.unchanged"], ["not_known", "upload.not_known"],
  ["no_such_item", "upload.no_such_item"], ["refused", "upload.refused"],
];

function counted(diff) {
  return [t("upload.changed", { n: diff.changed }), ...COUNTED.filter(([one]) => diff[one]).map(([one, key]) => t(key, { n: diff[one] }))];
}

function changes(diff) {
  const rows = diff.listed.slice(0, SHOWN).map((one) => make("tr", "",
    make("td", "", `${one.item}`, make("div", "soft", one.name ?? "")), make("td", "", one.field ?? ""),
    make("td", "", one.old || t("upload.nothing")), make("td", "", one.new || t("upload.nothing"))));
  const head = make("tr", "", ...["upload.item", "upload.field", "upload.old", "upload.new"].map((key) => make("th", "", t(key))));
  const more = diff.changed + diff.cleared - rows.length;
  return make("div", "wide", make("table", "", head, ...rows), more > 0 ? make("p", "soft", t("upload.rest", { n: more })) : "");
}

function wrong(plan) {
  const rows = plan.rejected_groups.slice(0, SHOWN).map((one) => make("li", "",
    t("upload.reason", { n: one.count, reason: one.reason }), make("div", "soft", t("upload.lines", { lines: one.lines.join(", ") }))));
  return [make("h3", "", t("upload.wrong")), make("ul", "plain", ...rows)];
}
