"use strict";
const POLL_MS = 1000, CLOSEST_SEC = 2, TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600];
// Of `opendr-har score`: key and digits.
const COLUMNS = {
  "F1@10": ["f1_10", 1], "F1@25": ["f1_25", 1], "F1@50": ["f1_50", 1], edit: ["edit", 1], accuracy: ["accuracy", 1],
  "delay\u00a0s": ["delay_median_sec", 2], missed: ["missed", 0], "false alarms": ["false_alarms", 0],
};
const segments = new Segments(() => save());
const saved = { busy: false, again: false, error: "" }, warned = {};
let session = null, rows = [], revision = "", chosenRow = 0, label = "", listed = [], from = 0, span = 1, latest = "";
let playhead = 0, pictured = 0, wanted = null, isLoading = false, playing = null;

// Key, title of its button ("": none), text, and the action, which returns an error text or nothing.
const ACTIONS = {
  second_back: ["⇧←", "−1 s", "one second back", () => seek(time() - 1)],
  back: ["←", "−1 frame", "one frame back", () => go(here() - 1)],
  play: ["Space", "Play", "play or pause", () => (playing ? go(here()) : play())],
  forward: ["→", "+1 frame", "one frame forward", () => go(here() + 1)],
  second_forward: ["⇧→", "+1 s", "one second forward", () => seek(time() + 1)],
  first: ["Home", "", "first frame", () => go(0)],
  last: ["End", "", "last frame", () => go(Infinity)],
  before: ["p", "", "previous border of a segment", () => seek(Math.max(0, ...borders().filter((at) => at < time())))],
  after: ["n", "", "next border of a segment", () => seek(Math.min(Infinity, ...borders().filter((at) => at > time())))],
  mark: ["m", "Mark", "begin a segment of the class, and end it", () => segments.mark(border(), label)],
  begin: ["b", "Begin here", "begin the segment here, or the next one", () => segments.border(0, time())],
  end: ["e", "End here", "end the segment here, or the previous one", () => segments.border(1, border())],
  relabel: ["c", "Set class", "give the segment the chosen class", () => segments.replace(time(), ([a, b]) => [[a, b, label]])],
  remove: ["x", "Delete", "delete the segment", () => segments.replace(time(), () => [])],
  accept: ["a", "Accept", "accept what the model suggests here", () => accept(([a, b]) => a <= time() && time() < b)],
  accept_all: ["A", "Accept all", "accept all that the model suggests", () => accept(() => true)],
  row: ["r", "", "accept from the next model", () => { chosenRow = (chosenRow + 1) % Math.max(1, rows.length); }],
  undo: ["z", "Undo", "undo, or do not begin a segment", () => segments.back(segments.past, segments.future)],
  redo: ["y", "Redo", "redo", () => segments.back(segments.future, segments.past)],
  closer: ["+", "Zoom in", "show a shorter time", () => zoom(0.5)],
  wider: ["-", "Zoom out", "show a longer time", () => zoom(2)],
  find: ["/", "", "find a class; Enter takes the first one", () => at("filter").select()],
  choose: ["1 – 9", "", "choose one of the first nine classes in the list", () => {}],
  help: ["?", "Keys", "show the keys", () => at("help").showModal()],
};
const NAMES = { ArrowLeft: "←", ArrowRight: "→", " ": "Space", Delete: "x", Backspace: "x" };

function act(name) {
  setText("hint", ACTIONS[name][3]() || "");
  show();
}

addEventListener("keydown", (event) => {
  const { key, target, shiftKey } = event, isControl = event.ctrlKey || event.metaKey;
  if (!session || event.altKey || at("help").open || target.tagName === "INPUT" || (isControl && !/^[zy]$/.test(key))) return;
  if ((key === " " || key === "Enter") && target.tagName === "BUTTON") return;
  const name = `${shiftKey && key.startsWith("Arrow") ? "⇧" : ""}${NAMES[key] ?? key}`;
  const found = Object.keys(ACTIONS).find((each) => ACTIONS[each][0] === name), chosen = listed[Number(key) - 1];
  if (!found && chosen === undefined) return;
  event.preventDefault();
  if (found) act(found);
  else choose(chosen);
});

