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
const { sign } = require('../grpc/certificates');
const { badCredentials, closeAll, connectAll, denied, everybodySees, nobody, refusedOnEach, startNode } = require('./wires');

// Keys of bank.Account are numbers: alice is who has this account, bob who has the other.
const ALICE = '1001';
const BOB = '1002';
const RULES = [
  // Everybody looks at all accounts; alice and bob also book, each on one account.
  { roles: ['looker'], types: ['bank.Account'], admin: ['actors.getActivation', 'node.getNode'], read_only: true },
  { roles: ['alice'], types: ['bank.Account'], keys: [ALICE] },
  { roles: ['bob'], types: ['bank.Account'], keys: [BOB] },
].map((rule) => section('[[rule]]', rule));

// As `orbitd --hash-password` does it, with less work.
function hashed(password) {
  const salt = crypto.randomBytes(16);
  const digest = crypto.scryptSync(password, salt, 32, { N: 2 ** 10, r: 8, p: 1 });
  return `$scrypt$ln=10,r=8,p=1$${[salt, digest].map((data) => data.toString('base64').replace(/=+$/, '')).join('$')}`;
}
const secret = () => crypto.randomBytes(32).toString('hex');
const callers = Object.fromEntries(['alice', 'bob', 'viewer'].map((name) =>
  [name, { password: { name, password: secret() }, token: secret() }]));

let folder, auditFile, node, secureNode, identity;
before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-story-'));
  auditFile = path.join(folder, 'audit.json');
  const users = path.join(folder, 'users');
  fs.writeFileSync(users, Object.entries(callers).flatMap(([name, { password, token }]) => [
    `${name}:${hashed(password.password)}:${name},looker\n`,
    `${name}:$sha256$${crypto.createHash('sha256').update(token).digest('hex')}:${name},looker\n`]).join(''));
  node = await startNode({ extra: [
    section('[[plugin]]', { name: 'users', id: 'orbit.access.user_file', required: true }), section('[plugin.config]', { file: users }),
    section('[access]', { audit_file: auditFile }), ...RULES].join('\n') });

  const read = sign(folder, { server: 'ca', alice: 'ca', viewer: 'ca', mallory: 'ca' });
  identity = (name) => ({ tls: { ca: read('ca.pem'), cert: read(`${name}.pem`), key: read(`${name}.key`) } });
  const file = (name) => path.join(folder, name);
  secureNode = await startNode({
    tls: { certificate: file('server.pem'), key: file('server.key'), client_ca: file('ca.pem'), client_certificate: 'required' },
    extra: [
      section('[[plugin]]', { name: 'certificates', id: 'orbit.access.tls_client', required: true }),
      section('[plugin.config]', { principals: ['alice -> alice, looker', 'viewer -> looker'] }), ...RULES].join('\n') });
});
const open = [];
after(async () => {
  await Promise.all(open.map(closeAll));
  const codes = [await node?.stop(), await secureNode?.stop()];
  fs.rmSync(folder, { recursive: true, force: true });
  assert.deepStrictEqual(codes, [0, 0], 'the nodes end in order');
});

async function as(caller, prefer, of = node) {
  const wires = await connectAll(of, caller, prefer);
  open.push(wires);
  return wires;
}

// The owner books on each wire, and the viewer sees it on each.
async function story(owner, viewer) {
  let { bookings } = await owner.grpc.call(ALICE, 'GetBalance');
  for (const wire of Object.values(owner)) {
    await wire.call(ALICE, 'Deposit', { cents: 100 });
    ++bookings;
    await everybodySees(viewer, ALICE, 100 * bookings, bookings);
  }
}

