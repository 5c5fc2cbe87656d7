"use strict";
const FIRST_RETRY_MS = 500, LAST_RETRY_MS = 5000, SILENT_MS = 6000, MOST_EVENTS = 60;
const KEPT_SEC = 90, PERSON_COLOURS = 6;
const TOKEN_WANTED = 1008;

const timeline = new Timeline(at("timeline"), at("legend"));
const teach = new Teach((command) => {
  const isOpen = socket?.readyState === WebSocket.OPEN;
  if (isOpen) socket.send(JSON.stringify(command));
  return isOpen;
});
let socket = null, retryMs = FIRST_RETRY_MS, lastMessageMs = 0, clockOffset = 0, seen = new Set(), session = null;
let pictureUrl = null, label = null;
// History by track id; that of the whole picture is "". `chosen` is the person whom the viewer has clicked on.
let tracks = new Map(), view = { size: [1, 1], people: [] }, selected = "", chosen = null;

// --- the socket -----------------------------------------------------------------------------------------------------
function connect() {
  const own = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
  own.binaryType = "blob";
  own.onopen = () => { lastMessageMs = Date.now(); if (document.hidden) own.send("pictures off"); };
  own.onmessage = ({ data }) => {
    lastMessageMs = Date.now();
    retryMs = FIRST_RETRY_MS;
    if (typeof data === "string") take(JSON.parse(data));
    else showPicture(data);
  };
  own.onclose = ({ code, reason }) => {
    if (own !== socket) return;
    if (code === TOKEN_WANTED && reason === "token") return ask();
    showState("disconnected", reason || "no connection to the server; trying again");
    setTimeout(connect, retryMs);
    retryMs = Math.min(retryMs * 1.6, LAST_RETRY_MS);
  };
  socket = own;
}
setInterval(() => { // a server that is gone without closing the connection
  if (socket && socket.readyState === WebSocket.OPEN && Date.now() - lastMessageMs > SILENT_MS) socket.close();
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (socket && socket.readyState === WebSocket.OPEN) socket.send(document.hidden ? "pictures off" : "pictures on");
});

// --- messages -------------------------------------------------------------------------------------------------------
function take(message) {
  switch (message.kind) {
    case "hello": return takeHello(message);
    case "labels": return takeLabels(message);
    case "people": return takePeople(message);
    case "event": return takeEvent(message);
    case "status": return takeStatus(message);
    case "model": return takeModel(message.model);
    case "lessons": return teach.takeLessons(message);
    case "teaching": return teach.takeTeaching(message);
    case "refused": return teach.say(message.text);
  }
}

function takeHello(message) {
  clockOffset = message.now - Date.now() / 1000;
  if (message.session !== session) {
    session = message.session;
    seen = new Set();
    tracks = new Map();
    chosen = null;
    takePeople(null);
    at("events").replaceChildren();
    at("no-events").hidden = false;
    select("");
  }
  takeModel(message.model);
  message.labels.forEach(takeLabels);
  takePeople(message.people);
  message.events.forEach(takeEvent);
  takeStatus(message.status);
  teach.takeLessons(message);
  teach.takeTeaching(message.teaching);
}

function isNew(message) {
  if (seen.has(message.number)) return false;
  seen.add(message.number);
  if (seen.size > 6000) seen = new Set([...seen].slice(-3000));
  return true;
}

function trackOf(id) {
  if (!tracks.has(id)) tracks.set(id, { points: [], top: [], provisional: false });
  return tracks.get(id);
}

function takeLabels(message) {
  if (!isNew(message)) return;
  const track = trackOf(message.track_id);
  track.points.push([message.at, new Map(message.top.map(([name, score]) => [name, score]))]);
  while (track.points[0][0] < message.at - KEPT_SEC) track.points.shift();
  track.top = message.top;
  track.provisional = message.provisional;
  if (message.track_id === selected) showTrack(track);
}

