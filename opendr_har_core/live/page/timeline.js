"use strict";
// Chart of the best labels over time: a line for each, told apart by colour and dashes.
const TIMELINE_SEC = 60;
const LINES = 5;
const DASHES = [[], [7, 4], [2, 3], [10, 4, 2, 4], [4, 2]];
const COLOURS = {
  light: ["#00704f", "#b3420a", "#2b5fc0", "#8a2b87", "#6b5c00"],
  dark: ["#5bd3a8", "#ff9e66", "#8ab4ff", "#e59ae2", "#e0cc5a"],
};

const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

// An empty canvas in the size at which it is shown: its pen, which counts in CSS pixels, and that size.
function cleared(canvas) {
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(box.width * ratio), height = Math.round(box.height * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, box.width, box.height);
  return { pen, box };
}

class Timeline {
  constructor(canvas, legend) {
    this.canvas = canvas;
    this.legend = legend;
    this.points = []; // [seconds, Map(label -> score)]
    this.shown = []; // labels with a line, each in its slot while it is visible
  }

  // Draw these points from now on; the caller adds to them.
  show(points) {
    this.points = points;
    this.shown = [];
  }

  draw(now) {
    const oldest = now - TIMELINE_SEC;
    while (this.points.length && this.points[0][0] < oldest - 2) this.points.shift();
    this.choose();
    const { pen, box } = cleared(this.canvas);
    const left = 40, bottom = box.height - 20, top = 6;
    const x = (at) => left + (box.width - left - 4) * (at - oldest) / TIMELINE_SEC;
    const y = (score) => bottom - (bottom - top) * score;
    this.grid(pen, box.width, x, y, now, left, bottom);
    this.shown.forEach((label, slot) => label !== null && this.line(pen, label, slot, x, y));
  }

  grid(pen, width, x, y, now, left, bottom) {
    const style = getComputedStyle(document.documentElement);
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.fillStyle = style.getPropertyValue("--quiet");
    pen.font = "12px system-ui, sans-serif";
    pen.lineWidth = 1;
    pen.setLineDash([]);
    pen.textAlign = "right";
    for (const score of [0, 0.5, 1]) {
      pen.beginPath();
      pen.moveTo(left, y(score));
      pen.lineTo(width, y(score));
      pen.stroke();
      pen.fillText(`${score * 100}%`, left - 6, y(score) + (score === 1 ? 9 : score ? 4 : 0));
    }
    pen.textAlign = "center";
    for (const ago of [60, 45, 30, 15]) pen.fillText(`−${ago} s`, Math.max(x(now - ago), left + 16), bottom + 16);
    pen.textAlign = "right";
    pen.fillText("now", width - 4, bottom + 16);
  }

  line(pen, label, slot, x, y) {
    pen.strokeStyle = COLOURS[theme()][slot];
    pen.lineWidth = 2.2;
    pen.lineJoin = "round";
    pen.setLineDash(DASHES[slot]);
    pen.beginPath();
    let before = null;
    for (const [at, scores] of this.points) {
      const score = scores.get(label) ?? 0;
      // A gap in time is a gap in the line.
      if (before === null || at - before > 3) pen.moveTo(x(at), y(score));
      else pen.lineTo(x(at), y(score));
      before = at;
    }
    pen.stroke();
  }

  // The labels with the highest peaks get the lines; one that has a line keeps its colour.
  choose() {
    const peaks = new Map();
    for (const [, scores] of this.points)
      for (const [label, score] of scores) peaks.set(label, Math.max(peaks.get(label) ?? 0, score));
    const wanted = [...peaks].filter(([, peak]) => peak > 0.15).sort((a, b) => b[1] - a[1]).slice(0, LINES).map(([label]) => label);
    const best = this.points.length ? [...this.points[this.points.length - 1][1].keys()][0] : undefined;
    if (best !== undefined && !wanted.includes(best)) { // the current label always has one
      if (wanted.length === LINES) wanted.pop();
      wanted.push(best);
    }
    const before = this.shown.join("\n");
    this.shown = this.shown.map((label) => (wanted.includes(label) ? label : null));
    for (const label of wanted) {
      if (this.shown.includes(label)) continue;
      const free = this.shown.indexOf(null);
      if (free >= 0) this.shown[free] = label;
      else this.shown.push(label);
    }
    if (before !== this.shown.join("\n") || theme() !== this.theme) this.explain();
    this.theme = theme();
  }

  explain() {
    this.legend.replaceChildren(...this.shown.flatMap((label, slot) => {
      if (label === null) return [];
      const item = document.createElement("li");
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("width", "26");
      svg.setAttribute("height", "8");
      svg.setAttribute("aria-hidden", "true");
      const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
      for (const [name, value] of Object.entries({
        x1: 0, x2: 26, y1: 4, y2: 4, "stroke-width": 2.4, stroke: COLOURS[theme()][slot],
        "stroke-dasharray": DASHES[slot].join(" "),
      })) line.setAttribute(name, value);
      svg.append(line);
      item.append(svg, label); // a string is added as text, never as HTML
      return [item];
    }));
  }
}
