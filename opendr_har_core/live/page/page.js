"use strict";
// Data from the socket is shown as text only: nothing here writes HTML.
const at = (id) => document.getElementById(id);
const setText = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };
const FIRST_RETRY_MS = 500, LAST_RETRY_MS = 5000, SILENT_MS = 6000, MOST_EVENTS = 60;
const TOKEN_WANTED = 1008;

const timeline = new Timeline(at("timeline"), at("legend"));
let socket = null, retryMs = FIRST_RETRY_MS, lastMessageMs = 0, clockOffset = 0, seen = new Set(), session = null;
let pictureUrl = null, label = null;

// --- light and dark -------------------------------------------------------------------------------------------------
const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
function showTheme() {
  const chosen = localStorage.getItem("theme");
  document.documentElement.dataset.theme = chosen ?? (prefersDark.matches ? "dark" : "light");
}
prefersDark.addEventListener("change", showTheme);
at("theme").addEventListener("click", () => {
  localStorage.setItem("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  showTheme();
});
showTheme();

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

// --- the token ------------------------------------------------------------------------------------------------------
async function show(token) {
  const answer = await fetch("/token", { method: "POST", body: token }).catch(() => null);
  if (answer && answer.ok) return true;
  setText("ask-error", answer ? await answer.text() : "no connection to the server");
  return false;
}
function ask() {
  at("ask").hidden = false;
  at("main").hidden = true;
  showState("waiting", "token needed");
  at("token").focus();
}
at("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!await show(at("token").value)) return;
  at("ask").hidden = true;
  at("main").hidden = false;
  connect();
});
async function begin() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname); // keep it out of bookmarks and screenshots
    await show(token);
  }
  connect();
}

// --- messages -------------------------------------------------------------------------------------------------------
function take(message) {
  switch (message.kind) {
    case "hello": return takeHello(message);
    case "labels": return takeLabels(message);
    case "event": return takeEvent(message);
    case "status": return takeStatus(message);
    case "model": return takeModel(message.model);
  }
}

function takeHello(message) {
  clockOffset = message.now - Date.now() / 1000;
  if (message.session !== session) {
    session = message.session;
    seen = new Set();
    timeline.clear();
    at("events").replaceChildren();
    at("no-events").hidden = false;
    showBars([]);
    showLabel(null);
  }
  takeModel(message.model);
  message.labels.forEach(takeLabels);
  message.events.forEach(takeEvent);
  takeStatus(message.status);
}

function isNew(message) {
  if (seen.has(message.number)) return false;
  seen.add(message.number);
  if (seen.size > 6000) seen = new Set([...seen].slice(-3000));
  return true;
}

function takeLabels(message) {
  if (!isNew(message)) return;
  timeline.add(message.at, message.top, message.provisional);
  showBars(message.top);
  showLabel(message.top[0]?.[0] ?? null, message.provisional);
}

function takeEvent(message) {
  if (!isNew(message)) return;
  const item = document.createElement("li");
  const when = document.createElement("time");
  when.textContent = new Date(message.at * 1000).toLocaleTimeString([], { hour12: false });
  when.dateTime = new Date(message.at * 1000).toISOString();
  const what = document.createElement("span");
  what.className = "what";
  what.textContent = `${message.label} ${message.event}`;
  const how = document.createElement("span");
  how.className = "how";
  how.textContent = message.event === "ended" ? `after ${message.duration_sec.toFixed(1)} s` : percent(message.score);
  item.append(when, what, how);
  at("events").prepend(item);
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

function showState(state, text) {
  at("state").dataset.state = state;
  setText("state-text", text);
}

function showLabel(name, provisional) {
  const text = name === null ? "\u00a0" : provisional ? `${name} (provisional)` : name;
  if (text !== label) at("label").textContent = label = text; // screen readers announce it, so only when it changes
}

function showBars(top) {
  const list = at("bars");
  while (list.children.length > top.length) list.lastChild.remove();
  top.forEach(([name, score], index) => {
    let item = list.children[index];
    if (!item) {
      item = document.createElement("li");
      for (const part of ["fill", "name", "score"]) {
        const span = document.createElement("span");
        span.className = part;
        item.append(span);
      }
      list.append(item);
    }
    const [fill, words, number] = item.children;
    fill.style.width = `${Math.max(0, Math.min(1, score)) * 100}%`;
    words.textContent = name;
    number.textContent = percent(score);
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
