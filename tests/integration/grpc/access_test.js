// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Access control in everything that the gRPC wire has beside an actor's own methods, which tests/integration/story calls.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { section } = require('../admin/node_process');
const { abandon, ask, bank, codec, collect, grpc, health, insecure, metadata, next, orbit, reflection, refusal, startNode,
  wire, withKey } = require('./wire_client');

const { status } = grpc;
const token = crypto.randomBytes(32).toString('hex');
const reader = { authorization: `Bearer ${token}` };
const NEWS = 'wire.Number/news';
let folder, node, actors, account;
before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-grpc-users-'));
  const users = path.join(folder, 'users');
  fs.writeFileSync(users, `reader:$sha256$${crypto.createHash('sha256').update(token).digest('hex')}:reader\n`);
  node = await startNode({}, { extra: [
    section('[[plugin]]', { name: 'users', id: 'orbit.access.user_file', required: true }), section('[plugin.config]', { file: users }),
    section('[[rule]]', { roles: ['reader'], types: ['bank.Account'], methods: ['GetBalance'] }),
    section('[[rule]]', { roles: ['reader'], types: ['wire.Echo'], keys: ['news'], methods: ['Tell'] }),
    section('[[rule]]', { roles: ['reader'], types: ['orbit.Stream'], keys: [NEWS], methods: ['observe'] })].join('\n') });
  actors = new orbit.v1.ActorService(node.grpc, insecure());
  account = new bank.Account(node.grpc, insecure());
});
after(async () => {
  actors?.close();
  account?.close();
  const code = await node?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
  assert.strictEqual(code, 0, 'the node ends in order');
});

const call = (method) => ({ type: 'bank.Account', key: Buffer.from('7'), method });
const DENIED = "'reader' may not call Withdraw of bank.Account '7'";
const NOBODY = "nobody may not call GetBalance of bank.Account '7' without credentials";

test('Invoke and OneWay are refused as the method that they name', async () => {
  await ask(actors, 'Invoke', call('GetBalance'), metadata(reader));
  for (const way of ['Invoke', 'OneWay']) {
    const denied = await refusal(actors, way, call('Withdraw'), metadata(reader));
    assert.deepStrictEqual([denied.code, denied.details], [status.PERMISSION_DENIED, DENIED]);
    const nobody = await refusal(actors, way, call('GetBalance'));
    assert.deepStrictEqual([nobody.code, nobody.details], [status.UNAUTHENTICATED, NOBODY]);
  }
});

test('of a batch those calls are refused that the caller may not make', async () => {
  const { results } = await ask(actors, 'Batch', { calls: [call('GetBalance'), call('Withdraw'), call('GetBalance')] }, metadata(reader));
  assert.deepStrictEqual(results.map((result) => result.status?.code ?? 0), [0, status.PERMISSION_DENIED, 0]);
  assert.strictEqual(results[1].status.message, DENIED);
  const nobodys = await ask(actors, 'Batch', { calls: [call('GetBalance')] });
  assert.deepStrictEqual([nobodys.results[0].status.code, nobodys.results[0].status.message], [status.UNAUTHENTICATED, NOBODY]);
});

test('a stream of calls is its caller\'s from its beginning on, and each call is checked', async () => {
  for (const [who, expected] of [[reader, [0, status.PERMISSION_DENIED]], [{}, [status.UNAUTHENTICATED, status.UNAUTHENTICATED]]]) {
    const stream = actors.InvokeStream(metadata(who));
    const ended = collect(stream);
    stream.write({ id: 1, call: call('GetBalance') });
    stream.write({ id: 2, call: call('Withdraw') });
    stream.end();
    const { messages, error } = await ended;
    assert.strictEqual(error, undefined);
    assert.deepStrictEqual(messages.sort((a, b) => a.id - b.id).map((answer) => answer.status?.code ?? 0), expected);
  }
});

test('observing a stream has a rule of its own', async () => {
  const echo = new wire.Echo(node.grpc, insecure());
  await ask(echo, 'Tell', { value: 3 }, withKey('news', reader));
  echo.close();
  const events = actors.Subscribe({ stream: NEWS, from: 1 }, metadata(reader));
  assert.strictEqual(codec('Blob', 'KeySize').decode((await next(events)).payload).value, 3);
  abandon(events);
  const { error } = await collect(actors.Subscribe({ stream: 'wire.Number/other' }, metadata(reader)));
  assert.deepStrictEqual([error.code, error.details],
    [status.PERMISSION_DENIED, "'reader' may not call observe of orbit.Stream 'wire.Number/other'"]);
});

test('reflection lists the types of which the caller may call something', async () => {
  const client = new reflection.ServerReflection(node.grpc, insecure());
  const types = async (who) => {
    const stream = client.ServerReflectionInfo(metadata(who));
    stream.write({ list_services: '' });
    const { list_services_response: { service } } = await next(stream);
    const ended = collect(stream);
    stream.end();
    await ended;
    return service.map(({ name }) => name).filter((name) => /^(bank|wire)\./.test(name));
  };
  assert.deepStrictEqual(await types(reader), ['bank.Account', 'wire.Echo']);
  assert.deepStrictEqual(await types({}), []);
  client.close();
});

test('health answers everybody but who gives bad credentials', async () => {
  const client = new health.Health(node.grpc, insecure());
  assert.strictEqual((await ask(client, 'Check', {})).status, 'SERVING');
  const wrong = await refusal(client, 'Check', {}, metadata({ authorization: 'Bearer guessed' }));
  assert.deepStrictEqual([wrong.code, wrong.details], [status.UNAUTHENTICATED, 'the credentials are wrong or have expired']);
  client.close();
});

test('credentials that nobody can read are refused with what was expected', async () => {
  for (const authorization of ['Digest x', 'Bearer', 'Basic !', `Basic ${Buffer.from('no colon').toString('base64')}`]) {
    const wrong = await refusal(account, 'GetBalance', {}, withKey('7', { authorization }));
    assert.strictEqual(wrong.code, status.UNAUTHENTICATED);
    assert.match(wrong.details, /neither 'Bearer TOKEN' nor 'Basic' with the base64 of 'NAME:PASSWORD'/);
  }
});

test('callers who come together each are who they are', async () => {
  const each = await Promise.all(Array.from({ length: 90 }, (_, i) => {  // fewer wrong ones than access.authenticating_max
    const who = [reader, {}, { authorization: 'Bearer guessed' }][i % 3];
    return ask(account, 'GetBalance', {}, withKey(`${i}`, who)).then(() => 0, (error) => error.code);
  }));
  assert.deepStrictEqual(each, each.map((_, i) => (i % 3 === 0 ? 0 : status.UNAUTHENTICATED)));
});
