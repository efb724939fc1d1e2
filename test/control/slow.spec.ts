/** Requests that do not come to an end. */
import { connect } from 'node:net'
import { expect } from 'chai'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/control/app.ts'
import { createStreams } from '../../src/control/stream.ts'
import { createEvents } from '../../src/observe/index.ts'
import { fakeNode, TASK } from './fake-node.ts'

describe('control: a request that does not end', () => {
  let app: FastifyInstance
  let port: number
  before(async () => {
    const streams = createStreams({ events: createEvents({ slot: () => 1, node: 'n' }), every: () => () => {} })
    const log = { error: () => {} } as never
    app = await buildApp({ node: fakeNode(), streams, token: 't', tokenFile: 'f', host: '127.0.0.1', log, requestMs: 100 })
    port = Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
  })
  after(() => app.close())

  const HEAD = `Host: 127.0.0.1\r\nAuthorization: Bearer t\r\n`
  for (const [what, text] of [
    ['head', `GET /v1/status HTTP/1.1\r\n${HEAD}`],
    ['body', `POST /v1/tasks/${TASK}/pause HTTP/1.1\r\n${HEAD}Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{`]
  ] as const) {
    it(`is told so, and its connection closed: a ${what} that stops`, async () => {
      const got = await new Promise<string>((resolve) => {
        let all = ''
        const socket = connect({ host: '127.0.0.1', port })
        socket.on('data', (part) => {
          all += part
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve(all))
        socket.write(text)
      })
      expect(got).to.match(/^HTTP\/1\.1 408 [\s\S]*"code":"too-slow"/)
    })
  }
})
