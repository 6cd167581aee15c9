// What somebody has to see at once, whatever else the page shows: lost recordings, a lost key and refused callers.

import { setText } from "./rows.js";
import { t } from "./text.js";

// As the switch's log: overload is over when nobody has been refused for so long.
const REFUSED_MS = 10 * 1000;
const CUT_SHORT_MS = 60 * 1000;

export function createAlarms(node) {
  const refused = growing(REFUSED_MS);
  const cutShort = growing(CUT_SHORT_MS);
  const draw = (texts) => {
    setText(node, texts.join(" "));
    node.hidden = texts.length === 0;
  };
  return {
    render({ recorder_up: up, recorder_why: why, totals }, duties) {
      const [isRefusing, isCutting] = [refused.see(totals.not_admitted), cutShort.see(totals.recording_gaps)];
      const recorder = up === false ? "alarm.recorder" : isCutting ? "alarm.cutshort" : "";
      const signing = duties?.signing_key_missing ? "alarm.signing" : "";
      const values = { why: t(`lost.${why ?? "no_answer"}`) };
      draw([recorder, signing, isRefusing ? "alarm.overload" : ""].filter(Boolean).map((key) => t(key, values)));
    },
    /** What was true when the switch was last heard may not be any more, and nobody knows when counters grew meanwhile. */
    clear() {
      for (const it of [refused, cutShort]) it.forget();
      draw([]);
    },
  };
}

/** Whether a counter has grown a moment ago. What it showed first says nothing of when; a switch that was started anew begins at 0. */
function growing(lately) {
  let [before, grown] = [null, -Infinity];
  return {
    see(value) {
      if (before !== null && value > before) grown = performance.now();
      before = value;
      return performance.now() - grown < lately;
    },
    forget() {
      before = null;
    },
  };
}
