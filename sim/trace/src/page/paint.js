// Drawing: from the back to the front.

const VERSION_COLORS = ["#56b4e9", "#e6a532", "#5fb892", "#c78bb8", "#8aa0d8", "#d6c84a"];
const versionColor = version => VERSION_COLORS[(version - 1) % VERSION_COLORS.length];
const RED = "#b3261e", FONT = '11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
const hatches = new Map();

function hatch(color, step = 6) {
  if (!hatches.has(color + step)) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = step * 2;
    const p = tile.getContext("2d");
    p.strokeStyle = color;
    p.lineWidth = 1.2;
    for (const at of [-step * 2, -step, 0, step, step * 2]) { p.beginPath(); p.moveTo(at, step * 2); p.lineTo(at + step * 2, 0); p.stroke(); }
    hatches.set(color + step, pen.createPattern(tile, "repeat"));
  }
  return hatches.get(color + step);
}
const clampX = px => Math.min(Math.max(px, GUTTER - 20), view.width + 20);
const spanX = span => [clampX(x(unitFrom(span))), clampX(x(unitTo(span)))];
const inSight = (a, b) => b > GUTTER && a < view.width && b > a;

let asked = false;
function paint() {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; draw(); });
}

function draw() {
  const begun = performance.now();
  pen.clearRect(0, 0, view.width, view.height);
  pen.font = FONT;
  pen.textBaseline = "middle";
  drawLanes();
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, 0, view.width - GUTTER, view.height);
  pen.clip();
  drawRuler();
  drawFaults();
  drawDowns();
  drawClashes();
  drawConfigurations();
  drawGrants();
  drawLeases();
  drawMessages();
  drawDots();
  drawPath();
  drawViolation();
  pen.restore();
  drawOverview();
  view.frame_ms = performance.now() - begun;
}

function drawLanes() {
  for (const lane of view.lanes) {
    pen.fillStyle = "#e7ebef";
    pen.fillRect(0, lane.top, view.width, 1);
    pen.fillStyle = "#ccd3da";
    pen.fillRect(GUTTER, lane.y, view.width - GUTTER, 1);
    const named = data.focus.nodes.includes(lane.id);
    pen.fillStyle = named ? RED : "#1f2328";
    pen.font = "600 12px system-ui, 'DejaVu Sans', sans-serif";
    pen.fillText(lane.name, 12, lane.y - (lane.h > 34 ? 6 : 0));
    pen.font = FONT;
    pen.fillStyle = "#656d76";
    if (lane.h > 34) pen.fillText(lane.role, 12, lane.y + 8);
  }
  pen.fillStyle = "#d8dee4";
  pen.fillRect(0, view.bottom, view.width, 1);
  pen.fillRect(GUTTER - 1, 0, 1, view.bottom);
}

function drawRuler() {
  pen.fillStyle = "#656d76";
  pen.textAlign = "center";
  const span = view.to - view.from;
  if (!view.byOrder) {
    const rough = span / Math.max(2, plot() / 120), power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(k => k * power).find(s => s >= rough);
    const digits = Math.max(0, Math.min(9, 9 - Math.floor(Math.log10(step))));
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      pen.fillStyle = "#f0f2f5";
      pen.fillRect(x(at), RULER, 1, view.bottom - RULER);
      pen.fillStyle = "#656d76";
      if (at >= 0) pen.fillText(seconds(at, digits) + " s", x(at), 12);
    }
  } else {
    let last = -Infinity;
    for (let i = firstAt(unitNs(view.from)); i < records.length && order[i] <= view.to; i++) {
      const px = x(order[i]);
      if (px - last < 110) continue;
      last = px;
      pen.fillText(seconds(records[i].true_ns, 4) + " s", px, 12);
    }
  }
  pen.textAlign = "left";
}

