// SPDX-License-Identifier: MIT OR BSD-3-Clause
// A node with every wire, and bank.Account called over each of them. However a wire writes its answers, here they are the same:
// a call resolves to {cents, bookings}, with the version where the wire tells it, or rejects with a Refusal.
'use strict';

const Redis = require('ioredis');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');

const { NodeProcess, section } = require('../admin/node_process');
const { ask, bank, grpc, insecure, withKey } = require('../grpc/wire_client');

const TYPE = 'bank.Account';

// code and text are the same on every wire; form is how this one shows them.
class Refusal extends Error {
  constructor(code, text, form) {
    super(`${code}: ${text}`);
    Object.assign(this, { code, text, form });
  }
}

const balance = ({ cents = 0, bookings = 0 }) => ({ cents: Number(cents), bookings: Number(bookings) });
const basic = ({ name, password }) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
// credentials: {name, password}, {token}, or undefined.
const authorization = (credentials) => (credentials === undefined ? {}
  : { authorization: credentials.token === undefined ? basic(credentials) : `Bearer ${credentials.token}` });

async function startNode({ extra = '' } = {}) {
  const wires = ['grpc', 'rest', 'mcp', 'resp'].map((name) =>
    section('[[plugin]]', { name, id: `orbit.protocol.${name}`, required: true }) +
    section('[plugin.config]', { listen: '127.0.0.1:0' }));
  const bankModule = section('[[module]]', { path: process.env.WIRE_BANK_MODULE, required: true });
  return NodeProcess.start({ extra: [...wires, bankModule, extra].join('\n') });
}

class Grpc {
  constructor(node, credentials) {
    this.client = new bank.Account(node.listeners.grpc, insecure());
    this.metadata = authorization(credentials);
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

// Problem details of an HTTP wire.
async function problem(answer) {
  const { code, detail, status } = await answer.json();
  return new Refusal(code, detail, {
    status: answer.status, same_status: status === answer.status, type: answer.headers.get('content-type'),
    challenges: answer.headers.has('www-authenticate') });
}

class Rest {
  constructor(node, credentials) {
    this.url = `http://${node.listeners.rest}/v1/actors/${TYPE}`;
    this.headers = authorization(credentials);
  }
  async fetch(path, { method = 'POST', request, headers } = {}) {
    const answer = await fetch(`${this.url}/${path}`, {
      method, body: request === undefined ? undefined : JSON.stringify(request),
      headers: { ...this.headers, ...headers, ...(request === undefined ? {} : { 'content-type': 'application/json' }) } });
    if (!answer.ok) throw await problem(answer);
    // Without a state there is no version, and no ETag.
    const [, version] = /^"(\d+)"$/.exec(answer.headers.get('etag') ?? '"0"');
    return { ...balance(await answer.json()), version: Number(version) };
  }
  call(key, method, request = {}, headers = {}) { return this.fetch(`${key}/${method}`, { request, headers }); }
  state(key) { return this.fetch(`${key}/state`, { method: 'GET' }); }
  close() {}
}

class Mcp {
  static async connect(node, credentials) {
    const wire = new Mcp();
    wire.client = new Client({ name: 'story', version: '1' });
    await wire.client.connect(new StreamableHTTPClientTransport(new URL(`http://${node.listeners.mcp}/mcp`), {
      requestInit: { headers: authorization(credentials) } }));
    return wire;
  }
  async call(key, method, request = {}) {
    const result = await this.client.callTool({ name: `bank_Account_${method}`, arguments: { key, ...request } });
    if (!result.isError) return balance(result.structuredContent);
    const [, code, text] = /^([A-Z_]+): (.*)$/s.exec(result.content[0].text);
    throw new Refusal(code, text, { is_error: true });
  }
  async tools() { return (await this.client.listTools()).tools.map(({ name }) => name); }
  async resource(key) {
    const { contents } = await this.client.readResource({ uri: `orbit://actors/${TYPE}/${key}` });
    const { state, version } = JSON.parse(contents[0].text);
    return { ...balance(state), version };
  }
  close() { return this.client.close(); }
}

class Resp {
  static async connect(node, credentials) {
    const wire = new Resp();
    const [host, port] = node.listeners.resp.split(':');
    // INFO, with which ioredis would see whether the server is ready, is nothing that everybody may ask.
    wire.redis = new Redis({ host, port: Number(port), enableReadyCheck: false, retryStrategy: null });
    if (credentials !== undefined) await wire.send('AUTH', credentials.name, credentials.password);
    return wire;
  }
  async send(...command) {
    try {
      return await this.redis.call(...command);
    } catch (error) {
      const [, prefix, code, text] = /^([A-Z]+) (?:([A-Z_]+): )?(.*)$/s.exec(error.message);
      throw new Refusal(code ?? { NOPERM: 'PERMISSION_DENIED', NOAUTH: 'UNAUTHENTICATED', WRONGPASS: 'UNAUTHENTICATED' }[prefix],
        text, { prefix });
    }
  }
  async call(key, method, request) {
    const json = request === undefined ? [] : [JSON.stringify(request)];
    return balance(JSON.parse(await this.send('ACTOR.CALL', TYPE, key, method, ...json)));
  }
  close() { this.redis.disconnect(); }
}

class Admin {
  constructor(node, credentials) {
    this.url = `${node.url}/v1`;
    this.headers = authorization(credentials);
  }
  async fetch(path, { method = 'GET', request } = {}) {
    const answer = await fetch(`${this.url}/${path}`, {
      method, body: request === undefined ? undefined : JSON.stringify(request),
      headers: { ...this.headers, ...(request === undefined ? {} : { 'content-type': 'application/json' }) } });
    if (!answer.ok) throw await problem(answer);
    return answer.json();
  }
  async call(key, method, request = {}) {
    return balance(await this.fetch(`actors/${TYPE}/${key}/${method}`, { method: 'POST', request }));
  }
  async version(key) { return (await this.fetch(`activations/${TYPE}/${key}`)).version; }
  close() {}
}

const WIRES = { grpc: Grpc, rest: Rest, mcp: Mcp, resp: Resp, admin: Admin };

// One client of each wire, by its name. A caller is {password: {name, password}, token: {token}}: Redis knows but the one, the admin
// API but the other, and the rest takes what `prefer` says.
async function connectAll(node, caller = {}, prefer = 'password') {
  const wires = {};
  for (const [name, Wire] of Object.entries(WIRES)) {
    const credentials = caller[{ resp: 'password', admin: 'token' }[name] ?? prefer];
    wires[name] = await (Wire.connect?.(node, credentials) ?? new Wire(node, credentials));
  }
  return wires;
}
const closeAll = (wires = {}) => Promise.all(Object.values(wires).map((wire) => wire.close()));

// Resolves to the Refusal; fails when there is an answer instead, or another failure.
const refusal = (answer) => Promise.resolve(answer).then(
  (value) => { throw new Error(`expected a refusal, got ${JSON.stringify(value)}`); },
  (error) => {
    if (!(error instanceof Refusal)) throw error;
    return error;
  });

module.exports = { Admin, Grpc, Mcp, Resp, Rest, Refusal, authorization, closeAll, connectAll, refusal, startNode };
