import { type ByteString, toText } from "../../bytes/index.ts";
import { formatSize } from "../../text/index.ts";
import type { BootReport, Figure } from "../types.ts";

const NS_PER_MS = 1e6;
const MS_PER_SECOND = 1000;

/** "4.374 s", "18.4 ms". */
export function formatTime(ns: number): string {
  const ms = ns / NS_PER_MS;
  return Math.abs(ms) < MS_PER_SECOND ? `${ms.toFixed(1)} ms` : `${(ms / MS_PER_SECOND).toFixed(3)} s`;
}

export function formatShare(share: number): string {
  const percent = share * 100;
  return `${percent !== 0 && Math.abs(percent) < 10 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

export function formatFigure(unit: Figure["unit"], value: number): string {
  switch (unit) {
    case "ns":
      return formatTime(value);
    case "bytes":
      return formatSize(value);
    case "requests":
      return formatCount(value);
    case "share":
      return formatShare(value);
  }
}

/** With its sign, which a difference needs; of shares, percentage points. */
export function formatChange(unit: Figure["unit"], change: number): string {
  const sign = change < 0 ? "\u2212" : "+";
  const amount = Math.abs(change);
  return `${sign}${unit === "share" ? formatShare(amount).replace("%", "points") : formatFigure(unit, amount)}`;
}

/** "−12 %"; undefined where there was nothing before. */
export function formatRatio(before: number, after: number): string | undefined {
  if (before === 0) return undefined;
  const change = (after - before) / before;
  return `${change < 0 ? "\u2212" : "+"}${formatShare(Math.abs(change))}`;
}

/** A coordinate or length in percent of its picture. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return "0%";
  return `${Number(((part / whole) * 100).toFixed(3))}%`;
}

export function shownPath(path: ByteString): string {
  return `/${toText(path)}`;
}

/** "A: before.trace"; a boot alone needs no letter. */
export function bootName({ letter, name }: BootReport, boots: readonly BootReport[]): string {
  return boots.length === 1 ? name : `${letter}: ${name}`;
}