function drawFaults() {
  for (const fault of faults) {
    const [a, b] = spanX(fault);
    if (!inSight(a, b) || fault.row >= view.faultRows) continue;
    const y = RULER + fault.row * FAULT_ROW;
    pen.fillStyle = "#eceef1";
    pen.fillRect(a, y, b - a, FAULT_ROW - 3);
    pen.fillStyle = "#57606a";
    pen.fillRect(a, y, 2, FAULT_ROW - 3);
    const words = fault.text.replace(" begins", "");
    clipText(words, Math.max(a, GUTTER) + 6, y + 7, b - Math.max(a, GUTTER) - 10);
    const cut = fault.others.length > 0, side = fault.nodes.length <= fault.others.length ? fault.nodes : fault.others;
    for (const node of cut ? side : fault.nodes) {
      const lane = view.laneOf.get(node);
      if (!lane) continue;
      pen.fillStyle = cut ? "#8e4b9e12" : "#e69f0022";
      pen.fillRect(a, lane.top + 1, b - a, lane.h - 1);
      pen.fillStyle = cut ? "#8e4b9e55" : "#e69f0088";
      for (const edge of [a, b]) pen.fillRect(edge, lane.top + 1, 1, lane.h - 1);
      pen.fillStyle = cut ? "#7b3f8a" : "#8a5a00";
      clipText(cut ? "cut off" : fault.name.replaceAll("_", " "), Math.max(a, GUTTER) + 4, lane.top + lane.h - 7, b - Math.max(a, GUTTER) - 6);
    }
  }
}

function clipText(words, px, y, room) {
  if (room < 24) return;
  const fits = Math.floor(room / 5.7);
  pen.fillText(words.length > fits ? words.slice(0, fits - 1) + "…" : words, px, y);
}

function drawDowns() {
  for (const down of downs) {
    const lane = view.laneOf.get(down.node), [a, b] = spanX(down);
    if (!lane || !inSight(a, b)) continue;
    pen.fillStyle = "#ffffffcc";
    pen.fillRect(a, lane.top + 1, b - a, lane.h - 1);
    pen.fillStyle = hatch("#c3c9d0");
    pen.fillRect(a, lane.top + 1, b - a, lane.h - 1);
    pen.fillStyle = "#1f2328";
    pen.fillRect(a, lane.top + 1, 2, lane.h - 1);
    if (b - a > 40) { tag("down", Math.max(a, GUTTER) + 6, lane.top + lane.h - 8, "#1f2328"); }
  }
}

function tag(words, px, y, color) {
  pen.fillStyle = "#fffffff0";
  pen.fillRect(px - 3, y - 7, pen.measureText(words).width + 6, 14);
  pen.fillStyle = color;
  pen.fillText(words, px, y);
}

const followsChunk = chunk => focus.chunk === null || chunk === focus.chunk;

function drawConfigurations() {
  for (const c of configurations) {
    if (focus.chunk === null || c.chunk !== focus.chunk) continue;
    const [a, b] = spanX(c);
    if (!inSight(a, b)) continue;
    c.members.forEach((node, place) => {
      const lane = view.laneOf.get(node);
      if (!lane || lane.h < 30) return;
      pen.fillStyle = versionColor(c.version);
      pen.fillRect(a, lane.top + 3, b - a, 3);
      pen.fillStyle = "#4a525b";
      clipText((place ? "member" : "primary") + " in v" + c.version, Math.max(a, GUTTER) + 3, lane.top + 13, b - Math.max(a, GUTTER) - 4);
    });
  }
}

function drawGrants() {
  for (const grant of grants) {
    const lane = view.laneOf.get(grant.node), [a, b] = spanX(grant);
    if (!lane || focus.chunk === null || grant.chunk !== focus.chunk || !inSight(a, b)) continue;
    pen.strokeStyle = versionColor(grant.version);
    pen.lineWidth = 1.5;
    pen.setLineDash([4, 2]);
    pen.strokeRect(a, lane.y - 6, b - a, 12);
    pen.setLineDash([]);
    pen.fillStyle = "#4a525b";
    clipText("counts " + nameOf(grant.holder) + "'s lease v" + grant.version, Math.max(a, GUTTER) + 4, lane.y + 14, b - Math.max(a, GUTTER) - 6);
  }
}

