// The operator console: reads `/console/data` once a second and shows it.
//
// Three rules shape it. Whatever comes from the gateway is written by `textContent` or as an
// attribute's value, never as markup. A node is touched only when what it shows has changed. And of
// thousands of tenants only the rows that can be seen (and a few around them) are in the document.

const DATA = "/console/data";
const redriveUrl = (tenant) => `/api/v2/internal/dead-letters/${encodeURIComponent(tenant)}/redrive`;
const POLL_MS = 1_000;
const HIDDEN_POLL_MS = 10_000; // Nobody looks: spare the gateway.
const TIMEOUT_MS = 5_000;
const RETRY_MS = [1_000, 1_000, 2_000, 4_000, 8_000];
const HISTORY_MS = 300_000;
const FIRST_MINUTE_MS = 60_000; // The chart begins this wide and grows with its record.
const ALL_ROWS = 200; // Up to here every row is in the document, and the browser's own search works.
const SPARE_ROWS = 8;
const STALE_AUDIT_MS = 60_000;
const UNACCOUNTED_POLLS = 5;

const $ = (id) => document.getElementById(id);

function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** A writer for `node` that leaves it alone while the text stays the same. */
function text(node) {
  let shown = node.textContent;
  return (next) => {
    if (next !== shown) node.textContent = shown = next;
  };
}

/** The same for one attribute; `null` takes it away. */
function attribute(node, name) {
  let shown = node.getAttribute(name);
  return (next) => {
    if (next === shown) return;
    shown = next;
    if (next === null) node.removeAttribute(name);
    else node.setAttribute(name, next);
  };
}

// Through the object model, not the style attribute: that much a strict policy allows.
function style(node, property) {
  let shown = "";
  return (next) => {
    if (next !== shown) node.style.setProperty(property, (shown = next));
  };
}

// ---- Figures -------------------------------------------------------------------------------------

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const three = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const steady = new Intl.NumberFormat("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
const THIN = "\u202f";
const NONE = "–";

const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value : NaN);

function exact(value) {
  if (Number.isNaN(value)) return NONE;
  // Past 2^53 a JSON number has lost its last digits in here: say so.
  return (value > Number.MAX_SAFE_INTEGER ? "≈" : "") + whole.format(value);
}

function compact(value, digits = steady) {
  if (!(value >= 1e5)) return exact(value);
  const [unit, name] = value < 1e6 ? [1e3, "k"] : value < 1e9 ? [1e6, "M"] : value < 1e12 ? [1e9, "G"] : [1e12, "T"];
  return digits.format(value / unit) + THIN + name;
}

function rate(value) {
  if (!(value > 0 && value < 9.95)) return compact(value);
  return value < 0.05 ? "<0.1" : tenth.format(value);
}

function bytes(value) {
  if (Number.isNaN(value)) return NONE;
  const power = value < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(value) / 10));
  return three.format(value / 1024 ** power) + THIN + ["B", "KiB", "MiB", "GiB", "TiB"][power];
}

function micros(value) {
  if (Number.isNaN(value)) return NONE;
  if (value < 1e3) return three.format(value) + THIN + "µs";
  return value < 1e6 ? three.format(value / 1e3) + THIN + "ms" : three.format(value / 1e6) + THIN + "s";
}

