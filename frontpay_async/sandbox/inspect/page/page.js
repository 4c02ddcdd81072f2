// The virtual terminal. It shows what the sandbox's feed tells, and acts through the sandbox's routes.
// All that comes from outside becomes text, never markup; rows stay in place, so that focus does.
"use strict";

const MOST_ORDERS = 200;
const MOST_AGREEMENTS = 100; // of each kind
const MOST_REQUESTS = 100;
const MOST_SAID = 3;
const MOST_CALLBACKS = 50;
const BACK_IN = 2000; // milliseconds
const KINDS = {
  "orders.send_payment_link": "Payment link",
  "orders.send_invoice": "Invoice",
  "orders.send_efaktura": "eFaktura",
  "orders.send_ehf_invoice": "EHF invoice",
  "terminals.create_order": "Terminal",
  "checkout.create_session": "Checkout session",
  "checkout.create_invoice_session": "Invoice session",
  "checkout.create_hosted_link": "Hosted checkout",
};
const AGREEMENTS = {
  "reservations": "Reservation",
  "subscriptions": "Subscription",
  "company_checks": "Company check",
};
const FACTS = {
  "captured": "{0} captured",
  "charged": "{0} charged",
  "released": "{0} released",
  "refunded": "{0} refunded",
  "cycles": "cycles paid: {0}",
  "failed": "cycles failed: {0}",
  "company": "company {0}",
  "score": "score {0}",
};
const EVENTS = {
  accept: "Accept",
  release: "End the hold",
  cycle: "Bill the next cycle",
  confirm: "Confirm",
  pay: "Pay",
  cancel: "Cancel",
  expire: "Let the link expire",
  invoice: "Choose an invoice",
  remind: "Send a reminder",
  collect: "Collect the debt",
};
const FAULTS = {
  "500-before": "500, without effect",
  "500-after": "500, after taking effect",
  "510-before": "510, without effect",
  "510-after": "510, after taking effect",
  "510-refused": "510, final rejection",
  "502-before": "502 from a proxy, without effect",
  "502-after": "502 from a proxy, after taking effect",
  "drop-before": "no response, without effect",
  "drop-after": "no response, after taking effect",
  "cut-body": "half a response",
  "unknown-status": "an unknown status",
  "busy": "the terminal is busy",
  "latency": "a late response",
  "drip": "a response byte by byte",
};
const CALLBACK_FAULTS = {
  "lose": "lost",
  "delay": "delayed by 5 s",
  "twice": "sent twice",
  "swap": "sent after the next one",
  "wrong-checksum": "wrong checksum",
};
const OUTCOMES = {
  "insufficient-funds": "insufficient funds",
  "expired-card": "expired card",
  "wrong-pin": "wrong PIN",
  "blocked-card": "blocked card",
  "no-connection": "no connection to the bank",
  "cancelled": "the cardholder pressed stop",
  "busy": "the terminal is busy",
  "offline": "the terminal is offline",
  "waits": "waits for your decision",
};
const TONES = {
  "PAID": "good", "REFUNDED": "cool", "PARTIAL REFUNDED": "cool", "CANCELLED": "bad", "EXPIRED": "bad",
  "RESERVED": "warm", "CAPTURED": "good", "CHARGED": "good", "COMPLETED": "good", "ONGOING": "good",
  "success": "good", "failure": "bad", "SENT": "warm", "PURRING": "warm", "INKASSO": "bad",
};

const byId = (id) => document.getElementById(id);
const seen = {
  orders: new Map(), // by uuid
  agreements: new Map(), // by uuid
  requests: [], // the newest first
  terminals: [],
  windows: [],
  limit: null,
  lasts: new Map(), // what was decided last, by terminal: its words and amount
  callbacks: [], // the newest first
  faults: [],
  told: null, // what does not change while the sandbox runs
  counts: [0, 0],
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
  // Never to a button: a second Enter must not decide another payment.
  if (isFocusLost) (neighbour?.matches("[tabindex]") ? neighbour : heading).focus();
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
  write(element, moment.toLocaleTimeString(language === "nb" ? "nb-NO" : "en-GB"));
}

