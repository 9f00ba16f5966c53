// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What gRPC's client libraries do not do by themselves: HTTP/2 spoken by hand, bounds, pings, and the connection's end.
'use strict';

const assert = require('node:assert');
const http2 = require('node:http2');
const net = require('node:net');
const { after, before, test } = require('node:test');
const zlib = require('node:zlib');

const { ask, grpc, insecure, refusal, startNode, wire, withKey } = require('./wire_client');

const { status } = grpc;
let node;
before(async () => {
  node = await startNode({ connections_max: 4, metadata_bytes_max: 2048, message_bytes_max: 100000, memory_bytes_max: 1000000,
    reply_bytes_max: 50000, keepalive_time_ms: 1000, keepalive_timeout_ms: 300, keepalive_min_interval_ms: 60000 });
});
after(async () => { assert.strictEqual(await node?.stop(), 0, 'the node ends in order'); });

const framed = (message, flag = 0) => {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
};
const saying = (text) => Buffer.concat([Buffer.from([0x12, text.length]), Buffer.from(text)]);  // wire.Saying.text

// Resolves to {headers, body, trailers} of one request on a connection of its own. body: pieces, sent one by one; null: the request
// has no end of its own.
function say(headers, body = [framed(saying('hi'))], { end = true } = {}) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://${node.grpc}`);
    session.on('error', reject);
    const stream = session.request({ ':method': 'POST', ':path': '/wire.Echo/Say', 'content-type': 'application/grpc', te: 'trailers',
      'orbit-key': 'raw', ...headers }, { endStream: body.length === 0 && end });
    const answer = { body: Buffer.alloc(0), headers: {}, trailers: {} };
    stream.on('response', (head) => { answer.headers = head; });
    stream.on('trailers', (trailers) => { answer.trailers = trailers; });
    stream.on('data', (part) => { answer.body = Buffer.concat([answer.body, part]); });
    stream.on('error', reject);
    stream.on('close', () => { session.close(); resolve(answer); });
    for (const part of body) stream.write(part);
    if (end && body.length !== 0) stream.end();
  });
}
const outcome = ({ headers, trailers }) => {
  const from = trailers['grpc-status'] !== undefined ? trailers : headers;
  return [Number(from['grpc-status']), decodeURIComponent(from['grpc-message'] ?? '')];
};

test('a message may come in any pieces, and compressed in each way that the server offers', async () => {
  const message = framed(saying('pieces'));
  const pieces = await say({}, Array.from(message, (byte) => Buffer.from([byte])));
  assert.deepStrictEqual(outcome(pieces), [0, '']);
  assert.match(pieces.body.toString('latin1'), /pieces/);
  assert.match(pieces.headers['grpc-accept-encoding'], /gzip/);
  for (const [encoding, pack] of [['gzip', zlib.gzipSync], ['deflate', zlib.deflateSync]]) {
    const packed = await say({ 'grpc-encoding': encoding }, [framed(pack(saying('packed')), 1)]);
    assert.match(packed.body.toString('latin1'), /packed/, encoding);
  }
});

test('what is no message, or too long, ends the RPC with what was found', async () => {
  const cases = [
    [{}, [framed(saying('x'), 1)], status.INTERNAL, /marked as compressed, and grpc-encoding does not say how/],
    [{}, [framed(saying('x'), 7)], status.INTERNAL, /begins with 0 or 1, which says whether it is compressed; found 7/],
    [{ 'grpc-encoding': 'snappy' }, [framed(saying('x'))], status.UNIMPLEMENTED, /gzip or deflate/],
    [{ 'grpc-encoding': 'gzip' }, [framed(Buffer.from('no gzip'), 1)], status.INTERNAL, /not compressed as grpc-encoding says/],
    [{ 'grpc-encoding': 'gzip' }, [framed(zlib.gzipSync(Buffer.alloc(1000000)), 1)], status.RESOURCE_EXHAUSTED, /message_bytes_max/],
    [{}, [framed(Buffer.alloc(100001))], status.RESOURCE_EXHAUSTED, /the message has 100001 bytes, at most 100000/],
    [{}, [framed(saying('cut off')).subarray(0, 8)], status.INTERNAL, /in the middle of a message/],
    [{}, [], status.INVALID_ARGUMENT, /sent no request message/],
    [{ 'grpc-timeout': 'soon' }, [framed(saying('x'))], status.INVALID_ARGUMENT, /grpc-timeout is at most eight digits/],
    [{ 'orbit-key-bin': '!' }, [framed(saying('x'))], status.INVALID_ARGUMENT, /'orbit-key-bin' is no base64/],
    [{ 'x-long': 'y'.repeat(3000) }, [framed(saying('x'))], status.RESOURCE_EXHAUSTED, /2048 bytes \(metadata_bytes_max\)/],
  ];
  for (const [headers, body, code, sentence] of cases) {
    const [found, message] = outcome(await say(headers, body));
    assert.strictEqual(found, code, message);
    assert.match(message, sentence);
  }
});

