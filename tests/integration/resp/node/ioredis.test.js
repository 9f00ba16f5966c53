// SPDX-License-Identifier: MIT OR BSD-3-Clause
'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { after, before, test } = require('node:test');
const Redis = require('ioredis');
const { startNode } = require('./node_process.js');

let node;
let redis;
before(async () => {
  node = await startNode('password = "pw"');
  redis = new Redis({ port: node.port, password: 'pw', connectionName: 'tests' });
});
after(async () => {
  redis.disconnect();
  assert.equal(await node.stop(), 0);
});

test('ioredis connects, checks that the server is ready, and names itself', async () => {
  assert.equal(await redis.ping(), 'PONG');
  assert.equal(await redis.client('GETNAME'), 'tests');
});

test('a wrong password is refused', async () => {
  const wrong = new Redis({ port: node.port, password: 'no', lazyConnect: true, retryStrategy: null });
  wrong.on('error', () => {});
  await assert.rejects(wrong.connect().then(() => wrong.ping()), /WRONGPASS|NOAUTH|closed/);
  wrong.disconnect();
});

test('strings, hashes, lists, sets and sorted sets go in and come out', async () => {
  await redis.set('s', 'väl\u0000ue');
  assert.equal(await redis.get('s'), 'väl\u0000ue');
  assert.deepEqual(await redis.getBuffer('s'), Buffer.from('väl\u0000ue'));
  await redis.hset('h', { a: '1', b: '2' });
  assert.deepEqual(await redis.hgetall('h'), { a: '1', b: '2' });
  await redis.rpush('l', 'x', 'y', 'z');
  assert.deepEqual(await redis.lrange('l', 0, -1), ['x', 'y', 'z']);
  await redis.sadd('set', 'm');
  assert.deepEqual(await redis.smembers('set'), ['m']);
  await redis.zadd('z', 1, 'a', 2.5, 'b');
  assert.deepEqual(await redis.zrange('z', 0, -1, 'WITHSCORES'), ['a', '1', 'b', '2.5']);
});

test('a pipeline of many keys is answered in order', async () => {
  const pipeline = redis.pipeline();
  for (let i = 0; i < 500; i++) pipeline.set(`p${i}`, i).get(`p${i}`);
  const replies = await pipeline.exec();
  replies.forEach(([error, value], i) => {
    assert.equal(error, null);
    assert.equal(value, i % 2 === 0 ? 'OK' : String((i - 1) / 2));
  });
});

test('a transaction runs as one, and loses against a change of a watched key', async () => {
  assert.deepEqual(await redis.multi().set('t', 1).incr('t').exec(), [[null, 'OK'], [null, 2]]);
  const other = redis.duplicate();
  await redis.watch('t');
  await other.set('t', 10);
  assert.equal(await redis.multi().set('t', 3).exec(), null);
  assert.equal(await redis.get('t'), '10');
  other.disconnect();
});

test('scanStream finds every key once', async () => {
  await redis.flushdb();
  await redis.mset(Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`scan${i}`, 'v'])));
  const found = [];
  for await (const keys of redis.scanStream({ match: 'scan*', count: 20 })) found.push(...keys);
  assert.equal(found.length, 300);
  assert.equal(new Set(found).size, 300);
});

test('published messages reach subscribers', async () => {
  const subscriber = redis.duplicate();
  await subscriber.subscribe('news');
  const message = once(subscriber, 'message');
  assert.equal(await redis.publish('news', 'hello'), 1);
  assert.deepEqual(await message, ['news', 'hello']);
  subscriber.disconnect();
});

test('errors come as errors', async () => {
  await redis.set('str', 'x');
  await assert.rejects(redis.lpush('str', 'y'), /WRONGTYPE/);
  await assert.rejects(redis.call('NOSUCH', 'a'), /unknown command 'NOSUCH', with args beginning with: 'a'/);
});
