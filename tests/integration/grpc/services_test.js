// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Beside the calls: reflection, health, TLS, modules that are replaced, compression of answers, and the end of the node.
'use strict';

const assert = require('node:assert');
const fs = require('node:fs');
const http2 = require('node:http2');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const { after, before, test } = require('node:test');
const zlib = require('node:zlib');
const protobuf = require('protobufjs');
require('protobufjs/ext/descriptor');

const { eventually } = require('../admin/node_process');
const { sign } = require('./certificates');
const { abandon, ask, bank, collect, grpc, health, insecure, next, orbit, reflection, refusal, startNode, wire, withKey } = require('./wire_client');

const { status } = grpc;
let node;
before(async () => { node = await startNode({ compression: 'high' }); });
after(async () => { await node?.stop(); });

async function module(method, name, body) {
  const answer = await fetch(`${node.url}/v1/modules${name}`, {
    method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, await answer.text());
}

// Asks the reflection service, one request at a time.
class Reflection {
  constructor(service) {
    this.client = new service(node.grpc, insecure());
    this.stream = this.client.ServerReflectionInfo();
  }
  async ask(request) {
    this.stream.write(request);
    return next(this.stream);
  }
  async services() {
    const { list_services_response: { service } } = await this.ask({ list_services: '' });
    return service.map(({ name }) => name);
  }
  async close() {
    const ended = collect(this.stream);
    this.stream.end();
    assert.strictEqual((await ended).error, undefined);
    this.client.close();
  }
}
// The older version: the same messages in another package.
const alpha = grpc.makeGenericClientConstructor(Object.fromEntries(Object.entries(reflection.ServerReflection.service).map(
  ([name, method]) => [name, { ...method, path: method.path.replace('.v1.', '.v1alpha.') }])), 'Alpha');

for (const [version, service] of [['v1', reflection.ServerReflection], ['v1alpha', alpha]]) {
  test(`reflection ${version} lists the services, and its descriptors are enough to call an actor`, async () => {
    const client = new Reflection(service);
    const names = await client.services();
    for (const name of ['bank.Account', 'bank.Teller', 'wire.Echo', 'orbit.v1.ActorService', 'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'])
      assert.ok(names.includes(name), `${name} in ${names}`);

    // What grpcurl does: no .proto file at hand.
    const { file_descriptor_response: found } = await client.ask({ file_containing_symbol: 'bank.Account' });
    const set = protobuf.Root.fromDescriptor({ file: found.file_descriptor_proto.map(
      (bytes) => require('protobufjs/ext/descriptor').FileDescriptorProto.decode(bytes)) });
    const method = set.lookupService('bank.Account').methods.Deposit;
    const request = set.lookupType(method.requestType);
    const reply = set.lookupType(method.responseType);
    const caller = new grpc.Client(node.grpc, insecure());
    const answer = await new Promise((resolve, reject) => {
      caller.makeUnaryRequest('/bank.Account/Deposit', (object) => Buffer.from(request.encode(request.fromObject(object)).finish()),
        (bytes) => reply.toObject(reply.decode(bytes), { longs: Number }), { cents: 5 }, withKey(version === 'v1' ? '100' : '101'),
        (error, value) => (error ? reject(error) : resolve(value)));
    });
    assert.strictEqual(answer.cents, 5);
    caller.close();
    await client.close();
  });
}

test('reflection finds files by name and extensions by number, and says what it does not find', async () => {
  const client = new Reflection(reflection.ServerReflection);
  for (const name of ['bank.proto', 'orbit/v1/actor_service.proto', 'grpc/reflection/v1alpha/reflection.proto', 'google/protobuf/descriptor.proto']) {
    const { file_descriptor_response: found } = await client.ask({ file_by_filename: name });
    assert.ok(found?.file_descriptor_proto.length > 0, name);
  }
  const { all_extension_numbers_response: numbers } = await client.ask({ all_extension_numbers_of_type: 'google.protobuf.ServiceOptions' });
  assert.deepStrictEqual(numbers.extension_number, [50100]);
  const extension = await client.ask({ file_containing_extension: { containing_type: 'google.protobuf.FieldOptions', extension_number: 50103 } });
  assert.ok(extension.file_descriptor_response);
  const none = await client.ask({ file_containing_symbol: 'no.Such' });
  assert.deepStrictEqual(none.error_response, { error_code: status.NOT_FOUND, error_message: "nothing here has the symbol 'no.Such'" });
  await client.close();
});

test('health tells of the node, of services and of actor types, and watches them', async () => {
  const client = new health.Health(node.grpc, insecure());
  for (const service of ['', 'orbit.v1.ActorService', 'bank.Account'])
    assert.strictEqual((await ask(client, 'Check', { service })).status, 'SERVING', service);
  assert.strictEqual((await refusal(client, 'Check', { service: 'no.Such' })).code, status.NOT_FOUND);
  const watch = client.Watch({ service: 'upgrade.Greeter' });
  assert.strictEqual((await next(watch)).status, 'SERVICE_UNKNOWN');
  await module('POST', '', { path: process.env.UPGRADE_V1 });
  assert.strictEqual((await next(watch)).status, 'SERVING');
  await module('DELETE', '/actors.upgrade');
  assert.strictEqual((await next(watch)).status, 'SERVICE_UNKNOWN');
  abandon(watch);
  client.close();
});

test('a module that is loaded, replaced and retired while clients call is served in each version', async () => {
  const caller = new grpc.Client(node.grpc, insecure());
  const greet = (key) => new Promise((resolve) => {
    caller.makeUnaryRequest('/upgrade.Greeter/Greet', (bytes) => bytes, (bytes) => bytes.subarray(2).toString(), Buffer.alloc(0),
      withKey(key), (error, text) => resolve(error ?? text));
  });
  assert.strictEqual((await greet('a')).code, status.UNIMPLEMENTED);
  await module('POST', '', { path: process.env.UPGRADE_V1 });
  assert.match(await greet('a'), /^v1/);

  let stop = false;
  const versions = new Set();
  const calling = (async () => {
    while (!stop) {
      const text = await greet(`k${versions.size}`);
      assert.strictEqual(typeof text, 'string', `${text}`);
      versions.add(text.slice(0, 2));
    }
  })();
  await eventually(() => (versions.has('v1') ? true : undefined), () => 'no call of v1');
  await module('POST', '', { path: process.env.UPGRADE_V2 });
  await eventually(() => (versions.has('v2') ? true : undefined), () => 'no call of v2');
  stop = true;
  await calling;
  await module('DELETE', '/actors.upgrade');
  assert.strictEqual((await greet('a')).code, status.UNIMPLEMENTED);
  caller.close();
});

// Over HTTP/2 itself, because client libraries hide what was compressed. Resolves to {headers, body, trailers}.
function say(headers) {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://${node.grpc}`);
    const stream = session.request({ ':method': 'POST', ':path': '/wire.Echo/Say', 'content-type': 'application/grpc', te: 'trailers',
      'orbit-key': 'raw', ...headers });
    const answer = { body: Buffer.alloc(0) };
    stream.on('response', (head) => { answer.headers = head; });
    stream.on('trailers', (trailers) => { answer.trailers = trailers; });
    stream.on('data', (part) => { answer.body = Buffer.concat([answer.body, part]); });
    stream.on('error', reject);
    stream.on('close', () => { session.close(); resolve(answer); });
    const text = Buffer.concat([Buffer.from([0x12, 0xe8, 0x07]), Buffer.alloc(1000, 'z')]);  // field 2: 1000 bytes
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, text.length >> 8, text.length & 255]), text]));
  });
}

