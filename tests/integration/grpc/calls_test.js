// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Actors called by @grpc/grpc-js through their own services and through orbit.v1.ActorService.
'use strict';

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const protobuf = require('protobufjs');

const { eventually } = require('../admin/node_process');
const { abandon, ask, bank, codec, collect, grpc, insecure, metadata, next, orbit, refusal, startNode, wire, withKey } = require('./wire_client');

const { status } = grpc;
let node, echo, gate, blob, account, actors;

before(async () => {
  node = await startNode({ calls_max: 200, batch_calls_max: 10, stream_calls_max: 8, message_bytes_max: 100000 });
  echo = new wire.Echo(node.grpc, insecure());
  gate = new wire.Gate(node.grpc, insecure());
  blob = new wire.Blob(node.grpc, insecure());
  account = new bank.Account(node.grpc, insecure());
  actors = new orbit.v1.ActorService(node.grpc, insecure());
});
after(async () => {
  for (const client of [echo, gate, blob, account, actors]) client?.close();
  assert.strictEqual(await node?.stop(), 0, 'the node ends in order');
});

test('an actor answers a stock client on its own path, its key in the metadata', async () => {
  assert.deepStrictEqual(await ask(account, 'Deposit', { cents: 500 }, withKey('7')), { cents: 500, bookings: 1 });
  assert.deepStrictEqual(await ask(account, 'Withdraw', { cents: 200 }, withKey('7')), { cents: 300, bookings: 2 });
  assert.deepStrictEqual(await ask(account, 'GetBalance', {}, withKey('8')), { cents: 0, bookings: 0 });
});

test('the key may be a field of the request, beside it in bytes, or both when they agree', async () => {
  assert.strictEqual((await ask(echo, 'Say', { to: 'field', text: 'hello' })).key, 'field');
  assert.strictEqual((await ask(echo, 'Say', { text: 'hello' }, withKey('beside'))).key, 'beside');
  assert.strictEqual((await ask(echo, 'Say', { to: 'k\u00e4se' }, metadata({ 'orbit-key-bin': Buffer.from('k\u00e4se') }))).key, 'k\u00e4se');
  const both = await refusal(echo, 'Say', { to: 'one' }, withKey('two'));
  assert.strictEqual(both.code, status.INVALID_ARGUMENT);
  assert.match(both.details, /the metadata names the actor 'two' and wire\.Saying\.to 'one'/);
  const any = Buffer.from([0, 255, 254, 10]);
  assert.deepStrictEqual(await ask(blob, 'KeySize', {}, metadata({ 'orbit-key-bin': any })), { value: 4 });
});

test('a missing or malformed key is refused with what was expected', async () => {
  const none = await refusal(account, 'GetBalance', {});
  assert.strictEqual(none.code, status.INVALID_ARGUMENT);
  assert.match(none.details, /does not say which bank\.Account is meant: put its key into the metadata 'orbit-key'/);
  const text = await refusal(account, 'GetBalance', {}, withKey('alice'));
  assert.strictEqual(text.code, status.INVALID_ARGUMENT);
  assert.match(text.details, /not an int64 in its shortest decimal form/);
  const broken = await refusal(echo, 'Say', {}, metadata({ 'orbit-key-bin': Buffer.from([0xff]) }));
  assert.match(broken.details, /not valid UTF-8/);
});

test('unknown services and methods are UNIMPLEMENTED and name what is there', async () => {
  const call = (path) => new Promise((resolve) => {
    echo.makeUnaryRequest(path, (bytes) => bytes, (bytes) => bytes, Buffer.alloc(0), (error) => resolve(error));
  });
  const method = await call('/bank.Account/Steal');
  assert.strictEqual(method.code, status.UNIMPLEMENTED);
  assert.match(method.details, /has no method 'Steal'; it has Deposit, Withdraw, GetBalance/);
  const service = await call('/bank.Robber/Steal');
  assert.strictEqual(service.code, status.UNIMPLEMENTED);
  assert.match(service.details, /no service 'bank\.Robber' is here/);
  assert.strictEqual((await call('/orbit.v1.ActorService/Nothing')).code, status.UNIMPLEMENTED);
});