function drawLeases() {
  for (const lease of leases) {
    const lane = view.laneOf.get(lease.node), [a, b] = spanX(lease);
    if (!lane || !followsChunk(lease.chunk) || !inSight(a, b)) continue;
    const followed = focus.chunk !== null, h = followed ? 14 : 4;
    pen.globalAlpha = followed ? 1 : 0.25;
    pen.fillStyle = versionColor(lease.version);
    pen.fillRect(a, lane.y - h / 2, b - a, h);
    pen.globalAlpha = 1;
    if (!followed) continue;
    pen.strokeStyle = "#00000055";
    pen.lineWidth = 1;
    pen.strokeRect(a + 0.5, lane.y - h / 2 + 0.5, b - a - 1, h - 1);
    const now = violation ? x(violationUnit()) : Infinity;
    if (b > now && a < now) { pen.fillStyle = hatch("#ffffffaa"); pen.fillRect(now, lane.y - h / 2, b - now, h); }
  }
}

function drawClashes() {
  for (const clash of clashes) {
    if (!followsChunk(clash.chunk)) continue;
    const [one, other] = [view.laneOf.get(clash.a.node), view.laneOf.get(clash.b.node)];
    const [a, b] = spanX(clash);
    if (!one || !other || !inSight(a, b)) continue;
    const [top, low] = one.y < other.y ? [one, other] : [other, one];
    pen.fillStyle = "#b3261e14";
    pen.fillRect(a, top.y - 12, b - a, low.y - top.y + 24);
    pen.fillStyle = hatch("#b3261e66", 5);
    for (const lane of [top, low]) pen.fillRect(a, lane.y - 12, b - a, 24);
    pen.strokeStyle = RED;
    pen.lineWidth = 1.2;
    pen.strokeRect(a, top.y - 12, b - a, low.y - top.y + 24);
    if (b - a > 60) clash.tag = [Math.max(a, GUTTER) + 8, top.y + 22];
    else clash.tag = null;
  }
}

