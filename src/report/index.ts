export { analyseTraces, MAX_BOOTS } from "./analyse.ts";
export { reportFacts } from "./facts.ts";
export { PAGE_BEGINNING, renderReport } from "./page/page.ts";
export { parseScaling } from "./scaling.ts";
export * from "./types.ts";
