// The dialog, which asks or shows, and the toast, which shows the result of an order.

import { $, make, put } from "./parts.js";
import { t } from "./words.js";

let answered = null; // receives the answer of the open dialog
let turn = 0; // counts what the dialog asked

/** Shows a dialog; the answer is the value of the button that closed it, empty for Esc. */
export function ask(heading, body, ...buttons) {
  const dialog = $("dialog");
  answered?.("");
  turn += 1;
  put($("dialog-title"), heading);
  $("dialog-body").replaceChildren(...body);
  $("dialog-buttons").replaceChildren(...buttons.map(choice));
  dialog.returnValue = "";
  if (!dialog.open) dialog.showModal();
  ($("dialog-body").querySelector("input") ?? $("dialog-title")).focus(); // focus on a button would scroll a long dialog to its end
  dialog.scrollTop = 0;
  return new Promise((resolve) => { answered = (value) => { answered = null; resolve(value); }; });
}

function choice([value, text, className]) {
  const node = make("button", className, text);
  node.value = value;
  if (!value) node.type = "button"; // so that Enter in a field confirms and does not go back
  if (!value) node.addEventListener("click", () => $("dialog").close(""));
  return node;
}

/** What the dialog asks now, for `renew`. */
export const asked = () => turn;

/** New content, if the dialog still asks the same. What is equal stays, and with it the focus and the reader's place. */
export function renew(of, heading, body, ...buttons) {
  if (of !== turn || !answered) return;
  put($("dialog-title"), heading);
  patch($("dialog-body"), body);
  patch($("dialog-buttons"), buttons.map(choice));
}

function patch(parent, wanted) {
  wanted.forEach((node, place) => {
    const old = parent.childNodes[place];
    if (!old) parent.append(node);
    else if (old.isEqualNode(node)) return;
    else if (/^[DU]L$/.test(old.tagName) && old.tagName === node.tagName) patch(old, [...node.childNodes]);
    else old.replaceWith(node);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

$("dialog").addEventListener("close", () => answered?.($("dialog").returnValue));
$("dialog").addEventListener("cancel", () => { $("dialog").returnValue = ""; });

export const back = () => ["", t("back"), ""];
export const close = () => ["", t("close"), "main"];

let fading = 0;

/** `answer`: what `post` or `read` gave that has an `error`, or a text. */
export function toast(answer) {
  const error = answer.error;
  $("toast").className = error ? "toast failed" : "toast";
  $("toast").hidden = false; // before its text is set: screen readers announce only changes of a visible element
  put($("toast"), error || answer);
  clearTimeout(fading);
  fading = setTimeout(hideToast, error ? 12000 : 6000);
}

export function hideToast() { put($("toast"), "").hidden = true; }