test('answers are compressed for clients that accept it, and for no others', async () => {
  const packed = await say({ 'grpc-accept-encoding': 'gzip' });
  assert.deepStrictEqual([packed.headers['grpc-encoding'], packed.body[0], packed.trailers['grpc-status']], ['gzip', 1, '0']);
  assert.match(zlib.gunzipSync(packed.body.subarray(5)).toString('latin1'), /z{1000}/);
  const plain = await say({});
  assert.deepStrictEqual([plain.body[0], plain.trailers['grpc-status']], [0, '0']);
  assert.match(plain.body.toString('latin1'), /z{1000}/);
});

// ---- TLS ----

// An authority, a server and a client that it vouches for, and a client of another authority.
const certificates = (folder) => sign(folder, { server: 'ca', client: 'ca', stranger: 'other', server2: 'other' });

test('with mutual TLS only clients of the authority get in, and a new certificate is taken without a restart', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-grpc-tls-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const read = certificates(folder);
  const live = path.join(folder, 'live');
  fs.mkdirSync(live);
  const put = (from, to) => {
    fs.copyFileSync(path.join(folder, from), path.join(live, `${to}.new`));
    fs.renameSync(path.join(live, `${to}.new`), path.join(live, to));
  };
  put('server.pem', 'cert.pem');
  put('server.key', 'key.pem');
  const secure = await startNode({}, { tls: { certificate: path.join(live, 'cert.pem'), key: path.join(live, 'key.pem'),
    client_ca: path.join(folder, 'ca.pem'), client_certificate: 'required' } });
  t.after(() => secure.stop());
  const attempt = async (credentials) => {
    const client = new wire.Echo(secure.grpc, credentials);
    try {
      return await ask(client, 'Say', { to: 'tls', text: 'secret' }, undefined, { deadline: Date.now() + 5000 });
    } catch (error) {
      return error;
    } finally {
      client.close();
    }
  };
  const ssl = grpc.credentials.createSsl;
  assert.strictEqual((await attempt(ssl(read('ca.pem'), read('client.key'), read('client.pem')))).text, 'secret');
  for (const [what, credentials] of [
    ['no certificate', ssl(read('ca.pem'))], ['of another authority', ssl(read('ca.pem'), read('stranger.key'), read('stranger.pem'))],
    ['not TLS', insecure()], ['that does not trust the server', ssl(read('other.pem'), read('client.key'), read('client.pem'))]])
    // In TLS 1.3 a client learns that its certificate is refused after it has begun to speak.
    assert.ok([status.UNAVAILABLE, status.INTERNAL].includes((await attempt(credentials)).code), `a client ${what}`);

  put('server2.key', 'key.pem');
  put('server2.pem', 'cert.pem');
  await eventually(async () => {
    const said = await attempt(ssl(read('other.pem'), read('client.key'), read('client.pem')));
    return said.text === 'secret' ? true : undefined;
  }, () => 'the new certificate is not used');
});

