// Shows openapi.json, which is served beside this. Everything is put in as text, so nothing in it can be run.
"use strict";

const element = (name, ...children) => {
  const made = document.createElement(name);
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
};

const follow = (document_, thing) => {
  let found = thing ?? {};
  while (found.$ref) found = found.$ref.slice(2).split("/").reduce((at, part) => at?.[part], document_) ?? {};
  return found;
};

// A schema in a few words; what it is made of is shown one level deep.
const kind = (schema = {}) => {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.oneOf || schema.anyOf) return (schema.oneOf ?? schema.anyOf).map(kind).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array" || schema.type?.includes?.("array")) return `list of ${kind(schema.items)}`;
  return [].concat(schema.type ?? "anything").join(" or ");
};

const table = (heads, rows) =>
  element("table", element("thead", element("tr", ...heads.map((head) => element("th", head)))),
    element("tbody", ...rows.map((row) => element("tr", ...row.map((cell) => element("td", cell ?? ""))))));

const members = (document_, schema) => {
  const whole = follow(document_, schema);
  const parts = [whole, ...(whole.allOf ?? []).map((part) => follow(document_, part))];
  const rows = parts.flatMap((part) => Object.entries(part.properties ?? {}).map(([name, member]) =>
    [element("code", name), kind(member), part.required?.includes(name) ? "required" : "", member.description]));
  return rows.length ? table(["member", "kind", "", "what"], rows) : element("p", kind(schema));
};

const body = (content = {}) => Object.values(content)[0]?.schema;

const operation = (document_, path, method, it) => {
  const scopes = (it.security ?? []).flatMap((one) => Object.values(one)).flat();
  const made = element("details", element("summary", element("b", method.toUpperCase()), element("code", path), ` ${it.summary ?? ""}`));
  made.append(element("p", it.description ?? ""), element("p", `Needs ${scopes.length ? scopes.join(", ") : "any good key"}.`));
  const parameters = (it.parameters ?? []).map((one) => follow(document_, one));
  if (parameters.length) {
    made.append(element("h4", "Parameters"), table(["name", "in", "kind", "what"], parameters.map((one) =>
      [element("code", one.name + (one.required ? " *" : "")), one.in, kind(one.schema), one.description])));
  }
  if (it.requestBody) made.append(element("h4", "Body"), members(document_, body(follow(document_, it.requestBody).content)));
  made.append(element("h4", "Answers"));
  for (const [status, told] of Object.entries(it.responses ?? {})) {
    const answer = follow(document_, told);
    made.append(element("p", element("code", status), ` ${answer.description ?? ""}`));
    const schema = body(answer.content);
    if (schema && status !== "default") made.append(members(document_, schema));
  }
  const data = it.requestBody ? " -H 'Content-Type: application/json' -d @command.json" : "";
  made.append(element("pre", `curl -X ${method.toUpperCase()} -H "Authorization: Bearer $KEY"${data} '${location.origin}${path}'`));
  made.dataset.words = `${method} ${path} ${it.summary ?? ""} ${it.operationId} ${scopes.join(" ")}`.toLowerCase();
  return made;
};

const show = (document_) => {
  document.getElementById("version").textContent = document_.info.version;
  const main = document.getElementById("operations");
  main.replaceChildren();
  const byTag = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, it] of Object.entries(methods)) {
      const tag = it.tags?.[0] ?? "other";
      byTag.set(tag, [...(byTag.get(tag) ?? []), operation(document_, path, method, it)]);
    }
  }
  for (const [tag, made] of byTag) main.append(element("section", element("h2", tag), ...made));
  document.getElementById("find").addEventListener("input", (event) => {
    const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const one of main.querySelectorAll("details")) one.hidden = !words.every((word) => one.dataset.words.includes(word));
    for (const part of main.querySelectorAll("section")) part.hidden = !part.querySelector("details:not([hidden])");
  });
};

fetch("/openapi.json").then((answer) => answer.json()).then(show);
