export * from "./keys.ts";
export { GLOBAL_VARIABLE, IMAGE_SECURITY_DATABASE } from "./layout.ts";
export * from "./store.ts";
