// SPDX-License-Identifier: MIT OR BSD-3-Clause
// What a node tells about what happens at this moment, over HTTP and through orbitctl.
'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');

const { BUILD, NodeProcess, eventually } = require('./node_process');
const { request } = require('./http_client');
const { Contract } = require('./openapi_contract');

const KNOT = 'knot.Knot';
let node, contract;

const ask = async (target) => {
  const answer = contract.check('GET', target, undefined, await request(node, 'GET', target));
  assert.strictEqual(answer.status, 200, `${target}: ${answer.body}`);
  return answer.json;
};
const call = (key, method, body = {}, query = '', type = KNOT) =>
  request(node, 'POST', `/v1/actors/${type}/${key}/${method}${query}`, { body });
const called = async (...args) => assert.strictEqual((await call(...args)).status, 200);

// Resolves to what orbitctl printed.
function orbitctl(...args) {
  return new Promise((resolve, reject) => {
    const child = spawn(path.join(BUILD, 'bin/orbitctl'), args, { env: { ...process.env, ORBIT_URL: node.url } });
    let out = '', err = '';
    child.stdout.on('data', (part) => { out += part; });
    child.stderr.on('data', (part) => { err += part; });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`orbitctl ${args}: ${code}: ${out}${err}`))));
  });
}

before(async () => {
  node = await NodeProcess.start({ extra: '[limits]\nslow_turn_ms = 40\n' });
  contract = new Contract((await request(node, 'GET', '/openapi.json')).json);
  const loaded = await request(node, 'POST', '/v1/modules', { body: { path: process.env.ORBIT_KNOT_MODULE } });
  assert.strictEqual(loaded.status, 200, loaded.body);
});
after(async () => { await node?.stop(); });

test('a one-way message that nobody handles is listed with its reason', async () => {
  await called('any', 'Lose');
  const seen = await eventually(async () => {
    const { dead_letters, counts } = await ask('/v1/dead-letters');
    return dead_letters.length !== 0 ? { letter: dead_letters[0], counts } : undefined;
  }, () => 'no dead letter');
  assert.strictEqual(seen.letter.type, KNOT);
  assert.strictEqual(seen.letter.key, 'broken');
  assert.strictEqual(seen.letter.method, 'Note');
  assert.match(seen.letter.reason, /this knot is broken/);
  assert.deepStrictEqual(seen.counts, { [seen.letter.code]: 1 });
  assert.match(await orbitctl('dead-letters'), /knot\.Knot +broken +Note +[A-Z_]+ +.*this knot is broken/);
});

test('a turn that waits tells for whom, and the one it waits for by whom it was called', async () => {
  const waiting = call('w', 'Tie', { gate: 'shut', other: 'x' });
  const graph = await eventually(async () => {
    const all = await ask('/v1/waits');
    // Its turn has begun when its method is told; before, the gate comes into memory and the call waits in its mailbox.
    return all.nodes.some((each) => each.type === 'knot.Gate' && each.method) && all.edges.length === 1 ? all : undefined;
  }, () => 'nobody waits');
  const [edge] = graph.edges;
  const [from, to] = [edge.from, edge.to].map((id) => graph.nodes.find((each) => each.id === id));
  assert.deepStrictEqual([from.type, from.key, from.method], [KNOT, 'w', 'Tie']);
  assert.deepStrictEqual(from.waits_for, [{ kind: 'call' }]);
  assert.deepStrictEqual([to.type, to.key, to.method], ['knot.Gate', 'shut', 'Wait']);
  assert.deepStrictEqual(to.waits_for, [{ kind: 'other' }]);
  assert.deepStrictEqual([edge.method, edge.queued, edge.deadlock, graph.deadlocks], ['Wait', false, false, 0]);

  const [tie] = (await ask(`/v1/activations/${KNOT}/w`)).turns;
  assert.deepStrictEqual(tie.waits_for, [{ kind: 'call', type: 'knot.Gate', key: 'shut', method: 'Wait' }]);
  assert.deepStrictEqual(tie.called_by, []);
  const [wait] = (await ask('/v1/activations/knot.Gate/shut')).turns;
  assert.deepStrictEqual(wait.called_by, [{ type: KNOT, key: 'w', method: 'Tie' }]);

  assert.match(await orbitctl('waits'),
    /^knot\.Knot\/w Tie \(.*worker \d\)\n {2}-> knot\.Gate\/shut Wait \(.*\), waits for something of its own\n$/);
  assert.match(await orbitctl('inspect', KNOT, 'w'), /^turns +Tie.*knot\.Gate\/shut Wait/m);
  assert.match(await orbitctl('top', '--once'), /turns that wait[\s\S]*knot\.Knot\/w +Tie +knot\.Gate\/shut Wait/);
  await called('shut', 'Open', {}, '', 'knot.Gate');
  assert.strictEqual((await waiting).status, 200);
  assert.strictEqual(await orbitctl('waits'), 'no turn waits\n');
});

