/** What may begin a formula in a spreadsheet: also wide, small and raised forms. */
const trigger = "=＝﹦⁼₌+＋﹢⁺₊\\-－﹣⁻₋−@＠﹫";
/**
 * Where a cell begins: the text's own beginning, and behind whatever a spreadsheet of another
 * country takes for the end of a cell or line. Quotes and what can't be seen don't help there.
 */
const beginning = `(^|[;|\\t\\r\\n])(?=(?:(?![\\t\\r\\n])["\\s\\p{C}])*[${trigger}])`;
const formula = new RegExp(beginning, "gu");
const breaks = /^[\t\r\n]/;

/**
 * A text that no spreadsheet runs as a formula (OWASP, CSV Injection): an apostrophe stands before
 * what could begin one. Texts that have nothing of the kind stay as they are.
 */
export function guardText(text: string): string {
  const guarded = text.replace(formula, "$1'");
  return breaks.test(guarded) ? `'${guarded}` : guarded;
}
