// The notebook: cells of prose and code. Running goes through the API; an expired session is rebuilt by running the cells again.

import { expired, Problem } from "./api.js";
import { copy, h, icon, replace, tell } from "./dom.js";
import { Editor } from "./editor.js";
import { Landscape } from "./functions.js";
import { directives } from "./lessons.js";
import { contour, curve } from "./plots.js";
import { prose } from "./prose.js";
import { LANGUAGES, snippet } from "./snippets.js";
import { number } from "./values.js";

let told = 0; // errors, so that each has an id
const PAUSE = 16; // ms between two runs of a repeated cell, so that the page is drawn
const AXIS = /^([2-9]|[1-9]\d+)$/; // shapes that a contour plot takes
const PATH = /^\d+,2$/;

// What scrolls in its box can be reached by the keyboard.
const long = (text) => (text.split("\n").length > 20 ? 0 : null);

class Cell {
  constructor(notebook, { kind, content }) {
    this.notebook = notebook;
    this.kind = kind;
    this.ran = false;
    this.busy = false;
    if (kind === "text") this.prose(content);
    else this.code(content);
  }

  // -- prose ----------------------------------------------------------------------------------------------------------

  prose(content) {
    this.source = content;
    this.element = h("section", { class: "cell prose" });
    this.read();
  }

  read() {
    replace(this.element, h("div", { class: "read" }, prose(this.source)), this.tools([["Edit", () => this.edit()]]));
  }

  edit() {
    const area = h("textarea", { class: "words", "aria-label": "Prose", rows: this.source.split("\n").length + 2, value: this.source });
    const done = () => {
      this.source = area.value;
      this.read();
      this.notebook.changed();
    };
    area.addEventListener("input", () => {
      this.source = area.value; // a link or a reload holds it, also before it is done
      this.notebook.changed();
    });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Escape" || (event.key === "Enter" && event.shiftKey)) {
        event.preventDefault();
        done();
        this.element.querySelector("summary")?.focus();
      }
    });
    replace(this.element, area, h("div", { class: "row" }, h("button", { type: "button", onclick: done }, "Done")));
    area.focus();
  }

  // -- code -----------------------------------------------------------------------------------------------------------

  code(content) {
    this.editor = new Editor(content, {
      label: "Code",
      onrun: ({ advance }) => this.notebook.run(this, { advance }),
      onchange: () => this.notebook.changed(),
      names: () => ({ text: this.notebook.text, bound: this.notebook.bound }),
    });
    this.button = h("button", { type: "button", class: "run", onclick: () => (this.busy ? this.notebook.stop() : this.notebook.run(this)) });
    this.count = h("span", { class: "count", "aria-hidden": "true" });
    this.output = h("div", { class: "result", "aria-live": "polite" });
    const copies = LANGUAGES.map((language) => [`Copy as ${language}`, () => this.copyAs(language)]);
    this.element = h(
      "div",
      { class: "cell code-cell", role: "group", "aria-label": "Code cell" },
      h("div", { class: "gutter" }, this.button, this.count),
      h("div", { class: "body" }, this.editor.element, this.output),
      this.tools(copies),
    );
    this.state(false);
  }

  copyAs(language) {
    const path = this.notebook.api.session ? this.notebook.api.at("/run") : "/v1/sessions/SESSION/run";
    copy(snippet(language, { method: "POST", path, body: { code: this.content } }), `Copied as ${language}`);
  }

  tools(first) {
    const menu = h("details", { class: "menu" });
    const item = ([word, action]) =>
      h(
        "button",
        {
          type: "button",
          onclick: () => {
            menu.open = false;
            action();
          },
        },
        word,
      );
    const notebook = this.notebook;
    replace(
      menu,
      h("summary", { "aria-label": "Cell menu", title: "Cell menu" }, icon("more")),
      h(
        "div",
        { class: "items" },
        first.map(item),
        h("hr"),
        [
          ["Add code below", () => notebook.add("code", this)],
          ["Add prose below", () => notebook.add("text", this)],
          ["Move up", () => notebook.move(this, -1)],
          ["Move down", () => notebook.move(this, 1)],
          ["Delete", () => notebook.remove(this)],
        ].map(item),
      ),
    );
    menu.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && menu.open) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    });
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
    });
    return menu;
  }

  get content() {
    return this.kind === "text" ? this.source : this.editor.text;
  }

  state(busy) {
    this.busy = busy;
    const word = busy ? "Stop" : "Run cell";
    replace(this.button, icon(busy ? "stop" : "run"));
    this.button.setAttribute("aria-label", word);
    this.button.title = busy ? word : "Run cell (Ctrl+Enter; Shift+Enter runs and goes on)";
    this.element.classList.toggle("busy", busy);
  }

  // What a run answered, as Python would show it.
  show(answer, plots) {
    const value = answer.value?.repr;
    replace(
      this.output,
      answer.stdout ? h("pre", { class: "stdout", tabindex: long(answer.stdout) }, answer.stdout.replace(/\n$/, ""), answer.truncated ? h("em", null, "\n… the rest is left out") : null) : null,
      plots,
      value && !plots?.length ? h("pre", { class: "value", tabindex: long(value) }, value) : null,
      (answer.traces ?? []).length
        ? h(
            "p",
            { class: "walked" },
            answer.traces.slice(-1).map((trace) =>
              h("button", { type: "button", class: "through", onclick: () => this.notebook.step(trace) }, "Step through backward", h("span", null, trace.truncated ? `the first ${trace.trace.length} of ${trace.nodes} nodes` : `${trace.nodes} ${trace.nodes === 1 ? "node" : "nodes"}`)),
            ),
          )
        : null,
    );
  }

  fail(problem) {
    const line = problem.body?.line;
    const endless = /script_steps allows/.test(problem.message) ? " (a loop that does not end?)" : "";
    const detail = problem.message + endless;
    const [, kind, rest] = /^(\w+(?:Error|Exception|Interrupt)): (.*)$/s.exec(detail) ?? [];
    const id = `error-${++told}`;
    this.output.append(
      h("div", { class: "error", role: "alert", id }, line ? h("span", { class: "where" }, `line ${line}`) : null, h("pre", null, kind ? [h("b", null, `${kind}: `), rest] : detail)),
    );
    if (line) this.editor.mark({ line, column: problem.body.column ?? 0, told: id });
  }
}

