// SPDX-License-Identifier: MIT OR BSD-3-Clause
'use strict';
const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const { createClient, WatchError } = require('redis');
const { startNode } = require('./node_process.js');

let node;
let client;
before(async () => {
  node = await startNode();
  client = createClient({ socket: { port: node.port }, name: 'tests' });
  client.on('error', (error) => { throw error; });
  await client.connect();
});
after(async () => {
  await client.quit();
  assert.equal(await node.stop(), 0);
});

test('the redis package connects and tells its name and library', async () => {
  assert.equal(await client.ping(), 'PONG');
  const info = await client.clientInfo();
  assert.equal(info.name, 'tests');
});

test('values of every type go in and come out', async () => {
  await client.set('s', 'value', { EX: 100 });
  assert.equal(await client.get('s'), 'value');
  const ttl = await client.ttl('s');
  assert.ok(ttl > 0 && ttl <= 100);
  await client.hSet('h', { a: '1', b: '2' });
  assert.deepEqual({ ...(await client.hGetAll('h')) }, { a: '1', b: '2' });
  await client.lPush('l', ['a', 'b']);
  assert.deepEqual(await client.lRange('l', 0, -1), ['b', 'a']);
  await client.sAdd('set', 'm');
  assert.equal(await client.sIsMember('set', 'm'), true);
  await client.zAdd('z', [{ score: 1.5, value: 'm' }]);
  assert.deepEqual(await client.zRangeWithScores('z', 0, -1), [{ value: 'm', score: 1.5 }]);
  assert.equal(await client.get('none'), null);
});

test('many commands at once are answered each with its own reply', async () => {
  const replies = await Promise.all(Array.from({ length: 300 }, (_, i) => client.set(`k${i}`, String(i)).then(() => client.get(`k${i}`))));
  replies.forEach((value, i) => assert.equal(value, String(i)));
});

test('multi runs as one and fails when a watched key changed', async () => {
  assert.deepEqual(await client.multi().set('t', '1').incr('t').exec(), ['OK', 2]);
  await client.executeIsolated(async (isolated) => {
    await isolated.watch('t');
    await client.set('t', '10');
    await assert.rejects(isolated.multi().set('t', '3').exec(), WatchError);
  });
  assert.equal(await client.get('t'), '10');
});

test('scanIterator finds every key once', async () => {
  await client.flushDb();
  for (let i = 0; i < 100; i++) await client.set(`scan${i}`, 'v');
  const found = [];
  for await (const key of client.scanIterator({ MATCH: 'scan*', COUNT: 10 })) found.push(...[key].flat());
  assert.equal(new Set(found).size, 100);
  assert.equal(found.length, 100);
  assert.equal(await client.dbSize(), 100);
});

test('a subscriber receives what is published, also by pattern', async () => {
  const subscriber = client.duplicate();
  await subscriber.connect();
  const received = new Promise((resolve) => {
    subscriber.subscribe('news', (message, channel) => resolve([channel, message])).then(() => client.publish('news', 'hello'));
  });
  assert.deepEqual(await received, ['news', 'hello']);
  const matched = new Promise((resolve) => {
    subscriber.pSubscribe('w*', (message, channel) => resolve([channel, message])).then(() => client.publish('weather', 'rain'));
  });
  assert.deepEqual(await matched, ['weather', 'rain']);
  await subscriber.quit();
});

test('databases are apart', async () => {
  await client.set('where', 'zero');
  const other = createClient({ socket: { port: node.port }, database: 7 });
  await other.connect();
  assert.equal(await other.get('where'), null);
  await other.quit();
});
