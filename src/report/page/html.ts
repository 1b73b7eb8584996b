import { createHash } from "node:crypto";
import { fromText, toText } from "../../bytes/index.ts";

/** Markup; everything else that gets into a page is text and is escaped. */
export class Html {
  readonly markup: string;

  constructor(markup: string) {
    this.markup = markup;
  }
}

export type HtmlValue = Html | string | number | undefined | readonly HtmlValue[];

/** Markup from a template. Values that are no markup themselves are shown as they are, whatever they hold; undefined is nothing. */
export function html(template: TemplateStringsArray, ...values: readonly HtmlValue[]): Html {
  let markup = template[0] ?? "";
  for (const [index, value] of values.entries()) markup += markupOf(value) + (template[index + 1] ?? "");
  return new Html(markup);
}

function markupOf(value: HtmlValue): string {
  if (value === undefined) return "";
  if (value instanceof Html) return value.markup;
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return escapeText(value);
  let markup = "";
  for (const part of value) markup += markupOf(part);
  return markup;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** For text and for quoted attributes. Control characters, and those that turn the order of text, are shown as bytes. */
function escapeText(text: string): string {
  return toText(fromText(text)).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** A value for the page's script: `</script>` and `<!--` cannot stand in it. */
export function jsonData(id: string, value: unknown): Html {
  const text = JSON.stringify(value).replaceAll("<", "\\u003c");
  return html`<script type="application/json" id="${id}">${new Html(text)}</script>`;
}

/** An inline style or script, and what names it in a content security policy. */
export function inline(
  element: "style" | "script",
  content: string,
): { readonly markup: Html; readonly source: string } {
  const digest = createHash("sha256").update(content, "utf8").digest("base64");
  return { markup: new Html(`<${element}>${content}</${element}>`), source: `'sha256-${digest}'` };
}
