/** The signer process: one key, one log, and in each task one node at a time, over a Unix socket. */
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance } from 'fastify'
import type { KeyPair, WholeLog } from '../../identity/index.ts'
import { messageOf } from '../../k2/index.ts'
import { SigningHeldError } from '../errors.ts'
import { createSigner, type Signer, type SignerInit } from '../signer.ts'
import {
  type Answering,
  type Asked,
  BUSY,
  entryToJson,
  MAX_BODY_BYTES,
  NO_SESSION,
  PAGE_BYTES,
  PAGE_ENTRIES,
  type Path,
  REQUESTS,
  toReason,
  toText,
  VERSION
} from './protocol.ts'
import { claimSocket } from './socket-place.ts'

/** What the signer keeps, of src/store. */
export interface SignerStore {
  signerLog: WholeLog
  id(): string
  origin(task: string): 'kept' | 'new' | 'lost'
  trustLog(task: string): void
  distrustLog(task: string): void
}

export interface ServeSignerInit extends Pick<SignerInit, 'programId' | 'maxFeeRoe' | 'signBytes'> {
  /** Where to listen: in a folder that this user alone may enter. */
  path: string
  keyPair: KeyPair
  store: SignerStore
  /** A node has come, and is served until `node-left`; what was refused, and why. */
  onEvent: (event: 'node' | 'node-left' | 'standing' | 'refused', detail: Record<string, unknown>) => void
}

/** Connections together: one for each task that a node may have, and those that are told to wait. */
const MAX_CONNECTIONS = 64
/** A request that takes longer to arrive is none of a node of this machine. */
const REQUEST_MS = 10_000

/** A request is refused with its name and its message; with these names the status says whose fault it is. */
const STATUS: Record<string, number> = {
  ContradictionError: 409,
  SigningHeldError: 403,
  SignerLogError: 507,
  UnreadableRequestError: 422,
  [BUSY]: 423,
  [NO_SESSION]: 428
}

class Refusal extends Error {
  constructor(name: string, message: string) {
    super(message)
    this.name = name
  }
}

interface Session {
  socket: Socket
  task: string
  /** Of this session alone: a node that comes anew has listened before it has what was halted undone. */
  signer: Signer
  isHalted: boolean
}

/**
 * Serves a staking key until `stop`.
 *
 * @throws SignerSocketError
 */
