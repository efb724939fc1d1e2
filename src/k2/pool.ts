import type { Commitment } from '@solana/web3.js'
import type { Logger } from '../observe/index.ts'
import { askingOrder, LAG_SLOTS, lagOf } from './choose.ts'
import { type K2Connection, nameOf } from './connection.ts'
import { createEndpoint, type Endpoint, type EndpointLimits, type EndpointStatus } from './endpoint.ts'
import { K2ArgumentError, K2ContradictionError, messageOf } from './errors.ts'
import { isEndpointFault } from './faults.ts'
import { createOneNetwork, type OneNetwork, patiently } from './one-network.ts'
import { createPoll, noneLeft, type Question, short } from './poll.ts'
import { createWaits } from './waits.ts'

export type { Question } from './poll.ts'

/** K2's slot time, for telling how far behind an answer of a while ago is. */
const SLOT_MS = 400
/** How often a question is put again while the endpoints disagree: they may have been a slot apart. */
const AGREE_ROUNDS = 4
/** A question to all waits no longer for one that is being left alone. */
const PATIENCE_MS = 1000

/** What more than half of the endpoints that answered say. */
export interface Agreed<T> {
  value: T
  /** The slot that all who say so have reached. */
  slot: number
  /** Whether more than half of all endpoints say so, silent ones included; with one or two endpoints, whether one does. */
  sure: boolean
  /** How many say so, and of how many. */
  witnesses: number
  of: number
}

/** What became of a transaction that was given to every endpoint. */
export interface Broadcast {
  accepted: string[]
  refused: Array<{ name: string; error: unknown }>
}

/** Several endpoints of one chain, none of which has to be alive, quick, up to date or honest. */
export interface EndpointPool extends Pick<OneNetwork, 'genesisHash' | 'otherNetwork' | 'watchNetwork' | 'doubtNetwork' | 'admit'> {
  endpoints: readonly Endpoint[]
  /**
   * Asks the healthiest endpoint, and the next ones where it fails.
   *
   * @param turn - begins further down the list, for a second opinion
   * @throws K2UnreachableError, or what web3.js throws about the request itself
   */
  read<T>(request: (connection: K2Connection) => Promise<T>, turn?: number): Promise<T>
  /** Asks all, and takes what more than half say. @throws K2ContradictionError, K2UnreachableError, what most threw */
  agree<T>(question: Question<T>): Promise<Agreed<T>>
  /** Gives a signed transaction to all. @throws K2UnreachableError when nobody took or refused it */
  broadcast(wire: Uint8Array): Promise<Broadcast>
  /** The slot below which an answer would be a step back in time. */
  floor(commitment: Commitment): number
  /** What was read sets the floor for what will be. */
  raise(commitment: Commitment, agreed: Agreed<unknown>): void
  status(): EndpointStatus[]
  close(): void
}

export interface EndpointPoolInit {
  urls: readonly string[]
  limits?: EndpointLimits
  log: Logger
  nowMs: () => number
  random: () => number
  /** Told once of each question that takes long, and why, as far as that is known. */
  onWait?: ((reason: string) => void) | undefined
}

