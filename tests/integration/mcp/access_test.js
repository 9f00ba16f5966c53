// SPDX-License-Identifier: MIT OR BSD-3-Clause
// Callers with rights: what each sees, may do, and is told.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { NodeProcess } = require('../admin/node_process.js');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');

const token = { reader: crypto.randomBytes(32).toString('hex'), writer: crypto.randomBytes(32).toString('hex') };
let folder;
let node;
before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbit-mcp-users-'));
  const users = path.join(folder, 'users');
  const line = (name) => `${name}:$sha256$${crypto.createHash('sha256').update(token[name]).digest('hex')}:${name}\n`;
  fs.writeFileSync(users, line('reader') + line('writer'));
  node = await NodeProcess.start({ admin: { token: 'operator' }, extra: `
[[plugin]]
name = "users"
id = "orbit.access.user_file"
[plugin.config]
file = ${JSON.stringify(users)}
[[plugin]]
name = "mcp"
id = "orbit.protocol.mcp"
[plugin.config]
listen = "127.0.0.1:0"
[[module]]
path = ${JSON.stringify(process.env.ORBIT_COUNTER_MODULE)}
[[rule]]
roles = ["reader"]
types = ["counter.Counter"]
read_only = true
[[rule]]
roles = ["writer"]
types = ["counter.Counter"]
keys = ["mine*"]
` });
  node.url = `http://${node.listeners.mcp}/mcp`;
});
after(async () => {
  await node.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function connect(name) {
  const client = new Client({ name: 'test', version: '1' });
  const headers = name === undefined ? {} : { Authorization: `Bearer ${token[name]}` };
  await client.connect(new StreamableHTTPClientTransport(new URL(node.url), { requestInit: { headers } }));
  return client;
}
const names = async (client) => (await client.listTools()).tools.map((tool) => tool.name);

test('a caller sees the tools that it may call, and calls the actors that it may', async () => {
  const writer = await connect('writer');
  assert.ok((await names(writer)).includes('counter_Counter_Add'));
  const added = await writer.callTool({ name: 'counter_Counter_Add', arguments: { key: 'mine-1', by: 2 } });
  assert.deepStrictEqual(added.structuredContent, { value: '2' });
  const refused = await writer.callTool({ name: 'counter_Counter_Add', arguments: { key: 'yours', by: 2 } });
  assert.strictEqual(refused.isError, true);
  assert.match(refused.content[0].text, /^PERMISSION_DENIED: 'writer' may not call Add of counter.Counter 'yours'/);
  await assert.rejects(writer.readResource({ uri: 'orbit://node' }));

  const reader = await connect('reader');
  assert.deepStrictEqual(await names(reader), ['counter_Counter_Get']);
  const unlisted = await reader.callTool({ name: 'counter_Counter_Add', arguments: { key: 'mine-1', by: 1 } });
  assert.strictEqual(unlisted.isError, true);
  assert.strictEqual(unlisted.content[0].text, "PERMISSION_DENIED: 'reader' may not call Add of counter.Counter 'mine-1'");
  const read = await reader.callTool({ name: 'counter_Counter_Get', arguments: { key: 'mine-1' } });
  assert.deepStrictEqual(read.structuredContent, { value: '2' });
  const { contents } = await reader.readResource({ uri: 'orbit://actors/counter.Counter/mine-1' });
  assert.deepStrictEqual(JSON.parse(contents[0].text).state, { value: '2' });
  await writer.close();
  await reader.close();
});

test('nobody and wrong credentials are 401, and a session is its beginner\'s', async () => {
  const post = (headers, message) => fetch(node.url, {
    method: 'POST', body: JSON.stringify(message),
    headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers }
  });
  const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'x', version: '1' } } };
  for (const headers of [{}, { Authorization: 'Bearer wrong' }, { Authorization: 'Negotiate x' }]) {
    const refused = await post(headers, initialize);
    assert.strictEqual(refused.status, 401);
    assert.match(refused.headers.get('www-authenticate'), /^Bearer realm="orbit", Basic realm="orbit"$/);
  }
  const begun = await post({ Authorization: `Bearer ${token.writer}` }, initialize);
  const session = begun.headers.get('mcp-session-id');
  const ping = { jsonrpc: '2.0', id: 2, method: 'ping' };
  assert.strictEqual((await post({ Authorization: `Bearer ${token.reader}`, 'Mcp-Session-Id': session }, ping)).status, 404);
  assert.strictEqual((await post({ Authorization: `Bearer ${token.writer}`, 'Mcp-Session-Id': session }, ping)).status, 200);
});