test('an error of an actor has its code, its message and google.rpc details', async () => {
  const failed = await refusal(echo, 'Fail', { code: status.RESOURCE_EXHAUSTED, message: 'no more of it' }, withKey('a'));
  assert.strictEqual(failed.code, status.RESOURCE_EXHAUSTED);
  assert.strictEqual(failed.details, 'no more of it');
  const root = protobuf.parse(`syntax = "proto3"; package google.rpc;
    message Any { string type_url = 1; bytes value = 2; }
    message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
    message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
    message Duration { int64 seconds = 1; int32 nanos = 2; }
    message RetryInfo { Duration retry_delay = 1; }`, { keepCase: true }).root;
  const decode = (type, bytes) => root.lookupType(`google.rpc.${type}`).toObject(root.lookupType(`google.rpc.${type}`).decode(bytes));
  const details = decode('Status', failed.metadata.get('grpc-status-details-bin')[0]);
  assert.strictEqual(details.code, status.RESOURCE_EXHAUSTED);
  assert.strictEqual(details.message, 'no more of it');
  assert.deepStrictEqual(details.details.map((any) => any.type_url),
    ['type.googleapis.com/google.rpc.ErrorInfo', 'type.googleapis.com/google.rpc.RetryInfo']);
  assert.deepStrictEqual(decode('ErrorInfo', details.details[0].value),
    { reason: 'RESOURCE_EXHAUSTED', domain: 'orbit', metadata: { type: 'wire.Echo', key: 'a', method: 'Fail' } });
});

test('what travels with a call comes from the metadata', async () => {
  const said = await ask(echo, 'Say', { to: 'context' }, metadata({ traceparent: '00-1', 'orbit-tenant': 'blue' }));
  assert.strictEqual(said.trace, '00-1');
  assert.strictEqual(said.tenant, 'blue');
  assert.strictEqual(said.has_deadline, false);
  assert.strictEqual((await ask(echo, 'Say', { to: 'context' }, metadata({}), { deadline: Date.now() + 60000 })).has_deadline, true);
});

test('a deadline ends the call for the client and cancels the turn', async () => {
  const late = await refusal(echo, 'Wait', {}, withKey('late'), { deadline: Date.now() + 50 });
  assert.strictEqual(late.code, status.DEADLINE_EXCEEDED);
  await seesCancelled('late');
});

test('a client that cancels cancels the turn', async () => {
  const error = new Promise((resolve) => {
    const call = echo.Wait({}, withKey('gone'), (failed) => resolve(failed));
    eventually(async () => ((await ask(echo, 'Seen', {}, withKey('gone'))).waiting === 1 ? true : undefined), () => 'nobody waits')
      .then(() => call.cancel());
  });
  assert.strictEqual((await error).code, status.CANCELLED);
  await seesCancelled('gone');
});

// The turn that waits is told that it was cancelled.
async function seesCancelled(key) {
  await eventually(async () => {
    await ask(gate, 'Open', {}, withKey(key));
    return (await ask(echo, 'Seen', {}, withKey(key))).cancelled === 1 ? true : undefined;
  }, () => `the turn of ${key} was not cancelled`);
}

test('a one-way method answers at once and runs later', async () => {
  assert.deepStrictEqual(await ask(echo, 'Note', { value: 5 }, withKey('noted')), {});
  await eventually(async () => ((await ask(echo, 'Seen', {}, withKey('noted'))).noted === 5 ? true : undefined), () => 'not noted');
});

test('a message over message_bytes_max is refused, and the connection goes on', async () => {
  const large = await refusal(echo, 'Say', { to: 'large', blob: Buffer.alloc(200000) });
  assert.strictEqual(large.code, status.RESOURCE_EXHAUSTED);
  assert.match(large.details, /at most 100000 are allowed \(message_bytes_max\)/);
  assert.strictEqual((await ask(echo, 'Say', { to: 'large', blob: Buffer.alloc(50000, 'x') })).blob.length, 50000);
});

test('compressed requests are understood', async () => {
  const gzip = new wire.Echo(node.grpc, insecure(), { 'grpc.default_compression_algorithm': 2 });
  const said = await ask(gzip, 'Say', { to: 'small', text: 'z'.repeat(50000) });
  assert.strictEqual(said.text.length, 50000);
  gzip.close();
});

test('Invoke names type, key and method in its message', async () => {
  const { encode, decode } = codec('Echo', 'Say');
  const reply = await ask(actors, 'Invoke', { type: 'wire.Echo', key: Buffer.from('invoked'), method: 'Say', payload: encode({ text: 'hi' }) });
  assert.deepStrictEqual([decode(reply.payload).key, decode(reply.payload).text], ['invoked', 'hi']);
  const type = await refusal(actors, 'Invoke', { type: 'no.Type', key: Buffer.from('a'), method: 'Say' });
  assert.deepStrictEqual([type.code, type.details], [status.NOT_FOUND, "no actor type 'no.Type' can be called on this node"]);
  const method = await refusal(actors, 'Invoke', { type: 'wire.Blob', key: Buffer.from('a'), method: 'Say' });
  assert.deepStrictEqual([method.code, method.details], [status.NOT_FOUND, "actor type wire.Blob has no method 'Say'; it has KeySize"]);
  const garbage = await refusal(actors, 'Invoke',
    { type: 'wire.Echo', key: Buffer.from('a'), method: 'Say', payload: Buffer.from([0xff, 0xff]) });
  assert.strictEqual(garbage.code, status.INVALID_ARGUMENT);
  assert.deepStrictEqual(await ask(actors, 'OneWay',
    { type: 'wire.Echo', key: Buffer.from('one way'), method: 'Note', payload: codec('Echo', 'Note').encode({ value: 2 }) }), {});
});