// An amount as the page's language writes it.
function money(amount) {
  return language === "nb" ? amount?.replace(".", ",") : amount;
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
    complain(t("the sandbox does not respond"));
  } finally {
    button.removeAttribute("aria-disabled");
  }
  return false;
}

let quietening;

function complain(sentence) {
  byId("problem").textContent = t("Failed: {0}.", sentence);
  clearTimeout(quietening);
  quietening = setTimeout(() => write(byId("problem"), ""), 12000);
}

function happen(button, uuid, event, body) {
  return act(button, `/_sandbox/orders/${encodeURIComponent(uuid)}/${event}`, body);
}

// --- Terminals ----------------------------------------------------------------------------------

function showTerminals() {
  const waiting = [...seen.orders.values()].filter((order) => order.waits_for);
  const heading = byId("terminals-title");
  keep(byId("terminals"), seen.terminals, (each) => each.uuid, "terminal-row", (row, terminal) => {
    write(row.querySelector(".name"), terminal.name);
    write(row.querySelector(".id"), terminal.uuid);
    set(row, "data-offline", terminal.offline);
    const mine = waiting.filter((order) => order.terminal === terminal.uuid);
    const idle = row.querySelector(".idle");
    idle.hidden = mine.length > 0;
    write(idle, t(terminal.offline ? "Not connected" : "Nothing to pay"));
    const list = row.querySelector(".waiting");
    set(list, "aria-label", t("Waiting on {0}", terminal.name));
    keep(list, mine, (order) => `${order.uuid} ${order.waits_for}`, "waiting-row", showWaiting, heading);
    const last = seen.lasts.get(terminal.uuid);
    write(row.querySelector(".last"), last ? t(last.words, money(last.sum)) : "");
    write(row.querySelector(".queue"), mine.length > 1 ? t("{0} waiting", mine.length) : "");
    const plug = row.querySelector(".plug");
    write(plug, t(terminal.offline ? "Connect" : "Disconnect"));
    set(plug, "aria-label", t(terminal.offline ? "Connect {0}" : "Disconnect {0}", terminal.name));
    plug.onclick = () => act(plug, `/_sandbox/terminals/${encodeURIComponent(terminal.uuid)}`, { offline: !terminal.offline });
  }, heading);
}

function showWaiting(row, order) {
  const isRefund = order.waits_for === "refund";
  const sum = money(isRefund ? order.refund : order.amount);
  write(row.querySelector(".what"), t(isRefund ? "Refund to the card" : "To pay"));
  write(row.querySelector(".sum"), sum);
  const lines = order.lines.join(", ");
  write(row.querySelector(".lines"), order.more_lines ? t("{0}, and {1} more", lines, order.more_lines) : lines);
  write(row.querySelector(".id"), order.uuid);
  const reason = row.querySelector(".reason");
  set(reason, "aria-label", t("Why order {0} is declined", order.uuid));
  choices(reason, ["", ...seen.told.reasons], (each) => (each ? t(OUTCOMES[each] ?? each) : t("no reason")));
  for (const decision of ["approve", "decline"]) {
    const button = row.querySelector(`.${decision}`);
    const word = decision === "approve" ? "Approve" : "Decline";
    set(button, "aria-label", t(`${word} the ${order.waits_for} of {0} NOK, order {1}`, sum, order.uuid));
    button.onclick = () => happen(button, order.uuid, isRefund ? `${decision}-refund` : decision,
      decision === "decline" && reason.value ? { reason: reason.value } : undefined);
  }
}

// Give a select its options, in the page's language, and keep what is chosen.
function choices(select, values, wordsOf) {
  const key = `${language} ${values.join()}`;
  if (select.dataset.choices === key) return;
  select.dataset.choices = key;
  const chosen = select.value;
  select.replaceChildren(...values.map((value) => new Option(wordsOf(value), value)));
  if (values.includes(chosen)) select.value = chosen;
}

function showBehaviour(behaviour) {
  byId("one-at-a-time").checked = behaviour.one_at_a_time;
  byId("magic-amounts").checked = behaviour.magic_amounts;
}

