import { regularFile, symlink, Tree } from "../../src/tree/index.ts";
import { addPrivateBusybox, privateBusybox } from "./vm-programs.ts";

/** Where the probe stands in somebody else's initrd. */
const FOLDER = "lazyrd-probe";
const PORT = "/dev/ttyS1";
const END = "end";

/** Facts about a machine, by section, as the probe wrote them to the second serial port. */
export type Report = ReadonlyMap<string, readonly string[]>;

/** Commands of a probe: every section's output by its name. "bb", and $BB for find, stand for busybox. */
export type Sections = Readonly<Record<string, string>>;

/** What most stories want to know of the next stage. */
export const USUAL_SECTIONS: Sections = {
  mounts: "bb cat /proc/mounts",
  timeline: "bb cat /run/lazyrd/timeline.json",
  dm: "for i in /sys/block/dm-*; do bb echo $(bb cat $i/dm/name $i/dm/uuid $i/ro); done",
  program: "bb readlink /proc/1/exe",
  modules: "bb cut -d' ' -f1 /proc/modules",
  log: "bb dmesg | bb grep lazyrd:",
};

/** The script that writes the sections to the second serial port. `busybox` is how it is called there. */
export function probeScript(sections: Sections, busybox: string): string {
  const parts = Object.entries(sections).map(
    ([name, command]) => `bb printf "\\n== ${name}\\n" >&3\n( ${command} ) >&3 2>&1 </dev/null`,
  );
  const call = [`BB="${busybox}"`, 'bb() { $BB "$@"; }', `exec 3>${PORT}`];
  return [...call, ...parts, `bb printf "\\n== ${END}\\n" >&3`, "exec 3>&-", ""].join("\n");
}

/**
 * For the small initrd, which sources /story and then powers off. `afterwards` is what the story does once its report
 * is complete.
 */
export function smallProbe(sections: Sections = USUAL_SECTIONS, afterwards = ""): Tree {
  const tree = new Tree();
  tree.set("story", regularFile(Buffer.from(`${probeScript(sections, "/bin/busybox")}${afterwards}\n`)));
  return tree;
}

const POWER_OFF = `bb echo o > /proc/sysrq-trigger\nbb sleep 60\n`;

/** An initrd's appendix: the probe, and what makes the initrd's own init run it, after which it powers off. */
export function probeFor(initrd: "dracut" | "initramfs-tools", sections: Sections = USUAL_SECTIONS): Tree {
  const tree = new Tree();
  addPrivateBusybox(tree, FOLDER);
  const script = probeScript(sections, privateBusybox(FOLDER)) + POWER_OFF;
  tree.setWithParents(`${FOLDER}/report`, regularFile(Buffer.from(script)));
  const command = `${privateBusybox(FOLDER)} sh /${FOLDER}/report`;
  // initramfs-tools' /init sources everything in this folder.
  if (initrd === "initramfs-tools")
    tree.setWithParents("conf/conf.d/lazyrd-probe", regularFile(Buffer.from(`${command}\n`)));
  else addUnit(tree, command);
  return tree;
}

function addUnit(tree: Tree, command: string): void {
  const unit = `[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=${command}\n`;
  tree.setWithParents("etc/systemd/system/lazyrd-probe.service", regularFile(Buffer.from(unit)));
  const wants = "etc/systemd/system/sysinit.target.wants/lazyrd-probe.service";
  tree.setWithParents(wants, symlink("../lazyrd-probe.service"));
}

/** Takes the serial port's text apart; undefined when the probe did not come to its end. */
export function parseReport(text: string): Report | undefined {
  const report = new Map<string, string[]>();
  let lines: string[] = [];
  for (const line of text.replaceAll("\r", "").split("\n")) {
    const name = /^== (.*)$/.exec(line)?.[1];
    if (name === undefined) {
      lines.push(line);
      continue;
    }
    lines = [];
    report.set(name, lines);
  }
  return report.has(END) ? report : undefined;
}

/** The lines of a section, without empty ones. */
export function section(report: Report, name: string): string[] {
  const lines = report.get(name);
  if (lines === undefined) throw new Error(`The probe wrote no section ${name}, only ${[...report.keys()].join(", ")}`);
  return lines.filter((line) => line !== "");
}