test('two chains that wait for each other are a deadlock, until a deadline ends it', async () => {
  for (const timeout of [4_000, 16_000, 59_000]) {
    const chains = [['a', 'b'], ['b', 'a']].map(([key, other]) =>
      call(key, 'Tie', { gate: 'knot', other }, `?timeout_ms=${timeout}`));
    await eventually(async () => ((await ask('/v1/waits')).edges.length === 2 ? true : undefined), () => 'they do not wait');
    assert.strictEqual((await ask('/v1/waits')).deadlocks, 0);
    await called('knot', 'Open', {}, '', 'knot.Gate');
    let ended = false;
    const end = Promise.all(chains).finally(() => { ended = true; });
    let graph, text;
    while (!ended && graph === undefined) {
      const all = await ask('/v1/waits');
      if (all.deadlocks !== 0) [graph, text] = [all, await orbitctl('waits')];
    }
    const answers = await end;
    if (graph === undefined || !/DEADLOCK/.test(text)) continue;  // this machine is slow today: more time
    assert.strictEqual(graph.deadlocks, 1);
    const circle = graph.edges.filter((edge) => edge.deadlock);
    const name = (id) => graph.nodes.find((each) => each.id === id).key;
    assert.deepStrictEqual(circle.map((edge) => [name(edge.from), name(edge.to), edge.method, edge.queued]).sort(),
      [['a', 'b', 'Touch', true], ['b', 'a', 'Touch', true]]);
    assert.match(text, /=> Touch waits in the mailbox, behind knot\.Knot\/[ab] Tie \(.*\) {2}DEADLOCK/);
    assert.match(text, /^1 deadlock: /m);
    assert.ok(answers.some((answer) => answer.status === 504), answers.map((answer) => answer.body).join());
    await eventually(async () => ((await ask('/v1/waits')).nodes.length === 0 ? true : undefined), () => 'they still wait');
    return;
  }
  assert.fail('the deadlock was never seen');
});

test('a hot actor is found, by calls and by time', async () => {
  await called('presser', 'Press', { other: 'pressed', times: 30_000 });
  for (const by of ['calls', 'time']) {
    const top = await ask(`/v1/top?by=${by}&limit=5`);
    assert.strictEqual(top.by, by);
    assert.ok(top.hot.length <= 5);
    assert.ok(top.hot.some((each) => each.type === KNOT && /^press(ed|er)$/.test(each.key)), JSON.stringify(top.hot));
  }
  const [first] = (await ask('/v1/top')).hot;
  assert.strictEqual(first.key, 'pressed');
  assert.ok(first.calls > 1000, JSON.stringify(first));
  const screen = await orbitctl('top', '--once', '--by', 'calls');
  assert.match(screen, /^admin-test \S+: ready, up .* 2 workers, /);
  assert.match(screen, /^WORKER +ACTORS +TURNS\/S +QUEUED +WAITING +RUNS$/m);
  assert.match(screen, /^hot actors by calls, last .*\nTYPE +KEY .*\nknot\.Knot +pressed /m);
  const json = JSON.parse(await orbitctl('top', '--once', '--json', '--limit', '1'));
  assert.strictEqual(json.top.hot.length, 1);
  assert.strictEqual(json.node.name, 'admin-test');
});

test('top in a pipe goes on until nobody reads', async () => {
  const child = spawn(path.join(BUILD, 'bin/orbitctl'), ['top', '--interval', '0.1'], { env: { ...process.env, ORBIT_URL: node.url } });
  let out = '';
  child.stdout.on('data', (part) => { out += part; });
  const closed = new Promise((done) => child.on('close', (code, signal) => done(signal ?? code)));
  await eventually(() => (out.split('hot actors by').length > 3 ? true : undefined), () => `top stays silent: ${out}`);
  child.stdout.destroy();
  assert.strictEqual(await closed, 'SIGPIPE');
  assert.ok(!out.includes('\x1b'));
});

