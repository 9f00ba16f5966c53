// SPDX-License-Identifier: MIT OR BSD-3-Clause
// One account, every wire: what one of them does the others see at once.
'use strict';

const assert = require('node:assert');
const { after, before, test } = require('node:test');

const { CODES_OF_ERRORS, closeAll, connectAll, everybodySees, refusal, startNode } = require('./wires');

// Keys of bank.Account are numbers: alice is who has this account.
const ALICE = '1001';

let node, wires;
before(async () => {
  node = await startNode();
  wires = await connectAll(node);
});
after(async () => {
  await closeAll(wires);
  assert.strictEqual(await node?.stop(), 0, 'the node ends in order');
});

test('alice is credited over gRPC, debited over REST, and read over MCP and Redis', async () => {
  assert.deepStrictEqual(await wires.grpc.call(ALICE, 'Deposit', { cents: 500 }), { cents: 500, bookings: 1 });
  await everybodySees(wires, ALICE, 500, 1);

  // The version that the credit made is the one that the debit may ask for, and no older one.
  const late = await refusal(wires.rest.call(ALICE, 'Withdraw', { cents: 200 }, { 'if-match': '"0"' }));
  assert.deepStrictEqual([late.code, late.form.status], ['FAILED_PRECONDITION', 412]);
  assert.deepStrictEqual(await wires.rest.call(ALICE, 'Withdraw', { cents: 200 }, { 'if-match': '"1"' }),
    { cents: 300, bookings: 2, version: 2 });
  await everybodySees(wires, ALICE, 300, 2);

  assert.deepStrictEqual(await wires.mcp.call(ALICE, 'GetBalance'), { cents: 300, bookings: 2 });
  assert.deepStrictEqual(await wires.mcp.resource(ALICE), { cents: 300, bookings: 2, version: 2 });
  await everybodySees(wires, ALICE, 300, 2);

  assert.deepStrictEqual(await wires.resp.call(ALICE, 'GetBalance'), { cents: 300, bookings: 2 });
  await everybodySees(wires, ALICE, 300, 2);
});

test('whichever wire books, all see it at once', async () => {
  const key = '1002';
  let version = 0;
  for (const wire of Object.values(wires)) {
    await wire.call(key, 'Deposit', { cents: 100 });
    await everybodySees(wires, key, 100, ++version);
    await wire.call(key, 'Withdraw', { cents: 100 });
    await everybodySees(wires, key, 0, ++version);
  }
});

test('bookings that come over all wires together are each carried out once', async () => {
  const key = '1003';
  const each = 20;
  const booked = await Promise.all(Object.values(wires).flatMap((wire) =>
    Array.from({ length: each }, () => wire.call(key, 'Deposit', { cents: 1 }))));
  // Each answer is of another version: 1, 2, 3 and so on, with as many cents.
  const total = each * Object.keys(wires).length;
  const expected = Array.from({ length: total }, (_, i) => [i + 1, i + 1]);
  assert.deepStrictEqual(booked.map(({ cents, bookings }) => [cents, bookings]).sort(([a], [b]) => a - b), expected);
  await everybodySees(wires, key, total, total);
});

test('what the account refuses is refused with one code and one text', async () => {
  const key = '1004';
  await wires.grpc.call(key, 'Deposit', { cents: 5 });
  const refusals = [
    ['Withdraw', { cents: 6 }, 'FAILED_PRECONDITION', 'account 1004 has 5 cents, 6 were asked for'],
    ['Deposit', { cents: -1 }, 'INVALID_ARGUMENT', 'a deposit is more than 0 cents'],
    ['Deposit', { cents: '9223372036854775807' }, 'OUT_OF_RANGE', 'the balance would leave the range of int64'],
  ];
  for (const [method, request, code, text] of refusals) {
    for (const [name, wire] of Object.entries(wires)) {
      const refused = await refusal(wire.call(key, method, request));
      assert.deepStrictEqual([name, refused.code, refused.text], [name, code, text]);
    }
  }
  await everybodySees(wires, key, 5, 1);
});

test('an error of any code that an actor ends with has that code and its text on every wire', async () => {
  const failing = await connectAll(node, { type: 'wire.Echo' });
  const told = {};
  const expected = {};
  for (const [code, number] of CODES_OF_ERRORS)
    for (const [name, wire] of Object.entries(failing)) {
      const refused = await refusal(wire.call('failing', 'Fail', { code: number, message: `it is ${code}` }));
      told[`${name} ${code}`] = [refused.code, refused.text];
      expected[`${name} ${code}`] = [code, `it is ${code}`];
    }
  await closeAll(failing);
  assert.deepStrictEqual(told, expected);
});

test('a key that is no account number is the same mistake on every wire', async () => {
  for (const [name, wire] of Object.entries(wires)) {
    const refused = await refusal(wire.call('alice', 'GetBalance'));
    assert.deepStrictEqual([name, refused.code], [name, 'INVALID_ARGUMENT']);
    assert.match(refused.text, /the key is not an int64 in its shortest decimal form/);
  }
});
