"use strict";
const POLL_MS = 1000, CLOSEST_SEC = 2;
// Of `opendr-har score`: key and digits.
const COLUMNS = {
  "F1@10": ["f1_10", 1], "F1@25": ["f1_25", 1], "F1@50": ["f1_50", 1], edit: ["edit", 1], accuracy: ["accuracy", 1],
  "delay s": ["delay_median_sec", 2], missed: ["missed", 0], "false alarms": ["false_alarms", 0],
};
const segments = new Segments(() => { show(); save(); });
let session = null, rows = [], revision = "", playhead = 0, pictured = 0, wanted = null, isLoading = false, pictureUrl = "";
let label = "", listed = [], chosenRow = 0, playing = null, from = 0, span = 1, saved = { busy: false, again: false, error: "" };

// --- actions; those with a title are buttons, too ---------------------------------------------------------------------
const ACTIONS = {
  second_back: ["⇧←", "−1 s", "one second back", () => seek(time() - 1)],
  back: ["←", "−1 frame", "one frame back", () => go(here() - 1)],
  play: ["Space", "Play", "play or pause", () => (playing ? pause() : play())],
  forward: ["→", "+1 frame", "one frame forward", () => go(here() + 1)],
  second_forward: ["⇧→", "+1 s", "one second forward", () => seek(time() + 1)],
  first: ["Home", "", "first frame", () => go(0)],
  last: ["End", "", "last frame", () => go(session.times.length - 1)],
  before: ["p", "", "previous border of a segment", () => seek(Math.max(0, ...borders().filter((at) => at < time())))],
  after: ["n", "", "next border of a segment", () => seek(Math.min(session.duration, ...borders().filter((at) => at > time())))],
  mark: ["m", "Mark", "begin a segment of the class, and end it", () => segments.mark(border(), label)],
  begin: ["b", "Begin here", "begin the segment here, or the next one", () => segments.border(0, time())],
  end: ["e", "End here", "end the segment here, or the previous one", () => segments.border(1, border())],
  relabel: ["c", "Set class", "give the segment the chosen class", () => segments.replace(time(), ([a, b]) => [[a, b, label]])],
  remove: ["x", "Delete", "delete the segment", () => segments.replace(time(), () => [])],
  accept: ["a", "Accept", "accept what the model suggests here", () => accept(([a, b]) => a <= time() && time() < b)],
  accept_all: ["A", "Accept all", "accept all that the model suggests", () => accept(() => true)],
  row: ["r", "", "accept from the next model", () => { chosenRow = (chosenRow + 1) % Math.max(1, rows.length); }],
  undo: ["z", "Undo", "undo, or do not begin a segment", () => segments.back()],
  redo: ["y", "Redo", "redo", () => segments.back(segments.future, segments.past)],
  closer: ["+", "Zoom in", "show a shorter time", () => zoom(0.5)],
  wider: ["-", "Zoom out", "show a longer time", () => zoom(2)],
  find: ["/", "", "find a class; Enter takes the first one", () => at("filter").select()],
  help: ["?", "Keys", "show the keys", () => at("help").showModal()],
};
const OTHER_NAMES = { ArrowLeft: "←", ArrowRight: "→", " ": "Space", Delete: "x", Backspace: "x" };

function act(name) {
  setText("hint", ACTIONS[name][3]() || "");
  show();
}

addEventListener("keydown", (event) => {
  const { key, target, shiftKey } = event;
  if (!session || event.altKey || at("help").open || /INPUT|TEXTAREA/.test(target.tagName)) return;
  if ((key === " " || key === "Enter") && target.tagName === "BUTTON") return;
  const shown = `${shiftKey && key.startsWith("Arrow") ? "⇧" : ""}${OTHER_NAMES[key] ?? key}`;
  const isUndo = (event.ctrlKey || event.metaKey) && /^[zy]$/i.test(key);
  if ((event.ctrlKey || event.metaKey) && !isUndo) return;
  const wantedKey = isUndo ? (key === "z" ? "z" : "y") : shown;
  const found = Object.keys(ACTIONS).find((name) => ACTIONS[name][0] === wantedKey);
  if (found) act(found);
  else if (/^[1-9]$/.test(key) && listed[key - 1] !== undefined) choose(listed[key - 1]);
  else return;
  event.preventDefault();
});