test('an answer that is too long is refused, and says so', async () => {
  const echo = new wire.Echo(node.grpc, insecure());
  const long = await refusal(echo, 'Say', { reply_bytes: 60000 }, withKey('long'));
  assert.deepStrictEqual([long.code, /reply_bytes_max/.test(long.details)], [status.RESOURCE_EXHAUSTED, true], long.details);
  echo.close();
});

test('who is answered before the end of the request is told that the rest is not wanted', async () => {
  const early = await say({ ':path': '/wire.Echo/Sing' }, [Buffer.from([0])], { end: false });
  assert.strictEqual(outcome(early)[0], status.UNIMPLEMENTED);
});

test('what is HTTP/2 and no gRPC gets an answer of HTTP', async () => {
  assert.strictEqual((await say({ 'content-type': 'text/plain' })).headers[':status'], 415);
  assert.strictEqual((await say({ 'content-type': 'application/grpc-web' })).headers[':status'], 415);
  assert.strictEqual((await say({ ':method': 'GET' }, [])).headers[':status'], 405);
});

// Resolves when the peer has closed.
const closed = (socket) => new Promise((resolve) => { socket.on('close', resolve).on('error', () => {}).resume(); });
const connect = () => net.connect(Number(node.grpc.split(':')[1]), '127.0.0.1');

test('what is no HTTP/2 is closed', async () => {
  const socket = connect();
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await closed(socket);
});

test('connections over connections_max are closed, and those within go on', async () => {
  const session = http2.connect(`http://${node.grpc}`);
  await new Promise((resolve) => session.on('remoteSettings', resolve));
  const sockets = Array.from({ length: 8 }, connect);
  await Promise.race(sockets.map(closed));
  assert.strictEqual(session.closed, false);
  for (const socket of sockets) socket.destroy();
  session.close();
});

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const frame = (type, flags, payload) => Buffer.concat([Buffer.from([0, 0, payload.length, type, flags, 0, 0, 0, 0]), payload]);

test('a peer that does not answer a ping is gone', async () => {
  const socket = connect();
  socket.write(PREFACE);
  socket.write(frame(4, 0, Buffer.alloc(0)));  // SETTINGS, and nothing more
  await closed(socket);
});

test('a client that pings too often without calls is sent away, and told why', async () => {
  const socket = connect();
  let seen = Buffer.alloc(0);
  socket.on('data', (part) => { seen = Buffer.concat([seen, part]); });
  socket.write(PREFACE);
  socket.write(frame(4, 0, Buffer.alloc(0)));
  for (let i = 0; i < 5; ++i) socket.write(frame(6, 0, Buffer.alloc(8)));
  await closed(socket);
  assert.match(seen.toString('latin1'), /too_many_pings/);
});

test('messages on their way have a bound in memory, and who is within it is served', async () => {
  const session = http2.connect(`http://${node.grpc}`);
  const open = () => {
    const stream = session.request({ ':method': 'POST', ':path': '/wire.Echo/Say', 'content-type': 'application/grpc', te: 'trailers', 'orbit-key': 'm' });
    const ended = new Promise((resolve) => {
      stream.on('response', (head) => { if (head['grpc-status'] !== undefined) resolve(outcome({ headers: head, trailers: {} })); });
      stream.on('error', () => {});
    });
    stream.write(framed(Buffer.alloc(90000)).subarray(0, 85000));
    return { stream, ended };
  };
  const half = Array.from({ length: 14 }, open);  // 1.19 MB that wait for their ends
  const [code, message] = await Promise.race(half.map(({ ended }) => ended));
  assert.deepStrictEqual([code, message], [status.RESOURCE_EXHAUSTED, 'messages on their way have 1000000 bytes (memory_bytes_max)']);
  for (const { stream } of half) stream.close(8);
  const echo = new wire.Echo(node.grpc, insecure());
  assert.strictEqual((await ask(echo, 'Say', { text: 'still here' }, withKey('within'))).text, 'still here');
  echo.close();
  session.close();
});