test('Batch answers each call for itself, in order', async () => {
  const { encode, decode } = codec('Echo', 'Say');
  const call = (key, method = 'Say') => ({ type: 'wire.Echo', key: Buffer.from(key), method, payload: encode({ text: key }) });
  const { results } = await ask(actors, 'Batch', { calls: [call('b1'), call('b2', 'Sing'), call('b3')] });
  assert.strictEqual(decode(results[0].payload).text, 'b1');
  assert.strictEqual(results[1].status.code, status.NOT_FOUND);
  assert.match(results[1].status.message, /has no method 'Sing'/);
  assert.strictEqual(results[2].status, null);
  assert.strictEqual(decode(results[2].payload).key, 'b3');
  const long = await refusal(actors, 'Batch', { calls: Array(11).fill(call('b')) });
  assert.deepStrictEqual([long.code, long.details],
    [status.RESOURCE_EXHAUSTED, 'the batch has 11 calls, at most 10 are allowed (batch_calls_max)']);
  assert.deepStrictEqual(await ask(actors, 'Batch', { calls: [] }), { results: [] });
});

test('InvokeStream answers every call, more than may wait at a time, and ends when the client has ended', async () => {
  const { encode, decode } = codec('Echo', 'Say');
  const stream = actors.InvokeStream();
  const ended = collect(stream);
  for (let id = 1; id <= 100; ++id)
    stream.write({ id, call: { type: 'wire.Echo', key: Buffer.from(`s${id % 7}`), method: 'Say', payload: encode({ text: `${id}` }) } });
  stream.write({ id: 101, call: { type: 'wire.Echo', key: Buffer.from('s'), method: 'Sing' } });
  stream.write({ id: 102, one_way: true, call: { type: 'wire.Echo', key: Buffer.from('s'), method: 'Say' } });
  stream.end();
  const { messages, error } = await ended;
  assert.strictEqual(error, undefined);
  assert.deepStrictEqual(messages.map(({ id }) => id).sort((a, b) => a - b), Array.from({ length: 101 }, (_, i) => i + 1));
  for (const { id, status: failed, payload } of messages)
    if (id <= 100) assert.strictEqual(decode(payload).text, `${id}`);
    else assert.match(failed.message, /has no method 'Sing'/);
});

test('a call of InvokeStream can be cancelled, and has a timeout of its own', async () => {
  const stream = actors.InvokeStream();
  const wait = (id, key, more) => stream.write({ id, call: { type: 'wire.Echo', key: Buffer.from(key), method: 'Wait' }, ...more });
  wait(1, 'stream-timeout', { timeout_ms: 30 });
  const late = await next(stream);
  assert.deepStrictEqual([late.id, late.status.code], [1, status.DEADLINE_EXCEEDED]);
  await seesCancelled('stream-timeout');
  wait(2, 'stream-cancel');
  await eventually(async () => ((await ask(echo, 'Seen', {}, withKey('stream-cancel'))).waiting === 1 ? true : undefined), () => 'nobody waits');
  stream.write({ id: 2, cancel: true });
  await seesCancelled('stream-cancel');
  assert.strictEqual((await next(stream)).id, 2);
  stream.end();
});

test('Subscribe brings the events of a stream, from now or from a position', async () => {
  const publish = (value) => ask(echo, 'Tell', { value }, withKey('news'));
  const read = (event) => codec('Blob', 'KeySize').decode(event.payload).value;
  await publish(1);
  const all = actors.Subscribe({ stream: 'wire.Number/news', from: 1 });
  const first = await next(all);
  assert.deepStrictEqual([read(first), first.position, first.publisher_type, first.publisher_key.toString()], [1, 1, 'wire.Echo', 'news']);
  await publish(2);
  assert.strictEqual(read(await next(all)), 2);
  abandon(all);
  const bad = await collect(actors.Subscribe({ stream: 'news' }));
  assert.strictEqual(bad.error.code, status.INVALID_ARGUMENT);
});

test('the number of open RPCs has a bound that is named', async () => {
  const waits = Array.from({ length: 220 }, () => {
    let call;
    const done = new Promise((resolve) => { call = echo.Wait({}, withKey('many'), (error) => resolve(error)); });
    return { call, done };
  });
  const refused = await Promise.race(waits.map(({ done }) => done));
  assert.strictEqual(refused.code, status.RESOURCE_EXHAUSTED);
  assert.match(refused.details, /200 RPCs are open \(calls_max\)/);
  for (const { call } of waits) call.cancel();
  await Promise.all(waits.map(({ done }) => done));
  // The turns go on until they look; then the node can stop.
  await eventually(() => ask(gate, 'Open', {}, withKey('many')).then(() => true, () => undefined), () => 'no room again');
});
