/** Colours first, for light and dark; then the page from its top to its end; then small screens and paper. */
export const STYLE = `
:root {
  --paper: #fff; --ink: #1b2027; --soft: #55606c; --rule: #d5dbe1; --card: #f5f7f9; --track: #eceff2;
  --better: #1a6f4b; --worse: #b03a0d; --read: #1f5fa8; --never: #b9c2cb;
  --s0: #1f5fa8; --s1: #b5480f; --s2: #1a6f4b; --s3: #7b3fa0; --s4: #7a5b00; --s5: #46525e;
  --stage0: #46525e; --stage1: #6b7683; --stage2: #1f5fa8; --stage3: #0f7672; --stage4: #7b3fa0; --stage5: #7a5b00;
  --t0: #2a0b54; --t1: #5b1780; --t2: #932b80; --t3: #c93f73; --t4: #ef6b5c; --t5: #fda56f;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14181d; --ink: #e4e8ec; --soft: #9aa6b2; --rule: #343c45; --card: #1c2229; --track: #252c34;
    --better: #5cc492; --worse: #f2905f; --read: #5fa3ee; --never: #4a545f;
    --s0: #5fa3ee; --s1: #f2905f; --s2: #5cc492; --s3: #c695e8; --s4: #d9b54a; --s5: #a9b5c1;
    --stage0: #a9b5c1; --stage1: #808c98; --stage2: #5fa3ee; --stage3: #4fc0bb; --stage4: #c695e8; --stage5: #d9b54a;
    --t0: #fdf0a8; --t1: #fdbe74; --t2: #f98560; --t3: #dd4f6c; --t4: #a83680; --t5: #742882;
  }
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 3rem; max-width: 68rem; }
.definitions { position: absolute; }
h1 { font-size: 2rem; line-height: 1.2; letter-spacing: -.015em; margin: 0 0 .6rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3.2rem 0 .9rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.02rem; margin: 2rem 0 .5rem; }
h4 { margin: 1rem 0 .3rem; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
code { font: .86em/1.4 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.lead, .legend, .strip-name, .remark, .note, h2, summary { overflow-wrap: anywhere; }
.lead { color: var(--soft); max-width: none; }
.lead .boot { display: block; }
.lead b { color: var(--ink); }
.note, .detail { color: var(--soft); font-size: .88rem; }
.remark { border-left: 4px solid var(--worse); padding: .3rem .8rem; background: var(--card); }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.badge { display: inline-block; min-width: 1.5em; padding: 0 .35em; border-radius: .25em; text-align: center;
  font-size: .8em; font-weight: 700; line-height: 1.5; color: var(--paper); background: var(--s5); }
.badge0 { background: var(--s0); } .badge1 { background: var(--s1); } .badge2 { background: var(--s2); }
.badge3 { background: var(--s3); } .badge4 { background: var(--s4); } .badge5 { background: var(--s5); }
.better { color: var(--better); } .worse { color: var(--worse); }

.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .8rem; margin: 0; }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: .5rem; padding: .8rem 1rem .7rem; }
.card dt { color: var(--soft); font-size: .88rem; }
.card dd { margin: .25rem 0 0; }
.value { font-size: 1.5rem; font-weight: 650; letter-spacing: -.01em; font-variant-numeric: tabular-nums; }
.change { display: block; font-size: .86rem; font-variant-numeric: tabular-nums; }

.table { overflow-x: auto; margin: .4rem 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .32rem .6rem .32rem 0; text-align: left; vertical-align: middle; border-bottom: 1px solid var(--rule); font-weight: 400; }
thead th { color: var(--soft); font-size: .82rem; vertical-align: bottom; }
th:last-child, td:last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar { width: 46%; min-width: 5rem; }
td.path, th.path { overflow-wrap: anywhere; }
.track { display: block; width: 100%; height: 1.05rem; background: var(--track); border-radius: 2px; }
th.bar { text-align: center; }
.timeline tbody th { width: 27%; }
.timeline tbody .detail { display: block; overflow-wrap: anywhere; line-height: 1.3; }
.wide-names tbody th { width: 40%; }
details { margin: .5rem 0 1rem; }
summary { cursor: pointer; color: var(--read); width: fit-content; padding: .15rem 0; }
summary:focus-visible, input:focus-visible { outline: 2px solid var(--read); outline-offset: 2px; }
.filter { display: block; margin: .5rem 0; font-size: .9rem; }
.filter input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--soft); border-radius: .3rem; padding: .2rem .5rem; width: 14rem; max-width: 100%; }

.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; margin: .4rem 0 .8rem; padding: 0; font-size: .88rem; font-variant-numeric: tabular-nums; }
.swatch { display: inline-block; width: .95rem; height: .95rem; vertical-align: -.12rem; border: 1px solid var(--soft); }
.sample { width: 2.4rem; height: .8rem; vertical-align: -.05rem; }
.strip-name { font-size: .88rem; margin-top: .7rem; }
.strip { display: block; width: 100%; height: 1.95rem; margin: .25rem 0 .3rem; background: var(--track); }
.strip text { font-size: 12.5px; font-weight: 600; fill: var(--paper); }
.strip .edge { stroke: var(--paper); stroke-width: 1; }
.stage0 { fill: var(--stage0); background: var(--stage0); } .stage1 { fill: var(--stage1); background: var(--stage1); }
.stage2 { fill: var(--stage2); background: var(--stage2); } .stage3 { fill: var(--stage3); background: var(--stage3); }
.stage4 { fill: var(--stage4); background: var(--stage4); } .stage5 { fill: var(--stage5); background: var(--stage5); }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem 2.5rem; }
.plot { display: grid; grid-template-columns: 4.4rem 1fr; min-width: 0; }
.plot svg { overflow: visible; }
.plot text, .treemap text { font-size: 12px; fill: var(--soft); }
.plot p { color: var(--soft); font-size: .82rem; margin: 0 0 .5rem; grid-column: 1 / -1; }
.plot .x-title { text-align: right; margin: .1rem 0 0; }
.y-axis { width: 100%; height: 14rem; }
.lines { width: 100%; height: 14rem; border-bottom: 1px solid var(--soft); border-left: 1px solid var(--soft); }
.x-axis { width: 100%; height: 1.2rem; grid-column: 2; }
.grid { stroke: var(--rule); }
.moment { stroke: var(--soft); stroke-dasharray: 2 4; }
.line { fill: none; stroke-width: 2; stroke: var(--s0); }
.line1 { stroke: var(--s1); stroke-dasharray: 8 4; } .line2 { stroke: var(--s2); stroke-dasharray: 2 3; }
.line3 { stroke: var(--s3); stroke-dasharray: 10 3 2 3; } .line4 { stroke: var(--s4); stroke-dasharray: 5 5; }
.line5 { stroke: var(--s5); stroke-dasharray: 12 4 2 4 2 4; }
.fill0 { fill: var(--s0); } .fill1 { fill: var(--s1); } .fill2 { fill: var(--s2); }
.fill3 { fill: var(--s3); } .fill4 { fill: var(--s4); } .fill5 { fill: var(--s5); }
.never-ground { fill: var(--track); } .never-hatch { stroke: var(--never); fill: none; } .worse-ground { fill: var(--worse); }
.hatch { stroke: var(--paper); stroke-width: 1.2; fill: none; }

.map-frame { display: grid; grid-template-columns: 4.4rem 1fr; }
.offsets { width: 100%; height: 100%; overflow: visible; }
.offsets text { font-size: 12px; fill: var(--soft); }
.map { position: relative; min-width: 0; }
.map svg { display: block; width: 100%; background: var(--track); shape-rendering: crispEdges; touch-action: pan-y; cursor: crosshair; }
.never { background: var(--track); }
.time0 { fill: var(--t0); background: var(--t0); } .time1 { fill: var(--t1); background: var(--t1); }
.time2 { fill: var(--t2); background: var(--t2); } .time3 { fill: var(--t3); background: var(--t3); }
.time4 { fill: var(--t4); background: var(--t4); } .time5 { fill: var(--t5); background: var(--t5); }
.outside { fill: var(--paper); }
.cursor { fill: none; stroke: var(--ink); stroke-width: .25; pointer-events: none; }
.tip { position: absolute; z-index: 1; margin: 0; padding: .4rem .6rem; max-width: min(34rem, 100%); white-space: pre-wrap; overflow-wrap: anywhere;
  font-size: .82rem; line-height: 1.4; background: var(--ink); color: var(--paper); border-radius: .3rem; pointer-events: none; }
.treemap { display: block; width: 100%; height: 26rem; }
.treemap .read { fill: var(--read); opacity: .85; }
.treemap .edge { fill: none; stroke: var(--paper); stroke-width: 3; }
.treemap .plate { fill: var(--paper); opacity: .86; }
.treemap text { fill: var(--ink); }
.treemap .name { font-weight: 650; }
footer { margin-top: 3rem; border-top: 1px solid var(--rule); padding-top: .8rem; color: var(--soft); font-size: .85rem; }

@media (max-width: 44rem) {
  body { padding: 1.2rem 1rem 2rem; }
  h1 { font-size: 1.55rem; }
  .cards { grid-template-columns: 1fr 1fr; gap: .5rem; }
  .card { padding: .55rem .7rem; }
  .value { font-size: 1.2rem; }
  .columns { grid-template-columns: 1fr; }
  table { font-size: .82rem; }
  th, td { padding-right: .4rem; }
  [role=row] { display: flex; flex-wrap: wrap; border-bottom: 1px solid var(--rule); padding: .3rem 0 .4rem; }
  [role=row] > * { display: block; border: 0; padding: 0 0 .15rem; flex: 1; }
  [role=row] > :first-child { flex: 1 0 100%; }
  [role=row] > td.bar { flex: 1 0 100%; order: 1; }
  [role=row] > th.bar, .timeline [role=row] > :nth-child(3) { display: none; }
  .timeline tbody th, .wide-names tbody th { width: auto; }
  .one-figure [role=row] > :first-child { flex: 1; }
  .one-figure [role=row] > .number { flex: none; padding-left: .8rem; }
  .map-frame { grid-template-columns: 1fr; }
  .offsets { display: none; }
  .map svg { height: 15rem; }
  .wide-only { display: none; }
  .treemap { height: 34rem; }
}
@media print {
  :root { color-scheme: light; }
  html { font-size: 12px; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  body { max-width: none; padding: 0; }
  h2, h3 { break-after: avoid; }
  tr, .card, .plot, .map, .treemap, .legend { break-inside: avoid; }
  .table { overflow: visible; }
  .filter, .tip { display: none; }
}
`;
