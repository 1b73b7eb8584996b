// Takes the pictures of docs/how-to/read-a-report.md: npx tsx scripts/screenshots.ts before.trace after.trace
// The traces' generations must lie where they were traced, so that files can be named.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { launchBrowser } from "../test/support/browser.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const IMAGES = join(ROOT, "docs", "images");
const DESKTOP = { width: 1120, height: 860 };
const PHONE = { width: 375, height: 800 };

async function main([before, after]: readonly string[]): Promise<void> {
  if (before === undefined || after === undefined) throw new Error("Give two traces: before.trace after.trace");
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-"));
  const browser = await launchBrowser("/usr/bin/chromium");
  try {
    mkdirSync(IMAGES, { recursive: true });
    const one = makePage(join(folder, "one.html"), [before]);
    const two = makePage(join(folder, "two.html"), [before, after]);
    await shoot(browser, { page: one, name: "report", colorScheme: "light", viewport: DESKTOP });
    await shoot(browser, {
      page: one,
      name: "report-map",
      colorScheme: "light",
      viewport: DESKTOP,
      at: "Map of the image",
    });
    await shoot(browser, {
      page: two,
      name: "report-compared",
      colorScheme: "dark",
      viewport: DESKTOP,
      at: "compared with",
    });
    await shoot(browser, { page: two, name: "report-phone", colorScheme: "light", viewport: PHONE });
  } finally {
    await browser.close();
    rmSync(folder, { recursive: true });
  }
}

function makePage(path: string, traces: readonly string[]): string {
  const { status, stderr } = spawnSync(process.execPath, [
    join(ROOT, "dist", "lazyrd.js"),
    "report",
    ...traces,
    "-o",
    path,
  ]);
  if (status !== 0) throw new Error(`Cannot make the page: ${stderr}`);
  return pathToFileURL(path).href;
}

interface Shot {
  readonly page: string;
  readonly name: string;
  readonly colorScheme: "light" | "dark";
  readonly viewport: { readonly width: number; readonly height: number };
  /** The heading at the top of the picture; otherwise the page's own top. */
  readonly at?: string;
}

async function shoot(browser: Browser, { page: address, name, at, ...options }: Shot): Promise<void> {
  const page = await browser.newPage(options);
  await page.goto(address);
  if (at !== undefined) {
    await page
      .getByRole("heading", { name: at })
      .first()
      .evaluate((heading) => heading.scrollIntoView());
    const map = page.locator("[data-map] svg").first();
    // Where libraries lie that are read early.
    if (at.startsWith("Map")) await map.hover({ position: { x: 330, y: 108 } });
  }
  await page.screenshot({ path: join(IMAGES, `${name}.png`) });
  await page.close();
}

await main(process.argv.slice(2));
