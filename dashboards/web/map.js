// The map: outlines drawn once, coloured once for each `fixed`, rings where calls come from.

import { t } from "./text.js";
import { setText } from "./rows.js";

const SVG = "http://www.w3.org/2000/svg";
const ALL = { x: 0, y: 0, w: 427, h: 1000 };
const RINGS_MAX = 80;
const ZOOM_MAX = 16;
// Calls whose kommun isn't known light up here, at sea.
const NOWHERE = { x: 372, y: 640 };

export function createMap(svg, tip, data) {
  const layers = ["land", "hatch", "rings"].map((name) => svg.appendChild(shape("g", { class: name })));
  const [land, hatch, rings] = layers;
  svg.prepend(patterns());
  const nowhere = shape("text", { x: NOWHERE.x, y: NOWHERE.y + 6, class: "nowhere" });
  nowhere.textContent = "?";
  svg.insertBefore(nowhere, rings);
  const paths = new Map();
  for (const [id, { d }] of Object.entries(data.kommuner)) {
    paths.set(id, land.appendChild(shape("path", { d, "data-id": id })));
  }
  const view = createView(svg, rings);
  let facts = new Map();
  let mark = null;

  followPointer(svg, tip, (id) => facts.get(id));
  return {
    /** Once for each `fixed`: facts give the tooltip its lines. */
    paint(classes, newFacts) {
      facts = newFacts;
      // What it says may be of the table before.
      tip.hidden = true;
      delete tip.dataset.id;
      hatch.replaceChildren();
      for (const [id, path] of paths) {
        const name = classes.get(id) ?? "nobody";
        path.setAttribute("class", name);
        const over = name.includes("leaves") ? "leaves" : name.includes("unrecorded") ? "unrecorded" : "";
        if (over) hatch.append(shape("path", { d: data.kommuner[id].d, fill: `url(#${over})` }));
      }
    },
    ring({ kommun }, kind) {
      if (document.hidden || rings.childElementCount >= RINGS_MAX) return;
      const { x, y } = data.kommuner[kommun] ?? NOWHERE;
      const ring = shape("g", { class: `ring ${kind}`, "data-x": x, "data-y": y });
      ring.append(shape("circle", { r: 9, class: "halo" }), shape("circle", { r: 9, class: "wave" }), shape("circle", { r: 3.2, class: "dot" }));
      view.place(ring);
      rings.append(ring);
      // The dot's animation is the longest, with and without motion.
      ring.lastChild.addEventListener("animationend", () => ring.remove());
    },
    clearRings() {
      rings.replaceChildren();
    },
    choose(id) {
      mark?.remove();
      mark = null;
      const kommun = data.kommuner[id];
      if (!kommun) return;
      mark = shape("path", { d: kommun.d, class: "chosen-outline" });
      svg.insertBefore(mark, rings);
      view.show(paths.get(id).getBBox());
    },
    view,
  };
}

function createView(svg, rings) {
  let now = { ...ALL };
  /** Map units for one pixel: the outlines are fitted into the box, whichever side is the tighter. */
  const unit = () => {
    const { width, height } = svg.getBoundingClientRect();
    return Math.max(now.w / (width || ALL.w), now.h / (height || ALL.h));
  };
  const place = (ring) => ring.setAttribute("transform", `translate(${ring.dataset.x} ${ring.dataset.y}) scale(${unit()})`);
  const set = (x, y, w) => {
    const width = Math.min(ALL.w, Math.max(ALL.w / ZOOM_MAX, w));
    const height = (width * ALL.h) / ALL.w;
    now = { x: clamp(x, ALL.w - width), y: clamp(y, ALL.h - height), w: width, h: height };
    svg.setAttribute("viewBox", `${now.x} ${now.y} ${now.w} ${now.h}`);
    svg.parentElement.classList.toggle("zoomed", now.w < ALL.w);
    svg.style.setProperty("--scale", now.w / ALL.w);
    for (const ring of rings.children) place(ring);
  };
  const by = (factor, x = now.x + now.w / 2, y = now.y + now.h / 2) => {
    set(x - (x - now.x) / factor, y - (y - now.y) / factor, now.w / factor);
  };
  drag(svg, (dx, dy) => set(now.x - dx * unit(), now.y - dy * unit(), now.w));
  svg.addEventListener("dblclick", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    by(2, at.x, at.y);
  });
  set(ALL.x, ALL.y, ALL.w);
  return {
    place,
    by,
    all: () => set(ALL.x, ALL.y, ALL.w),
    /** Brings a box into view with its neighbourhood around it. */
    show(box) {
      const w = Math.max(60, 4 * box.width, (4 * box.height * ALL.w) / ALL.h);
      set(box.x + box.width / 2 - w / 2, box.y + box.height / 2 - (w * ALL.h) / ALL.w / 2, w);
    },
  };
}

