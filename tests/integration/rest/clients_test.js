// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Clients and checkers that others wrote, against a live node: redocly, prism, fetch, ws.
'use strict';

const assert = require('node:assert');
const { execFileSync, spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { after, before, test } = require('node:test');
const WebSocket = require('ws');

const { NodeProcess, eventually } = require('../admin/node_process');

const BUILD = path.resolve(process.env.ORBIT_BUILD || 'build/release');
const MODULES = ['counter', 'chat', 'shelf'].map((name) => `[[module]]\npath = "${BUILD}/lib/orbit/modules/${name}.so"\n`).join('');
const REST = '[[plugin]]\nname = "rest"\nid = "orbit.protocol.rest"\nrequired = true\n[plugin.config]\nlisten = "127.0.0.1:0"\n';
let node, url;

before(async () => {
  node = await NodeProcess.start({ extra: REST + MODULES });
  url = `http://${node.listeners.rest}`;
});
after(() => node && node.stop());

const post = (base, target, body, headers = {}) =>
  fetch(base + target, { method: 'POST', headers: { 'Content-Type': 'application/json', ...headers }, body: JSON.stringify(body) });

test('redocly finds nothing to say about the OpenAPI document', async () => {
  const file = path.join(node.folder, 'rest-openapi.json');
  fs.writeFileSync(file, await (await fetch(`${url}/openapi.json`)).text());
  const cli = path.join(path.dirname(require.resolve('@redocly/cli/package.json')), 'bin/cli.js');
  try {
    // A node without access control defines no security; that is what its document says.
    execFileSync(process.execPath, [cli, 'lint', file, '--config', path.join(__dirname, 'redocly.yaml'), '--skip-rule', 'security-defined'], {
      encoding: 'utf8', stdio: 'pipe', env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    });
  } catch (error) {
    assert.fail(`${error.stdout}\n${error.stderr}`);
  }
});

test('every answer is valid for prism, which stands between as a proxy', async () => {
  const port = await new Promise((done) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address();
      probe.close(() => done(free));
    });
  });
  const file = path.join(node.folder, 'prism-openapi.json');
  fs.writeFileSync(file, await (await fetch(`${url}/openapi.json`)).text());
  const cli = path.join(path.dirname(require.resolve('@stoplight/prism-cli/package.json')), 'dist/index.js');
  const prism = spawn(process.execPath, [cli, 'proxy', file, url, '--errors', '-h', '127.0.0.1', '-p', String(port)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [prism.stdout, prism.stderr]) stream.on('data', (data) => { log += data; });
  try {
    await eventually(() => (/Prism is listening/.test(log) ? true : undefined), () => `prism does not start:\n${log}`);
    const proxy = `http://127.0.0.1:${port}`;
    const ok = async (answer) => {
      const body = await answer.text();
      assert.strictEqual(answer.status, 200, `${body}\n${log.slice(-2000)}`);
      return JSON.parse(body);
    };
    assert.deepStrictEqual(await ok(await post(proxy, '/v1/actors/counter.Counter/prism/Add', { by: '5' })), { value: '5' });
    assert.deepStrictEqual(await ok(await fetch(`${proxy}/v1/actors/counter.Counter/prism/Get`)), { value: '5' });
    assert.deepStrictEqual(await ok(await fetch(`${proxy}/v1/actors/counter.Counter/prism/state`)), { value: '5' });
    const book = { title: 'P', pages: '7', colour: 'RED', authors: ['a'], price: 1.5, isbn: 'i' };
    await ok(await post(proxy, '/v1/actors/shelf.Shelf/prism/Put', { book }));
    await ok(await post(proxy, '/library/shelves/prism/books', book));
    assert.strictEqual((await ok(await fetch(`${proxy}/library/shelves/prism/books?filter.pagesMin=1`))).books.length, 2);
    assert.strictEqual((await ok(await fetch(`${proxy}/library/shelves/prism/titles/P`))).length, 2);
    await ok(await fetch(`${proxy}/v1/actors`));
    // What the document forbids, prism stops before the node does.
    assert.strictEqual((await post(proxy, '/v1/actors/counter.Counter/prism/Add', { by: 'x' })).status, 422);
    // What the node refuses is documented too.
    assert.strictEqual((await fetch(`${proxy}/v1/actors/counter.Counter/nobody/state`)).status, 404);
  } finally {
    prism.kill();
  }
});

test('fetch reads a stream of events, and leaves it', async () => {
  await post(url, '/v1/actors/chat.Room/fetch/Say', { author: 'ann', text: 'hello' });
  const leaving = new AbortController();
  const answer = await fetch(`${url}/v1/streams/chat.ChatMessage%2Ffetch?from=1`, { signal: leaving.signal });
  assert.strictEqual(answer.headers.get('content-type'), 'text/event-stream');
  let text = '';
  for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes('"text":"hello"')) break;
  }
  leaving.abort();
  assert.match(text, /^id: 1$/m);
});

test('ws, a client that others wrote, follows a stream', async () => {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/streams/chat.ChatMessage%2Fws?from=1`);
  const messages = [];
  socket.on('message', (data) => messages.push(JSON.parse(data)));
  await new Promise((done, failed) => socket.on('open', done).on('error', failed));
  for (const text of ['one', 'two']) await post(url, '/v1/actors/chat.Room/ws/Say', { author: 'ann', text });
  await eventually(() => (messages.length === 2 ? true : undefined), () => `got ${JSON.stringify(messages)}`);
  assert.deepStrictEqual(messages.map((message) => message.payload.text), ['one', 'two']);
  socket.close(1000);
  assert.strictEqual(await new Promise((done) => socket.on('close', done)), 1000);
});

test('curl speaks with it: compressed, with a large chunked body, and over one connection', () => {
  const curl = (...args) => execFileSync('curl', ['-sS', '--noproxy', '*', ...args], { encoding: 'utf8' });
  assert.match(curl('--compressed', `${url}/openapi.json`), /"openapi":"3.1.0"/);
  const large = JSON.stringify({ book: { title: 'L', isbn: 'x'.repeat(200_000) } });
  const file = path.join(node.folder, 'large.json');
  fs.writeFileSync(file, large);
  const answer = curl('-T', file, '-X', 'POST', '-H', 'Content-Type: application/json', '-H', 'Transfer-Encoding: chunked',
    `${url}/v1/actors/shelf.Shelf/curl/Put`);
  assert.strictEqual(JSON.parse(answer).books[0].isbn.length, 200_000);
  assert.strictEqual(curl('-w', '%{num_connects} ', '-o', '/dev/null', `${url}/v1/actors`, '-o', '/dev/null', `${url}/v1/actors`).trim(), '1 0');
});
