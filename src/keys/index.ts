export * from "./authenticode.ts";
export { type Certificate, parseCertificates } from "./certificate.ts";
export * from "./create-keys.ts";
export * from "./policy-key.ts";
export { signRootHash } from "./root-hash.ts";
export { signModule } from "./sign-module.ts";
export { signDetached } from "./signed-data.ts";
export { externalSigner, type KeyFile, keySigner, parsePrivateKey, type Signer } from "./signer.ts";
