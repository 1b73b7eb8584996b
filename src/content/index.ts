export * from "./base.ts";
export * from "./compare.ts";
export * from "./list.ts";
export * from "./locate.ts";
export * from "./open.ts";
export * from "./verify.ts";
