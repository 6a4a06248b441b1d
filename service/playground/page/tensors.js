// The session's tensors, and one of them looked at: as printed, as a table, a heat map, a histogram; its gradient too.

import { EXPIRED, expired } from "./api.js";
import { h, replace } from "./dom.js";
import { shapeText } from "./graph.js";
import { heatMap, histogram } from "./plots.js";
import { flat, number, text } from "./values.js";

const LARGEST = 40;

// The last two dims of nested data, at the given places of the others.
function slice(data, shape, at) {
  let found = data;
  for (const i of at) found = found[i];
  const left = shape.length - at.length;
  return left === 0 ? [[found]] : left === 1 ? [found] : found;
}

const plain = (v) => (Array.isArray(v) ? Math.hypot(...v.map(number)) : number(v));

export class Tensors {
  constructor({ api, onerror }) {
    Object.assign(this, { api, onerror });
    this.name = null;
    this.way = "table";
    this.what = "value";
    this.list = h("div", { class: "list" });
    this.detail = h("section", { class: "detail", "aria-label": "One tensor", tabindex: -1, hidden: true });
    this.element = h("div", { class: "tensors" }, this.list, this.detail);
  }

  async refresh() {
    if (!this.api.session) return this.draw([]);
    let found;
    try {
      found = await this.api.tensors();
    } catch (problem) {
      if (!expired(problem)) throw problem;
      this.detail.hidden = true;
      replace(this.list, h("p", { class: "empty" }, EXPIRED));
      return;
    }
    this.draw(found);
    if (this.name && found.some((t) => t.id === this.name)) await this.open(this.name, true);
    else this.detail.hidden = true;
    return found;
  }

  fail(problem) {
    this.detail.hidden = true;
    replace(this.list, h("p", { class: "empty" }, problem.message));
  }

  draw(tensors) {
    if (tensors.length === 0) {
      replace(this.list, h("p", { class: "empty" }, "The session holds no tensors yet."));
      return;
    }
    replace(
      this.list,
      h(
        "table",
        null,
        h("thead", null, h("tr", null, ["name", "shape", "dtype", "made by", "grad"].map((w) => h("th", { scope: "col" }, w)))),
        h(
          "tbody",
          null,
          tensors.map((t) =>
            h(
              "tr",
              { class: t.id === this.name ? "chosen" : null },
              h("th", { scope: "row" }, h("button", { type: "button", class: "link", onclick: () => this.open(t.id) }, t.id)),
              h("td", null, shapeText(t.shape)),
              h("td", null, t.dtype),
              h("td", null, t.grad_fn ?? (t.requires_grad ? "leaf" : "—")),
              h("td", { class: t.grad ? "grad" : null }, t.grad ? "yes" : t.requires_grad && t.is_leaf ? "none" : ""),
            ),
          ),
        ),
      ),
    );
  }

  async open(name, quiet = false) {
    try {
      const found = await this.api.tensor(name, quiet);
      if (this.name !== name) this.at = null;
      this.name = name;
      this.tensor = found;
      this.show();
      for (const row of this.list.querySelectorAll("tr")) row.classList.toggle("chosen", row.querySelector("button")?.textContent === name);
    } catch (problem) {
      this.onerror(problem);
    }
  }

  show() {
    const found = this.tensor;
    const grad = this.what === "grad" && found.grad ? found.grad : null;
    const { data, shape } = grad ?? found;
    this.at ??= shape.slice(0, -2).map(() => 0);
    const choice = (field, options) =>
      h(
        "div",
        { class: "choice", role: "group" },
        options.map(([value, word]) =>
          h(
            "button",
            {
              type: "button",
              "aria-pressed": String(this[field] === value),
              onclick: () => {
                this[field] = value;
                this.show();
                this.detail.querySelector(`[data-choice="${value}"]`)?.focus();
              },
              "data-choice": value,
            },
            word,
          ),
        ),
      );
    const leading = shape.slice(0, -2).map((size, dim) =>
      h(
        "label",
        { class: "dim-of" },
        `dim ${dim} `,
        h("input", {
          type: "number",
          min: 0,
          max: size - 1,
          value: this.at[dim],
          onchange: (event) => {
            this.at[dim] = Math.max(0, Math.min(size - 1, Number(event.target.value) || 0));
            this.show();
          },
        }),
      ),
    );
    this.detail.hidden = false;
    const facts = [shapeText(found.shape), found.dtype, found.requires_grad ? "requires grad" : "", found.grad_fn ?? (found.is_leaf ? "leaf" : ""), `version ${found.version}`];
    replace(
      this.detail,
      h("h2", null, found.id),
      h("p", { class: "facts" }, facts.filter(Boolean).join(" · ")),
      h(
        "div",
        { class: "row" },
        choice("way", [["table", "Table"], ["heat", "Heat map"], ["histogram", "Histogram"], ["printed", "As printed"]]),
        found.grad ? choice("what", [["value", "value"], ["grad", "grad"]]) : null,
        leading,
      ),
      this.drawn(data, shape, grad),
    );
  }

  drawn(data, shape, grad) {
    if (this.way === "printed") return h("pre", { class: "printed" }, grad ? JSON.stringify(data) : this.tensor.repr);
    if (data === undefined || shape.includes(0)) return h("p", { class: "dim" }, "It has no elements.");
    if (this.way === "histogram") return histogram(flat(data, shape.length));
    const rows = slice(data, shape, this.at);
    if (this.way === "heat") return heatMap(rows.map((row) => row.map(plain)));
    const cut = rows.length > LARGEST || rows[0].length > LARGEST;
    return h(
      "div",
      { class: "values", tabindex: 0, role: "region", "aria-label": "Values" },
      h(
        "table",
        null,
        rows[0].length > 1 ? h("thead", null, h("tr", null, h("td", null), rows[0].slice(0, LARGEST).map((_, j) => h("th", { scope: "col" }, String(j))))) : null,
        h("tbody", null, rows.slice(0, LARGEST).map((row, i) => h("tr", null, h("th", { scope: "row" }, String(i)), row.slice(0, LARGEST).map((v) => h("td", null, text(v)))))),
      ),
      cut ? h("p", { class: "dim" }, `The first ${LARGEST} rows and columns of ${rows.length} by ${rows[0].length}.`) : null,
    );
  }
}
