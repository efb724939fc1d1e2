import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { type IncomingHttpHeaders, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Control, SOCKET_FILE, startControl, TOKEN_FILE } from '../../src/control/index.ts'
import { createEvents, type NodeEvents } from '../../src/observe/index.ts'
import { type FakeNode, fakeNode } from './fake-node.ts'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  body: string
  // biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of JSON by reading it
  json: any
}

export interface Asked {
  method?: string
  headers?: Record<string, string>
  body?: string
  /** Of the right token, unless one is given or none is wanted. */
  token?: string | null
  socket?: boolean
}

export interface ControlSuite {
  dir: string
  control: Control
  node: FakeNode
  events: NodeEvents
  token: string
  logged: unknown[]
  ask(path: string, asked?: Asked): Promise<Answer>
}

/** A control API for each test of a suite. */
export function controlOfSuite(): () => ControlSuite {
  let suite: ControlSuite
  beforeEach(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'km-api-'))
    const node = fakeNode()
    const events = createEvents({ slot: () => 320, node: 'n', now: () => 0 })
    const logged: unknown[] = []
    const log = { error: (...said: unknown[]) => void logged.push(said), warn: (...said: unknown[]) => void logged.push(said) } as never
    const control = await startControl({ port: 0, dataDir: dir, node, events, log })
    const token = await readFile(join(dir, TOKEN_FILE), 'utf8')
    const ask = (path: string, { method = 'GET', headers = {}, body, token: shown = token, socket }: Asked = {}) =>
      new Promise<Answer>((resolve, reject) => {
        const { hostname, port, host } = new URL(control.url)
        const asked = request(
          {
            ...(socket === true ? { socketPath: join(dir, SOCKET_FILE) } : { hostname, port }),
            ...{ path, method, agent: false },
            headers: { host, ...(shown == null ? {} : { authorization: `Bearer ${shown}` }), ...headers }
          },
          (response) => {
            let text = ''
            response.setEncoding('utf8')
            response.on('data', (part) => {
              text += part
            })
            response.on('error', reject)
            response.on('end', () => {
              const isJson = response.headers['content-type']?.startsWith('application/json') === true
              resolve({
                ...{ status: response.statusCode!, headers: response.headers, body: text },
                json: isJson ? JSON.parse(text) : undefined
              })
            })
          }
        )
        asked.on('error', reject)
        asked.end(body)
      })
    suite = { dir, control, node, events, token, logged, ask }
  })
  afterEach(async () => {
    await suite.control.stop()
    await rm(suite.dir, { recursive: true })
  })
  return () => suite
}
