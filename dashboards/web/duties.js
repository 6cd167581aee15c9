// What somebody has to answer for: calls held against recordings, and what has outstayed its ceiling.

import { compare, number, t } from "./text.js";
import { proof } from "./figures.js";
import { element, keyed, setClass, setText } from "./rows.js";

const KINDS = ["missing", "extra", "short", "untagged"];

export function createDuties(organisationName) {
  const at = (id) => document.getElementById(id);
  const render = keyed(at("duties"), ({ controller }) => controller, () => dutyRow(organisationName));
  return (duties) => {
    const report = duties?.reconciliation;
    const late = Object.values(duties?.overdue ?? {}).reduce((all, classes) => all + total(classes), 0);
    // What has outstayed its ceiling, or can't be read, has to be seen on a day without calls too.
    const quiet = report?.calls === 0 && sum(report.controllers, "stored") === 0;
    const nothing = !report || (quiet && late === 0 && !report.unreadable);
    at("duties-empty").hidden = !nothing;
    setText(at("duties-empty"), t(duties ? "duties.none" : "recordings.away"));
    at("duties-figures").hidden = nothing;
    if (report) {
      proof("duty-external", report.external_recordings);
      for (const kind of KINDS) proof(`duty-${kind}`, sum(report.controllers, kind));
    }
    proof("duty-overdue", late);
    setText(at("duties-summary"), nothing ? "" : summary(report));
    const lines = rows(duties);
    at("duties").hidden = lines.length === 0;
    render(lines);
  };
}

function summary(report) {
  const values = {
    calls: number(report.calls),
    external: number(report.external_calls),
    expected: number(sum(report.controllers, "expected")),
    stored: number(sum(report.controllers, "stored")),
  };
  const unreadable = report.unreadable ? ` ${t("duties.unreadable", { n: number(report.unreadable) })}` : "";
  return t("duties.summary", values) + unreadable;
}

/** Those who have something to answer for, the most first. */
function rows(duties) {
  const lines = duties?.reconciliation?.controllers ?? {};
  const overdue = duties?.overdue ?? {};
  const names = new Set([...Object.keys(lines), ...Object.keys(overdue)]);
  return [...names]
    .map((controller) => ({ controller, line: lines[controller] ?? {}, overdue: overdue[controller] ?? {} }))
    .map((it) => ({ ...it, count: KINDS.reduce((all, kind) => all + (it.line[kind] ?? 0), total(it.overdue)) }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count || compare(a.controller, b.controller));
}

function dutyRow(organisationName) {
  const node = element("li", "duty");
  const [name, facts] = [element("span", "bar-name"), element("span", "quiet")];
  node.append(name, facts);
  return {
    node,
    update({ controller, line, overdue }) {
      setText(name, organisationName(controller));
      const found = KINDS.filter((kind) => line[kind]).map((kind) => t(`duty.one.${kind}`, { n: number(line[kind]) }));
      const late = Object.entries(overdue).filter(([, count]) => count);
      const classes = late.map(([name, count]) => t("duty.one.overdue", { n: number(count), class: t(`class.${name}`) }));
      setText(facts, [...found, ...classes].join(" · "));
      setClass(node, "duty bad");
    },
  };
}

function sum(lines, kind) {
  return Object.values(lines ?? {}).reduce((all, line) => all + (line[kind] ?? 0), 0);
}

function total(counts) {
  return Object.values(counts).reduce((a, b) => a + b, 0);
}
