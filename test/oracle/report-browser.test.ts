/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { BrowserContextOptions, Page } from "playwright-core";
import { describe, expect, onTestFinished, type TestContext, test } from "vitest";
import { analyseTraces, parseScaling, type ReportedTrace, renderReport } from "../../src/report/index.ts";
import { launchBrowser } from "../support/browser.ts";
import {
  HOSTILE_LINE,
  HOSTILE_NAME,
  manyReads,
  SAMPLE_DETAILS,
  sampleMap,
  sampleTrace,
} from "../support/sample-traces.ts";
import { tempFolder } from "../support/temp.ts";
import { requireTool } from "../support/tools.ts";

const PHONE = { width: 375, height: 800 };
const SHOWN_NAME = `/${HOSTILE_NAME.replace("\u0001", "\\x01")}`;

const boot: ReportedTrace = { name: "boot.trace", trace: sampleTrace(SAMPLE_DETAILS), map: sampleMap() };
const classic: ReportedTrace = {
  name: `a very long name, as traces may have it: ${"x".repeat(80)}.trace`,
  trace: sampleTrace({ boot: { way: "classic", commandLine: "y".repeat(300) }, reads: [] }),
  map: { missing: HOSTILE_LINE },
};
const SCALING = parseScaling(
  JSON.stringify([1, 2, 3].map((size) => ({ variant: "lazyrd", contentBytes: size * 1e8, guestNs: 3e9 + size }))),
);

interface OpenPage {
  readonly page: Page;
  /** What the page should not do: errors, messages, requests. */
  readonly incidents: readonly string[];
}

async function open(
  context: TestContext,
  traces: readonly ReportedTrace[],
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const browser = await launchBrowser(requireTool(context, "chromium"));
  onTestFinished(() => browser.close());
  const path = join(tempFolder(), "report.html");
  writeFileSync(path, renderReport(analyseTraces(traces, SCALING)));
  const page = await (await browser.newContext(options)).newPage();
  const incidents: string[] = [];
  const address = pathToFileURL(path).href;
  page.on("console", (message) => incidents.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => incidents.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => incidents.push(`dialog: ${dialog.message()}`));
  page.on("request", (request) => {
    if (request.url() !== address) incidents.push(`request: ${request.url()}`);
  });
  await page.goto(address);
  return { page, incidents };
}

/** The contrast of every text with what is behind it, where that is one colour (WCAG 2.2, 1.4.3). */
function lowContrasts(): string[] {
  const numbers = (color: string): number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: string): number => {
    const [red = 0, green = 0, blue = 0] = numbers(color).map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element: Element | null): string => {
    if (element === null) return "rgb(255, 255, 255)";
    const color = getComputedStyle(element).backgroundColor;
    return numbers(color)[3] === 0 ? behind(element.parentElement) : color;
  };
  return [...document.querySelectorAll("body *:not(svg, svg *, script)")].flatMap((element) => {
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent?.trim());
    if (text.join("") === "") return [];
    const [light = 0, dark = 0] = [getComputedStyle(element).color, behind(element)]
      .map(luminance)
      .sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    return contrast >= 4.5 ? [] : [`${text.join("").slice(0, 40)}: ${contrast.toFixed(2)}`];
  });
}

