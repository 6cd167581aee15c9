// The switch's events, by one connection for all windows of a browser. It holds six connections to a host: each window with one of its
// own would leave the seventh waiting for ever.
//
// Windows that are seen ask for one lock. Who has it listens to the switch and passes on what it hears. When it is closed, hidden or
// silent the lock goes to another.

const SHARED = "vaxel-events";
const EVENTS = ["app", "fixed", "recordings", "duties", "live", "arrival", "resync"];
/** Of these the newest is whole: a window that opens is told them. */
const KEPT = ["connection", "app", "fixed", "recordings", "duties", "live"];
const RETRY_S = [1, 2, 5, 10];
// The switch shows itself four times a second. A tunnel that died, or a machine that slept, may leave a connection that nobody ends.
const SILENT_MAX_MS = 10 * 1000;
// A window gives the one that listens time to notice by itself that it hears nothing.
const PASSED_ON_MAX_MS = SILENT_MAX_MS + 2000;

/** Tells of each event, { name, data } with data as text, between start() and stop(); and of "connection": { state, seconds }. */
export function createStream(tell) {
  let stop = () => {};
  return {
    start() {
      stop();
      // A browser of before 2022 has no locks.
      stop = navigator.locks ? share(tell) : listen(tell);
    },
    stop() {
      stop();
      stop = () => {};
    },
  };
}

function share(tell) {
  const me = crypto.randomUUID();
  const others = new BroadcastChannel(SHARED);
  const newest = new Map();
  let leave = () => {}; // the lock, or the line before it
  let ended = false;
  let leads = false;
  let silence = 0;

  others.onmessage = ({ data: { from, to, ...event } }) => {
    if (from && leads) for (const it of newest.values()) others.postMessage({ ...it, to: from });
    if (from || leads || (to && to !== me)) return;
    waitFor();
    tell(event);
  };

  function waitFor() {
    clearTimeout(silence);
    silence = setTimeout(() => ask({ steal: true }), PASSED_ON_MAX_MS);
  }

  function passOn(event) {
    // With it a connection begins, and all else comes again.
    if (event.name === "app") newest.clear();
    if (KEPT.includes(event.name)) newest.set(event.name, event);
    others.postMessage(event);
    tell(event);
  }

  function ask(how) {
    leave();
    if (ended) return;
    const line = new AbortController();
    let release = () => {};
    leave = () => {
      line.abort();
      release();
    };
    const lead = () => {
      // It has left meanwhile: nothing stands in line for a lock that is stolen.
      if (line.signal.aborted) return undefined;
      clearTimeout(silence);
      leads = true;
      const deaf = listen(passOn);
      return new Promise((done) => {
        release = () => {
          deaf();
          leads = false;
          done();
        };
      });
    };
    const taken = navigator.locks.request(SHARED, how ?? { signal: line.signal }, lead);
    taken.catch(({ name }) => {
      // This one has left, and asks for nothing.
      if (line.signal.aborted) return;
      if (name !== "AbortError") return alone();
      // Another window heard nothing from this one and has it now.
      waitFor();
      ask();
    });
  }

  /** A browser that keeps nothing for the page (cookies blocked) gives it no lock either. */
  function alone() {
    clearTimeout(silence);
    others.close();
    leave = listen(tell);
  }

  waitFor();
  ask();
  others.postMessage({ from: me });
  return () => {
    ended = true;
    clearTimeout(silence);
    leave();
    others.close();
  };
}

/** One connection, made anew whenever it is lost. Returns what ends it. */
function listen(tell) {
  let source = null;
  let tries = 0;
  let waiting = 0;
  let silence = 0;

  function connect() {
    source = new EventSource("/events");
    // The browser's own retry waits without a word, and gives up on an answer such as 503: ours does neither.
    source.onerror = failed;
    heard();
    for (const name of EVENTS) {
      source.addEventListener(name, ({ data }) => {
        heard();
        // One that opened and says nothing is no connection yet.
        tries = 0;
        tell({ name, data });
      });
    }
  }

  function heard() {
    clearTimeout(silence);
    silence = setTimeout(failed, SILENT_MAX_MS);
  }

  function failed() {
    close();
    retry(RETRY_S[Math.min(tries++, RETRY_S.length - 1)]);
  }

  function retry(seconds) {
    tell({ name: "connection", data: JSON.stringify({ state: "lost", seconds }) });
    if (seconds === 0) connect();
    else waiting = setTimeout(() => retry(seconds - 1), 1000);
  }

  function close() {
    clearTimeout(waiting);
    clearTimeout(silence);
    source?.close();
  }

  connect();
  return close;
}