/** @throws K2ArgumentError */
export function createEndpointPool({ urls, limits, log, nowMs, random, onWait }: EndpointPoolInit): EndpointPool {
  if (urls.length === 0) {
    throw new K2ArgumentError('no URL of a K2 is given: give one such as http://127.0.0.1:8899 with --k2')
  }
  const names = urls.map((url) => (URL.canParse(url) ? nameOf(url) : url))
  const waits = createWaits({ onWait, toldMs: limits?.waitToldMs })
  const endpoints = urls.map((url, i) =>
    createEndpoint({
      url,
      name: names.indexOf(names[i]!) === i ? names[i]! : `${names[i]} (${i + 1})`,
      ...(limits == null ? {} : { limits }),
      log,
      nowMs,
      random,
      onConnected: () => network.doubtNetwork(),
      onTrouble: (reason) => {
        waits.trouble(`${names[i]}: ${short(reason)}`)
      }
    })
  )
  const several = endpoints.length > 1
  const patienceMs = limits?.patienceMs ?? PATIENCE_MS
  const byName = new Map(endpoints.map((endpoint) => [endpoint.name, endpoint]))
  const allFacts = () => endpoints.map((endpoint) => endpoint.facts())
  const usable = () => endpoints.filter((endpoint) => !endpoint.facts().dropped)
  const floors = new Map<Commitment, number>()

  const network = createOneNetwork({ endpoints, patienceMs, doubtPauseMs: limits?.doubtPauseMs })
  const { genesisHash, otherNetwork, watchNetwork, doubtNetwork, admit, untilMajority } = network
  const askOne = async <T>(endpoint: Endpoint, request: (connection: K2Connection) => Promise<T>, waitMs?: number) => {
    await admit(endpoint)
    return endpoint.ask(request, waitMs)
  }

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms * (0.75 + random() / 2)))

  const { poll } = createPoll({ usable, byName, several, patienceMs, nowMs, waits, untilMajority, ask: askOne })

  return {
    endpoints,
    genesisHash,
    otherNetwork,
    watchNetwork,
    doubtNetwork,
    admit,
    read: (request, turn = 0) =>
      waits.run(() =>
        patiently(async () => {
          const order = askingOrder(allFacts(), nowMs(), SLOT_MS)
          let failure: unknown = noneLeft()
          for (let i = 0; i < order.length; i++) {
            const endpoint = byName.get(order[(i + turn) % order.length]!)!
            try {
              return await askOne(endpoint, request)
            } catch (err) {
              if (!isEndpointFault(err)) {
                throw err
              }
              failure = err
            }
          }
          throw failure
        })
      ),
    async agree<T>(question: Question<T>): Promise<Agreed<T>> {
      let said = ''
      if (several) {
        await genesisHash()
      }
      if (usable().length * 2 < endpoints.length) {
        throw new K2ContradictionError(
          'most of the K2 endpoints are of another network than the one this process began with: check --k2 and start again'
        )
      }
      for (let round = 0; round < AGREE_ROUNDS; round++) {
        if (round > 0) {
          await pause(patienceMs / 4)
        }
        const { answers, chosen } = await waits.run(() => patiently(() => poll(question)))
        if (chosen.length > 0) {
          const slot = Math.min(...chosen.map((one) => one.slot))
          const newest = chosen.reduce((a, b) => (b.slot > a.slot ? b : a))
          if (newest.error != null) {
            throw newest.error
          }
          const all = usable().length
          return { value: newest.value as T, slot, sure: all <= 2 || chosen.length * 2 > all, witnesses: chosen.length, of: all }
        }
        said = answers.map((one) => `${one.name}: ${short(one.digest)}`).join(', ')
      }
      throw new K2ContradictionError(`the K2 endpoints contradict each other (${said}): a third one would tell who is right`)
    },
    async broadcast(wire) {
      const result: Broadcast = { accepted: [], refused: [] }
      let failure: unknown
      const taken = Promise.withResolvers<void>()
      const asked = usable().map(async (endpoint) => {
        try {
          await askOne(endpoint, (connection) => connection.sendRawTransaction(wire, { preflightCommitment: 'processed' }))
          result.accepted.push(endpoint.name)
        } catch (err) {
          if (isEndpointFault(err)) {
            failure = err
            return
          }
          if (/already been processed|AlreadyProcessed/i.test(messageOf(err))) {
            result.accepted.push(endpoint.name)
          } else {
            result.refused.push({ name: endpoint.name, error: err })
            return
          }
        }
        // the others get a while to take it too; that is no reason to keep the process alive
        setTimeout(taken.resolve, several ? 2 * patienceMs : 0).unref()
      })
      await waits.run(() => Promise.race([taken.promise, Promise.allSettled(asked)]))
      if (result.accepted.length + result.refused.length === 0) {
        throw failure ?? noneLeft()
      }
      // later answers do not change what the caller has in hand
      return { accepted: [...result.accepted], refused: [...result.refused] }
    },
    floor: (commitment) => floors.get(commitment) ?? 0,
    raise(commitment, { slot, witnesses, of }) {
      // what one of several claims could be so far ahead that the others would look late for ever
      if (witnesses * 2 > of && slot > (floors.get(commitment) ?? 0)) {
        floors.set(commitment, slot)
      }
    },
    status: () => statusOf(endpoints, nowMs()),
    close() {
      for (const endpoint of endpoints) {
        endpoint.close()
      }
    }
  }
}

function statusOf(endpoints: readonly Endpoint[], now: number): EndpointStatus[] {
  const all = endpoints.map((endpoint) => endpoint.facts())
  return endpoints.map((endpoint, i) => {
    const facts = all[i]!
    const lagSlots = lagOf(facts, all, now, SLOT_MS)
    const state = facts.dropped
      ? 'of another network'
      : facts.suspectUntilMs > now
        ? 'suspect'
        : facts.pausedUntilMs > now
          ? 'paused'
          : lagSlots > LAG_SLOTS
            ? 'behind'
            : 'good'
    return {
      name: facts.name,
      state,
      slot: facts.slot ?? null,
      lagSlots,
      latencyMs: Math.round(facts.latencyMs),
      ...endpoint.counters()
    }
  })
}
