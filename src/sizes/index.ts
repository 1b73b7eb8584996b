export * from "./budget.ts";
export * from "./measure.ts";
