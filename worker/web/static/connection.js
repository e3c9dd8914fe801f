// The connection to the server: what it says comes as events, what it is asked goes as requests.

import { $, put, state } from "./parts.js";

let csrf = "", source = null, heardAt = 0, restart = 0, sleep = 0, render = () => {};

/** Connects, and calls `show` whenever `state` has changed. */
export function keepConnected(show) {
  render = show;
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

export function banner(text) {
  $("banner").hidden = !text;
  put($("banner"), text || "");
}

setInterval(() => { if (source && heardAt && Date.now() - heardAt > 6000) lost(); }, 1000);

document.addEventListener("visibilitychange", () => { // a page that nobody sees asks for nothing
  clearTimeout(sleep);
  if (document.hidden) sleep = setTimeout(() => { source?.close(); source = null; }, 5000);
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

export async function post(path, content) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrf };
  try {
    return await said(await fetch(path, { method: "POST", headers, body: JSON.stringify(content) }));
  } catch {
    return { error: "No answer: the connection was lost. Look whether it was done before you try again." };
  }
}

export async function said(answer) {
  const told = await answer.json().catch(() => ({}));
  return answer.ok ? told : { error: told.error || `The server answered with ${answer.status}.` };
}
