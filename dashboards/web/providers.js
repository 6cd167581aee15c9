// The providers that calls leave to, and whether each of their targets answers.

import { t } from "./text.js";
import { element, keyed, setClass, setText } from "./rows.js";

// Of a moment such as 2018-11-05T22:15:00+01:00.
const DAY_LENGTH = 10;
const MINUTE_LENGTH = 16;

export function createProviders(organisationName) {
  const at = (id) => document.getElementById(id);
  let today = "";
  const render = keyed(at("providers"), ({ name }) => name, () => providerRow(organisationName, () => today));
  return ({ clock, providers }) => {
    today = clock.slice(0, DAY_LENGTH);
    render(providers);
    at("providers-empty").hidden = providers.length > 0;
    at("providers-down").hidden = !providers.some(({ targets }) => targets.some(isDown));
  };
}

function providerRow(organisationName, today) {
  const node = element("li", "provider");
  const [name, targets] = [element("span", "bar-name"), element("ul", "targets")];
  node.append(name, targets);
  let several = false;
  const render = keyed(targets, ({ target }) => target, () => targetLine(() => several, today));
  return {
    node,
    update(provider) {
      several = provider.targets.length > 1;
      setText(name, organisationName(provider.name));
      render(provider.targets);
    },
  };
}

function targetLine(several, today) {
  const node = element("li");
  const [chip, detail] = [element("span", "chip"), element("span", "quiet")];
  node.append(chip, detail);
  return {
    node,
    update(target) {
      const state = standing(target);
      setText(chip, several() ? t("target.one", { n: target.target + 1, state }) : state);
      setClass(chip, `chip ${target.state}`);
      setClass(node, target.state);
      setText(detail, isDown(target) ? history(target, today()) : "");
    },
  };
}

const isDown = ({ state }) => state === "down";

function standing({ state, why }) {
  const status = Number(why);
  return status ? t("target.status", { status }) : t(`target.${why ?? state}`);
}

function history({ since, last_answer: last }, today) {
  const parts = [t("target.since", { time: moment(since, today) })];
  if (last) parts.push(t("target.last", { status: last.status, time: moment(last.at, today) }));
  return parts.join(", ");
}

/** The time alone, of today's. */
function moment(at, today) {
  const minute = at.slice(0, MINUTE_LENGTH);
  return minute.startsWith(today) ? minute.slice(DAY_LENGTH + 1) : minute.replace("T", " ");
}
