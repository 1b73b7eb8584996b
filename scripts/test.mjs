// Everything that has to hold: formatting, lint and types first, then the tests (arguments go to vitest). The last line
// is the verdict, "N passed, N failed". A check that fails, a test file that cannot be loaded and a run without a
// single test are failures too.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const repository = dirname(dirname(fileURLToPath(import.meta.url)));

function runStep(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: repository, stdio: "inherit" });
  if (error !== undefined) throw error;
  return status === 0;
}

// Tests by outcome. A file that fails outside of its tests, say at an import, counts as one failure.
function countTests(report) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report.testResults) {
    const outcomes = file.assertionResults.map(({ status }) => (status in counts ? status : "skipped"));
    if (file.status === "failed" && !outcomes.includes("failed")) outcomes.push("failed");
    for (const outcome of outcomes) counts[outcome]++;
  }
  return counts;
}

function runTests() {
  const folder = mkdtempSync(join(tmpdir(), "lazyrd-test-report-"));
  const reportPath = join(folder, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`];
    const vitest = join(repository, "node_modules", "vitest", "vitest.mjs");
    const ok = runStep(process.execPath, [vitest, "run", ...reporters, ...process.argv.slice(2)]);
    const counts = countTests(JSON.parse(readFileSync(reportPath, "utf8")));
    // An error that belongs to no test, such as an unhandled rejection, shows in the exit status only.
    if (!ok && counts.failed === 0) counts.failed = 1;
    return counts;
  } catch (error) {
    console.error("Cannot count the tests:", error);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const checked = runStep("npm", ["run", "--silent", "check"]);
const { passed, failed, skipped } = runTests();
const problems = [];
if (!checked) problems.push("npm run check failed");
if (passed + failed === 0) problems.push("no test ran");

for (const problem of problems) console.log(`FAILED: ${problem}`);
if (skipped > 0) console.log(`${skipped} skipped`);
console.log(`${passed} passed, ${failed + problems.length} failed`);
process.exitCode = failed + problems.length === 0 ? 0 : 1;
