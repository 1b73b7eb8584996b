import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readGeneration } from "../../src/build/index.ts";
import { compareTrees, withContent } from "../../src/content/index.ts";
import { stripModuleSignature } from "../../src/formats/elf-module/index.ts";
import { regularFile, type Tree } from "../../src/tree/index.ts";
import { encodeArchive, SAMPLE_RELEASE, sampleInitrdTree, writeSampleInputs } from "../support/build-inputs.ts";
import { fileContent } from "../support/built-generation.ts";
import { lazyrd } from "../support/cli.ts";
import { sampleModule, signSample } from "../support/kernel-samples.ts";
import { overlay } from "../support/overlay.ts";
import { tempFolder } from "../support/temp.ts";

const MODULES = `usr/lib/modules/${SAMPLE_RELEASE}`;
const MODULE = sampleModule([`name=extra`, `vermagic=${SAMPLE_RELEASE} SMP `]);

/** An initrd with documentation, a compressed and signed module, and what names it. */
function initrdTree(): Tree {
  const tree = sampleInitrdTree();
  tree.setWithParents("usr/share/doc/a", regularFile(Buffer.from("to be read\n")));
  tree.setWithParents(`${MODULES}/extra.ko.gz`, regularFile(gzipSync(signSample(MODULE, Buffer.from("signature")))));
  tree.set(`${MODULES}/modules.dep`, regularFile(Buffer.from("extra.ko.gz:\n")));
  return tree;
}

/** Builds with these settings; what stands in `options` comes from the command line. */
async function built(settings = "", options: readonly string[] = [], tree = initrdTree()) {
  const folder = tempFolder();
  const { kernel, initrd, modules } = await writeSampleInputs(folder);
  writeFileSync(initrd, encodeArchive(tree));
  const config = join(folder, "lazyrd.toml");
  writeFileSync(config, settings);
  const output = join(folder, "generation");
  const files = ["--kernel", kernel, "--initrd", initrd, "--modules", modules, "--config", config, "--output", output];
  const result = lazyrd(["build", ...files, "--drivers", "virtio", "--quiet", ...options]);
  return { ...result, folder, output, manifest: () => readGeneration(output).manifest };
}