// --- time -------------------------------------------------------------------------------------------------------------
const here = () => (playing ? pictured : playhead); // whoever marks while it plays means what they see
const time = () => session.times[here()];
const border = () => (here() === session.times.length - 1 ? session.duration : time());
const borders = () => segments.list.flatMap(([start, end]) => [start, end]);
const reason = async (answer) => (answer ? answer.text() : "no connection to the server");
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;

function frameAt(seconds) { // the last one that is shown by then
  let low = 0, high = session.times.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (session.times[middle] <= seconds + 5e-4) low = middle;
    else high = middle;
  }
  return low;
}

const seek = (seconds) => go(frameAt(seconds));

function go(number) {
  pause();
  want(Math.max(0, Math.min(session.times.length - 1, number)));
}

function want(number) {
  playhead = wanted = number;
  load();
  show();
}

async function load() { // one at a time, then the newest that is wanted
  if (isLoading) return;
  isLoading = true;
  while (wanted !== null) {
    const number = wanted;
    wanted = null;
    const answer = await fetch(`/frame?n=${number}`).catch(() => null);
    if (answer?.ok) {
      const url = URL.createObjectURL(await answer.blob());
      at("picture").src = url;
      await at("picture").decode().catch(() => null);
      URL.revokeObjectURL(pictureUrl);
      pictureUrl = url;
    }
    warn("picture", answer?.ok ? "" : await reason(answer));
    pictured = number;
  }
  isLoading = false;
}

function play() {
  if (playhead === session.times.length - 1) want(0);
  const own = playing = { start: session.times[playhead], since: performance.now() };
  const step = () => {
    if (playing !== own) return;
    const number = frameAt(own.start + (performance.now() - own.since) / 1000);
    if (!isLoading && number !== playhead) want(number);
    if (playhead < session.times.length - 1) return requestAnimationFrame(step);
    playing = null;
    show();
  };
  step();
}

function pause() {
  if (playing) playhead = pictured;
  playing = null;
}

// --- saving -------------------------------------------------------------------------------------------------------------
async function save() {
  saved.again = true;
  if (saved.busy) return;
  saved.busy = true;
  while (saved.again) {
    saved.again = false;
    const body = JSON.stringify({ revision, segments: segments.list });
    const answer = await fetch("/segments", { method: "POST", body }).catch(() => null);
    saved.error = answer?.ok ? "" : await reason(answer);
    if (answer?.ok) take(await answer.json(), true);
  }
  saved.busy = false;
  show();
}
addEventListener("beforeunload", (event) => { if (saved.busy || saved.error) event.preventDefault(); });

// --- the server -----------------------------------------------------------------------------------------------------------
async function connect() {
  const answer = await fetch("/session").catch(() => null);
  if (answer?.status === 403) return ask();
  if (!answer?.ok) {
    showState("disconnected", answer ? await answer.text() : "no connection to the server; trying again");
    return setTimeout(connect, POLL_MS);
  }
  session = await answer.json();
  span = session.duration;
  segments.reset(session.segments, session.duration);
  take(session, true);
  choose(session.classes[0]);
  want(0);
  setTimeout(poll, POLL_MS);
}

async function poll() {
  const answer = await fetch("/state").catch(() => null);
  if (answer?.ok) take(await answer.json(), false);
  warn("server", answer?.ok ? "" : "no connection to the server; trying again");
  setTimeout(poll, POLL_MS);
}

function take(state, isOurs) {
  if (isOurs) revision = state.revision;
  warn("other", saved.busy || state.revision === revision ? "" : "Another page has changed the segments; reload this page.");
  ({ rows } = state);
  const { phase, text, warnings } = state.teaching;
  at("teach").disabled = phase === "working";
  if (phase) setText("taught", text);
  at("warnings").replaceChildren(...warnings.map((textContent) => make("li", { textContent })));
  showScores();
  show();
}