// Messages: everything in sight once, those that are followed on top. What falls on the same
// pixels is drawn once.
function drawMessages() {
  if (view.messages === "none") return;
  const faint = new Map(), strong = new Map(), seen = new Set(), lost = [], heads = [], active = focus.chunk !== null || focus.op !== null;
  const [low, high] = [firstAt(unitNs(view.from) - 2e9), unitNs(view.to)];
  for (let i = low; i < records.length && records[i].true_ns <= high; i++) {
    const r = records[i];
    if (r.what !== "Send") continue;
    const follows = active && followed[i] === 1, category = r.category;
    if (!shows(follows, category, active)) continue;
    const from = view.laneOf.get(r.from), to = view.laneOf.get(r.to);
    if (!from || !to || from === to) continue;
    const flow = flows.get(r.flow), a = x(unitOf(i));
    for (const end of flow.arrivals) line(a, from, x(unitOf(end)), to, follows, category.color, end);
    if (!flow.arrivals.length) {
      const fate = flow.fate === null ? a + 14 : Math.max(x(unitOf(flow.fate)), a + 10);
      if (fate > GUTTER && a < view.width) lost.push([a, from.y, Math.min(fate, a + 60), from.y + (to.y - from.y) * 0.35, follows]);
    }
  }
  function line(a, from, b, to, follows, color, end) {
    if (b < GUTTER || a > view.width) return;
    const ends = (from.place * 128 + to.place) * 2 + (follows ? 1 : 0);
    const key = (Math.round(a / 2) * 4096 + Math.round(b / 2)) * 32768 + ends;
    if (seen.has(key)) return;
    seen.add(key);
    const group = follows ? strong : faint;
    if (!group.has(color)) group.set(color, []);
    group.get(color).push(a, from.y, b, to.y);
    if (follows) heads.push([a, from.y, b, to.y, color]);
  }
  stroke(faint, 0.22, 1);
  const lines = [...strong.values()].reduce((sum, group) => sum + group.length / 4, 0);
  stroke(strong, Math.min(0.9, Math.max(0.12, 260 / lines)), 1.3);
  for (const [a, y, b, to, follows] of lost) drawLost(a, y, b, to, follows);
  if (heads.length < 1500) for (const head of heads) arrowHead(...head);
}
function shows(follows, category, active) {
  if (!category) return false;
  if (view.messages === "all") return true;
  if (view.messages === "followed") return follows || (!active && category.id !== "life");
  return category.id === view.messages;
}
function stroke(groups, alpha, width) {
  pen.globalAlpha = alpha;
  pen.lineWidth = width;
  for (const [color, lines] of groups) {
    pen.strokeStyle = color;
    pen.beginPath();
    for (let k = 0; k < lines.length; k += 4) { pen.moveTo(lines[k], lines[k + 1]); pen.lineTo(lines[k + 2], lines[k + 3]); }
    pen.stroke();
  }
  pen.globalAlpha = 1;
}
function drawLost(a, y, b, to, follows) {
  pen.globalAlpha = follows ? 1 : 0.4;
  pen.strokeStyle = "#9a5a55";
  pen.lineWidth = 1.1;
  pen.setLineDash([3, 3]);
  pen.beginPath(); pen.moveTo(a, y); pen.lineTo(b, to); pen.stroke();
  pen.setLineDash([]);
  pen.lineWidth = 1.8;
  pen.beginPath();
  pen.moveTo(b - 3.5, to - 3.5); pen.lineTo(b + 3.5, to + 3.5); pen.moveTo(b - 3.5, to + 3.5); pen.lineTo(b + 3.5, to - 3.5);
  pen.stroke();
  pen.globalAlpha = 1;
}
function arrowHead(ax, ay, bx, by, color) {
  const angle = Math.atan2(by - ay, bx - ax), size = 6;
  pen.fillStyle = color;
  pen.beginPath();
  pen.moveTo(bx, by);
  pen.lineTo(bx - size * Math.cos(angle - 0.4), by - size * Math.sin(angle - 0.4));
  pen.lineTo(bx - size * Math.cos(angle + 0.4), by - size * Math.sin(angle + 0.4));
  pen.fill();
}

const LABELS = { LeaseTaken: r => "lease v" + r.version, LeaseEnded: r => "lease v" + r.version + " ends",
  Configured: r => "configures v" + r.version, ChangeBegan: r => "begins v" + r.version, Promised: r => "promises v" + r.version,
  Adopted: r => "adopts v" + r.version + " at s" + r.sequence, Applied: r => "s" + r.sequence, Committed: r => "commits s" + r.sequence,
  Acknowledged: r => "acks s" + r.sequence + " " + opName(r.op), ServerDead: r => nameOf(r.nodes[0]) + " is dead",
  RepairBegan: r => "copy to " + nameOf(r.nodes[0]), RepairEnded: r => "copy over", LearnerComplete: () => "copy whole",
  Recovered: r => "finds v" + r.version + " s" + r.sequence, Request: r => r.text.replace("is asked to ", ""),
  Respond: r => r.text.replace("answers its owner: ", ""), ReadServed: r => "reads for " + opName(r.op) };

