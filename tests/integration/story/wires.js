// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node with every wire, and bank.Account (or another type) called over each of them. However a wire writes its answers, here they are the same:
// a call resolves to {cents, bookings}, with the version where the wire tells it, or rejects with a Refusal.
'use strict';

const assert = require('node:assert');
const https = require('node:https');
const { Readable } = require('node:stream');

const Redis = require('ioredis');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');

const { NodeProcess, section } = require('../admin/node_process');
const { ask, bank, grpc, insecure, wire: testing, withKey } = require('../grpc/wire_client');

const ACCOUNT = 'bank.Account';
const STUBS = { [ACCOUNT]: bank.Account, 'wire.Echo': testing.Echo };

// code and text are the same on every wire; form is how this one shows them.
class Refusal extends Error {
  constructor(code, text, form) {
    super(`${code}: ${text}`);
    Object.assign(this, { code, text, form });
  }
}

const balance = ({ cents = 0, bookings = 0 }) => ({ cents: Number(cents), bookings: Number(bookings) });

// What clients say of themselves: {password: {name, password}}, {token}, {tls: {ca, cert, key}}, or nothing; and the type that they call.
const authorization = ({ password, token }) => (
  password !== undefined ? { authorization: `Basic ${Buffer.from(`${password.name}:${password.password}`).toString('base64')}` }
    : token !== undefined ? { authorization: `Bearer ${token}` } : {});

