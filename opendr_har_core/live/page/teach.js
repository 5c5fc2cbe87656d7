"use strict";
// Teaching: the form, the countdown, and the lessons with their pictures. Data is shown as text only.
class Teach {
  // `send` gives a command to the server, and says whether there is a connection.
  constructor(send) {
    this.send = send;
    this.person = "";
    this.phase = "idle";
    at("lesson").addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.phase !== "idle") return this.ask({ do: "cancel" });
      const [label, seconds] = [at("lesson-label").value, Number(at("lesson-seconds").value)];
      this.ask({ do: "teach", label, seconds, track_id: this.person });
    });
    at("undo").addEventListener("click", () => this.ask({ do: "undo" }));
  }

  ask(command) {
    this.say(this.send(command) ? "" : "no connection to the server");
  }

  // A refusal, or "" for none.
  say(text) {
    setText("lesson-error", text);
  }

  // Whom a lesson is about: a person, or "" for the whole picture.
  choose(person) {
    this.person = person;
    this.showButton();
  }

  showButton() {
    const whom = this.person === "" ? "" : ` person ${this.person}`;
    setText("lesson-do", this.phase === "idle" ? `Teach${whom}` : "Cancel");
  }

  takeTeaching({ phase, label, left_sec: left, seconds, text, warnings, is_failed: isFailed }) {
    this.phase = phase;
    const isIdle = phase === "idle", cues = { counting: String(left), recording: `● ${label}` };
    const says = { counting: `Get ready to show “${label}”`, recording: `Show “${label}” until the bar is full`, learning: `Learning “${label}”` };
    setText("cue", cues[phase] ?? "");
    at("cue").hidden = !cues[phase];
    at("cue").dataset.phase = phase;
    at("lesson-bar").hidden = isIdle;
    at("lesson-bar").value = phase === "recording" ? 1 - left / seconds : phase === "counting" ? 0 : 1;
    if (!isIdle || isFailed) this.say(text);
    else if (text) this.say("");
    setText("lesson-text", isIdle ? (isFailed ? "" : text) : says[phase]);
    at("lesson-warnings").replaceChildren(...warnings.map((textContent) => make("li", { textContent })));
    at("undo").disabled = !isIdle;
    this.showButton();
  }

  takeLessons({ taught }) {
    at("teach").hidden = !taught;
    const hadFocus = at("teach").contains(document.activeElement);
    const lessons = taught?.lessons ?? [], groups = new Map();
    for (const [label, id] of lessons) groups.set(label, [...(groups.get(label) ?? []), id]);
    const labels = [...groups.keys()];
    at("known").replaceChildren(...labels.map((value) => make("option", { value })));
    fit(at("lessons"), labels.length, () => this.makeGroup())
      .forEach((group, index) => this.showGroup(group, labels[index], groups.get(labels[index])));
    at("undo").hidden = !taught?.can_undo;
    setText("no-lessons", lessons.length ? "" : "Nothing taught yet. Type a name, press Teach, and show it three times.");
    if (hadFocus && !at("teach").contains(document.activeElement)) at("lesson-label").focus(); // its button is gone
  }

  makeGroup() {
    const remove = make("button", { type: "button", textContent: "Remove all" });
    const group = make("li", { children: [make("div", { children: [make("h3"), remove] }), make("ul")] });
    remove.addEventListener("click", () => {
      const { label } = group.dataset;
      if (confirm(`Remove “${label}” and all its lessons?`)) this.ask({ do: "forget", label, id: "" });
    });
    return group;
  }

  showGroup(group, label, ids) {
    const [{ children: [title, remove] }, shots] = group.children;
    group.dataset.label = label;
    title.textContent = `${label} (${ids.length})`;
    remove.setAttribute("aria-label", `Remove all lessons of ${label}`);
    fit(shots, ids.length, () => {
      const picture = make("img", { alt: "", loading: "lazy" }), cross = make("button", { type: "button", textContent: "×" });
      cross.addEventListener("click", () => {
        const { label, id } = cross.dataset;
        if (confirm(`Remove this lesson of “${label}”?`)) this.ask({ do: "forget", label, id });
      });
      return make("li", { children: [picture, cross] });
    }).forEach(({ children: [picture, cross] }, index) => {
      const source = `/thumbnail?${new URLSearchParams({ label, id: ids[index] })}`;
      if (picture.getAttribute("src") === source) return;
      Object.assign(cross.dataset, { label, id: ids[index] });
      picture.src = source;
      cross.setAttribute("aria-label", `Remove lesson ${index + 1} of ${label}`);
    });
  }
}
