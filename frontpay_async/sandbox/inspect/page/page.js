// The virtual terminal. It shows what the sandbox's feed tells, and acts through the sandbox's routes.
// All that comes from outside becomes text, never markup; rows stay in place, so that focus does.
"use strict";

const MOST_ORDERS = 200;
const MOST_REQUESTS = 100;
const MOST_SAID = 3;
const BACK_IN = 2000; // milliseconds
const KINDS = {
  "orders.send_payment_link": "Payment link",
  "orders.send_invoice": "Invoice",
  "orders.send_efaktura": "eFaktura",
  "orders.send_ehf_invoice": "EHF invoice",
  "terminals.create_order": "Terminal",
};
const EVENTS = {
  pay: "Pay",
  cancel: "Cancel",
  expire: "Let the link expire",
  invoice: "Choose an invoice",
  remind: "Send a reminder",
  collect: "Collect the debt",
};
const FAULTS = {
  "500-before": "500, and nothing was done",
  "500-after": "500, although it was done",
  "510-before": "510, and nothing was done",
  "510-after": "510, although it was done",
  "502-before": "a proxy’s 502, and nothing was done",
  "502-after": "a proxy’s 502, although it was done",
  "drop-before": "no answer, and nothing was done",
  "drop-after": "no answer, although it was done",
  "cut-body": "half an answer",
  "unknown-status": "a status that nobody knows",
  "busy": "the terminal is busy",
  "latency": "a late answer",
  "drip": "an answer byte by byte",
};
const TONES = {
  "PAID": "good", "REFUNDED": "cool", "PARTIAL REFUNDED": "cool", "CANCELLED": "bad", "EXPIRED": "bad",
  "SENT": "warm", "PURRING": "warm", "INKASSO": "bad",
};

const byId = (id) => document.getElementById(id);
const seen = {
  orders: new Map(), // by uuid
  requests: [], // the newest first
  terminals: [],
  windows: [],
  limit: null,
  lasts: new Map(), // what was decided last, by terminal
};

// --- Rows ---------------------------------------------------------------------------------------

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function set(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

function copyOf(template) {
  return byId(template).content.firstElementChild.cloneNode(true);
}

// Make an element's children those of some items. A row that remains is not moved, and one that goes
// gives its focus to the next.
function keep(parent, items, keyOf, template, fill, heading) {
  const rows = new Map([...parent.children].map((row) => [row.dataset.key, row]));
  const keys = new Set(items.map(keyOf));
  let isFocusLost = false;
  let neighbour = null;
  for (const [key, row] of rows) {
    if (keys.has(key)) continue;
    if (row.contains(document.activeElement)) {
      isFocusLost = true;
      neighbour = nearest(row, (other) => keys.has(other.dataset.key));
    }
    row.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const row = rows.get(key) ?? copyOf(template);
    row.dataset.key = key;
    fill(row, item);
    if (row === place) place = place.nextElementSibling;
    else parent.insertBefore(row, place);
  }
  if (isFocusLost) (neighbour?.querySelector("button, summary") ?? heading).focus();
}

function nearest(row, isGood) {
  for (const step of ["nextElementSibling", "previousElementSibling"]) {
    for (let other = row[step]; other; other = other[step]) if (isGood(other)) return other;
  }
  return null;
}

function time(element, seconds) {
  const moment = new Date(seconds * 1000);
  set(element, "datetime", moment.toISOString());
  write(element, moment.toLocaleTimeString("en-GB"));
}

// --- Acting -------------------------------------------------------------------------------------

async function act(button, path, body) {
  // Not disabled: that would take the focus away.
  if (button.getAttribute("aria-disabled") === "true") return false;
  button.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch(path, { method: "POST", body: body && JSON.stringify(body) });
    if (answer.ok) {
      write(byId("problem"), "");
      return true;
    }
    const { error } = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
    complain(error);
  } catch {
    complain("the sandbox does not answer");
  } finally {
    button.removeAttribute("aria-disabled");
  }
  return false;
}

let quietening;

function complain(sentence) {
  byId("problem").textContent = `That did not work: ${sentence}.`;
  clearTimeout(quietening);
  quietening = setTimeout(() => write(byId("problem"), ""), 12000);
}

