// npm run bench:report: how long a browser takes to show the report of a boot with very many reads.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { analyseTraces, renderReport } from "../src/report/index.ts";
import { formatSize } from "../src/text/index.ts";
import { launchBrowser } from "../test/support/browser.ts";
import { manyReads, sampleMap, sampleTrace } from "../test/support/sample-traces.ts";

const READS = 100_000;
const FILES = 20_000;
const RUNS = 5;

async function main(): Promise<void> {
  const paths = Array.from({ length: FILES }, (_, index) => `usr/lib/modules/folder${index % 97}/module${index}.ko`);
  const map = sampleMap(paths);
  const trace = sampleTrace({ boot: { imageBytes: map.sizeBytes }, reads: manyReads(READS, map.sizeBytes) });
  const started = performance.now();
  const text = renderReport(analyseTraces([{ name: "many.trace", trace, map }], []));
  const made = performance.now() - started;
  process.stdout.write(`${READS} reads of ${FILES} files: ${formatSize(text.length)}, made in ${made.toFixed(0)} ms\n`);
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-bench-"));
  const browser = await launchBrowser("/usr/bin/chromium");
  try {
    const path = join(folder, "report.html");
    writeFileSync(path, text);
    for (let run = 0; run < RUNS; run++) {
      const page = await (await browser.newContext()).newPage();
      await page.goto(pathToFileURL(path).href);
      const paint = await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0]?.startTime");
      const loaded = await page.evaluate<number>("performance.getEntriesByType('navigation')[0].loadEventEnd");
      process.stdout.write(`first paint after ${paint?.toFixed(0)} ms, complete after ${loaded.toFixed(0)} ms\n`);
      await page.close();
    }
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true });
  }
}

await main();
