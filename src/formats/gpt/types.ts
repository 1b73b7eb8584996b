import { type Guid, UsageError } from "../../bytes/index.ts";

/** Architectures by the names systemd uses; other architectures have types that lazyrd has no use for yet. */
export type Architecture = "x86-64" | "arm64";

/** The trees that the Discoverable Partitions Specification gives verity protection. */
export type Designator = "root" | "usr";

/** What a partition of a verity-protected tree holds. */
export type VerityRole = "data" | "verity" | "verity-sig";

/** Types of one architecture: Discoverable Partitions Specification (UAPI.2), section 1. */
const ARCHITECTURE_TYPES: Readonly<
  Record<Architecture, Readonly<Record<Designator, Readonly<Record<VerityRole, Guid>>>>>
> = {
  "x86-64": {
    root: {
      data: "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
      verity: "2c7357ed-ebd2-46d9-aec1-23d437ec2bf5",
      "verity-sig": "41092b05-9fc8-4523-994f-2def0408b176",
    },
    usr: {
      data: "8484680c-9521-48c6-9c11-b0720656f69e",
      verity: "77ff5f63-e7b6-4633-acf4-1565b864c0e6",
      "verity-sig": "e7bb33fb-06cf-4e81-8273-e543b413e2e2",
    },
  },
  arm64: {
    root: {
      data: "b921b045-1df0-41c3-af44-4c6f280d3fae",
      verity: "df3300ce-d69f-4c92-978c-9bfb0f38d820",
      "verity-sig": "6db69de6-29f4-4758-a7a5-962190f00ce3",
    },
    usr: {
      data: "b0e01050-ee5f-4390-949a-9101b17104e9",
      verity: "6e11a4e7-fbca-4ded-b9e9-e1a512bb664e",
      "verity-sig": "c23ce4ff-44bd-4b00-b2d4-b41b3419e02a",
    },
  },
};

/** Types that are the same on all architectures, by systemd-repart's identifiers. */
const COMMON_TYPES = {
  esp: "c12a7328-f81f-11d2-ba4b-00a0c93ec93b",
  xbootldr: "bc13c2ff-59e6-4262-a352-b275fd6f7172",
  swap: "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f",
  home: "933ac7e1-2eb4-4f13-b844-0e14e2aef915",
  srv: "3b8f8425-20e0-4f3b-907f-1a25a76f98e8",
  var: "4d21b016-b534-45c2-a9fb-5c16e091fd2d",
  tmp: "7ec6f557-3bc5-4aca-b293-16ef5df639d1",
  "user-home": "773f91ef-66d4-49b5-bd83-d683bf40ad16",
  "linux-generic": "0fc63daf-8483-4772-8e79-3d69d8477de4",
} as const satisfies Record<string, Guid>;

/** What the type GUID of a partition of a verity-protected tree says. */
export interface VerityPartitionType {
  readonly designator: Designator;
  readonly architecture: Architecture;
  readonly role: VerityRole;
}

interface KnownType {
  readonly name: string;
  readonly guid: Guid;
  readonly verity: VerityPartitionType | undefined;
}

const KNOWN_TYPES: readonly KnownType[] = [...verityTypes(), ...commonTypes()];
const BY_NAME = new Map(KNOWN_TYPES.map((type) => [type.name, type]));
const BY_GUID = new Map(KNOWN_TYPES.map((type) => [type.guid, type]));

/** The type GUID of a partition that holds one part of a verity-protected tree. */
export function verityPartitionTypeGuid(type: VerityPartitionType): Guid {
  return ARCHITECTURE_TYPES[type.architecture][type.designator][type.role];
}

/** What a type GUID says about a verity-protected tree, or undefined when it is no such type. */
export function verityPartitionType(guid: Guid): VerityPartitionType | undefined {
  return BY_GUID.get(guid)?.verity;
}

/**
 * The type GUID of an identifier as systemd-repart has them: `esp`, `root-x86-64-verity`, or without an
 * architecture (`root-verity`) when one is given.
 * @throws UsageError when there is no such type.
 */
export function partitionTypeGuid(name: string, architecture?: Architecture): Guid {
  const full = architecture === undefined ? name : name.replace(/^(root|usr)(?=$|-verity)/, `$1-${architecture}`);
  const known = BY_NAME.get(full);
  if (known !== undefined) return known.guid;
  throw new UsageError(`Cannot find the partition type ${JSON.stringify(name)}`, {
    hint: `Use one of ${[...BY_NAME.keys()].join(", ")}`,
  });
}

/** The identifier of a type GUID, for instance `root-x86-64-verity`, or undefined when it has none. */
export function partitionTypeName(guid: Guid): string | undefined {
  return BY_GUID.get(guid)?.name;
}

function verityTypes(): KnownType[] {
  return Object.entries(ARCHITECTURE_TYPES).flatMap(([architecture, designators]) =>
    Object.entries(designators).flatMap(([designator, roles]) =>
      Object.entries(roles).map(([role, guid]) => ({
        name: [designator, architecture, ...(role === "data" ? [] : [role])].join("-"),
        guid,
        // Object.entries forgets that the keys are the names of the table above.
        verity: { designator, architecture, role } as VerityPartitionType,
      })),
    ),
  );
}

function commonTypes(): KnownType[] {
  return Object.entries(COMMON_TYPES).map(([name, guid]) => ({ name, guid, verity: undefined }));
}