export async function serveSigner(init: ServeSignerInit): Promise<{ stop(): Promise<void> }> {
  const { path, keyPair, store, programId, maxFeeRoe, onEvent } = init
  const log = store.signerLog
  const sessions = new Map<string, Session>()
  const sessionAt = (socket: Socket) => [...sessions.values()].find((one) => one.socket === socket)

  const begin = (socket: Socket, task: string): Session => {
    const there = sessions.get(task)
    if (there != null && there.socket !== socket && !there.socket.destroyed) {
      throw new Refusal(BUSY, `it serves another node in the task ${task}, and one at a time`)
    }
    const own = sessionAt(socket)
    if (own != null && own.task !== task) {
      throw new Refusal('UnreadableRequestError', `this connection is for the task ${own.task}: ${task} has one of its own`)
    }
    const signer = createSigner({ ...init, log, task })
    signer.hold('the node has not said yet that it may be')
    const session = { socket, task, signer, isHalted: own?.isHalted === true }
    sessions.set(task, session)
    if (session.isHalted) {
      signer.halt('this node has said so')
    }
    if (own == null) {
      onEvent('node', { task })
      socket.once('close', () => {
        if (sessions.get(task)?.socket === socket) {
          sessions.delete(task)
        }
        onEvent('node-left', { task })
      })
    }
    return session
  }

  const answers: { [P in Path]: (asked: Asked<P>, session: Session) => Answering<P> | Promise<Answering<P>> } = {
    session: ({ task }) => ({
      publicKey: toText(keyPair.publicKey),
      program: programId,
      maxFeeRoe: String(maxFeeRoe),
      origin: store.origin(task),
      logId: store.id()
    }),
    standing: (asked, of) => {
      stand(of, asked, store)
      onEvent('standing', { task: of.task, ...asked })
      return {}
    },
    ping: () => ({}),
    'sign-message': async ({ bytes }, { signer }) => ({ signature: toText(await signer.signMessage(bytes)) }),
    'sign-vote': async ({ task, vote }, { signer }) => ({ signature: toText(await signer.signVote(task, vote)) }),
    'reserve-vote': async ({ task, vote }, { signer }) => {
      await signer.reserveVote(task, vote)
      return {}
    },
    'sign-transaction': async ({ message }, { signer }) => ({ signature: toText(await signer.signTransaction(message)) }),
    has: ({ bytes }, { signer }) => ({ has: signer.has(bytes) }),
    adopt: ({ bytes }, { signer }) => {
      signer.adopt(bytes)
      return {}
    },
    log: (asked) => pageOf(log, asked),
    prune: ({ task, cycle }) => {
      log.prune(task, cycle)
      return {}
    }
  }

  const app = makeApp((error, reason) => {
    // who only has to begin anew, or to wait, was refused nothing
    if (error !== NO_SESSION && error !== BUSY) {
      onEvent('refused', { error, reason })
    }
  })
  for (const name of Object.keys(REQUESTS) as Path[]) {
    app.post(`/${VERSION}/${name}`, async (request) => {
      const asked = REQUESTS[name].safeParse(request.body)
      if (!asked.success) {
        throw new Refusal('UnreadableRequestError', `it is no request for ${name}: ${asked.error.issues[0]?.message}`)
      }
      const { socket } = request.raw
      const { task } = asked.data as { task?: string }
      const served = name === 'session' ? begin(socket, task!) : sessionOf(socket)
      if (task != null && task !== served.task) {
        throw new Refusal('UnreadableRequestError', `the connection is for the task ${served.task}, and this is about ${task}`)
      }
      return (answers[name] as (asked: unknown, served: Session) => unknown)(asked.data, served)
    })
  }
  const sessionOf = (socket: Socket): Session => {
    const session = sessionAt(socket)
    if (session == null) {
      throw new Refusal(NO_SESSION, 'a connection begins with session')
    }
    return session
  }

  const place = await claimSocket(path)
  try {
    await app.listen({ path })
    place.made()
  } catch (err) {
    await app.close()
    place.release()
    throw err
  }
  return {
    async stop() {
      // Node takes the socket away with it
      await app.close()
      place.release()
    }
  }
}

function stand(session: Session, asked: Asked<'standing'>, store: SignerStore): void {
  const { signer, task } = session
  if (asked.state === 'signs') {
    if (session.isHalted) {
      throw new SigningHeldError('nothing is signed any more for this node, as it has said itself')
    }
    // before the first signature that it allows
    store.trustLog(task)
    signer.release()
  } else if (asked.state === 'held') {
    signer.hold(asked.reason)
    if (asked.distrust) {
      store.distrustLog(task)
    }
  } else {
    signer.halt(asked.reason)
    session.isHalted = true
    // whoever comes next listens first, also where it knows nothing of this
    store.distrustLog(task)
  }
}

function pageOf(log: WholeLog, { task, fromCycle, after }: Asked<'log'>): Answering<'log'> {
  const entries = log.page(task, { fromCycle, after, limit: PAGE_ENTRIES })
  let size = 0
  const end = entries.findIndex(({ bytes }, i) => (size += bytes?.length ?? 0) > PAGE_BYTES && i > 0)
  const kept = end < 0 ? entries : entries.slice(0, end)
  return { entries: kept.map(entryToJson), more: end >= 0 || entries.length === PAGE_ENTRIES }
}

function makeApp(onRefused: (name: string, message: string) => void): FastifyInstance {
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    forceCloseConnections: true,
    requestTimeout: REQUEST_MS,
    // a node that has nothing to sign says nothing for long
    keepAliveTimeout: 0,
    logger: false
  })
  app.server.maxConnections = MAX_CONNECTIONS
  app.setErrorHandler(async (err, _request, reply) => {
    const { name } = err as Error
    const message = toReason(messageOf(err))
    const status = STATUS[name] ?? (err as { statusCode?: number }).statusCode ?? 500
    onRefused(name, message)
    return reply.code(status).send({ error: name.slice(0, 100), message })
  })
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send({ error: 'NotFound', message: `there is nothing but ${VERSION}` }))
  return app
}
