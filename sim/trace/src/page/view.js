// Where things are: lanes, the axis, what is in sight.

const canvas = document.getElementById("scene"), stage = document.getElementById("stage");
const pen = canvas.getContext("2d");
const GUTTER = 104, RULER = 24, FAULT_ROW = 17, OVERVIEW = 44;
const view = { from: 0, to: 1, byOrder: false, allNodes: false, messages: "followed", width: 0, height: 0, hover: null, chosen: null, path: new Set(), lanes: [] };
let order = [], followed = [], clientsAt = [];

// Order: how many followed records came before. It gives room to what is followed, and none to
// the time between.
function rank() {
  order = new Float64Array(records.length);
  followed = new Uint8Array(records.length);
  let before = 0;
  records.forEach((r, i) => {
    order[i] = before;
    followed[i] = relevant(r) ? 1 : 0;
    if (followed[i] && r.what !== "Wake") before += 1;
  });
  clientsAt = data.nodes.filter(node => node.role === "client").map(node => ({ id: node.id, places: [] }));
  const places = new Map(clientsAt.map(client => [client.id, client.places]));
  if (focus.chunk !== null || focus.op) records.forEach((r, i) => { if (followed[i] && r.kind !== "fault" && !isLife(r)) places.get(r.node)?.push(i); });
}
function firstAt(ns) {
  let low = 0, high = records.length;
  while (low < high) { const mid = (low + high) >> 1; if (records[mid].true_ns < ns) low = mid + 1; else high = mid; }
  return low;
}
// Units of the axis: nanoseconds, or ranks.
const unitOf = i => view.byOrder ? order[i] : records[i].true_ns;
function unitAt(ns) {
  if (!view.byOrder) return ns;
  const i = firstAt(ns);
  return i < records.length ? order[i] : (order.at(-1) ?? 0) + 1;
}
// Spans that end later than the record does: order has no room for them but a little.
const spanEnd = ns => view.byOrder && ns > endNs ? (order.at(-1) ?? 0) + 3 : unitAt(Math.min(ns, endNs * 2 + 1e9));
// Where a span begins and ends. Many things may happen at one time: records tell them apart.
const unitFrom = span => unitOf(span.i);
const unitTo = span => span.j === undefined ? spanEnd(span.to) : unitOf(span.j);
const lastOf = event => { let i = records.length - 1; while (i > 0 && records[i].event > event) i -= 1; return i; };
const violationUnit = () => violation === null ? null : data.focus.at_ns ? unitAt(violation.true_ns) : view.byOrder ? unitOf(lastOf(violation.event)) : violation.true_ns;
const plot = () => view.width - GUTTER - 8;
const x = unit => GUTTER + (unit - view.from) / (view.to - view.from) * plot();
const unitX = px => view.from + (px - GUTTER) / plot() * (view.to - view.from);
// What is believed of the time after the last record belongs to it.
const lastNs = Math.max(endNs, ...clashes.map(clash => Math.min(clash.to, endNs + 60e9)));
const whole = () => view.byOrder ? [-1, (order.at(-1) ?? 0) + 4] : [-endNs * 0.01, lastNs + endNs * 0.02 + 1e6];

function layLanes() {
  const wanted = new Set();
  for (const node of data.nodes) if (view.allNodes || node.role !== "client") wanted.add(node.id);
  const [low, high] = [firstAt(unitNs(view.from)), unitNs(view.to)];
  for (const client of clientsAt) if (client.places.some(i => i >= low && records[i].true_ns <= high)) wanted.add(client.id);
  for (const id of data.focus.nodes) wanted.add(id);
  const shown = data.nodes.filter(node => wanted.has(node.id));
  const rows = Math.min(4, Math.max(1, ...faults.map(f => f.row + 1)));
  const top = RULER + rows * FAULT_ROW + 6, room = view.height - top - OVERVIEW - 8;
  const weight = node => node.role === "client" ? 0.62 : 1;
  const unit = Math.max(18, room / shown.reduce((sum, node) => sum + weight(node), 0));
  let y = top;
  view.lanes = shown.map(node => { const h = unit * weight(node); const lane = { ...node, top: y, h, y: y + h * 0.58, place: 0 }; y += h; return lane; });
  view.lanes.forEach((lane, place) => { lane.place = place; });
  view.laneOf = new Map(view.lanes.map(lane => [lane.id, lane]));
  view.faultRows = rows;
  view.bottom = y;
}
function unitNs(unit) {
  if (!view.byOrder) return unit;
  let low = 0, high = records.length - 1;
  while (low < high) { const mid = (low + high) >> 1; if (order[mid] < unit) low = mid + 1; else high = mid; }
  return records[low]?.true_ns ?? 0;
}

function look(from, to) {
  const [low, high] = whole(), least = view.byOrder ? 4 : 20e3;
  let span = Math.min(Math.max(to - from, least), high - low);
  const middle = (from + to) / 2;
  from = Math.min(Math.max(middle - span / 2, low), high - span);
  [view.from, view.to] = [from, from + span];
  layLanes();
  paint();
}
function zoom(factor, unit = (view.from + view.to) / 2) {
  look(unit - (unit - view.from) * factor, unit + (view.to - unit) * factor);
}
// From the first of the last milestones to the violation and a little beyond.
function lookAtViolation() {
  const end = data.focus.at_ns ?? (violation ? violation.true_ns : endNs);
  const near = story().filter(r => r.true_ns <= end && r.kind === "event");
  const first = near[Math.max(0, near.length - 12)] ?? records[0];
  let from = Math.max(first?.true_ns ?? 0, end - 12e9), span = Math.max(end - from, 20e6);
  if (view.byOrder) {
    const at = data.focus.at_ns ? unitAt(end + 1) : violationUnit() ?? unitAt(end), begin = Math.max(at - 150, first ? unitOf(first.i) : 0);
    return look(begin - 2, at + Math.max(4, (at - begin) * 0.12));
  }
  // What they believe of the time after it is half of some violations.
  const believed = Math.max(end, ...clashes.filter(c => followsChunk(c.chunk)).map(c => c.to)) - end;
  look(end - span * 1.06, end + Math.min(Math.max(span * 0.22, believed * 1.15), span * 0.8));
}
function reveal(i) {
  const unit = unitOf(i), span = view.to - view.from;
  if (unit < view.from + span * 0.05 || unit > view.to - span * 0.05) look(unit - span / 2, unit + span / 2);
  else paint();
}
function resize() {
  const ratio = window.devicePixelRatio || 1;
  [view.width, view.height] = [stage.clientWidth, stage.clientHeight];
  [canvas.width, canvas.height] = [view.width * ratio, view.height * ratio];
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  layLanes();
  paint();
}
const seconds = (ns, digits = 6) => (ns / 1e9).toFixed(digits);