function happen(button, uuid, event) {
  return act(button, `/_sandbox/orders/${encodeURIComponent(uuid)}/${event}`);
}

// --- Terminals ----------------------------------------------------------------------------------

function showTerminals() {
  const waiting = [...seen.orders.values()].filter((order) => order.waits_for);
  const heading = byId("terminals-title");
  keep(byId("terminals"), seen.terminals, (each) => each.uuid, "terminal-row", (row, terminal) => {
    write(row.querySelector(".name"), terminal.name);
    write(row.querySelector(".id"), terminal.uuid);
    const mine = waiting.filter((order) => order.terminal === terminal.uuid);
    row.querySelector(".idle").hidden = mine.length > 0;
    const list = row.querySelector(".waiting");
    set(list, "aria-label", `Waiting on ${terminal.name}`);
    keep(list, mine, (order) => `${order.uuid} ${order.waits_for}`, "waiting-row", showWaiting, heading);
    write(row.querySelector(".last"), seen.lasts.get(terminal.uuid) ?? "");
    write(row.querySelector(".queue"), mine.length > 1 ? `${mine.length} wait` : "");
  }, heading);
}

function showWaiting(row, order) {
  const isRefund = order.waits_for === "refund";
  const sum = isRefund ? order.refund : order.amount;
  write(row.querySelector(".what"), isRefund ? "Refund to the card" : "To pay");
  write(row.querySelector(".sum"), sum);
  const more = order.more_lines ? `, and ${order.more_lines} more` : "";
  write(row.querySelector(".lines"), order.lines.join(", ") + more);
  write(row.querySelector(".id"), order.uuid);
  for (const decision of ["approve", "decline"]) {
    const button = row.querySelector(`.${decision}`);
    const word = decision === "approve" ? "Approve" : "Decline";
    set(button, "aria-label", `${word} the ${order.waits_for} of ${sum} NOK, order ${order.uuid}`);
    button.onclick = () => happen(button, order.uuid, isRefund ? `${decision}-refund` : decision);
  }
}

// --- Rate window --------------------------------------------------------------------------------

function showWindows() {
  const now = performance.now();
  seen.windows = seen.windows.filter((each) => each.ends > now);
  const none = byId("no-window");
  none.hidden = seen.windows.length > 0;
  write(none, seen.limit
    ? `No window is open. The next request opens one, for ${seen.limit.requests} in ${seen.limit.window} s.`
    : "Requests are not limited.");
  keep(byId("windows"), seen.windows, (each) => each.name, "window-row", (row, each) => {
    const bar = row.querySelector(".bar");
    write(row.querySelector(".label"), `${each.name}: ${each.used} of ${each.limit}`);
    write(row.querySelector(".left"), `ends in ${Math.ceil((each.ends - now) / 1000)} s`);
    set(bar, "aria-label", `${each.name}: requests used`);
    set(bar, "aria-valuemax", each.limit);
    set(bar, "aria-valuenow", each.used);
    set(bar, "data-full", each.used >= each.limit);
    bar.firstElementChild.style.width = `${(100 * each.used) / each.limit}%`;
  }, byId("rate-title"));
}

// --- Faults -------------------------------------------------------------------------------------

function showFaults(faults) {
  byId("no-fault").hidden = faults.length > 0;
  const clear = byId("clear-faults");
  if (faults.length === 0 && clear === document.activeElement) byId("faults-title").focus();
  clear.hidden = faults.length === 0;
  keep(byId("faults"), faults.map((fault, index) => ({ ...fault, index })), (each) => `${each.index}`,
    "fault-row", (row, fault) => {
      const often = fault.rate !== undefined ? `for ${+(100 * fault.rate).toFixed(2)} % of requests`
        : fault.left === null ? "until switched off" : `${fault.left} more`;
      const long = fault.seconds ? `, ${fault.seconds} s` : "";
      const where = fault.operation === "*" ? "any operation" : fault.operation;
      write(row.querySelector(".kind"), `${FAULTS[fault.kind] ?? fault.kind}${long}`);
      write(row.querySelector(".where"), `in ${where}, ${often}`);
    }, byId("faults-title"));
}

