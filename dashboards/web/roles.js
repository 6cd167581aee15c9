// Who is controller and processor of what, and the map's legend: both follow the routing table in force.

import { t } from "./text.js";
import { element } from "./rows.js";

export function renderRoles(fixed, providers) {
  const kommunerOf = new Map();
  for (const { answers } of fixed.kommuner) kommunerOf.set(answers, (kommunerOf.get(answers) ?? 0) + 1);
  const colours = new Map(providers.map(({ id, colour }) => [id, colour]));
  const others = fixed.organisations.filter((it) => it.id !== fixed.operator.id);
  const of = (kind) => others.filter((it) => it.kind === kind);
  const cards = [];
  if (of("region").length) cards.push(regionsCard(of("region")));
  cards.push(card("operator", fixed.operator.name, t(`roles.operator.${fixed.operator.kind}`)));
  for (const it of of("care-provider")) {
    const colour = colours.get(it.id);
    const text = t(colour ? "roles.provider" : "roles.provider.idle");
    const count = colour ? t("roles.kommuner", { n: kommunerOf.get(it.id) }) : "";
    cards.push(card(colour ? `edge-${colour}` : "other", it.name, text, count));
  }
  for (const it of of("processor")) cards.push(card("other", it.name, t("roles.processor")));
  for (const it of of("sub-processor")) cards.push(card("other", it.name, t("roles.sub")));
  const roles = document.getElementById("roles");
  // What is open stays so, and what hasn't changed keeps the keyboard's place: this comes again with each new connection.
  const [before, list] = [roles.querySelector("details"), cards[0]?.querySelector("details")];
  if (list && before) list.open = before.open;
  if (cards.map((it) => it.outerHTML).join("") !== roles.innerHTML) roles.replaceChildren(...cards);
}

function card(kind, name, text, note = "") {
  const it = element("li", `role ${kind}`);
  const head = element("strong", "", name);
  it.append(head, ...(note ? [" ", element("span", "count", note)] : []), element("p", "", text));
  return it;
}

function regionsCard(regions) {
  if (regions.length === 1) return card("region", regions[0].name, t("roles.region.does"));
  const it = element("li", "role region");
  const list = element("details");
  list.append(element("summary", "", t("roles.regions", { n: regions.length })), element("p", "quiet", regions.map((one) => one.name).join(", ")));
  it.append(list, element("p", "", t("roles.region.does")));
  return it;
}

export function renderLegend(fixed, { classes, providers }, organisationName) {
  const own = fixed.kommuner.filter((it) => !it.external && it.answers);
  const lines = [];
  const regions = new Set(fixed.organisations.filter((it) => it.kind === "region").map((it) => it.id));
  const answering = [...new Set(own.map((it) => it.answers))];
  const theirs = answering.filter((id) => regions.has(id));
  if (theirs.length) lines.push(line(["s0", "s1", "s2", "s3"], t("legend.regions", { n: theirs.length })));
  // A care provider's own switch answers for regions, and none of them answers there.
  for (const id of answering.filter((id) => !regions.has(id))) {
    lines.push(line([classes.get(own.find((it) => it.answers === id).id)], t("legend.own", { name: organisationName(id) })));
  }
  for (const { id, colour } of providers) lines.push(line([`${colour} leaves`], t("legend.provider", { name: organisationName(id) })));
  const unrecorded = own.some((it) => !it.recorded);
  if (unrecorded) lines.push(line(["s1 unrecorded"], t("legend.unrecorded")));
  if (fixed.kommuner.some((it) => !it.answers)) lines.push(line(["nobody"], t("legend.none")));
  if (own.some((it) => it.recorded)) lines.push(line(["call recorded"], t("legend.call.recorded")));
  if (providers.length) lines.push(line(["call never"], t("legend.call.leaves")));
  if (unrecorded) lines.push(line(["call no"], t("legend.call.no")));
  lines.push(line(["nowhere-sample"], t("legend.call.nowhere")));
  document.getElementById("legend").replaceChildren(...lines);
}

function line(classes, text) {
  const it = element("p");
  const samples = element("span", "samples");
  samples.append(...classes.map((name) => element("span", `sample ${name}`)));
  it.append(samples, element("span", "", text));
  return it;
}