describe("a report in a browser", () => {
  test.for([
    ["one boot", [boot]],
    ["two boots", [boot, boot]],
    ["three boots, one without an image", [boot, classic, boot]],
  ] as const)("%s: no errors, no requests, and nothing of an image comes alive", async ([, traces], context) => {
    const { page, incidents } = await open(context, traces);
    expect(await page.locator("h1").count()).toBe(1);
    expect(await page.locator("img, b b, [onerror]").count()).toBe(0);
    expect(incidents).toEqual([]);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    test(`can be read in the ${colorScheme}: every text has a contrast of 4.5`, async (context) => {
      const { page } = await open(context, [boot, classic], { colorScheme });
      await page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
      });
      expect(await page.evaluate(lowContrasts)).toEqual([]);
      const paper = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      expect(paper).toBe(colorScheme === "light" ? "rgb(255, 255, 255)" : "rgb(20, 24, 29)");
    });
  }

  test("fits on a phone, with everything unfolded", async (context) => {
    const { page } = await open(context, [boot, classic, boot], { viewport: PHONE, hasTouch: true, isMobile: true });
    await page.evaluate(() => {
      for (const details of document.querySelectorAll("details")) details.open = true;
    });
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(PHONE.width);
  });

  test("names what is under the pointer, and under a finger", async (context) => {
    const { page } = await open(context, [boot], { hasTouch: true });
    const map = page.locator("[data-map] svg");
    await map.scrollIntoViewIfNeeded();
    const box = await map.boundingBox();
    if (box === null) throw new Error("The map is not shown");
    const at = (cell: number): { x: number; y: number } => ({ x: (box.width * (cell + 0.5)) / 32, y: box.height / 2 });
    const tip = page.locator(".tip");
    await map.hover({ position: at(6) });
    expect(await tip.textContent()).toBe("bytes 24576 to 28671\nfirst read at 0.600 s, 4096 bytes read\n/init");
    await map.tap({ position: at(18) });
    expect(await tip.textContent()).toBe(`bytes 73728 to 77823\nfirst read at 0.800 s, 4096 bytes read\n${SHOWN_NAME}`);
    await map.hover({ position: at(29) });
    expect(await tip.textContent()).toContain("never read");
  });

  test("filters the files by what is typed", async (context) => {
    const { page } = await open(context, [boot]);
    await page.getByText("Files in the order").click();
    const names = page.locator("[data-filter] tbody tr:visible th");
    expect(await names.allTextContents()).toEqual(["/init", SHOWN_NAME]);
    await page.getByRole("searchbox").fill("</script>");
    expect(await names.allTextContents()).toEqual([SHOWN_NAME]);
  });

  test("says what it says without its script, by keyboard alone, and to those who listen", async (context) => {
    const { page } = await open(context, [boot], { javaScriptEnabled: false });
    for (const name of ["Key figures", "The course of the boot", "Reads over time", "The image", "What was booted"]) {
      expect(await page.getByRole("region", { name }).count(), name).toBe(1);
    }
    for (const name of [/Stages of the boot/, /Bytes loaded/, /each kind of data/]) {
      expect(await page.getByRole("table", { name }).count(), String(name)).toBe(1);
    }
    const summary = page.getByText("What was read, by offset");
    await summary.focus();
    await page.keyboard.press("Enter");
    expect(await page.getByRole("table", { name: "Reads of the image by offset" }).isVisible()).toBe(true);
    // Every picture has a name.
    expect(await page.locator("svg:not([aria-hidden]):not([role=img]):not(svg svg)").count()).toBe(0);
    expect(await page.locator("[role=img]:not([aria-label])").count()).toBe(0);
  });

  test("prints", async (context) => {
    const { page, incidents } = await open(context, [boot, boot], { colorScheme: "dark" });
    const pdf = await page.pdf({ format: "A4" });
    expect(pdf.subarray(0, 5).toString("latin1")).toBe("%PDF-");
    await page.emulateMedia({ media: "print" });
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).toBe(
      "rgb(255, 255, 255)",
    );
    expect(incidents).toEqual([]);
  });

  test("shows a boot of 100,000 reads", async (context) => {
    const map = sampleMap(Array.from({ length: 4000 }, (_, index) => `usr/lib/some/folder${index % 50}/file${index}`));
    const trace = sampleTrace({ boot: { imageBytes: map.sizeBytes }, reads: manyReads(100_000, map.sizeBytes) });
    const { page, incidents } = await open(context, [{ name: "many", trace, map }]);
    await page.locator("[data-map] svg").hover();
    expect(await page.locator(".tip").textContent()).toMatch(/first read at .* s, \d+ bytes read\n\/usr\/lib\/some/);
    expect(incidents).toEqual([]);
  });
});
