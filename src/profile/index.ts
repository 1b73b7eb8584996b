export { defaultProfile } from "./default-order.ts";
export { mergeProfiles } from "./merge.ts";
export { encodeProfile, parseProfile } from "./text.ts";
export { PROFILE_UNIT_BYTES, type Profile, type ProfileEntry } from "./types.ts";