// --- time and pictures ------------------------------------------------------------------------------------------------
const here = () => (playing ? pictured : playhead); // while it plays, keys are about the picture that is shown
const time = () => session.times[here()];
const border = () => (here() === session.times.length - 1 ? session.duration : time());
const borders = () => segments.list.flatMap(([start, end]) => [start, end]);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(2).padStart(5, "0")}`;
const frameAt = (seconds) => session.times.findLastIndex((shown) => shown <= seconds + 5e-4);
const seek = (seconds) => go(frameAt(seconds));

function go(number) {
  playing = null;
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
    const number = wanted, image = at("picture");
    wanted = null;
    const picture = await request(`/frame?n=${number}`, "blob", (text) => warn("picture", text));
    if (picture) {
      URL.revokeObjectURL(image.src);
      image.src = URL.createObjectURL(picture);
      await image.decode().catch(() => null);
    }
    pictured = number;
  }
  isLoading = false;
}

function play() {
  if (playhead === session.times.length - 1) want(0);
  const own = playing = {}, start = session.times[playhead], since = performance.now();
  const step = () => {
    if (playing !== own) return;
    const number = frameAt(start + (performance.now() - since) / 1000);
    if (!isLoading && number !== playhead) want(number);
    if (playhead === session.times.length - 1) act("last");
    else requestAnimationFrame(step);
  };
  step();
}

// --- the server -------------------------------------------------------------------------------------------------------
// Returns the answer, and tells ""; or returns null, and tells the reason and the status.
async function request(path, kind, tell, body) {
  let answer, content;
  try { // the connection may also end within an answer
    answer = await fetch(path, body === undefined ? {} : { method: "POST", body });
    content = await (answer.ok ? answer[kind]() : answer.text());
  } catch {
    tell("no connection to the server");
    return null;
  }
  tell(answer.ok ? "" : content, answer.status);
  return answer.ok ? content : null;
}

async function save() {
  saved.again = true;
  if (saved.busy) return;
  saved.busy = true;
  while (saved.again) {
    saved.again = false;
    const body = JSON.stringify({ revision, segments: segments.list });
    const state = await request("/segments", "json", (text) => { saved.error = text; }, body);
    if (state) take(state, true);
  }
  saved.busy = false;
  show();
}
addEventListener("beforeunload", (event) => { if (saved.busy || saved.error) event.preventDefault(); });

async function connect() {
  let status;
  session = await request("/session", "json", (text, code) => { status = code; showState("disconnected", text); });
  if (!session) return status === 403 ? ask() : setTimeout(connect, POLL_MS);
  span = session.duration;
  segments.reset(session.segments, session.duration);
  take(session, true);
  choose(session.classes[0]);
  go(0);
  setTimeout(poll, POLL_MS);
}

async function poll() {
  const before = revision, state = await request("/state", "json", (text) => warn("server", text));
  if (state && revision === before) take(state, false); // otherwise it may be older than what was saved meanwhile
  setTimeout(poll, POLL_MS);
}

function take(state, isOurs) {
  if (isOurs) ({ revision } = state);
  ({ rows } = state);
  const isOther = !saved.busy && state.revision !== revision, { phase, text, warnings } = state.teaching;
  warn("other", isOther ? "Another page has changed the segments; reload this page." : "");
  show();
  const news = JSON.stringify([rows, state.teaching]);
  if (news === latest) return; // what a person selects in the table stays selected
  latest = news;
  at("teach").disabled = phase === "working";
  if (phase) setText("taught", text);
  at("warnings").replaceChildren(...warnings.map((textContent) => make("li", { textContent })));
  at("scores").replaceChildren(...rows.map(({ name, figures, text: problem }) => make("tr", { children: [
    make("th", { scope: "row", textContent: problem ? `${name}: ${problem}` : name }),
    ...Object.values(COLUMNS).map(([key, digits]) => make("td", { textContent: figures?.[key]?.toFixed(digits) ?? "–" })),
  ] })));
  at("caution").hidden = !rows.some((row) => row.is_taught);
}

function warn(what, text) {
  warned[what] = text;
  setText("lost", Object.values(warned).filter(Boolean).join(" "));
  at("lost").hidden = !at("lost").textContent;
}

// --- classes and suggestions --------------------------------------------------------------------------------------------
function choose(name) {
  label = name;
  setText("chosen", name);
  list();
}

function list() {
  const words = at("filter").value.toLowerCase().split(" ");
  listed = session.classes.filter((name) => words.every((word) => name.toLowerCase().includes(word)));
  const items = listed.map((name, index) => [index < 9 ? index + 1 : "", name, name]);
  buttons(at("classes"), items, choose, "aria-pressed", (index) => listed[index] === label);
}
at("filter").addEventListener("input", list);
at("filter").addEventListener("keydown", ({ key, target }) => {
  if (key !== "Enter" && key !== "Escape") return;
  const name = key === "Enter" ? listed[0] ?? label : label;
  target.value = "";
  target.blur();
  choose(name);
});

function accept(isWanted) {
  const suggested = (rows[chosenRow]?.segments ?? []).filter(isWanted), isKnown = ([, , name]) => session.classes.includes(name);
  const problem = segments.accept(suggested.filter(isKnown)), other = suggested.find((segment) => !isKnown(segment));
  return other ? `“${other[2]}” is not among the classes.` : problem;
}

// --- what is shown --------------------------------------------------------------------------------------------------------
// Buttons in a list: for each [key or time, name, what `work` gets], with a state that is true for one of them.
function buttons(place, items, work, state, isOn) {
  const lines = fit(place, items.length, () => {
    const button = make("button", { type: "button", children: [make("span", { className: "when" }), make("span")] });
    button.addEventListener("click", () => work(button.data));
    return make("li", { children: [button] });
  });
  const news = JSON.stringify(items);
  lines.forEach(({ firstChild: button }, index) => {
    button.setAttribute(state, String(isOn(index)));
    if (place.news !== news) [button.firstChild.textContent, button.lastChild.textContent, button.data] = items[index];
  });
  place.news = news;
}

function show() {
  if (!session) return;
  const now = time(), current = segments.at(now), { error, busy } = saved;
  showState(error ? "lost" : "playing", error ? `not saved: ${error}` : busy ? "saving" : `saved in ${session.table}`);
  setText("recording", session.recording);
  setText("place", `${clock(now)} of ${clock(session.duration)}, frame ${here()} of ${session.times.length}`);
  setText("segments-title", `Segments: ${segments.list.length}`);
  const items = segments.list.map(([start, end, name]) => [`${clock(start)} – ${clock(end)}`, name, start]);
  buttons(at("segments"), items, seek, "aria-current", (index) => index === current);
  setText("do-mark", segments.begun === null ? "Mark" : "End");
  setText("do-play", playing ? "Pause" : "Play");
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
  const canvas = make("canvas", {}, at("rows").children.length ? { "aria-hidden": "true" } : slider);
  const row = make("div", { children: [button, canvas] });
  button.addEventListener("click", () => { chosenRow = [...at("rows").children].indexOf(row) - 1; show(); });
  const scrub = ({ clientX, buttons: pressed }) => {
    const { left, width } = canvas.getBoundingClientRect();
    if (pressed) seek(from + span * (clientX - left) / width);
  };
  canvas.addEventListener("pointerdown", (event) => { canvas.setPointerCapture(event.pointerId); scrub(event); });
  canvas.addEventListener("pointermove", scrub);
  return row;
}

function paint(canvas, parts, now, isMarked) {
  const { pen, box: { width, height } } = cleared(canvas), style = getComputedStyle(document.documentElement);
  const bottom = isMarked ? height - 18 : height, x = (seconds) => (seconds - from) / span * width;
  pen.font = "13px system-ui, sans-serif";
  pen.textBaseline = "middle";
  for (const [start, end, name] of parts) {
    if (end < from || start > from + span) continue;
    pen.save();
    pen.fillStyle = COLOURS[theme()][session.classes.indexOf(name) % COLOURS.light.length] ?? style.getPropertyValue("--quiet");
    pen.beginPath();
    pen.rect(x(start), 3, Math.max(1.5, x(end) - x(start) - 1), bottom - 6);
    pen.fill();
    pen.clip();
    pen.fillStyle = style.getPropertyValue("--card");
    pen.fillText(name, Math.max(x(start), 0) + 6, bottom / 2);
    pen.restore();
  }
  pen.fillStyle = style.getPropertyValue("--ink");
  pen.fillRect(x(now) - 1, 0, 2, height);
  if (!isMarked) return;
  if (segments.begun !== null) pen.fillRect(x(segments.begun), bottom - 6, x(now) - x(segments.begun), 4);
  pen.fillStyle = style.getPropertyValue("--quiet");
  const step = TICKS.find((each) => each / span * width > 80) ?? TICKS.at(-1);
  for (let tick = Math.ceil(from / step) * step; tick < from + span; tick += step)
    pen.fillText(clock(tick), x(tick) + 3, height - 8);
}

function zoom(factor) {
  span = Math.min(session.duration, Math.max(CLOSEST_SEC, span * factor));
  from = Math.max(0, Math.min(time() - span / 2, session.duration - span));
}

at("columns").append(...["model", ...Object.keys(COLUMNS)].map((name) => make("th", { scope: "col", textContent: name })));
for (const [id, [key, title, text]] of Object.entries(ACTIONS)) {
  at("keys").append(make("div", { children: [make("dt", { textContent: key }), make("dd", { textContent: text })] }));
  if (!title) continue;
  const children = [make("span", { textContent: title, id: `do-${id}` }), make("kbd", { textContent: key }, { "aria-hidden": "true" })];
  const button = make("button", { type: "button", title: text, className: id, children });
  button.addEventListener("click", ({ detail }) => {
    if (detail) button.blur(); // after a click, the space bar plays again
    act(id);
  });
  at("tools").append(button);
}
at("teach").addEventListener("click", () => request("/teach", "json", (text) => setText("taught", text || "teaching"), ""));
addEventListener("resize", show);
begin();
