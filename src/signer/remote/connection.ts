/**
 * The connection to a signer, made anew whenever it is needed: one request after the other, and before each of them the signer has
 * been met and knows how the key stands.
 */
import PQueue from 'p-queue'
import { SignerAwayError } from '../errors.ts'
import { awayText, createAway } from './away.ts'
import { createLink, NoSessionError } from './link.ts'
import { type Answer, type Asking, type Path, toText } from './protocol.ts'
import { type Standing, standingToJson } from './standing.ts'
import { createTrust, type Trust, type TrustInit } from './trust.ts'

export interface ConnectionInit extends TrustInit {
  /** Of the signer's socket. */
  path: string
  /** The longest that one answer may take. */
  answerMs: number
  onAway(reason: string): void
  onBack(awayMs: number): void
  /** The signer's log lacks what it should have: nothing new is signed until the node says otherwise. */
  onMistrust(reason: string): void
}

export interface Connection {
  trust: Trust
  /** @throws SignerAwayError, or what the signer refused with */
  ask<P extends Path>(name: P, asking: Asking<P>): Promise<Answer<P>>
  standing(): Standing
  /** How the key stands from now on: said as soon as it can be, and again at each new connection. */
  stand(standing: Standing): void
  /** Told to the signer as soon as it can be. */
  adopt(bytes: Uint8Array): void
  /** What it answered was wrong: it counts as away until it has answered right. */
  wasWrong(reason: string): SignerAwayError
  wasRight(): void
  isIdle(): boolean
  notice(): string | null
  /** Waits for what is to be said of the key, where somebody listens. */
  close(): Promise<void>
}

export function createConnection(init: ConnectionInit): Connection {
  const { path, answerMs, onMistrust } = init
  const closing = new AbortController()
  const link = createLink({ path, answerMs, stopping: closing.signal })
  const queue = new PQueue({ concurrency: 1 })
  const trust = createTrust(init)
  const away = createAway(path, init)
  const adopting = new Set<Uint8Array>()
  let connected = false
  let standing: Standing = { state: 'held', reason: 'the node has not begun to sign' }
  /** The one that the signer was told last. */
  let said: Standing | undefined

  const isLost = () => {
    connected = false
    said = undefined
  }
  const isAway = (reason: string, untilSigned = false) => {
    isLost()
    if (!closing.signal.aborted) {
      away.begins(reason, trust.facts() != null, untilSigned)
    }
  }

  const sayAdopted = async () => {
    for (const bytes of adopting) {
      await link.call('adopt', { bytes: toText(bytes) })
      adopting.delete(bytes)
    }
  }

  /** Whatever is asked for next finds the signer as it should stand. */
  const ready = async () => {
    if (!connected) {
      const whyNot = await trust.meet(link, sayAdopted)
      connected = true
      if (whyNot != null && standing.state === 'signs') {
        standing = { state: 'held', reason: whyNot }
        onMistrust(whyNot)
      }
      away.ends(false)
    }
    await sayAdopted()
    while (said !== standing) {
      const saying = standing
      await link.call('standing', standingToJson(saying, trust.isMistrusted()))
      said = saying
      if (saying.state === 'signs') {
        trust.isMarked()
      }
    }
  }

  const askNow = async <P extends Path>(name: P, asking: Asking<P>): Promise<Answer<P>> => {
    try {
      await ready()
      return await link.call(name, asking)
    } catch (err) {
      if (!(err instanceof NoSessionError)) {
        throw err
      }
      // the signer behind the socket is another one than before
      isLost()
      await ready()
      return link.call(name, asking)
    }
  }
  const ask: Connection['ask'] = (name, asking) =>
    queue.add(async () => {
      try {
        return await askNow(name, asking)
      } catch (err) {
        if (!(err instanceof SignerAwayError)) {
          throw err
        }
        isAway(err.message)
        throw new SignerAwayError(awayText(path, err.message), { cause: err })
      }
    })
  const asSoonAsCanBe = () => void ask('ping', {}).catch(() => {})

  return {
    trust,
    ask,
    standing: () => standing,
    stand(next) {
      standing = next
      asSoonAsCanBe()
    },
    adopt(bytes) {
      adopting.add(bytes)
      asSoonAsCanBe()
    },
    wasWrong(reason) {
      isAway(reason, true)
      return new SignerAwayError(awayText(path, reason))
    },
    wasRight: () => away.ends(true),
    isIdle: () => queue.size + queue.pending === 0,
    notice: away.notice,
    async close() {
      if (said !== standing && !away.is()) {
        // such as that nothing is to be signed any more; an answer has its time
        await queue.onIdle()
      }
      closing.abort()
      link.close()
    }
  }
}
