// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Stock gRPC clients of a node: @grpc/grpc-js with stubs made from .proto files, as any user would.
'use strict';

const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const { NodeProcess, section } = require('../admin/node_process');

const ROOT = path.resolve(__dirname, '../../..');
const LOAD = { keepCase: true, longs: Number, enums: String, defaults: true, includeDirs: [
  path.join(ROOT, 'sdk/proto'), path.join(ROOT, 'examples/bank'), path.join(ROOT, 'plugins/protocols/grpc/proto'), __dirname] };

const load = (file) => grpc.loadPackageDefinition(loader.loadSync(file, LOAD));
const { wire } = load('echo.proto');
const interop = load('interop.proto').grpc.testing;
const { bank } = load('bank.proto');
const { orbit } = load('orbit/v1/actor_service.proto');
const health = load('grpc/health/v1/health.proto').grpc.health.v1;
const reflection = load('grpc/reflection/v1/reflection.proto').grpc.reflection.v1;

// A message's codec, for payloads: {encode(object) -> Buffer, decode(Buffer) -> object}.
const definitions = loader.loadSync('echo.proto', LOAD);
function codec(service, method) {
  const { requestSerialize, responseDeserialize } = definitions[`wire.${service}`][method];
  return { encode: requestSerialize, decode: responseDeserialize };
}

const interopDefinitions = loader.loadSync('interop.proto', LOAD)['grpc.testing.TestService'];
const interopCodec = (method) => ({ encode: interopDefinitions[method].requestSerialize, decode: interopDefinitions[method].responseDeserialize });

async function startNode(config = {}, { tls = {}, extra = '', environment = {} } = {}) {
  const plugin = [
    section('[[plugin]]', { name: 'grpc', id: 'orbit.protocol.grpc', required: true }),
    section('[plugin.config]', { listen: '127.0.0.1:0', ...config }),
    Object.keys(tls).length !== 0 ? section('[plugin.config.tls]', tls) : '',
    ...[process.env.WIRE_ECHO_MODULE, process.env.WIRE_BANK_MODULE].map((file) =>
      section('[[module]]', { path: file, required: true })),
    extra,
  ].join('\n');
  const node = await NodeProcess.start({ extra: plugin, environment });
  node.grpc = node.listeners.grpc;
  return node;
}

const insecure = () => grpc.credentials.createInsecure();
const metadata = (values) => {
  const out = new grpc.Metadata();
  for (const [name, value] of Object.entries(values)) out.set(name, value);
  return out;
};
const withKey = (key, more = {}) => metadata({ 'orbit-key': key, ...more });

// Resolves to the answer, or rejects with the ServiceError.
const ask = (client, method, request, meta = new grpc.Metadata(), options = {}) =>
  new Promise((resolve, reject) => {
    client[method](request, meta, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
// Resolves to the ServiceError; fails when there is an answer instead.
const refusal = (...args) => ask(...args).then(
  (answer) => { throw new Error(`expected an error, got ${JSON.stringify(answer)}`); }, (error) => error);

// Resolves to {messages, error} when the stream has ended.
const collect = (stream) => new Promise((resolve) => {
  const messages = [];
  stream.on('data', (message) => messages.push(message));
  stream.on('error', (error) => resolve({ messages, error }));
  stream.on('end', () => resolve({ messages }));
  stream.resume();  // after next
});
// Resolves to the next message; rejects when the stream ends instead.
const next = (stream) => new Promise((resolve, reject) => {
  const settle = (to) => (value) => {
    for (const [event, listener] of listeners) stream.off(event, listener);
    stream.pause();  // what comes before somebody asks again must not be lost
    to(value);
  };
  const listeners = [['data', settle(resolve)], ['error', settle(reject)], ['end', settle(() => reject(new Error('the stream ended')))]];
  for (const [event, listener] of listeners) stream.on(event, listener);
  stream.resume();
});

// Ends a stream that nobody wants any more. One that is paused would never tell of its end, and keep the process alive.
function abandon(stream) {
  stream.on('error', () => {});
  stream.resume();
  stream.cancel();
}

module.exports = { abandon, ask, bank, codec, collect, grpc, health, insecure, interop, interopCodec, metadata, next, orbit, reflection, refusal, startNode, wire, withKey };
