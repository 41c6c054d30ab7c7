// What stands beside the picture: the headline, the story, what was chosen, the legend.

const at = id => document.getElementById(id);
function element(tag, words, name) {
  const made = document.createElement(tag);
  if (words !== undefined) made.textContent = words;
  if (name) made.className = name;
  return made;
}

function headline() {
  const head = at("head"), title = data.title;
  head.className = violation ? "violated" : "fine";
  const h1 = element("h1");
  if (violation) h1.append(element("b", violation.invariant + " violated"), violation.sentence);
  else h1.append(element("b", "in order"), title.about || title.scenario);
  head.append(h1);
  if (violation) {
    const saw = element("p");
    saw.append(element("span", violation.detail, "saw"));
    head.append(saw);
  }
  const small = element("p", undefined, "small");
  const facts = [title.scenario];
  if (violation && title.about) facts.push("“" + title.about + "”");
  if (violation?.expected) facts.push("violated as expected: the scenario leaves a rule out");
  if (violation) facts.push("found at " + seconds(violation.true_ns) + " s, event " + violation.event);
  if (data.left_out) facts.push(data.left_out + (violation ? " records further from it" : " earlier records") + " are left out");
  small.append(facts.join(" · ") + " · ");
  small.append(element("code", title.replay));
  head.append(small);
  if (title.from_line) head.append(element("p", title.from_line, "small"));
}

function legend() {
  const items = [
    ['<rect width="22" height="10" y="2" fill="#56b4e9" stroke="#0005"/>', "primary, as it believes"],
    ['<rect width="22" height="8" y="3" fill="none" stroke="#56b4e9" stroke-width="1.5" stroke-dasharray="4 2"/>', "lease, as master counts"],
    ['<rect width="22" height="3" y="5" fill="#56b4e9"/>', "member; colour: version"],
    ['<rect width="22" height="12" y="1" fill="#b3261e22" stroke="#b3261e"/>', "two primaries at once"],
    ['<rect width="22" height="12" y="1" fill="#dfe3e8"/><rect width="2" height="12" y="1"/>', "down"],
    ['<rect width="22" height="12" y="1" fill="#8e4b9e33"/>', "cut off"],
    ['<rect width="22" height="12" y="1" fill="#e69f0033"/>', "another fault"],
    ['<line x1="0" y1="3" x2="15" y2="9" stroke="#9a5a55" stroke-dasharray="3 2"/><path d="M13 6l6 6M13 12l6-6" stroke="#9a5a55" stroke-width="2"/>', "message lost"],
    ['<line x1="0" y1="7" x2="22" y2="7" stroke="#e69f00" stroke-width="3"/>', "how it came about"],
    ...CATEGORIES.map(c => ['<line x1="0" y1="11" x2="18" y2="4" stroke="' + c.color + '" stroke-width="2"/><circle cx="18" cy="4" r="3" fill="' + c.color + '"/>', c.name]),
  ];
  at("legend").innerHTML = items.map(([mark, words]) => '<span><svg width="24" height="14">' + mark + "</svg>" + words + "</span>").join("");
}

let rows = [];
function tell() {
  rows = story();
  const followed = focus.op ? "operation " + focus.op : focus.chunk !== null ? "chunk c" + focus.chunk : "everything";
  at("storyname").textContent = "What happened to " + followed;
  const list = at("story");
  list.replaceChildren();
  const made = document.createDocumentFragment();
  // The last word is the violation's, where there is one.
  let open = violation;
  for (const r of rows.slice(-600)) {
    if (open && r.event > open.event && r.true_ns >= open.true_ns) { made.append(verdict()); open = null; }
    made.append(row(r));
  }
  if (open) made.append(verdict());
  list.append(made);
  const last = data.focus.at_ns ? rows.findLast(r => r.true_ns <= data.focus.at_ns) : null;
  const place = last ? list.querySelector('li[data-i="' + last.i + '"]') : list.querySelector(".wrong");
  place?.scrollIntoView({ block: "end" });
}
function row(r) {
  const li = element("li", undefined, r.kind === "fault" ? "fault" : MILESTONES.has(r.what) || isLife(r) ? "" : "quiet");
  li.dataset.i = r.i;
  const who = r.kind === "fault" ? "fault" : nameOf(r.node);
  li.append(element("time", seconds(r.true_ns)), element("span", who, "who"), element("span", r.text));
  li.onclick = () => choose(r.i);
  return li;
}
function verdict() {
  const li = element("li", undefined, "wrong");
  li.append(element("time", seconds(violation.true_ns)), element("span", violation.invariant, "who"), element("span", violation.detail));
  li.onclick = lookAtViolation;
  return li;
}

const HIDDEN = new Set(["i", "category", "named", "event", "true_ns", "text", "step", "bad", "ends", "what", "kind", "node", "fault"]);
function detail(i) {
  const box = at("chosen");
  box.replaceChildren();
  if (i === null) return;
  const r = records[i];
  box.append(element("h3", nameOf(r.node) + " " + r.text));
  const table = element("table");
  const fact = (name, value) => { const tr = element("tr"); tr.append(element("td", name), element("td", value)); table.append(tr); };
  fact("when", seconds(r.true_ns, 9) + " s, event " + r.event + (r.local_ns ? "; its own clock " + seconds(r.local_ns) + " s" : ""));
  fact("what", r.kind + " " + r.what);
  for (const [name, value] of Object.entries(r)) if (!HIDDEN.has(name) && name !== "local_ns") fact(name, shown(name, value));
  if (r.flow) fact("message " + r.flow, passage(r.flow));
  box.append(table);
  const buttons = element("p");
  const button = (words, act) => { const made = element("button", words); made.onclick = act; buttons.append(made, " "); };
  for (const chunk of r.chunk ? [r.chunk] : []) button("follow c" + chunk, () => follow(chunk, null));
  if (r.op) button("follow " + opName(r.op), () => follow(null, opName(r.op)));
  if (buttons.children.length) box.append(buttons);
  list(box, "How it came about", chain(i).slice(0, -1));
  list(box, "What came of it", consequences(i).slice(0, 12));
}
function list(box, heading, found) {
  if (!found.length) return;
  box.append(element("p", heading, "soft"));
  const made = element("ol");
  for (const i of found) {
    const li = element("li", seconds(records[i].true_ns) + " " + nameOf(records[i].node) + " " + records[i].text);
    li.onclick = () => choose(i);
    made.append(li);
  }
  box.append(made);
}
function passage(number) {
  const flow = flows.get(number);
  if (flow.send === null) return "sent before this page begins";
  const ms = i => ((records[i].true_ns - records[flow.send].true_ns) / 1e6).toFixed(3) + " ms";
  if (!flow.arrivals.length) return flow.fate === null ? "still on its way" : records[flow.fate].text;
  return "taken after " + flow.arrivals.map(ms).join(" and ");
}
function shown(name, value) {
  if (name === "op") return opName(value);
  if (name === "until_ns") return seconds(value) + " s";
  if (["from", "to"].includes(name)) return nameOf(value);
  if (["nodes", "others"].includes(name)) return value.map(nameOf).join(" ");
  const prefix = { chunk: "c", version: "v", sequence: "s", request: "r", io: "io" }[name] ?? "";
  return Array.isArray(value) ? value.map(v => "c" + v).join(" ") : prefix + value;
}
