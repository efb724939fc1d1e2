/** Tasks that come and go while a node runs. */
import { expect } from 'chai'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/control/app.ts'
import { ask as askNode, doorOf } from '../../src/control/client.ts'
import { NotNowError, TaskRefusedError } from '../../src/control/index.ts'
import { LIMITS } from '../../src/control/limits.ts'
import { removedSchema, statusSchema, taskSchema } from '../../src/control/schemas.ts'
import { createStreams } from '../../src/control/stream.ts'
import { createEvents } from '../../src/observe/index.ts'
import { ACTS } from '../e2e/terminal.ts'
import { failedTask, fakeNode, OTHER_TASK, STATUS, TASK, taskStatus } from './fake-node.ts'
import { controlOfSuite } from './suite.ts'

const JSON_BODY = { 'content-type': 'application/json' }

describe('control: tasks that come and go', () => {
  const suite = controlOfSuite()
  const post = (body: object | string, headers: Record<string, string> = JSON_BODY) =>
    suite().ask('/v1/tasks', { method: 'POST', headers, body: typeof body === 'string' ? body : JSON.stringify(body) })
  const remove = (task: string) => suite().ask(`/v1/tasks/${task}`, { method: 'DELETE' })

  it('are added with settings of their own, and removed, by the token alone', async () => {
    const { ask, node } = suite()
    const asked = {
      ...{ task: OTHER_TASK, key: '/keys/b.json', bundle: 'k2-index', params: { urls: ['https://example.com/'], deep: { a: [1] } } },
      ...{ allowNetwork: true, followBundle: false, applySlashes: false, keepCycles: 4, keepRecords: 'all', quotaMiB: 100 },
      ...{ taskMemoryMiB: 64, taskStoreMiB: 8, maxFee: '0.1', minPeers: 3 }
    }
    for (const [method, path] of [
      ['POST', '/v1/tasks'],
      ['DELETE', `/v1/tasks/${TASK}`]
    ] as const) {
      const body = method === 'POST' ? { headers: JSON_BODY, body: JSON.stringify(asked) } : {}
      expect((await ask(path, { method, token: null, ...body })).status, method).to.equal(401)
    }
    expect(node.added).to.deep.equal([])
    const added = await post(asked)
    expect(added.status, added.body).to.equal(200)
    expect(taskSchema.parse(added.json)).to.include({ task: OTHER_TASK, state: 'running', reason: null })
    expect(node.added).to.deep.equal([asked])
    expect((await ask('/v1/tasks')).json.tasks.map(({ task }: { task: string }) => task)).to.deep.equal([TASK, OTHER_TASK])
    expect((await ask(`/v1/tasks/${OTHER_TASK}/cycles`)).json.task).to.equal(OTHER_TASK)
    expect((await remove(OTHER_TASK)).json).to.deep.equal({ task: OTHER_TASK, configured: false })
    expect((await ask(`/v1/tasks/${OTHER_TASK}`)).status).to.equal(404)
    expect((await remove(OTHER_TASK)).json.error.code).to.equal('no-such-task')
  })

  it('are told by the client, too, over the socket', async () => {
    const door = doorOf(suite().dir)
    const body = JSON.stringify({ task: OTHER_TASK, params: { a: 'ä€😀' } })
    expect((await askNode(door, taskSchema, '/v1/tasks', { method: 'POST', body })).task).to.equal(OTHER_TASK)
    expect(suite().node.added[0]!.params).to.deep.equal({ a: 'ä€😀' })
    expect(await askNode(door, removedSchema, `/v1/tasks/${TASK}`, { method: 'DELETE' })).to.deep.equal({ task: TASK, configured: true })
  })

  it('that there is, or that is the last, is refused with what to do', async () => {
    const { node } = suite()
    const last = await remove(TASK)
    expect([last.status, last.json.error.code]).to.deep.equal([409, 'last-task'])
    expect(last.json.error.message).to.match(/only task.*stop the node/)
    const again = await post({ task: TASK })
    expect([again.status, again.json.error.code]).to.deep.equal([409, 'task-there'])
    node.add = () => Promise.reject(new TaskRefusedError('bad-task', '"key" of the task: there is no such file'))
    expect((await post({ task: OTHER_TASK })).json).to.deep.equal({
      error: { code: 'bad-task', message: '"key" of the task: there is no such file' }
    })
    expect((await post({ task: OTHER_TASK })).status).to.equal(400)
    node.add = () => Promise.reject(new NotNowError('K2 does not answer'))
    expect((await post({ task: OTHER_TASK })).status).to.equal(503)
    expect(suite().logged).to.deep.equal([])
  })

  it('are asked for in bounds, and nothing else is taken', async () => {
    const full = { task: OTHER_TASK }
    const cases: Array<[body: object | string, status: number, says: RegExp]> = [
      [{}, 400, /task: /],
      [{ task: 'short' }, 400, /task: should be the address/],
      [{ task: `${OTHER_TASK}\n` }, 400, /task: /],
      [{ ...full, dataDir: '/x' }, 400, /dataDir/],
      [{ ...full, key: 'relative.json' }, 400, /key: should be an absolute path/],
      [{ ...full, signer: './s.sock' }, 400, /signer: should be an absolute path/],
      [{ ...full, key: `/${'a'.repeat(5000)}` }, 400, /key: /],
      [{ ...full, bundle: '' }, 400, /bundle: /],
      [{ ...full, params: [1] }, 400, /params: /],
      [{ ...full, params: '{"a":1}' }, 400, /params: /],
      [{ ...full, allowNetwork: 'yes' }, 400, /allowNetwork: /],
      [{ ...full, quotaMiB: -1 }, 400, /quotaMiB: /],
      [{ ...full, minPeers: 1.5 }, 400, /minPeers: /],
      [{ ...full, keepRecords: 'most' }, 400, /keepRecords: /],
      [{ ...full, maxFee: '1'.repeat(50) }, 400, /maxFee: /],
      ['', 400, /no body|should be|not as it/],
      ['[]', 400, /./],
      [`{"task":"${OTHER_TASK}","params":{"__proto__":{"x":1}}}`, 400, /./],
      [{ ...full, params: { a: 'x'.repeat(LIMITS.taskBytes) } }, 413, new RegExp(`${LIMITS.taskBytes} bytes at most`)]
    ]
    for (const [body, status, says] of cases) {
      const answer = await post(body)
      const what = `${JSON.stringify(body).slice(0, 100)} ${answer.body}`
      expect(answer.status, what).to.equal(status)
      expect(answer.json.error.message, what).to.match(says)
    }
    expect((await post({ ...full, params: { a: 'x'.repeat(60_000) } })).status).to.equal(200)
    expect(suite().node.added).to.have.length(1)
    expect((await remove('short')).status).to.equal(400)
  })

  it('tell how each of them is, and what is not known of one that failed', async () => {
    const hostile = 'a\x1b[2J\u202e\nstopped'
    const tasks = [taskStatus(), taskStatus({ task: OTHER_TASK, taskName: hostile }), failedTask('1'.repeat(32), `no ${hostile}`)]
    suite().node.shown = { ...STATUS, tasks }
    const { body, json } = await suite().ask('/v1/status')
    expect(statusSchema.parse(json).tasks).to.deep.equal(tasks)
    expect(ACTS.test(body)).to.equal(false)
    expect([json.tasks[2].taskName, json.tasks[2].gossip, json.tasks[2].stake]).to.deep.equal([null, null, null])
  })

  it('a refusal with hostile words is shown clean', async () => {
    suite().node.add = () => Promise.reject(new TaskRefusedError('task-refused', `the task "\x1b[2J\u202e" cannot run`))
    const { body } = await post({ task: OTHER_TASK })
    expect(ACTS.test(body)).to.equal(false)
    const told = await askNode(doorOf(suite().dir), taskSchema, '/v1/tasks', {
      ...{ method: 'POST', body: JSON.stringify({ task: OTHER_TASK }) }
    }).catch((err: Error) => err)
    expect((told as Error).message).to.match(/says: the task "\\x1b\[2J\\u202e" cannot run$/)
    expect((told as Error & { code: string }).code).to.equal('task-refused')
  })
})

