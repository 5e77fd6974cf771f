type Document = {
  paths: Record<string, Record<string, { operationId: string }>>;
  components: Record<string, Record<string, unknown>>;
};

/** The description of these operations and of what they refer to, and of nothing else. */
export function selectOperations(document: Document, names: readonly string[]): Document {
  const paths: Document["paths"] = {};
  for (const [path, methods] of Object.entries(document.paths)) {
    const kept = Object.entries(methods).filter(([, one]) => names.includes(one.operationId));
    if (kept.length > 0) paths[path] = Object.fromEntries(kept);
  }
  const components: Document["components"] = {};
  const { securitySchemes } = document.components;
  if (securitySchemes) components.securitySchemes = securitySchemes;
  const waiting: unknown[] = [paths];
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    for (const [, kind = "", name = ""] of listReferences(part)) {
      const found = document.components[kind]?.[name];
      if (found === undefined || components[kind]?.[name] !== undefined) continue;
      components[kind] = { ...components[kind], [name]: found };
      waiting.push(found);
    }
  }
  return { ...document, paths, components };
}

const listReferences = (part: unknown) =>
  JSON.stringify(part).matchAll(/"#\/components\/(\w+)\/(\w+)"/g);
