// Starts the documentation page; a file of its own, so that no script stands in the page. What an example needs is there when it is pressed:
// a session with the tutorial's tensors for SESSION_ID, and the function of the examples.
const SESSION = "SESSION_ID";
const FUNCTION = "/v1/functions/rosenbrock";
let document_ = null;
let session = null; // the page's own
let made = false; // whether the tutorial's tensors are in it

async function ask(method, path, body, headers) {
  const answer = await fetch(path, {
    method,
    headers: { "Content-Type": "application/json", ...(headers.Authorization && { Authorization: headers.Authorization }) },
    body: body && JSON.stringify(body),
  });
  return answer.ok ? answer.json() : null;
}

const example = (method, path, name) =>
  document_.paths[path][method].requestBody.content["application/json"].examples[name].value;

async function opened(headers) {
  session ??= (await ask("POST", "/v1/sessions", {}, headers))?.session_id ?? null;
  if (session && !made) {
    const { steps } = example("post", "/v1/sessions/{session_id}/batch", "the tutorial");
    made = Boolean(await ask("POST", `/v1/sessions/${session}/batch`, { steps: steps.filter(({ op }) => op !== "backward") }, headers));
  }
  return session;
}

async function prepared(request) {
  const headers = request.headers ?? {};
  const url = new URL(request.url, location.href);
  if (url.pathname.includes(SESSION)) request.url = request.url.replace(SESSION, (await opened(headers)) ?? SESSION);
  if (url.pathname.startsWith(FUNCTION) && request.method !== "PUT") {
    const known = await ask("GET", "/v1/functions", undefined, headers);
    if (known && !known.functions.some(({ name }) => name === "rosenbrock")) await ask("PUT", FUNCTION, example("put", "/v1/functions/{name}", "code"), headers);
  }
  return request;
}

function heard(response) {
  const path = new URL(response.url, location.href).pathname;
  if (path === "/v1/sessions" && response.status === 201) {
    session = response.obj.session_id;
    made = false;
  }
  if (path === `/v1/sessions/${session}` && response.status === 204) session = null;
  if (!session) made = false;
  return response;
}

fetch("/openapi.json")
  .then((answer) => answer.json())
  .then((spec) => {
    document_ = structuredClone(spec);
    window.ui = SwaggerUIBundle({
      spec,
      dom_id: "#swagger-ui",
      deepLinking: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      validatorUrl: null,
      syntaxHighlight: { activated: true },
      requestInterceptor: prepared,
      responseInterceptor: heard,
    });
  });