export class Notebook {
  constructor({ api, onran, onstep, onchange, onreset, onfunction }) {
    Object.assign(this, { api, onran, onstep, onchange, onreset, onfunction });
    this.cells = [];
    this.counter = 0;
    this.bound = new Set(); // names that cells have bound
    this.queue = Promise.resolve();
    this.stopped = false;
    this.list = h("div", { class: "cells" });
    this.element = h(
      "div",
      { class: "notebook" },
      this.list,
      h(
        "div",
        { class: "adders" },
        h("button", { type: "button", class: "add", onclick: () => this.add("code") }, icon("plus"), "Code"),
        h("button", { type: "button", class: "add", onclick: () => this.add("text") }, icon("plus"), "Prose"),
      ),
    );
  }

  load({ title, cells }) {
    this.stop();
    this.title = title;
    this.cells = cells.map((c) => new Cell(this, c));
    this.counter = 0;
    replace(this.list, this.cells.map((c) => c.element));
    this.fresh = true;
  }

  get content() {
    return { title: this.title, cells: this.cells.map(({ kind, content }) => ({ kind, content })) };
  }

  get text() {
    return this.cells.filter((c) => c.kind === "code").map((c) => c.content).join("\n");
  }

  changed() {
    this.onchange();
  }

  add(kind, after) {
    const cell = new Cell(this, { kind, content: "" });
    const at = after ? this.cells.indexOf(after) + 1 : this.cells.length;
    this.cells.splice(at, 0, cell);
    if (after) after.element.after(cell.element);
    else this.list.append(cell.element);
    if (kind === "code") cell.editor.focus();
    else cell.edit();
    this.changed();
    return cell;
  }

