// The big figures, and what the recorder stores for whom.

import { compare, duration, number, size, t } from "./text.js";
import { element, keyed, setClass, setText } from "./rows.js";

export function renderFigures({ calls_now: now, totals }) {
  const at = (id) => document.getElementById(id);
  figure(at("f-now"), now);
  figure(at("f-offered"), totals.offered);
  figure(at("f-completed"), totals.completed);
  figure(at("f-recorded"), sum(totals.recorded));
  proof("proof", totals.recorded_at_switch_for_provider);
  proof("accounts", totals.unaccounted);
  const ended = Object.entries(totals.outcomes).sort((a, b) => b[1] - a[1]);
  const parts = ended.map(([outcome, count]) => `${t(`outcome.${outcome}`)} ${number(count)}`);
  const lines = parts.length ? [`${t("outcomes")} ${parts.join(", ")}.`] : [];
  if (totals.recording_gaps) lines.push(`${t("gaps", { n: number(totals.recording_gaps) })}.`);
  if (totals.not_admitted) lines.push(`${t("notadmitted", { n: number(totals.not_admitted) })}.`);
  setText(at("outcomes"), lines.join(" "));
}

/** A figure in letters that leave room for it: a year's calls have seven digits. */
function figure(node, value) {
  const text = number(value);
  setText(node, text);
  setClass(node, text.length > 9 ? "longer" : text.length > 6 ? "long" : "");
}

/** A figure that must be 0: green with a check mark, or red. */
export function proof(id, value) {
  const box = document.getElementById(id);
  setText(box.querySelector("dd span"), number(value));
  setText(document.getElementById(`${id}-mark`), t(value === 0 ? "mark.good" : "mark.bad"));
  setClass(box, value === 0 ? "proof good" : "proof bad");
}

export function createRecordings(organisationName) {
  const at = (id) => document.getElementById(id);
  let most = 1;
  const render = keyed(at("recordings"), ([id]) => id, () => recordingRow(organisationName, () => most));
  return (figures) => {
    const rows = Object.entries(figures?.controllers ?? {});
    most = Math.max(1, ...rows.map(([, stored]) => stored.recordings));
    render(rows.sort((a, b) => b[1].recordings - a[1].recordings || compare(a[0], b[0])));
    at("recordings").hidden = rows.length === 0;
    at("recordings-empty").hidden = rows.length > 0;
    setText(at("recordings-empty"), t(figures ? "recordings.none" : "recordings.away"));
    const refused = Object.entries(figures?.refused ?? {}).map(([reason, count]) => `${t(`refused.${reason}`)} ${number(count)}`);
    const lines = [];
    if (figures?.open) lines.push(t("recordings.open", { n: number(figures.open) }));
    if (refused.length) lines.push(t("recordings.refused", { list: refused.join(", ") }));
    setText(at("recordings-open"), lines.join(" "));
  };
}

function recordingRow(organisationName, most) {
  const node = element("li");
  const [name, bar, fill] = [element("span", "bar-name"), element("span", "bar-track"), element("span", "bar-fill")];
  const [facts, stored, due] = [element("span", "quiet"), element("span"), element("span", "whole")];
  bar.append(fill);
  bar.setAttribute("aria-hidden", "true");
  facts.append(stored, due);
  node.append(name, bar, facts);
  return {
    node,
    update([id, figures]) {
      setText(name, organisationName(id));
      fill.style.setProperty("width", `${(100 * figures.recordings) / most()}%`);
      const values = { n: number(figures.recordings), time: duration(figures.seconds), size: size(figures.bytes) };
      setText(stored, t("recordings.one", values));
      setText(due, figures.next_due ? t("recordings.due", { date: figures.next_due }) : t("recordings.nodue"));
    },
  };
}

function sum(counts) {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}