// Dots: one a pixel and lane; labels where there is room for them, milestones first.
function drawDots() {
  const filled = new Set(), labelled = [], renewed = new Set(), focussed = focus.chunk !== null || focus.op !== null;
  const [low, high] = [firstAt(unitNs(view.from)), unitNs(view.to)];
  const crowd = firstAt(high) - low > 6000;
  view.marks = [];
  for (let i = low; i < records.length && records[i].true_ns <= high; i++) {
    const r = records[i], lane = view.laneOf.get(r.node);
    if (!lane || r.kind === "fault") continue;
    const follows = followed[i] === 1, px = x(unitOf(i)), fact = r.kind === "event";
    if (!follows && !fact) continue;
    const key = (Math.round(px) * 128 + lane.place) * 2 + (fact && follows ? 1 : 0);
    if (filled.has(key)) continue;
    filled.add(key);
    const active = follows && focussed;
    dot(r, px, lane.y, fact, follows, active, crowd);
    view.marks.push([px, lane.y, i]);
    if (active && LABELS[r.what] && (fact || r.what === "Request" || r.what === "Respond")) {
      if (repeated.has(i)) continue;
      const name = r.node + r.what + r.version;
      if (r.what === "LeaseTaken" && renewed.has(name)) continue;
      if (r.what === "LeaseTaken") renewed.add(name);
      labelled.push([r, px, lane]);
    }
  }
  // Far away only milestones have names.
  const near = labelled.length < 400, taken = new Map();
  const weight = ([r]) => (r.i === view.chosen || r.named ? 0 : MILESTONES.has(r.what) ? 1 : r.what === "Acknowledged" ? 2 : 3);
  for (const [r, px, lane] of labelled.map((l, at) => [l, at]).sort((a, b) => weight(a[0]) - weight(b[0]) || a[1] - b[1]).map(l => l[0])) if (near || weight([r]) < 2) label(r, px, lane, taken);
}
function dot(r, px, y, fact, follows, active, crowd) {
  if (r.kind === "outside") { pen.fillStyle = "#1f2328"; pen.fillRect(px - 3, y - 5, 6, 10); return; }
  pen.fillStyle = follows ? colorOf(r) : "#b8c0c8";
  if (crowd && fact) pen.fillRect(px - 1.5, y - 2.5, 3, 5);
  else if (fact) { pen.beginPath(); pen.arc(px, y, active ? 3.4 : 1.6, 0, 7); pen.fill(); if (active) { pen.strokeStyle = "#fff"; pen.lineWidth = 1; pen.stroke(); } }
  else pen.fillRect(px - 0.7, y - 3, 1.4, 6);
}
function label(r, px, lane, taken) {
  const words = LABELS[r.what](r), width = pen.measureText(words).width + 8;
  const rows = lane.h > 58 ? [-15, 15, -27, 27] : lane.h > 36 ? [-14, 14] : [-10];
  for (const row of rows) {
    const y = lane.y + row;
    if (y < lane.top + 18 && lane.h > 36 || y > lane.top + lane.h - 4) continue;
    const key = lane.id + "/" + row, spans = taken.get(key) ?? taken.set(key, []).get(key);
    if (spans.some(([a, b]) => px - 2 < b && px - 2 + width > a)) continue;
    spans.push([px - 2, px - 2 + width]);
    pen.fillStyle = "#ffffffd8";
    pen.fillRect(px - 1, y - 6.5, width - 4, 13);
    pen.fillStyle = r.bad ? RED : colorOf(r);
    pen.fillText(words, px + 1, y);
    return;
  }
}

function drawPath() {
  if (!view.path.size) return;
  const path = [...view.path];
  pen.strokeStyle = "#e69f00";
  pen.lineWidth = 3;
  pen.globalAlpha = 0.85;
  for (let k = 1; k < path.length; k++) {
    const [a, b] = [records[path[k - 1]], records[path[k]]], [from, to] = [view.laneOf.get(a.node), view.laneOf.get(b.node)];
    if (!from || !to) continue;
    pen.beginPath(); pen.moveTo(x(unitOf(a.i)), from.y); pen.lineTo(x(unitOf(b.i)), to.y); pen.stroke();
  }
  pen.globalAlpha = 1;
  for (const i of [view.chosen, view.hover]) {
    const lane = i === null ? null : view.laneOf.get(records[i].node);
    if (!lane) continue;
    pen.strokeStyle = "#1f2328"; pen.lineWidth = 2;
    pen.beginPath(); pen.arc(x(unitOf(i)), lane.y, 6.5, 0, 7); pen.stroke();
  }
}