  move(cell, by) {
    const at = this.cells.indexOf(cell);
    const other = this.cells[at + by];
    if (!other) return;
    [this.cells[at], this.cells[at + by]] = [other, cell];
    if (by < 0) other.element.before(cell.element);
    else other.element.after(cell.element);
    cell.element.querySelector("summary").focus();
    this.changed();
  }

  remove(cell) {
    const at = this.cells.indexOf(cell);
    this.cells.splice(at, 1);
    cell.element.remove();
    const near = this.cells[Math.min(at, this.cells.length - 1)];
    near?.element.querySelector(".code, summary")?.focus();
    this.changed();
  }

  // -- running --------------------------------------------------------------------------------------------------------

  // While anything runs or is drawn, the notebook says that it is busy.
  async during(work) {
    this.works = (this.works ?? 0) + 1;
    this.element.setAttribute("aria-busy", "true");
    try {
      return await work;
    } finally {
      this.works--;
      this.element.setAttribute("aria-busy", String(this.works > 0));
    }
  }

  // One after the other, in the order in which they were asked for.
  run(cell, { advance = false } = {}) {
    this.stopped = false;
    if (advance) {
      const next = this.cells.slice(this.cells.indexOf(cell) + 1).find((c) => c.kind === "code");
      if (next) next.editor.focus();
      next?.element.scrollIntoView({ block: "nearest" });
    }
    cell.state(true);
    return this.during(this.next(cell));
  }

  // Whatever goes wrong in one, the next still has its turn.
  next(cell) {
    const turn = this.queue.then(() => this.carryOut(cell));
    this.queue = turn.catch(() => {});
    return turn;
  }

  runAll() {
    return this.during(this.all());
  }

  async all() {
    await this.restart();
    this.stopped = false;
    for (const cell of this.cells) {
      if (cell.kind !== "code" || !cell.content.trim()) continue;
      if (this.stopped) break;
      const went = await this.next(cell);
      if (!went && !expectsError(this, cell)) break;
    }
  }

  async restart() {
    this.stop();
    await this.queue;
    for (const cell of this.cells) {
      if (cell.kind !== "code") continue;
      cell.ran = false;
      cell.editor.mark(null);
      if (cell.map) cell.map.turn++;
      replace(cell.count);
      replace(cell.output);
    }
    this.counter = 0;
    this.fresh = true;
    this.onreset();
  }

  stop() {
    this.stopped = true;
    for (const cell of this.cells) if (cell.map) cell.map.turn++;
    if (this.api.running && this.api.session) this.api.cancel().catch(() => {});
  }

  async carryOut(cell) {
    if (this.stopped) {
      cell.state(false);
      return false;
    }
    cell.state(true);
    cell.editor.mark(null);
    replace(cell.output);
    let went = false;
    try {
      if (this.fresh) await this.begin();
      if (this.api.session) {
        await this.once(cell);
        went = true;
      } else went = await this.rebuild(cell); // it was ended as the page was left, and the browser brought the page back
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (expired(problem)) went = await this.rebuild(cell);
      else cell.fail(problem);
    } finally {
      cell.ran ||= went;
      replace(cell.count, String(++this.counter));
      cell.state(false);
    }
    await this.onran();
    return went;
  }

  async begin() {
    await this.api.open(`playground: ${this.title}`.replace(/[^\x20-\x7e]/g, "").slice(0, 100));
    this.fresh = false;
    this.bound.clear();
  }

  // The session is gone: a new one, and the cells that had run before this one run again.
  async rebuild(cell) {
    tell("The session had expired. The cells are run again.");
    try {
      await this.begin();
      for (const other of this.cells) {
        if (other === cell) break;
        if (other.kind === "code" && other.ran) await this.once(other).catch((problem) => other.fail(problem));
      }
      await this.once(cell);
      return true;
    } catch (problem) {
      cell.fail(problem);
      return false;
    }
  }

