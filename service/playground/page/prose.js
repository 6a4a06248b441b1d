// Prose with a little of Markdown: headings, paragraphs, lists, quotes, fenced code; **strong**, *emphasis*, `code`, [links](https://…).
// It makes elements, never HTML of a text; links go to this site, or by http(s), and nowhere else.

import { h } from "./dom.js";

const INLINE = /(?<ticks>`{1,9})(?<code>.{1,2000}?)\k<ticks>(?!`)|\[(?<label>[^[\]]{1,400})\]\((?<to>[^()\s]{1,2000})\)|\*\*(?<strong>\S|\S.{0,2000}?\S)\*\*|(?<![\p{L}\p{N}*])\*(?<em>[^*\s]|[^*\s][^*]{0,2000}[^*\s])\*(?![\p{L}\p{N}*])/gsu;
const FENCE = /^(```+|~~~+)\s*\w*\s*$/;
const HEADING = /^(#{1,3}) +(.+)$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)]) +(.*)$/;
const QUOTE = /^> ?/;

function link(label, to) {
  let url;
  try {
    url = new URL(to, location.href);
  } catch {
    return null;
  }
  const own = /^[#/]/.test(to) && url.origin === location.origin; // "//host" and "/\\host" lead elsewhere
  if (!own && !/^https?:$/.test(url.protocol)) return null;
  return h("a", own ? { href: to } : { href: url.href, target: "_blank", rel: "noopener noreferrer" }, inline(label));
}

export function inline(text) {
  const found = [];
  let at = 0;
  for (const match of text.matchAll(INLINE)) {
    const { code, label, to, strong, em } = match.groups;
    found.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (code !== undefined) found.push(h("code", null, code.trim() || code));
    else if (label !== undefined) found.push(link(label, to) ?? match[0]);
    else if (strong !== undefined) found.push(h("strong", null, inline(strong)));
    else found.push(h("em", null, inline(em)));
  }
  return [...found, text.slice(at)];
}

function list(lines) {
  const items = [];
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (item) items.push(item[3]);
    else items[items.length - 1] += `\n${line.trim()}`;
  }
  const mark = ITEM.exec(lines[0])[2];
  const numbered = /\d/.test(mark);
  const first = Number.parseInt(mark, 10);
  return h(numbered ? "ol" : "ul", numbered && first !== 1 ? { start: first } : null, items.map((item) => h("li", null, inline(item))));
}

const DEEPEST = 8; // quotes within quotes

export function prose(text, depth = 0) {
  const lines = text.replace(/\r/g, "").split("\n");
  const found = [];
  let at = 0;
  const until = (ends) => {
    const from = at++;
    while (at < lines.length && !ends(lines[at])) at++;
    return lines.slice(from, at);
  };
  const quotes = (line) => depth < DEEPEST && QUOTE.test(line);
  const begins = (line) => FENCE.test(line) || HEADING.test(line) || quotes(line);
  while (at < lines.length) {
    const line = lines[at];
    const fence = FENCE.exec(line)?.[1];
    const heading = HEADING.exec(line);
    if (!line.trim()) at++;
    else if (fence) {
      const body = until((l) => l.trimEnd() === fence).slice(1);
      at++; // the fence that ends it
      found.push(h("pre", { tabindex: 0 }, h("code", null, body.join("\n"))));
    } else if (heading) {
      found.push(h(`h${heading[1].length}`, null, inline(heading[2])));
      at++;
    } else if (quotes(line)) found.push(h("blockquote", null, prose(until((l) => !quotes(l)).map((l) => l.replace(QUOTE, "")).join("\n"), depth + 1)));
    else if (ITEM.test(line)) found.push(list(until((l) => !l.trim() || begins(l))));
    else found.push(h("p", null, inline(until((l) => !l.trim() || begins(l) || ITEM.test(l)).join("\n"))));
  }
  return found;
}
