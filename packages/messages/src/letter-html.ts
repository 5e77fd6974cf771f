/**
 * The one layout of all letters. Heavy to load (React and react-email): imported when the first
 * letter is rendered, by render-letter.ts alone.
 */
import { type CSSProperties, createElement as h, type ReactNode } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { Body, Button, Container, Head, Heading, Hr, Html, Link, Section, Text } from "react-email";
import { directions, type Language } from "./language.ts";
import type { Letter } from "./letter.ts";

export type Page = {
  language: Language;
  letter: Letter;
  /** The name of the shop, above and below the letter. */
  brand: string | undefined;
  greeting: string | undefined;
  /** What stands small below the letter. */
  footer: string | undefined;
};

const font = 'system-ui, -apple-system, "Segoe UI", Roboto, Vazirmatn, Tahoma, Arial, sans-serif';
const ink = "#1c2024";
const faint = "#60646c";

/** A letter as an HTML document that mail programs and browsers show alike; values are escaped. */
export function renderLetterHtml(page: Page): string {
  const { language, letter, brand, greeting, footer } = page;
  const dir = directions[language];
  // Mail programs know left and right better than start and end.
  const align = dir === "rtl" ? "right" : "left";
  const line = (text: string, key: number) => h(Text, { key, style: textStyle(align) }, text);
  const document = renderToStaticMarkup(
    h(
      Html,
      { lang: language, dir },
      h(Head, null, h("meta", viewport), h("title", null, letter.subject)),
      h(
        Body,
        { dir, lang: language, style: { margin: 0, background: "#f3f4f6", fontFamily: font } },
        h(
          Container,
          { dir, style: { maxWidth: 560, padding: "24px 12px" } },
          brand && h(Text, { style: { ...small(align), fontWeight: 600 } }, brand),
          h(
            Section,
            { dir, style: cardStyle },
            h(Heading, { as: "h1", style: headingStyle(align) }, letter.subject),
            greeting && line(greeting, -1),
            letter.paragraphs.map(line),
            letter.rows && listRows(letter.rows, align),
            letter.action && showAction(letter.action, align),
          ),
          footer && h(Text, { style: { ...small(align), marginTop: 16 } }, footer),
        ),
      ),
    ),
  );
  return `<!DOCTYPE html>${document}`;
}

type Align = "left" | "right";

function listRows(rows: NonNullable<Letter["rows"]>, align: Align): ReactNode {
  const cell: CSSProperties = {
    padding: "10px 0",
    borderTop: "1px solid #e3e5e9",
    fontSize: 15,
    lineHeight: "24px",
    textAlign: align,
    verticalAlign: "top",
  };
  const label = { ...cell, width: "34%", color: faint };
  const value = { ...cell, color: ink, fontWeight: 500, overflowWrap: "anywhere" as const };
  return h(
    "table",
    { width: "100%", cellPadding: 0, cellSpacing: 0, style: { marginTop: 16 } },
    h(
      "tbody",
      null,
      rows.map(([name, text]) =>
        h(
          "tr",
          { key: name },
          h("th", { scope: "row", style: { ...label, fontWeight: 400 } }, name),
          h("td", { style: value }, h("bdi", null, text)),
        ),
      ),
    ),
  );
}

/** A button, and the same address to read, for whoever mistrusts buttons. */
function showAction({ label, url }: NonNullable<Letter["action"]>, align: Align): ReactNode {
  const link = h(Link, { href: url, dir: "ltr", style: { color: faint } }, url);
  return [
    h(
      Section,
      { key: "button", style: { textAlign: align, padding: "12px 0 4px" } },
      h(Button, { href: url, style: buttonStyle }, label),
    ),
    h(Hr, { key: "line", style: { borderColor: "#e3e5e9", margin: "16px 0 8px" } }),
    h(Text, { key: "link", style: { ...small(align), margin: 0, overflowWrap: "anywhere" } }, link),
  ];
}

const viewport = { name: "viewport", content: "width=device-width, initial-scale=1" };

const cardStyle: CSSProperties = {
  background: "#ffffff",
  border: "1px solid #e3e5e9",
  borderRadius: 12,
  padding: "28px 28px 20px",
};

const buttonStyle: CSSProperties = {
  background: ink,
  color: "#ffffff",
  borderRadius: 8,
  padding: "12px 22px",
  fontSize: 15,
  fontWeight: 600,
};

const textStyle = (textAlign: Align): CSSProperties => ({
  margin: "0 0 8px",
  fontSize: 15,
  lineHeight: "26px",
  color: ink,
  textAlign,
});

const headingStyle = (textAlign: Align): CSSProperties => ({
  margin: "0 0 14px",
  fontSize: 21,
  lineHeight: "32px",
  color: ink,
  textAlign,
});

const small = (textAlign: Align): CSSProperties => ({
  margin: "0 4px 12px",
  fontSize: 13,
  lineHeight: "22px",
  color: faint,
  textAlign,
});
