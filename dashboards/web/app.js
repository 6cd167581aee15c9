// The page: takes events, keeps the newest of each, and draws.

import { createAlarms } from "./alarms.js";
import { colouring } from "./colours.js";
import { createCalls, createQueues, renderAddress } from "./calls.js";
import { createDuties } from "./duties.js";
import { createRecordings, renderFigures } from "./figures.js";
import { createMap, fillFacts } from "./map.js";
import { createProviders } from "./providers.js";
import { renderLegend, renderRoles } from "./roles.js";
import { setText } from "./rows.js";
import { createStream } from "./stream.js";
import { compare, loadTexts, setLanguage, t } from "./text.js";

// A scenario's clock that differs from this machine's by more is marked.
const CLOCK_SAME_MS = 5 * 60 * 1000;

const at = (id) => document.getElementById(id);
const state = { app: null, fixed: null, live: null, recordings: null, duties: null, connection: { name: "connecting", seconds: 0 } };
const kommuner = new Map();
const organisations = new Map();
const organisationName = (id) => organisations.get(id) ?? id;

const [, outlines] = await Promise.all([loadTexts(), fetch("/map.json").then((it) => it.json())]);
const map = createMap(at("map"), at("tip"), outlines);
const alarms = createAlarms(at("alarm"));
const renderCalls = createCalls((id) => kommuner.get(id)?.name ?? id);
const renderQueues = createQueues(organisationName);
const renderProviders = createProviders(organisationName);
const renderRecordings = createRecordings(organisationName);
const renderDuties = createDuties(organisationName);

const draw = {
  app() {
    setText(at("title"), state.app.title);
    setText(at("version"), `vaxel ${state.app.version}`);
    document.title = state.app.title;
  },
  fixed() {
    const { fixed } = state;
    kommuner.clear();
    organisations.clear();
    for (const it of [fixed.operator, ...fixed.organisations]) organisations.set(it.id, it.name);
    for (const it of fixed.kommuner) kommuner.set(it.id, it);
    setText(at("scenario"), fixed.scenario);
    setText(at("digest"), fixed.digest.slice(0, 12));
    at("digest").title = fixed.digest;
    const colours = colouring(fixed);
    const { classes, providers } = colours;
    map.paint(classes, new Map(fixed.kommuner.map((it) => [it.id, factsOf(it)])));
    renderLegend(fixed, colours, organisationName);
    renderRoles(fixed, providers);
    renderAddress(fixed.sip);
    fillLookup(fixed.kommuner);
    showChosen();
    if (state.live) draw.live();
    draw.recordings();
    draw.duties();
  },
  recordings() {
    renderRecordings(state.recordings);
  },
  duties() {
    renderDuties(state.duties);
  },
  live() {
    showClock(state.live.clock);
    showConnection();
    alarms.render(state.live, state.duties);
    renderFigures(state.live);
    renderCalls(state.live);
    renderQueues(state.live);
    renderProviders(state.live);
  },
};

function factsOf(kommun) {
  const recording = kommun.external ? "tip.leaves" : kommun.recorded ? "tip.recorded" : "tip.unrecorded";
  const lines = () => [
    ["tip.region", kommun.region_name],
    ["tip.route", kommun.route || "–"],
    ["tip.answers", kommun.answers ? organisationName(kommun.answers) : t("legend.none")],
    ["tip.recording", t(recording)],
  ];
  return { id: kommun.id, name: kommun.name, lines };
}

function showClock(clock) {
  const node = at("clock");
  setText(node, clock.slice(0, 19).replace("T", " "));
  node.dateTime = clock;
  at("clock-badge").hidden = !(Math.abs(Date.parse(clock) - Date.now()) > CLOCK_SAME_MS);
}

// Looking up a kommun ---------------------------------------------------------------------------

function fillLookup(list) {
  const options = [...list].sort((a, b) => compare(a.name, b.name)).map(({ id, name }) => new Option(id, `${name} (${id})`));
  at("kommuner").replaceChildren(...options);
}

function lookedUp() {
  const asked = at("lookup").value.trim().toLowerCase();
  if (!asked) return null;
  const code = asked.match(/\d{4}/)?.[0];
  return kommuner.get(code) ?? [...kommuner.values()].find((it) => it.name.toLowerCase() === asked) ?? null;
}

function showChosen() {
  const found = lookedUp();
  at("chosen").hidden = !found;
  if (found) fillFacts(at("chosen"), factsOf(found));
}

at("lookup").addEventListener("input", () => {
  showChosen();
  const found = lookedUp();
  map.choose(found?.id);
  if (!found) map.view.all();
});
at("lookup").addEventListener("change", () => {
  if (lookedUp() || !at("lookup").value.trim()) return;
  at("chosen").hidden = false;
  setText(at("chosen"), t("lookup.none"));
});
at("zoom-in").addEventListener("click", () => map.view.by(1.6));
at("zoom-out").addEventListener("click", () => map.view.by(1 / 1.6));
at("zoom-all").addEventListener("click", () => map.view.all());

// Language --------------------------------------------------------------------------------------

for (const button of document.querySelectorAll("[data-language]")) {
  button.addEventListener("click", () => {
    setLanguage(button.dataset.language);
    showConnection();
    if (state.fixed) draw.fixed();
  });
}

// Events ----------------------------------------------------------------------------------------

const stream = createStream(({ name, data }) => {
  const value = JSON.parse(data);
  if (name === "connection") return setConnection(value.state, value.seconds);
  setConnection("open");
  if (name === "arrival") map.ring(value, ringOf(value));
  else if (name === "resync") map.clearRings();
  else {
    state[name] = value;
    later(name);
  }
});

/** An unknown kommun's call is recorded as others on its route are; when there are none, or no recorder is, nothing is claimed. */
function ringOf({ external, kommun, route }) {
  if (external) return "never";
  const like = kommuner.get(kommun) ?? state.fixed?.kommuner.find((it) => it.route === route);
  return like?.recorded && state.live?.recorder_up !== false ? "recorded" : "no";
}

// A page that nobody sees costs the switch nothing.
document.addEventListener("visibilitychange", () => {
  stream.stop();
  if (document.hidden) return;
  setConnection("connecting");
  stream.start();
});

function setConnection(name, seconds = 0) {
  state.connection = { name, seconds };
  showConnection();
}

function showConnection() {
  const { name, seconds } = state.connection;
  const stale = name !== "open" && state.live;
  if (name !== "open") alarms.clear();
  const since = stale ? `. ${t("connection.stale", { time: state.live.clock.slice(11, 19) })}` : "";
  const draining = name === "open" && state.live?.takes_calls === false;
  const end = name === "lost" ? "." : "";
  setText(at("connection-state"), draining ? t("connection.draining") : t(`connection.${name}`) + since + end);
  // Apart from what is read aloud: nobody wants to hear each second counted.
  setText(at("connection-retry"), name === "lost" && seconds ? t("connection.retry", { s: seconds }) : "");
  at("connection").dataset.state = draining ? "draining" : name;
  document.body.classList.toggle("stale", Boolean(stale) || name === "lost");
}

// At most one drawing a frame, of what has changed.
const due = new Set();

function later(name) {
  if (due.size === 0) requestAnimationFrame(drawDue);
  due.add(name);
}

function drawDue() {
  const names = [...due];
  due.clear();
  for (const name of ["app", "fixed", "recordings", "duties", "live"]) {
    if (names.includes(name) && state[name]) draw[name]();
  }
}

showConnection();
if (!document.hidden) stream.start();