const warnings = {};
function warn(what, text) {
  warnings[what] = text;
  const all = Object.values(warnings).filter(Boolean).join(" ");
  at("lost").hidden = !all;
  setText("lost", all);
}

// --- classes, suggestions ---------------------------------------------------------------------------------------------------
function choose(name) {
  label = name;
  setText("chosen", name);
  listClasses();
}

function listClasses() {
  const words = at("filter").value.toLowerCase().split(" ");
  listed = session.classes.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
  const items = listed.map((name, index) => [index < 9 ? index + 1 : "", name, name]);
  buttons(at("classes"), items, choose, "aria-pressed", (index) => listed[index] === label);
}
at("filter").addEventListener("input", listClasses);
at("filter").addEventListener("keydown", ({ key, target }) => {
  if (key !== "Enter" && key !== "Escape") return;
  const first = listed[0];
  target.value = "";
  target.blur();
  choose(key === "Enter" && first !== undefined ? first : label);
});

function accept(isWanted) {
  const known = new Set(session.classes);
  const suggested = (rows[chosenRow]?.segments ?? []).filter(isWanted), fitting = suggested.filter(([, , name]) => known.has(name));
  if (suggested.length && !fitting.length) return `“${suggested[0][2]}” is not among the classes.`;
  return segments.accept(fitting.map(([start, end, name]) => [start, end, name]));
}

// Buttons in a list: for each [key or time, name, what `work` gets], with a state that is true for one of them.
function buttons(list, items, work, state, isOn) {
  fit(list, items.length, () => {
    const button = make("button", { type: "button", children: [make("span", { className: "when" }), make("span")] });
    button.addEventListener("click", () => work(button.data));
    return make("li", { children: [button] });
  }).forEach(({ firstChild: button }, index) => {
    [button.firstChild.textContent, button.lastChild.textContent, button.data] = items[index];
    button.setAttribute(state, String(isOn(index)));
  });
}

// --- what is shown ------------------------------------------------------------------------------------------------------------
function show() {
  if (!session) return;
  const now = time(), current = segments.at(now);
  const text = saved.error ? `not saved: ${saved.error}` : saved.busy ? "saving" : `saved in ${session.table}`;
  showState(saved.error ? "lost" : "playing", text);
  setText("recording", session.recording);
  setText("place", `${clock(now)} of ${clock(session.duration)}, frame ${here()} of ${session.times.length}`);
  setText("segments-title", `Segments: ${segments.list.length}`);
  const items = segments.list.map(([start, end, name]) => [`${clock(start)} – ${clock(end)}`, name, start]);
  buttons(at("segments"), items, seek, "aria-current", (index) => index === current);
  at("tools").querySelector('[data-name="mark"] span').textContent = segments.begun === null ? "Mark" : "End";
  at("tools").querySelector('[data-name="play"] span').textContent = playing ? "Pause" : "Play";
  draw(now);
}

function draw(now) {
  if (now < from || now > from + span) from = Math.max(0, Math.min(now - span / 2, session.duration - span));
  const phases = { waiting: () => "waits", working: ({ done }) => `${Math.round(done * 100)} %`, failed: () => "failed" };
  fit(at("rows"), rows.length + 1, makeRow).forEach(({ children: [button, canvas] }, index) => {
    const row = rows[index - 1] ?? { name: "Marked", segments: segments.list }, isChosen = index - 1 === chosenRow;
    button.disabled = !index;
    button.setAttribute("aria-pressed", String(isChosen));
    button.firstChild.textContent = row.name;
    button.lastChild.textContent = phases[row.phase]?.(row) ?? (isChosen ? "accept from here" : "");
    canvas.setAttribute("aria-valuenow", now);
    canvas.setAttribute("aria-valuetext", clock(now));
    paint(canvas, row.segments, now, !index);
  });
}

