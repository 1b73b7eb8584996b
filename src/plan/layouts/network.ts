import { UsageError } from "../../bytes/index.ts";
import { type Candidate, candidateSteps } from "../candidates.ts";
import type { ImageFacts } from "../image.ts";
import { step } from "../step.ts";
import type { PlanStep } from "../types.ts";
import { fileSteps } from "./file.ts";
import { partitionLayout } from "./partition.ts";
import { requireOnly } from "./settings.ts";
import { type Layout, type LayoutOptions, type LocationSettings, NO_SETTINGS } from "./types.ts";
import { imageMountStep } from "./verified.ts";

/** Among the first stage's own things, which are not forwarded. */
const IMAGE_PATH = "/lazyrd/image.raw";

const SETTINGS = ["urls", "disk", "interface", "vlan", "address", "gateway", "dns", "keep-network"] as const;

/** As the first stage takes them apart (init/assembly/net/url.ts): nothing that would end a word of the plan either. */
const HTTP_URL = /^http:\/\/[^/:@\s[\]]+(:\d{1,5})?(\/[!-~]*)?$/;
const ADDRESS = /^(\d{1,3}\.){3}\d{1,3}$/;
const INTERFACE = /^[!-~]{1,17}$/;
const LARGEST_BYTE = 255;
const LARGEST_PREFIX = 32;

/** An image's name among others: the beginning of its root hash. */
const NAME_DIGITS = 16;

/** The image on HTTP servers, fetched into memory; before that or instead, it may be on a disk. */
export function networkLayout(settings: LocationSettings): Layout {
  requireOnly("network", settings, SETTINGS);
  const { urls, disk, vlan } = settings;
  if (urls.length === 0) {
    throw new UsageError('Cannot use the layout "network": [location] urls says where the image is', {
      hint: 'urls = ["http://boot.example.org/images/"]',
    });
  }
  for (const url of urls) requireHttp(url);
  requireAddresses(settings);
  return {
    name: "network",
    features: vlan === 0 ? ["loop"] : ["loop", "vlan"],
    findsSignedImages: false,
    needsDrivers: disk !== "",
    needsNetwork: true,
    place: (image) => ({ kind: "http", urls: urls.map((url) => urlOf(url, image)) }),
    steps(image, options) {
      const mirrors = urls.map((url, index) => mirror(urlOf(url, image), index, settings, image, options));
      const onDisk: Candidate = {
        name: "disk",
        steps: partitionLayout(NO_SETTINGS).steps(image, options),
        reasons: [`disk = ${JSON.stringify(disk)}: the image may be on its partitions`],
      };
      if (disk === "first") return candidateSteps([onDisk, ...mirrors]);
      return candidateSteps(disk === "last" ? [...mirrors, onDisk] : mirrors);
    },
  };
}

/** Each server is a way of its own: what it sends may not be the image, and then the next one is asked. */
function mirror(
  url: string,
  index: number,
  settings: LocationSettings,
  image: ImageFacts,
  options: LayoutOptions,
): Candidate {
  const timeout = `timeout=${options.timeoutSeconds}s`;
  return {
    name: `network-${index + 1}`,
    steps: [
      networkStep(settings, timeout),
      step("fetch", [IMAGE_PATH, `url=${url}`, `size=${image.sizeBytes}`, timeout], ["into memory, all of it"]),
      ...fileSteps(IMAGE_PATH, image, options),
      imageMountStep(image),
    ],
    reasons: [`number ${index + 1} of [location] urls`],
  };
}

function networkStep(settings: LocationSettings, timeout: string): PlanStep {
  const { address, gateway, dns, vlan } = settings;
  const words = [
    ["address", address],
    ["gateway", gateway],
    ["dns", dns.join(",")],
    ["interface", settings.interface],
    ["vlan", vlan === 0 ? "" : String(vlan)],
    ["keep", settings["keep-network"] ? "yes" : ""],
  ] as const;
  return step(
    "network",
    [...words.filter(([, value]) => value !== "").map(([key, value]) => `${key}=${value}`), timeout],
    [address === "" ? "an address from DHCP, on the first wired interface that gets one" : "the address that was set"],
  );
}

/** Below a folder, an image has the name that no other image has. */
function urlOf(url: string, image: ImageFacts): string {
  return url.endsWith("/") ? `${url}${image.rootHash.slice(0, NAME_DIGITS)}.raw` : url;
}

function requireHttp(url: string): void {
  if (HTTP_URL.test(url)) return;
  throw new UsageError(`Cannot fetch an image from ${JSON.stringify(url)}: expected http://HOST[:PORT]/PATH`, {
    hint: url.startsWith("https:")
      ? "the root hash in the plan authenticates the image, so that http is as safe as https"
      : "IPv6 addresses, user names and blanks are not taken",
  });
}

function requireAddresses({ address, gateway, dns, interface: name }: LocationSettings): void {
  const [own = "", prefix = ""] = address.split("/");
  const isSound = address === "" || (isAddress(own) && /^\d{1,2}$/.test(prefix) && Number(prefix) <= LARGEST_PREFIX);
  const [wrong] = [gateway, ...dns].filter((other) => other !== "" && !isAddress(other));
  if (!isSound || wrong !== undefined) {
    throw new UsageError(`Cannot use ${JSON.stringify(wrong ?? address)} in [location]: expected an IPv4 address`, {
      hint: 'address = "192.0.2.7/24", gateway = "192.0.2.1"',
    });
  }
  if (gateway !== "" && address === "") {
    throw new UsageError("Cannot use [location] gateway without address: DHCP says which one there is");
  }
  if (name !== "" && !INTERFACE.test(name)) {
    throw new UsageError(
      `Cannot use ${JSON.stringify(name)} as [location] interface: expected a name or a MAC address`,
    );
  }
}

function isAddress(text: string): boolean {
  return ADDRESS.test(text) && text.split(".").every((part) => Number(part) <= LARGEST_BYTE);
}
