import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { API_FILE, startApi } from '../../src/node/api.ts'

describe('node: the status API', () => {
  let dir: string
  let api: Awaited<ReturnType<typeof startApi>>
  let health = { ok: false, reason: 'no stake in the task' }
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'koii-mesh-api-'))
    api = await startApi({ port: 0, dataDir: dir, status: async () => ({ stake: 12n, slot: 3 }), healthy: () => health })
  })
  afterEach(async () => {
    await api.stop()
    await rm(dir, { recursive: true })
  })

  /** fetch does not let one choose the Host. */
  const as = (host: string) =>
    new Promise<{ status: number; body: string }>((resolve, reject) => {
      request(`${api.url}/status`, { headers: { host } }, (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += chunk
        })
        response.on('end', () => resolve({ status: response.statusCode!, body }))
      })
        .on('error', reject)
        .end()
    })

  it('tells the status as JSON, amounts as text', async () => {
    const response = await fetch(`${api.url}/status`)
    expect(response.status).to.equal(200)
    expect(response.headers.get('content-type')).to.match(/^application\/json/)
    expect(await response.json()).to.deep.equal({ stake: '12', slot: 3 })
  })

  it('tells monitors whether the node works, and why not', async () => {
    const sick = await fetch(`${api.url}/healthz`)
    expect(sick.status).to.equal(503)
    expect(await sick.json()).to.deep.equal(health)
    health = { ok: true, reason: 'working' }
    expect((await fetch(`${api.url}/healthz`)).status).to.equal(200)
  })

  it('is closed to web pages and to what is not on this machine', async () => {
    const { hostname, port } = new URL(api.url)
    expect(hostname).to.equal('127.0.0.1')
    expect((await as(`localhost:${port}`)).status).to.equal(200)
    for (const host of [`evil.example:${port}`, 'evil.example', '127.0.0.1.evil.example']) {
      const { status, body } = await as(host)
      expect(status, host).to.be.oneOf([400, 403])
      expect(body).not.to.include('12')
    }
    const cross = await fetch(`${api.url}/status`, { headers: { origin: 'https://evil.example' } })
    expect(cross.headers.get('access-control-allow-origin')).to.equal(null)
    expect((await fetch(`${api.url}/status`, { method: 'POST', body: '{}' })).status).to.be.within(400, 499)
  })

  it('leaves its address where the CLI finds it, as long as it runs', async () => {
    const file = join(dir, API_FILE)
    expect(JSON.parse(await readFile(file, 'utf8'))).to.deep.equal({ url: api.url, pid: process.pid })
    expect((await stat(file)).mode & 0o777).to.equal(0o600)
    await api.stop()
    expect(existsSync(file)).to.equal(false)
  })

  it('names a port that is in use, and what to do; and leaves the other one’s address alone', async () => {
    const { port } = new URL(api.url)
    let refused: Error | undefined
    await startApi({ port: Number(port), dataDir: dir, status: async () => ({}), healthy: () => health }).catch((err) => {
      refused = err
    })
    expect(refused?.name).to.equal('ApiError')
    expect(refused?.message).to.match(new RegExp(`port ${port} .* in use.*--api-port`))
    expect(JSON.parse(await readFile(join(dir, API_FILE), 'utf8')).url).to.equal(api.url)
  })
})