for (const id of ["one-at-a-time", "magic-amounts"]) {
  byId(id).addEventListener("change", async (event) => {
    const box = event.target;
    const isDone = await act(box, "/_sandbox/behaviour", { [id.replaceAll("-", "_")]: box.checked });
    if (!isDone) box.checked = !box.checked;
  });
}

byId("sale-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const sale = Object.fromEntries(new FormData(event.target));
  sale.amount = sale.amount.replace(",", ".");
  act(event.submitter ?? event.target.querySelector("button"), "/_sandbox/sales", sale);
});

// --- What does not change -----------------------------------------------------------------------

function showFurniture() {
  const { access, cardholder, magic } = seen.told;
  const { after, pays } = cardholder;
  const note = byId("cardholder");
  note.hidden = after === null;
  write(note, t(`The cardholder ${pays ? "pays" : "declines"} automatically after {0} s. `
    + "To decide here instead, start the sandbox with --cardholder waits.", after));
  const facts = [["Base URL", location.origin + access.path], ["Token", access.token],
    ...access.organizations.map((each) => ["Organisation", each])];
  keep(byId("access"), facts, ([name, value]) => `${name} ${value}`, "access-row", (row, [name, value]) => {
    write(row.querySelector("dt"), t(name));
    write(row.querySelector("code"), value ?? t("(your own)"));
    const copy = row.querySelector(".copy");
    copy.hidden = value === null;
    write(copy, t("Copy"));
    set(copy, "aria-label", t("Copy {0}", t(name)));
    copy.onclick = () => copied(name, value);
  }, byId("access-title"));
  byId("magic-list").replaceChildren(...Object.entries(magic).flatMap(([end, outcome]) => {
    const [term, words] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = `…,${end}`;
    words.textContent = t(OUTCOMES[outcome] ?? outcome);
    return [term, words];
  }));
  choices(byId("sale-terminal"), seen.terminals.map((each) => each.uuid),
    (uuid) => seen.terminals.find((each) => each.uuid === uuid)?.name ?? uuid);
  choices(byId("callback-kind"), seen.told.callback_faults, (each) => t(CALLBACK_FAULTS[each] ?? each));
}

async function copied(name, value) {
  try {
    await navigator.clipboard.writeText(value);
    write(byId("announcer"), t("{0} copied.", t(name)));
  } catch (error) {
    complain(error.message);
  }
}

// --- Rate window --------------------------------------------------------------------------------

function showWindows() {
  const now = performance.now();
  seen.windows = seen.windows.filter((each) => each.ends > now);
  const none = byId("no-window");
  none.hidden = seen.windows.length > 0;
  write(none, seen.limit
    ? t("No window is open. The next request opens one, for {0} in {1} s.", seen.limit.requests, seen.limit.window)
    : t("Requests are not limited."));
  keep(byId("windows"), seen.windows, (each) => `${each.token}`, "window-row", (row, each) => {
    const bar = row.querySelector(".bar");
    const name = t("Token {0}", each.token);
    write(row.querySelector(".label"), t("{0}: {1} of {2}", name, each.used, each.limit));
    write(row.querySelector(".left"), t("ends in {0} s", Math.ceil((each.ends - now) / 1000)));
    set(bar, "aria-label", t("{0}: requests used", name));
    set(bar, "aria-valuemax", each.limit);
    set(bar, "aria-valuenow", each.used);
    set(bar, "data-full", each.used >= each.limit);
    bar.firstElementChild.style.width = `${(100 * each.used) / each.limit}%`;
  }, byId("rate-title"));
}

// --- Faults -------------------------------------------------------------------------------------

function showFaults() {
  const { faults } = seen;
  byId("no-fault").hidden = faults.length > 0;
  const clear = byId("clear-faults");
  if (faults.length === 0 && clear === document.activeElement) byId("faults-title").focus();
  clear.hidden = faults.length === 0;
  keep(byId("faults"), faults.map((fault, index) => ({ ...fault, index })), (each) => `${each.index}`,
    "fault-row", (row, fault) => {
      const often = fault.rate !== undefined ? t("for {0} % of requests", +(100 * fault.rate).toFixed(2))
        : fault.left === null ? t("until cleared") : t("{0} more", fault.left);
      const long = fault.seconds ? `, ${fault.seconds} s` : "";
      const where = fault.operation === "*" ? t("any operation") : fault.operation;
      write(row.querySelector(".kind"), `${t(FAULTS[fault.kind] ?? fault.kind)}${long}`);
      write(row.querySelector(".where"), t("in {0}, {1}", where, often));
    }, byId("faults-title"));
}

