import { existsSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { API_FILE, NotNowError, SOCKET_FILE, startControl, TOKEN_FILE } from '../../src/control/index.ts'
import { LIMITS } from '../../src/control/limits.ts'
import { statusSchema } from '../../src/control/schemas.ts'
import { createEvents } from '../../src/observe/index.ts'
import { fakeNode, OTHER_TASK, STATUS, TASK } from './fake-node.ts'
import { controlOfSuite } from './suite.ts'

describe('control: the API', () => {
  const suite = controlOfSuite()

  /** Bytes as they are, and all that comes back. */
  const raw = (text: string, end = true) =>
    new Promise<string>((resolve) => {
      let got = ''
      const socket = connect({ host: '127.0.0.1', port: Number(new URL(suite().control.url).port) })
      socket.on('data', (part) => {
        got += part
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(got))
      end ? socket.end(text) : socket.write(text)
    })

  it('tells the status as its schema has it, over TCP and over the socket', async () => {
    for (const socket of [false, true]) {
      const { status, headers, json } = await suite().ask('/v1/status', { socket })
      expect(status).to.equal(200)
      expect(headers['content-type']).to.match(/^application\/json/)
      expect(headers['cache-control']).to.equal('no-store')
      expect(json).to.deep.equal(STATUS)
    }
  })

  it('tells nothing that its schema does not have, and says so in the log where something is wrong', async () => {
    suite().node.shown = { ...STATUS, secret: 'x' } as typeof STATUS
    expect((await suite().ask('/v1/status')).body).not.to.include('secret')
    suite().node.shown = { ...STATUS, stake: 12 } as unknown as typeof STATUS
    const { status, json } = await suite().ask('/v1/status')
    expect(status).to.equal(500)
    expect(json.error.code).to.equal('internal')
    expect(suite().logged).to.have.length(1)
  })

  it('makes text of others safe to show', async () => {
    suite().node.shown = { ...STATUS, taskName: 'a\x1b[2Jb\u202e' }
    const { body, json } = await suite().ask('/v1/status')
    expect(body).to.include('\\u001b').and.not.include('\x1b').and.not.include('\u202e')
    expect(json.taskName).to.equal('a\x1b[2Jb\u202e')
  })

  it('has everything of a task under its address', async () => {
    const { ask } = suite()
    expect((await ask('/v1/tasks')).json.tasks.map(({ task }: { task: string }) => task)).to.deep.equal([TASK])
    expect((await ask(`/v1/tasks/${TASK}`)).json.taskName).to.equal('count')
    expect((await ask(`/v1/tasks/${TASK}/cycles`)).json.cycles.map(({ cycle }: { cycle: number }) => cycle)).to.deep.equal([3, 2, 1])
    expect((await ask(`/v1/tasks/${TASK}/cycles?limit=1`)).json.cycles).to.have.length(1)
    expect((await ask('/v1/peers')).json.peers[0].peerId).to.equal('12D3')
    for (const path of ['', '/cycles', '/pause', '/resume']) {
      const { status, json } = await ask(`/v1/tasks/${OTHER_TASK}${path}`, {
        method: ['/pause', '/resume'].includes(path) ? 'POST' : 'GET'
      })
      expect([status, json?.error.code], path).to.deep.equal([404, 'no-such-task'])
    }
  })

  it('pauses a task and goes on, and doing it twice is as doing it once', async () => {
    const { ask, node } = suite()
    for (let i = 0; i < 2; i++) {
      expect((await ask(`/v1/tasks/${TASK}/pause`, { method: 'POST' })).json).to.deep.equal({ task: TASK, paused: node.paused })
      expect(node.paused?.from).to.equal(4)
    }
    expect((await ask(`/v1/tasks/${TASK}`)).json.paused).to.deep.equal(node.paused)
    for (let i = 0; i < 2; i++) {
      const body = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }
      expect((await ask(`/v1/tasks/${TASK}/resume`, body)).json).to.deep.equal({ task: TASK, paused: null })
    }
    // looking changes nothing
    expect((await ask(`/v1/tasks/${TASK}/pause`)).status).to.equal(404)
    expect(node.paused).to.equal(null)
  })

  it('says why something cannot be done now', async () => {
    const { ask, node } = suite()
    node.pause = () => Promise.reject(new NotNowError('the disk is full: make room'))
    const { status, json } = await ask(`/v1/tasks/${TASK}/pause`, { method: 'POST' })
    expect([status, json]).to.deep.equal([503, { error: { code: 'not-now', message: 'the disk is full: make room' } }])
  })

  it('says what is wrong with what was sent, in one form', async () => {
    const { ask } = suite()
    const json = { 'content-type': 'application/json' }
    const cases: Array<[path: string, asked: Parameters<typeof ask>[1], status: number, code: string, says: RegExp]> = [
      ['/v1/nothing', {}, 404, 'not-found', /openapi/],
      ['/nothing', {}, 404, 'not-found', /openapi/],
      ['/v1/tasks/short', {}, 400, 'bad-request', /task: should be the address/],
      [`/v1/tasks/${'1'.repeat(300)}`, {}, 400, 'bad-request', /path/],
      ['/v1/tasks/%zz', {}, 400, 'bad-request', /path/],
      [`/v1/tasks/${TASK}/cycles?limit=0`, {}, 400, 'bad-request', /limit/],
      [`/v1/tasks/${TASK}/cycles?limit=101`, {}, 400, 'bad-request', /limit/],
      [`/v1/tasks/${TASK}/cycles?limit=many`, {}, 400, 'bad-request', /limit/],
      [`/v1/tasks/${TASK}/cycles?lmit=1`, {}, 400, 'bad-request', /lmit/],
      ['/v1/events?from=then', {}, 400, 'bad-request', /from/],
      ['/v1/events', { headers: { 'last-event-id': 'x' } }, 400, 'bad-request', /last-event-id/],
      [`/v1/tasks/${TASK}/pause`, { method: 'POST', body: '{"x":1}', headers: json }, 400, 'bad-request', /x/],
      [`/v1/tasks/${TASK}/pause`, { method: 'POST', body: '{', headers: json }, 400, 'bad-request', /JSON/],
      [`/v1/tasks/${TASK}/pause`, { method: 'POST', body: 'a=b', headers: { 'content-type': 'text/csv' } }, 415, 'bad-request', /json/],
      [`/v1/tasks/${TASK}/pause`, { method: 'POST', body: JSON.stringify('x'.repeat(2000)), headers: json }, 413, 'body-too-large', /1024/]
    ]
    for (const [path, asked, status, code, says] of cases) {
      const answer = await ask(path, asked)
      expect([answer.status, answer.json?.error.code], `${path} ${answer.body}`).to.deep.equal([status, code])
      expect(answer.json.error.message).to.match(says)
    }
    expect(suite().node.paused).to.equal(null)
    expect(suite().logged).to.deep.equal([])
  })

  it('reads no head without end, and nothing that is no HTTP', async () => {
    const host = new URL(suite().control.url).host
    expect(await raw(`GET /v1/status HTTP/1.1\r\nHost: ${host}\r\nX: ${'x'.repeat(LIMITS.headerBytes + 1)}\r\n\r\n`)).to.match(
      /^HTTP\/1\.1 431 [\s\S]*"code":"headers-too-large"/
    )
    expect(await raw('\x16\x03\x01 hello\r\n\r\n')).to.match(/^HTTP\/1\.1 400 [\s\S]*"code":"bad-request"/)
  })

  it('answers so many requests of a connection and no more, however many are sent ahead of their answers', async () => {
    const { host } = new URL(suite().control.url)
    const answers = await raw(`GET /status HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(300))
    expect(answers.match(/HTTP\/1\.1 200/g)).to.have.length(LIMITS.requests)
  })

  it('is closed to web pages: by a name as Host, by an Origin, by what browsers say', async () => {
    const { ask, control } = suite()
    const { port } = new URL(control.url)
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, '127.0.0.1']) {
      expect((await ask('/v1/status', { headers: { host } })).status, host).to.equal(200)
    }
    for (const path of ['/healthz', '/status', '/v1/status', '/v1/events', '/v1/openapi.json']) {
      for (const host of [`evil.example:${port}`, 'evil.example', '127.0.0.1.evil.example', 'localhost.evil.example', '10.0.0.1']) {
        const { status, json } = await ask(path, { headers: { host } })
        expect([status, json?.error.code], `${path} ${host}`).to.deep.equal([403, 'host-refused'])
      }
      for (const head of ['Host: \r\n', 'Host: a\r\nHost: 127.0.0.1\r\n', '']) {
        expect(await raw(`GET ${path} HTTP/1.1\r\n${head}Connection: close\r\n\r\n`), head).to.match(/^HTTP\/1\.1 40[03] /)
      }
      const pages: Array<Record<string, string>> = [
        { origin: 'https://evil.example' },
        { origin: 'null' },
        { origin: control.url },
        { 'sec-fetch-site': 'cross-site' },
        { 'sec-fetch-site': 'same-origin' }
      ]
      for (const headers of pages) {
        const answer = await ask(path, { headers })
        expect([answer.status, answer.json?.error.code], `${path} ${JSON.stringify(headers)}`).to.deep.equal([403, 'page-refused'])
        expect(answer.headers['access-control-allow-origin']).to.equal(undefined)
      }
    }
    const preflight = await ask(`/v1/tasks/${TASK}/pause`, {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' }
    })
    expect(preflight.status).to.equal(403)
  })

  it('asks for the token everywhere below /v1, and takes no other', async () => {
    const { ask, token } = suite()
    const paths = [
      '/v1/status',
      '/v1/tasks',
      `/v1/tasks/${TASK}`,
      `/v1/tasks/${TASK}/cycles`,
      '/v1/peers',
      '/v1/events',
      '/v1/openapi.json'
    ]
    for (const path of paths) {
      const without = await ask(path, { token: null })
      expect([without.status, without.json?.error.code], path).to.deep.equal([401, 'token-missing'])
      expect(without.json.error.message).to.include(TOKEN_FILE).and.not.include(token)
    }
    for (const verb of ['pause', 'resume']) {
      expect((await ask(`/v1/tasks/${TASK}/${verb}`, { token: null, method: 'POST' })).status).to.equal(401)
    }
    for (const wrong of [token.slice(0, -1), `${token}x`, token.toLowerCase(), 'x', 'x'.repeat(1000)]) {
      const { status, json } = await ask('/v1/status', { token: wrong })
      expect([status, json?.error.code], wrong).to.deep.equal([401, 'token-wrong'])
    }
    for (const authorization of [token, `Basic ${token}`, 'Bearer', 'Bearer ']) {
      expect((await ask('/v1/status', { token: null, headers: { authorization } })).status, authorization).to.equal(401)
    }
    // in no URL either
    expect((await ask(`/v1/status?token=${token}`, { token: null })).status).to.equal(401)
    expect((await ask('/v1/status', { token: null, socket: true })).status).to.equal(401)
    expect(suite().node.paused).to.equal(null)
  })

  it('tells supervisors without a token whether the node works, and why not', async () => {
    const { ask, node } = suite()
    const sick = await ask('/healthz', { token: null })
    expect([sick.status, sick.json]).to.deep.equal([503, { ok: false, reason: 'no stake in the task' }])
    node.health = { ok: true, reason: 'working' }
    expect((await ask('/healthz', { token: null })).status).to.equal(200)
    expect((await ask('/status', { token: null })).json).to.deep.equal((await ask('/v1/status')).json)
    expect((await ask('/status', { token: null, method: 'POST' })).status).to.equal(404)
  })

  it('leaves its address and a token of its own where the commands find them, for this user alone, as long as it runs', async () => {
    const { dir, control, token } = suite()
    const at = (name: string) => join(dir, name)
    expect(JSON.parse(await readFile(at(API_FILE), 'utf8'))).to.deep.equal({ url: control.url, pid: process.pid, socket: SOCKET_FILE })
    expect(token).to.match(/^[\w-]{43}$/)
    for (const name of [API_FILE, TOKEN_FILE, SOCKET_FILE]) {
      expect((await stat(at(name))).mode & 0o777, name).to.equal(0o600)
    }
    await control.stop()
    for (const name of [API_FILE, TOKEN_FILE, SOCKET_FILE]) {
      expect(existsSync(at(name)), name).to.equal(false)
    }
    // what a killed node left is no obstacle, and its token is worth nothing
    await Promise.all([API_FILE, TOKEN_FILE, SOCKET_FILE].map((name) => writeFile(at(name), token)))
    const again = await startControl({
      port: 0,
      dataDir: dir,
      node: fakeNode(),
      events: createEvents({ slot: () => 1, node: 'n' }),
      log: {} as never
    })
    try {
      expect(await readFile(at(TOKEN_FILE), 'utf8')).not.to.equal(token)
      const stale = await fetch(`${again.url}/v1/status`, { headers: { authorization: `Bearer ${token}` } })
      expect(stale.status).to.equal(401)
      // fetch is no web page
      const fresh = { authorization: `Bearer ${await readFile(at(TOKEN_FILE), 'utf8')}` }
      expect(statusSchema.parse(await (await fetch(`${again.url}/v1/status`, { headers: fresh })).json())).to.deep.equal(STATUS)
    } finally {
      await again.stop()
    }
  })

  it('names a port that is in use, and what to do; and leaves the other one’s files alone', async () => {
    const { control, dir, token } = suite()
    const { port } = new URL(control.url)
    let refused: Error | undefined
    await startControl({
      port: Number(port),
      dataDir: dir,
      node: fakeNode(),
      events: createEvents({ slot: () => 1, node: 'n' }),
      log: {} as never
    }).catch((err) => {
      refused = err
    })
    expect(refused?.name).to.equal('ApiError')
    expect(refused?.message).to.match(new RegExp(`port ${port} .* in use.*--api-port`))
    expect(JSON.parse(await readFile(join(dir, API_FILE), 'utf8')).url).to.equal(control.url)
    expect(await readFile(join(dir, TOKEN_FILE), 'utf8')).to.equal(token)
  })
})
