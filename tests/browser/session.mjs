// A person's way through the UI, scripted: the graph, an asset, its partitions, a check that fails, a day read again by a backfill,
// and a report with its charts. Ends with exit code 1 as soon as anything expected is not on the page.
//
// Belongs here: what a browser sees. Does not: anything that a test can ask without one. It makes a site of its own in a scratch
// folder (a simulated dialer, an embedded PostgreSQL), starts the UI over it, and stops and removes both.
//
//   CHROMIUM  path of the browser, /usr/bin/chromium by default      PICTURES  folder for the screenshots, docs/images by default
//   UI_PORT   port of the UI, 3210 by default                        PATIENCE  seconds for each thing expected, 90 by default
//   STEPS     some of the steps, by name                             UI_HOME   home of a site whose UI runs already: none is made
//   SYNC_START  day of the first partition, to see how pages fare with many of them: STEPS=partitions SYNC_START=2026-01-01

import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const project = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
const bin = join(project, ".venv/bin");
const port = process.env.UI_PORT ?? "3210";
const patience = 1000 * Number(process.env.PATIENCE ?? "90");
const pictures = resolve(process.env.PICTURES ?? join(project, "docs/images"));
const base = `http://127.0.0.1:${port}`;
const home = process.env.UI_HOME ?? mkdtempSync(join(tmpdir(), "vici-brain-ui-"));
const environment = { ...process.env, VICI_BRAIN_HOME: home };
for (const name of ["VICI_DATABASE_URL", "BRAIN_DATABASE_URL", "DAGSTER_DATABASE_URL", "VICI_SYNC_START"]) delete environment[name];

const WINDOW = { width: 1440, height: 900 };
const began = Date.now();
const say = (text) => console.log(`${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`);
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