function offerFaults() {
  const { kinds, operations } = seen.told;
  choices(byId("fault-kind"), kinds.map((each) => each.kind), (kind) => t(FAULTS[kind] ?? kind));
  const operation = byId("fault-operation");
  if (operation.options.length <= 3) for (const name of operations) operation.add(new Option(name, name));
}

function showFaultForm() {
  const kind = byId("fault-kind").value;
  byId("fault-slowness").hidden = !seen.told?.kinds.some((each) => each.kind === kind && each.slow);
  byId("fault-share").hidden = byId("fault-times").value !== "rate";
}

for (const id of ["fault-kind", "fault-times"]) byId(id).addEventListener("change", showFaultForm);
byId("fault-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { kind, operation, times, seconds, rate } = event.target.elements;
  const fault = { operation: operation.value };
  if (!byId("fault-slowness").hidden) fault.seconds = Number(seconds.value);
  if (times.value === "rate") {
    fault.rates = { [kind.value]: Number(rate.value) / 100 };
    fault.seed = Math.floor(Math.random() * 1e6);
  } else {
    fault.kind = kind.value;
    fault.times = times.value ? Number(times.value) : null;
  }
  act(event.submitter ?? event.target.querySelector("button"), "/_sandbox/faults", fault);
});
byId("clear-faults").addEventListener("click", (event) => act(event.currentTarget, "/_sandbox/faults/clear"));

// --- Orders -------------------------------------------------------------------------------------

function terminalOf(order) {
  return seen.terminals.find((each) => each.uuid === order.terminal)?.name;
}

function kindOf(order) {
  return terminalOf(order) ?? t(KINDS[order.operation] ?? order.operation);
}

function showOrders() {
  const newestFirst = [...seen.orders.values()].reverse();
  const search = byId("order-search").value.trim().toLowerCase();
  const statuses = [...new Set(newestFirst.map((order) => order.status))].sort();
  choices(byId("order-status"), ["", ...statuses], (each) => each || t("all"));
  const status = byId("order-status").value;
  const shown = newestFirst.filter((order) => (!status || order.status === status)
    && (!search || [order.uuid, kindOf(order), order.amount, order.status, ...order.lines].join(" ")
      .toLowerCase().includes(search)));
  byId("no-order").hidden = newestFirst.length > 0;
  byId("no-match").hidden = newestFirst.length === 0 || shown.length > 0;
  byId("order-table").hidden = shown.length === 0;
  keep(byId("orders"), shown, (order) => order.uuid, "order-row", showOrder, byId("orders-title"));
}

byId("order-search").addEventListener("input", showOrders);
byId("order-status").addEventListener("change", showOrders);

async function openOrder(uuid) {
  try {
    const answer = await fetch(`/_sandbox/orders/${encodeURIComponent(uuid)}`);
    const told = await answer.json();
    if (!answer.ok) return complain(told.error);
    showDetails(told);
  } catch {
    return complain(t("the sandbox does not respond"));
  }
  return byId("order-dialog").showModal();
}

function showDetails(order) {
  write(byId("order-dialog-title"), t("Order {0}", order.uuid));
  const facts = [
    ["Kind", kindOf(order)],
    ["Status", order.status],
    ["Declined", order.reason && t(OUTCOMES[order.reason] ?? order.reason)],
    ["Amount, NOK", money(order.amount)],
    ["Refunded", money(order.refunded)],
    ["Created", new Date(order.at * 1000).toLocaleString(language === "nb" ? "nb-NO" : "en-GB")],
    ["Customer", order.customer],
    ["Invoice number", order.invoice_number],
    ["Callback", t(order.calls_back ? "yes" : "no")],
  ];
  byId("order-facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([name, value]) => {
    const [term, words] = [document.createElement("dt"), document.createElement("dd")];
    [term.textContent, words.textContent] = [t(name), value];
    return [term, words];
  }));
  byId("order-lines").replaceChildren(...order.all_lines.map((line) => {
    const item = document.createElement("li");
    const refunded = line.refunded === "0.00" ? "" : `, ${t("{0} refunded", money(line.refunded))}`;
    item.textContent = `${line.id}: ${line.words}, ${money(line.amount)}${refunded}`;
    return item;
  }));
  write(byId("order-body"), order.body);
}

