// The records, and what can be looked up in them: flows, steps, spans.

const data = JSON.parse(document.getElementById("data").textContent);
const records = document.getElementById("records").textContent.trim().split("\n")
  .filter(line => line).map(line => JSON.parse(line));
const violation = data.violation;
const focus = { chunk: data.focus.chunk ?? null, op: null };
const names = new Map(data.nodes.map(node => [node.id, node.name]));
const roles = new Map(data.nodes.map(node => [node.id, node.role]));
const nameOf = id => names.get(id) ?? "n" + id;
const opName = op => op ? nameOf(op.client) + "#" + op.number : "";
// A page of a stretch of a run ends with it, although the violation was found later.
const lastShown = records.at(-1)?.true_ns ?? 0;
const endNs = data.focus.at_ns ? lastShown : Math.max(lastShown, violation?.true_ns ?? 0);

const CATEGORIES = [
  { id: "lease", name: "leases", color: "#0072b2", words: ["LeaseRequest", "LeaseGrant"] },
  { id: "config", name: "configurations", color: "#8e4b9e", words: ["Prepare", "Prepared", "PrepareRefused",
    "Activate", "MemberFailed", "DeleteReplica", "QuarantineReplica"] },
  { id: "mutation", name: "mutations", color: "#00805e", words: ["Mutate", "Mutated", "Push", "ProgressRequest",
    "Progress", "PushRefused"] },
  { id: "read", name: "reads", color: "#3f9bd0", words: ["Read", "ReadReply"] },
  { id: "repair", name: "reconciling and copies", color: "#b8700a", words: ["RangesRequest", "RangesReply",
    "Reconcile", "Reconciled", "CopyOrder", "CopyRequest", "CopyStep", "CopyVoid", "LearnerCaughtUp",
    "LearnerReady", "LearnerFailed"] },
  { id: "namespace", name: "clients and master", color: "#8a7f72", words: ["Call", "CallReply"] },
  { id: "life", name: "heartbeats and reports", color: "#a9b1ba", words: ["Register", "Registered",
    "RegisterRefused", "Heartbeat", "RegisterAgain", "Report", "ReportAck"] },
];
const categoryOf = new Map(CATEGORIES.flatMap(c => c.words.map(word => [word, c])));
const EVENT_COLORS = { LeaseTaken: "lease", LeaseEnded: "lease", LeaseGranted: "lease", Configured: "config",
  ChangeBegan: "config", Promised: "config", Adopted: "config", Applied: "mutation", Committed: "mutation",
  Acknowledged: "mutation", ReadServed: "read", RepairBegan: "repair", RepairEnded: "repair",
  LearnerComplete: "repair", Recovered: "repair" };
const categories = new Map(CATEGORIES.map(c => [c.id, c]));
const colorOf = r => (categoryOf.get(r.message) ?? categories.get(EVENT_COLORS[r.what]))?.color ?? "#57606a";

// What a person wants to see of a chunk's life without asking for more.
const MILESTONES = new Set(["LeaseTaken", "LeaseEnded", "Configured", "ChangeBegan", "Promised", "Adopted",
  "RepairBegan", "RepairEnded", "LearnerComplete", "Recovered", "ReplicaDeleted", "ReplicaQuarantined",
  "CorruptRead", "Freed", "ProtocolError", "ServerDead", "LeaderBegan", "DiskFailed", "LogLost"]);
const isLife = r => r.kind === "outside" && r.what !== "Outside";

const focusOps = new Set(data.focus.ops.map(opName));

// Flows: the sending, every arrival, and what else became of it.
const flows = new Map();
// Inputs by number, and the effects of each step.
const inputs = new Map(), effects = new Map();
const chunks = new Map(), ops = new Map();
const ioBegan = new Map(), ioOf = new Map(), ioEnd = new Map();

function index() {
  records.forEach((r, i) => {
    r.i = i;
    r.category = categoryOf.get(r.message);
    r.named = r.op !== undefined && focusOps.has(opName(r.op));
    if (r.flow) {
      const flow = flows.get(r.flow) ?? { send: null, arrivals: [], fate: null };
      flows.set(r.flow, flow);
      if (r.what === "Send") flow.send = i;
      else if (r.what === "Deliver") flow.arrivals.push(i);
      else if (r.what !== "Doubled") flow.fate = i;
    }
    if (r.kind === "input") inputs.set(r.step, i);
    else if (r.step) (effects.get(r.step) ?? effects.set(r.step, []).get(r.step)).push(i);
    for (const chunk of r.chunk ? [r.chunk] : r.chunks ?? []) chunks.set(chunk, (chunks.get(chunk) ?? 0) + 1);
    if (r.op) { const name = opName(r.op); ops.set(name, (ops.get(name) ?? 0) + 1); }
    const io = r.io && r.node + "/" + r.io;
    if (r.what === "Io") ioBegan.set(io, i);
    if (r.what === "IoDone" && ioBegan.has(io)) { ioOf.set(i, ioBegan.get(io)); ioEnd.set(ioBegan.get(io), i); }
    if (r.kind === "outside") for (const key of [...ioBegan.keys()]) if (key.startsWith(r.node + "/")) ioBegan.delete(key);
  });
}

// The one thing that brought this about, if it is known.
function cause(i) {
  const r = records[i];
  if (r.kind === "network") return flows.get(r.flow).send;
  if (r.kind === "input") return r.flow ? flows.get(r.flow).send : ioOf.get(i) ?? null;
  if (r.kind === "event" || r.kind === "effect") return inputs.get(r.step) ?? null;
  return null;
}

