// A request as text to paste: curl, Python, JavaScript, R, Julia, with nothing but HTTP.

export const LANGUAGES = ["curl", "Python", "JavaScript", "R", "Julia"];

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const quoted = (text) => JSON.stringify(text);

function python(value, indent = "    ") {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string" && value.includes("\n") && !value.includes('"""') && !value.includes("\\")) return `"""${value}"""`;
  if (Array.isArray(value)) return `[${value.map((v) => python(v, indent)).join(", ")}]`;
  if (typeof value === "object")
    return `{${Object.entries(value)
      .map(([k, v]) => `${quoted(k)}: ${python(v, indent)}`)
      .join(", ")}}`;
  return JSON.stringify(value);
}

// A raw string of R with fence enough that the text cannot end it.
function r(text) {
  let dashes = "";
  while (text.includes(`]${dashes}"`)) dashes += "-";
  return `r"${dashes}[${text}]${dashes}"`;
}

const julia = (text) => `raw"""${text.replace(/(\\*)"/g, (_, slashes) => `${slashes}${slashes}\\"`)}"""`;

const WRITERS = {
  curl({ method, url, body }) {
    const verb = method === (body === undefined ? "GET" : "POST") ? "" : `-X ${method} `;
    const rest = body === undefined ? "" : ` \\\n  -H 'Content-Type: application/json' \\\n  -d ${shell(JSON.stringify(body))}`;
    return `curl -s ${verb}${shell(url)}${rest}`;
  },
  Python({ method, url, body }) {
    const rest = body === undefined ? "" : `,\n    json=${python(body)},\n`;
    return `import httpx\n\nanswer = httpx.request(\n    ${quoted(method)}, ${quoted(url)}${rest || ",\n"})\nanswer.raise_for_status()\nprint(answer.text)`;
  },
  JavaScript({ method, url, body }) {
    const rest =
      body === undefined
        ? ""
        : `\n  headers: { "Content-Type": "application/json" },\n  body: JSON.stringify(${JSON.stringify(body, null, 2).replaceAll("\n", "\n  ")}),`;
    return `const answer = await fetch(${quoted(url)}, {\n  method: ${quoted(method)},${rest}\n});\nconsole.log(await answer.text());`;
  },
  R({ method, url, body }) {
    const rest = body === undefined ? "" : ` |>\n  req_body_raw(${r(JSON.stringify(body))}, "application/json")`;
    return `library(httr2)\n\nanswer <- request(${quoted(url)}) |>\n  req_method(${quoted(method)})${rest} |>\n  req_perform()\ncat(resp_body_string(answer))`;
  },
  Julia({ method, url, body }) {
    const rest = body === undefined ? "" : `,\n    ["Content-Type" => "application/json"],\n    ${julia(JSON.stringify(body))}`;
    return `using HTTP\n\nanswer = HTTP.request(${quoted(method)}, ${quoted(url)}${rest})\nprintln(String(answer.body))`;
  },
};

export function snippet(language, { method, path, body }) {
  return WRITERS[language]({ method, url: new URL(path, location.href).href, body });
}