byId("close-order").addEventListener("click", () => byId("order-dialog").close());

function showOrder(row, order) {
  const link = row.querySelector(".id");
  write(link, order.uuid);
  set(link, "aria-label", t("Details of order {0}", order.uuid));
  link.onclick = () => openOrder(order.uuid);
  time(row.querySelector("time"), order.at);
  write(row.querySelector(".kind"), kindOf(order));
  write(row.querySelector(".amount"), money(order.amount));
  write(row.querySelector(".refunded"), order.refunded ? t("{0} refunded", money(order.refunded)) : "");
  write(row.querySelector(".why"), order.reason ? t(OUTCOMES[order.reason] ?? order.reason) : "");
  const badge = row.querySelector(".badge");
  write(badge, order.waits_for === "refund" ? t("{0}, refund waits", order.status) : order.status);
  set(badge, "data-tone", TONES[order.status] ?? "cool");
  const details = row.querySelector("details");
  const summary = details.querySelector("summary");
  if (order.events.length === 0 && details.contains(document.activeElement)) byId("orders-title").focus();
  details.hidden = order.events.length === 0;
  set(summary, "aria-label", t("Choose what happens to order {0}", order.uuid));
  showPayLink(row, order.uuid, order.is_payable);
  offerEvents(details.querySelector(".buttons"), order.uuid, order.events, summary);
}

// The page on which the customer pays, accepts or confirms.
function showPayLink(row, uuid, isOpen) {
  const link = row.querySelector(".pay");
  if (!isOpen && link === document.activeElement) row.closest("section").querySelector("h2").focus();
  link.hidden = !isOpen;
  set(link, "href", `/checkout/${encodeURIComponent(uuid)}`);
  set(link, "aria-label", t("Payment page of {0}", uuid));
}

function offerEvents(buttons, uuid, events, place) {
  const key = `${language} ${events.join()}`;
  if (buttons.dataset.events === key) return;
  buttons.dataset.events = key;
  if (buttons.contains(document.activeElement)) place.focus();
  buttons.replaceChildren(...events.map((event) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.textContent = t(EVENTS[event] ?? event);
    button.onclick = () => happen(button, uuid, event);
    return button;
  }));
}

// --- Reservations, subscriptions and company checks ------------------------------------------------

function showAgreements() {
  const newestFirst = [...seen.agreements.values()].reverse();
  byId("no-agreement").hidden = newestFirst.length > 0;
  byId("agreement-table").hidden = newestFirst.length === 0;
  const heading = byId("agreements-title");
  keep(byId("agreements"), newestFirst, (each) => each.uuid, "agreement-row", (row, each) => {
    write(row.querySelector(".id"), each.uuid);
    time(row.querySelector("time"), each.at);
    write(row.querySelector(".kind"), t(AGREEMENTS[each.kind]));
    write(row.querySelector(".amount"), each.amount === null ? "" : money(each.amount));
    const badge = row.querySelector(".badge");
    write(badge, each.status);
    set(badge, "data-tone", TONES[each.status] ?? "cool");
    const facts = Object.entries(each.facts).map(([name, value]) => t(FACTS[name], money(value)));
    write(row.querySelector(".facts"), facts.join(", "));
    showPayLink(row, each.uuid, each.is_open);
    offerEvents(row.querySelector(".buttons"), each.uuid, each.events, heading);
  }, heading);
}

// --- Callbacks ----------------------------------------------------------------------------------

