import { createServer, type Server } from 'node:http'
import { expect } from 'chai'
import { type AuditResult, bundlePath, type Outcome, type TaskRunner, type TaskSubmission } from '../../src/tasks/index.ts'
import { type StaticSite, startStaticSite } from '../../src/testnet/static-site.ts'
import { HANGS_MS } from '../cpu.ts'
import { makeRunner, memoryProofs, OTHER, STAKER, type TestRunner } from './support.ts'

const timing = { cycle: 4, startSlot: 120, endSlot: 150, slotMs: 100 }

describe('tasks: site-archive', () => {
  const bundle = { path: bundlePath('site-archive') }
  const proofs = memoryProofs()
  const runners: TaskRunner[] = []
  const answers = new Map<string, { status: number; type: string; body: () => string; location?: string }>()
  let site: StaticSite
  let server: Server
  let own: string
  let params: { urls: string[]; sampledPages: number }
  let maker: TestRunner
  let auditor: TestRunner
  let submission: TaskSubmission
  let count = 0

  before(async () => {
    site = await startStaticSite({ seed: 'site' })
    server = createServer((request, response) => {
      const answer = answers.get(request.url!)
      if (answer == null) {
        request.socket.destroy()
        return
      }
      response.writeHead(answer.status, { 'content-type': answer.type, ...(answer.location == null ? {} : { location: answer.location }) })
      response.end(answer.body())
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    own = `http://127.0.0.1:${(server.address() as { port: number }).port}`
    answers.set('/missing', { status: 404, type: 'text/plain', body: () => 'none' })
    answers.set('/moved', { status: 302, type: 'text/plain', body: () => '', location: '/missing' })
    answers.set('/away', { status: 302, type: 'text/plain', body: () => 'away', location: 'http://169.254.169.254/' })
    answers.set('/circle', { status: 302, type: 'text/plain', body: () => 'round', location: '/circle' })
    answers.set('/clock', { status: 200, type: 'text/plain', body: () => `${count++}` })
    answers.set('/large', { status: 200, type: 'text/plain', body: () => 'x'.repeat(3 * 1024 * 1024) })
    const paths = ['/missing', '/moved', '/away', '/circle', '/clock', '/large']
    params = { urls: [...site.urls, ...paths.map((path) => `${own}${path}`)], sampledPages: 100 }
    maker = await makeRunner({ bundle, proofs, params, allowNetwork: true })
    auditor = await makeRunner({ bundle, proofs, params, allowNetwork: true, staker: OTHER })
    runners.push(maker.runner, auditor.runner)
    expect(await maker.runner.task(timing)).to.deep.equal({ ok: true, value: undefined })
    submission = ((await maker.runner.submission(timing)) as { value: TaskSubmission }).value
  })
  after(async () => {
    await Promise.all(runners.map((runner) => runner.stop()))
    await site.stop()
    server.closeAllConnections()
    server.close()
  })

  const audit = (given: TaskSubmission, { staker = STAKER, runner = auditor.runner } = {}): Promise<Outcome<AuditResult>> =>
    runner.audit({ staker, ...given }, timing, proofs)
  const reason = async (given: TaskSubmission, options = {}) => {
    const outcome = await audit(given, options)
    return outcome.ok ? (outcome.value.valid ? 'valid' : outcome.value.reason) : `${outcome.reason}: ${outcome.detail}`
  }

  type Page = {
    url: string
    status: number
    contentType: string
    sha256: string
    size: number
    path: string
    truncated: boolean
    dynamic: boolean
  }
  type List = { staker: string; cycle: number; urls: string[]; pages: Page[] }
  const signal = AbortSignal.timeout(HANGS_MS)
  async function read(): Promise<{ list: List; files: Map<string, Uint8Array> }> {
    const files = new Map<string, Uint8Array>()
    for (const { path, size } of await proofs.listFiles(submission.proofs[0]!, { signal })) {
      files.set(path, await proofs.readFile(submission.proofs[0]!, path, { offset: 0, length: Math.max(1, size), signal }))
    }
    return { list: JSON.parse(new TextDecoder().decode(files.get('manifest.json'))), files }
  }
  async function write(list: List, files: Map<string, Uint8Array>, change: Record<string, unknown> = {}): Promise<TaskSubmission> {
    const all = new Map([...files, ['manifest.json', Buffer.from(JSON.stringify(list))]])
    const cid = await proofs.putFiles(
      [...all].map(([path, content]) => ({ path, content })),
      { signal }
    )
    const bytes = list.pages.reduce((sum, { size }) => sum + size, 0)
    return { value: JSON.stringify({ ...JSON.parse(submission.value), bytes, cid, ...change }), proofs: [cid] }
  }
  const digest = async (content: Uint8Array) => Buffer.from(await crypto.subtle.digest('SHA-256', new Uint8Array(content))).toString('hex')

  it('archives what the sites answer', async () => {
    const { list, files } = await read()
    expect(list).to.deep.include({ staker: STAKER, cycle: 4, urls: params.urls })
    const of = (path: string) => list.pages.find(({ url }) => url === `${own}${path}`)!
    expect(of('/missing')).to.deep.include({ status: 404, size: 4, dynamic: false })
    expect(of('/moved')).to.deep.include({ status: 404, sha256: of('/missing').sha256 })
    expect(of('/away')).to.deep.include({ status: 302, size: 4 })
    expect(of('/circle').status).to.equal(302)
    expect(of('/clock').dynamic).to.equal(true)
    expect(of('/large')).to.deep.include({ truncated: true, size: 1024 * 1024 })
    expect(list.pages.filter(({ dynamic }) => dynamic)).to.have.length(1)
    for (const { path, sha256, url } of list.pages) {
      expect(await digest(files.get(path)!), url).to.equal(sha256)
    }
    expect(new TextDecoder().decode(files.get('pages/0000'))).to.match(/<title>Index/)
    expect(Buffer.byteLength(submission.value)).to.be.at.most(512)
  })

  it('passes the audit', async () => {
    expect(await reason(submission)).to.equal('valid')
  })

  it('the same site twice is the same', async () => {
    const again = await startStaticSite({ seed: 'site' })
    const other = await startStaticSite({ seed: 'other' })
    const body = async (url: string) => (await fetch(url)).text()
    const [page, same, different] = await Promise.all([site, again, other].map(({ urls }) => body(urls[2]!)))
    expect(page).to.equal(same)
    expect(page).not.to.equal(different)
    await Promise.all([again.stop(), other.stop()])
  })

  describe('finds', () => {
    it("a copy of another's archive", async () => {
      expect(await reason(submission, { staker: OTHER })).to.match(/made by/)
    })
    it('another page, hashed rightly', async () => {
      const { list, files } = await read()
      const content = Buffer.from('a page of mine')
      files.set(list.pages[1]!.path, content)
      Object.assign(list.pages[1]!, { sha256: await digest(content), size: content.length })
      expect(await reason(await write(list, files))).to.match(/has other content than the archive/)
    })
    it('another page, called dynamic', async () => {
      const { list, files } = await read()
      const content = Buffer.from('a page of mine')
      files.set(list.pages[1]!.path, content)
      Object.assign(list.pages[1]!, { sha256: await digest(content), size: content.length, dynamic: true })
      expect(await reason(await write(list, files))).to.match(/has other content than the archive/)
    })
    it('a file that is not as the manifest says', async () => {
      const { list, files } = await read()
      const content = new Uint8Array(files.get(list.pages[1]!.path)!)
      content[0]! ^= 1
      files.set(list.pages[1]!.path, content)
      expect(await reason(await write(list, files))).to.match(/another hash/)
    })
    it('a missing file', async () => {
      const { list, files } = await read()
      files.delete(list.pages[1]!.path)
      expect(await reason(await write(list, files))).to.match(/files for/)
    })
    it('a file too many', async () => {
      const { list, files } = await read()
      files.set('extra', Buffer.from('x'))
      expect(await reason(await write(list, files))).to.match(/files for/)
    })
    it('another status, another type', async () => {
      const { list, files } = await read()
      list.pages[1]!.status = 500
      expect(await reason(await write(list, files))).to.match(/status 200/)
      list.pages[1]!.status = 200
      list.pages[1]!.contentType = 'text/plain'
      expect(await reason(await write(list, files))).to.match(/the archive says text\/plain/)
    })
    it('other URLs, in the manifest and in the submission', async () => {
      const { list, files } = await read()
      expect(await reason(await write({ ...list, urls: list.urls.slice(1) }, files))).to.match(/another list of URLs/)
      expect(await reason(await write(list, files, { urls: 'x' }))).to.match(/another list of URLs/)
      expect(await reason(await write({ ...list, pages: list.pages.slice(1) }, files))).to.match(/pages of/)
    })
    it('another cycle, wrong totals, no manifest', async () => {
      const { list, files } = await read()
      expect(await reason(await write({ ...list, cycle: 3 }, files))).to.match(/cycle 3/)
      expect(await reason(await write(list, files, { bytes: 1 }))).to.match(/submission says 1 bytes/)
      const cid = await proofs.putFiles([{ path: 'a', content: Buffer.from('x') }], { signal })
      expect(await reason({ value: JSON.stringify({ ...JSON.parse(submission.value), cid }), proofs: [cid] })).to.match(/no manifest.json/)
    })
  })

  it('abstains when a page does not answer the auditor', async () => {
    const missing = answers.get('/missing')!
    answers.delete('/missing')
    expect(await reason(submission)).to.match(/^threw: .*did not answer/)
    answers.set('/missing', missing)
  })

  it('submits nothing when a page does not answer', async () => {
    const broken = await makeRunner({ bundle, proofs, params: { urls: [`${own}/nowhere`] }, allowNetwork: true })
    runners.push(broken.runner)
    expect(await broken.runner.task(timing)).to.deep.include({ ok: false, reason: 'threw' })
    expect(await broken.runner.submission(timing)).to.deep.equal({ ok: true, value: null })
  })

  it('needs its URLs', async () => {
    for (const urls of [undefined, [], ['ftp://x/'], ['file:///etc/passwd'], [site.url, site.url]]) {
      const wrong = await makeRunner({ bundle, proofs, params: { urls }, allowNetwork: true })
      const outcome = await wrong.runner.task(timing)
      await wrong.runner.stop()
      expect((outcome as { detail: string }).detail).to.match(/parameters need urls/)
    }
  })
})