function clamp(value, max) {
  return Math.min(Math.max(0, value), Math.max(0, max));
}

/** Calls back with the distance in pixels. */
function drag(svg, moved) {
  let last = null;
  svg.addEventListener("pointerdown", (event) => (last = event));
  svg.addEventListener("pointermove", (event) => {
    if (!last || event.buttons === 0 || !svg.parentElement.classList.contains("zoomed")) return;
    moved(event.clientX - last.clientX, event.clientY - last.clientY);
    last = event;
  });
  for (const end of ["pointerup", "pointercancel", "pointerleave"]) svg.addEventListener(end, () => (last = null));
}

/** The tooltip, at the mouse or where a finger tapped. */
function followPointer(svg, tip, factsOf) {
  const show = (event) => {
    const facts = factsOf(event.target.dataset?.id);
    tip.hidden = !facts;
    if (!facts) return;
    if (tip.dataset.id !== facts.id || tip.lang !== document.documentElement.lang) {
      fillFacts(tip, facts);
      tip.dataset.id = facts.id;
      tip.lang = document.documentElement.lang;
    }
    const { width, height } = tip.getBoundingClientRect();
    const left = event.clientX + 16 + width > innerWidth ? event.clientX - width - 12 : event.clientX + 16;
    const top = Math.min(event.clientY + 12, innerHeight - height - 8);
    tip.style.setProperty("left", `${Math.max(8, left)}px`);
    tip.style.setProperty("top", `${Math.max(8, top)}px`);
  };
  svg.addEventListener("pointermove", show);
  svg.addEventListener("pointerdown", show);
  svg.addEventListener("pointerleave", (event) => (tip.hidden = event.pointerType === "mouse"));
  addEventListener("scroll", () => (tip.hidden = true), { passive: true });
  addEventListener("keydown", (event) => event.key === "Escape" && (tip.hidden = true));
}

/** A heading and lines of facts, for the tooltip and for the looked-up kommun. */
export function fillFacts(box, facts) {
  const list = document.createElement("dl");
  for (const [key, value] of facts.lines()) {
    const [name, text] = [document.createElement("dt"), document.createElement("dd")];
    setText(name, t(key));
    setText(text, value);
    list.append(name, text);
  }
  const head = document.createElement("strong");
  setText(head, `${facts.name} (${facts.id})`);
  box.replaceChildren(head, list);
}

/** Lines over what leaves, dots over what stays unrecorded: the colour alone says nothing. */
function patterns() {
  const defs = shape("defs", {});
  const leaves = shape("pattern", { id: "leaves", width: 5, height: 5, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  leaves.append(shape("line", { x1: 0, y1: 0, x2: 0, y2: 5, class: "hatch-line" }));
  const unrecorded = shape("pattern", { id: "unrecorded", width: 4, height: 4, patternUnits: "userSpaceOnUse" });
  unrecorded.append(shape("circle", { cx: 2, cy: 2, r: 0.7, class: "hatch-dot" }));
  defs.append(leaves, unrecorded);
  return defs;
}

function shape(name, attributes) {
  const it = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) it.setAttribute(key, value);
  return it;
}
