// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A client of the bank in JavaScript: node bank.js [ADDRESS]
'use strict';

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const root = path.resolve(__dirname, '../../..');
const options = { keepCase: true, longs: Number, defaults: true,
  includeDirs: [path.join(root, 'examples/bank'), path.join(root, 'sdk/proto')] };
const { bank } = grpc.loadPackageDefinition(loader.loadSync('bank.proto', options));
const { orbit } = grpc.loadPackageDefinition(loader.loadSync('orbit/v1/actor_service.proto', options));

const address = process.argv[2] ?? '127.0.0.1:7090';
const credentials = grpc.credentials.createInsecure();

// One call of a stub. The metadata names the actor; without a deadline a call waits for ever.
function call(stub, method, request, key) {
  const metadata = new grpc.Metadata();
  if (key !== undefined) metadata.set('orbit-key', String(key));
  return new Promise((resolve, reject) => {
    stub[method](request, metadata, { deadline: Date.now() + 10000 }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

async function main() {
  const account = new bank.Account(address, credentials);
  const teller = new bank.Teller(address, credentials);
  const actors = new orbit.v1.ActorService(address, credentials);

  console.log(`7001 has ${(await call(account, 'Deposit', { cents: 500 }, 7001)).cents} cents`);

  const refused = await call(account, 'Withdraw', { cents: 1000000 }, 7001).then(() => undefined, (error) => error);
  if (refused === undefined) throw new Error('the overdraft was not refused');
  console.log(`an overdraft is refused with ${grpc.status[refused.code]}`);

  const moved = await call(teller, 'Transfer', { from: 7001, to: 7002, cents: 200 }, 'anna');
  console.log(`anna moved 200 cents: ${moved.from.cents} and ${moved.to.cents}`);

  // By names alone: the generic service takes and gives the messages as bytes.
  const { requestSerialize, responseDeserialize } = bank.Account.service.GetBalance;
  const reply = await call(actors, 'Invoke',
    { type: 'bank.Account', key: Buffer.from('7001'), method: 'GetBalance', payload: requestSerialize({}) });
  console.log(`by names alone: ${responseDeserialize(reply.payload).cents} cents`);

  for (const stub of [account, teller, actors]) stub.close();
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