function span(seconds) {
  if (Number.isNaN(seconds)) return NONE;
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}${THIN}s`;
  if (s < 3600) return `${Math.floor(s / 60)}${THIN}min`;
  if (s < 86_400) return `${Math.floor(s / 3600)}${THIN}h ${Math.floor((s % 3600) / 60)}${THIN}min`;
  return `${Math.floor(s / 86_400)}${THIN}d ${Math.floor((s % 86_400) / 3600)}${THIN}h`;
}

// ---- The columns: one list for head, cells, order and the phone's labels -------------------------

const roomy = matchMedia("(min-width: 110rem)");
const count = (value) => (roomy.matches ? exact(value) : compact(value));

/** A cell with one figure; `alarm` colours it when it is not zero. */
const figure = (read, show, alarm = null) => (cell) => {
  const [put, raw, zero, mark] = [text(cell), attribute(cell, "data-value"), attribute(cell, "data-zero"), attribute(cell, "data-alarm")];
  return (tenant) => {
    const value = read(tenant);
    raw(String(value));
    put(show(value));
    zero(value === 0 ? "" : null);
    mark(alarm && value > 0 ? alarm : null);
  };
};

function nameCell(cell) {
  const [put, raw] = [text(cell), attribute(cell, "data-value")];
  return (tenant) => {
    put(tenant.tenant);
    raw(tenant.tenant);
  };
}

const SEVERITY = { down: 3, throttled: 2, paused: 1, up: 0 };
const severity = (tenant) =>
  Math.max(SEVERITY[tenant.link] ?? 3, tenant.throttled ? SEVERITY.throttled : 0, tenant.paused ? SEVERITY.paused : 0);

function linkCell(cell) {
  const part = (field) => {
    const node = make("span", { class: "state", "data-field": field });
    cell.append(node);
    return { put: text(node), raw: attribute(node, "data-value"), hide: attribute(node, "hidden") };
  };
  const [raw, link, paused, throttled] = [attribute(cell, "data-value"), part("state"), part("paused"), part("throttled")];
  const flag = (shown, on, word, link_) => {
    shown.raw(on ? word : "false");
    shown.put(on ? word : "");
    shown.hide(on && link_ !== word ? null : "");
  };
  return (tenant) => {
    const word = String(tenant.link);
    raw(word);
    link.raw(word);
    link.put(word);
    // "up" beside "paused" says nothing: the flag takes its place, and stands beside "down".
    link.hide(word === "up" && (tenant.paused || tenant.throttled) ? "" : null);
    flag(paused, tenant.paused === true, "paused", word);
    flag(throttled, tenant.throttled === true, "throttled", word);
  };
}

function queueCell(cell) {
  const [fill, low, high] = ["fill", "mark-low", "mark-high"].map((name) => make("span", { class: name }));
  const meter = make("span", { class: "meter", role: "meter", "aria-label": "Queue depth", "aria-valuemin": "0" }, fill, low, high);
  const depth = make("span", { class: "depth" });
  cell.append(make("div", { class: "queue" }, meter, depth));
  const [raw, put, level] = [attribute(cell, "data-value"), text(depth), attribute(meter, "data-level")];
  const [now, max, words] = ["aria-valuenow", "aria-valuemax", "aria-valuetext"].map((name) => attribute(meter, name));
  const [width, lowAt, highAt] = [style(fill, "width"), style(low, "left"), style(high, "left")];
  const zero = attribute(depth, "data-zero");
  return ({ queue = {} }) => {
    const [d, l, h, c] = [queue.depth, queue.low, queue.high, queue.capacity].map(number);
    const share = (value) => `${c > 0 ? Math.min(100, Math.max(0, (100 * value) / c)).toFixed(1) : 0}%`;
    raw(String(d));
    put(compact(d));
    zero(d === 0 ? "" : null);
    width(share(d));
    lowAt(share(l));
    highAt(share(h));
    level(d >= c ? "full" : d >= h ? "high" : null);
    now(String(d));
    max(String(c));
    words(`${exact(d)} of ${exact(c)}, pauses at ${exact(h)}, resumes at ${exact(l)}`);
  };
}

function deadCell(cell) {
  const held = make("span", { "data-field": "held" });
  const ever = make("span", { "data-field": "dead_lettered" });
  const of = make("span", { class: "of", title: "held now, of all since the start" }, "of ", ever);
  const button = make("button", { type: "button", "data-action": "redrive" }, "Redrive");
  cell.append(make("div", { class: "dead" }, held, of, button));
  const [put, raw, alarm, zero] = [text(held), attribute(cell, "data-value"), attribute(held, "data-alarm"), attribute(held, "data-zero")];
  const [putEver, rawEver, hideOf] = [text(ever), attribute(ever, "data-value"), attribute(of, "hidden")];
  const [hide, label, busy] = [attribute(button, "hidden"), attribute(button, "aria-label"), attribute(button, "disabled")];
  return (tenant) => {
    const [n, all] = [number(tenant.dead_letters_held), number(tenant.dead_lettered)];
    raw(String(n));
    put(compact(n));
    alarm(n > 0 ? "bad" : null);
    zero(n === 0 ? "" : null);
    rawEver(String(all));
    putEver(compact(all));
    hideOf(all > n ? null : ""); // "12 of 12" says no more than "12".
    hide(n > 0 ? null : "");
    busy(redriving.has(tenant.tenant) ? "" : null);
    label(`Redrive the dead letters of ${tenant.tenant}`);
  };
}

function auditCell(cell) {
  const [size, root, age] = [make("span", { "data-field": "size" }), make("code", { "data-field": "root" }), make("span", { class: "age", "data-field": "checkpoint_age_ms" })];
  cell.append(make("div", { class: "audit" }, size, root, age));
  const [raw, put] = [attribute(cell, "data-value"), text(size)];
  const [rawRoot, putRoot, rawAge, putAge, alarm] = [attribute(root, "data-value"), text(root), attribute(age, "data-value"), text(age), attribute(age, "data-alarm")];
  return ({ audit = {} }) => {
    const [n, ms, head] = [number(audit.size), number(audit.checkpoint_age_ms), String(audit.root ?? "")];
    raw(String(n));
    put(compact(n));
    rawRoot(head);
    putRoot(head.slice(0, 6));
    rawAge(String(ms));
    putAge(span(ms / 1000));
    alarm(ms > STALE_AUDIT_MS ? "warn" : null);
  };
}

const plain = (field, label, { show = count, alarm = null, title = null } = {}) => {
  const read = (tenant) => number(tenant[field]);
  return { field, label, title, read, cell: figure(read, show, alarm) };
};

const COLUMNS = [
  { field: "tenant", label: "Tenant", wordy: true, read: (t) => t.tenant, cell: nameCell },
  { field: "link", label: "State", wordy: true, title: "The upstream link, and whether we paused or throttled it", read: severity, cell: linkCell },
  plain("rate_in", "In/s", { show: rate, title: "Events per second from upstream" }),
  plain("rate_out", "Out/s", { show: rate, title: "Events per second delivered" }),
  { field: "queue", label: "Queue", wordy: true, title: "Depth; the marks are where upstream resumes and where it pauses", read: (t) => number(t.queue?.depth), cell: queueCell },
  { field: "dead_letters_held", label: "Dead letters", title: "Held now, of all since the start", read: (t) => number(t.dead_letters_held), cell: deadCell },
  plain("received", "Received"),
  plain("delivered", "Delivered"),
  plain("unmatched", "Unmatched", { title: "No subscription wanted them" }),
  plain("refused", "Refused", { alarm: "warn", title: "Failed a check; the reasons are in the audit log" }),
  plain("duplicates", "Dupes", { title: "Duplicates, dropped" }),
  plain("gaps", "Gaps", { alarm: "warn", title: "Declared gaps in the upstream's sequence" }),
  plain("redactions", "Redacted", { title: "Values masked, hashed or left out" }),
  plain("control", "Control", { title: "Heartbeats and notices of the platform" }),
  plain("cursor", "Cursor", { title: "The last position committed" }),
  { field: "audit_size", label: "Audit head", title: "Leaves, root hash, age of the last checkpoint", read: (t) => number(t.audit?.size), cell: auditCell },
];

const FILTERS = [
  { key: "all", label: "All", test: () => true },
  { key: "down", label: "Down", test: (t) => t.link === "down" },
  { key: "paused", label: "Paused", test: (t) => t.paused || t.link === "paused" },
  { key: "throttled", label: "Throttled", test: (t) => t.throttled || t.link === "throttled" },
  { key: "dead", label: "Dead letters", test: (t) => t.dead_letters_held > 0 },
  { key: "gaps", label: "Gaps", test: (t) => t.gaps > 0 },
];

// ---- Rows ----------------------------------------------------------------------------------------

const view = { tenants: new Map(), rank: new Map(), order: [], sort: "tenant", down: false, filter: "all", query: "" };
const redriving = new Set();
const rows = { shown: new Map(), spare: [], height: 34, before: spacer(), after: spacer() };

function spacer() {
  const row = make("tr", { class: "spacer", "aria-hidden": "true" }, make("td"));
  return { row, height: style(row, "height") };
}

function newRow() {
  const row = make("tr", { role: "row" });
  const updates = COLUMNS.map(({ field, label, wordy, cell }, index) => {
    const td = make("td", { role: index ? "cell" : "rowheader", "data-field": field, "data-label": label });
    if (wordy) td.className = "wordy";
    row.append(td);
    return cell(td);
  });
  return { row, updates, tenant: attribute(row, "data-tenant"), index: attribute(row, "aria-rowindex") };
}

/** Who is listed, and in what order. While somebody points into the rows they do not move. */
function arrange(force) {
  const column = COLUMNS.find(({ field }) => field === view.sort);
  const { test } = FILTERS.find(({ key }) => key === view.filter);
  const listed = [...view.tenants.values()].filter((t) => test(t) && t.tenant.includes(view.query));
  const held = !force && view.sort !== "tenant" && $("rows").matches(":focus-within, :hover") && matchMedia("(hover: hover)").matches;
  $("held-order").hidden = !held;
  if (held) {
    const place = new Map(view.order.map((name, index) => [name, index]));
    listed.sort((a, b) => (place.get(a.tenant) ?? Infinity) - (place.get(b.tenant) ?? Infinity) || byName(a, b));
  } else {
    const way = view.down ? -1 : 1;
    const keys = new Map(listed.map((t) => [t, view.sort === "tenant" ? view.rank.get(t.tenant) : column.read(t)]));
    // A figure that is missing goes last either way.
    const key = (t) => (Number.isNaN(keys.get(t)) ? Infinity * way : keys.get(t));
    listed.sort((a, b) => (key(a) === key(b) ? byName(a, b) : key(a) < key(b) ? -way : way));
  }
  view.order = listed.map((t) => t.tenant);
}

const byName = (a, b) => view.rank.get(a.tenant) - view.rank.get(b.tenant);

/** The range of `view.order` that can be seen, with a few rows on either side. */
function seen() {
  const all = view.order.length;
  if (all <= ALL_ROWS) return [0, all];
  const port = $("tenants").getBoundingClientRect();
  const top = rows.before.row.getBoundingClientRect().top;
  const first = Math.floor((Math.max(0, port.top) - top) / rows.height) - SPARE_ROWS;
  const last = Math.ceil((Math.min(innerHeight, port.bottom) - top) / rows.height) + SPARE_ROWS;
  const end = Math.min(all, Math.max(last, 2 * SPARE_ROWS));
  return [Math.min(Math.max(0, first), Math.max(0, end - 1)), end];
}

function render() {
  const [first, end] = seen();
  const wanted = view.order.slice(first, end);
  const keep = new Set(wanted);
  for (const [name, row] of rows.shown) {
    if (keep.has(name)) continue;
    if (row.row.contains(document.activeElement)) $("tenants").focus({ preventScroll: true });
    rows.shown.delete(name);
    rows.spare.push(row);
  }
  let place = rows.before.row;
  wanted.forEach((name, index) => {
    let row = rows.shown.get(name);
    if (!row) rows.shown.set(name, (row = rows.spare.pop() ?? newRow()));
    row.tenant(name);
    row.index(String(first + index + 2));
    const tenant = view.tenants.get(name);
    for (const update of row.updates) update(tenant);
    if (place.nextSibling !== row.row) place.after(row.row);
    place = row.row;
  });
  for (const { row } of rows.spare) row.remove();
  $("tenants").toggleAttribute("data-windowed", view.order.length > ALL_ROWS);
  rows.before.height(`${first * rows.height}px`);
  rows.after.height(`${(view.order.length - end) * rows.height}px`);
  measure();
}

// The style sheet decides how high a row is, and the reader's font size with it.
function measure() {
  const row = rows.shown.values().next().value?.row;
  const height = row?.getBoundingClientRect().height;
  if (!height || Math.abs(height - rows.height) < 0.01) return;
  rows.height = height;
  soon();
}

let queued = false;
function soon() {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => {
    queued = false;
    render();
  });
}

const shown = text($("shown"));
const rowCount = attribute($("table"), "aria-rowcount");

function list(force = false) {
  arrange(force);
  rowCount(String(view.order.length + 1));
  const all = view.tenants.size;
  shown(view.order.length === all ? "" : `${whole.format(view.order.length)} of ${whole.format(all)} shown`);
  $("nothing").hidden = view.order.length > 0;
  if (!view.order.length) text($("nothing"))(all ? "No tenant fits the search and the filter." : "No tenant is bound to this gateway yet.");
  render();
}

// ---- Charts --------------------------------------------------------------------------------------

const SVG = "http://www.w3.org/2000/svg";
const history = [];

const width = () => Math.max(FIRST_MINUTE_MS, history.at(-1).at - history[0].at);

/** Draws series of `history` into a 300 x 100 box; returns the value at its upper edge. */
function chart(svg, series, grid) {
  const names = [...(grid ? ["grid", "area"] : []), ...series.map(({ name }) => name)];
  if (!svg.firstChild) {
    for (const name of names) {
      const path = document.createElementNS(SVG, "path");
      path.setAttribute("class", name);
      svg.append(path);
    }
  }
  const end = history.at(-1).at;
  const top = ceiling(Math.max(...series.flatMap(({ read }) => history.map(read))));
  const line = (read) => history.map((sample, index) => {
    // A hole in the record is a hole in the line.
    const broken = index === 0 || sample.at - history[index - 1].at > 3 * HIDDEN_POLL_MS / 2;
    const x = 300 - (300 * (end - sample.at)) / width();
    return `${broken ? "M" : "L"}${x.toFixed(2)} ${(100 - (100 * read(sample)) / top).toFixed(2)}`;
  }).join("");
  const paths = Object.fromEntries(series.map(({ name, read }) => [name, line(read)]));
  if (grid) {
    paths.grid = "M0 0H300M0 50H300M0 100H300";
    const start = 300 - (300 * (end - history[0].at)) / width();
    paths.area = `${paths[series[0].name].replace(/(?!^)M/g, "L")}L300 100L${start.toFixed(2)} 100Z`;
  }
  names.forEach((name, index) => svg.children[index].setAttribute("d", paths[name]));
  return top;
}

/** The next round figure: 1, 2, 2.5, 4, 5 or 8 times a power of ten. */
function ceiling(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 2.5, 4, 5, 8, 10].find((step) => step * power >= value * 1.02 || step === 10);
}

function remember(totals) {
  const at = performance.now();
  history.push({ at, totals });
  while (at - history[0].at > HISTORY_MS) history.shift();
}

function drawCharts() {
  const top = chart($("chart"), [{ name: "in", read: (s) => s.totals.rate_in || 0 }, { name: "out", read: (s) => s.totals.rate_out || 0 }], true);
  $("chart-top").textContent = compact(top, three);
  $("chart-mid").textContent = top >= 2 ? compact(top / 2, three) : tenth.format(top / 2);
  $("chart-from").textContent = `${span(width() / 1000)} ago`;
  const { rate_in, rate_out } = history.at(-1).totals;
  $("chart").setAttribute("aria-label", `Events per second in the last five minutes: ${rate(number(rate_in))} in, ${rate(number(rate_out))} out now; the scale ends at ${exact(top)}`);
  chart($("spark-latency"), [{ name: "in", read: (s) => s.totals.latency_us?.p99 || 0 }], false);
  chart($("spark-memory"), [{ name: "in", read: (s) => s.totals.memory_bytes || 0 }], false);
}

// ---- Totals --------------------------------------------------------------------------------------

const COUNTERS = [
  { field: "received", label: "Received" },
  { field: "delivered", label: "Delivered", ends: true },
  { field: "unmatched", label: "Unmatched", ends: true },
  { field: "duplicates", label: "Duplicates", ends: true },
  { field: "refused", label: "Refused", ends: true, trouble: true },
  { field: "dead_lettered", label: "Dead-lettered", ends: true, trouble: true },
  { field: "gaps", label: "Gaps", trouble: true },
  { field: "control", label: "Control" }, // The platform's own frames are not among the received.
];

function buildTotals() {
  for (const counter of COUNTERS) {
    const value = make("dd", { id: `total-${counter.field.replaceAll("_", "-")}` }, NONE);
    const change = make("dd", { class: "change" });
    const box = make("div", { "data-share": counter.ends ? counter.field : "" }, make("dt", {}, counter.label), value, change);
    $("counters").append(box);
    Object.assign(counter, { put: text(value), raw: attribute(value, "data-value"), change: text(change), rising: attribute(box, "data-rising") });
    if (!counter.ends) continue;
    const share = make("span", { "data-share": counter.field });
    $("shares").append(share);
    counter.width = style(share, "width");
  }
  const single = (id, show) => {
    const [put, raw] = [text($(id)), attribute($(id), "data-value")];
    return (value) => {
      put(show(number(value)));
      raw(String(value));
    };
  };
  const shows = {
    "total-rate-in": [rate, (t) => t.rate_in], "total-rate-out": [rate, (t) => t.rate_out],
    "total-latency-p50": [micros, (t) => t.latency_us?.p50], "total-latency-p99": [micros, (t) => t.latency_us?.p99],
    "total-latency-p999": [micros, (t) => t.latency_us?.p999], "total-memory-bytes": [bytes, (t) => t.memory_bytes],
    "total-in-flight": [exact, (t) => t.in_flight], "total-tenants": [exact, (t) => t.tenants],
  };
  const singles = Object.entries(shows).map(([id, [show, read]]) => [single(id, show), read]);
  return (totals) => singles.forEach(([put, read]) => put(read(totals)));
}

const showSingles = buildTotals();
let unaccountedFor = 0;

function showTotals(totals) {
  showSingles(totals);
  const now = performance.now();
  const minuteAgo = history.find((sample) => now - sample.at <= 60_500) ?? history[0];
  const ended = COUNTERS.filter(({ ends }) => ends);
  const sum = ended.reduce((total, { field }) => total + (number(totals[field]) || 0), 0);
  for (const counter of COUNTERS) {
    const value = number(totals[counter.field]);
    const change = value - number(minuteAgo.totals[counter.field]);
    counter.raw(String(value));
    counter.put(exact(value));
    counter.change(change > 0 ? `+${compact(change)} in ${span((now - minuteAgo.at) / 1000)}` : "");
    counter.rising(counter.trouble && change > 0 ? "" : null);
    counter.width?.(`${sum ? ((100 * value) / sum).toFixed(2) : 0}%`);
  }
  $("shares").setAttribute("aria-label", ended.map(({ field, label }) => `${label} ${sum ? ((100 * totals[field]) / sum).toFixed(1) : 0} %`).join(", "));
  showBalance(totals, sum);
}

// Nothing may vanish: what was received and has no end yet must be under way. The counters are not
// read in one instant, so a difference counts only when it stays.
function showBalance(totals, ended) {
  const missing = number(totals.received) - ended - (number(totals.in_flight) || 0);
  unaccountedFor = missing > 0 ? unaccountedFor + 1 : 0;
  $("unaccounted").hidden = unaccountedFor < UNACCOUNTED_POLLS;
  if (!$("unaccounted").hidden) $("unaccounted").textContent = `${exact(missing)} received events have no recorded end and are not under way`;
}

// ---- The feed ------------------------------------------------------------------------------------

const feed = { token: null, timer: 0, busy: false, failures: 0, held: false, at: 0 };
const status = text($("status"));

function enter(state, words) {
  document.body.dataset.state = state;
  status(words);
}

async function poll() {
  if (feed.busy || !feed.token) return;
  clearTimeout(feed.timer);
  feed.busy = true;
  const { token } = feed;
  const started = performance.now();
  try {
    const response = await ask(DATA, "GET");
    if (token !== feed.token) return;
    if (response.status === 401 || response.status === 403) return signIn("The gateway does not accept this token. It may have expired.");
    if (!response.ok) throw new Error(`it answered ${response.status}`);
    accept(await response.json());
    feed.failures = 0;
    feed.at = performance.now();
    $("banner").hidden = true;
    if (!feed.held) enter("live", "Live");
  } catch (error) {
    if (token === feed.token) lost(error);
  } finally {
    feed.busy = false;
    if (feed.token) schedule(started);
  }
}

function schedule(started) {
  clearTimeout(feed.timer);
  if (feed.held) return;
  const pause = feed.failures ? RETRY_MS[Math.min(feed.failures, RETRY_MS.length) - 1] : document.hidden ? HIDDEN_POLL_MS : POLL_MS;
  feed.timer = setTimeout(poll, Math.max(50, pause - (performance.now() - started)));
}

/** A request of this origin with the operator's token, and nothing else that could name somebody. */
function ask(url, method) {
  return fetch(url, {
    method,
    headers: { Authorization: `Bearer ${feed.token}`, Accept: "application/json" },
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
}

function accept(data) {
  if (typeof data?.totals !== "object" || !Array.isArray(data.tenants)) throw new SyntaxError("not the console's data");
  const known = view.tenants;
  view.tenants = new Map(data.tenants.map((tenant) => [String(tenant.tenant), tenant]));
  if (known.size !== view.tenants.size || [...view.tenants.keys()].some((name) => !known.has(name))) {
    const { compare } = new Intl.Collator("en", { numeric: true });
    view.rank = new Map([...view.tenants.keys()].sort(compare).map((name, index) => [name, index]));
  }
  remember(data.totals);
  $("version").textContent = `gateway ${data.version}`;
  $("uptime").textContent = `up ${span(number(data.uptime_s))}`;
  if (document.hidden) return;
  showTotals(data.totals);
  drawCharts();
  showFilters();
  list();
}

function lost(error) {
  feed.failures += 1;
  const why = error instanceof SyntaxError ? "its answer cannot be read"
    : error.name === "TimeoutError" ? "it did not answer in time"
    : error instanceof TypeError ? "it cannot be reached" : error.message;
  const since = feed.at ? ` The figures below are of ${new Date(Date.now() - (performance.now() - feed.at)).toLocaleTimeString()}.` : "";
  // The banner is announced when its words change, so not at every attempt.
  text($("banner"))(`No figures from the gateway: ${why}. Trying again.${since}`);
  $("banner").hidden = false;
  enter("lost", "Connection lost");
}

function showAge() {
  const old = feed.at ? (performance.now() - feed.at) / 1000 : 0;
  $("age").textContent = old >= 2 ? `${span(old)} old` : "";
}

// ---- The token -----------------------------------------------------------------------------------

const STORE = "cofferdam.operator-token";

/** Takes the token out of the address, so that it is in no history, bookmark or screenshot. */
function tokenFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (token === null) return null;
  window.history.replaceState(null, "", location.pathname + location.search);
  return token.trim() || null;
}

function signIn(words) {
  feed.token = null;
  clearTimeout(feed.timer);
  sessionStorage.removeItem(STORE);
  enter("signed-out", "Not connected");
  $("banner").hidden = $("console").hidden = $("hold").hidden = true;
  $("sign-in-text").textContent = words;
  $("sign-in").hidden = false;
  $("token").focus();
}

function open(token) {
  // A header takes printable ASCII only; anything else is a slip of the clipboard.
  if (!/^[\x21-\x7e]+$/.test(token)) return signIn("That is not a token: it holds characters that no token has.");
  Object.assign(feed, { token, failures: 0, held: false, at: 0 });
  sessionStorage.setItem(STORE, token);
  $("token").value = "";
  $("sign-in").hidden = true;
  $("console").hidden = $("hold").hidden = false;
  enter("connecting", "Connecting");
  poll();
}

// ---- Redrive -------------------------------------------------------------------------------------

let noticeTimer = 0;
function notice(words) {
  $("notice").textContent = words;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => ($("notice").textContent = ""), 8_000);
}

function confirmRedrive(name) {
  const dialog = $("redrive-dialog");
  const held = number(view.tenants.get(name)?.dead_letters_held);
  $("redrive-text").textContent = `${exact(held)} dead letter${held === 1 ? "" : "s"} of ${name} will be queued again for delivery, in order.`;
  dialog.returnValue = "";
  dialog.onclose = () => dialog.returnValue === "redrive" && redrive(name);
  dialog.showModal();
}

async function redrive(name) {
  redriving.add(name);
  soon();
  try {
    const response = await ask(redriveUrl(name), "POST");
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) throw new Error(answer.title ?? `the gateway answered ${response.status}`);
    notice(`${exact(number(answer.redriven))} redriven for ${name}`);
    poll();
  } catch (error) {
    notice(`Not redriven for ${name}: ${error instanceof TypeError ? "the gateway cannot be reached" : error.message}`);
  } finally {
    redriving.delete(name);
    soon();
  }
}

// ---- Controls ------------------------------------------------------------------------------------

function sortBy(field) {
  // A name begins at A; of figures the largest are wanted first.
  view.down = view.sort === field ? !view.down : field !== "tenant";
  view.sort = field;
  showSort();
  $("tenants").scrollTop = 0;
  list(true);
}

function showSort() {
  for (const head of $("head").children) {
    if (head.dataset.sort === view.sort) head.setAttribute("aria-sort", view.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  $("sort-by").value = view.sort;
  $("sort-way").textContent = view.down ? "▾ falling" : "▴ rising";
}

function buildHead() {
  for (const { field, label, wordy, title } of COLUMNS) {
    const button = make("button", { type: "button" }, label);
    if (title) button.title = title;
    button.addEventListener("click", () => sortBy(field));
    $("head").append(make("th", { role: "columnheader", scope: "col", "data-sort": field, class: wordy ? "wordy" : "" }, button));
    $("cols").append(make("col", { class: `col-${field}` }));
    $("sort-by").append(make("option", { value: field }, label));
  }
  $("rows").append(rows.before.row, rows.after.row);
  showSort();
}

function buildFilters() {
  for (const filter of FILTERS) {
    const number_ = make("b");
    const button = make("button", { type: "button", "aria-pressed": String(filter.key === view.filter), "data-filter": filter.key }, filter.label, number_);
    button.addEventListener("click", () => {
      view.filter = filter.key;
      for (const other of $("filters").children) other.setAttribute("aria-pressed", String(other === button));
      list(true);
    });
    $("filters").append(button);
    Object.assign(filter, { put: text(number_), some: attribute(button, "data-some") });
  }
}

function showFilters() {
  for (const filter of FILTERS) {
    let n = 0;
    for (const tenant of view.tenants.values()) if (filter.test(tenant)) n += 1;
    filter.put(whole.format(n));
    filter.some(n > 0 && filter.key !== "all" ? "" : null);
  }
}

/** What a cell's short figure stands for, looked up only when somebody points at it. */
function explain(event) {
  const cell = event.target.closest?.("td[data-field]");
  const tenant = cell && view.tenants.get(cell.closest("tr").dataset.tenant);
  if (!tenant) return;
  const { queue = {}, audit = {} } = tenant;
  const words = {
    tenant: tenant.tenant,
    queue: `${exact(number(queue.depth))} waiting (${bytes(number(queue.bytes))}), ${exact(number(queue.in_flight))} in flight; pauses at ${exact(number(queue.high))}, resumes at ${exact(number(queue.low))}, holds ${exact(number(queue.capacity))}`,
    audit_size: `${exact(number(audit.size))} leaves, root ${audit.root}`,
    dead_letters_held: `${exact(number(tenant.dead_letters_held))} held, ${exact(number(tenant.dead_lettered))} since the start`,
  };
  cell.title = words[cell.dataset.field] ?? (/^[\d.]+$/.test(cell.dataset.value) ? Number(cell.dataset.value).toLocaleString("en") : "");
}

function hold() {
  feed.held = !feed.held;
  $("hold").setAttribute("aria-pressed", String(feed.held));
  clearTimeout(feed.timer);
  if (feed.held) enter("held", "Held");
  else poll();
}

buildHead();
buildFilters();
$("hold").addEventListener("click", hold);
$("sort-by").addEventListener("change", (event) => sortBy(event.target.value));
$("sort-way").addEventListener("click", () => sortBy(view.sort));
$("search").addEventListener("input", (event) => {
  view.query = event.target.value.trim().toLowerCase();
  list(true);
});
$("rows").addEventListener("pointerover", explain);
$("rows").addEventListener("click", (event) => {
  const button = event.target.closest("[data-action=redrive]");
  if (button) confirmRedrive(button.closest("tr").dataset.tenant);
});
$("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  open($("token").value.trim());
});
document.addEventListener("scroll", soon, { capture: true, passive: true });
document.addEventListener("visibilitychange", () => !document.hidden && !feed.held && poll());
addEventListener("resize", soon);
roomy.addEventListener("change", soon);
addEventListener("hashchange", () => {
  const token = tokenFromAddress();
  if (token) open(token);
});
setInterval(showAge, 1_000);

const token = tokenFromAddress() ?? sessionStorage.getItem(STORE);
if (token) open(token);
else signIn("Open this page by the link that the gateway printed when it started (it ends in #token=…), or paste the token here.");
