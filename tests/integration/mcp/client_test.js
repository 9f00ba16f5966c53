// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The official TypeScript SDK's client, and bad ones, against a real node.
'use strict';

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { NodeProcess, eventually } = require('../admin/node_process.js');
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = require('@modelcontextprotocol/sdk/client/streamableHttp.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const path = require('node:path');
const { spawn } = require('node:child_process');
const types = require('@modelcontextprotocol/sdk/types.js');

let node;
before(async () => {
  node = await NodeProcess.start({ extra: `
[[plugin]]
name = "mcp"
id = "orbit.protocol.mcp"
[plugin.config]
listen = "127.0.0.1:0"
poll_ms = 50
sessions_max = 30
[[module]]
path = ${JSON.stringify(process.env.ORBIT_COUNTER_MODULE)}
[[module]]
path = ${JSON.stringify(process.env.ORBIT_FIXTURE_MODULE)}
` });
  node.url = `http://${node.listeners.mcp}/mcp`;
});
after(async () => {
  await node.stop();
});

async function connect(capabilities = {}) {
  const client = new Client({ name: 'test', version: '1' }, { capabilities });
  await client.connect(new StreamableHTTPClientTransport(new URL(node.url)));
  return client;
}

test('methods of actors are tools, whose results fit the schemas that they announce', async () => {
  const client = await connect();
  const { tools } = await client.listTools();
  const add = tools.find((tool) => tool.name === 'counter_Counter_Add');
  assert.strictEqual(add.description, 'Adds and answers the new value.');
  assert.deepStrictEqual(add.inputSchema.required, ['key']);
  assert.deepStrictEqual(Object.keys(add.inputSchema.properties), ['key', 'by']);
  assert.strictEqual(tools.find((tool) => tool.name === 'counter_Counter_Get').annotations.readOnlyHint, true);
  // The client checks structuredContent against outputSchema itself.
  const first = await client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'visits', by: 5 } });
  assert.deepStrictEqual(first.structuredContent, { value: '5' });
  const second = await client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'visits', by: '37' } });
  assert.deepStrictEqual(second.structuredContent, { value: '42' });
  const wrong = await client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'visits', by: 'many' } });
  assert.strictEqual(wrong.isError, true);
  await client.close();
});

test('the state of an actor is a resource, and its changes are told', async () => {
  const client = await connect();
  const uri = 'orbit://actors/counter.Counter/watched';
  await client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'watched', by: 1 } });
  const read = async () => JSON.parse((await client.readResource({ uri })).contents[0].text);
  const document = await read();
  assert.deepStrictEqual(document.state, { value: '1' });
  const updated = new Promise((resolve) =>
    client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, (message) => resolve(message.params.uri)));
  await client.subscribeResource({ uri });
  // The first look may come after the first change.
  let told;
  while (told === undefined) {
    await client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'watched', by: 1 } });
    told = await Promise.race([updated, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  assert.strictEqual(told, uri);
  assert.ok((await read()).version > document.version);
  const { completion } = await client.complete({
    ref: { type: 'ref/resource', uri: 'orbit://actors/{type}/{key}' },
    argument: { name: 'type', value: 'counter' }
  });
  assert.deepStrictEqual(completion.values, ['counter.Counter']);
  await assert.rejects(client.readResource({ uri: 'orbit://actors/counter.Counter/nobody' }), { code: -32002 });
  await client.close();
});

test('an actor asks the user and the model, and reports how far it is', async () => {
  const client = await connect({ sampling: {}, elicitation: {} });
  client.setRequestHandler(types.CreateMessageRequestSchema, async (request) => ({
    role: 'assistant', model: 'm', content: { type: 'text', text: `echo ${request.params.messages[0].content.text}` }
  }));
  client.setRequestHandler(types.ElicitRequestSchema, async () => ({ action: 'accept', content: { response: 'yes' } }));
  const sampled = await client.callTool({ name: 'test_sampling', arguments: { prompt: 'hello' } });
  assert.strictEqual(sampled.content[0].text, 'LLM response: echo hello');
  const elicited = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Go on?' } });
  assert.strictEqual(elicited.content[0].text, 'User response: action=accept, content={"response":"yes"}');
  const progress = [];
  await client.callTool({ name: 'test_tool_with_progress', arguments: {} }, undefined, { onprogress: (step) => progress.push(step.progress) });
  assert.deepStrictEqual(progress, [0, 50, 100]);
  await client.close();
});

