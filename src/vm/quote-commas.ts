/** Where QEMU separates options by commas, it takes two for one in a value; -kernel, -initrd and file: take a path as it is. */
export function quoteCommas(text: string): string {
  return text.replaceAll(",", ",,");
}
