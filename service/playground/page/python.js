// Python's text as coloured pieces: [kind, text] whose texts join to the whole. A reader for the eye; the server reads for meaning.

const KEYWORDS = new Set(
  "and as assert async await break class continue def del elif else except finally for from global if import in is lambda nonlocal not or pass raise return try while with yield".split(" "),
);
const CONSTANTS = new Set(["None", "True", "False"]);
const PIECE = new RegExp(
  [
    "(?<comment>#[^\\n]*)",
    "(?<string>[rRbBfFuU]{0,2}(?:\"\"\"[\\s\\S]*?(?:\"\"\"|$)|'''[\\s\\S]*?(?:'''|$)|\"(?:\\\\.|[^\"\\\\\\n])*\"?|'(?:\\\\.|[^'\\\\\\n])*'?))",
    "(?<number>\\b(?:0[xX][\\da-fA-F_]+|0[bB][01_]+|(?:\\d[\\d_]*\\.?[\\d_]*|\\.\\d[\\d_]*)(?:[eE][+-]?\\d+)?[jJ]?))",
    "(?<name>[\\p{L}_][\\p{L}\\p{N}_]*)",
    "(?<space>\\s+)",
    "(?<operator>[-+*/%@&|^~<>=!]+)",
    "(?<other>[\\s\\S])",
  ].join("|"),
  "gu",
);

export function pieces(text) {
  const found = [];
  let before = "";
  for (const match of text.matchAll(PIECE)) {
    const [kind, piece] = Object.entries(match.groups).find(([, value]) => value !== undefined);
    let told = kind;
    if (kind === "comment" && piece.startsWith("#:")) told = "directive";
    if (kind === "name") {
      if (KEYWORDS.has(piece)) told = "keyword";
      else if (CONSTANTS.has(piece)) told = "number";
      else if (before === "def" || before === "class") told = "defined";
      else told = "plain";
    }
    if (kind === "space" || kind === "other") told = "plain";
    found.push([told, piece]);
    if (kind !== "space") before = piece;
  }
  return found;
}

// How a line that follows `line` is indented.
export function indentAfter(line) {
  const indent = /^[ \t]*/.exec(line)[0];
  const code = line.replace(/#.*$/, "").trimEnd();
  if (code.endsWith(":")) return indent + "    ";
  if (/^\s*(return|pass|break|continue|raise)\b/.test(code)) return indent.slice(0, Math.max(0, indent.length - 4));
  return indent;
}
