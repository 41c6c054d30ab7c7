// Hands: mouse, keys, filters; and the beginning.

function choose(i) {
  view.chosen = i;
  view.path = new Set(i === null ? [] : chain(i));
  detail(i);
  for (const li of at("story").querySelectorAll("li.on")) li.classList.remove("on");
  const li = i === null ? null : at("story").querySelector('li[data-i="' + i + '"]');
  li?.classList.add("on");
  li?.scrollIntoView({ block: "nearest" });
  if (i === null) paint(); else reveal(i);
}
function follow(chunk, op) {
  [focus.chunk, focus.op] = [chunk, op];
  at("chunk").value = chunk === null ? "" : String(chunk);
  at("op").value = op ?? "";
  const middle = unitNs((view.from + view.to) / 2), span = view.to - view.from;
  rank();
  tell();
  look(unitAt(middle) - span / 2, unitAt(middle) + span / 2);
}
function axis(byOrder) {
  const [from, to] = [unitNs(view.from), unitNs(view.to)];
  view.byOrder = byOrder;
  at("bytime").classList.toggle("on", !byOrder);
  at("byorder").classList.toggle("on", byOrder);
  look(unitAt(from), unitAt(to));
}

function nearest(px, py) {
  let best = null, least = 100;
  for (const [mx, my, i] of view.marks ?? []) {
    const d = (mx - px) ** 2 + (my - py) ** 2 - (records[i].kind === "event" && relevant(records[i]) ? 20 : 0);
    if (d < least) [best, least] = [i, d];
  }
  return best;
}
function point(event) {
  const box = canvas.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
  const found = nearest(px, py), tip = at("tip");
  if (found !== view.hover) {
    view.hover = found;
    if (view.chosen === null) { view.path = new Set(found === null ? [] : chain(found)); }
    paint();
  }
  tip.hidden = found === null;
  if (found === null) return;
  const r = records[found];
  tip.replaceChildren(element("b", nameOf(r.node) + " "), r.text, element("div", seconds(r.true_ns) + " s, event " + r.event, "soft"));
  tip.style.left = Math.min(px + 14, view.width - tip.offsetWidth - 6) + "px";
  tip.style.top = Math.min(py + 14, view.height - tip.offsetHeight - 6) + "px";
}

let drag = null;
canvas.onmousedown = event => {
  const py = event.clientY - canvas.getBoundingClientRect().top;
  drag = { x: event.clientX, from: view.from, to: view.to, moved: false, below: py > view.overview.top };
  canvas.classList.add("drag");
  if (drag.below) jump(event);
};
function jump(event) {
  const unit = view.overview.at(event.clientX - canvas.getBoundingClientRect().left), span = view.to - view.from;
  look(unit - span / 2, unit + span / 2);
}
window.onmousemove = event => {
  if (!drag) { if (event.target === canvas) point(event); else { at("tip").hidden = true; } return; }
  if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
  if (drag.below) return jump(event);
  const shift = (drag.x - event.clientX) / plot() * (drag.to - drag.from);
  if (drag.moved) look(drag.from + shift, drag.to + shift);
};
window.onmouseup = () => {
  if (drag && !drag.moved && !drag.below) choose(view.hover);
  drag = null;
  canvas.classList.remove("drag");
};
canvas.onwheel = event => {
  event.preventDefault();
  const span = view.to - view.from;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    const shift = (event.deltaX || event.deltaY) / plot() * span;
    return look(view.from + shift, view.to + shift);
  }
  zoom(Math.exp(event.deltaY * 0.0015), unitX(event.clientX - canvas.getBoundingClientRect().left));
};