// fetch, which knows nothing of client certificates, for who has one.
function fetchFor({ tls }) {
  if (tls === undefined) return fetch;
  return (url, { method = 'GET', headers, body, signal } = {}) => new Promise((resolve, reject) => {
    const sent = https.request(url, { method, headers: Object.fromEntries(new Headers(headers)), signal, ...tls }, (answer) => {
      const empty = [204, 304].includes(answer.statusCode);
      if (empty) answer.resume();
      resolve(new Response(empty ? null : Readable.toWeb(answer), { status: answer.statusCode, headers: answer.headers }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
const urlOf = (node, wire, { tls }) => `${tls === undefined ? 'http' : 'https'}://${node.listeners[wire]}`;

// tls: the settings of TLS that all listeners have; extra: more of the file.
async function startNode({ extra = '', tls = {} } = {}) {
  const listening = { listen: '127.0.0.1:0', ...Object.fromEntries(Object.entries(tls).map(([name, value]) => [`tls.${name}`, value])) };
  const wires = ['grpc', 'rest', 'mcp', 'resp'].map((name) =>
    section('[[plugin]]', { name, id: `orbit.protocol.${name}`, required: true }) +
    section('[plugin.config]', listening));
  const modules = [process.env.WIRE_BANK_MODULE, process.env.WIRE_ECHO_MODULE].map((file) =>
    section('[[module]]', { path: file, required: true }));
  return NodeProcess.start({ admin: listening, extra: [...wires, ...modules, extra].join('\n') });
}

class Grpc {
  constructor(node, caller) {
    const { tls, type } = caller;
    this.client = new STUBS[type](node.listeners.grpc,
      tls === undefined ? insecure() : grpc.credentials.createSsl(tls.ca, tls.key ?? null, tls.cert ?? null));
    this.metadata = authorization(caller);
  }
  async call(key, method, request = {}) {
    try {
      return balance(await ask(this.client, method, request, withKey(key, this.metadata)));
    } catch (error) {
      throw new Refusal(grpc.status[error.code], error.details, { status: error.code });
    }
  }
  close() { this.client.close(); }
}

// One of the wires that are HTTP, JSON and problem details.
class Http {
  constructor(node, caller, wire, path) {
    this.url = `${urlOf(node, wire, caller)}/${path}`;
    this.fetch = fetchFor(caller);
    this.headers = authorization(caller);
  }
  // Resolves to {json, headers}.
  async request(method, path, { json, headers } = {}) {
    const answer = await this.fetch(`${this.url}/${path}`, {
      method, body: json === undefined ? undefined : JSON.stringify(json),
      headers: { ...this.headers, ...headers, ...(json === undefined ? {} : { 'content-type': 'application/json' }) } });
    if (answer.ok) return { json: await answer.json(), headers: answer.headers };
    const { code, detail, status } = await answer.json();
    throw new Refusal(code, detail, { status: answer.status, sameStatus: status === answer.status,
      type: answer.headers.get('content-type'), challenges: answer.headers.has('www-authenticate') });
  }
  close() {}
}

class Rest extends Http {
  constructor(node, caller) { super(node, caller, 'rest', `v1/actors/${caller.type}`); }
  // Without a state there is no version, and no ETag.
  static versioned({ json, headers }) {
    return { ...balance(json), version: Number(/^"(\d+)"$/.exec(headers.get('etag') ?? '"0"')[1]) };
  }
  async call(key, method, request = {}, headers = {}) {
    return Rest.versioned(await this.request('POST', `${key}/${method}`, { json: request, headers }));
  }
  async state(key) { return Rest.versioned(await this.request('GET', `${key}/state`)); }
}

class Admin extends Http {
  constructor(node, caller) {
    super(node, caller, 'admin', 'v1');
    this.type = caller.type;
  }
  async call(key, method, request = {}) {
    return balance((await this.request('POST', `actors/${this.type}/${key}/${method}`, { json: request })).json);
  }
  async version(key) { return (await this.request('GET', `activations/${this.type}/${key}`)).json.version; }
}

class Mcp {
  static async connect(node, caller) {
    const wire = new Mcp();
    wire.type = caller.type;
    const url = `${urlOf(node, 'mcp', caller)}/mcp`;
    wire.client = new Client({ name: 'story', version: '1' });
    const heard = {};  // the client does not pass on what HTTP says
    const listening = async (...args) => {
      const answer = await fetchFor(caller)(...args);
      if (!answer.ok && answer.status !== 405)
        Object.assign(heard, { status: answer.status, challenges: answer.headers.has('www-authenticate'),
          body: await answer.clone().text() });
      return answer;
    };
    try {
      await wire.client.connect(new StreamableHTTPClientTransport(new URL(url), {
        requestInit: { headers: authorization(caller) }, fetch: listening }));
    } catch (error) {
      if (heard.status !== 401) throw error;
      throw new Refusal('UNAUTHENTICATED', JSON.parse(heard.body).error.message, { status: heard.status, challenges: heard.challenges });
    }
    return wire;
  }
  async call(key, method, request = {}) {
    const result = await this.client.callTool({ name: `${this.type.replace('.', '_')}_${method}`, arguments: { key, ...request } });
    if (!result.isError) return balance(result.structuredContent);
    const [, code, text] = /^([A-Z_]+): (.*)$/s.exec(result.content[0].text);
    throw new Refusal(code, text, { isError: true });
  }
  async tools() { return (await this.client.listTools()).tools.map(({ name }) => name); }
  async resource(key) {
    const { contents } = await this.client.readResource({ uri: `orbit://actors/${this.type}/${key}` });
    const { state, version } = JSON.parse(contents[0].text);
    return { ...balance(state), version };
  }
  close() { return this.client.close(); }
}

// google.rpc.Code's names, all but OK.
const CODES_OF_ERRORS = Object.entries(grpc.status).filter(([name, code]) => typeof code === 'number' && code !== 0);
const CODES = { NOPERM: 'PERMISSION_DENIED', NOAUTH: 'UNAUTHENTICATED', WRONGPASS: 'UNAUTHENTICATED' };

class Resp {
  static async connect(node, { password, tls, type }) {
    const wire = new Resp();
    wire.type = type;
    const [host, port] = node.listeners.resp.split(':');
    // INFO, with which ioredis would see whether the server is ready, is nothing that everybody may ask.
    wire.redis = new Redis({ host, port: Number(port), tls, enableReadyCheck: false, retryStrategy: null });
    if (password === undefined) return wire;
    try {
      await wire.send('AUTH', password.name, password.password);
    } catch (error) {
      wire.close();
      throw error;
    }
    return wire;
  }
  async send(...command) {
    try {
      return await this.redis.call(...command);
    } catch (error) {
      const [, prefix, code, text] = /^([A-Z]+) (?:([A-Z_]+): )?(.*)$/s.exec(error.message);
      throw new Refusal(code ?? CODES[prefix], text, { prefix });
    }
  }
  async call(key, method, request) {
    const json = request === undefined ? [] : [JSON.stringify(request)];
    return balance(JSON.parse(await this.send('ACTOR.CALL', this.type, key, method, ...json)));
  }
  close() { this.redis.disconnect(); }
}

const WIRES = { grpc: Grpc, rest: Rest, mcp: Mcp, resp: Resp, admin: Admin };

// One client of a wire. A caller's password and token are two ways to say the same; Redis takes but the first and the admin API but the
// second, and the others what `prefer` says.
async function connect(name, node, { password, token, tls, type = ACCOUNT }, prefer) {
  const takes = { resp: 'password', admin: 'token' }[name] ?? prefer;
  const caller = { tls, type, ...(takes === 'password' ? { password } : { token }) };
  return WIRES[name].connect?.(node, caller) ?? new WIRES[name](node, caller);
}
// One of each, by its name.
async function connectAll(node, caller = {}, prefer = 'password') {
  const wires = {};
  for (const name of Object.keys(WIRES)) wires[name] = await connect(name, node, caller, prefer);
  return wires;
}
const closeAll = (wires = {}) => Promise.all(Object.values(wires).map((wire) => wire.close()));

// Everything that any wire tells of the account is this. (Of gRPC and Redis the bookings stand for the version: they count the
// same, since every booking is one change of the state.)
async function everybodySees(wires, key, cents, version) {
  const reads = await Promise.all(Object.entries(wires).map(async ([name, wire]) => [name, await wire.call(key, 'GetBalance')]));
  const called = { cents, bookings: version };
  assert.deepStrictEqual(Object.fromEntries(reads),
    { grpc: called, rest: { ...called, version }, mcp: called, resp: called, admin: called });
  assert.deepStrictEqual(await wires.rest.state(key), { ...called, version });
  assert.deepStrictEqual(await wires.mcp.resource(key), { ...called, version });
  assert.strictEqual(await wires.admin.version(key), version);
}

// Resolves to the Refusal; fails when there is an answer instead, or another failure.
const refusal = (answer) => Promise.resolve(answer).then(
  (value) => { throw new Error(`expected a refusal, got ${JSON.stringify(value)}`); },
  (error) => {
    if (!(error instanceof Refusal)) throw error;
    return error;
  });
// What each wire says of a call: {code, text, form} by its name.
async function refusedOnEach(node, caller, prefer, key, method, request = {}) {
  const out = {};
  for (const name of Object.keys(WIRES)) {
    let wire;
    const { code, text, form } = await refusal(connect(name, node, caller, prefer).then((connected) => {
      wire = connected;
      return wire.call(key, method, request);
    }));
    out[name] = { code, text, form };
    await wire?.close();
  }
  return out;
}

// How each wire is to show a refusal.
function everywhere(code, text, { status, grpcStatus, prefix, prefixText = text, mcp = { isError: true } }) {
  const problem = { status, sameStatus: true, type: 'application/problem+json', challenges: status === 401 };
  const forms = { grpc: { status: grpcStatus }, rest: problem, mcp, resp: { prefix }, admin: problem };
  return Object.fromEntries(Object.entries(forms).map(([name, form]) => [name, { code, text: name === 'resp' ? prefixText : text, form }]));
}
const denied = (who, method, key) => everywhere('PERMISSION_DENIED', `'${who}' may not call ${method} of ${ACCOUNT} '${key}'`,
  { status: 403, grpcStatus: grpc.status.PERMISSION_DENIED, prefix: 'NOPERM' });
// Of nobody and of bad credentials Redis speaks in redis-server's words, by which its clients know them.
const nobody = (method, key) => ({ ...everywhere('UNAUTHENTICATED', `nobody may not call ${method} of ${ACCOUNT} '${key}' without credentials`,
  { status: 401, grpcStatus: grpc.status.UNAUTHENTICATED, prefix: 'NOAUTH', prefixText: 'Authentication required.' }),
  // MCP asks for credentials before it looks at what is to be done.
  mcp: { code: 'UNAUTHENTICATED', text: "this node asks for credentials: send 'Authorization: Bearer TOKEN', or Basic",
    form: { status: 401, challenges: true } } });
const badCredentials = () => everywhere('UNAUTHENTICATED', 'the credentials are wrong or have expired',
  { status: 401, grpcStatus: grpc.status.UNAUTHENTICATED, prefix: 'WRONGPASS',
    prefixText: 'invalid username-password pair or user is disabled.',
    mcp: { status: 401, challenges: true } });  // a session would begin with them, so HTTP says it

module.exports = { CODES_OF_ERRORS, badCredentials, closeAll, connectAll, denied, everybodySees, nobody, refusal, refusedOnEach, startNode };
