import { Html, type HtmlValue, html } from "./html.ts";

export interface Column {
  readonly title: HtmlValue;
  readonly kind?: "number" | "bar" | "path" | undefined;
}

/**
 * A table. The first cell of each row is its heading.
 * @param caption what it shows; read aloud, and shown only where `details` shows it
 */
export function table(caption: string, columns: readonly Column[], rows: readonly (readonly HtmlValue[])[]): Html {
  // On a small screen such a row is laid out in two lines, which takes a table's meaning from it unless it is said.
  const role = columns.some(({ kind }) => kind === "bar")
    ? (name: string) => new Html(` role="${name}"`)
    : () => undefined;
  const classOf = (column: number): string => columns[column]?.kind ?? "text";
  const head = columns.map(
    ({ title }, column) => html`<th scope="col" class="${classOf(column)}"${role("columnheader")}>${title}</th>`,
  );
  const body = rows.map((row) => {
    const cells = row.map((cell, column) =>
      column === 0
        ? html`<th scope="row" class="${classOf(column)}"${role("rowheader")}>${cell}</th>`
        : html`<td class="${classOf(column)}"${role("cell")}>${cell}</td>`,
    );
    return html`<tr${role("row")}>${cells}</tr>\n`;
  });
  return html`<div class="table"><table${role("table")}><caption class="spoken">${caption}</caption
><thead${role("rowgroup")}><tr${role("row")}>${head}</tr></thead>
<tbody${role("rowgroup")}>${body}</tbody></table></div>`;
}

/** Something that is there for those who want it. */
export function folded(summary: HtmlValue, content: HtmlValue): Html {
  return html`<details><summary>${summary}</summary>${content}</details>`;
}

/** A bar in a cell. Parts are given in percent. */
export function bar(
  parts: readonly { readonly from: string; readonly length: string; readonly paint: string }[],
): Html {
  const rects = parts.map(
    ({ from, length, paint }) => html`<rect x="${from}" width="${length}" height="100%" fill="${paint}"/>`,
  );
  return html`<svg class="track" aria-hidden="true">${rects}</svg>`;
}

/** Where a table ends before its rows do. */
export function restLine(total: number, shown: number, what: string): Html | undefined {
  if (total <= shown) return undefined;
  return html`<p class="note">The first ${shown} of ${total} ${what}; <code>lazyrd report --json</code> prints all.</p>`;
}
