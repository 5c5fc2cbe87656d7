"use strict";
// The marked segments [start, end, label]: rising, without overlaps, whatever is done to them. Times are in seconds.
const SHORTEST_SEC = 0.01;

class Segments {
  // `changed` is called after each change.
  constructor(changed) {
    this.changed = changed;
    this.reset([], 0);
  }

  reset(list, duration) {
    Object.assign(this, { list, duration, past: [], future: [], begun: null });
  }

  // The index of the segment at a time, or -1.
  at(time) {
    return this.list.findIndex(([start, end]) => start <= time && time < end);
  }

  // The parts of a segment where nothing is marked.
  free([start, end, label]) {
    const parts = [];
    for (const [from, to] of [...this.list, [this.duration, this.duration]]) {
      if (Math.min(from, end) - start >= SHORTEST_SEC) parts.push([start, Math.min(from, end), label]);
      start = Math.max(start, to);
    }
    return parts;
  }

  set(list) {
    this.past.push(this.list);
    this.future = [];
    this.list = list.sort((a, b) => a[0] - b[0]);
    this.changed();
  }

  // The methods below return an error text, or nothing.
  mark(time, label) {
    const { begun } = this;
    if (begun === null) {
      if (this.at(time) >= 0) return "A segment is marked here: end it here (e), or delete it (x).";
      this.begun = time;
      return;
    }
    const parts = this.free([Math.min(begun, time), Math.max(begun, time), label]);
    const part = parts.find(([start, end]) => start <= begun && begun <= end);
    if (!part) return "Move away from the beginning of the segment first.";
    this.begun = null;
    this.set([...this.list, part]);
  }

  // Move a border of the segment here, or of the next (side 0) or previous one (side 1).
  border(side, time) {
    const here = this.at(time), after = this.list.filter(([start]) => start < time).length;
    const index = here >= 0 ? here : after - side;
    if (!this.list[index]) return `There is no segment ${side ? "before" : "after"} this time.`;
    const moved = this.list[index].with(side, time);
    if (moved[1] - moved[0] < SHORTEST_SEC) return "A segment can't be empty: delete it with x.";
    this.set(this.list.with(index, moved));
  }

  // Replace the segment at a time by others.
  replace(time, others) {
    const index = this.at(time);
    if (index < 0) return "No segment is marked here.";
    this.set(this.list.flatMap((segment, other) => (other === index ? others(segment) : [segment])));
  }

  accept(suggested) {
    const parts = suggested.flatMap((segment) => this.free(segment));
    if (!parts.length) return "There is nothing to accept.";
    this.set([...this.list, ...parts]);
  }

  // Undo, or redo.
  back(from, to) {
    if (this.begun !== null) return void (this.begun = null);
    if (!from.length) return "There is nothing more.";
    to.push(this.list);
    this.list = from.pop();
    this.changed();
  }
}
