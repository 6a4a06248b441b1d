// Served functions: a form to call each, and the landscape of one of two numbers, with descent on it.

import { Problem } from "./api.js";
import { h, replace } from "./dom.js";
import { contour } from "./plots.js";
import { number, text } from "./values.js";

const VERBS = ["value", "grad", "value_and_grad", "jacobian", "hessian"];
const DRAWN = { value: "function", grad: "gradient", vjp: "vjp", jvp: "jvp", jacobian: "Jacobian", hvp: "second derivative" };
const GRID = 80;
const STEPS = 160;

export class Functions {
  constructor({ api }) {
    this.api = api;
    this.name = null;
    this.inputs = new Map();
    this.verb = "value_and_grad";
    this.element = h("div", { class: "functions" });
  }

  async refresh() {
    const { functions } = await this.api.request("GET", "/v1/functions", undefined, { quiet: true });
    this.draw(functions);
  }

  draw(functions) {
    if (functions.length === 0) {
      replace(this.element, h("p", { class: "empty" }, "No function is served yet. A cell that begins with “#: serve name” serves the function that it defines."));
      return;
    }
    if (!functions.some((f) => f.name === this.name)) this.name = functions.at(-1).name;
    const chosen = functions.find((f) => f.name === this.name);
    const result = h("div", { class: "answer", "aria-live": "polite" });
    const fields = Object.entries(chosen.inputs).map(([name, spec]) => {
      const key = `${chosen.name}.${name}`;
      const field = h("input", { id: `in-${name}`, type: "text", spellcheck: "false", autocomplete: "off", value: this.inputs.get(key) ?? (spec.default === undefined || spec.default === null ? ones(spec.shape ?? []) : JSON.stringify(spec.default)) });
      field.addEventListener("input", () => this.inputs.set(key, field.value));
      return { name, field };
    });
    const verb = h("select", { id: "verb", onchange: () => (this.verb = verb.value) }, VERBS.map((v) => h("option", { value: v, selected: v === this.verb }, v)));
    const form = h(
      "form",
      {
        class: "call",
        onsubmit: (event) => {
          event.preventDefault();
          this.call(chosen.name, verb.value, fields, result);
        },
      },
      fields.map(({ name, field }) => h("div", null, h("label", { for: field.id }, name), field)),
      h("div", null, h("label", { for: "verb" }, "asked for"), h("span", { class: "row" }, verb, h("button", { class: "primary" }, "Call"))),
    );
    const picture = h("div", { class: "drawn", "aria-live": "polite" });
    const draw = h(
      "div",
      { class: "row draws" },
      h("span", { class: "dim", id: "draw" }, "graph of the"),
      h(
        "span",
        { class: "choice", role: "group", "aria-labelledby": "draw" },
        Object.entries(DRAWN).map(([of, told]) => h("button", { type: "button", "data-of": of, "aria-pressed": "false", onclick: () => this.picture(chosen.name, of, fields, draw, picture) }, told)),
      ),
    );
    const pick = h(
      "select",
      {
        id: "function",
        onchange: () => {
          this.name = pick.value;
          this.draw(functions);
        },
      },
      functions.map((f) => h("option", { value: f.name, selected: f.name === this.name }, f.name)),
    );
    const code = h("pre", { class: "source", tabindex: 0 });
    this.api
      .request("GET", `/v1/functions/${encodeURIComponent(chosen.name)}`, undefined, { quiet: true })
      .then((found) => (code.textContent = (found.code ?? found.program?.join("\n") ?? "").trim()))
      .catch(() => {});
    replace(
      this.element,
      h("div", { class: "row" }, h("label", { for: "function" }, "Function"), pick, h("span", { class: "dim version" }, `version ${chosen.version.slice(0, 8)}`)),
      code,
      h("p", { class: "note" }, "Inputs are JSON: a number, or nested lists; nan, inf and -inf may stand in them. Under Requests the call stands as code."),
      form,
      result,
      draw,
      picture,
    );
  }

