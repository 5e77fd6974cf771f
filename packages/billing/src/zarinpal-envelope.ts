/** What ZarinPal answered: its code, and the data of a success. */
export type Envelope = { code: number; data: Record<string, unknown> };

/**
 * The code in an answer, in whichever of its envelopes it comes: {data:{code}}, {errors:{code}}
 * with data as [] or {}, errors as a list, codes as text, and Laravel's {errors:{field:["-54"]}}.
 * The same error has come with HTTP 200, 400, 401 and 422, so the body decides. Undefined where
 * there is no code: an HTML page, a proxy, half an answer.
 */
export function readEnvelope(json: unknown): Envelope | undefined {
  const { data, errors } = toRecord(json);
  const success = toRecord(data);
  const code = toCode(success.code) ?? findErrorCode(errors);
  if (code !== undefined) return { code, data: success };
  // An old answer to request.json has an authority and no code.
  return typeof success.authority === "string" ? { code: 100, data: success } : undefined;
}

function findErrorCode(errors: unknown): number | undefined {
  const listed = Array.isArray(errors) ? errors : [errors];
  for (const error of listed) {
    const code = toCode(toRecord(error).code);
    if (code !== undefined) return code;
  }
  const texts = Object.values(toRecord(errors)).flat();
  return texts.map(toCode).find((code) => code !== undefined);
}

function toCode(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isInteger(value) ? value : undefined;
  if (typeof value !== "string" || !/^-?\d{1,4}$/.test(value.trim())) return undefined;
  return Number(value);
}

function toRecord(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return value as Record<string, unknown>;
}
