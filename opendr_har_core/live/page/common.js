"use strict";
// What all pages share: light and dark, the token, and lists. Data is shown as text only: nothing here writes HTML.
const at = (id) => document.getElementById(id);
const setText = (id, text) => { if (at(id).textContent !== text) at(id).textContent = text; };

function showState(state, text) {
  at("state").dataset.state = state;
  setText("state-text", text);
}

// An element with properties, among them a list of children, and attributes.
function make(tag, { children = [], ...properties } = {}, attributes = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// The elements of a list, one for each item; elements stay in place so that they can be clicked on.
function fit(list, count, make) {
  while (list.children.length > count) list.lastChild.remove();
  while (list.children.length < count) list.append(make());
  return [...list.children];
}

// The state, the switch between light and dark, and the form for the token.
document.querySelector("header").append(
  make("p", { id: "state", children: [
    make("span", { className: "dot" }), make("span", { id: "state-text", textContent: "connecting" }),
  ] }, { role: "status" }),
  make("button", { id: "theme", type: "button", textContent: "◐" }, { "aria-label": "Switch between light and dark" }),
);
document.querySelector("header").after(make("form", { id: "ask", hidden: true, children: [
  make("label", { htmlFor: "token", textContent: "This page needs its token, which the command that started it printed." }),
  make("input", { id: "token", type: "password", autocomplete: "off", required: true }),
  make("button", { textContent: "Show" }),
  make("p", { id: "ask-error" }, { role: "alert" }),
] }));

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

// --- the token; a page defines `connect`, which shows what viewers may see ------------------------------------------
async function giveToken(token) {
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
  if (!await giveToken(at("token").value)) return;
  at("ask").hidden = true;
  at("main").hidden = false;
  connect();
});
async function begin() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token) {
    history.replaceState(null, "", location.pathname); // keep it out of bookmarks and screenshots
    await giveToken(token);
  }
  connect();
}
