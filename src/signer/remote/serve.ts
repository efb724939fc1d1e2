/** The signer process: one key, one log, and one node at a time, over a Unix socket. */
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
  origin(): 'kept' | 'new' | 'lost'
  trustLog(): void
  distrustLog(): void
}

export interface ServeSignerInit extends Pick<SignerInit, 'programId' | 'maxFeeRoe' | 'signBytes'> {
  /** Where to listen: in a folder that this user alone may enter. */
  path: string
  keyPair: KeyPair
  store: SignerStore
  /** A node has come, and is served until `node-left`; what was refused, and why. */
  onEvent: (event: 'node' | 'node-left' | 'standing' | 'refused', detail: Record<string, unknown>) => void
}

/** Connections together: one is served, and the others are told so. */
const MAX_CONNECTIONS = 16
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
  let session: Session | undefined

  const begin = (socket: Socket): Session => {
    if (session != null && session.socket !== socket && !session.socket.destroyed) {
      throw new Refusal(BUSY, 'it serves another node, and one at a time')
    }
    const before = session?.socket === socket ? session : undefined
    const signer = createSigner({ ...init, log })
    signer.hold('the node has not said yet that it may be')
    session = { socket, signer, isHalted: before?.isHalted === true }
    if (session.isHalted) {
      signer.halt('this node has said so')
    }
    if (before == null) {
      onEvent('node', {})
      socket.once('close', () => {
        if (session?.socket === socket) {
          session = undefined
        }
        onEvent('node-left', {})
      })
    }
    return session
  }

  const answers: { [P in Path]: (asked: Asked<P>, session: Session) => Answering<P> | Promise<Answering<P>> } = {
    session: () => ({
      publicKey: toText(keyPair.publicKey),
      program: programId,
      maxFeeRoe: String(maxFeeRoe),
      origin: store.origin(),
      logId: store.id()
    }),
    standing: (asked, of) => {
      stand(of, asked, store)
      onEvent('standing', { ...asked })
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
      const served = name === 'session' ? begin(socket) : sessionOf(socket)
      return (answers[name] as (asked: unknown, served: Session) => unknown)(asked.data, served)
    })
  }
  const sessionOf = (socket: Socket): Session => {
    if (session?.socket !== socket) {
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
  const { signer } = session
  if (asked.state === 'signs') {
    if (session.isHalted) {
      throw new SigningHeldError('nothing is signed any more for this node, as it has said itself')
    }
    // before the first signature that it allows
    store.trustLog()
    signer.release()
  } else if (asked.state === 'held') {
    signer.hold(asked.reason)
    if (asked.distrust) {
      store.distrustLog()
    }
  } else {
    signer.halt(asked.reason)
    session.isHalted = true
    // whoever comes next listens first, also where it knows nothing of this
    store.distrustLog()
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