function run(program, ...options) {
  const done = spawnSync(join(bin, program), options, { cwd: project, env: environment, encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${program} ${options.join(" ")} ended with ${done.status}:\n${done.stdout}${done.stderr}`);
}

async function startUi() {
  const ui = spawn(join(bin, "vici-brain"), ["dev", "--port", port], { cwd: project, env: environment, stdio: "ignore" });
  for (let tries = 0; tries < 240; tries++) {
    if (ui.exitCode !== null) break;
    if (await fetch(`${base}/server_info`).then((answer) => answer.ok, () => false)) return ui;
    await pause(500);
  }
  await stopUi(ui);
  throw new Error(`the UI did not come up on ${base}`);
}

async function makeSite() {
  say(`a site of its own in ${home}`);
  run("vici-brain", "demo", "--days", "9", "--calls-per-day", "1200");
  if (process.env.SYNC_START) environment.VICI_SYNC_START = process.env.SYNC_START;
  return startUi();
}

async function stopUi(ui) {
  if (ui === null) return;
  const ended = ui.exitCode !== null ? null : new Promise((done) => ui.once("exit", done));
  ui.kill("SIGINT");
  await ended;
}

class Session {
  constructor(page) {
    this.page = page;
  }

  // Texts are looked for where they can be seen: the UI keeps hidden copies to measure them.
  seen(text, nth = 0) {
    return this.page.getByText(text).filter({ visible: true }).nth(nth);
  }

  async open(path, ...texts) {
    await this.page.goto(base + path);
    await this.see(...texts);
  }

  async see(...texts) {
    for (const text of texts) await this.seen(text).waitFor({ timeout: patience });
  }

  async press(name, within = this.page) {
    const button = within.locator("button:enabled").filter({ hasText: name, visible: true });
    await button.first().click({ timeout: patience });
  }

  async picture(name) {
    await this.page.waitForTimeout(1500);
    await this.page.screenshot({ path: join(pictures, `${name}.png`) });
    say(`${name}.png`);
  }

  // Nodes come first, what is known of them later.
  async told() {
    for (const text of ["fetching statuses", /^Loading/]) {
      await this.page.getByText(text).filter({ visible: true }).first().waitFor({ state: "hidden", timeout: patience });
    }
  }

  async graph() {
    await this.open("/asset-groups", "vici_dialer", "leads", "vici_calls", "vici_write_back", "consistency", "reports");
    await this.told();
    await this.picture("groups");
    const node = this.page.locator("svg foreignObject").filter({ hasText: /^vici_calls/ });
    await node.getByText("vici_calls").click({ timeout: patience });
    await this.see("vici_call_logs", "vici_call_metrics", "orphan_call_logs", "call_log_proofs");
    // Opened anew, it fits the window; in a large one with all that its nodes tell.
    await this.page.setViewportSize({ width: 1920, height: 1200 });
    await this.page.reload();
    await this.see("vici_call_logs", "vici_call_metrics", "orphan_call_logs", "call_log_proofs");
    await this.told();
    await this.see(/[\d,]+ partitions/);
    await this.picture("lineage");
    await this.page.setViewportSize(WINDOW);
  }

  async table() {
    await this.open("/assets/vici/vici_call_logs", "Every call ever seen", "as read: wall time of the dialer", "data-engineering");
    await this.picture("table");
  }

  async launchpad() {
    await this.open("/locations/definitions/jobs/match_orphans_vici/playground", "dry_run", "Launch Run");
    await this.picture("launchpad");
  }

  async partitions() {
    await this.open("/assets/vici/vici_call_metrics?view=partitions", /[\d,]+ Partitions Selected/, /^Materialized \(/);
    // A few before the newest, which a run may be making just now.
    await this.pick(/^\d{4}-\d\d-\d\d-\d\d:\d\d$/, 3);
    await this.see("dagster/row_count", "matched_total");
    await this.picture("partitions");
  }

  // The two ends of the bar are labelled alike; the list below it begins with the newest partition.
  async pick(key, older = 0) {
    await this.seen(key, 2 + older).click({ timeout: patience });
  }

  // The sync, every five minutes, asks the same checks of its own window: a verdict may be replaced while one looks.
  async failedCheck() {
    run("python", "tests/browser/spoil.py");
    const path = "/assets/vici/vici_call_logs?view=checks&checkDetail=every_source_call_is_landed";
    for (let tries = 1; ; tries++) {
      await this.open(path, "Brain holds at least the calls");
      await this.press(/^Execute$/);
      try {
        await this.seen("what_to_do").waitFor({ timeout: patience });
        break;
      } catch (error) {
        if (tries === 3) throw error;
      }
    }
    await this.see("lost since", /^Failed/);
    await this.picture("checks");
  }

  async backfillOfOneDay() {
    const day = new Date(Date.now() - 2 * 86_400_000).toISOString().slice(0, 10);
    const before = process.env.UI_HOME ? await this.finishedBackfills() : 0;
    await this.open("/assets/vici/vici_call_logs?view=partitions", /[\d,]+ Partitions Selected/);
    await this.selectPartitions(`[${day}-00:00...${day}-23:55]`);
    await this.see(/^288 Partitions Selected/i);
    await this.press(/Materialize/);
    await this.press(/^Launch /, this.page.getByRole("dialog"));
    await this.open("/runs?view=backfills", /288 partitions/);
    await this.seen(/^Success$/, before).waitFor({ timeout: patience });
    await this.picture("backfill");
  }

  async finishedBackfills() {
    await this.open("/runs?view=backfills", /partitions|No backfills/);
    return this.page.getByText(/^Success$/).filter({ visible: true }).count();
  }

  async selectPartitions(range) {
    const field = this.page.locator("input[type=text]").filter({ visible: true }).first();
    await field.fill(range, { timeout: patience });
    await field.press("Enter");
  }

  async expectations() {
    await this.open("/assets/daily_call_report?view=checks&checkDetail=call_logs_meet_expectations_vici", "Calls of the day");
    await this.see("data_docs_page", "not_met");
    await this.picture("expectations");
    const link = this.page.locator("a[href*='/expectations/']").filter({ visible: true }).first();
    await this.page.goto(await link.getAttribute("href", { timeout: patience }));
    await this.see(/^What is expected of/);
    await this.picture("data_docs");
    await this.seen("call_logs_meet_expectations_vici").click({ timeout: patience });
    await this.see("Expectation Validation Result", "vendor_lead_code");
  }

  // The same page with the dark look of the UI's settings.
  async inTheDark(look) {
    const wear = async (theme) => {
      await this.page.evaluate((name) => localStorage.setItem("dagster-theme", JSON.stringify(name)), theme);
      await this.page.reload();
    };
    await wear("Dark");
    await look();
    await wear("Light");
  }

  async report() {
    await this.open("/assets/daily_call_report", "One day of calls");
    await this.press(/Materialize/);
    const dialog = this.page.getByRole("dialog");
    await this.press("Latest", dialog);
    await this.press(/^Launch 1 run/, dialog);
    await this.open("/assets/daily_call_report?view=partitions", /Materialized \(1\)/);
    // As the message about it links to it.
    const day = new Date(Date.now() - 86_400_000).toISOString().slice(0, 10);
    await this.open(`/assets/daily_call_report?view=partitions&partition=${day}`, "anomalies", "parquet", /call-report.html/);
    await this.picture("report_day");
    await this.seen(/Show Markdown/).click({ timeout: patience });
    await this.page.waitForFunction(
      () => [...document.querySelectorAll("[role=dialog] img")].some((image) => image.naturalWidth > 300),
      null,
      { timeout: patience },
    );
    await this.page.locator("[role=dialog] img").first().evaluate((image) => image.scrollIntoView({ block: "center" }));
    await this.picture("report");
    await this.inTheDark(async () => {
      await this.seen(/Show Markdown/).click({ timeout: patience });
      await this.page.locator("[role=dialog] img").first().evaluate((image) => image.scrollIntoView({ block: "center" }));
      await this.picture("report_dark");
    });
  }
}

async function main() {
  mkdirSync(pictures, { recursive: true });
  const ui = process.env.UI_HOME ? null : await makeSite();
  let browser;
  try {
    browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
    const page = await browser.newPage({ viewport: WINDOW, timezoneId: "UTC", locale: "en-GB" });
    page.setDefaultTimeout(patience);
    const session = new Session(page);
    const steps = (process.env.STEPS ?? "graph table launchpad partitions failedCheck backfillOfOneDay report expectations").split(" ");
    for (const step of steps) {
      say(step);
      try {
        await session[step]();
      } catch (error) {
        await page.screenshot({ path: join(tmpdir(), `vici-brain-ui-${step}.png`) });
        throw new Error(`${step}: ${error.message}; the page is in ${join(tmpdir(), `vici-brain-ui-${step}.png`)}`);
      }
    }
    say("everything expected was on the pages");
  } finally {
    await browser?.close();
    await stopUi(ui);
  }
}

main()
  .catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  })
  .finally(() => process.env.UI_HOME ?? rmSync(home, { recursive: true, force: true }));