const KEYS = [
  ["← →", "move", ["ArrowLeft", "ArrowRight"], e => { const s = (view.to - view.from) * (e.key === "ArrowLeft" ? -0.2 : 0.2); look(view.from + s, view.to + s); }],
  ["+ −", "zoom; so does the wheel, and dragging moves", ["+", "=", "-"], e => zoom(e.key === "-" ? 1.5 : 1 / 1.5)],
  ["j k", "next or last line of the story", ["j", "k"], e => walk(e.key === "j" ? 1 : -1)],
  ["c", "the cause of what was chosen", ["c"], () => view.chosen !== null && cause(view.chosen) !== null && choose(cause(view.chosen))],
  ["f", "follow the chunk or operation of what was chosen; again: everything", ["f"], followChosen],
  ["v", "to the violation", ["v"], lookAtViolation],
  ["a", "the whole run", ["a"], () => look(...whole())],
  ["o", "true time, or order: every event as far from the next as any other", ["o"], () => axis(!view.byOrder)],
  ["Esc", "choose nothing", ["Escape"], () => choose(null)],
  ["?", "this help", ["?"], () => at("keys").showModal()],
];
function walk(step) {
  const now = rows.findIndex(r => r.i === view.chosen);
  const next = now < 0 ? (step > 0 ? 0 : rows.length - 1) : now + step;
  if (rows[next]) choose(rows[next].i);
}
function followChosen() {
  const r = view.chosen === null ? null : records[view.chosen];
  if (!r || (!r.chunk && !r.op) || (r.op ? focus.op === opName(r.op) : focus.chunk === r.chunk)) return follow(null, null);
  if (r.op) follow(null, opName(r.op)); else follow(r.chunk, null);
}
window.onkeydown = event => {
  if (["INPUT", "SELECT"].includes(event.target.tagName) || event.ctrlKey || event.metaKey) return;
  const key = KEYS.find(([, , keys]) => keys.includes(event.key));
  if (key) { event.preventDefault(); key[3](event); }
};

function tools() {
  const chunk = at("chunk"), add = (to, value, words) => { const made = element("option", words); made.value = value; to.append(made); };
  add(chunk, "", "all");
  for (const id of [...chunks.keys()].sort((a, b) => a - b)) add(chunk, id, "c" + id);
  chunk.onchange = () => follow(chunk.value ? Number(chunk.value) : null, null);
  for (const op of [...ops.keys()].slice(0, 5000)) add(at("ops"), op, op);
  at("op").onchange = () => follow(at("op").value ? null : data.focus.chunk ?? null, at("op").value || null);
  const messages = at("messages");
  add(messages, "followed", "of what is followed");
  add(messages, "all", "all");
  add(messages, "none", "none");
  for (const c of CATEGORIES) add(messages, c.id, c.name);
  messages.onchange = () => { view.messages = messages.value; paint(); };
  at("others").onchange = () => { view.allNodes = at("others").checked; layLanes(); paint(); };
  at("bytime").onclick = () => axis(false);
  at("byorder").onclick = () => axis(true);
  at("in").onclick = () => zoom(1 / 1.6);
  at("out").onclick = () => zoom(1.6);
  at("whole").onclick = () => look(...whole());
  at("wrong").onclick = lookAtViolation;
  at("wrong").hidden = !violation;
  at("help").onclick = () => at("keys").showModal();
  const table = element("table");
  for (const [keys, words] of KEYS) { const tr = element("tr"), td = element("td"); td.append(element("kbd", keys)); tr.append(td, element("td", words)); table.append(tr); }
  at("keys").append(element("h1", "Keys"), table, element("p", "Click on an event to see it, how it came about and what came of it. Esc closes this."));
}

headline();
legend();
tools();
at("chunk").value = focus.chunk === null ? "" : String(focus.chunk);
rank();
tell();
view.byOrder = data.by_order;
at(view.byOrder ? "byorder" : "bytime").classList.add("on");
[view.width, view.height] = [stage.clientWidth, stage.clientHeight];
if (violation) lookAtViolation(); else look(...whole());
resize();
// `trace.html#event=17`, `trace.html#time`: a place that one person can tell another.
const asks = new URLSearchParams(location.hash.slice(1));
if (asks.has("order") || asks.has("time")) { axis(asks.has("order")); lookAtViolation(); }
const wanted = records.findIndex(r => r.event === Number(asks.get("event")));
if (wanted >= 0) choose(wanted);
window.onresize = resize;
window.page = { view, look, records, draw, choose, whole, follow };
