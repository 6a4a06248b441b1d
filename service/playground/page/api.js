// The public API and nothing else. Every request is remembered, so that the page can show it as curl, Python, JavaScript, R or Julia.

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail ?? `The service answered ${status}.`);
    this.status = status;
    this.body = body ?? {};
  }
}

export class Api {
  constructor({ onrequest, askKey }) {
    this.onrequest = onrequest;
    this.askKey = askKey;
    this.session = null;
    this.info = null;
    this.running = false; // whether a cell's text is at the server
    this.log = [];
  }

  async request(method, path, body, { quiet = false } = {}) {
    const headers = { ...this.credentials(), ...(body === undefined ? {} : { "Content-Type": "application/json" }) };
    const began = performance.now();
    let response;
    try {
      response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch {
      throw new Problem(0, { detail: "The service cannot be reached. Is it still running?" });
    }
    const type = response.headers.get("Content-Type") ?? "";
    const found = response.status === 204 ? null : type.includes("json") ? await response.json() : await response.text();
    if (response.status === 401 && this.askKey) {
      const given = await this.askKey(headers.Authorization ? `That key was not accepted. ${found?.detail}` : found?.detail);
      if (given) {
        sessionStorage.setItem("gradwire-key", given);
        return this.request(method, path, body, { quiet });
      }
    }
    if (!quiet) {
      this.log.push({ method, path, body, status: response.status, ms: performance.now() - began });
      if (this.log.length > 60) this.log.shift();
      this.onrequest?.();
    }
    if (!response.ok) throw new Problem(response.status, typeof found === "object" ? found : { detail: found });
    return found;
  }

  credentials() {
    const key = sessionStorage.getItem("gradwire-key");
    return key ? { Authorization: `Bearer ${key}` } : {};
  }

  // The page goes away, and its session with it.
  leave() {
    if (this.session) fetch(this.at(), { method: "DELETE", headers: this.credentials(), keepalive: true }).catch(() => {});
    this.session = null;
  }

  at(rest = "") {
    return `/v1/sessions/${this.session}${rest}`;
  }

  async open(name) {
    if (this.session) this.request("DELETE", this.at(), undefined, { quiet: true }).catch(() => {});
    this.session = null;
    const made = await this.request("POST", "/v1/sessions", { name, seed: 0 });
    this.session = made.session_id;
    this.info = made;
    return made;
  }

  async run(code, quiet = false) {
    this.running = true;
    try {
      return await this.request("POST", this.at("/run"), { code, trace: true, on_error: "keep" }, { quiet });
    } finally {
      this.running = false;
    }
  }

  cancel() {
    return this.request("DELETE", this.at("/run"));
  }

  graph(root, most) {
    const query = new URLSearchParams({ max_nodes: String(most) });
    if (root) query.append("root", root);
    return this.request("GET", this.at(`/graph?${query}`));
  }

  async tensors() {
    return (await this.request("GET", this.at("/tensors?data=never"), undefined, { quiet: true })).tensors;
  }

  tensor(name, quiet = false) {
    return this.request("GET", this.at(`/tensors/${encodeURIComponent(name)}?data=always`), undefined, { quiet });
  }
}

export const expired = (problem) => problem instanceof Problem && problem.status === 404 && /^there is no such session/.test(problem.message);
export const EXPIRED = "The session expired. Run a cell: a new one begins, and the cells that had run are run again.";
