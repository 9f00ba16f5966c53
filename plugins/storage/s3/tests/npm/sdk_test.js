// SPDX-License-Identifier: MIT OR BSD-3-Clause
// The strict S3 server of the tests, held against Amazon's own client: what that accepts and refuses is what S3 does.
'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const { after, before, test } = require('node:test');

const {
  AbortMultipartUploadCommand, CompleteMultipartUploadCommand, CreateMultipartUploadCommand, DeleteObjectCommand,
  GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client, UploadPartCommand,
} = require('@aws-sdk/client-s3');

const Bucket = 'bucket';
let server;
let endpoint;
let s3;

const client = (settings = {}) =>
  new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 3,
    credentials: { accessKeyId: 'AKIDTESTS', secretAccessKey: 'secret/of+tests' },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...settings,
  });
const text = async (answer) => answer.Body.transformToString();
const putObject = (more) => s3.send(new PutObjectCommand({ Bucket, ...more }));
const fails = (promise, name, status) =>
  assert.rejects(promise, (error) => {
    assert.strictEqual(error.name, name, error.stack);
    assert.strictEqual(error.$metadata.httpStatusCode, status);
    return true;
  });
const control = (body) => fetch(`${endpoint}/_control`, { method: 'POST', body: JSON.stringify(body) });

before(async () => {
  server = spawn(process.env.ORBIT_PYTHON, ['-B', process.env.ORBIT_S3_SERVER], { stdio: ['pipe', 'pipe', 'inherit'] });
  endpoint = await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.stdout.once('data', (data) => resolve(String(data).trim()));
  });
  s3 = client();
});
after(async () => {
  s3?.destroy();
  server?.stdin.end();
  if (server) await new Promise((resolve) => server.once('exit', resolve));
});

test('objects come back as they were put, whole and in part', async () => {
  const Key = 'a folder/näme & <more>+%20';
  const put = await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'hello, world' }));
  assert.match(put.ETag, /^"[0-9a-f]{32}"$/);
  const got = await s3.send(new GetObjectCommand({ Bucket, Key }));
  assert.strictEqual(await text(got), 'hello, world');
  assert.strictEqual(got.ETag, put.ETag);
  const part = await s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=7-11' }));
  assert.strictEqual(await text(part), 'world');
  assert.strictEqual(part.ContentRange, 'bytes 7-11/12');
  await fails(s3.send(new GetObjectCommand({ Bucket, Key, Range: 'bytes=50-60' })), 'InvalidRange', 416);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
  assert.strictEqual(head.ContentLength, 12);
  await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  await fails(s3.send(new GetObjectCommand({ Bucket, Key })), 'NoSuchKey', 404);
  await fails(s3.send(new GetObjectCommand({ Bucket: 'nobodys', Key })), 'NoSuchBucket', 404);
});

test('writes happen only if their condition holds', async () => {
  const Key = 'conditional';
  const first = await putObject({ Key, Body: '1', IfNoneMatch: '*' });
  await fails(putObject({ Key, Body: '2', IfNoneMatch: '*' }), 'PreconditionFailed', 412);
  await fails(putObject({ Key, Body: '2', IfMatch: '"0"' }), 'PreconditionFailed', 412);
  await fails(putObject({ Key: 'absent', Body: '2', IfMatch: first.ETag }), 'NoSuchKey', 404);
  const second = await putObject({ Key, Body: '2', IfMatch: first.ETag });
  await fails(putObject({ Key, Body: '3', IfMatch: first.ETag }), 'PreconditionFailed', 412);
  assert.strictEqual(await text(await s3.send(new GetObjectCommand({ Bucket, Key, IfMatch: second.ETag }))), '2');
});

test('listings have pages, a prefix and a place to start after', async () => {
  for (let i = 10; i < 17; ++i) await s3.send(new PutObjectCommand({ Bucket, Key: `list/${i}`, Body: 'x'.repeat(i) }));
  const keys = [];
  let ContinuationToken;
  let pages = 0;
  do {
    const asked = { Bucket, Prefix: 'list/', StartAfter: 'list/10', MaxKeys: 2, ContinuationToken };
    const page = await s3.send(new ListObjectsV2Command(asked));
    for (const { Key, Size } of page.Contents) keys.push([Key, Size]);
    ContinuationToken = page.NextContinuationToken;
    ++pages;
  } while (ContinuationToken);
  assert.deepStrictEqual(keys, [11, 12, 13, 14, 15, 16].map((i) => [`list/${i}`, i]));
  assert.strictEqual(pages, 3);
});

test('an upload in parts is put together, and one that is aborted is gone', async () => {
  const Key = 'parts';
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key, ServerSideEncryption: 'AES256' }));
  const parts = [];
  for (const [i, Body] of ['a'.repeat(5 << 20), 'b'].entries()) {
    const { ETag } = await s3.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: i + 1, Body }));
    parts.push({ ETag, PartNumber: i + 1 });
  }
  const upload = { Bucket, Key, UploadId };
  const complete = (Parts) => s3.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }));
  await fails(complete([parts[1], parts[0]]), 'InvalidPartOrder', 400);
  const done = await complete(parts);
  assert.match(done.ETag, /-2"$/);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key }));
  assert.strictEqual(head.ContentLength, (5 << 20) + 1);
  assert.strictEqual(head.ServerSideEncryption, 'AES256');
  const begun = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'aborted' }));
  const other = { Bucket, Key: 'aborted', UploadId: begun.UploadId };
  await s3.send(new AbortMultipartUploadCommand(other));
  await fails(s3.send(new UploadPartCommand({ ...other, PartNumber: 1, Body: 'x' })), 'NoSuchUpload', 404);
});

test('an object with a customer key can be read with that key only', async () => {
  const key = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: Buffer.alloc(32, 'k') };
  await s3.send(new PutObjectCommand({ Bucket, Key: 'own', Body: 'secret', ...key }));
  assert.strictEqual(await text(await s3.send(new GetObjectCommand({ Bucket, Key: 'own', ...key }))), 'secret');
  await fails(s3.send(new GetObjectCommand({ Bucket, Key: 'own' })), 'InvalidRequest', 400);
});

test('wrong secrets, unknown keys and clocks that are far off are refused', async () => {
  const Key = 'a';
  const put = (settings) => client(settings).send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
  const as = (accessKeyId, secretAccessKey, sessionToken) =>
    put({ credentials: { accessKeyId, secretAccessKey, sessionToken } });
  await fails(as('AKIDTESTS', 'wrong'), 'SignatureDoesNotMatch', 403);
  await fails(as('UNKNOWN', 'x'), 'InvalidAccessKeyId', 403);
  await fails(as('AKIDTESTS', 'secret/of+tests', 'no'), 'InvalidToken', 400);
  await fails(put({ region: 'eu-west-1' }), 'AuthorizationHeaderMalformed', 400);
});

test('what the server fails with on demand is what the SDK knows as worth another try', async () => {
  for (const action of ['500', '503', 'drop', 'lost']) {
    await control({ faults: [{ match: 'PUT .*/again', action, count: 1 }] });
    const put = await s3.send(new PutObjectCommand({ Bucket, Key: 'again', Body: action }));
    assert.strictEqual(put.$metadata.attempts, 2, action);
  }
  assert.strictEqual(await text(await s3.send(new GetObjectCommand({ Bucket, Key: 'again' }))), 'lost');
});
