/** From the oldest to the newest: the example of the Version Format Specification (UAPI.10). */
export const VERSIONS_IN_ORDER = [
  "122.1",
  "123~rc1-1",
  "123",
  "123-a",
  "123-a.1",
  "123-1",
  "123-1.1",
  "123^post1",
  "123.a-1",
  "123.1-1",
  "123a-1",
  "124-1",
];
