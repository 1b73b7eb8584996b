const INDENT = "  ";
const GAP = "  ";

/** Lines of a label and what it says, aligned. What says nothing (undefined) is left out. */
export function labelledLines(facts: readonly (readonly [label: string, value: string | undefined])[]): string[] {
  const shown = facts.flatMap(([label, value]) => (value === undefined ? [] : [[label, value] as const]));
  return alignedLines(shown);
}

/** Lines of cells in columns as wide as their longest cell; `right` numbers the columns that end alike, from 0. */
export function alignedLines(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
    });
    return `${INDENT}${cells.join(GAP)}`.trimEnd();
  });
}

/** "1 entry", "2 entries": a count and its noun. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`;
}
