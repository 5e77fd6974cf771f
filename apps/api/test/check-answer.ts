import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import type { Operation } from "./operations.ts";

type Answer = { status: number; headers: Headers; text: string };
type Content = Record<string, { schema?: object }>;
type Document = {
  paths: Record<
    string,
    Record<string, { responses: Record<string, { description: string; content?: Content }> }>
  >;
};
/** What an answer has that the description does not tell of. */
export type CheckAnswer = (operation: Operation, answer: Answer) => string[];

/** Compares answers with what the served description says of them: status, type, code, body. */
export function createAnswerCheck(document: Document): CheckAnswer {
  const ajv = new Ajv2020({ strict: false, logger: false });
  addFormats.default(ajv);
  ajv.addSchema({ $id: "description", ...document });
  const validators = new Map<string, ValidateFunction>();
  const findValidator = (place: string[]) => {
    const pointer = place.map((one) => encodeURIComponent(escapePointer(one))).join("/");
    const known = validators.get(pointer) ?? ajv.compile({ $ref: `description#/${pointer}` });
    validators.set(pointer, known);
    return known;
  };

  return ({ path, method }, { status, headers, text }) => {
    const asked = method.toLowerCase();
    const described = document.paths[path]?.[asked]?.responses[status];
    if (!described) return [`answers ${status}, which is not described`];
    const [type = ""] = (headers.get("content-type") ?? "").split(";");
    const types = Object.keys(described.content ?? {});
    const known = types.find((one) => isLike(type, one));
    if (known === undefined) {
      return type === "" && types.length === 0 ? [] : [`${status} is ${type}, not ${types}`];
    }
    if (!type.includes("json")) return [];
    const body = JSON.parse(text);
    const isToldOf = status < 400 || described.description.includes(`\`${body.code}\``);
    const place = ["paths", path, asked, "responses", String(status), "content", known, "schema"];
    const validate = findValidator(place);
    return [
      ...(isToldOf ? [] : [`refuses with ${body.code}, which is not described`]),
      ...(validate(body)
        ? []
        : [`${status} is not as described: ${ajv.errorsText(validate.errors)}`]),
    ];
  };
}

const escapePointer = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");

const isLike = (type: string, described: string): boolean =>
  described === "*/*" || described === type || type.startsWith(described.replace(/\*$/, ""));