const orbitctl = path.join(process.env.ORBIT_BUILD, 'bin/orbitctl');

test('orbitctl mcp is the same over standard input and output', async () => {
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } });
  client.setRequestHandler(types.ElicitRequestSchema, async () => ({ action: 'decline' }));
  await client.connect(new StdioClientTransport({ command: orbitctl, args: ['mcp', '--url', node.url] }));
  const { structuredContent } = await client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'stdio', by: 3 } });
  assert.deepStrictEqual(structuredContent, { value: '3' });
  const elicited = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Go on?' } });
  assert.match(elicited.content[0].text, /action=decline/);
  const uri = 'orbit://actors/counter.Counter/stdio';
  const updated = new Promise((resolve) =>
    client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, (message) => resolve(message.params.uri)));
  await client.subscribeResource({ uri });
  let told;
  while (told === undefined) {
    await client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'stdio', by: 1 } });
    told = await Promise.race([updated, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  assert.strictEqual(told, uri);
  await client.close();
});

test('orbitctl mcp goes on in a new session, with what was subscribed to, when its own has ended', async () => {
  const short = await NodeProcess.start({ extra: `
[[plugin]]
name = "mcp"
id = "orbit.protocol.mcp"
[plugin.config]
listen = "127.0.0.1:0"
poll_ms = 50
session_idle_ms = 1000
[[module]]
path = ${JSON.stringify(process.env.ORBIT_COUNTER_MODULE)}
` });
  const client = new Client({ name: 'test', version: '1' });
  try {
    await client.connect(new StdioClientTransport({ command: orbitctl, args: ['mcp', '--url', `http://${short.listeners.mcp}/mcp`] }));
    const uri = 'orbit://actors/counter.Counter/renewed';
    const add = () => client.callTool({ name: 'counter_Counter_Add', arguments: { key: 'renewed', by: 1 } });
    await add();
    await client.subscribeResource({ uri });
    // Nothing is asked until the node has told orbitctl that there is no such session.
    await eventually(async () => {
      const metrics = await (await fetch(`${short.url}/metrics`)).text();
      return /orbit_mcp_answers_total{[^}]*status="4xx"} [1-9]/.test(metrics) ? true : undefined;
    }, () => 'the session does not end');
    let told;
    client.setNotificationHandler(types.ResourceUpdatedNotificationSchema, (message) => { told = message.params.uri; });
    await eventually(async () => {
      assert.ok(!(await add()).isError);
      return told;
    }, () => 'the new session is told nothing');
    assert.strictEqual(told, uri);
  } finally {
    await client.close();
    await short.stop();
  }
});

function bridge(lines, url = node.url) {
  return new Promise((resolve) => {
    const child = spawn(orbitctl, ['mcp', '--url', url], { stdio: ['pipe', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => { output += data; });
    child.on('exit', (code) => resolve({ code, messages: output.split('\n').filter(Boolean).map((line) => JSON.parse(line)) }));
    child.stdin.end(lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)) + '\n').join(''));
  });
}

