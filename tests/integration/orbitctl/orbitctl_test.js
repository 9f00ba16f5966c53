// SPDX-License-Identifier: MIT OR BSD-3-Clause
// orbitctl against a real node: what it prints, and how it ends.
'use strict';

const assert = require('node:assert');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { BUILD, NodeProcess, eventually } = require('../admin/node_process');

const ORBITCTL = path.join(BUILD, 'bin/orbitctl');
const COUNTER = process.env.ORBIT_COUNTER_MODULE;
const TOKEN = 'a-token-for-tests';
const TYPE = 'counter.Counter';
let node, guarded, folder;

// Runs orbitctl to its end: {code, out, err}.
function run(args, { cwd = folder, env = {}, input } = {}) {
  const clean = { ...process.env };
  for (const name of ['ORBIT_URL', 'ORBIT_TOKEN', 'ORBIT_CA', 'ORBIT_CERT', 'ORBIT_KEY']) delete clean[name];
  const ended = spawnSync(ORBITCTL, args, { cwd, env: { ...clean, ...env }, encoding: 'utf8', input, timeout: 120_000 });
  if (ended.error) throw ended.error;
  return { code: ended.status, out: ended.stdout, err: ended.stderr };
}
// Against the node, expecting success; resolves to what it printed.
function ok(...args) {
  const { code, out, err } = run(args, { env: { ORBIT_URL: node.url } });
  assert.strictEqual(code, 0, `${args.join(' ')}: ${err}`);
  return out;
}
// Expecting failure; resolves to standard error.
function fails(code, args, options = { env: { ORBIT_URL: node.url } }) {
  const ended = run(args, options);
  assert.strictEqual(ended.code, code, `${args.join(' ')}: ${ended.out}${ended.err}`);
  assert.match(ended.err, /^orbitctl: /);
  return ended.err;
}

before(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'orbitctl-test-'));
  [node, guarded] = await Promise.all([NodeProcess.start(), NodeProcess.start({ admin: { token: TOKEN } })]);
});
after(async () => {
  await Promise.all([node, guarded].filter(Boolean).map((one) => one.stop()));
  fs.rmSync(folder, { recursive: true, force: true });
});

test('the help tells all commands and the exit codes, and each command has its own', () => {
  const { code, out } = run(['--help']);
  assert.strictEqual(code, 0);
  const commands = out.split('Commands:\n')[1].split('\n\n')[0].split('\n')
    .map((line) => /^ {2}((?:[a-z]+ )*[a-z-]+)/.exec(line)[1]);
  for (const expected of ['status', 'workers', 'plugins', 'modules', 'module load', 'module retire', 'plugin load', 'plugin unload', 'types', 'activations',
    'inspect', 'call', 'deactivate', 'config', 'log', 'metrics', 'ready', 'query', 'top', 'waits', 'slow-turns', 'dead-letters', 'new actor', 'new plugin'])
    assert.ok(commands.includes(expected), expected);
  for (const command of commands) {
    const own = run([...command.split(' '), '--help']);
    assert.strictEqual(own.code, 0, command);
    assert.ok(own.out.startsWith(`usage: orbitctl ${command}`), own.out);
  }
  const page = fs.readFileSync(path.join(__dirname, '../../../docs/admin-api.md'), 'utf8').split('## orbitctl')[1];
  for (const command of commands) assert.ok(new RegExp(`(orbitctl|\\|) ${command}\\b`).test(page), `the page lacks ${command}`);
  assert.match(out, /Exit codes:\n {2}0 .*\n {2}1 .*\n {2}2 .*\n {2}3 /);
  assert.match(run(['--version']).out, /^orbitctl \d+\.\d+\.\d+\n$/);
});

test('a command line that makes no sense ends with 2 and says why', () => {
  const cases = {
    'a command is missing': [], "no command 'stat'": ['stat'], "'module' is one of": ['module'],
    'usage: orbitctl call TYPE KEY METHOD': ['call', 'a'], 'usage: orbitctl status': ['status', 'x'],
    "unrecognised option '--jsn'": ['status', '--jsn'], "'status' has no option --wait": ['status', '--wait', '5'],
    '--timeout must be': ['status', '--timeout', '0'], '--limit must be': ['activations', '--limit', '0'],
    "'plugin load' needs --id": ['plugin', 'load', 'x'], "'plugin unload' has no option --id": ['plugin', 'unload', 'x', '--id', 'y'],
    '--by must be calls or time': ['top', '--by', 'size'], '--interval must be': ['top', '--interval', '0'],
    "'waits' has no option --once": ['waits', '--once'],
    'must look like http://': ['status', '--url', 'ftp://127.0.0.1:1'],
    'expected user or token': ['access', 'revoke', 'group', 'x'],
    'must be lower-case': ['new', 'actor', 'Bank-Account'],
    "the argument ('many')": ['activations', '--limit', 'many'],
  };
  for (const [message, args] of Object.entries(cases)) {
    const err = fails(2, args);
    assert.ok(err.includes(message), `${args.join(' ')}: ${err}`);
  }
});

