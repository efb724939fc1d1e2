/** The commands' side: what is said when a node cannot be asked. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import { ask, doorOf, eventsOf, type Streamed, tokenAt } from '../../src/control/client.ts'
import { fitsSocket } from '../../src/control/files.ts'
import { API_FILE, TOKEN_FILE } from '../../src/control/index.ts'
import { statusSchema } from '../../src/control/schemas.ts'
import { STATUS } from './fake-node.ts'
import { controlOfSuite } from './suite.ts'

const failure = async (run: () => unknown): Promise<string> => {
  try {
    await run()
  } catch (err) {
    expect((err as Error).name).to.equal('ControlError')
    return (err as Error).message
  }
  throw new Error('it did not fail')
}

/** As a user who may read nothing of ours. */
function asNobody<T>(run: () => T): T {
  if (process.geteuid!() !== 0) {
    return run()
  }
  process.seteuid!(65_534)
  try {
    return run()
  } finally {
    process.seteuid!(0)
  }
}

describe('control: the client', () => {
  const suite = controlOfSuite()

  it('finds the node of a data directory, and asks it by the socket', async () => {
    const door = doorOf(suite().dir)
    expect(door.socket).to.equal(join(suite().dir, 'api.sock'))
    expect(await ask(door, statusSchema, '/v1/status')).to.deep.equal(STATUS)
    const { socket: _, ...byTcp } = door
    expect(await ask(byTcp, statusSchema, '/v1/status')).to.deep.equal(STATUS)
  })

  it('reads events until they end, or somebody ends it', async () => {
    const { events, dir } = suite()
    events.emit('work-started', { cycle: 1 })
    const stopping = new AbortController()
    const read: Streamed[] = []
    for await (const one of eventsOf(doorOf(dir), { from: 'oldest', follow: false, signal: stopping.signal })) {
      read.push(one)
    }
    expect(read).to.have.length(1)
    const [first] = read as Array<Extract<Streamed, { id: string }>>
    expect(first!.event.event).to.equal('work-started')
    events.emit('closed', { cycle: 1 })
    const more: string[] = []
    for await (const one of eventsOf(doorOf(dir), { from: 'now', follow: true, lastEventId: first!.id, signal: stopping.signal })) {
      more.push('event' in one ? one.event.event : 'gap')
      stopping.abort()
    }
    expect(more).to.deep.equal(['closed'])
  })

  it('says that no node runs there', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'km-api-'))
    expect(await failure(() => doorOf(dir))).to.match(
      /^no node runs with the data directory .*: start one \(koii-mesh start --help\).*--data-dir$/
    )
    await writeFile(join(dir, API_FILE), 'x')
    expect(await failure(() => doorOf(dir))).to.match(/is not what a node writes.*--data-dir$/)
    await writeFile(join(dir, API_FILE), '{"url":"http://127.0.0.1:1"}')
    expect(await failure(() => doorOf(dir))).to.match(/no node runs/)
    await writeFile(join(dir, TOKEN_FILE), 'token')
    expect(await failure(() => ask(doorOf(dir), statusSchema, '/v1/status'))).to.match(
      /does not answer .*koii-mesh start --help.*--data-dir$/
    )
    expect(await failure(() => tokenAt(join(dir, 'none')))).to.match(/there is no token in .*--token-file/)
    await rm(dir, { recursive: true })
  })

  it('says that the node is another user’s', async function () {
    if (process.platform === 'win32') {
      this.skip()
    }
    const { dir } = suite()
    await chmod(dir, 0o755)
    for (const name of [API_FILE, TOKEN_FILE]) {
      await chmod(join(dir, name), process.geteuid!() === 0 ? 0o600 : 0)
    }
    expect(await failure(() => asNobody(() => doorOf(dir)))).to.match(
      /cannot be read: the data directory is another user's\..*sudo -u USER.*--data-dir$/
    )
    expect(await failure(() => asNobody(() => tokenAt(join(dir, TOKEN_FILE))))).to.match(/another user's.*sudo -u USER/)
  })

  it('says that the token is of an older start', async () => {
    const { dir, token } = suite()
    const door = { ...doorOf(dir), token: 'old' }
    const said = await failure(() => ask(door, statusSchema, '/v1/status'))
    expect(said)
      .to.match(/does not take the token: it was started again/)
      .and.not.include(token)
    expect(await failure(() => ask(doorOf(dir), statusSchema, '/v1/nothing'))).to.match(/says: there is no such thing here/)
    expect(await readFile(join(dir, TOKEN_FILE), 'utf8')).to.equal(token)
  })

  it('takes no path for a socket that does not fit, and none on Windows', () => {
    expect(fitsSocket('/a/api.sock', 'linux')).to.equal(true)
    expect(fitsSocket(`/${'a'.repeat(120)}/api.sock`, 'linux')).to.equal(false)
    expect(fitsSocket(`/${'ä'.repeat(60)}`, 'linux')).to.equal(false)
    expect(fitsSocket('/a/api.sock', 'win32')).to.equal(false)
  })
})

describe('control: the client and what answers in a node’s place', () => {
  let server: Server
  let answers: RequestListener
  before(async () => {
    server = createServer((request, response) => answers(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const door = () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return { url, token: 't', named: url }
  }
  const told = (listener: RequestListener) => {
    answers = listener
    return failure(() => ask(door(), statusSchema, '/v1/status'))
  }

  it('is not believed, and read in bounds', async () => {
    expect(await told((_, response) => response.end('hello'))).to.match(/is no JSON/)
    expect(await told((_, response) => response.end('{}'))).to.match(/answers otherwise than this command expects/)
    expect(await told((_, response) => response.writeHead(500).end('x'))).to.match(/answers with status 500/)
    expect(await told((_, response) => response.destroy())).to.match(/does not answer/)
    const endless: RequestListener = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(100_000))) {
          // until it waits
        }
        response.once('drain', more)
      }
      more()
    }
    expect(await told(endless)).to.match(/has more than \d+ bytes/)
    const hostile = JSON.stringify({ error: { code: 'x', message: '\x1b[2J' } })
    expect(await told((_, response) => response.writeHead(400).end(hostile))).to.match(/says: \\x1b\[2J$/)
  })

  it('that streams no events, or one without an end, costs nothing and is told', async () => {
    const read = async () => {
      const got: Streamed[] = []
      for await (const one of eventsOf(door(), { from: 'oldest', follow: false, signal: new AbortController().signal })) {
        got.push(one)
      }
      return got
    }
    answers = (_, response) =>
      response.end('data: {"event":"of another version"}\n\n: still here\n\ndata: x\n\nevent: gap\ndata: {"lost":3}\n\n')
    expect(await read()).to.deep.equal([{ lost: 3 }])
    answers = (_, response) => {
      const more = () => {
        while (!response.destroyed && response.write('x'.repeat(100_000))) {
          // until it waits
        }
        response.once('drain', more)
      }
      more()
    }
    expect(await failure(read)).to.match(/an event is too large/)
  })
})