function showCallbacks() {
  byId("no-callback").hidden = seen.callbacks.length > 0;
  keep(byId("callbacks"), seen.callbacks, (each) => `${each.number}`, "callback-row", (row, each) => {
    time(row.querySelector("time"), each.at);
    const badge = row.querySelector(".badge");
    write(badge, each.status === null ? each.problem : String(each.status));
    set(badge, "data-tone", each.status === null || each.status >= 500 ? "bad" : each.status >= 300 ? "warm" : "good");
    write(row.querySelector(".says"), each.says);
    write(row.querySelector(".id"), each.uuid);
    write(row.querySelector(".to"), t("to {0}", each.host));
    write(row.querySelector(".fault"), each.fault ? t("fault: {0}", t(CALLBACK_FAULTS[each.fault] ?? each.fault)) : "");
    const again = row.querySelector(".again");
    set(again, "aria-label", t("Send the callback {0} of order {1} again", each.says, each.uuid));
    again.onclick = () => act(again, `/_sandbox/callbacks/${each.number}/resend`);
  }, byId("callbacks-title"));
}

byId("callback-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { kind, times } = event.target.elements;
  const fault = { kind: kind.value, times: times.value ? Number(times.value) : null };
  if (kind.value === "delay") fault.seconds = 5;
  act(event.submitter ?? event.target.querySelector("button"), "/_sandbox/callbacks/faults", fault);
});

// --- Requests -----------------------------------------------------------------------------------

function showRequests() {
  byId("no-request").hidden = seen.requests.length > 0;
  const search = byId("request-search").value.trim().toLowerCase();
  const shown = seen.requests.filter((each) => !search
    || `${each.operation} ${each.method} ${each.path} ${each.status}`.toLowerCase().includes(search));
  keep(byId("requests"), shown, (each) => `${each.number}`, "request-row", (row, each) => {
    time(row.querySelector("time"), each.at);
    const badge = row.querySelector(".badge");
    write(badge, each.status === null ? t("no answer") : String(each.status));
    set(badge, "data-tone", each.status === null || each.status >= 500 ? "bad" : each.status >= 400 ? "warm" : "good");
    write(row.querySelector(".operation"), each.operation ?? t("unknown"));
    write(row.querySelector(".path"), `${each.method} ${each.path}`);
    write(row.querySelector(".fault"), each.fault ? t("fault: {0}", each.fault) : "");
    row.querySelector("details").ontoggle = (event) => {
      if (event.target.open) showBodies(row, each.number);
    };
  }, byId("requests-title"));
}

byId("request-search").addEventListener("input", showRequests);

async function showBodies(row, number) {
  const [sent, answered] = [row.querySelector(".sent"), row.querySelector(".answered")];
  if (row.dataset.read) return;
  try {
    const answer = await fetch(`/_sandbox/requests/${number}`);
    const told = await answer.json();
    write(sent, answer.ok ? told.request || t("no body") : told.error);
    write(answered, answer.ok ? told.answer || t("none") : told.error);
    row.dataset.read = "yes";
  } catch {
    complain(t("the sandbox does not respond"));
  }
}

// --- What the feed tells --------------------------------------------------------------------------

function announce(before, orders, agreed, agreements) {
  const said = [];
  for (const order of orders) {
    const was = before.get(order.uuid);
    if (order.waits_for && order.waits_for !== was?.waits_for) {
      const sum = money(order.waits_for === "refund" ? order.refund : order.amount);
      said.push(t(`A ${order.waits_for} of {0} NOK waits on {1}.`, sum, terminalOf(order)));
    } else if (order.status !== was?.status) {
      said.push(t("Order {0} is {1}.", order.uuid, order.status));
    } else if (was?.waits_for && !order.waits_for) {
      said.push(t(`The ${was.waits_for} of order {0} is decided.`, order.uuid));
    }
  }
  for (const each of agreements) {
    if (each.status !== agreed.get(each.uuid)?.status) {
      said.push(t(`${AGREEMENTS[each.kind]} {0} is {1}.`, each.uuid, each.status));
    }
  }
  if (said.length > 0) {
    byId("announcer").textContent = said.length > MOST_SAID ? t("{0} orders have changed.", said.length) : said.join(" ");
  }
}