test('orbitctl mcp speaks 2026-07-28, too, and says what is wrong', async () => {
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {} };
  const { code, messages } = await bridge([
    { jsonrpc: '2.0', id: 1, method: 'server/discover', params: { _meta } },
    { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { _meta: { ..._meta, progressToken: 'p' }, name: 'test_tool_with_progress' } },
    { jsonrpc: '2.0', id: 3, method: 'resources/read', params: { _meta, uri: 'orbit://actors/counter.Counter/nöne' } },
    'no json'
  ]);
  assert.strictEqual(code, 0);
  const by = (id) => messages.find((message) => message.id === id);
  assert.ok(by(1).result.supportedVersions.includes('2026-07-28'));
  assert.strictEqual(by(2).result.content[0].text, 'worked');
  assert.strictEqual(messages.filter((message) => message.method === 'notifications/progress').length, 3);
  assert.strictEqual(by(3).error.code, -32602);
  assert.ok(messages.some((message) => message.error?.code === -32700));
  const gone = await bridge([{ jsonrpc: '2.0', id: 1, method: 'initialize', params: {} }], 'http://127.0.0.1:1/mcp');
  assert.match(gone.messages[0].error.message, /cannot reach/);
});

test('many clients on different workers each get their own answers', async () => {
  const clients = await Promise.all(Array.from({ length: 12 }, () => connect()));
  await Promise.all(clients.map(async (client, i) => {
    for (let n = 1; n <= 10; ++n) {
      const { structuredContent } = await client.callTool({ name: 'counter_Counter_Add', arguments: { key: `mine-${i}`, by: 1 } });
      assert.strictEqual(structuredContent.value, String(n));
    }
    await client.transport.terminateSession();
    await client.close();
  }));
});

async function post(body, headers = {}) {
  const response = await fetch(node.url, {
    method: 'POST', body, headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers }
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, message: text === '' ? null : JSON.parse(text) };
}

test('who means no good gets a clear answer, and the node goes on', async () => {
  assert.strictEqual((await post('[')).message.error.code, -32700);
  const deep = await post('{"jsonrpc":"2.0","id":1,"method":"ping","params":' + '{"a":'.repeat(100000) + '1' + '}'.repeat(100000) + '}');
  assert.match(deep.message.error.message, /64 levels/);
  assert.strictEqual((await post(Buffer.from('{"jsonrpc":"2.0","id":1,"method":"\xff"}', 'latin1'))).message.error.code, -32700);
  assert.strictEqual((await post('[{"jsonrpc":"2.0","id":1,"method":"ping"}]')).message.error.code, -32600);
  assert.strictEqual((await post('{"jsonrpc":"2.0","id":1,"method":"ping"}', { 'Mcp-Session-Id': '0-00' })).status, 404);
  assert.strictEqual((await post('{"jsonrpc":"2.0","id":1,"method":"ping"}', { 'Mcp-Session-Id': '9999-00' })).status, 404);
  assert.strictEqual((await post('{}', { 'Content-Type': 'text/plain' })).status, 415);
  assert.strictEqual((await post('{}', { Accept: 'text/html' })).status, 406);
  assert.strictEqual((await post('{}', { Origin: 'http://evil.example.com' })).status, 403);
  assert.strictEqual((await post(Buffer.alloc(5 * 1024 * 1024, 32))).status, 413);
  assert.strictEqual((await fetch(node.url, { method: 'PUT' })).status, 405);
  const client = await connect();
  await client.ping();
  await client.close();
});

test('sessions are bounded: the one too many is told so, and finds room when another ends', async () => {
  const initialize = JSON.stringify({
    jsonrpc: '2.0', id: 1, method: 'initialize',
    params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'many', version: '1' } }
  });
  const sessions = [];
  let refused = null;
  while (refused === null && sessions.length <= 40) {
    const answer = await post(initialize);
    if (answer.status === 200) sessions.push(answer.headers.get('mcp-session-id'));
    else refused = answer;
  }
  assert.strictEqual(refused.status, 503);
  assert.match(refused.message.error.message, /sessions_max/);
  for (const session of sessions)
    assert.strictEqual((await fetch(node.url, { method: 'DELETE', headers: { 'Mcp-Session-Id': session } })).status, 204);
  assert.strictEqual((await post(initialize)).status, 200);
});
