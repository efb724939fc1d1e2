import { askPace, createPaceLink, type K2Client, type PaceLink, type Slots } from '../k2/index.ts'
import type { Logger } from '../observe/index.ts'
import type { Proofs } from '../proofs/index.ts'
import { createPace, type Pace } from './pace.ts'
import { createPaceWork, type PaceWork } from './pace-work.ts'

/** What the rooms of a node get where its K2 waits for it: a local one with `--pace auto`, and no other. */
export interface Paced {
  work: PaceWork
  /** What limits that slots set as well get on top, in ms: the machine may be as slow as it likes, and it is the slot that ends them. */
  graceMs: number
  /** What an answer may take to come over a connection, in ms. */
  answerMs: number
  /** Fetching waits for peers, and no slot for it. */
  proofs(proofs: Proofs): Proofs
  /** What brings a vote to K2 does so in the slot in which it was cast. */
  votes<K extends Pick<K2Client, 'prepare' | 'broadcast'>>(k2: K): K
  /** Asks which slot it is, as one who may wait for the next. */
  asking<A extends unknown[], T>(ask: (...args: A) => T): (...args: A) => T
  /** From here on slots wait for this node. */
  start(): void
  /** The machine is in another network. */
  renew(): void
  stop(): void
}

export interface PacedInit {
  urls: readonly string[]
  name: string
  k2: () => Pick<K2Client, 'oldestRequestMs'>
  slots: () => Pick<Slots, 'now' | 'on' | 'believe'>
  /** Grows with whatever comes from others, and goes to them. */
  heard: () => number
  /** K2 has leapt: what others had said may have run out. */
  onLeap: () => void
  log: Logger
}

const GRACE_MS = 60 * 60_000
/** A busy machine may take this long for what an idle one does at once. */
const ANSWER_MS = 120_000

/** Undefined where K2 waits for nobody: with several endpoints none of them is a local K2 that could. */
export async function createPaced(init: PacedInit): Promise<Paced | undefined> {
  const [url] = init.urls
  if (url == null || init.urls.length !== 1 || (await askPace(url)) !== 'auto') {
    return undefined
  }
  const work = createPaceWork()
  let pace: Pace | undefined
  let link: PaceLink | undefined

  return {
    work,
    graceMs: GRACE_MS,
    answerMs: ANSWER_MS,
    proofs: (proofs) => ({ ...proofs, fetch: (cid, options) => work.away(() => proofs.fetch(cid, options)) }),
    votes: (k2) => ({
      ...k2,
      prepare: (...args) => work.quick('a vote', () => k2.prepare(...args)),
      broadcast: (wire) => work.quick('a vote', () => k2.broadcast(wire))
    }),
    asking:
      (ask) =>
      (...args) => {
        work.asked(init.slots().now() ?? -1)
        return ask(...args)
      },
    start() {
      pace = createPace({
        slots: init.slots(),
        onLeap: init.onLeap,
        // of K2 all that was asked for before is awaited, and not what is asked for meanwhile: a task may ask without end
        holds: (slot, askedMs) => work.holds(slot) || init.k2().oldestRequestMs() <= askedMs,
        moves: () => work.moves() + init.heard(),
        done: (question, moves) => link?.done(question, moves),
        busy() {
          link?.busy()
          const slot = init.slots().now() ?? 0
          init.log.debug({ slot, for: work.heldBy(slot) }, 'K2’s slot waits for this node')
        }
      })
      link = createPaceLink({ url, name: init.name, onQuestion: pace.asked, log: init.log })
      init.log.info({ url }, 'the slots of this K2 wait for the node')
    },
    renew: () => link?.renew(),
    stop() {
      link?.close()
      pace?.stop()
    }
  }
}
