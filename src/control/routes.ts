import type { FastifyRequest } from 'fastify'
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { nodeEventSchema } from '../observe/events.ts'
import { NoSuchTaskError, said, TaskRefusedError } from './failures.ts'
import { OPEN_STATUS } from './former.ts'
import { LIMITS } from './limits.ts'
import {
  type Added,
  type AskedTask,
  addedSchema,
  askedTaskSchema,
  type Cycle,
  cyclesSchema,
  errorSchema,
  type Health,
  healthSchema,
  type Paused,
  type Peer,
  pauseAnswerSchema,
  peersSchema,
  type Removed,
  removedSchema,
  type Status,
  statusSchema,
  type Task,
  taskAddress,
  taskSchema,
  tasksSchema
} from './schemas.ts'
import { type EventStreams, isEventId } from './stream.ts'

/** What the API asks of a node. */
export interface Controlled {
  status(): Promise<Status>
  healthy(): Health
  tasks(): Task[]
  /** The newest first. `task`, here and below, is one of `tasks`. */
  cycles(task: string, limit: number): Cycle[]
  peers(): Peer[]
  /** Resolves when it survives a restart. @throws NotNowError, as does `resume` */
  pause(task: string): Promise<Paused>
  resume(task: string): Promise<void>
  /** Starts one more, and keeps it over restarts. Resolves when it runs, or when it takes long to begin. @throws TaskRefusedError, NotNowError */
  add(asked: AskedTask): Promise<Added>
  /** Ends one, and forgets that it was added. What is asked together is done one after the other. @throws TaskRefusedError, NotNowError */
  remove(task: string): Promise<Removed>
}

const taskParams = z.object({ task: taskAddress })
const noBody = z.strictObject({}).nullish()
const failures = {
  ...{ 400: errorSchema, 401: errorSchema, 403: errorSchema, 404: errorSchema },
  ...{ 413: errorSchema, 500: errorSchema, 503: errorSchema }
}
const refusals = { 409: errorSchema }

/** What is said of a route that needs the token. */
const about = <R extends Record<number, unknown>>(operationId: string, summary: string, response: R) => ({
  operationId,
  summary,
  security: [{ token: [] }],
  response: { ...failures, ...response }
})

/** For supervisors, which have no token. */
export const healthRoute: FastifyPluginAsyncZod<{ node: Controlled }> = async (app, { node }) => {
  app.get(
    '/healthz',
    {
      schema: {
        operationId: 'health',
        summary: 'Whether the node works: for supervisors, without a token',
        response: { 200: healthSchema, 403: errorSchema, 503: healthSchema }
      }
    },
    async (_request, reply) => {
      const health = node.healthy()
      return reply.code(health.ok ? 200 : 503).send(health)
    }
  )
}

/** For monitoring that has no token: what it could read before there was one, and nothing that changes anything. */
export const openStatusRoute: FastifyPluginAsyncZod<{ node: Controlled }> = async (app, { node }) => {
  app.get(
    OPEN_STATUS,
    {
      schema: {
        operationId: 'openStatus',
        summary: 'The same as /v1/status: for monitoring, without a token',
        response: { 200: statusSchema, 403: errorSchema }
      }
    },
    () => node.status()
  )
}

/** Everything below /v1. */
export const routes: FastifyPluginAsyncZod<{ node: Controlled; streams: EventStreams }> = async (app, { node, streams }) => {
  const known = (task: string): Task => {
    const found = node.tasks().find((one) => one.task === task)
    if (found == null) {
      throw new NoSuchTaskError(task)
    }
    return found
  }
  app.get(
    '/openapi.json',
    { schema: about('openapi', 'This document', { 200: z.looseObject({ openapi: z.string() }) }) },
    async () => app.swagger() as { openapi: string }
  )
  /** A connection that waits for the end of its request is no stalled one. */
  const patient = ({ raw }: Pick<FastifyRequest, 'raw'>) => void raw.socket.setTimeout(LIMITS.changeMs + LIMITS.stalledMs)
  app.get('/status', { schema: about('status', 'How the node is', { 200: statusSchema }) }, () => node.status())
  app.get('/peers', { schema: about('peers', 'Who is connected', { 200: peersSchema }) }, async () => ({ peers: node.peers() }))
  app.get('/tasks', { schema: about('tasks', 'What it runs', { 200: tasksSchema }) }, async () => ({ tasks: node.tasks() }))
  app.get(
    '/tasks/:task',
    { schema: { ...about('task', 'One task', { 200: taskSchema }), params: taskParams } },
    async ({ params: { task } }) => known(task)
  )
  app.get(
    '/tasks/:task/cycles',
    {
      schema: {
        ...about('cycles', 'How each phase of its cycles went: on time, late or missed, and why', { 200: cyclesSchema }),
        params: taskParams,
        querystring: z.strictObject({ limit: z.coerce.number().int().min(1).max(LIMITS.cycles).default(10) })
      }
    },
    async ({ params, query: { limit } }) => {
      const { task } = known(params.task)
      return { task, cycles: node.cycles(task, limit) }
    }
  )
  app.post(
    '/tasks/:task/pause',
    { schema: { ...about('pause', 'Leaves out the cycles to come', { 200: pauseAnswerSchema }), params: taskParams, body: noBody } },
    async ({ params }) => {
      const { task } = known(params.task)
      return { task, paused: await node.pause(task) }
    }
  )
  app.post(
    '/tasks/:task/resume',
    { schema: { ...about('resume', 'Goes on with the cycles to come', { 200: pauseAnswerSchema }), params: taskParams, body: noBody } },
    async ({ params }) => {
      const { task } = known(params.task)
      await node.resume(task)
      return { task, paused: null }
    }
  )
  app.post(
    '/tasks',
    {
      schema: {
        ...about('addTask', 'Does one more task, from now on and after each start', { 200: addedSchema, ...refusals }),
        body: askedTaskSchema
      },
      bodyLimit: LIMITS.taskBytes
    },
    async (request) => {
      patient(request)
      return node.add(request.body)
    }
  )
  app.delete(
    '/tasks/:task',
    { schema: { ...about('removeTask', 'Leaves a task: the others go on', { 200: removedSchema, ...refusals }), params: taskParams } },
    async (request) => {
      const { task } = known(request.params.task)
      if (node.tasks().length === 1) {
        throw new TaskRefusedError('last-task', 'it is the only task of the node: stop the node instead, or add another one first')
      }
      patient(request)
      return node.remove(task)
    }
  )
  app.get(
    '/events',
    {
      schema: {
        ...about('events', 'What happens, as server-sent events; one named `gap` says how many were lost before it', {
          200: { description: 'each `data` is one of these', content: { 'text/event-stream': { schema: nodeEventSchema } } },
          429: errorSchema
        }),
        headers: z.object({ 'last-event-id': z.string().refine(isEventId, 'should be the id of an event of a node').optional() }),
        querystring: z.strictObject({
          from: z.enum(['oldest', 'now']).default('now').describe('where to begin without Last-Event-ID'),
          follow: z.stringbool().default(true).describe('whether it goes on after what is there')
        })
      }
    },
    async ({ headers, query }, reply) => {
      const stream = streams.open({ lastEventId: headers['last-event-id'], ...query })
      if (stream == null) {
        return reply.code(429).send(said('too-many-readers', `there are ${LIMITS.readers} readers of events already: end one`))
      }
      return reply.type('text/event-stream').send(stream as never)
    }
  )
}
