import pRetry from 'p-retry'
import { type Answer, majority } from './choose.ts'
import type { Endpoint } from './endpoint.ts'
import { K2ContradictionError } from './errors.ts'
import { asksForPatience } from './faults.ts'
import { oneAtATime } from './looks.ts'

/** That all endpoints are of one network, and stay so. */
export interface OneNetwork {
  /** The hash that names the chain, as most endpoints tell it. @throws K2ContradictionError */
  genesisHash(): Promise<string>
  /**
   * Asks all once more which network they are of: a chain may have been replaced by another at the same URL.
   *
   * @returns what to tell the operator when all that answer are of another one; those of several that are, are dropped
   * @throws what the first threw, when none answers
   */
  otherNetwork(): Promise<string | undefined>
  /**
   * Calls `listener` once with what `otherNetwork` returns, which is asked at each doubt, until the returned function is called. While
   * there is no doubt this costs no request, and however many there are, one in some seconds.
   */
  watchNetwork(listener: (reason: string) => void): () => void
  /** What may mean that another chain has come: a slot or an account that does not go on from what was, a new connection. */
  doubtNetwork(): void
  /** Sees to it that an endpoint is of the network before it is listened to. */
  admit(endpoint: Endpoint): Promise<void>
  /** Resolves when a majority of all endpoints says the same, or when nobody is left who could say something. */
  untilMajority(asked: Array<Promise<unknown>>, answers: Answer[]): Promise<void>
}

export interface OneNetworkInit {
  endpoints: readonly Endpoint[]
  /** How long one of several is waited for. */
  patienceMs: number
  /** Least time from one look at all of them, asked for by doubts, to the next; default five seconds. */
  doubtPauseMs?: number | undefined
}

const DOUBT_PAUSE_MS = 5000

export function createOneNetwork({ endpoints, patienceMs, doubtPauseMs = DOUBT_PAUSE_MS }: OneNetworkInit): OneNetwork {
  const several = endpoints.length > 1
  const usable = () => endpoints.filter((endpoint) => !endpoint.facts().dropped)
  const hashes = new Map<Endpoint, string>()
  let network: string | undefined
  let finding: Promise<string> | undefined

  const hashOf = async (endpoint: Endpoint) => {
    const hash = await endpoint.ask((connection) => connection.getGenesisHash(), several ? patienceMs : undefined)
    hashes.set(endpoint, hash)
    return hash
  }
  const drop = (endpoint: Endpoint) =>
    endpoint.drop(`its genesis hash is ${hashes.get(endpoint)}, that of the others ${network}: it is another network`)

  const findNetwork = async (): Promise<string> => {
    const answers: Answer[] = []
    let failure: unknown
    const asked = endpoints.map(async (endpoint) => {
      try {
        answers.push({ name: endpoint.name, slot: 0, digest: await hashOf(endpoint), suspect: false })
      } catch (err) {
        failure ??= err
      }
    })
    await untilMajority(asked, answers)
    if (answers.length === 0) {
      throw failure
    }
    const { digest } = majority(answers, answers.length)
    if (digest == null) {
      throw new K2ContradictionError(
        `the K2 endpoints belong to different networks (${answers.map((one) => `${one.name}: ${one.digest}`).join(', ')}): give only those of one network with --k2`
      )
    }
    network = digest
    for (const [endpoint, hash] of hashes) {
      if (hash !== digest) {
        drop(endpoint)
      }
    }
    return digest
  }
  const genesisHash = async () => {
    if (network != null) {
      return network
    }
    finding ??= (several ? findNetwork() : patiently(findNetwork)).finally(() => {
      finding = undefined
    })
    return finding
  }
  /** Of several endpoints, only those that are of the network are asked for anything. */
  const admit = async (endpoint: Endpoint) => {
    if (!several) {
      return
    }
    const expected = await genesisHash()
    const hash = hashes.get(endpoint) ?? (await hashOf(endpoint))
    if (hash !== expected) {
      drop(endpoint)
    }
  }
  const otherNetwork = async () => {
    const began = network
    if (began == null) {
      return undefined
    }
    const asked = await Promise.allSettled(usable().map(async (endpoint) => ({ endpoint, hash: await hashOf(endpoint) })))
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    if (answers.length === 0 && asked[0]?.status === 'rejected') {
      throw asked[0].reason
    }
    const others = answers.filter(({ hash }) => hash !== began)
    if (others.length < answers.length) {
      for (const { endpoint } of others) {
        drop(endpoint)
      }
      return undefined
    }
    // a lie of one, while the others are away, must stop nobody
    return others.length * 2 > endpoints.length
      ? `K2 at ${others.map(({ endpoint }) => endpoint.name).join(', ')} is another network now: its genesis hash is ${others[0]!.hash}, and this process began with ${began}. Check --k2, and start again`
      : undefined
  }
  /** Resolves when a majority of all endpoints says the same, or when nobody is left who could say something. */
  async function untilMajority(asked: Array<Promise<unknown>>, answers: Answer[]): Promise<void> {
    const enough = Promise.withResolvers<void>()
    for (const one of asked) {
      one.then(
        () => {
          if (majority(answers, usable().length).digest != null) {
            enough.resolve()
          }
        },
        () => {}
      )
    }
    await Promise.race([enough.promise, Promise.allSettled(asked)])
  }

  return { genesisHash, otherNetwork, ...createWatch(otherNetwork, doubtPauseMs), admit, untilMajority }
}

/** Where every endpoint asked for patience, once or twice more: the delay is their own pause. */
export function patiently<T>(run: () => Promise<T>): Promise<T> {
  return pRetry(run, { retries: 2, minTimeout: 0, shouldRetry: ({ error }) => asksForPatience(error) })
}

function createWatch(look: OneNetwork['otherNetwork'], pauseMs: number): Pick<OneNetwork, 'watchNetwork' | 'doubtNetwork'> {
  const watchers = new Set<() => void>()
  return {
    watchNetwork(listener) {
      const looks = oneAtATime(async () => {
        try {
          const reason = await look()
          if (reason != null && !looks.ended()) {
            end()
            listener(reason)
          }
        } catch {
          // nobody answered: the doubt stays
          looks.ask()
        }
      }, pauseMs)
      const end = () => {
        looks.end()
        watchers.delete(looks.ask)
      }
      watchers.add(looks.ask)
      return end
    },
    doubtNetwork() {
      for (const ask of watchers) {
        ask()
      }
    }
  }
}
