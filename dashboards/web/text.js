// Texts in two languages, and numbers and times as each writes them.

const LANGUAGES = { sv: "sv-SE", en: "en-GB" };
// From here on nobody asks for the minutes.
const HOURS_ALONE_S = 100 * 3600;
let texts = {};
let language = "en";

export async function loadTexts() {
  texts = await (await fetch("/web/texts.json")).json();
  setLanguage(remembered() ?? (navigator.languages.some((it) => it.toLowerCase().startsWith("sv")) ? "sv" : "en"));
}

export function setLanguage(wanted) {
  language = wanted;
  try {
    localStorage.setItem("vaxel.language", wanted);
  } catch {
    // Private windows may refuse to remember; the switch still works.
  }
  document.documentElement.lang = wanted;
  for (const it of document.querySelectorAll("[data-t]")) it.textContent = t(it.dataset.t);
  for (const it of document.querySelectorAll("[data-t-label]")) it.setAttribute("aria-label", t(it.dataset.tLabel));
  for (const it of document.querySelectorAll("[data-t-placeholder]")) it.placeholder = t(it.dataset.tPlaceholder);
  for (const it of document.querySelectorAll("[data-language]")) {
    it.setAttribute("aria-pressed", String(it.dataset.language === wanted));
  }
}

/** The text of a key, with {names} filled in; the key's last part when there is none. */
export function t(key, values = {}) {
  const text = texts[language]?.[key] ?? key.slice(key.lastIndexOf(".") + 1);
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export function number(value) {
  return new Intl.NumberFormat(LANGUAGES[language]).format(value);
}

/** 75 -> 1:15, 3675 -> 1:01:15, and a year's recordings in whole hours. */
export function duration(seconds) {
  const whole = Math.floor(seconds);
  if (whole >= HOURS_ALONE_S) return hours(whole);
  const two = (it) => String(it).padStart(2, "0");
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function size(bytes) {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3));
  return measure(bytes / 1000 ** step, { unit: units[step], unitDisplay: "short", maximumFractionDigits: step ? 1 : 0 });
}

function hours(seconds) {
  return measure(Math.floor(seconds / 3600), { unit: "hour", maximumFractionDigits: 0 });
}

/** A figure and its unit, never on two lines. */
function measure(value, style) {
  const text = new Intl.NumberFormat(LANGUAGES[language], { style: "unit", ...style }).format(value);
  return text.replaceAll(" ", "\u00a0");
}

/** In the order of the language's own alphabet: å, ä, ö last. */
export function compare(a, b) {
  return a.localeCompare(b, "sv");
}

function remembered() {
  try {
    const value = localStorage.getItem("vaxel.language");
    return value in LANGUAGES ? value : null;
  } catch {
    return null;
  }
}
