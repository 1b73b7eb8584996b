import { formatSize } from "../../text/index.ts";
import type { BootReport } from "../types.ts";
import { percent } from "./format.ts";
import { type Html, type HtmlValue, html } from "./html.ts";
import { badge, hatchOf } from "./series.ts";
import { bar, table } from "./table.ts";

const MEASURES: readonly { readonly title: string; readonly of: (boot: BootReport) => number | undefined }[] = [
  { title: "Brought into memory by the loader", of: ({ boot }) => boot.loadedBytes ?? undefined },
  { title: "Read of the image, with what was read twice", of: ({ image }) => image.requestedBytes },
  { title: "Read of the image, each byte once", of: ({ image }) => image.readBytes },
  { title: "Used of the image: clusters touched", of: ({ image }) => image.usedBytes },
  { title: "The whole image", of: ({ image }) => image.imageBytes },
];

/** What is loaded beside what is used, on one scale. */
export function bytesTable(boots: readonly BootReport[]): Html {
  const all = boots.flatMap((boot) => MEASURES.map(({ of }) => of(boot) ?? 0));
  const largest = Math.max(...all);
  const rows = MEASURES.flatMap(({ title, of }) =>
    boots.flatMap((boot, index): HtmlValue[][] => {
      const value = of(boot);
      if (value === undefined || (value === 0 && boot.image.requests === 0)) return [];
      const length = percent(value, largest);
      const name = boots.length === 1 ? title : html`${badge(boot.letter, index)} ${title}`;
      return [[name, bar([{ from: "0", length, paint: hatchOf(index) }]), formatSize(value)]];
    }),
  );
  const columns = [{ title: "what" }, { title: "", kind: "bar" }, { title: "bytes", kind: "number" }] as const;
  return html`<div class="wide-names one-figure">${table("Bytes loaded and bytes used", columns, rows)}</div>`;
}
