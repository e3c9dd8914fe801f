// The words of the page in the reader's language, which the server chose and wrote into the page.

const words = JSON.parse(document.getElementById("words").textContent);
const tag = document.documentElement.lang;
const locale = navigator.languages.find((one) => one.split("-")[0] === tag.split("-")[0]) ?? tag; // of dates; numbers follow the language
const whole = new Intl.NumberFormat(tag, { maximumFractionDigits: 0 }), tenths = new Intl.NumberFormat(tag, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export const n = (number) => whole.format(number);
export const tenth = (number) => tenths.format(number);

/** The text of a key. `{name}` is one of `values`; of two forms, `one || many`, the number `n` decides. */
export function t(key, values = {}) {
  const forms = words[key].split(" || ");
  const form = forms.length > 1 && values.n !== 1 ? forms[1] : forms[0];
  return form.replace(/\{(\w+)\}/g, (_, name) => (typeof values[name] === "number" ? n(values[name]) : values[name]));
}

export const knows = (key) => key in words;

/** The text of `family.name`, or the name itself where the page does not know it: a newer worker may have more of them. */
export function named(family, name) {
  const key = `${family}.${name.replaceAll(" ", "_")}`;
  return knows(key) ? words[key] : name;
}

export const together = (parts) => parts.filter(Boolean).join(t("list"));

/** What a failure's code means, and what to do; undefined for a code that only the remote system knows. */
export function explained(code) {
  const [meaning, advice] = words.codes[code] ?? [];
  return meaning && { meaning: meaning.replaceAll("`", ""), advice: advice.replaceAll("`", "") };
}

export function span(seconds) {
  if (seconds < 100) return t("span.seconds", { n: Math.max(0, Math.round(seconds)) });
  if (seconds < 6000) return t("span.minutes", { n: Math.round(seconds / 60) });
  return seconds < 172800 ? t("span.hours", { n: tenth(seconds / 3600) }) : t("span.days", { n: tenth(seconds / 86400) });
}

/** `moment`: unix seconds, or ISO. */
export function time(moment) {
  if (!moment) return "";
  return new Date(typeof moment === "number" ? moment * 1000 : moment).toLocaleString(locale, { dateStyle: "medium", timeStyle: "short" });
}

export const clock = (milliseconds) => new Date(milliseconds).toLocaleTimeString(locale);

document.getElementById("language").addEventListener("click", () => {
  document.cookie = `status_page_language=${tag === "en" ? "zh" : "en"};path=/;max-age=31536000;samesite=strict`;
  location.reload();
});
