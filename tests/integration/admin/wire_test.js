// SPDX-License-Identifier: MIT OR BSD-3-Clause
// HTTP as strange, careless and hostile clients speak it, against a real node; and how the node guards itself.
'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const http = require('node:http');
const { after, before, test } = require('node:test');

const { NodeProcess } = require('./node_process');
const { request, raw } = require('./http_client');

const GET = 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n';
const CALL = 'POST /v1/actors/no.Such/k/M HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const BODY_BYTES_MAX = 4096;
const count = (text, part) => text.split(part).length - 1;
let node;

before(async () => {
  node = await NodeProcess.start({
    admin: { header_bytes_max: 2048, body_bytes_max: BODY_BYTES_MAX },
  });
});
after(() => node?.stop());

test('pipelined requests are answered in order', async () => {
  const requests = [GET, CALL + 'Content-Length: 2\r\n\r\n{}', 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n', GET].join('');
  const text = await raw(node, [requests], (all) => count(all, 'HTTP/1.1 ') === 4 && all.endsWith('{"status":"ok"}'));
  assert.deepStrictEqual(text.match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 404', 'HTTP/1.1 200']);
  assert.match(text, /no actor type no\.Such/);
});

test('a connection serves a thousand requests', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const ports = new Set();
  for (let i = 0; i < 1000; ++i) {
    const answer = await request(node, 'GET', '/healthz', { agent });
    assert.strictEqual(answer.status, 200);
    for (const socket of Object.values(agent.freeSockets).flat()) ports.add(socket.localPort);
  }
  agent.destroy();
  assert.strictEqual(ports.size, 1);
});

test('a request in single bytes is understood', async () => {
  const text = await raw(node, [...GET], (all) => all.includes('{"status":"ok"}'));
  assert.match(text, /^HTTP\/1\.1 200 OK\r\n/);
});

test('a chunked body arrives whole', async () => {
  const text = await raw(node, [CALL + 'Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n', '1\r\n}\r\n', '0\r\n\r\n'],
    (all) => all.includes('no actor type'));
  assert.match(text, /^HTTP\/1\.1 404/);
});

test('curl: Expect: 100-continue, HEAD, HTTP/1.0', () => {
  const curl = (...args) => execFileSync('curl', ['-sS', '--max-time', '60', ...args], { encoding: 'utf8' });
  const expected = curl('-i', '-H', 'Expect: 100-continue', '-H', 'Content-Type: application/json', '-d', '{}',
    `${node.url}/v1/actors/no.Such/k/M`);
  assert.match(expected, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 404 Not Found\r\n/);
  const head = curl('-I', `${node.url}/openapi.json`);
  const length = Number(/Content-Length: (\d+)/.exec(head)[1]);
  assert.strictEqual(Buffer.byteLength(curl(`${node.url}/openapi.json`)), length);
  assert.match(curl('-i', '--http1.0', `${node.url}/healthz`), /\r\nConnection: close\r\n/);
});

test('a head that is too long is 431 and a body that is too long is 413, read by a client that still sends', async () => {
  const long = await raw(node, ['GET / HTTP/1.1\r\nHost: localhost\r\n', ...Array(40).fill(`X: ${'x'.repeat(1000)}\r\n`)]);
  assert.match(long, /^HTTP\/1\.1 431 /);
  const announced = await request(node, 'POST', '/v1/modules', { body: ' '.repeat(BODY_BYTES_MAX + 1) });
  assert.strictEqual(announced.status, 413);
  assert.strictEqual(announced.json.code, 'RESOURCE_EXHAUSTED');
  assert.match(announced.json.detail, /body_bytes_max, 4096/);
  const chunk = `400\r\n${' '.repeat(1024)}\r\n`;
  const unannounced = await raw(node, [CALL + 'Transfer-Encoding: chunked\r\n\r\n', ...Array(64).fill(chunk)]);
  assert.match(unannounced, /^HTTP\/1\.1 413 /);
});

test('a request that never ends is 408, and the connection closes', async () => {
  const impatient = await NodeProcess.start({ admin: { request_timeout_ms: 300 } });
  try {
    const text = await raw(impatient, ['GET /healthz HTTP/1.1\r\nHost: loc']);
    assert.match(text, /^HTTP\/1\.1 408 Request Timeout\r\n/);
  } finally {
    await impatient.stop();
  }
});

test('bytes that are no HTTP get a 400 and the node goes on', async () => {
  for (const bytes of ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', '*1\r\n$4\r\nPING\r\n\r\n', '\0\0\0\0\r\n\r\n'])
    assert.match(await raw(node, [Buffer.from(bytes, 'latin1')]), /^HTTP\/1\.1 400 /);
  assert.strictEqual((await request(node, 'GET', '/healthz')).status, 200);
});

test('more connections than connections_max are told so', async () => {
  const small = await NodeProcess.start({ admin: { connections_max: 4 } });
  const agents = Array.from({ length: 4 }, () => new http.Agent({ keepAlive: true, maxSockets: 1 }));
  try {
    for (const agent of agents) assert.strictEqual((await request(small, 'GET', '/healthz', { agent })).status, 200);
    const text = await raw(small, []);
    const [head, body] = text.split('\r\n\r\n');
    assert.match(head, /^HTTP\/1\.1 503 /);
    assert.strictEqual(Number(/Content-Length: (\d+)/.exec(head)[1]), body.length);
    assert.strictEqual(JSON.parse(body).code, 'RESOURCE_EXHAUSTED');
    for (const agent of agents) assert.strictEqual((await request(small, 'GET', '/healthz', { agent })).status, 200);
  } finally {
    for (const agent of agents) agent.destroy();
    await small.stop();
  }
});

test('a name that is not loopback is refused while there is no token', async () => {
  for (const host of ['evil.example', `evil.example:${node.port}`, '192.168.0.1'])
    assert.strictEqual((await request(node, 'GET', '/v1/node', { headers: { Host: host } })).status, 403);
  for (const host of [`localhost:${node.port}`, node.address, `[::1]:${node.port}`])
    assert.strictEqual((await request(node, 'GET', '/v1/node', { headers: { Host: host } })).status, 200);
  const posted = await request(node, 'POST', '/v1/modules', {
    body: { path: '/x' }, headers: { Origin: 'http://evil.example', Host: 'localhost' },
  });
  assert.strictEqual(posted.status, 403);
});

test('the metrics are Prometheus text', async () => {
  const { body } = await request(node, 'GET', '/metrics');
  for (const line of body.trimEnd().split('\n'))
    assert.match(line, /^(# (HELP|TYPE) [a-zA-Z_:][\w:]* .+|[a-zA-Z_:][\w:]*(\{([a-zA-Z_]\w*="([^"\\\n]|\\.)*",?)*\})? [-+\w.]+)$/);
  assert.match(body, /^orbit_admin_answers_total\{status="2xx"\} [1-9]\d*$/m);
});

test('a node without a token refuses to listen beyond loopback, and says what to do', async () => {
  const { code, log } = await NodeProcess.run({ admin: { listen: '0.0.0.0:0' } });
  assert.notStrictEqual(code, 0);
  assert.match(log, /0\.0\.0\.0:0.*without a token: set token/s);
});

test('the token comes from the environment and is shown nowhere', async () => {
  const secret = 'only-for-this-test';
  const guarded = await NodeProcess.start({
    admin: { token: '${ORBIT_TEST_ADMIN_TOKEN}' }, environment: { ORBIT_TEST_ADMIN_TOKEN: secret },
  });
  try {
    const headers = { Authorization: `Bearer ${secret}` };
    const config = await request(guarded, 'GET', '/v1/config', { headers });
    assert.strictEqual(config.status, 200);
    assert.ok(!config.body.includes(secret));
    assert.ok(config.body.includes('(set)'));
    assert.strictEqual((await request(guarded, 'GET', '/v1/config')).status, 401);
    assert.strictEqual((await request(guarded, 'GET', '/readyz')).status, 200);
    assert.ok(!guarded.log().includes(secret));
  } finally {
    await guarded.stop();
  }
});

test('a node with open connections stops in order', async () => {
  const other = await NodeProcess.start();
  const agent = new http.Agent({ keepAlive: true });
  assert.strictEqual((await request(other, 'GET', '/healthz', { agent })).status, 200);
  assert.strictEqual(await other.stop(), 0);
  agent.destroy();
});