function takePeople(message) {
  view = message ?? { size: [1, 1], people: [] };
  const inView = idsInView();
  for (const id of inView) trackOf(id);
  const oldest = Date.now() / 1000 + clockOffset - KEPT_SEC;
  for (const [id, { points }] of tracks)
    if (id !== "" && !inView.includes(id) && !(points.at(-1)?.[0] > oldest)) tracks.delete(id);
  if (message) select(tracks.has(chosen) ? chosen : inView.includes(selected) ? selected : inView[0] ?? selected);
  at("people").hidden = !message;
  showPeople();
}

const idsInView = () => view.people.map((person) => person.track_id);

// Show the history of a person, or of the whole picture.
function select(id) {
  if (id === selected && timeline.points === trackOf(id).points) return;
  selected = id;
  teach.choose(id);
  timeline.show(trackOf(id).points);
  setText("course-title", id === "" ? "The last minute" : `The last minute of person ${id}`);
  showTrack(trackOf(id));
}

function choose(id) {
  chosen = id;
  select(id);
  showPeople();
}

function takeEvent(message) {
  if (!isNew(message)) return;
  const date = new Date(message.at * 1000), who = message.track_id ? `${message.track_id}: ` : "";
  const how = message.event === "ended" ? `after ${message.duration_sec.toFixed(1)} s` : percent(message.score);
  at("events").prepend(make("li", { children: [
    make("time", { textContent: date.toLocaleTimeString([], { hour12: false }), dateTime: date.toISOString() }),
    make("span", { className: "what", textContent: `${who}${message.label} ${message.event}` }),
    make("span", { className: "how", textContent: how }),
  ] }));
  while (at("events").children.length > MOST_EVENTS) at("events").lastChild.remove();
  at("no-events").hidden = true;
}

function takeStatus({ source, stream, metrics, viewers, now }) {
  clockOffset = now - Date.now() / 1000;
  const words = { waiting: "waiting for the first image", playing: "live", lost: "source lost" };
  showState(source.state, words[source.state] ?? source.state);
  setText("source", source.name);
  const isLost = source.state === "lost";
  at("lost").hidden = !isLost;
  if (isLost) setText("lost", `Source lost${source.text ? `: ${source.text}` : ""}. It is shown again as soon as it returns.`);
  const warming = stream.phase === "warming" || stream.phase === "provisional";
  at("warm").hidden = !warming;
  if (warming) {
    const needed = stream.warm_up + 1;
    at("warm-bar").max = needed;
    at("warm-bar").value = Math.min(stream.step, needed);
    const what = stream.phase === "warming" ? "Warming up" : "Labels are provisional";
    setText("warm-text", `${what}: ${Math.min(stream.step, needed)} of ${needed} frames`);
  }
  setText("hint", stream.text || source.text || "");
  setText("rate-in", `${metrics.rate_in.toFixed(1)} a second`);
  setText("rate-out", `${metrics.rate_out.toFixed(1)} a second`);
  const ms = metrics.latency_ms;
  setText("latency", ms ? `${ms[0].toFixed(1)} ms, p95 ${ms[1].toFixed(1)}` : "–");
  if (viewers !== undefined) setText("viewers", String(viewers));
}

function takeModel(model) {
  if (!model) return;
  const first = model.first_label_sec === null ? "" : `, first label ${firstText(model.first_label_sec)}`;
  setText("model", `${model.name}${model.classes ? `, ${model.classes} classes` : ""}${first}`);
  setText("weights", model.weights || "–");
  setText("delay", model.label_delay_sec === null ? "–" : delayText(model.label_delay_sec));
  setText("now-title", model.label_delay_sec > 0 ? `About ${model.label_delay_sec.toFixed(1)} s ago` : "Now");
}

const firstText = (seconds) => seconds > 0 ? `after ${seconds.toFixed(1)} s` : "with the first frame";
const delayText = (seconds) =>
  seconds > 0 ? `${seconds.toFixed(1)} s: the model waits for later frames` : "none: labels are about the newest frame";

