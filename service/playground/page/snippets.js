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

// With a key, each reads it from the environment: the key itself is never copied.
const WRITERS = {
  curl({ method, url, body, key }) {
    const verb = method === (body === undefined ? "GET" : "POST") ? "" : `-X ${method} `;
    const auth = key ? ' \\\n  -H "Authorization: Bearer $GRADWIRE_KEY"' : "";
    const rest = body === undefined ? "" : ` \\\n  -H 'Content-Type: application/json' \\\n  -d ${shell(JSON.stringify(body))}`;
    return `curl -s ${verb}${shell(url)}${auth}${rest}`;
  },
  Python({ method, url, body, key }) {
    const auth = key ? `,\n    headers={"Authorization": f"Bearer {os.environ['GRADWIRE_KEY']}"}` : "";
    const rest = body === undefined ? (auth && `${auth},\n`) : `${auth},\n    json=${python(body)},\n`;
    return `${key ? "import os\n\n" : ""}import httpx\n\nanswer = httpx.request(\n    ${quoted(method)}, ${quoted(url)}${rest || ",\n"})\nanswer.raise_for_status()\nprint(answer.text)`;
  },
  JavaScript({ method, url, body, key }) {
    const sent = [key && "Authorization: `Bearer ${process.env.GRADWIRE_KEY}`", body !== undefined && '"Content-Type": "application/json"'].filter(Boolean);
    const headers = sent.length ? `\n  headers: { ${sent.join(", ")} },` : "";
    const rest = body === undefined ? headers : `${headers}\n  body: JSON.stringify(${JSON.stringify(body, null, 2).replaceAll("\n", "\n  ")}),`;
    return `const answer = await fetch(${quoted(url)}, {\n  method: ${quoted(method)},${rest}\n});\nconsole.log(await answer.text());`;
  },
  R({ method, url, body, key }) {
    const auth = key ? ' |>\n  req_auth_bearer_token(Sys.getenv("GRADWIRE_KEY"))' : "";
    const rest = body === undefined ? "" : ` |>\n  req_body_raw(${r(JSON.stringify(body))}, "application/json")`;
    return `library(httr2)\n\nanswer <- request(${quoted(url)}) |>\n  req_method(${quoted(method)})${auth}${rest} |>\n  req_perform()\ncat(resp_body_string(answer))`;
  },
  Julia({ method, url, body, key }) {
    const sent = [key && '"Authorization" => "Bearer $(ENV["GRADWIRE_KEY"])"', body !== undefined && '"Content-Type" => "application/json"'].filter(Boolean);
    const headers = sent.length ? `,\n    [${sent.join(", ")}]` : "";
    const rest = body === undefined ? headers : `${headers},\n    ${julia(JSON.stringify(body))}`;
    return `using HTTP\n\nanswer = HTTP.request(${quoted(method)}, ${quoted(url)}${rest})\nprintln(String(answer.body))`;
  },
};

export function snippet(language, { method, path, body }, key = sessionStorage.getItem("gradwire-key") !== null) {
  return WRITERS[language]({ method, url: new URL(path, location.href).href, body, key });
}