test('a node that is not there is 3 and says what to do; so is something else that listens', async () => {
  const silent = net.createServer();
  await new Promise((done) => silent.listen(0, '127.0.0.1', done));
  const { port } = silent.address();
  // It accepts and says nothing (the kernel does it while this process waits for orbitctl).
  assert.match(fails(3, ['status', '--url', `http://127.0.0.1:${port}`, '--timeout', '0.2']), /no answer within 200 ms/);
  await new Promise((done) => silent.close(done));
  assert.match(fails(3, ['status', '--url', `http://127.0.0.1:${port}`]),
    /cannot reach the node at http:\/\/127\.0\.0\.1:\d+: Connection refused; is it running\? start it with \.\/dev run/);
  assert.match(fails(3, ['status', '--url', 'http://no-such-host.invalid']), /cannot find the node/);
  assert.match(fails(3, ['ready', '--url', `http://127.0.0.1:${port}`, '--wait', '0.3']), /cannot reach/);
});

test('status, workers, plugins, config, metrics and ready show the node', () => {
  const status = ok('status');
  assert.match(status, /^name +admin-test$/m);
  assert.match(status, /^state +ready$/m);
  assert.match(status, new RegExp(`^admin +${node.address} +this machine only; .*$`, 'm'));
  assert.strictEqual(JSON.parse(ok('status', '--json')).pid, node.process.pid);
  const workers = ok('workers').trimEnd().split('\n');
  assert.strictEqual(workers.length, 3);
  assert.match(workers[0], /^WORKER +ACTIVATIONS/);
  assert.match(ok('plugins'), /^admin +orbit\.protocol\.admin +/m);
  assert.strictEqual(JSON.parse(ok('config')).node.name, 'admin-test');
  assert.match(ok('metrics'), /^# TYPE orbit_admin_answers_total counter$/m);
  assert.strictEqual(ok('ready'), 'ready\n');
  assert.strictEqual(ok('ready', '--wait', '5'), 'ready\n');
});

test('columns are aligned and nothing is cut when the output is a pipe', () => {
  const lines = ok('plugins').trimEnd().split('\n');
  const column = lines[0].indexOf('VERSION');
  for (const line of lines.slice(1)) {
    assert.match(line.slice(column), /^\d+\.\d+\.\d+ /);
    assert.strictEqual(line[column - 1], ' ');
  }
  assert.ok(!lines.join('').includes('…'));
  assert.ok(lines.some((line) => line.includes(path.join(BUILD, 'lib/orbit/plugins'))));
});

test('a module is loaded by a relative path, its actors are called, seen and sent away, and it retires', async () => {
  const loaded = run(['module', 'load', path.basename(COUNTER)], { cwd: path.dirname(COUNTER), env: { ORBIT_URL: node.url } });
  assert.strictEqual(loaded.code, 0, loaded.err);
  assert.match(loaded.out, /actors\.counter .* active .*counter\.Counter/);
  assert.match(ok('types'), /^counter\.Counter +actors\.counter .*Add, Bump, Get, Reset/m);

  assert.strictEqual(ok('call', TYPE, 'k', 'Add', '{"by": 5}'), '{\n  "value": "5"\n}\n');
  assert.strictEqual(ok('call', '--json', TYPE, 'k', 'Get'), '{"value":"5"}\n');
  assert.match(ok('call', TYPE, '--json', '--', '-dash', 'Add', '{"by":1}'), /"1"/);
  for (let i = 0; i < 5; ++i) ok('call', TYPE, `a/b %${i} ä`, 'Add', '{"by":1}');

  assert.match(ok('inspect', TYPE, 'k'), /^key +k$/m);
  assert.strictEqual(JSON.parse(ok('inspect', TYPE, 'a/b %1 ä', '--json')).key, 'a/b %251 %C3%A4');
  const all = JSON.parse(ok('activations', '--type', TYPE, '--json'));
  assert.strictEqual(all.activations.length, 7);
  assert.strictEqual(all.next_cursor, null);
  const some = run(['activations', '--limit', '3'], { env: { ORBIT_URL: node.url } });
  assert.strictEqual(some.out.trimEnd().split('\n').length, 4);
  const cursor = /--cursor (\S+) to go on/.exec(some.err)[1];
  const rest = JSON.parse(ok('activations', '--json', '--cursor', cursor));
  assert.strictEqual(rest.activations.length, 4);
  assert.strictEqual(ok('activations', '--type', 'no.Such'), 'no activations\n');

  ok('deactivate', TYPE, 'k');
  await eventually(() => run(['inspect', TYPE, 'k'], { env: { ORBIT_URL: node.url } }).code === 1 || undefined,
    () => 'the activation stays');
  assert.match(ok('call', TYPE, 'k', 'Get'), /"5"/);

  assert.match(ok('modules'), /^actors\.counter .* active /m);
  assert.strictEqual(ok('module', 'retire', 'actors.counter'), 'retired actors.counter\n');
  assert.match(fails(1, ['call', TYPE, 'k', 'Get']), /no actor type counter\.Counter.*\[NOT_FOUND\]/);
});

test('what the node refuses is 1, with its words and its code', () => {
  assert.match(fails(1, ['call', 'no.Such', 'k', 'Get']), /no\.Such.*\[NOT_FOUND\]\n$/);
  assert.match(fails(1, ['module', 'load', 'no-such-file.so']), new RegExp(path.join(folder, 'no-such-file.so')));
  assert.match(fails(1, ['log', 'nothing', 'debug']), /no logger 'nothing'/);
  assert.match(fails(1, ['log', 'loud']), /trace, debug, info, warn, error/);
  const json = run(['inspect', 'no.Such', 'k', '--json'], { env: { ORBIT_URL: node.url } });
  assert.strictEqual(json.code, 1);
  assert.strictEqual(JSON.parse(json.out).code, 'NOT_FOUND');
});

test('an output that takes nothing is 1, not a silent success', () => {
  const full = fs.openSync('/dev/full', 'w');
  const ended = spawnSync(ORBITCTL, ['metrics', '--url', node.url], { stdio: ['ignore', full, 'pipe'], encoding: 'utf8' });
  fs.closeSync(full);
  assert.strictEqual(ended.status, 1);
  assert.match(ended.stderr, /cannot write to standard output/);
});

test('log levels are shown and set', () => {
  ok('log', 'admin', 'debug');
  assert.match(ok('log'), /^admin +debug$/m);
  ok('log', 'warn');
  assert.strictEqual(JSON.parse(ok('log', '--json')).loggers.admin, 'warn');
  assert.match(ok('log', 'info'), /^\(default\) +info$/m);
});

test('the token comes from --token or ORBIT_TOKEN', () => {
  const env = { ORBIT_URL: guarded.url };
  assert.match(fails(1, ['status'], { env }), /asks for a token.*\[UNAUTHENTICATED\] \(give it with --token or ORBIT_TOKEN\)/);
  assert.match(fails(1, ['status', '--token', 'wrong'], { env }), /the token is wrong/);
  assert.strictEqual(run(['status', '--token', TOKEN], { env }).code, 0);
  assert.strictEqual(run(['status'], { env: { ...env, ORBIT_TOKEN: TOKEN } }).code, 0);
  assert.strictEqual(run(['ready'], { env }).code, 0);
  assert.strictEqual(run(['status', '--url', `${guarded.url}/`, '--token', TOKEN]).code, 0);
});

test('ready --wait sees a node become ready that is only just starting', async () => {
  const probe = net.createServer();
  await new Promise((done) => probe.listen(0, '127.0.0.1', done));
  const { port } = probe.address();
  await new Promise((done) => probe.close(done));
  const starting = NodeProcess.start({ admin: { listen: `127.0.0.1:${port}` } });
  const ended = run(['ready', '--wait', '60', '--url', `http://127.0.0.1:${port}`]);
  await (await starting).stop();
  assert.strictEqual(ended.code, 0, ended.err);
});

test('new makes a project with the name filled in, once, and tells what to do next', () => {
  const made = run(['new', 'actor', 'bank_clerk']);
  assert.strictEqual(made.code, 0, made.err);
  assert.match(made.out, /^made bank_clerk\/\n[^]*\n {2}cd bank_clerk\n[^]*orbitctl module load build\/bank_clerk\.so\n/);
  const files = fs.readdirSync(path.join(folder, 'bank_clerk'));
  assert.ok(files.includes('bank_clerk.proto') && files.includes('CMakeLists.txt'), files.join());
  for (const file of files) {
    const text = fs.readFileSync(path.join(folder, 'bank_clerk', file), 'utf8');
    assert.ok(!/@name@/i.test(text), file);
    assert.ok(made.out.includes(`  ${file}\n`), file);
  }
  assert.match(fs.readFileSync(path.join(folder, 'bank_clerk/bank_clerk.cpp'), 'utf8'), /class BankClerk/);
  assert.match(fails(1, ['new', 'actor', 'bank_clerk'], {}), /exists already; nothing was written/);

  const unknown = fails(2, ['new', 'plugin', 'nonsense', 'mine'], {});
  const kinds = /kinds: (.*)\n$/.exec(unknown)[1].split(' ');
  assert.ok(kinds.includes('storage'), unknown);
  for (const kind of kinds) {
    const plugin = run(['new', 'plugin', kind, `my_${kind}`]);
    assert.strictEqual(plugin.code, 0, plugin.err);
    assert.ok(fs.existsSync(path.join(folder, `my_${kind}`, 'CMakeLists.txt')));
  }
});