describe("a build that changes the image", () => {
  test("says nothing of changes where there are none", async () => {
    const { manifest, output, stderr } = await built();
    expect(manifest().explanation.image).toBeUndefined();
    expect(manifest().image.base).toBeUndefined();
    expect(stderr).toBe("");
    expect(lazyrd(["explain", output]).stdout).not.toContain("changed in the image");
  });

  test("leaves out what settings and options say, and explains it", async () => {
    const { stdout, stderr, manifest, output } = await built('[image]\ndrop = ["usr/share/doc/**"]\n', [
      ...["--drop", "dev", "--drop", "opt/**"],
    ]);
    expect(stderr).toBe("warning: the pattern opt/** of image.drop means nothing in the image\n");
    expect(stdout).toContain("\n    leaves out usr/share/doc/**: 1 entry, files take 200.");
    expect(manifest().explanation.image?.map(({ purpose }) => purpose)).toEqual([
      "leaves out usr/share/doc/**",
      "leaves out dev",
    ]);
    expect(lazyrd(["explain", output]).stdout).toMatch(/\nWhat was changed in the image\n {2}leaves out usr\/share/);
    expect(lazyrd(["ls", "-R", output, "usr/share"]).stdout).toBe("/usr/share/doc\n/usr/share/filler\n");
    expect(lazyrd(["diff", "--stat", output, output]).status).toBe(0);
    expect(lazyrd(["size", output]).status).toBe(0);
  });

  test("stops before anything is written when the boot needs what is left out", async () => {
    const { status, stderr } = await built("", ["--drop", "usr/lib"]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/^lazyrd: Cannot leave out usr\/lib: the boot needs \/init, .*\nhint: .*image\.drop/);
  });

  test("unpacks modules, with their signatures or without", async () => {
    for (const signatures of ["keep", "strip"]) {
      const { output, manifest } = await built(
        `[image]\nmodules = "unpack"\n[modules]\nsignatures = "${signatures}"\nsymbols = "keep"\n`,
      );
      const module = signSample(MODULE, Buffer.from("signature"));
      await withContent(output, ({ roots: [{ tree }] }) => {
        const content = fileContent(tree.get(`${MODULES}/extra.ko`));
        expect(content.equals(signatures === "keep" ? module : stripModuleSignature(module))).toBe(true);
        expect(fileContent(tree.get(`${MODULES}/modules.dep`)).toString()).toBe("extra.ko:\n");
      });
      const purpose = manifest().explanation.image?.[0]?.purpose;
      expect(purpose).toBe(`unpacks kernel modules${signatures === "keep" ? "" : ", without their signatures"}`);
    }
  });

  test("takes the difference to a generation, names it, and says that it is not complete", async () => {
    const base = await built();
    const changed = initrdTree();
    changed.remove("usr/share/doc");
    changed.set("etc/new", regularFile(Buffer.from("new\n")));
    const { stderr, manifest, output } = await built("", ["--against", base.output], changed);
    const { rootHash } = base.manifest().image;
    expect(stderr).toContain(`${base.output}, the generation with the root hash ${rootHash}: it boots only laid over`);
    const image = base.manifest().files["image.raw"];
    expect(manifest().image.base).toEqual({ kind: "generation", rootHash, sha256: image?.sha256 });
    expect(manifest().inputs["base"]).toEqual(image);
    // The same image by another name is the same base.
    const byImage = await built("", ["--against", join(base.output, "image.raw")], changed);
    expect(byImage.manifest().image.base).toEqual({ kind: "disk", rootHash, sha256: image?.sha256 });
    await withContent(output, ({ roots: [layer] }) =>
      withContent(base.output, ({ roots: [below] }) => {
        expect([...layer.tree.walk()].map(({ path }) => path)).toEqual([
          "",
          "etc",
          "etc/new",
          "usr",
          "usr/share",
          "usr/share/doc",
        ]);
        expect(compareTrees(changed, overlay(layer.tree, below.tree), { xattrs: true })).toEqual([]);
      }),
    );
  });

  test("takes a folder as the base, by the digest of its tree", async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, "a"), "1");
    const { stderr, manifest } = await built("", ["--against", folder]);
    expect(manifest().image.base).toEqual({ kind: "folder", sha256: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(stderr).toContain("whether its files have extended attributes is not known");
  });

  test("labels files and gives them capabilities", async () => {
    const folder = tempFolder();
    const contexts = join(folder, "file_contexts");
    writeFileSync(contexts, "/.* u:r:any\n/etc u:r:etc\n");
    writeFileSync(`${contexts}.local`, "/etc u:r:local\n");
    const capabilities = join(folder, "capabilities");
    writeFileSync(capabilities, "/init cap_net_raw=ep\n");
    const { output, manifest, stderr } = await built(
      `[image]\nfile-contexts = "${contexts}"\ncapabilities = "${capabilities}"\n`,
    );
    expect(stderr).toBe("");
    await withContent(output, ({ roots: [{ tree }] }) => {
      const label = (path: string) => Buffer.from(tree.resolve(path)?.xattrs.get("security.selinux") ?? []).toString();
      expect([label("etc"), label("init")]).toEqual(["u:r:local\0", "u:r:any\0"]);
      expect(tree.resolve("init")?.xattrs.get("security.capability")).toHaveLength(20);
    });
    expect(Object.keys(manifest().inputs)).toEqual(["initrd", "file-contexts", "file-contexts.local", "capabilities"]);
  });

  test("names the file that is not there", async () => {
    for (const key of ["file-contexts", "capabilities", "against"]) {
      const { status, stderr } = await built(`[image]\n${key} = "/nowhere/at/all"\n`);
      expect(status).toBe(2);
      expect(stderr).toMatch(/^lazyrd: Cannot read .*\/nowhere\/at\/all: there is no such file\n/);
    }
  });

  test("gives the same bytes again, and other salts for other wishes", async () => {
    const settings = '[image]\nmodules = "unpack"\ndrop = ["dev"]\n';
    const [first, again, other] = [await built(settings), await built(settings), await built("", ["--drop", "dev"])];
    for (const name of ["image.raw", "manifest.json"]) {
      expect(readFileSync(join(first.output, name)).equals(readFileSync(join(again.output, name)))).toBe(true);
    }
    expect(other.manifest().image.salt).not.toBe(first.manifest().image.salt);
  });
});
