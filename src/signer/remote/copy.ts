/**
 * What the node keeps of a signer's log: all of it, so that it knows its own messages without asking, and knows again what a signer
 * has lost. In the node's own store, under a name of its own for each key.
 */
import type { LogEntry, WholeLog } from '../../identity/index.ts'
import { SignerAwayError } from '../errors.ts'
import type { Answer, Asking } from './protocol.ts'

export interface Copy {
  log: WholeLog
  /** Reads the signer's log from a cycle on, takes what is new, and notes what the signer lacks. */
  compare(ask: (from: Asking<'log'>) => Promise<Answer<'log'>>, fromCycle: number): Promise<void>
  /** Whether the signer lacks what this node signed in a cycle from this one on. */
  lacksSince(cycle: number): boolean
  /** What is lacking now is of no account any more: the node has listened. */
  forgive(): void
}

const PAGE = 500
/** Four years of rounds of an hour, with as many attempts as there ever were: a log that goes on is none. */
export const MOST_ENTRIES = 1_000_000
const nameOf = ({ cycle, key }: Pick<LogEntry, 'cycle' | 'key'>) => `${cycle}/${key}`
/** What may be said again is dropped from either log with its cycle, and contradicts nothing. */
const mayBeOnce = ({ key }: Pick<LogEntry, 'key'>) => !key.startsWith('again/')

export function createCopy({
  log,
  task,
  address,
  mostEntries
}: {
  log: WholeLog
  task: string
  /** base58: the key's. */
  address: string
  mostEntries: number
}): Copy {
  const placeOf = (of: string) => `signer/${address}/${of}`
  const copy: WholeLog = {
    get: (of, cycle, key) => log.get(placeOf(of), cycle, key),
    put: (of, cycle, key, hash, bytes) => log.put(placeOf(of), cycle, key, hash, bytes),
    list: (of, fromCycle) => log.list(placeOf(of), fromCycle),
    prune: (of, cycle) => log.prune(placeOf(of), cycle),
    page: (of, from) => log.page(placeOf(of), from),
    takeAll: (of, entries) => log.takeAll(placeOf(of), entries)
  }
  let lacking = new Map<string, number>()
  const forgiven = new Set<string>()

  function* entriesOf(of: WholeLog, fromCycle: number): Generator<LogEntry> {
    let after: { cycle: number; key: string } | undefined
    for (let page: LogEntry[] | undefined; page == null || page.length === PAGE; ) {
      page = of.page(task, { fromCycle, after, limit: PAGE })
      yield* page
      after = page.at(-1)
    }
  }

  return {
    log: copy,
    async compare(ask, fromCycle) {
      const theirs = new Map<string, string>()
      let after: { cycle: number; key: string } | undefined
      for (let more = true; more; ) {
        const page = await ask({ task, fromCycle, ...(after == null ? {} : { after }) })
        const last = page.entries.at(-1)
        const isForward =
          last != null && (after == null || last.cycle > after.cycle || (last.cycle === after.cycle && last.key > after.key))
        more = page.more && isForward
        if (last == null) {
          break
        }
        if (theirs.size > mostEntries) {
          throw new SignerAwayError(`its log has more than ${mostEntries} entries, and is none of a signer`)
        }
        try {
          copy.takeAll(task, page.entries)
        } catch (err) {
          throw new SignerAwayError(
            `this node cannot keep its copy of what was signed (${(err as Error).message}): make room in its own data directory`,
            { cause: err }
          )
        }
        for (const entry of page.entries) {
          theirs.set(nameOf(entry), entry.hash)
        }
        after = { cycle: last.cycle, key: last.key }
      }
      lacking = new Map()
      // what this node signed itself, before it had a signer, is held to its signer as well: with another key it only listens once
      for (const own of [copy, log]) {
        for (const entry of entriesOf(own, fromCycle)) {
          if (mayBeOnce(entry) && theirs.get(nameOf(entry)) !== entry.hash && !forgiven.has(nameOf(entry))) {
            lacking.set(nameOf(entry), entry.cycle)
          }
        }
      }
    },
    lacksSince: (cycle) => [...lacking.values()].some((of) => of >= cycle),
    forgive() {
      for (const name of lacking.keys()) {
        forgiven.add(name)
      }
      lacking = new Map()
    }
  }
}