  // What the service draws of the function, for inputs of the shapes that stand in the form.
  async picture(name, of, fields, draw, place) {
    const query = new URLSearchParams({ of, format: "svg" });
    for (const { name: input, field } of fields) {
      try {
        query.append("shape", `${input}:${shape(parsed(field.value)).join(",")}`);
      } catch {
        // what is not JSON has no shape to tell of
      }
    }
    for (const button of draw.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.dataset.of === of));
    const asked = Symbol(of);
    this.asked = asked; // an answer that comes after a later question is not shown
    try {
      const svg = await this.api.request("GET", `/v1/functions/${encodeURIComponent(name)}/graph?${query}`);
      if (this.asked !== asked) return;
      const url = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
      const image = h("img", { src: url, alt: `The graph of the ${DRAWN[of]} of ${name}` });
      image.addEventListener("load", () => URL.revokeObjectURL(url));
      replace(place, image);
    } catch (problem) {
      if (this.asked !== asked) return;
      if (!(problem instanceof Problem)) throw problem;
      replace(place, h("div", { class: "error", role: "alert" }, h("pre", null, problem.message)));
    }
  }

  async call(name, verb, fields, result) {
    try {
      const inputs = {};
      for (const { name: input, field } of fields) {
        try {
          inputs[input] = parsed(field.value);
        } catch {
          field.focus();
          throw new Problem(0, { detail: `${input} is not JSON: write a number such as 1.5, or lists such as [[1, 2], [3, 4]].` });
        }
      }
      const found = await this.api.request("POST", `/v1/functions/${encodeURIComponent(name)}/${verb}`, { inputs });
      replace(result, Object.entries(found).map(([part, values]) => [h("h2", null, part), h("pre", null, pretty(values))]));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      replace(result, h("div", { class: "error", role: "alert" }, h("pre", null, problem.message)));
    }
  }
}

// JSON, with the numbers that JSON lacks as the API writes them: "NaN", "Infinity", "-Infinity".
const LACKING = /"(?:\\.|[^"\\])*"|(?<![\w.])([+-]?)(nan|inf(?:inity)?)(?![\w.])/gi;
const parsed = (text) => JSON.parse(text.replace(LACKING, (found, sign, word) => (word ? `"${/^n/i.test(word) ? "NaN" : `${sign === "-" ? "-" : ""}Infinity`}"` : found)));

const ones = (sizes) => JSON.stringify(sizes.reduceRight((inner, size) => Array(Number.isInteger(size) ? size : 3).fill(inner), 1.5)).replace(/^1.5$/, "1.0");
const shape = (value) => (Array.isArray(value) ? [value.length, ...(value.length ? shape(value[0]) : [])] : []);

const pretty = (values) => JSON.stringify(values, null, 2).replace(/\[\s+([^[\]{}]*?)\s+\]/g, (_, inner) => `[${inner.replace(/\s+/g, " ")}]`);

// -- descent on a landscape -------------------------------------------------------------------------------------------

const RULES = {
  "gradient descent": { rate: 0.004, verb: "value_and_grad", step: (state, [gx, gy], rate) => [-rate * gx, -rate * gy] },
  momentum: {
    rate: 0.001,
    verb: "value_and_grad",
    step(state, g, rate) {
      state.v = (state.v ?? [0, 0]).map((v, i) => 0.9 * v + g[i]);
      return state.v.map((v) => -rate * v);
    },
  },
  Adam: {
    rate: 0.12,
    verb: "value_and_grad",
    step(state, g, rate) {
      state.t = (state.t ?? 0) + 1;
      state.m = (state.m ?? [0, 0]).map((m, i) => 0.9 * m + 0.1 * g[i]);
      state.s = (state.s ?? [0, 0]).map((s, i) => 0.99 * s + 0.01 * g[i] ** 2);
      return state.m.map((m, i) => (-rate * (m / (1 - 0.9 ** state.t))) / (Math.sqrt(state.s[i] / (1 - 0.99 ** state.t)) + 1e-8));
    },
  },
  "Newton's method": {
    rate: 1,
    verb: "hessian",
    step(state, [gx, gy], rate, [[a, b], [c, d]]) {
      const det = a * d - b * c;
      if (Math.abs(det) < 1e-12) return [-1e-3 * gx, -1e-3 * gy];
      return [(-rate * (d * gx - b * gy)) / det, (-rate * (a * gy - c * gx)) / det];
    },
  },
};

