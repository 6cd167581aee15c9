// The calls in progress and the queues.

import { duration, number, t } from "./text.js";
import { element, keyed, setClass, setText } from "./rows.js";

const CALLS_SHOWN = 50;
const RECORDING_ICONS = { recording: "●", gap: "⚠", never: "⊘", later: "○", no: "–" };

export function createCalls(nameOf) {
  const at = (id) => document.getElementById(id);
  const render = keyed(at("calls"), (call) => call.id, () => callRow(nameOf));
  return ({ calls, calls_now: now, totals }) => {
    const shown = calls.slice(0, CALLS_SHOWN);
    render(shown);
    at("calls-empty").hidden = now > 0 || totals.offered > 0;
    at("calls-none").hidden = now > 0 || totals.offered === 0;
    at("calls-scroll").hidden = now === 0;
    at("calls-more").hidden = now <= shown.length;
    setText(at("calls-more"), t("calls.more", { n: number(now - shown.length) }));
    setText(at("calls-count"), now ? number(now) : "");
  };
}

/** Where phones call this switch. `vaxel load` finds the usual address by itself. */
export function renderAddress(sip) {
  const usual = sip === "127.0.0.1:5060";
  setText(document.getElementById("calls-address"), `sip:1177@${sip}`);
  setText(document.getElementById("calls-load"), usual ? "vaxel load" : `vaxel load --to sip:1177@${sip}`);
}

function callRow(nameOf) {
  const node = element("tr");
  const [kommun, state, recording] = [element("th"), element("td"), element("td")];
  const [route, age] = [element("td", "wide code"), element("td", "number")];
  const [chip, sign, word] = [element("span"), element("span", "sign"), element("span")];
  kommun.scope = "row";
  sign.setAttribute("aria-hidden", "true");
  state.append(chip);
  recording.append(sign, word);
  node.append(kommun, state, recording, route, age);
  return {
    node,
    update(call) {
      setText(kommun, call.kommun ? nameOf(call.kommun) : t(`origin.${call.origin}`));
      setText(chip, t(`state.${call.state}`));
      setClass(chip, `chip ${call.state}`);
      setText(sign, RECORDING_ICONS[call.recording] ?? "");
      setText(word, t(`recording.${call.recording}`));
      setClass(recording, `recording-${call.recording}`);
      setText(route, call.route);
      route.title = call.route;
      setText(age, duration(call.age_s));
    },
  };
}

export function createQueues(organisationName) {
  const at = (id) => document.getElementById(id);
  let decades = 1;
  let perController = new Map();
  // A controller with one queue is its best name; with several, that is the one named as it is, and the others go by their own.
  const isBest = ({ name, controller }) => name === controller || perController.get(controller) === 1;
  const labelOf = (queue) => (isBest(queue) ? organisationName(queue.controller) : queue.name);
  const render = keyed(at("queues"), (queue) => queue.name, () => queueRow(labelOf, () => decades));
  return ({ queues }) => {
    perController = new Map();
    for (const { controller } of queues) perController.set(controller, (perController.get(controller) ?? 0) + 1);
    decades = Math.max(1, Math.ceil(magnitude(Math.max(0, ...queues.map((it) => it.waiting)))));
    at("queues").style.setProperty("--decades", decades);
    render([...queues].sort(byPressure));
    at("queues-empty").hidden = queues.length > 0;
    at("queues-scroll").hidden = queues.length === 0;
  };
}

/** A queue's bar: beside one of hundreds a queue of two must still be seen. A whole number at 9, 99, 999. */
function magnitude(waiting) {
  return Math.log10(1 + waiting);
}

function byPressure(a, b) {
  const busy = (it) => it.agents_busy / Math.max(1, it.agents_busy + it.agents_ready);
  return b.waiting - a.waiting || b.longest_wait_s - a.longest_wait_s || busy(b) - busy(a) || (a.name < b.name ? -1 : 1);
}

function queueRow(labelOf, decades) {
  const node = element("tr");
  const [name, waiting] = [element("th"), element("td")];
  const [longest, promised, agents] = [element("td", "number"), element("td", "number"), element("td", "number")];
  const [bar, fill, count] = [element("span", "bar-track"), element("span", "bar-fill"), element("span", "bar-count")];
  const [whose, code] = [element("span"), element("span", "code quiet")];
  name.scope = "row";
  name.append(whose, " ", code);
  bar.append(fill);
  bar.setAttribute("aria-hidden", "true");
  const both = element("span", "bar-with-count");
  both.append(bar, count);
  waiting.append(both);
  node.append(name, waiting, longest, promised, agents);
  return {
    node,
    update(queue) {
      const label = labelOf(queue);
      setText(whose, label);
      name.title = label;
      setText(code, label === queue.name ? "" : queue.name);
      setText(count, number(queue.waiting));
      fill.style.setProperty("width", `${(100 * magnitude(queue.waiting)) / decades()}%`);
      setText(longest, queue.waiting ? duration(queue.longest_wait_s) : "–");
      setText(promised, queue.promised ? number(queue.promised) : "–");
      setText(agents, `${number(queue.agents_ready)} / ${number(queue.agents_ready + queue.agents_busy)}`);
      agents.title = t("col.agents.title", { ready: queue.agents_ready, busy: queue.agents_busy });
      setClass(node, queue.agents_ready === 0 && queue.waiting ? "pressed" : "");
    },
  };
}