function rememberDecisions(before, orders) {
  for (const order of orders) {
    const was = before.get(order.uuid);
    if (!was?.waits_for || order.waits_for) continue;
    const isRefund = was.waits_for === "refund";
    const isDone = isRefund ? order.refunded !== was.refunded : order.status === "PAID";
    const words = `Last: {0} NOK ${isDone ? "" : "not "}${isRefund ? "refunded" : "paid"}`;
    seen.lasts.set(order.terminal, { words, sum: isRefund ? was.refund : order.amount });
  }
}

function take(told) {
  const before = new Map(seen.orders);
  const agreed = new Map(seen.agreements);
  if (told.whole) {
    seen.orders.clear();
    seen.agreements.clear();
    seen.requests = [];
    seen.callbacks = [];
    seen.limit = told.limit;
    seen.told = told;
  }
  seen.terminals = told.terminals;
  seen.faults = told.faults;
  for (const order of told.orders) seen.orders.set(order.uuid, order);
  for (const each of told.agreements) seen.agreements.set(each.uuid, each);
  const extra = Math.max(0, seen.agreements.size - 3 * MOST_AGREEMENTS);
  for (const uuid of [...seen.agreements.keys()].slice(0, extra)) seen.agreements.delete(uuid);
  const serials = [...seen.orders.values()].sort((one, other) => one.serial - other.serial);
  const excess = serials.filter((order) => !order.waits_for).slice(0, Math.max(0, serials.length - MOST_ORDERS));
  seen.orders = new Map(serials.filter((order) => !excess.includes(order)).map((order) => [order.uuid, order]));
  seen.requests = [...told.requests, ...seen.requests].slice(0, MOST_REQUESTS);
  seen.callbacks = [...told.callbacks, ...seen.callbacks].slice(0, MOST_CALLBACKS);
  const now = performance.now();
  seen.windows = told.windows.map((each) => ({ ...each, ends: now + each.ends_in * 1000 }));
  seen.counts = [told.order_count, told.request_count];
  rememberDecisions(before, told.orders);
  if (!told.whole) announce(before, told.orders, agreed, told.agreements);
  showBehaviour(told.behaviour);
  showAll();
}

function showAll() {
  if (!seen.told) return;
  offerFaults();
  showFaultForm();
  showFurniture();
  showTerminals();
  showWindows();
  showFaults();
  showOrders();
  showAgreements();
  showCallbacks();
  showRequests();
  write(byId("order-count"), count(seen.counts[0], seen.orders.size));
  write(byId("request-count"), count(seen.counts[1], seen.requests.length));
}

function count(all, here) {
  return all > here ? t("{0} of {1}", here, all) : all ? `${all}` : "";
}

let source = null;
let place = "";
let reconnecting;

function say(state, words) {
  const connection = byId("connection");
  connection.dataset.state = state;
  connection.dataset.words = words;
  document.body.dataset.stale = state === "lost";
  write(connection, t(words));
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

// --- The page itself ------------------------------------------------------------------------------

function offerLanguage() {
  const button = byId("language");
  const [other, name] = language === "nb" ? ["en", "English"] : ["nb", "Norsk"];
  write(button, name);
  set(button, "lang", other);
  button.onclick = () => {
    try { localStorage.setItem(CHOSEN, other); } catch { /* then it holds for this page alone */ }
    speak(other);
    offerLanguage();
    write(byId("connection"), t(byId("connection").dataset.words ?? "Connecting…"));
    showAll();
  };
}

byId("ask-reset").addEventListener("click", () => byId("reset-dialog").showModal());
byId("keep-all").addEventListener("click", () => byId("reset-dialog").close());
byId("reset").addEventListener("click", async (event) => {
  if (await act(event.currentTarget, "/_sandbox/reset")) byId("reset-dialog").close();
});

// A browser has few connections for one server: a page that nobody sees gives its own back.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
addEventListener("pagehide", disconnect);
addEventListener("pageshow", connect);
setInterval(() => seen.windows.length > 0 && showWindows(), 500);
speak(preferred());
offerLanguage();
say("connecting", "Connecting…");
connect();
