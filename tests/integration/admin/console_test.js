// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The console in a real browser (Debian's Chromium), at the width of a phone and of a desk. ORBIT_SCREENSHOTS names a folder to look
// at what it looked like.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { chromium } = require('playwright-core');

const { NodeProcess, eventually } = require('./node_process');
const { request } = require('./http_client');

const TOKEN = 'a-token-for-tests';
const MODULE = `[[module]]\npath = "${process.env.ORBIT_COUNTER_MODULE}"\n`;
let open, guarded, browser;

before(async () => {
  [open, guarded] = await Promise.all([NodeProcess.start({ extra: MODULE }), NodeProcess.start({ admin: { token: TOKEN }, extra: MODULE })]);
  // No sandbox: tests may run as root, and the only pages are the node's own.
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });
});
after(async () => {
  if (browser) await browser.close();
  await Promise.all([open, guarded].filter(Boolean).map((node) => node.stop()));
});

// A page whose every error and every request to elsewhere is remembered.
async function visit(node, width, colorScheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  const page = await context.newPage();
  page.setDefaultTimeout(1000 * Number(process.env.ORBIT_TEST_PATIENCE_S || 60));
  page.wrong = [];
  page.on('pageerror', (error) => page.wrong.push(String(error)));
  page.on('console', (message) => { if (message.type() === 'error' && !/401/.test(message.text())) page.wrong.push(message.text()); });
  page.on('request', (one) => { if (!one.url().startsWith(node.url) && !one.url().startsWith('data:')) page.wrong.push(`asked ${one.url()}`); });
  await page.goto(node.url);
  return page;
}
async function picture(page, name) {
  if (!process.env.ORBIT_SCREENSHOTS) return;
  fs.mkdirSync(process.env.ORBIT_SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(process.env.ORBIT_SCREENSHOTS, `${name}.png`), fullPage: true });
}

for (const [name, width, scheme] of [['desk', 1440, 'light'], ['phone', 390, 'dark']])
  test(`at ${width} pixels the console shows the node, calls an actor and tells what became of it`, async () => {
    const page = await visit(open, width, scheme);
    await page.locator('#state', { hasText: 'ready' }).waitFor();
    await page.locator('#plugin-rows', { hasText: 'orbit.protocol.admin' }).waitFor();
    await page.locator('#types', { hasText: 'counter.Counter' }).waitFor();
    await page.locator('#log-lines', { hasText: 'ready version' }).waitFor();

    // The form comes from the request's message.
    await page.getByLabel('Type', { exact: true }).selectOption('counter.Counter');
    await page.getByLabel('Method', { exact: true }).selectOption('Add');
    await page.getByLabel('Key', { exact: true }).fill(`from a/${name}`);
    await page.getByLabel('by int64').fill('41');
    await page.getByRole('button', { name: 'Call' }).click();
    await page.locator('#call-answer', { hasText: '"value": "41"' }).waitFor();
    assert.deepStrictEqual((await request(open, 'POST', `/v1/actors/counter.Counter/from%20a%2F${name}/Get`)).json, { value: '41' });
    await page.locator('#activations', { hasText: `counter.Counter/from a/${name}` }).waitFor();

    await page.getByLabel('by int64').fill('not a number');
    await page.getByRole('button', { name: 'Call' }).click();
    await page.locator('#call-answer', { hasText: 'INVALID_ARGUMENT' }).waitFor();

    await page.locator('#turns polyline[points*=" "]').waitFor();  // two figures make a line
    // The times are the node's: a commit shows up when one was made, and nothing does before.
    await eventually(async () => {
      await request(open, 'POST', `/v1/actors/counter.Counter/chart-${name}/Add`, { body: { by: 1 } });
      return (await page.locator('#latency polyline.commits').count()) > 0 || undefined;
    }, () => 'the chart shows no commit');
    assert.match(await page.locator('#latency title').textContent(), /^turns now (none|[0-9.]+), commits now (none|[0-9.]+); top of the scale [0-9.]+$/);
    const labels = await page.evaluate(() => [...document.querySelectorAll('svg .axis')].map((one) => one.getBoundingClientRect().height));
    assert.ok(labels.length >= 6 && labels.every((height) => height >= 11), `the labels of charts are ${labels} pixels high`);
    const sideways = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.strictEqual(sideways, 0, 'the page does not scroll sideways');
    const unnamed = await page.evaluate(() => [...document.querySelectorAll('input, select, textarea, button, a')]
      .filter((one) => !(one.labels?.length || one.textContent.trim() || one.getAttribute('aria-label'))).map((one) => one.outerHTML));
    assert.deepStrictEqual(unnamed, [], 'every control has a name');
    await picture(page, name);
    // What the node refused shows in the browser's own log too; nothing else does.
    assert.deepStrictEqual(page.wrong.filter((line) => !/400 \(Bad Request\)/.test(line)), []);
    await page.context().close();
  });

test('a node with a token asks for it, and shows itself to who has it', async () => {
  const page = await visit(guarded, 1440, 'light');
  await page.getByLabel('Token').fill('wrong');
  await page.getByRole('button', { name: 'Use it' }).click();
  await page.locator('#state', { hasText: 'the token is wrong' }).waitFor();
  await page.getByLabel('Token').fill(TOKEN);
  await page.getByRole('button', { name: 'Use it' }).click();
  await page.locator('#state', { hasText: 'ready' }).waitFor();
  await page.locator('#token').waitFor({ state: 'hidden' });
  assert.deepStrictEqual(page.wrong, []);
  await page.context().close();
});
