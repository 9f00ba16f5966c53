// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One account, every wire, and callers with rights: who may not is refused for the same reason and in the same words on each.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { eventually, section } = require('../admin/node_process');
const { Admin, Grpc, Mcp, Resp, Rest, authorization, closeAll, connectAll, refusal, startNode } = require('./wires');

// Keys of bank.Account are numbers: alice is who has this account, bob who has the other.
const ALICE = '1001';
const BOB = '1002';

// As `orbitd --hash-password` does it, with less work.
function hashed(password) {
  const salt = crypto.randomBytes(16);
  const digest = crypto.scryptSync(password, salt, 32, { N: 2 ** 10, r: 8, p: 1 });
  return `$scrypt$ln=10,r=8,p=1$${[salt, digest].map((data) => data.toString('base64').replace(/=+$/, '')).join('$')}`;
}
const callers = Object.fromEntries(['alice', 'bob', 'viewer'].map((name) => [name, {
  password: { name, password: crypto.randomBytes(12).toString('hex') }, token: { token: crypto.randomBytes(32).toString('hex') } }]));

let folder, auditFile, node;
const open = [];
before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-story-'));
  auditFile = path.join(folder, 'audit.json');
  const users = path.join(folder, 'users');
  fs.writeFileSync(users, Object.entries(callers).flatMap(([name, { password, token }]) => [
    `${name}:${hashed(password.password)}:${name},looker\n`,
    `${name}:$sha256$${crypto.createHash('sha256').update(token.token).digest('hex')}:${name},looker\n`]).join(''));
  node = await startNode({ extra: [
    section('[[plugin]]', { name: 'users', id: 'orbit.access.user_file', required: true }),
    section('[plugin.config]', { file: users }),
    section('[access]', { audit_file: auditFile }),
    // Everybody looks at all accounts; alice and bob also book, each on one account.
    section('[[rule]]', { roles: ['looker'], types: ['bank.Account'], admin: ['actors.getActivation'], read_only: true }),
    section('[[rule]]', { roles: ['alice'], types: ['bank.Account'], keys: [ALICE] }),
    section('[[rule]]', { roles: ['bob'], types: ['bank.Account'], keys: [BOB] }),
  ].join('\n') });
});
after(async () => {
  await Promise.all(open.map(closeAll));
  const code = await node?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
  assert.strictEqual(code, 0, 'the node ends in order');
});

async function as(name, prefer) {
  const wires = await connectAll(node, callers[name], prefer);
  open.push(wires);
  return wires;
}

// What each wire says of a call, as {name: {code, text, form}}.
async function refusedOnEach(wires, key, method, request) {
  const out = {};
  for (const [name, wire] of Object.entries(wires)) out[name] = await refusal(wire.call(key, method, request));
  return Object.fromEntries(Object.entries(out).map(([name, { code, text, form }]) => [name, { code, text, form }]));
}

// How each wire shows a refusal of this code, with its text.
function everywhere(code, text, status, grpcStatus, prefix) {
  const http = { status, same_status: true, type: 'application/problem+json', challenges: status === 401 };
  const forms = { grpc: { status: grpcStatus }, rest: http, mcp: { is_error: true }, resp: { prefix }, admin: http };
  return Object.fromEntries(Object.entries(forms).map(([name, form]) => [name, { code, text, form }]));
}
const denied = (who, method, key) => everywhere('PERMISSION_DENIED', `'${who}' may not call ${method} of bank.Account '${key}'`, 403, 7, 'NOPERM');

async function everybodySees(wires, key, cents, version) {
  for (const wire of Object.values(wires)) {
    const { cents: seen, bookings } = await wire.call(key, 'GetBalance');
    assert.deepStrictEqual([seen, bookings], [cents, version]);
  }
  assert.strictEqual((await wires.rest.state(key)).version, version);
  assert.strictEqual((await wires.mcp.resource(key)).version, version);
  assert.strictEqual(await wires.admin.version(key), version);
}

for (const prefer of ['password', 'token'])
  test(`with a ${prefer} alice books on every wire, and who may look sees it there`, async () => {
    const alice = await as('alice', prefer);
    const before = (await alice.grpc.call(ALICE, 'GetBalance')).bookings;
    let version = before;
    for (const wire of Object.values(alice)) await wire.call(ALICE, 'Deposit', { cents: 100 }).then(() => ++version);
    assert.strictEqual(version, before + 5);
    await everybodySees(await as('viewer', prefer), ALICE, 100 * version, version);
  });

