// Values as the API sends them: nested lists, numbers, "NaN" and "Infinity" as strings, complex numbers as pairs.

export const number = (value) => (typeof value === "string" ? Number(value) : typeof value === "boolean" ? Number(value) : value);

export function flat(data, depth) {
  let found = [data];
  for (let i = 0; i < depth; i++) found = found.flat();
  return found.map((v) => (Array.isArray(v) ? Math.hypot(...v.map(number)) : number(v)));
}

export function text(value) {
  const x = number(value);
  if (Array.isArray(value)) return `${text(value[0])}${number(value[1]) < 0 ? "" : "+"}${text(value[1])}j`;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x);
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const size = Math.abs(x);
  if (size >= 1e5 || size < 1e-3) return x.toExponential(3);
  return String(Number(x.toPrecision(5)));
}

// A gradient in a few characters, for an arrow.
export function brief({ data, shape, data_omitted }) {
  if (data_omitted || data === undefined) return `[${shape.join(", ")}]`;
  const found = flat(data, shape.length);
  if (found.length === 0) return "[ ]";
  if (found.length === 1) return text(found[0]);
  if (found.every((v) => v === found[0])) return `all ${text(found[0])}`;
  if (found.length <= 3) return `[${found.map(text).join(", ")}]`;
  const mean = found.reduce((a, v) => a + Math.abs(v), 0) / found.length;
  return `mean |g| ${text(mean)}`;
}

// A gradient as lines, as long as it is small.
export function block({ data, shape, data_omitted }, most = 36) {
  const count = shape.reduce((a, b) => a * b, 1);
  if (data_omitted || data === undefined || count > most || shape.length > 2) {
    return data_omitted || data === undefined ? `[${shape.join(", ")}], too large to show` : `[${shape.join(", ")}]  ${brief({ data, shape })}`;
  }
  if (shape.length === 0) return text(data);
  if (shape.length === 1) return `[${data.map(text).join(", ")}]`;
  const cells = data.map((row) => row.map(text));
  const wide = Math.max(...cells.flat().map((c) => c.length));
  return cells.map((row, i) => `${i ? " " : "["}[${row.map((c) => c.padStart(wide)).join(", ")}]${i === cells.length - 1 ? "]" : ","}`).join("\n");
}