function offerFaults(kinds, operations) {
  const kind = byId("fault-kind");
  if (kind.options.length === 0) {
    for (const each of kinds) {
      const option = new Option(FAULTS[each.kind] ?? each.kind, each.kind);
      option.dataset.slow = each.slow;
      kind.add(option);
    }
    for (const name of operations) byId("fault-operation").add(new Option(name, name));
  }
}

byId("fault-kind").addEventListener("change", (event) => {
  byId("fault-slowness").hidden = event.target.selectedOptions[0].dataset.slow !== "true";
});
byId("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { kind, operation, times, seconds } = event.target.elements;
  const fault = { kind: kind.value, operation: operation.value, times: times.value ? Number(times.value) : null };
  if (!byId("fault-slowness").hidden) fault.seconds = Number(seconds.value);
  act(event.submitter ?? event.target.querySelector("button"), "/_sandbox/faults", fault);
});
byId("clear-faults").addEventListener("click", (event) => act(event.currentTarget, "/_sandbox/faults/clear"));

// --- Orders -------------------------------------------------------------------------------------

function showOrders() {
  const newestFirst = [...seen.orders.values()].reverse();
  byId("no-order").hidden = newestFirst.length > 0;
  byId("order-table").hidden = newestFirst.length === 0;
  keep(byId("orders"), newestFirst, (order) => order.uuid, "order-row", showOrder, byId("orders-title"));
}

function showOrder(row, order) {
  write(row.querySelector(".id"), order.uuid);
  time(row.querySelector("time"), order.at);
  const terminal = seen.terminals.find((each) => each.uuid === order.terminal);
  write(row.querySelector(".kind"), terminal?.name ?? KINDS[order.operation] ?? order.operation);
  write(row.querySelector(".amount"), order.amount);
  write(row.querySelector(".refunded"), order.refunded ? `${order.refunded} refunded` : "");
  const badge = row.querySelector(".badge");
  write(badge, order.waits_for === "refund" ? `${order.status}, refund waits` : order.status);
  set(badge, "data-tone", TONES[order.status] ?? "cool");
  const details = row.querySelector("details");
  const summary = details.querySelector("summary");
  if (order.events.length === 0 && details.contains(document.activeElement)) byId("orders-title").focus();
  details.hidden = order.events.length === 0;
  set(summary, "aria-label", `Choose what happens to order ${order.uuid}`);
  const buttons = details.querySelector(".buttons");
  if (buttons.dataset.events === order.events.join()) return;
  buttons.dataset.events = order.events.join();
  if (buttons.contains(document.activeElement)) summary.focus();
  buttons.replaceChildren(...order.events.map((event) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = EVENTS[event] ?? event;
    button.onclick = () => happen(button, order.uuid, event);
    return button;
  }));
}

// --- Requests -----------------------------------------------------------------------------------

function showRequests() {
  byId("no-request").hidden = seen.requests.length > 0;
  keep(byId("requests"), seen.requests, (each) => `${each.number}`, "request-row", (row, each) => {
    time(row.querySelector("time"), each.at);
    const badge = row.querySelector(".badge");
    write(badge, each.status === null ? "no answer" : String(each.status));
    set(badge, "data-tone", each.status === null || each.status >= 500 ? "bad" : each.status >= 400 ? "warm" : "good");
    write(row.querySelector(".operation"), each.operation ?? "unknown");
    write(row.querySelector(".path"), `${each.method} ${each.path}`);
    write(row.querySelector(".fault"), each.fault ? `fault: ${each.fault}` : "");
    row.querySelector("details").ontoggle = (event) => {
      if (event.target.open) showBodies(row, each.number);
    };
  }, byId("requests-title"));
}

async function showBodies(row, number) {
  const [sent, answered] = [row.querySelector(".sent"), row.querySelector(".answered")];
  if (row.dataset.read) return;
  try {
    const answer = await fetch(`/_sandbox/requests/${number}`);
    const told = await answer.json();
    write(sent, answer.ok ? told.request || "no body" : told.error);
    write(answered, answer.ok ? told.answer || "none" : told.error);
    row.dataset.read = "yes";
  } catch {
    complain("the sandbox does not answer");
  }
}