export class Landscape {
  constructor({ api, name, inputs, spans, start }) {
    Object.assign(this, { api, name, inputs, spans, start });
    this.rule = "Adam";
    this.turn = 0;
    this.path = [];
    this.heights = [];
    this.place = h("div", { class: "where" });
    this.rate = h("input", { type: "number", step: "any", min: 0, id: `rate-${name}`, value: RULES[this.rule].rate });
    const rules = h(
      "select",
      {
        id: `rule-${name}`,
        onchange: () => {
          this.rule = rules.value;
          this.rate.value = RULES[this.rule].rate;
          this.descend(this.from);
        },
      },
      Object.keys(RULES).map((rule) => h("option", { value: rule, selected: rule === this.rule }, rule)),
    );
    this.rate.addEventListener("change", () => this.descend(this.from));
    this.element = h(
      "div",
      { class: "landscape" },
      this.place,
      h(
        "div",
        { class: "row" },
        h("label", { for: rules.id }, "by"),
        rules,
        h("label", { for: this.rate.id }, "rate"),
        this.rate,
        h("button", { type: "button", onclick: () => this.descend([0, 1].map((i) => this.spans[i][0] + Math.random() * (this.spans[i][1] - this.spans[i][0]))) }, "From elsewhere"),
      ),
    );
  }

  ask(verb, body) {
    return this.api.request("POST", `/v1/functions/${encodeURIComponent(this.name)}/${verb}`, body, { quiet: verb !== "value" && this.path.length > 1 });
  }

  // The heights on a grid, in one request: a batch of points.
  async survey() {
    const [xs, ys] = this.spans.map(([low, high]) => Array.from({ length: GRID }, (_, i) => low + ((high - low) * i) / (GRID - 1)));
    const [x, y] = this.inputs;
    const points = { [x]: ys.flatMap(() => xs), [y]: ys.flatMap((v) => xs.map(() => v)) };
    const { outputs } = await this.ask("value", { inputs: points, in_axes: { [x]: 0, [y]: 0 } });
    const flat = Object.values(outputs)[0].map(number);
    const low = Math.min(...flat.filter(Number.isFinite));
    const z = ys.map((_, i) => flat.slice(i * GRID, (i + 1) * GRID).map((v) => Math.log1p(v - low)));
    this.grid = { xs, ys, z };
    this.draw();
  }

  draw() {
    const at = this.path.at(-1);
    const label = at ? `${this.rule}: ${this.path.length - 1} steps, at (${at.map((v) => text(Number(v.toFixed(3)))).join(", ")}), height ${text(this.heights.at(-1) ?? Number.NaN)}` : "Press anywhere to descend from there.";
    if (this.figure) return this.figure.update(this.path, label);
    this.figure = contour({ ...this.grid, path: this.path, label, onpick: (x, y) => this.descend([x, y]) });
    replace(this.place, this.figure);
  }

  // One request a step: the gradient comes from the service, the rule is here.
  async descend(from) {
    const turn = ++this.turn;
    this.from = from;
    this.path = [from];
    this.heights = [];
    const rule = RULES[this.rule];
    const state = {};
    const [x, y] = this.inputs;
    for (let k = 0; k < STEPS && turn === this.turn; k++) {
      const [px, py] = this.path.at(-1);
      const inputs = { [x]: px, [y]: py };
      const found = await this.ask("value_and_grad", { inputs });
      const bends = rule.verb === "hessian" ? (await this.ask("hessian", { inputs })).hessian : null;
      if (turn !== this.turn) return;
      const g = [number(found.gradients[x]), number(found.gradients[y])];
      this.heights.push(number(Object.values(found.outputs)[0]));
      this.draw();
      const matrix = bends && [x, y].map((a) => [x, y].map((b) => number(bends[a][b])));
      const [dx, dy] = rule.step(state, g, Number(this.rate.value), matrix);
      if (!Number.isFinite(dx + dy) || Math.hypot(px + dx, py + dy) > 1e6 || Math.hypot(...g) < 1e-5) return;
      this.path.push([px + dx, py + dy]);
    }
  }
}