describe('control: a task that takes long to start', () => {
  let app: FastifyInstance
  const node = fakeNode()
  before(async () => {
    const streams = createStreams({ events: createEvents({ slot: () => 1, node: 'n' }), every: () => () => {} })
    app = await buildApp({ node, streams, token: 't', tokenFile: 'f', host: '127.0.0.1', log: { error: () => {} } as never })
    // as if half a minute had gone by
    app.server.timeout = 30
    await app.listen({ port: 0, host: '127.0.0.1' })
  })
  after(() => app.close())

  it('is waited for, longer than a connection that stalls', async () => {
    const { port } = app.server.address() as { port: number }
    const headers = { authorization: 'Bearer t', ...JSON_BODY }
    const begun = Promise.withResolvers<void>()
    const runs = Promise.withResolvers<void>()
    const { add } = node
    node.add = async (asked) => {
      begun.resolve()
      await runs.promise
      return add(asked)
    }
    node.status = () => new Promise(() => {})
    const adding = fetch(`http://127.0.0.1:${port}/v1/tasks`, { method: 'POST', headers, body: JSON.stringify({ task: OTHER_TASK }) })
    await begun.promise
    // one that begins later is cut, and this one is not
    const cut = await fetch(`http://127.0.0.1:${port}/v1/status`, { headers }).catch((err: Error) => err)
    expect(cut).to.be.instanceOf(Error)
    runs.resolve()
    expect((await adding).status).to.equal(200)
  })
})
