export * from "./assemble.ts";
export * from "./command-line.ts";
export * from "./os-release.ts";
export * from "./read.ts";
export type { UkiProfile, UkiSections } from "./sections.ts";
export { readStub, stubVersion } from "./stub.ts";