// --- What the feed tells --------------------------------------------------------------------------

function announce(before, orders) {
  const said = [];
  for (const order of orders) {
    const was = before.get(order.uuid);
    const terminal = seen.terminals.find((each) => each.uuid === order.terminal)?.name;
    if (order.waits_for && order.waits_for !== was?.waits_for) {
      const sum = order.waits_for === "refund" ? order.refund : order.amount;
      said.push(`A ${order.waits_for} of ${sum} NOK waits on ${terminal}.`);
    } else if (order.status !== was?.status) {
      said.push(`Order ${order.uuid} is ${order.status}.`);
    } else if (was?.waits_for && !order.waits_for) {
      said.push(`The ${was.waits_for} on order ${order.uuid} is over.`);
    }
  }
  if (said.length > 0) {
    byId("announcer").textContent = said.length > MOST_SAID ? `${said.length} orders have changed.` : said.join(" ");
  }
}

function rememberDecisions(before, orders) {
  for (const order of orders) {
    const was = before.get(order.uuid);
    if (!was?.waits_for || order.waits_for) continue;
    const isRefund = was.waits_for === "refund";
    const isDone = isRefund ? order.refunded !== was.refunded : order.status === "PAID";
    const sum = isRefund ? was.refund : order.amount;
    const result = isDone ? (isRefund ? "refunded" : "paid") : "not " + (isRefund ? "refunded" : "paid");
    seen.lasts.set(order.terminal, `Last: ${sum} NOK ${result}`);
  }
}

function take(told) {
  const before = new Map(seen.orders);
  if (told.whole) {
    seen.orders.clear();
    seen.requests = [];
    seen.terminals = told.terminals;
    seen.limit = told.limit;
    offerFaults(told.kinds, told.operations);
    const { after, pays } = told.cardholder;
    const note = byId("cardholder");
    note.hidden = after === null;
    write(note, `The cardholder ${pays ? "pays" : "declines"} by itself after ${after} s. `
      + "To decide here instead, let the sandbox’s cardholder wait (--cardholder waits).");
  }
  for (const order of told.orders) seen.orders.set(order.uuid, order);
  const serials = [...seen.orders.values()].sort((one, other) => one.serial - other.serial);
  const excess = serials.filter((order) => !order.waits_for).slice(0, Math.max(0, serials.length - MOST_ORDERS));
  seen.orders = new Map(serials.filter((order) => !excess.includes(order)).map((order) => [order.uuid, order]));
  seen.requests = [...told.requests, ...seen.requests].slice(0, MOST_REQUESTS);
  const now = performance.now();
  seen.windows = told.windows.map((each) => (
    { name: `Token ${each.token}`, used: each.used, limit: each.limit, ends: now + each.ends_in * 1000 }));
  rememberDecisions(before, told.orders);
  if (!told.whole) announce(before, told.orders);
  showTerminals();
  showWindows();
  showFaults(told.faults);
  showOrders();
  showRequests();
  write(byId("order-count"), count(told.order_count, seen.orders.size));
  write(byId("request-count"), count(told.request_count, seen.requests.length));
}

function count(all, here) {
  return all > here ? `${here} of ${all}` : all ? `${all}` : "";
}

let source = null;
let place = "";
let reconnecting;

function say(state, words) {
  const connection = byId("connection");
  connection.dataset.state = state;
  write(connection, words);
}

function connect() {
  if (source) return;
  source = new EventSource("/_sandbox/feed" + (place ? `?after=${encodeURIComponent(place)}` : ""));
  source.onmessage = (event) => {
    place = event.lastEventId;
    take(JSON.parse(event.data));
    say("live", "Live");
  };
  source.onerror = () => {
    say("lost", "Disconnected, trying again…");
    if (source?.readyState !== EventSource.CLOSED) return; // the browser comes back by itself
    disconnect();
    clearTimeout(reconnecting);
    reconnecting = setTimeout(connect, BACK_IN);
  };
}

function disconnect() {
  source?.close();
  source = null;
}

// A browser has few connections for one server: a page that nobody sees gives its own back.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);
setInterval(() => seen.windows.length > 0 && showWindows(), 500);
connect();
