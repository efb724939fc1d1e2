import { expect } from 'chai'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../../src/control/app.ts'
import { askedTaskSchema, statusSchema } from '../../src/control/schemas.ts'
import { createStreams } from '../../src/control/stream.ts'
import { eventSchemas } from '../../src/observe/events.ts'
import { createEvents } from '../../src/observe/index.ts'
import { fakeNode } from './fake-node.ts'

interface Operation {
  operationId: string
  summary: string
  security?: Array<Record<string, string[]>>
  parameters?: Array<{ in: string; name: string; required?: boolean }>
  requestBody?: { content: Record<string, { schema: { $ref?: string } }> }
  responses: Record<string, { content?: Record<string, { schema: { $ref?: string } }> }>
}
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, { properties?: object }>; securitySchemes: object }
}

describe('control: the OpenAPI document', () => {
  const events = createEvents({ slot: () => 1, node: 'n' })
  const streams = createStreams({ events, every: () => () => {} })
  let app: FastifyInstance
  let document: Document
  before(async () => {
    app = await buildApp({ node: fakeNode(), streams, token: 't', tokenFile: 'f', host: '127.0.0.1', log: { error: () => {} } as never })
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    document = (await (await fetch(`${url}/v1/openapi.json`, { headers: { authorization: 'Bearer t' } })).json()) as Document
  })
  after(() => app.close())

  const operations = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ name: `${method.toUpperCase()} ${path}`, path, operation }))
    )

  /** As fastify prints its tree: the document is made of hooks, and this is not. */
  function registered(): string[] {
    const routes: string[] = []
    const parts: string[] = []
    for (const line of app.printRoutes({ commonPrefix: false }).split('\n')) {
      const [, indent, segment, methods] = /^([│ ]*)[└├]── (\S+)(?: \(([A-Z, ]+)\))?$/.exec(line) ?? []
      if (segment != null) {
        const depth = indent!.length / 4
        parts.splice(depth, parts.length, segment)
        const path = parts.join('').replaceAll(/:(\w+)/g, '{$1}')
        routes.push(...(methods?.split(', ') ?? []).map((method) => `${method} ${path}`))
      }
    }
    return routes
  }

  it('is of version 3.1, and names every route that is registered, and no other', () => {
    expect(document.openapi).to.match(/^3\.1\./)
    const named = operations().map(({ name }) => name)
    expect(named).to.have.members(registered())
    expect(named).to.include.members([
      ...['/status', '/tasks', '/tasks/{task}', '/tasks/{task}/cycles', '/peers', '/events', '/openapi.json'].map(
        (path) => `GET /v1${path}`
      ),
      ...['pause', 'resume'].map((verb) => `POST /v1/tasks/{task}/${verb}`),
      ...['POST /v1/tasks', 'DELETE /v1/tasks/{task}'],
      ...['GET /healthz', 'GET /status']
    ])
  })

  it('says of each what it is, what it takes, what it gives, and whether it wants the token', () => {
    const ids = operations().map(({ operation }) => operation.operationId)
    expect(new Set(ids).size).to.equal(ids.length)
    for (const { name, path, operation } of operations()) {
      expect(operation.summary, name).to.match(/\w/)
      expect(operation.security, name).to.deep.equal(path.startsWith('/v1/') ? [{ token: [] }] : undefined)
      expect(Object.keys(operation.responses), name).to.include.members(['200', '403'])
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, one]) => one)
      const named = (operation.parameters ?? []).filter((one) => one.in === 'path').map((one) => one.name)
      expect(named, name).to.deep.equal(inPath)
      for (const [status, { content }] of Object.entries(operation.responses)) {
        expect(content, `${name} ${status}`).not.to.equal(undefined)
      }
    }
    expect(document.components.securitySchemes).to.have.keys(['token'])
  })

  it('says what a task is added with, and how it may be refused', () => {
    const { post } = document.paths['/v1/tasks']!
    const { schema } = post!.requestBody!.content['application/json']!
    const name = schema.$ref!.split('/').at(-1)!
    expect(Object.keys(document.components.schemas[name]!.properties!)).to.have.members(Object.keys(askedTaskSchema.shape))
    for (const operation of [post!, document.paths['/v1/tasks/{task}']!.delete!]) {
      expect(Object.keys(operation.responses)).to.include.members(['400', '409', '503'])
    }
  })

  it('has the schemas that check and serialize', () => {
    const ofStatus = document.paths['/v1/status']!.get!.responses['200']!.content!['application/json']!.schema
    expect(ofStatus.$ref).to.equal('#/components/schemas/Status')
    expect(Object.keys(document.components.schemas.Status!.properties!)).to.have.members(Object.keys(statusSchema.shape))
    const ofEvents = JSON.stringify(document.paths['/v1/events']!.get!.responses['200']!.content!['text/event-stream']!.schema)
    for (const { shape } of eventSchemas) {
      expect(ofEvents).to.include(`"${shape.event.value}"`)
    }
  })
})
