// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The OpenAPI document is valid, complete, and true.
'use strict';

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { NodeProcess, eventually } = require('./node_process');
const { request } = require('./http_client');
const { Contract, METHODS } = require('./openapi_contract');

const TOKEN = 'a-token-for-tests';
const COUNTER = process.env.ORBIT_COUNTER_MODULE;
// A second storage instance, which a migration may fill.
const SPARE = '[storage]\ninstance = "store"\n[[plugin]]\nname = "spare"\nid = "orbit.storage.memory"\n';
let open, guarded, ruled;

before(async () => {
  const users = path.join(fs.mkdtempSync(path.join(require('node:os').tmpdir(), 'orbit-users-')), 'users');
  fs.writeFileSync(users, '');
  const access = `[[plugin]]\nname = "users"\nid = "orbit.access.user_file"\n[plugin.config]\nfile = ${JSON.stringify(users)}\n`;
  [open, guarded, ruled] = await Promise.all([NodeProcess.start({ extra: SPARE }), NodeProcess.start({ admin: { token: TOKEN } }),
    NodeProcess.start({ admin: { token: TOKEN }, extra: access })]);
  ruled.users = users;
});
after(async () => {
  await Promise.all([open, guarded, ruled].filter(Boolean).map((node) => node.stop()));
});