for (const prefer of ['password', 'token']) {
  test(`with a ${prefer} alice books on every wire, and who may look sees it there`, async () =>
    story(await as(callers.alice, prefer), await as(callers.viewer, prefer)));

  test(`with a ${prefer} who may look and not book is refused the same way on every wire, and nothing is booked`, async () => {
    const viewer = await as(callers.viewer, prefer);
    const { cents, bookings } = await viewer.grpc.call(ALICE, 'GetBalance');
    for (const method of ['Withdraw', 'Deposit'])
      assert.deepStrictEqual(await refusedOnEach(node, callers.viewer, prefer, ALICE, method, { cents: 1 }),
        denied('viewer', method, ALICE));
    await everybodySees(viewer, ALICE, cents, bookings);
  });

  test(`with a ${prefer} who may book on one account is refused the same way for another`, async () => {
    const bob = await as(callers.bob, prefer);
    await bob.rest.call(BOB, 'Deposit', { cents: 1 });
    assert.deepStrictEqual(await refusedOnEach(node, callers.bob, prefer, ALICE, 'Withdraw', { cents: 1 }),
      denied('bob', 'Withdraw', ALICE));
  });

  test(`a wrong ${prefer} is refused the same way on every wire, whoever it should be`, async () => {
    for (const name of ['alice', 'mallory']) {
      const wrong = { password: { name, password: 'guessed' }, token: 'guessed' };
      assert.deepStrictEqual(await refusedOnEach(node, wrong, prefer, ALICE, 'GetBalance'), badCredentials());
    }
  });
}

test('who gives no credentials is refused the same way on every wire', async () => {
  assert.deepStrictEqual(await refusedOnEach(node, {}, 'password', ALICE, 'Withdraw', { cents: 1 }), nobody('Withdraw', ALICE));
});

test('models are shown the tools that the caller may use', async () => {
  assert.deepStrictEqual(await (await as(callers.viewer)).mcp.tools(), ['bank_Account_GetBalance']);
  assert.deepStrictEqual((await (await as(callers.bob)).mcp.tools()).sort(),
    ['bank_Account_Deposit', 'bank_Account_GetBalance', 'bank_Account_Withdraw']);
});

test('the audit log has each refusal, with the wire that it came over', async () => {
  const key = '1003';
  await refusedOnEach(node, callers.viewer, 'password', key, 'Withdraw', { cents: 1 });
  const lines = await eventually(() => {
    const found = fs.readFileSync(auditFile, 'utf8').split('\n').filter((line) => line.endsWith('}')).map((line) => JSON.parse(line))
      .filter((line) => line.key === key);
    return found.length >= 5 ? found : undefined;
  }, () => `the audit log has:\n${fs.readFileSync(auditFile, 'utf8')}`);
  assert.deepStrictEqual(lines.map(({ wire, principal, type, method }) => [wire, principal, type, method]),
    ['grpc', 'rest', 'mcp', 'resp', 'admin'].map((wire) => [wire, 'viewer', 'bank.Account', 'Withdraw']));
});

test('with a certificate alice books on every wire, and who may look is refused the same way', async () => {
  await story(await as(identity('alice'), 'certificate', secureNode), await as(identity('viewer'), 'certificate', secureNode));
  assert.deepStrictEqual(await refusedOnEach(secureNode, identity('viewer'), 'certificate', ALICE, 'Withdraw', { cents: 1 }),
    denied('viewer', 'Withdraw', ALICE));
});

test('the node says of every listener alike whom it is open to', async () => {
  for (const [of, caller, prefer, tls] of [[node, callers.viewer, 'token', ''],
    [secureNode, identity('viewer'), 'certificate', '; TLS with client certificates']]) {
    const { json } = await (await as(caller, prefer, of)).admin.request('GET', 'node');
    assert.deepStrictEqual(Object.fromEntries(json.listeners.map((listener) => [listener.plugin, listener.open_to])),
      Object.fromEntries(Object.keys(of.listeners).map((name) => [name, `this machine only${tls}; by the rules of access control`])));
  }
});

test('a good certificate of somebody unlisted is refused on every wire', async () => {
  // A Redis connection goes on as nobody's, and may log in with a password.
  const expected = { ...badCredentials(), resp: nobody('GetBalance', ALICE).resp };
  assert.deepStrictEqual(await refusedOnEach(secureNode, identity('mallory'), 'certificate', ALICE, 'GetBalance'), expected);
});
