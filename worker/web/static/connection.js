// The connection to the server: it sends events, and the page sends requests.

import { $, put, show, state } from "./parts.js";
import { clock, knows, t } from "./words.js";

export const heard = new EventTarget(); // a message: the server sent something, and the page is drawn
let csrf = "", source = null, heardAt = 0, restart = 0, sleep = 0, render = () => {};

/** Connects, and calls `show` whenever `state` has changed. */
export function keepConnected(shown) {
  render = shown;
  start();
}

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
  const session = await answer.json();
  csrf = session.csrf;
  $("logout").hidden = !session.needs_token;
  if (!source || source.readyState === EventSource.CLOSED) connect();
}

function connect() {
  source = new EventSource("/api/events");
  source.onmessage = (event) => { heardAt = Date.now(); Object.assign(state, JSON.parse(event.data)); render(); heard.dispatchEvent(new Event("message")); };
  source.onopen = () => { heardAt = Date.now(); start(); }; // after a restart of the server, the session may be another one
  source.onerror = () => { lost(); if (source.readyState === EventSource.CLOSED) again(); };
}

function again(why) {
  lost(why);
  clearTimeout(restart);
  restart = setTimeout(start, 3000);
}

function lost(why) {
  const sentences = [t("lost"), heardAt ? t("lost.since", { time: clock(heardAt) }) : ""];
  banner(why || sentences.join(" "));
  $("live").className = "live off";
  put($("live"), t("live.lost"));
}

export function banner(text) { show($("banner"), text); }

setInterval(() => { if (source && heardAt && Date.now() - heardAt > 6000) lost(); }, 1000);

document.addEventListener("visibilitychange", () => { // a hidden page sends no requests
  clearTimeout(sleep);
  if (document.hidden) sleep = setTimeout(() => { source?.close(); source = null; }, 5000);
  else if (!source) start();
});

addEventListener("pagehide", () => { source?.close(); source = null; }); // a browser may keep a page after the user has left it
addEventListener("pageshow", (event) => { if (event.persisted) start(); });

function askForToken() {
  if (state.about) return location.reload(); // removes all earlier content from the page
  source?.close();
  source = null;
  banner("");
  put($("live"), "");
  for (const id of ["page", "find", "upload", "logout"]) $(id).hidden = true;
  $("token").focus();
}

$("login-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await post("/login", { token: $("token").value });
  put($("login-error"), answer.error || "");
  $("token").value = "";
  if (!answer.error) start();
});

$("logout").addEventListener("click", async () => { await post("/logout", {}); start(); });

export const post = (path, content) => change(path, "application/json", JSON.stringify(content));

/** As `post`, with a file. */
export const send = (path, file) => change(path, "application/octet-stream", file);

async function change(path, type, body) {
  const headers = { "Content-Type": type, "X-CSRF-Token": csrf };
  try {
    return await said(await fetch(path, { method: "POST", headers, body }));
  } catch {
    return { error: t("no_answer.check") };
  }
}

export async function read(path, values) {
  try {
    return await said(await fetch(`${path}?${new URLSearchParams(values)}`));
  } catch {
    return { error: t("no_answer") };
  }
}

/** The content of an answer; of a refusal, its sentence as `error` and its key. */
async function said(answer) {
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  const sentence = knows(content.key) ? t(content.key, content.values) : content.error;
  return { error: sentence || t("answered", { status: answer.status }), key: content.key };
}
