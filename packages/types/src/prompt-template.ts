const known = /^(label|input|params\.[A-Za-z0-9_]{1,64})$/;

/**
 * The sentence that says what is wrong with the template of a prompt: it names something that no
 * request has. Undefined when nothing is. Braces around anything but a name are text.
 */
export function findTemplateFault(template: string): string | undefined {
  for (const [, name = ""] of template.matchAll(/\{\s*([\w.-]*)\s*\}/g)) {
    if (!known.test(name)) return `Not {${name}}: only {label}, {input} and {params.name}.`;
  }
  const spaced = /\{(\s+[\w.-]+\s*|[\w.-]+\s+)\}/.exec(template);
  return spaced ? "No spaces within the braces of a name." : undefined;
}
