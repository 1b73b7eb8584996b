import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { analyseTraces, type ReportedTrace, renderReport, type ScalingSeries } from "../../src/report/index.ts";
import { html } from "../../src/report/page/html.ts";
import {
  HOSTILE_LINE,
  HOSTILE_NAME,
  manyReads,
  SAMPLE_DETAILS,
  sampleMap,
  sampleTrace,
} from "../support/sample-traces.ts";

const SCALING: readonly ScalingSeries[] = [
  {
    variant: "<b>classic</b>",
    points: [
      { contentBytes: 1e6, guestNs: 1e9 },
      { contentBytes: 2e6, guestNs: 2e9 },
    ],
  },
  { variant: "lazy", points: [{ contentBytes: 1e6, guestNs: 5e8 }] },
];

function page(traces: readonly Partial<ReportedTrace>[] = [{}], scaling: readonly ScalingSeries[] = []): string {
  const given = traces.map((changes) => ({ name: "boot.trace", trace: sampleTrace(), map: sampleMap(), ...changes }));
  return renderReport(analyseTraces(given, scaling));
}

const hostileBoot = {
  name: HOSTILE_LINE,
  trace: sampleTrace({
    boot: { kernelRelease: HOSTILE_LINE, commandLine: HOSTILE_LINE, generator: HOSTILE_LINE, folder: HOSTILE_LINE },
    milestones: [{ name: "__proto__", title: HOSTILE_LINE, ns: 1 }],
    steps: [{ verb: HOSTILE_LINE, outcome: HOSTILE_LINE, startNs: 0, endNs: 5 }],
    disks: [{ name: HOSTILE_LINE, requests: 1, bytes: 1 }],
  }),
};

describe("the page", () => {
  test("is the same for the same traces", () => {
    expect(page([{}, {}], SCALING)).toBe(page([{}, {}], SCALING));
  });

  test("asks for nothing from elsewhere, and names no date", () => {
    const text = page([{}, {}], SCALING);
    expect(text).not.toMatch(/(?:src|href)="(?!data:,")/);
    expect(text).not.toMatch(/https?:|@import|url\((?!#)/);
    expect(text).not.toContain(String(new Date().getFullYear()));
  });

  test("permits exactly its own style and script", () => {
    const text = page();
    for (const element of ["style", "script"]) {
      const content = new RegExp(`<${element}>([\\s\\S]*?)</${element}>`).exec(text)?.[1] ?? "";
      const digest = createHash("sha256").update(content).digest("base64");
      expect(text).toContain(`${element}-src &#39;sha256-${digest}&#39;`);
    }
    expect(text).not.toMatch(/ style="/);
  });

  test("holds nothing of a trace or an image as markup", () => {
    const text = page([hostileBoot, hostileBoot], SCALING);
    expect(text).not.toContain("<img");
    expect(text).not.toContain("<b>classic");
    // One of its own, and the data of two maps.
    expect(text.match(/<script/g)).toHaveLength(3);
    expect(text.match(/<\/script/g)).toHaveLength(3);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: it is what must not be there
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text).toContain(
      "&lt;!-- --&gt;&lt;/code&gt;&lt;script&gt;alert(2)&lt;/script&gt; \\x1b[31m \\xe2\\x80\\xae&quot;&#39;",
    );
  });

  test("gives the script its data as it is", () => {
    const data = JSON.parse(/<script type="application\/json" id="map-A">(.*?)<\/script>/.exec(page())?.[1] ?? "");
    expect(data.names).toContain("/init");
    expect(data.names).toContain(`/${HOSTILE_NAME.replace("\u0001", "\\x01")}`);
    expect(data.firstUs).toHaveLength(32);
    expect(data.firstUs[6]).toBe(600_000);
  });

  test("shows memory in use and what modules took, where the trace tells", () => {
    const text = page([{ trace: sampleTrace(SAMPLE_DETAILS) }]);
    expect(text).toMatch(/kernel starts \/init<\/th>[^\n]*100\.0 MB/);
    expect(text).toMatch(/the initrd&#39;s own init runs<\/th>[^\n]*125\.0 MB/);
    expect(text).toMatch(/<code>dm_mod<\/code>[^\n]*first stage[^\n]*50\.0 ms[^\n]*1\.0 ms/);
    expect(text).toMatch(/not known<\/td>[^\n]*20\.0 ms/);
    expect(text).toContain("2 modules, 1 of them in the first stage");
    expect(text).not.toContain("<img");
    for (const missing of ["Memory in use", "Kernel modules"]) expect(page()).not.toContain(missing);
  });

  test("says why files are not named", () => {
    expect(page([{ map: { missing: "there is <no> such file" } }])).toContain("there is &lt;no&gt; such file");
  });

  test("labels boots of different images and kernels", () => {
    const other = { trace: sampleTrace({ boot: { rootHash: null, kernelRelease: "6.1" } }) };
    expect(page([{}, other])).toContain("A and B booted different images");
    expect(page([{}, other])).toContain("A and B booted different kernels");
    expect(page([{}, {}])).not.toContain("booted different");
  });

  test("is made of traces in which nothing happened", () => {
    const nothing = { milestones: [], steps: [], lines: [], reads: [], end: "timeout" } as const;
    const trace = sampleTrace({ ...nothing, boot: { imageBytes: 0, machine: null, source: "machine" } });
    const text = page([{ trace, map: { missing: "none" } }]);
    expect(text).toContain("time was over before it got there");
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  test("has no figure that is none", () => {
    expect(page([hostileBoot, {}, {}], SCALING).replace(/<script[\s\S]*?<\/script>/g, "")).not.toMatch(
      /NaN|Infinity|undefined/,
    );
  });

  test("has a bounded size, however many reads there were", () => {
    const paths = Array.from(
      { length: 3000 },
      (_, index) => `usr/lib/modules/6.12.1/kernel/drivers/some/place/module${index}.ko`,
    );
    const map = sampleMap(paths);
    const reads = manyReads(100_000, map.sizeBytes);
    const text = page([{ trace: sampleTrace({ boot: { imageBytes: map.sizeBytes }, reads }), map }]);
    expect(text.length).toBeLessThan(2e6);
  });
});

test("templates escape everything but markup", () => {
  const markup = html`<p title="${`"'<>&`}">${["a<", html`<b>${"</b>"}</b>`, 7, undefined]}</p>`.markup;
  expect(markup).toBe('<p title="&quot;&#39;&lt;&gt;&amp;">a&lt;<b>&lt;/b&gt;</b>7</p>');
});
