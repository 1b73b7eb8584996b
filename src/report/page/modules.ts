import { counted } from "../../text/index.ts";
import type { TraceModule } from "../../trace/index.ts";
import { formatTime, percent } from "./format.ts";
import { type Html, html } from "./html.ts";
import { bar, table } from "./table.ts";

/** How long kernel modules took: those that took longest first. */
export function modulesSection(modules: readonly TraceModule[]): Html {
  const costOf = ({ initNs, loadNs }: TraceModule): number => loadNs ?? initNs;
  const ordered = [...modules].sort((a, b) => costOf(b) - costOf(a) || (a.name < b.name ? -1 : 1));
  const longest = Math.max(1, ...ordered.slice(0, 1).map(costOf));
  const first = modules.filter(({ inFirstStage }) => inFirstStage).length;
  const rows = ordered.map((module) => [
    html`<code>${module.name}</code> <span class="detail">${module.inFirstStage ? "first stage" : "image"}</span>`,
    bar([{ from: "0", length: percent(costOf(module), longest), paint: `var(--stage${module.inFirstStage ? 2 : 4})` }]),
    module.loadNs === null ? "not known" : formatTime(module.loadNs),
    formatTime(module.initNs),
    formatTime(module.ns),
  ]);
  const columns = [
    { title: "module" },
    { title: "", kind: "bar" },
    { title: "loading", kind: "number" },
    { title: "of that, its init", kind: "number" },
    { title: "done", kind: "number" },
  ] as const;
  return html`<h3>Kernel modules</h3>
<p>${counted(modules.length, "module")}, ${first} of them in the first stage. Times are those of the second boot
(<code>--exact</code>), which is slower; of modules that the image's init loads, only that of their init function is known.</p>
${table("Kernel modules, those that took longest first", columns, rows)}`;
}