function drawViolation() {
  for (const clash of clashes) if (followsChunk(clash.chunk) && clash.tag) tag("both believe that they are primary", ...clash.tag, RED);
  if (!violation) return;
  drawNamed();
  const px = x(violationUnit());
  if (px < GUTTER || px > view.width) return;
  pen.fillStyle = RED;
  pen.fillRect(px - 1, RULER - 4, 2, view.bottom - RULER + 4);
  if (view.width - px > 120) tag("after it: as the nodes believe", px + 8, RULER + view.faultRows * FAULT_ROW + 2, "#656d76");
  pen.fillStyle = RED;
  const words = violation.invariant + " violated", width = pen.measureText(words).width + 12;
  const left = Math.min(px, view.width - width - 2);
  pen.fillRect(left, 2, width, 18);
  pen.fillStyle = "#fff";
  pen.fillText(words, left + 6, 11);
  for (const node of data.focus.nodes) {
    const lane = view.laneOf.get(node);
    if (!lane) continue;
    pen.strokeStyle = RED; pen.lineWidth = 2.5;
    pen.beginPath(); pen.arc(px, lane.y, 8, 0, 7); pen.stroke();
  }
}

// The operations that the violation names.
function drawNamed() {
  pen.strokeStyle = RED;
  pen.lineWidth = 2;
  for (let i = firstAt(unitNs(view.from)); i < records.length && unitOf(i) <= view.to; i++) {
    const r = records[i], lane = view.laneOf.get(r.node);
    if (!lane || !r.named || r.what === "Send") continue;
    pen.beginPath(); pen.arc(x(unitOf(i)), lane.y, 6, 0, 7); pen.stroke();
  }
  if (!data.focus.at_ns) return;
  const px = x(unitAt(data.focus.at_ns + 1));
  pen.setLineDash([5, 4]);
  pen.beginPath(); pen.moveTo(px, RULER); pen.lineTo(px, view.bottom); pen.stroke();
  pen.setLineDash([]);
  const words = [...focusOps].slice(0, 2).join(" ") + ", as the violation names it", width = pen.measureText(words).width;
  tag(words, px + 10 + width < view.width ? px + 6 : px - width - 6, RULER + view.faultRows * FAULT_ROW + 2, RED);
}

// The whole run below: how much happened when, faults, what is in sight.
let density = null;
function drawOverview() {
  const top = view.height - OVERVIEW + 8, h = OVERVIEW - 18, [low, high] = whole();
  const at = unit => GUTTER + (unit - low) / (high - low) * plot();
  if (!density || density.width !== plot() || density.byOrder !== view.byOrder || density.focus !== focus.chunk + focus.op) {
    density = { width: plot(), byOrder: view.byOrder, focus: focus.chunk + focus.op, counts: new Uint32Array(Math.ceil(plot()) + 1) };
    for (const r of records) if (followed[r.i] && r.kind !== "input") density.counts[Math.max(0, Math.floor(at(unitOf(r.i)) - GUTTER))] += 1;
    density.max = Math.max(1, ...density.counts);
  }
  pen.fillStyle = "#656d76";
  pen.fillText("whole run", 12, top + h / 2);
  pen.fillStyle = "#f0f2f5";
  pen.fillRect(GUTTER, top, plot(), h);
  for (const fault of faults) { pen.fillStyle = "#57606a33"; const a = at(unitFrom(fault)); pen.fillRect(a, top, Math.max(1, Math.min(at(unitTo(fault)), view.width) - a), 4); }
  pen.fillStyle = "#8fa3b5";
  density.counts.forEach((count, px) => { if (count) { const bar = (h - 5) * Math.sqrt(count / density.max); pen.fillRect(GUTTER + px, top + h - bar, 1, bar); } });
  if (violation) { pen.fillStyle = RED; pen.fillRect(at(violationUnit()) - 1, top - 3, 2, h + 6); }
  pen.strokeStyle = "#1f2328"; pen.lineWidth = 1.2;
  const a = at(view.from), b = at(view.to);
  pen.strokeRect(Math.max(GUTTER, a), top - 2, Math.max(3, b - Math.max(GUTTER, a)), h + 4);
  view.overview = { top: top - 4, at: px => low + (px - GUTTER) / plot() * (high - low) };
}
