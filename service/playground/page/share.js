// A notebook in the URL's fragment: JSON, deflated, in base64url. The fragment never reaches a server.

const ALPHABET = [
  ["+", "-"],
  ["/", "_"],
];

async function through(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

export async function pack(notebook) {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(notebook)), new CompressionStream("deflate-raw"));
  let text = btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join("")).replace(/=+$/, "");
  for (const [a, b] of ALPHABET) text = text.replaceAll(a, b);
  return text;
}

export async function unpack(text) {
  for (const [a, b] of ALPHABET) text = text.replaceAll(b, a);
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const found = JSON.parse(new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw"))));
  if (typeof found.title !== "string" || !Array.isArray(found.cells)) throw new Error("no notebook");
  const cells = found.cells
    .filter((c) => Array.isArray(c) && typeof c[1] === "string")
    .map(([kind, content]) => ({ kind: kind === "t" ? "text" : "code", content }));
  return { title: found.title.slice(0, 200), cells: cells.slice(0, 500) };
}

export const packable = ({ title, cells }) => ({
  title,
  cells: cells.map(({ kind, content }) => [kind === "text" ? "t" : "c", content]),
});
