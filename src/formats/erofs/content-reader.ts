import type { ByteSource } from "../../bytes/index.ts";
import { CompressedContent, ExtentReader, FragmentContent } from "./compressed-content.ts";
import { readCompressedLayout } from "./compressed-header.ts";
import { CompressedMap } from "./compressed-map.ts";
import type { ExtentDecoders } from "./decoders.ts";
import type { Extent, InodeContent } from "./extent.ts";
import { checkFileSize, FlatContent, openFlatContent } from "./extents.ts";
import { type Budget, type ErofsImage, type ErofsInode, fail } from "./image.ts";
import { DATA_LAYOUT } from "./layout.ts";

/** Opens the contents of an image's inodes. */
export class ContentReader {
  readonly image: ErofsImage;
  readonly budget: Budget;
  readonly #extents: ExtentReader;
  #packed: InodeContent | undefined;

  constructor(image: ErofsImage, budget: Budget, decoders: ExtentDecoders) {
    this.image = image;
    this.budget = budget;
    this.#extents = new ExtentReader(image, decoders);
  }

  /**
   * The content of an inode. Of a compressed one, only the head of its index is read now.
   * @throws FormatError for what is not sound or not supported.
   */
  open(inode: ErofsInode): InodeContent {
    return this.#open(inode, () => this.packed());
  }

  /** The inode that holds the fragments of all files. */
  packed(): InodeContent {
    if (this.#packed !== undefined) return this.#packed;
    const inode = this.packedInode();
    if (inode === undefined)
      fail("Cannot read a fragment: the image has no packed inode", this.image.superblock.endOffset);
    this.budget.claim(inode.headEnd - inode.offset, "the packed inode", inode.offset);
    this.#packed = this.#open(inode, () =>
      fail("Cannot read the packed inode: it is a fragment of itself", inode.offset),
    );
    return this.#packed;
  }

  packedInode(): ErofsInode | undefined {
    const { packedNid } = this.image.superblock;
    return packedNid === undefined ? undefined : this.image.inode(packedNid);
  }

  #open(inode: ErofsInode, packed: () => InodeContent): InodeContent {
    checkFileSize(inode);
    const { layout } = inode;
    if (layout !== DATA_LAYOUT.COMPRESSED_FULL && layout !== DATA_LAYOUT.COMPRESSED_COMPACT) {
      return openFlatContent(this.image, inode, this.budget);
    }
    const compressed = readCompressedLayout(this.image, inode);
    if ("start" in compressed) return new FragmentContent(inode.size, packed(), compressed.start);
    const { headerOffset, indexEnd, inlineBytes } = compressed;
    this.budget.claim(indexEnd + inlineBytes - headerOffset, `the index of inode ${inode.nid}`, headerOffset);
    return new CompressedContent(inode.size, new CompressedMap(this.image, inode, compressed), this.#extents, packed);
  }
}

/**
 * Where the bytes of a file of an EROFS tree stand in its image: the way from a read of the disk back to a file.
 * Undefined for content that is no EROFS file's.
 * @throws FormatError when the file's map is not sound.
 */
export function extentsOf(content: ByteSource): Extent[] | undefined {
  const known = [FlatContent, CompressedContent, FragmentContent].some((kind) => content instanceof kind);
  return known ? [...(content as InodeContent).extents()] : undefined;
}
