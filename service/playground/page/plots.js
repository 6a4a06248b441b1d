// Small pictures, drawn as SVG or on a canvas: a curve, a histogram, a heat map, contour lines with a path.

import { h, s } from "./dom.js";
import { text } from "./values.js";

// Of any number of values: Math.min and Math.max take only some hundred thousand arguments.
const least = (values) => values.reduce((a, v) => (v < a ? v : a), Infinity);
const most = (values) => values.reduce((a, v) => (v > a ? v : a), -Infinity);

const n = (value) => String(Math.round(value * 100) / 100);

// A picture is drawn in about the pixels that it gets, so that its numbers can be read on a phone too.
const drawnWidth = () => (matchMedia("(max-width: 40rem)").matches ? 320 : 560);

function ticks(low, high, count) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= rough * 0.999);
  const found = [];
  for (let v = Math.ceil(low / step - 1e-9) * step; v <= high + step * 1e-9; v += step) found.push(Math.abs(v) < step * 1e-9 ? 0 : v);
  return found;
}

function frame({ width, height, x: [x0, x1], y: [y0, y1], label }) {
  const left = 46;
  const bottom = 24;
  const top = 10;
  const right = 12;
  const px = (x) => left + ((x - x0) / (x1 - x0 || 1)) * (width - left - right);
  const py = (y) => height - bottom - ((y - y0) / (y1 - y0 || 1)) * (height - top - bottom);
  const marks = [
    ticks(y0, y1, 4).map((v) => [
      s("line", { class: "grid", x1: left, x2: width - right, y1: n(py(v)), y2: n(py(v)) }),
      s("text", { class: "tick", x: left - 6, y: n(py(v) + 3.5), "text-anchor": "end" }, text(v)),
    ]),
    ticks(x0, x1, Math.min(6, width / 70)).map((v) => s("text", { class: "tick", x: n(px(v)), y: height - 7, "text-anchor": "middle" }, text(v))),
  ];
  const svg = s("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, marks);
  return { svg, px, py };
}

// A curve over 1, 2, …; on a log scale where it spans much and is positive.
export function curve(values, total) {
  const clean = values.filter(Number.isFinite);
  const low = least(clean);
  const high = most(clean);
  const logarithmic = low > 0 && high / low > 30;
  const scale = logarithmic ? Math.log10 : (v) => v;
  const [y0, y1] = logarithmic ? [scale(low), scale(high)] : [Math.min(0, low), high];
  const pad = (y1 - y0 || 1) * 0.06;
  const last = values.at(-1);
  const width = drawnWidth();
  const height = 200;
  const label = `${values.length} of ${total} runs, the last value ${text(last)}`;
  const { svg, px, py } = frame({ width, height, x: [1, Math.max(2, total)], y: logarithmic ? [0, 1] : [y0 - (y0 < 0 ? pad : 0), y1 + pad], label });
  const place = logarithmic ? (v) => py((scale(v) - y0 + pad) / (y1 - y0 + 2 * pad)) : py;
  if (logarithmic) {
    svg.querySelectorAll("line, text[text-anchor=end]").forEach((e) => e.remove());
    for (let p = Math.floor(y0 - pad); p <= y1 + pad; p++) {
      for (const m of y1 - y0 > 2 ? [1] : [1, 2, 5]) {
        const v = m * 10 ** p;
        if (scale(v) < y0 - pad || scale(v) > y1 + pad) continue;
        svg.append(s("line", { class: "grid", x1: 46, x2: width - 12, y1: n(place(v)), y2: n(place(v)) }), s("text", { class: "tick", x: 40, y: n(place(v) + 3.5), "text-anchor": "end" }, text(v)));
      }
    }
  }
  const points = values.map((v, i) => [px(i + 1), place(v)]).filter(([, y]) => Number.isFinite(y));
  svg.append(s("polyline", { class: "curve", points: points.map(([x, y]) => `${n(x)},${n(y)}`).join(" ") }));
  if (points.length) svg.append(s("circle", { class: "dot", cx: n(points.at(-1)[0]), cy: n(points.at(-1)[1]), r: 3.6 }));
  return h("figure", { class: "figure" }, svg, h("figcaption", null, label));
}

export function histogram(values) {
  const clean = values.filter(Number.isFinite);
  if (clean.length === 0) return h("p", { class: "dim" }, "no finite values");
  let low = least(clean);
  let high = most(clean);
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const count = Math.max(5, Math.min(40, Math.ceil(Math.sqrt(clean.length) * 1.5)));
  const bins = new Array(count).fill(0);
  for (const v of clean) bins[Math.min(count - 1, Math.floor(((v - low) / (high - low)) * count))]++;
  const highest = Math.max(...bins);
  const label = `Histogram of ${clean.length} values from ${text(low)} to ${text(high)}`;
  const { svg, px, py } = frame({ width: Math.min(480, drawnWidth()), height: 190, x: [low, high], y: [0, highest], label });
  const wide = px(low + (high - low) / count) - px(low);
  bins.forEach((b, i) => {
    if (b) svg.append(s("rect", { class: "bar", x: n(px(low + (i * (high - low)) / count) + 0.5), y: n(py(b)), width: n(Math.max(1, wide - 1)), height: n(py(0) - py(b)) }));
  });
  return h("figure", { class: "figure" }, svg, h("figcaption", null, label));
}

// From deep violet over grey-green to yellow, even in lightness.
const STOPS = [[43, 24, 77], [61, 62, 133], [47, 105, 142], [35, 143, 140], [75, 181, 115], [165, 214, 62], [250, 230, 90]];
const APART = [[33, 78, 148], [112, 160, 208], [226, 232, 240], [240, 240, 238], [246, 222, 205], [226, 138, 92], [164, 52, 12]];

function colour(at, stops) {
  const place = Math.max(0, Math.min(1, at)) * (stops.length - 1);
  const i = Math.min(stops.length - 2, Math.floor(place));
  return stops[i].map((v, k) => Math.round(v + (stops[i + 1][k] - v) * (place - i)));
}

export function heatMap(rows) {
  const high = rows.length;
  const wide = rows[0].length;
  const all = rows.flat().filter(Number.isFinite);
  if (all.length === 0) return h("p", { class: "dim" }, "no finite values");
  const low = least(all);
  const top = most(all);
  const signed = low < 0 && top > 0;
  const far = Math.max(-low, top);
  const scale = (v) => (signed ? v / (2 * far) + 0.5 : (v - low) / (top - low || 1));
  const canvas = h("canvas", { class: "heat", width: wide, height: high, role: "img", "aria-label": `Heat map, ${high} by ${wide}, from ${text(low)} to ${text(top)}` });
  const context = canvas.getContext("2d");
  const image = context.createImageData(wide, high);
  rows.forEach((row, i) =>
    row.forEach((v, j) => image.data.set([...(Number.isFinite(v) ? colour(scale(v), signed ? APART : STOPS) : [128, 128, 128]), 255], 4 * (i * wide + j))),
  );
  context.putImageData(image, 0, 0);
  canvas.style.aspectRatio = `${wide} / ${high}`;
  canvas.style.width = `${Math.min(460, Math.max(120, wide * 24))}px`;
  const bar = h("span", { class: "scale" });
  const stops = (signed ? APART : STOPS).map((c) => `rgb(${c.join(",")})`);
  bar.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  const [a, b] = signed ? [-far, far] : [low, top];
  return h("figure", { class: "figure" }, canvas, h("figcaption", null, text(a), bar, text(b)));
}

// Where a level crosses the grid's cells: marching squares.
function crossing(level, xs, ys, z) {
  const found = [];
  const between = (a, b, va, vb) => a + ((level - va) / (vb - va)) * (b - a);
  for (let i = 0; i + 1 < ys.length; i++) {
    for (let j = 0; j + 1 < xs.length; j++) {
      const [a, b, c, d] = [z[i][j], z[i][j + 1], z[i + 1][j + 1], z[i + 1][j]];
      const ends = [];
      if (a > level !== b > level) ends.push([between(xs[j], xs[j + 1], a, b), ys[i]]);
      if (b > level !== c > level) ends.push([xs[j + 1], between(ys[i], ys[i + 1], b, c)]);
      if (d > level !== c > level) ends.push([between(xs[j], xs[j + 1], d, c), ys[i + 1]]);
      if (a > level !== d > level) ends.push([xs[j], between(ys[i], ys[i + 1], a, d)]);
      for (let k = 0; k + 1 < ends.length; k += 2) found.push([ends[k], ends[k + 1]]);
    }
  }
  return found;
}

// The figure has ``update(path, label)``, which moves the path and leaves the lines alone.
export function contour({ xs, ys, z, path = [], label, onpick }) {
  const width = drawnWidth();
  const span = { x: [xs[0], xs.at(-1)], y: [ys[0], ys.at(-1)] };
  const height = Math.round(Math.max(240, Math.min(460, (width * (span.y[1] - span.y[0])) / (span.x[1] - span.x[0] || 1))));
  const { svg, px, py } = frame({ width, height, ...span, label });
  const all = z.flat().filter(Number.isFinite);
  const low = least(all);
  const high = most(all);
  const [left, top, across, tall] = [px(span.x[0]), py(span.y[1]), px(span.x[1]) - px(span.x[0]), py(span.y[0]) - py(span.y[1])];
  const inside = s("svg", { x: left, y: top, width: across, height: tall, viewBox: `${left} ${top} ${across} ${tall}` });
  const count = 14;
  for (let k = 1; k <= count; k++) {
    const at = k / (count + 1);
    const d = crossing(low + (high - low) * at, xs, ys, z)
      .map(([a, b]) => `M${n(px(a[0]))} ${n(py(a[1]))}L${n(px(b[0]))} ${n(py(b[1]))}`)
      .join("");
    inside.append(s("path", { class: "level", d, style: { stroke: `color-mix(in oklab, var(--op), var(--leaf) ${Math.round(at * 100)}%)`, opacity: n(1 - 0.6 * at) } }));
  }
  const line = s("polyline", { class: "path" });
  const start = s("circle", { class: "start", r: 4 });
  const end = s("circle", { class: "dot", r: 4.6 });
  inside.append(line, start, end);
  svg.append(inside);
  const caption = h("figcaption", null, label);
  const figure = h("figure", { class: "figure" }, svg, caption);
  figure.update = (points, words) => {
    const placed = points.map(([x, y]) => [n(px(x)), n(py(y))]);
    line.setAttribute("points", placed.map((p) => p.join(",")).join(" "));
    for (const [dot, at] of [[start, placed[0]], [end, placed.at(-1)]]) {
      dot.setAttribute("visibility", at ? "visible" : "hidden");
      dot.setAttribute("cx", at?.[0] ?? 0);
      dot.setAttribute("cy", at?.[1] ?? 0);
    }
    caption.textContent = words;
    svg.setAttribute("aria-label", words);
  };
  figure.update(path, label);
  if (onpick) {
    svg.classList.add("pick");
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * width;
      const y = ((event.clientY - box.top) / box.height) * height;
      const back = (p, f, [a, b]) => a + ((p - f(a)) / (f(b) - f(a))) * (b - a);
      onpick(back(x, px, span.x), back(y, py, span.y));
    });
  }
  return figure;
}