// --- what is shown --------------------------------------------------------------------------------------------------
const percent = (score) => `${Math.round(score * 100)} %`;

function showTrack({ top, provisional }) {
  showBars(top);
  showLabel(top[0]?.[0] ?? null, provisional);
}

function showLabel(name, provisional) {
  const whose = selected === "" ? "" : `${selected}: `;
  const text = name === null ? "\u00a0" : `${whose}${name}${provisional ? " (provisional)" : ""}`;
  if (text !== label) at("label").textContent = label = text; // screen readers announce it, so only when it changes
}

const spans = (...names) => names.map((className) => make("span", { className }));

function showBars(top) {
  fit(at("bars"), top.length, () => make("li", { children: spans("fill", "name", "score") })).forEach((item, index) => {
    const [fill, words, number] = item.children, [name, score] = top[index];
    fill.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
    words.textContent = name;
    number.textContent = percent(score);
  });
}

const colourOf = (id) => `person-${[...id].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % PERSON_COLOURS}`;

function showPeople() {
  showBoxes();
  const inView = idsInView(), ids = [...tracks.keys()].filter((id) => inView.includes(id));
  fit(at("people"), ids.length, () => {
    const button = make("button", { type: "button", children: spans("swatch", "id", "name", "score") });
    button.addEventListener("click", () => choose(button.dataset.id));
    return make("li", { children: [button] });
  }).forEach(({ firstChild: button }, index) => {
    const id = ids[index], { top, provisional } = tracks.get(id);
    button.dataset.id = id;
    button.setAttribute("aria-pressed", String(id === selected));
    const [swatch, who, name, score] = button.children;
    swatch.className = `swatch ${colourOf(id)}`;
    who.textContent = id;
    name.textContent = top.length ? `${top[0][0]}${provisional ? " (provisional)" : ""}` : "warming up";
    score.textContent = top.length ? percent(top[0][1]) : "";
  });
}

function showBoxes() {
  const { size: [height, width], people } = view;
  const svg = at("boxes");
  svg.toggleAttribute("hidden", !people.length);
  if (!people.length) return;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const unit = Math.max(width / (svg.clientWidth || width), height / (svg.clientHeight || height)); // a CSS pixel
  const make = (name) => document.createElementNS("http://www.w3.org/2000/svg", name);
  fit(svg, people.length, () => {
    const group = make("g");
    group.append(make("rect"), make("text"));
    group.addEventListener("click", () => choose(group.dataset.id));
    return group;
  }).forEach((group, index) => {
    // The nearest person is the first, and drawn last.
    const { track_id: id, box: [left, top, right, bottom] } = people[people.length - 1 - index];
    const [rect, text] = group.children;
    group.dataset.id = id;
    group.setAttribute("class", `${colourOf(id)}${id === selected ? " selected" : ""}`);
    const place = { x: left, y: top, width: Math.max(0, right - left), height: Math.max(0, bottom - top) };
    for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value);
    const isLeft = left + right < width;
    text.setAttribute("x", isLeft ? Math.max(left, 0) + 3 * unit : Math.min(right, width) - 3 * unit);
    text.setAttribute("y", top > 22 * unit ? top - 6 * unit : Math.max(top, 0) + 18 * unit);
    text.setAttribute("text-anchor", isLeft ? "start" : "end");
    text.setAttribute("font-size", 15 * unit);
    text.textContent = [id, tracks.get(id)?.top[0]?.[0]].filter(Boolean).join(" ");
  });
}

function showPicture(blob) {
  const url = URL.createObjectURL(blob);
  const image = at("picture");
  image.onload = () => {
    if (pictureUrl) URL.revokeObjectURL(pictureUrl);
    pictureUrl = url;
  };
  image.src = url;
  image.hidden = false;
  at("no-picture").hidden = true;
}

function paint() {
  if (!document.hidden) timeline.draw(Date.now() / 1000 + clockOffset);
  setTimeout(() => requestAnimationFrame(paint), 200);
}
requestAnimationFrame(paint);
begin();