test('old versions of TLS and clients of other protocols do not get in', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-grpc-versions-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const read = certificates(folder);
  const secure = await startNode({}, { tls: { certificate: path.join(folder, 'server.pem'), key: path.join(folder, 'server.key'), min_version: '1.3' } });
  t.after(() => secure.stop());
  const [host, port] = secure.grpc.split(':');
  // Resolves to the version of TLS and the protocol that were agreed on, or to the error's code.
  const shake = (options) => new Promise((resolve) => {
    const socket = tls.connect({ host, port: Number(port), ca: read('ca.pem'), ...options }, () => {
      resolve([socket.getProtocol(), socket.alpnProtocol]);
      socket.destroy();
    });
    socket.on('error', (error) => resolve(error.code));
  });
  assert.deepStrictEqual(await shake({ ALPNProtocols: ['http/1.1', 'h2'] }), ['TLSv1.3', 'h2']);
  assert.match(`${await shake({ ALPNProtocols: ['h2'], maxVersion: 'TLSv1.2' })}`, /ALERT_PROTOCOL_VERSION|ECONNRESET/);
  assert.match(`${await shake({ ALPNProtocols: ['http/1.1'] })}`, /NO_APPLICATION_PROTOCOL|ECONNRESET/);
});

test('a server without what it needs is refused with a sentence', async (t) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-grpc-bad-'));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  certificates(folder);
  const file = (name) => path.join(folder, name);
  const cases = [
    [{ listen: '0.0.0.0:0' }, {}, /can be reached by other machines, and nothing says who may/],
    [{}, { certificate: file('server.pem') }, /tls\.certificate is set, but tls\.key is not/],
    [{}, { certificate: file('server.pem'), key: file('client.key') }, /client\.key' cannot be used with '.*server\.pem': key values mismatch/],
    [{}, { certificate: file('missing.pem'), key: file('client.key') }, /missing\.pem' cannot be used: No such file or directory/],
    [{}, { client_ca: file('ca.pem') }, /tls\.client_ca is set, but tls\.certificate is not/],
  ];
  for (const [config, tls, expected] of cases) {
    const failed = await startNode(config, { tls }).then(async (started) => { await started.stop(); return 'it started'; }, (error) => error.message);
    assert.match(failed, expected);
  }
});

test('two nodes do not share a port', async () => {
  const failed = await startNode({ listen: node.grpc }).then(async (started) => { await started.stop(); return 'it started'; }, (error) => error.message);
  assert.match(failed, /cannot listen on 127\.0\.0\.1:\d+: Address already in use/);
});

test('a node that stops answers what runs, refuses what comes, and ends its streams', async () => {
  const stopping = await startNode();
  const account = new bank.Account(stopping.grpc, insecure());
  const watcher = new health.Health(stopping.grpc, insecure());
  const actors = new orbit.v1.ActorService(stopping.grpc, insecure());
  await ask(account, 'Deposit', { cents: 1 }, withKey('1'));
  const watch = watcher.Watch({ service: '' });
  assert.strictEqual((await next(watch)).status, 'SERVING');
  const watched = collect(watch);
  const events = actors.Subscribe({ stream: 'wire.Number/any' });
  const subscribed = collect(events);
  let calls = 0;
  let stop = false;
  const calling = (async () => {
    while (!stop) {
      try {
        await ask(account, 'Deposit', { cents: 1 }, withKey('1'));
        ++calls;
      } catch (error) {
        return error;
      }
    }
    return undefined;
  })();
  await eventually(() => (calls > 10 ? true : undefined), () => 'no calls');
  assert.strictEqual(await stopping.stop(), 0);
  const error = await calling;
  stop = true;
  assert.strictEqual(error.code, status.UNAVAILABLE, error.message);
  const seen = await watched;
  assert.deepStrictEqual(seen.messages.map((message) => message.status), ['NOT_SERVING']);
  assert.strictEqual(seen.error.code, status.UNAVAILABLE);
  assert.strictEqual((await subscribed).error.code, status.UNAVAILABLE);
  for (const client of [account, watcher, actors]) client.close();
});