test('a turn that burns its worker is seen while it does, from the other worker, and is in the list of slow turns', async () => {
  let burner;  // on worker 1: worker 0 accepts connections
  for (let i = 0; burner === undefined; ++i) {
    await called(`k${i}`, 'Touch');
    if ((await ask(`/v1/activations/${KNOT}/k${i}`)).worker === 1) burner = `k${i}`;
  }
  const file = path.join(node.folder, 'enough');
  const burning = call(burner, 'Burn', { until_file: file }, '?timeout_ms=59000');
  // A connection may land on the burning worker, and is answered in the end; the next one lands on the other.
  const late = [];
  const any = (target) => {
    const both = [ask(target), ask(target)];
    late.push(...both);
    return Promise.any(both);
  };
  // A worker that answered just before its turn began is asked again; an earlier turn may have been slow, too.
  const seen = await eventually(
    async () => (await any('/v1/top')).workers.find((worker) => worker.runs !== null && !worker.answers),
    () => 'nobody is seen burning');
  assert.deepStrictEqual([seen.worker, seen.queued], [1, null]);
  assert.deepStrictEqual([seen.runs.type, seen.runs.key, seen.runs.method], [KNOT, burner, 'Burn']);
  const slow = await eventually(
    async () => (await any('/v1/slow-turns')).slow_turns.find((turn) => turn.key === burner && turn.method === 'Burn'),
    () => 'no slow turn');
  assert.deepStrictEqual([slow.type, slow.method, slow.worker, slow.running], [KNOT, 'Burn', 1, true]);
  assert.deepStrictEqual((await any('/v1/waits')).silent_workers, [1]);
  assert.match(await orbitctl('top', '--once'), new RegExp(`^ *1 .*knot\\.Knot/${burner} Burn for .*, and does not answer$`, 'm'));

  fs.writeFileSync(file, '');
  assert.strictEqual((await burning).status, 200);
  await Promise.all(late);
  const over = await eventually(
    async () => (await ask('/v1/slow-turns')).slow_turns.find((turn) => turn.key === burner && turn.method === 'Burn' && !turn.running),
    () => 'the slow turn does not end');
  assert.ok(over.duration_ms >= 40, JSON.stringify(over));
  assert.match(await orbitctl('slow-turns'), new RegExp(`1 +knot\\.Knot +${burner} +Burn +\\S.* no$`, 'm'));
  assert.match(node.log(), new RegExp(`a turn keeps its worker for too long.*knot\\.Knot/${burner}.*Burn`));
  assert.match((await request(node, 'GET', '/metrics')).body, /^orbit_slow_turns_total\{worker="1"\} [1-9]/m);
});

test('actors are found by an index, page by page', async () => {
  const knots = [['n1', 'red', 3, true], ['n2', 'green', -5, false], ['n3', 'red', 10, false], ['n4', '', 7, true]];
  for (const [key, colour, size, loose] of knots) await called(key, 'Paint', { colour, size, loose });
  const built = (indexes) => indexes.every((index) => index.stage === 'ready');
  await eventually(async () => {
    for (const index of ['colour', 'size', 'loose']) await request(node, 'GET', `/v1/types/${KNOT}/indexes/${index}`);
    return built((await ask(`/v1/types/${KNOT}`)).indexes) ? true : undefined;
  }, () => 'the indexes are not built');
  const find = async (index, query) =>
    (await ask(`/v1/types/${KNOT}/indexes/${index}?${query}`)).actors.map((actor) => actor.key);
  assert.deepStrictEqual(await find('colour', 'equals=red'), ['n1', 'n3']);
  assert.deepStrictEqual(await find('colour', 'from=g'), ['n2', 'n1', 'n3']);
  assert.deepStrictEqual(await find('size', 'from=-5&to=10'), ['n2', 'n1', 'n4']);
  assert.deepStrictEqual(await find('size', 'order=descending&limit=2'), ['n3', 'n4']);
  assert.deepStrictEqual((await find('loose', 'equals=true')).sort(), ['n1', 'n4']);
  const page = await ask(`/v1/types/${KNOT}/indexes/size?limit=3`);
  assert.deepStrictEqual(page.actors[2], { key: 'n4', value: '7' });
  assert.deepStrictEqual(await find('size', `limit=3&after=${page.next}`), ['n3']);
  for (const [status, target] of [[404, 'weight'], [400, 'size?equals=big'], [400, 'loose?equals=1'], [400, 'size?after=x']]) {
    const answer = await request(node, 'GET', `/v1/types/${KNOT}/indexes/${target}`);
    assert.strictEqual(contract.check('GET', `/v1/types/${KNOT}/indexes/${target}`, undefined, answer).status, status);
  }

  assert.match(await orbitctl('query', KNOT, 'colour', '--equals', 'red'), /^KEY +VALUE\nn1 +red\nn3 +red\n$/);
  assert.match(await orbitctl('query', KNOT, 'size', '--from=-5', '--to', '10', '--descending'), /^.*\nn4 +7\nn1 +3\nn2 +-5\n$/);
  const json = JSON.parse(await orbitctl('query', KNOT, 'size', '--limit', '3', '--json'));
  assert.strictEqual(JSON.parse(await orbitctl('query', KNOT, 'size', '--after', json.next, '--json')).actors[0].key, 'n3');
  assert.strictEqual(await orbitctl('query', KNOT, 'colour', '--equals', 'blue'), 'no actors\n');
});
