// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The cases of gRPC's doc/interop-test-descriptions.md that apply to actors, under their names there. Methods of actors are unary:
// the cases with streams go over ActorService.InvokeStream, with the same sizes. Not here: custom_metadata and the halves of
// client_compressed_unary and server_compressed_unary that want a method to see or choose compression or metadata of its own answer.
'use strict';

const assert = require('node:assert');
const { after, before, test } = require('node:test');

const { section } = require('../admin/node_process');
const { abandon, ask, collect, grpc, insecure, interop, interopCodec, metadata, next, orbit, refusal, startNode, withKey } = require('./wire_client');

const { status } = grpc;
const zeros = (bytes) => Buffer.alloc(bytes);
const LARGE = { response_size: 314159, payload: { body: zeros(271828) } };
let node, service, actors;
before(async () => {
  node = await startNode({ compression: 'low' }, { extra: section('[[module]]', { path: process.env.WIRE_INTEROP_MODULE, required: true }) });
  service = new interop.TestService(node.grpc, insecure());
  actors = new orbit.v1.ActorService(node.grpc, insecure());
});
after(async () => {
  service?.close();
  actors?.close();
  assert.strictEqual(await node?.stop(), 0, 'the node ends in order');
});

const key = () => withKey('interop');
const { encode, decode } = interopCodec('UnaryCall');
const streamed = (id, request) => ({ id, call: { type: 'grpc.testing.TestService', key: Buffer.from('interop'), method: 'UnaryCall', payload: encode(request) } });

test('empty_unary', async () => {
  assert.deepStrictEqual(await ask(service, 'EmptyCall', {}, key()), {});
});

test('large_unary', async () => {
  const { payload } = await ask(service, 'UnaryCall', LARGE, key());
  assert.strictEqual(payload.type, 'COMPRESSABLE');
  assert.ok(payload.body.equals(zeros(314159)));
});

test('client_compressed_unary, server_compressed_unary: both sides may compress', async () => {
  for (const algorithm of [1, 2]) {  // deflate, gzip
    const client = new interop.TestService(node.grpc, insecure(), { 'grpc.default_compression_algorithm': algorithm });
    const { payload } = await ask(client, 'UnaryCall', LARGE, key());
    assert.ok(payload.body.equals(zeros(314159)));
    client.close();
  }
});

test('status_code_and_message', async () => {
  const failed = await refusal(service, 'UnaryCall', { response_status: { code: 2, message: 'test status message' } }, key());
  assert.deepStrictEqual([failed.code, failed.details], [status.UNKNOWN, 'test status message']);
});

test('special_status_message', async () => {
  const message = '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n';
  const failed = await refusal(service, 'UnaryCall', { response_status: { code: 2, message } }, key());
  assert.deepStrictEqual([failed.code, failed.details], [status.UNKNOWN, message]);
});

const raw = (path) => new Promise((resolve) => {
  service.makeUnaryRequest(path, (bytes) => bytes, (bytes) => bytes, Buffer.alloc(0), (error) => resolve(error));
});
test('unimplemented_method', async () => {
  assert.strictEqual((await raw('/grpc.testing.TestService/UnimplementedCall')).code, status.UNIMPLEMENTED);
});
test('unimplemented_service', async () => {
  assert.strictEqual((await raw('/grpc.testing.UnimplementedService/UnimplementedCall')).code, status.UNIMPLEMENTED);
});

test('empty_stream', async () => {
  const stream = actors.InvokeStream();
  const ended = collect(stream);
  stream.end();
  const { messages, error } = await ended;
  assert.deepStrictEqual([messages, error], [[], undefined]);
});

test('ping_pong', async () => {
  const stream = actors.InvokeStream();
  for (const [id, [response_size, sent]] of [[31415, 27182], [9, 8], [2653, 1828], [58979, 45904]].entries()) {
    stream.write(streamed(id, { response_size, payload: { body: zeros(sent) } }));
    const answer = await next(stream);
    assert.strictEqual(answer.id, id);
    assert.strictEqual(decode(answer.payload).payload.body.length, response_size);
  }
  const ended = collect(stream);
  stream.end();
  assert.strictEqual((await ended).error, undefined);
});

test('cancel_after_begin', async () => {
  const stream = actors.InvokeStream();
  const ended = collect(stream);
  stream.cancel();
  assert.strictEqual((await ended).error.code, status.CANCELLED);
});

test('cancel_after_first_response', async () => {
  const stream = actors.InvokeStream();
  stream.write(streamed(1, { response_size: 31415, payload: { body: zeros(27182) } }));
  assert.strictEqual((await next(stream)).id, 1);
  const ended = collect(stream);
  stream.cancel();
  assert.strictEqual((await ended).error.code, status.CANCELLED);
});

test('timeout_on_sleeping_server', async () => {
  const stream = actors.InvokeStream(metadata({}), { deadline: Date.now() + 1 });
  const ended = collect(stream);
  stream.write(streamed(1, { payload: { body: zeros(27182) } }));
  assert.strictEqual((await ended).error.code, status.DEADLINE_EXCEEDED);
  abandon(stream);
});

test('concurrent_large_unary: many at once on one connection', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => ask(service, 'UnaryCall', LARGE, key())));
  for (const { payload } of answers) assert.strictEqual(payload.body.length, 314159);
});