for (const which of ['without', 'with'])
  test(`redocly finds nothing to say about the document of a node ${which} a token`, async () => {
    const node = which === 'with' ? guarded : open;
    const file = path.join(node.folder, 'openapi.json');
    fs.writeFileSync(file, (await request(node, 'GET', '/openapi.json')).body);
    const cli = path.join(path.dirname(require.resolve('@redocly/cli/package.json')), 'bin/cli.js');
    // A document of a node without a token defines no security; that is what it says.
    const skip = which === 'with' ? [] : ['--skip-rule', 'security-defined'];
    try {
      execFileSync(process.execPath, [cli, 'lint', file, '--config', path.join(__dirname, 'redocly.yaml'), ...skip], {
        encoding: 'utf8', stdio: 'pipe',
        env: { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
      });
    } catch (error) {
      assert.fail(`${error.stdout}\n${error.stderr}`);
    }
  });

test('every documented answer is given by a live node and matches its schema', async () => {
  const documents = await Promise.all([open, guarded].map((node) => request(node, 'GET', '/openapi.json')));
  const contract = new Contract(documents[0].json);
  const call = async (method, target, body, headers) =>
    contract.check(method, target, body, await request(open, method, target, { body, headers }));
  const expect = async (status, ...args) => {
    const answer = await call(...args);
    assert.strictEqual(answer.status, status, `${args[0]} ${args[1]}: ${answer.body}`);
    return answer;
  };

  for (const target of ['/', '/healthz', '/readyz', '/v1/node', '/v1/workers', '/v1/plugins', '/v1/config', '/v1/log/levels', '/v1/log', '/v1/messages',
    '/v1/modules', '/v1/types', '/v1/activations', '/v1/top', '/v1/waits', '/v1/slow-turns', '/v1/dead-letters', '/v1/storage', '/v1/storage/backups', '/v1/storage/migrations',
    '/metrics', '/openapi.json', '/v1/access/revocations'])
    await expect(200, 'GET', target);

  const loaded = await expect(200, 'POST', '/v1/modules', { path: COUNTER });
  assert.strictEqual(loaded.json.name, 'actors.counter');
  assert.strictEqual(loaded.json.state, 'active');
  assert.ok((await expect(200, 'GET', '/v1/modules')).json.modules.some((one) => one.name === 'actors.counter'));
  const plugin = { name: 'web', id: 'orbit.protocol.rest', config: { listen: '127.0.0.1:0' } };
  const added = await expect(200, 'POST', '/v1/plugins', plugin);
  assert.strictEqual(added.json.plugin.state, 'running');
  assert.strictEqual(added.json.toml, '[[plugin]]\nname = "web"\nid = "orbit.protocol.rest"\n[plugin.config]\nlisten = "127.0.0.1:0"\n');
  assert.ok((await expect(200, 'GET', '/v1/plugins')).json.plugins.some((one) => one.instance === 'web' && !one.configured));
  const wrong = await expect(400, 'POST', '/v1/plugins', { name: 'x', id: plugin.id, config: { lisen: '', listen: 5 } });
  assert.strictEqual(wrong.json.errors.length, 2);
  await expect(409, 'POST', '/v1/plugins', plugin);
  await expect(404, 'POST', '/v1/plugins', { name: 'x', id: 'no.such' });
  await expect(204, 'DELETE', '/v1/plugins/web');
  await expect(404, 'DELETE', '/v1/plugins/web');
  const type = await expect(200, 'GET', '/v1/types/counter.Counter');
  assert.deepStrictEqual(type.json.methods.map((method) => method.name).sort(), ['Add', 'Bump', 'Get', 'Reset']);
  await expect(200, 'GET', '/v1/types');

  const key = '/counter.Counter/a%2Fb%20%C3%A4%00';
  assert.deepStrictEqual((await expect(200, 'POST', `/v1/actors${key}/Add`, { by: 5 })).json, { value: '5' });
  assert.deepStrictEqual((await expect(200, 'POST', `/v1/actors${key}/Add?timeout_ms=30000`, { by: 2 })).json, { value: '7' });
  await expect(200, 'POST', `/v1/actors${key}/Bump`, { by: 1 });
  const seen = await eventually(async () => {
    const answer = await expect(200, 'POST', `/v1/actors${key}/Get`);
    return answer.json.value === '8' ? answer.json : undefined;
  }, () => 'the one-way call has no effect');
  assert.deepStrictEqual(seen, { value: '8' });
  const activation = await expect(200, 'GET', `/v1/activations${key}`);
  assert.strictEqual(activation.json.key, 'a/b %C3%A4%00');
  const page = await expect(200, 'GET', '/v1/activations?type=counter.Counter&limit=5');
  assert.deepStrictEqual(page.json.activations.map((one) => one.key), ['a/b %C3%A4%00']);
  assert.strictEqual(page.json.next_cursor, null);
  await expect(204, 'DELETE', `/v1/activations${key}`);
  await eventually(async () => (await call('GET', `/v1/activations${key}`)).status === 404 || undefined,
    () => 'the activation stays');
  assert.deepStrictEqual((await expect(200, 'POST', `/v1/actors${key}/Get`)).json, { value: '8' });

  await expect(200, 'POST', '/v1/modules', { path: process.env.ORBIT_KNOT_MODULE });
  await expect(200, 'POST', '/v1/actors/knot.Knot/k/Paint', { colour: 'red' });
  const found = await eventually(async () => {
    const answer = await call('GET', '/v1/types/knot.Knot/indexes/colour?equals=red');
    return answer.status === 200 ? answer : undefined;  // until the index is built
  }, () => 'the index is not built');
  assert.deepStrictEqual(found.json, { actors: [{ key: 'k', value: 'red' }], next: null });

  await expect(200, 'PUT', '/v1/log/levels', { default: 'warn', loggers: { admin: 'debug' } });
  const levels = (await expect(200, 'GET', '/v1/log/levels')).json;
  assert.strictEqual(levels.default, 'warn');
  assert.strictEqual(levels.loggers.admin, 'debug');

  const ask = async (status, method, target) => {
    const answer = await request(ruled, method, target, { headers: { Authorization: `Bearer ${TOKEN}` } });
    contract.check(method, target, undefined, answer);
    assert.strictEqual(answer.status, status, `${method} ${target}: ${answer.body}`);
    return answer;
  };
  await ask(204, 'PUT', '/v1/access/revocations/user/al%20ice');
  await ask(204, 'PUT', '/v1/access/revocations/token/t-1?until_ms=99999999999999');
  assert.deepStrictEqual((await ask(200, 'GET', '/v1/access/revocations')).json.revocations,
    [{ kind: 'token', value: 't-1', until_ms: 99999999999999 }, { kind: 'user', value: 'al ice', until_ms: 0 }]);
  await ask(400, 'PUT', '/v1/access/revocations/group/x');
  await ask(204, 'DELETE', '/v1/access/revocations/user/al%20ice');
  await ask(404, 'DELETE', '/v1/access/revocations/user/al%20ice');
  await ask(204, 'POST', '/v1/access/reload');
  fs.rmSync(ruled.users);
  await ask(404, 'POST', '/v1/access/reload');

  // Errors.
  await expect(404, 'GET', '/v1/types/counter.Counter/indexes/none');
  await expect(404, 'GET', '/v1/types/no.Such');
  await expect(404, 'POST', '/v1/actors/no.Such/k/M', {});
  await expect(404, 'POST', `/v1/actors${key}/NoSuchMethod`, {});
  await expect(400, 'POST', `/v1/actors${key}/Add`, { bye: 5 });
  await expect(404, 'GET', '/v1/activations/counter.Counter/nobody');
  await expect(404, 'DELETE', '/v1/activations/counter.Counter/nobody');
  await expect(404, 'DELETE', '/v1/modules/nothing');
  await expect(404, 'PUT', '/v1/log/levels', { loggers: { nothing: 'debug' } });
  await expect(400, 'GET', '/v1/activations?cursor=nonsense');
  const missing = await call('POST', '/v1/modules', { path: '/no/such/file.so' });
  assert.ok(missing.status >= 400 && missing.status < 500, missing.body);
  const text = path.join(open.folder, 'text.so');
  fs.writeFileSync(text, 'this is no library');
  const garbage = await call('POST', '/v1/modules', { path: text });
  assert.ok(garbage.status >= 400 && garbage.status < 500, garbage.body);
  await expect(404, 'POST', '/v1/storage/backups', { storage: 'nothing', folder: open.folder });
  await expect(404, 'POST', '/v1/storage/migrations', { from: 'store', to: 'nothing' });
  const saved = path.join(open.folder, 'saved');
  assert.strictEqual((await expect(200, 'POST', '/v1/storage/backups', { storage: 'store', folder: saved })).json.folder, saved);
  await expect(404, 'POST', '/v1/storage/jobs', { kind: 'stats', storage: 'nothing' });
  await expect(200, 'POST', '/v1/storage/jobs', { kind: 'stats', storage: 'store' });
  assert.deepStrictEqual((await expect(200, 'PUT', '/v1/storage/pace', { bytes_per_second: 1000000000 })).json, { bytes_per_second: 1000000000 });
  assert.deepStrictEqual((await expect(200, 'GET', '/v1/storage/pace')).json, { bytes_per_second: 1000000000 });
  await eventually(async () => (await expect(200, 'GET', '/v1/storage/jobs')).json.jobs.at(-1).stage === 'done' || undefined,
    () => 'the job does not end');
  await expect(200, 'POST', '/v1/storage/migrations', { from: 'store', to: 'spare' });
  for (const list of ['backups', 'migrations'])
    await eventually(async () => {
      const { json } = await expect(200, 'GET', `/v1/storage/${list}`);
      return json[list].at(-1).stage === 'done' ? true : undefined;
    }, () => `the ${list} do not end`);
  const used = (await expect(200, 'GET', '/v1/storage')).json.storages.filter((one) => one.used).map((one) => one.name);
  assert.deepStrictEqual(used, ['spare']);

  for (const { method, template, operation } of contract.operations()) {
    const target = template.replace('{type}', 't').replace('{key}', 'k').replace('{method}', 'M').replace('{name}', 'n').replace('{index}', 'i')
      .replace('{kind}', 'user').replace('{value}', 'v');
    await expect(400, method.toUpperCase(), `${target}?unknown=1`);
    await expect(403, method.toUpperCase(), target, undefined, { Host: 'evil.example' });
    if (!operation.requestBody) continue;
    await expect(415, method.toUpperCase(), target, 'x', { 'Content-Type': 'text/plain' });
    await expect(413, method.toUpperCase(), target, ' '.repeat(1024 * 1024 + 1));
  }
  await expect(204, 'DELETE', '/v1/modules/actors.counter');
  await expect(404, 'POST', `/v1/actors${key}/Get`);

  // What no test can make a healthy node answer on purpose here: its own failures, overload, conflicts, and 503 of /readyz,
  // which the plugin's unit tests drive through a host made for it.
  const rare = new Set(['409', '429', '500', '501', '503', '504', 'default']);
  assert.deepStrictEqual(contract.unseen().filter((answer) => !rare.has(answer.split(' ').pop())), []);

  // With a token the same document gains 401.
  const withToken = new Contract(documents[1].json);
  for (const { method, template, operation } of withToken.operations()) {
    const target = template.replace('{type}', 't').replace('{key}', 'k').replace('{method}', 'M').replace('{name}', 'n').replace('{index}', 'i')
      .replace('{kind}', 'user').replace('{value}', 'v');
    const refused = await request(guarded, method.toUpperCase(), target);
    if (operation.security?.length === 0) {
      assert.strictEqual(refused.status, 200, target);
    } else {
      assert.strictEqual(refused.status, 401, target);
      assert.match(refused.headers['www-authenticate'], /^Bearer realm=/);
    }
    withToken.check(method.toUpperCase(), target, undefined, refused);
  }
  const let_in = await request(guarded, 'GET', '/v1/node', { headers: { Authorization: `Bearer ${TOKEN}` } });
  assert.strictEqual(withToken.check('GET', '/v1/node', undefined, let_in).status, 200);
});

test('the router has no method that the document does not have, and none less', async () => {
  const { json: document } = await request(open, 'GET', '/openapi.json');
  for (const [template, item] of Object.entries(document.paths)) {
    const target = template.replaceAll(/\{\w+\}/g, 'x');
    const documented = Object.keys(item).filter((key) => METHODS.includes(key)).map((method) => method.toUpperCase());
    if (documented.includes('GET')) documented.push('HEAD');
    const answer = await request(open, 'TRACE', target);
    assert.strictEqual(answer.status, 405, target);
    assert.deepStrictEqual(answer.headers.allow.split(', ').sort(), documented.sort());
  }
});

test('docs/admin-api.md has a line for each route and for no other', async () => {
  const { json: document } = await request(open, 'GET', '/openapi.json');
  const text = fs.readFileSync(path.join(__dirname, '../../../docs/admin-api.md'), 'utf8');
  const described = [...text.matchAll(/^\| (`(?:GET|PUT|POST|DELETE) .*?) \|/gm)].flatMap((row) =>
    [...row[1].matchAll(/`([A-Z]+) ([^?`]+)/g)].map((route) => `${route[1]} ${route[2]}`));
  const documented = Object.entries(document.paths).flatMap(([template, item]) =>
    Object.keys(item).filter((key) => METHODS.includes(key)).map((method) => `${method.toUpperCase()} ${template}`));
  assert.deepStrictEqual(described.sort(), documented.sort());
});