test('who may look and not book is refused the same way on every wire, and nothing is booked', async () => {
  const viewer = await as('viewer');
  const { cents, bookings } = await viewer.grpc.call(ALICE, 'GetBalance');
  for (const method of ['Withdraw', 'Deposit'])
    assert.deepStrictEqual(await refusedOnEach(viewer, ALICE, method, { cents: 1 }), denied('viewer', method, ALICE));
  await everybodySees(viewer, ALICE, cents, bookings);
});

test('who may book on one account is refused the same way for another', async () => {
  for (const prefer of ['password', 'token']) {
    const bob = await as('bob', prefer);
    await bob.rest.call(BOB, 'Deposit', { cents: 1 });
    assert.deepStrictEqual(await refusedOnEach(bob, ALICE, 'Withdraw', { cents: 1 }), denied('bob', 'Withdraw', ALICE));
  }
});

test('models are shown the tools that the caller may use', async () => {
  assert.deepStrictEqual(await (await as('viewer')).mcp.tools(), ['bank_Account_GetBalance']);
  assert.deepStrictEqual((await (await as('bob')).mcp.tools()).sort(),
    ['bank_Account_Deposit', 'bank_Account_GetBalance', 'bank_Account_Withdraw']);
});

test('who gives no credentials is refused the same way on every wire', async () => {
  const nobody = await as();
  const expected = everywhere('UNAUTHENTICATED', `nobody may not call Withdraw of bank.Account '${ALICE}' without credentials`, 401, 16, 'NOAUTH');
  expected.resp.text = 'Authentication required.';  // redis-server's words, by which its clients know it
  assert.deepStrictEqual(await refusedOnEach(nobody, ALICE, 'Withdraw', { cents: 1 }), expected);
});

test('bad credentials are refused the same way on every wire', async () => {
  const wrong = { password: { name: 'alice', password: 'guessed' }, token: { token: 'guessed' } };
  const unknown = { ...wrong, password: { name: 'mallory', password: 'guessed' } };
  const expected = everywhere('UNAUTHENTICATED', 'the credentials are wrong or have expired', 401, 16, 'WRONGPASS');
  expected.resp.text = 'invalid username-password pair or user is disabled.';  // redis-server's
  const { mcp, ...others } = expected;
  for (const caller of [wrong, unknown]) {
    for (const prefer of ['password', 'token']) {
      const told = {};
      for (const [name, Wire, credentials] of [['grpc', Grpc, caller[prefer]], ['rest', Rest, caller[prefer]], ['admin', Admin, caller.token]]) {
        const client = new Wire(node, credentials);
        const { code, text, form } = await refusal(client.call(ALICE, 'GetBalance'));
        told[name] = { code, text, form };
        client.close();
      }
      const { code, text, form } = await refusal(Resp.connect(node, caller.password));
      assert.deepStrictEqual({ ...told, resp: { code, text, form } }, others);

      // A session of MCP begins with them, so it is HTTP that says no.
      const answer = await fetch(`http://${node.listeners.mcp}/mcp`, { method: 'POST',
        headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...authorization(caller[prefer]) },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {
          protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'story', version: '1' } } }) });
      assert.deepStrictEqual([answer.status, (await answer.json()).error.message, answer.headers.has('www-authenticate')],
        [401, mcp.text, true]);
    }
  }
});

test('the audit log has each refusal, with the wire that it came over', async () => {
  const viewer = await as('viewer');
  const key = '1003';
  await refusedOnEach(viewer, key, 'Withdraw', { cents: 1 });
  const lines = await eventually(() => {
    const found = fs.readFileSync(auditFile, 'utf8').split('\n').filter((line) => line.endsWith('}')).map((line) => JSON.parse(line))
      .filter((line) => line.key === key);
    return found.length >= 5 ? found : undefined;
  }, () => `the audit log has:\n${fs.readFileSync(auditFile, 'utf8')}`);
  assert.deepStrictEqual(lines.map(({ wire, principal, type, method }) => [wire, principal, type, method]),
    ['grpc', 'rest', 'mcp', 'resp', 'admin'].map((wire) => [wire, 'viewer', 'bank.Account', 'Withdraw']));
});