function consequences(i) {
  const r = records[i];
  if (r.kind === "input") return effects.get(r.step) ?? [];
  if (r.what === "Send") { const f = flows.get(r.flow); return f.fate === null ? f.arrivals : [...f.arrivals, f.fate]; }
  return ioEnd.has(i) ? [ioEnd.get(i)] : [];
}

function chain(i) {
  const back = [];
  for (let at = i; at !== null && back.length < 60; at = cause(at)) back.push(at);
  return back.reverse();
}

const concerns = (r, chunk) => r.chunk === chunk || (r.chunks?.includes(chunk) ?? false);
const sequences = new Set(data.focus.sequences);

// What the view follows at the moment.
function relevant(r) {
  if (r.kind === "fault" || isLife(r)) return true;
  if (focus.op) return opName(r.op) === focus.op;
  if (focus.chunk !== null) return concerns(r, focus.chunk);
  return true;
}

// Spans: leases by belief, the master's count of them, configurations, lives, pauses, faults.
function leaseSpans(taken) {
  const open = new Map(), spans = [];
  const close = (key, r) => { const s = open.get(key); if (s && r.true_ns <= s.to) [s.to, s.j] = [r.true_ns, r.i]; open.delete(key); };
  for (const r of records) {
    const key = r.node + "/" + r.chunk + "/" + (taken ? "" : r.nodes?.[0]);
    if (r.what === (taken ? "LeaseTaken" : "LeaseGranted")) {
      const known = open.get(key);
      if (known && known.version === r.version && known.to >= r.true_ns) { known.to = r.until_ns; continue; }
      close(key, r);
      const span = { node: r.node, chunk: r.chunk, version: r.version, from: r.true_ns, to: r.until_ns, i: r.i, holder: r.nodes?.[0] };
      open.set(key, span);
      spans.push(span);
    } else if (taken && r.what === "LeaseEnded") close(key, r);
    else if (r.what === "Ends") for (const k of [...open.keys()]) if (k.startsWith(r.node + "/")) close(k, r);
  }
  return spans;
}

// A master that restarts tells its log again.
const repeated = new Set();
function configurationSpans() {
  const last = new Map(), spans = [];
  for (const r of records) {
    if (r.kind !== "event" || (r.what !== "Configured" && r.what !== "Freed")) continue;
    const known = last.get(r.chunk);
    if (known && r.what === "Configured" && r.version <= known.version) { repeated.add(r.i); continue; }
    if (known) [known.to, known.j] = [r.true_ns, r.i];
    if (r.what === "Freed") { last.delete(r.chunk); continue; }
    const span = { chunk: r.chunk, version: r.version, members: r.nodes ?? [], from: r.true_ns, to: endNs, i: r.i };
    last.set(r.chunk, span);
    spans.push(span);
  }
  return spans;
}

function lifeSpans() {
  const down = new Map(), spans = [];
  for (const r of records) {
    if (!isLife(r)) continue;
    if (r.what === "Starts") { if (down.has(r.node)) { Object.assign(down.get(r.node), { to: r.true_ns, j: r.i }); down.delete(r.node); } }
    else if (!down.has(r.node)) {
      const span = { node: r.node, from: r.true_ns, to: Infinity, i: r.i };
      down.set(r.node, span);
      spans.push(span);
    }
  }
  return spans;
}

function faultSpans() {
  const open = new Map(), spans = [];
  for (const r of records) {
    if (r.kind !== "fault") continue;
    if (!r.ends) {
      const span = { name: r.what, nodes: r.nodes ?? [], others: r.others ?? [], from: r.true_ns, to: Infinity, i: r.i, text: r.text };
      open.set(r.fault, span);
      spans.push(span);
    } else if (open.has(r.fault)) { Object.assign(open.get(r.fault), { to: r.true_ns, j: r.i }); open.delete(r.fault); }
  }
  const rows = [];
  for (const span of spans) {
    let row = rows.findIndex(end => end <= span.from);
    if (row < 0) row = rows.length;
    rows[row] = span.to;
    span.row = row;
  }
  return spans;
}

index();
const leases = leaseSpans(true), grants = leaseSpans(false), configurations = configurationSpans();
const downs = lifeSpans(), faults = faultSpans();

// Two beliefs in one chunk at one time.
const clashes = [];
for (const a of leases) for (const b of leases) {
  if (a.i < b.i && a.chunk === b.chunk && a.node !== b.node && b.from < a.to) {
    const first = a.to < b.to ? a : b;
    clashes.push({ a, b, chunk: a.chunk, from: b.from, i: b.i, to: first.to, j: first.j });
  }
}

// The story of what is followed: milestones, faults, and the operations that the violation names.
function story() {
  const seen = new Set(), rows = [];
  const believes = r => { const key = r.node + "/" + r.chunk + "/" + r.version; const known = seen.has(key); seen.add(key); return known; };
  for (const r of records) {
    if (r.kind === "fault" || isLife(r)) { if (!isLife(r) || r.true_ns > 2e8) rows.push(r); continue; }
    if (!relevant(r)) continue;
    if (r.what === "LeaseTaken" && believes(r)) continue;
    if (r.what === "LeaseEnded") seen.delete(r.node + "/" + r.chunk + "/" + r.version);
    const named = r.named || (r.sequence && sequences.has(r.sequence) && r.chunk === focus.chunk);
    const asked = focus.op && r.what !== "Deliver";
    if (repeated.has(r.i)) continue;
    const says = r.kind === "event" || r.kind === "network" || r.what === "Respond";
    if (r.kind === "event" && MILESTONES.has(r.what) || (named && says) || asked) rows.push(r);
  }
  return rows;
}