function makeRow() {
  const button = make("button", { type: "button", children: [make("span"), make("small")] });
  const slider = { role: "slider", tabindex: 0, "aria-label": "Playhead", "aria-valuemin": 0, "aria-valuemax": session.duration };
  const isFirst = !at("rows").children.length, canvas = make("canvas", {}, isFirst ? slider : { "aria-hidden": "true" });
  const row = make("div", { children: [button, canvas] });
  button.addEventListener("click", () => { chosenRow = [...at("rows").children].indexOf(row) - 1; show(); });
  const scrub = ({ clientX, buttons: pressed }) => {
    const { left, width } = canvas.getBoundingClientRect();
    if (pressed) seek(from + span * Math.max(0, Math.min(1, (clientX - left) / width)));
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); scrub(event); });
  canvas.addEventListener("pointermove", scrub);
  return row;
}

function paint(canvas, list, now, isMarked) {
  const { pen, box: { width, height } } = cleared(canvas), style = getComputedStyle(document.documentElement);
  const bottom = isMarked ? height - 18 : height, x = (at) => (at - from) / span * width;
  pen.font = "13px system-ui, sans-serif";
  pen.textBaseline = "middle";
  for (const [start, end, name] of list) {
    if (end < from || start > from + span) continue;
    pen.fillStyle = COLOURS[theme()][session.classes.indexOf(name) % COLOURS.light.length] ?? style.getPropertyValue("--quiet");
    pen.fillRect(x(start), 3, Math.max(1.5, x(end) - x(start) - 1), bottom - 6);
    pen.save();
    pen.beginPath();
    pen.rect(x(start), 0, x(end) - x(start) - 4, bottom);
    pen.clip();
    pen.fillStyle = style.getPropertyValue("--card");
    pen.fillText(name, Math.max(x(start), 0) + 6, bottom / 2);
    pen.restore();
  }
  pen.fillStyle = style.getPropertyValue("--ink");
  if (isMarked && segments.begun !== null) pen.fillRect(x(Math.min(segments.begun, now)), bottom - 6, Math.max(3, Math.abs(x(now) - x(segments.begun))), 4);
  pen.fillRect(x(now) - 1, 0, 2, height);
  if (!isMarked) return;
  pen.fillStyle = style.getPropertyValue("--quiet");
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800].find((each) => each / span * width > 80) ?? 3600;
  for (let tick = Math.ceil(from / step) * step; tick < from + span; tick += step) pen.fillText(clock(tick), x(tick) + 3, height - 8);
}

function zoom(factor) {
  span = Math.max(Math.min(CLOSEST_SEC, session.duration), Math.min(session.duration, span * factor));
  from = Math.max(0, Math.min(time() - span / 2, session.duration - span));
}

function showScores() {
  at("scores").replaceChildren(...rows.map(({ name, figures, text }) => make("tr", { children: [
    make("th", { scope: "row", textContent: text ? `${name}: ${text}` : name }),
    ...Object.values(COLUMNS).map(([key, digits]) => make("td", { textContent: figures?.[key]?.toFixed(digits) ?? "–" })),
  ] })));
  at("caution").hidden = !rows.some((row) => row.is_taught);
}

at("columns").append(...["model", ...Object.keys(COLUMNS)].map((name) => make("th", { scope: "col", textContent: name })));
for (const [name, [key, title, text]] of [...Object.entries(ACTIONS), ["", ["1 – 9", "", "choose one of the first nine classes in the list"]]]) {
  at("keys").append(make("div", { children: [make("dt", { textContent: key }), make("dd", { textContent: text })] }));
  if (!title) continue;
  const children = [make("span", { textContent: title }), make("kbd", { textContent: key }, { "aria-hidden": "true" })];
  const button = make("button", { type: "button", title: text, children }, { "data-name": name });
  button.addEventListener("click", ({ detail }) => {
    if (detail) button.blur(); // after a click, the space bar plays again
    act(name);
  });
  at("tools").append(button);
}
at("teach").addEventListener("click", async () => {
  const answer = await fetch("/teach", { method: "POST" }).catch(() => null);
  setText("taught", answer?.ok ? "teaching" : await reason(answer));
});
addEventListener("resize", show);
begin();
