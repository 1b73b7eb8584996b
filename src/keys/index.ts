export * from "./authenticode.ts";
export { type Certificate, parseCertificates } from "./certificate.ts";
export * from "./create-keys.ts";
export { signRootHash } from "./root-hash.ts";
export { signModule } from "./sign-module.ts";
export { signDetached } from "./signed-data.ts";
export * from "./signer.ts";