  async once(cell) {
    const code = cell.content;
    const asked = directives(code);
    if (asked.wrong) throw new Problem(422, asked.wrong);
    if (asked.serve) return this.serve(cell, code, asked);
    const values = [];
    let map = null;
    let answer = null;
    for (let k = 0; k < asked.repeat && !this.stopped; k++) {
      answer = await this.api.run(code, k > 0);
      for (const name of answer.names) this.bound.add(name);
      if (asked.repeat === 1 && !asked.contour) cell.show(answer, []);
      if (answer.error) {
        if (k === 0) cell.show(answer, []);
        throw new Problem(answer.error.status, answer.error);
      }
      if (asked.repeat === 1 && !asked.contour) return;
      const value = answer.value;
      const found = value === null ? null : "data" in value ? value.data : value.value;
      if (found !== null && !Array.isArray(found) && typeof found !== "object") values.push(number(found));
      const plots = [];
      if (asked.contour) {
        const { x, y, z, path: name } = asked.contour;
        const path = name ? (await this.drawable(name, PATH, asked.lines.contour)).data : [];
        const label = `${z} over ${x} and ${y}${path.length ? `, ${path.length} steps` : ""}`;
        if (map) map.update(path, label);
        else map = contour({ ...(await this.landscape(asked.contour, asked.lines.contour)), path, label });
        plots.push(map);
      }
      if (asked.repeat > 1 && values.length) plots.push(curve(values, asked.repeat));
      cell.show({ ...answer, traces: k + 1 === asked.repeat ? answer.traces : [] }, plots);
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  }

  // The cell's function becomes a served one; the session has no part in it.
  async serve(cell, code, { serve: name, landscape }) {
    const address = `/v1/functions/${encodeURIComponent(name)}`;
    const made = await this.api.request("PUT", address, { code });
    replace(
      cell.output,
      h("p", { class: "served" }, "Served at ", h("code", null, `/v1/functions/${name}`), ` with ${Object.keys(made.inputs).join(", ")}`, h("button", { type: "button", class: "link", onclick: () => this.onfunction(name) }, "call it")),
    );
    if (!landscape) return;
    const map = new Landscape({ api: this.api, name, ...landscape });
    await map.survey();
    cell.output.append(map.element);
    cell.map = map;
    const start = landscape.start ?? landscape.spans.map(([low, high]) => low + 0.1 * (high - low));
    await map.descend(start);
  }

  async landscape({ x, y, z }, line) {
    const [xs, ys] = await Promise.all([x, y].map((name) => this.drawable(name, AXIS, line)));
    const zs = await this.drawable(z, new RegExp(`^${ys.shape[0]},${xs.shape[0]}$`), line);
    return { xs: xs.data.map(number), ys: ys.data.map(number), z: zs.data.map((row) => row.map(number)) };
  }

  // A tensor that the cell's line `#: contour` names, of a shape that can be drawn.
  async drawable(name, shape, line) {
    let found;
    try {
      found = await this.api.tensor(name, true);
    } catch (problem) {
      if (problem.status !== 404 || expired(problem)) throw problem;
      throw new Problem(404, { line, detail: `The session holds no tensor ${name}` });
    }
    if (shape.test(found.shape.join(",")) && !found.dtype.startsWith("complex")) return found;
    const detail = `${name} is of shape [${found.shape.join(", ")}] and ${found.dtype}: X and Y are vectors of two or more real numbers, Z is [len(Y), len(X)], a path [steps, 2]`;
    throw new Problem(422, { line, detail });
  }

  step(trace) {
    this.onstep(trace);
  }
}

// A lesson shows errors on purpose; the cells after them still run.
function expectsError(notebook, cell) {
  return notebook.lesson && cell.kind === "code";
}
